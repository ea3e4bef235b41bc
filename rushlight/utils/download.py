"""Fetch a file once, whole and unaltered, or say clearly why not."""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import fail
from .cache import locked, make_folder
from .errors import DownloadError, describe_start

log = logging.getLogger("rushlight")

USER_AGENT = "rushlight (+https://pypi.org/project/rushlight)"
CHUNK = 1 << 16

Report = Callable[[int, "int | None"], None]


@dataclass(frozen=True)
class Expected:
    """What is known of a file beforehand; None means not known."""

    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    def mismatch(self, path: Path) -> str | None:
        """Name the first property in which the file at `path` differs, with both values."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"size: expected {self.size} bytes, got {size}"
        for name in ("sha256", "md5"):
            wanted = getattr(self, name)
            found = file_digest(path, name) if wanted else None
            if wanted and found != wanted.lower():
                return f"{name}: expected {wanted.lower()}, got {found}"
        return None


def file_digest(path: str | os.PathLike[str], name: str = "sha256") -> str:
    """Return the hexadecimal `name` digest of a file, read in pieces."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    return digest.hexdigest()


def offline() -> bool:
    """True when `RUSHLIGHT_OFFLINE` asks that the network be left alone."""
    return os.environ.get("RUSHLIGHT_OFFLINE", "").lower() not in ("", "0", "false", "no")


def download(
    urls: str | Sequence[str],
    path: str | os.PathLike[str],
    expected: Expected = Expected(),
    *,
    attempts: int = 3,
    timeout: float = 30.0,
    pause: float = 0.5,
    report: Report | None = None,
) -> Path:
    """Fetch the first of `urls` that gives the expected file and put it at `path`.

    The bytes go to `path` + ".part", are checked, and are renamed only when right, so `path`
    is either absent or whole. A cut connection is resumed with an HTTP Range request, here or
    in the next run; a file that fails its check is deleted and the next address is tried.

    Arguments: `expected` gives size and digests; each address is tried `attempts` times with
    `timeout` seconds of silence allowed and a growing `pause` between; `report(done, total)`
    is called as bytes arrive.
    Raises: DownloadError (a RuntimeError) naming every address and what each answered;
    PermissionError when the folder cannot be written.
    """
    target = Path(path)
    addresses = _web_addresses([urls] if isinstance(urls, str) else urls)
    if target.exists() and expected.mismatch(target) is None:
        return target
    if offline():
        raise _refuse_offline(target, addresses)
    make_folder(target.parent)
    _check_space(target, expected)
    failures: list[str] = []
    with locked(target):
        if target.exists() and expected.mismatch(target) is None:
            return target  # another process was quicker
        for address in addresses:
            job = _Job(address, target, expected, timeout, report)
            if _try_address(job, attempts, pause, failures):
                return target
    way_out = f"without a network, put the file at {target} yourself"
    raise fail(DownloadError, f"Error downloading {target.name}", *failures, way_out)


def _refuse_offline(target: Path, addresses: list[str]) -> BaseException:
    return fail(
        DownloadError,
        f"Error downloading {target.name}: RUSHLIGHT_OFFLINE forbids using the network",
        f"put the file at {target} yourself, or unset RUSHLIGHT_OFFLINE",
        *(f"it can be had from {address}" for address in addresses),
    )


def _web_addresses(urls: Sequence[str]) -> list[str]:
    for url in urls:
        if not url.startswith(("https://", "http://")):
            raise ValueError(f"only http and https addresses can be downloaded, got {url!r}")
    return list(urls)


def _check_space(target: Path, expected: Expected) -> None:
    """Refuse before the first byte when the disk cannot hold the file."""
    free = shutil.disk_usage(target.parent).free
    if expected.size is not None and free < expected.size:
        raise fail(
            DownloadError,
            f"Error downloading {target.name}: {expected.size / 2**20:.1f} MiB needed, "
            f"{free / 2**20:.1f} MiB free in {target.parent}",
            "set RUSHLIGHT_HOME to a folder on another disk, or pass root=",
        )


@dataclass(frozen=True)
class _Job:
    address: str
    target: Path
    expected: Expected
    timeout: float
    report: Report | None

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


class _WrongFile(Exception):
    """The server answered, but with something else: trying it again is no use."""


def _try_address(job: _Job, attempts: int, pause: float, failures: list[str]) -> bool:
    """Fetch from one address, resuming after each cut; True when the file is in place."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            _accept(job, resumed=_fetch(job))
            return True
        except _WrongFile as error:
            job.part.unlink(missing_ok=True)
            failures.append(f"{job.address}: {error}")
            return False
        except urllib.error.HTTPError as error:
            failures.append(f"{job.address}: HTTP {error.code} {error.reason}")
            error.close()
            if error.code < 500 and error.code not in (408, 429):
                return False
        except (http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            failures.append(f"{job.address}: {reason}")
            if isinstance(error, PermissionError) or getattr(error, "errno", 0) == errno.ENOSPC:
                raise
        log.info("download of %s: %s", job.target.name, failures[-1])
    return False


def _fetch(job: _Job) -> bool:
    """Append to the part file until the server's answer ends; True when an old part was kept."""
    start = job.part.stat().st_size if job.part.exists() else 0
    if start and start == job.expected.size:
        return True
    request = urllib.request.Request(job.address, headers={"User-Agent": USER_AGENT})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        answer = urllib.request.urlopen(request, timeout=job.timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            with error:
                return _beyond_end(job, error, start)
        raise
    with answer:
        resumed = answer.status == 206 and _begins_at(answer, start)
        _receive(job, answer, start if resumed else 0)
    return resumed


def _beyond_end(job: _Job, answer: Any, start: int) -> bool:
    """The server has no byte after `start`: either the part is the whole file, or it is stale."""
    if answer.headers.get("Content-Range", "") == f"bytes */{start}":
        return True
    job.part.unlink(missing_ok=True)
    raise ConnectionError("the part kept from an earlier run is longer than the file")


def _mismatch(job: _Job) -> str | None:
    return job.expected.mismatch(job.part) if job.part.exists() else "no file"


def _begins_at(answer: Any, start: int) -> bool:
    """Does the server's Content-Range continue where the part file ends?"""
    return answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _receive(job: _Job, answer: Any, start: int) -> None:
    """Copy the answer's body to the part file, from byte `start` on."""
    length = answer.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else job.expected.size
    done = start
    with open(job.part, "ab" if start else "wb") as file:
        while block := answer.read(CHUNK):
            if not done and (mistake := _mistake(job, block)):
                raise _WrongFile(f"{mistake}, not {job.target.name}")
            file.write(block)
            done += len(block)
            if job.expected.size is not None and done > job.expected.size:
                raise _WrongFile(f"longer than the {job.expected.size} bytes expected")
            if job.report is not None:
                job.report(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"connection cut after {done} of {total} bytes")


def _mistake(job: _Job, block: bytes) -> str | None:
    """A web page or error document in place of the file (unless such a file was asked for)."""
    if job.target.suffix.lower() in (".html", ".htm", ".xml", ".svg"):
        return None
    return describe_start(block)


def _accept(job: _Job, resumed: bool) -> None:
    """Check the part file, then give it its name in one step."""
    problem = _mismatch(job)
    if problem is None:
        os.replace(job.part, job.target)
        return
    if resumed:
        # the older half may be another version's: fetch it whole before judging the server
        job.part.unlink(missing_ok=True)
        raise ConnectionError(f"resumed file is wrong, deleted ({problem})")
    raise _WrongFile(f"wrong file, deleted ({problem})")
