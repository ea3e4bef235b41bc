"""Replace a file in one step: whoever reads the path sees the old content or the new, never a part.

The new content goes to a temporary file beside the target, is forced to the disk, and is renamed
over the target; then the folder is forced to the disk too, so that a power cut keeps the promise.
A writer killed on the way leaves its temporary file behind: the next save sweeps it. Whether its
writer still lives is told by a lock on it, which the system drops when a process dies; process
numbers would not do, for containers and network folders share none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

from .errors import missing_folder, os_error

try:
    import fcntl
except ImportError:  # no locks there, and open files cannot be removed either: nothing to do
    fcntl = None

SUFFIX = ".saving"
# Preflight asks for a little more than the content: the folder entry and block rounding.
SLACK = 64 * 1024


@contextlib.contextmanager
def replacing(path: str | os.PathLike, size: int = 0) -> Iterator[IO[bytes]]:
    """A file to write; on leaving without an error it takes the place of `path`.

    Arguments: `path`, the file to replace or create (a symbolic link keeps pointing to it); `size`,
    the bytes to come, checked against the free space first. Raises OSError naming the path when
    the folder is missing, read-only or full; the old file is then as it was.
    """
    target = os.path.realpath(os.fsdecode(path))
    mode = _writable_mode(target)
    if mode is not None and not stat.S_ISREG(mode):
        with open(target, "wb") as stream:  # a pipe or a device cannot be replaced
            yield stream
        return
    folder, name = os.path.split(target)
    _sweep(folder, name)
    _check_space(folder, target, size)
    temporary, stream = _open_temporary(folder, name, target)
    try:
        with stream:
            yield stream
            stream.flush()
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            os.fsync(stream.fileno())
            if fcntl is not None:
                # Renamed while still locked, so that no sweeper takes it for an orphan.
                os.replace(temporary, target)
        if fcntl is None:
            os.replace(temporary, target)  # such systems do not rename open files
        _sync_folder(folder)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
            raise _named(error, target, size) from error
        raise


def _writable_mode(target: str) -> int | None:
    """The mode bits of the existing target, None if there is none; refuses folders."""
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise missing_folder(folder)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise os_error(errno.EISDIR, target, "give a file name in it")
    return mode


def _check_space(folder: str, target: str, size: int) -> None:
    try:
        disk = os.statvfs(folder)
    except (OSError, AttributeError):
        return
    free = disk.f_bavail * disk.f_frsize
    # Some network folders report zero blocks in all: then nothing is known.
    if disk.f_blocks and free < size + min(SLACK, size):
        raise os_error(errno.ENOSPC, target, _need(size, free))


def _need(size: int, free: int) -> str:
    return f"{size / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"


def _named(error: OSError, target: str, size: int) -> OSError:
    """The same error with the user's path, and for a full disk with the figures."""
    reason = ""
    if error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)):
        reason = f"{size / 1e6:.1f} MB needed" if size else ""
    named = os_error(error.errno or errno.EIO, target, reason)
    if os.path.exists(target):
        named.add_note("the file that was there before is unchanged")
    return named


def _prefix(name: str) -> str:
    # A name may be 255 bytes long already; the temporary one must still fit.
    head = os.fsencode(name)[:180].decode("utf-8", "replace")
    return f".{head}."


def _open_temporary(folder: str, name: str, target: str) -> tuple[str, IO[bytes]]:
    for _ in range(100):
        temporary = os.path.join(folder, f"{_prefix(name)}{os.urandom(6).hex()}{SUFFIX}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(temporary, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            raise os_error(error.errno or errno.EIO, target, "cannot write beside it") from error
        # A sweeper may have come between creation and lock: then the file is gone, so try again.
        if _lock(handle) and os.fstat(handle).st_nlink:
            return temporary, open(handle, "wb")
        os.close(handle)
    raise os_error(errno.EAGAIN, target)


def _lock(handle: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sweep(folder: str, name: str) -> None:
    """Remove temporary files of this target whose writers are dead."""
    if fcntl is None:
        return
    prefix = _prefix(name)
    for entry in os.listdir(folder):
        middle = entry[len(prefix) : -len(SUFFIX)]
        named = entry.startswith(prefix) and entry.endswith(SUFFIX)
        if not named or len(middle) != 12 or not set(middle) <= set("0123456789abcdef"):
            continue
        with contextlib.suppress(OSError):
            _remove_if_orphan(os.path.join(folder, entry), fcntl)


def _remove_if_orphan(path: str, locks: Any) -> None:
    handle = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(handle)


def _sync_folder(folder: str) -> None:
    with contextlib.suppress(OSError):  # not every system lets a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
