"""Where downloads are kept: one folder per user, the same on every run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..core import file_lock
from ..core.errors import fail
from ..core.folders import cache_home as cache_home


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create `path` and its parents; an OSError names the folder and the way out.

    Raises: OSError of the same class as the system's (PermissionError, ...), with notes.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        error.add_note(f"rushlight wanted to write in {folder}")
        error.add_note("set RUSHLIGHT_HOME to a folder you may write to, or pass root=")
        raise
    if not os.access(folder, os.W_OK):
        raise fail(
            PermissionError,
            f"{folder} is read-only",
            "set RUSHLIGHT_HOME to a folder you may write to, or pass root=",
        )
    return folder


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let one process at a time work on `path`; others wait.

    The ranks of a distributed run all ask for the same data set at once.
    """
    lock = Path(f"{os.fspath(path)}.lock")
    try:
        with open(lock, "w", encoding="ascii") as file:
            with contextlib.suppress(OSError):  # some network file systems refuse locks
                while not file_lock.take(file.fileno()):
                    time.sleep(0.01)
            try:
                yield
            finally:
                if os.name != "nt":
                    lock.unlink(missing_ok=True)
    finally:
        if os.name == "nt":  # no file goes there while it is open, here or where others wait
            with contextlib.suppress(OSError):
                lock.unlink(missing_ok=True)
