"""Where things are kept between runs: one folder per user, the same on every run."""

from __future__ import annotations

import os
import sys
from pathlib import Path


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


def _platform_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path.home() / ".cache"
