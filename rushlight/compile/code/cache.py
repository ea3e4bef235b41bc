"""Object code kept on disk, so that a program compiled once loads in milliseconds ever after.

An entry is named by the hash of all that decided its bytes, and begins with the hash of its name
and those bytes: a half-written, damaged or misplaced entry is noticed, removed and made again.
Entries appear by `os.replace`, so writers never disturb readers or each other. Whatever the file
system refuses, compiling goes on without the cache. RUSHLIGHT_COMPILE_CACHE=0 switches it off.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import logging
import os
import time
from pathlib import Path

from ...core.folders import cache_home

LIMIT = 256 << 20  # bytes; beyond it the entries used longest ago go
KEEP = 0.75  # how much of the limit is left after that
_MAGIC = b"rushlight object 2\n"
_SUFFIX, _NOTES = ".object", ".notes"
_SWEEP_EVERY = LIMIT // 64  # bytes stored between two looks at the folder, which may be large
_SETTINGS = ("RUSHLIGHT_COMPILE_CACHE", "RUSHLIGHT_HOME", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA")
_DAY = 86400
_AGES = {".draft": 3600, _NOTES: 90 * _DAY}  # seconds after which nobody wants them
_log = logging.getLogger("rushlight.compile")
_stores = itertools.count()
_unseen = [_SWEEP_EVERY]  # bytes stored since the last look; a process looks at its first store
USED: dict[str, None] = {}  # names of the entries that this process read or wrote, in order


def key(*parts: str) -> str:
    """The name of an entry that depends on exactly these texts."""
    whole = hashlib.sha256()
    for part in parts:
        text = part.encode()
        whole.update(b"%d\n" % len(text))
        whole.update(text)
    return whole.hexdigest()


def folder() -> Path | None:
    """Where entries lie; None while the cache is switched off or there is no home."""
    return _folder(*map(os.environ.get, _SETTINGS))


@functools.lru_cache(16)
def _folder(switch: str | None, *_: str | None) -> Path | None:
    if switch == "0":
        return None
    with contextlib.suppress(RuntimeError):  # Path.home(): no such user
        return cache_home() / "compiled"
    return None


def load(name: str) -> bytes | None:
    """The bytes stored under `name`; None if there are none, or none to be trusted."""
    place = folder()
    if place is None or not _trusted(place):
        return None
    path = place / (name + _SUFFIX)
    try:
        whole = path.read_bytes()
        head, body = len(_MAGIC) + 32, memoryview(whole)
        if whole[:head] == _head(name, body[head:]):
            _touch(path)
            USED[name] = None
            return whole[head:]
    except OSError:
        return None
    _log.info("the cache entry %s is damaged; it is made again", path)
    drop(name)
    return None


def store(name: str, body: bytes) -> bool:
    """Keep `body` under `name`; False where that is not possible."""
    place = folder()
    if place is None:
        return False
    number = next(_stores)
    draft = place / f"{name}.{os.getpid()}.{number}.{time.monotonic_ns()}.draft"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _trusted(place):
            return False
        draft.write_bytes(_head(name, body) + body)
        os.replace(draft, place / (name + _SUFFIX))
        USED[name] = None
    except OSError as error:
        _log.info("the compile cache cannot be written: %s", error)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return False
    _unseen[0] += len(body)
    if _unseen[0] >= _SWEEP_EVERY:
        _unseen[0] = 0
        sweep()
    return True


def _head(name: str, body: bytes | memoryview) -> bytes:
    """What an entry begins with."""
    whole = hashlib.sha256(name.encode())
    whole.update(body)
    return _MAGIC + whole.digest()


def note(name: str, lines: str) -> None:
    """Add lines to those that are kept under `name`, of which any may be lost."""
    place = folder()
    if place is not None and _trusted(place):
        with contextlib.suppress(OSError), (place / (name + _NOTES)).open("a") as file:
            file.write(lines)
            USED[name] = None


def notes(name: str) -> str:
    """All lines kept under `name`."""
    place = folder()
    if place is not None and _trusted(place):
        with contextlib.suppress(OSError, ValueError):
            return (place / (name + _NOTES)).read_text("ascii")
    return ""


def drop(name: str) -> None:
    """Remove one entry."""
    if (place := folder()) is not None:
        with contextlib.suppress(OSError):
            (place / (name + _SUFFIX)).unlink(missing_ok=True)


def sweep(limit: int | None = None) -> int:
    """Remove abandoned drafts, and the oldest entries if all are more than `limit` bytes.

    Returns the bytes left.
    """
    limit = LIMIT if limit is None else limit
    place, entries, now = folder(), [], time.time()
    if place is None:
        return 0
    with contextlib.suppress(OSError), os.scandir(place) as items:
        for item in items:
            try:  # suppress() would take as long as the rest
                facts = item.stat(follow_symlinks=False)
                if item.name.endswith(_SUFFIX):
                    entries.append((facts.st_mtime, facts.st_size, item.path))
                elif now - facts.st_mtime > _AGES.get(Path(item.name).suffix, now):
                    os.unlink(item.path)
            except OSError:  # another process may have removed it
                continue
    left = sum(size for _, size, _ in entries)
    if left <= limit:
        return left
    for _, size, path in sorted(entries):
        if left <= KEEP * limit:
            break
        with contextlib.suppress(OSError):
            os.unlink(path)
        left -= size
    return left


def _touch(path: Path) -> None:
    """Note the use, once a day: that is exact enough to find what is no longer used."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY:
            os.utime(path)


def _trusted(place: Path) -> bool:
    """Whether nobody else may put code there for us to run."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        facts = place.stat()
    except OSError:
        return False
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & 0o002
