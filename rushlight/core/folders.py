"""Where things are kept between runs: one folder per user, the same on every run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def cache_home() -> Path:
    """Return the folder for everything rushlight keeps between runs; it is not created.

    `$RUSHLIGHT_HOME` wins, then `$XDG_CACHE_HOME/rushlight`, then the platform's cache folder
    (`~/.cache` on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).

    >>> cache_home().is_absolute()
    True
    """
    if chosen := os.environ.get("RUSHLIGHT_HOME"):
        return Path(chosen).expanduser().absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser().absolute() / "rushlight"
    return _platform_cache() / "rushlight"


def content_of(path: Path) -> bytes:
    """The content of a file that came with the package, out of an archive if the package is one.

    >>> content_of(Path(__file__).with_name("signatures.txt")).count(b"\\n") > 1000
    True
    """
    loader: Any = globals()["__loader__"]
    return loader.get_data(str(path))


def modules_state(*folders: Path) -> str:
    """What differs once a module in these folders, or the archive that they lie in, was changed."""
    stack, found = [str(folder) for folder in folders], []
    while stack:
        try:
            entries = list(os.scandir(stack.pop()))
        except (NotADirectoryError, FileNotFoundError):
            archive = next(place for place in folders[0].parents if place.exists())
            stack, entries = [], [archive]
        for entry in entries:
            if entry.name.endswith(".py") or isinstance(entry, Path):
                seen = entry.stat()
                found.append((os.fspath(entry), seen.st_size, seen.st_mtime_ns))
            elif entry.name != "__pycache__" and entry.is_dir():
                stack.append(entry.path)
    return repr(sorted(found))


def _platform_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"
