"""Unpack tar and zip files that may have been made to do harm."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..core.errors import fail
from .errors import ArchiveError, describe_file


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to: bytes, members, and bytes per packed byte."""

    size: int = 20 * 2**30
    members: int = 1_000_000
    ratio: int = 200
    # small files of zeros pack 1000:1 in all innocence; the ratio matters above this size
    ratio_from: int = 100 * 2**20


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    folder: bool
    refused: str | None
    open: Callable[[], IO[bytes] | None]


BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    NotImplementedError,  # a zip of a version or compression unknown here
)  # fmt: skip

# what opens a file that is packed alone, by the end of its name
SINGLE: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def extract(
    archive: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    limits: Limits = Limits(),
) -> list[Path]:
    """Unpack a .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or .zip file into `destination`.

    Every member is checked first: absolute paths, `..`, links, devices, names that differ
    only in case, and more than `limits` allows are refused with the member's name and nothing
    is written. Members are unpacked beside `destination` and moved in when all are there.
    Returns: the files written.
    Raises: ArchiveError (a RuntimeError).
    """
    source, target = Path(archive), Path(destination)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=target) as scratch:
        names = _unpack(source, Path(scratch), limits)
        return [_move(Path(scratch), target, name, source) for name in names]


def extract_single(
    archive: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    limits: Limits = Limits(),
) -> Path:
    """Unpack a single .gz, .bz2 or .xz file to `path`, whole or not at all.

    Without `path` it goes beside itself, by its name without the end.
    Raises: ArchiveError (a RuntimeError) for a damaged file, one that swells beyond `limits`, and
    one with another end to its name.
    """
    source = Path(archive)
    if source.suffix not in SINGLE:
        raise fail(ArchiveError, f"{source}: its name ends in none of {', '.join(SINGLE)}")
    target = Path(path) if path is not None else source.with_suffix("")
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with SINGLE[source.suffix](source, "rb") as packed, open(part, "wb") as file:
            _copy(packed, file, _Budget(source, limits))
    except BROKEN as error:
        raise _broken(source, error) from error
    else:
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _unpack(source: Path, scratch: Path, limits: Limits) -> list[str]:
    budget = _Budget(source, limits)
    seen: dict[str, str] = {}
    written = []
    try:
        for member in _members(source):
            name = _checked_name(member, seen, source)
            budget.announce(member)
            path = scratch / name
            if member.folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(member, path, budget)
            written.append(name)
    except BROKEN as error:
        raise _broken(source, error) from error
    return written


def _broken(source: Path, error: Exception) -> BaseException:
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return error  # the disk's fault, not the archive's (which may name a place below 0: EINVAL)
    what = (describe_file(source) if source.is_file() else None) or str(error) or "cut short"
    return fail(
        ArchiveError,
        f"{source} cannot be unpacked: {what}",
        f"it has {source.stat().st_size} bytes; delete it and fetch it again",
    )


def _members(source: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as file:
            for item in file.infolist():
                yield _zip_member(file, item)
        return
    with tarfile.open(source) as file:
        for item in file:
            yield _tar_member(file, item)
        # only reading on to the end shows that a compressed stream was not cut short
        for _ in range(256):
            if file.fileobj is None or not file.fileobj.read(1 << 18):
                break


def _zip_member(file: zipfile.ZipFile, item: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(item.external_attr >> 16)
    refused = None
    if item.flag_bits & 1:
        refused = "is encrypted"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        refused = "is a link or a device"
    return _Member(item.filename, item.file_size, item.is_dir(), refused, lambda: file.open(item))


def _tar_member(file: tarfile.TarFile, item: tarfile.TarInfo) -> _Member:
    refused = None
    if item.issym() or item.islnk():
        refused = f"is a link to {item.linkname!r}"
    elif not (item.isreg() or item.isdir()):
        refused = "is a device or a pipe"
    return _Member(item.name, item.size, item.isdir(), refused, lambda: file.extractfile(item))


def _checked_name(member: _Member, seen: dict[str, str], source: Path) -> str:
    """Return the member's path below the destination, or refuse the archive."""
    name = member.name.replace("\\", "/").rstrip("/")
    parts = PurePosixPath(name).parts
    problem = member.refused
    if problem is None and (name.startswith("/") or ":" in (parts[0] if parts else "")):
        problem = "has an absolute path"
    if problem is None and ".." in parts:
        problem = "leaves the destination folder"
    if problem is None and "\0" in name:
        problem = "has a NUL byte in its name"
    clean = "/".join(parts)
    first = seen.setdefault(clean.casefold(), clean)
    if problem is None and first != clean:
        problem = f"differs from {first!r} only in case"
    elif problem is None and not member.folder and clean in ("", "."):
        problem = "has no name"
    if problem is not None:
        raise fail(
            ArchiveError,
            f"{source}: member {member.name!r} {problem}",
            "nothing was unpacked; the archive is either broken or made to do harm",
        )
    return clean


class _Budget:
    """Counts members and bytes, by what headers claim and by what really comes out."""

    def __init__(self, source: Path, limits: Limits) -> None:
        self.source, self.limits = source, limits
        self.packed = max(source.stat().st_size, 1)
        self.claimed = self.members = self.written = 0

    def announce(self, member: _Member) -> None:
        self.members += 1
        self.claimed += max(member.size, 0)
        if self.members > self.limits.members:
            self._refuse(member.name, f"more than {self.limits.members} members")
        self._check(self.claimed, member.name)

    def spend(self, count: int, name: str) -> None:
        self.written += count
        self._check(self.written, name)

    def _check(self, size: int, name: str) -> None:
        if size > self.limits.size:
            self._refuse(name, f"unpacks to more than {self.limits.size} bytes")
        if size > self.limits.ratio_from and size > self.limits.ratio * self.packed:
            self._refuse(name, f"unpacks to more than {self.limits.ratio} times its size")

    def _refuse(self, name: str, why: str) -> None:
        raise fail(ArchiveError, f"{self.source}: {why} (at member {name!r})")


def _write(member: _Member, path: Path, budget: _Budget) -> None:
    stream = member.open()
    if stream is None:
        raise tarfile.ReadError(f"member {member.name!r} has no content")
    with stream, open(path, "xb") as file:
        _copy(stream, file, budget, member.name)


def _copy(stream: Any, file: IO[bytes], budget: _Budget, name: str = "") -> None:
    while block := stream.read(1 << 18):
        budget.spend(len(block), name)
        file.write(block)


def _move(scratch: Path, target: Path, name: str, source: Path) -> Path:
    """Put one unpacked file in place, never through a link that was there before."""
    final = target / name
    final.parent.mkdir(parents=True, exist_ok=True)
    root = target.resolve()
    if not final.parent.resolve().is_relative_to(root):
        raise fail(ArchiveError, f"{source}: member {name!r} would go through a link out of {root}")
    shutil.move(scratch / name, final)
    return final
