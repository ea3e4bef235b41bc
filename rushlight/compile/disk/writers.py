"""The modules that decide what is kept on disk."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from ...core.folders import modules_state

# The folders in which what decides the code is said.
_PLACES = ("autograd", "compile", "core", "ops", "optim")


@functools.cache
def writers() -> str:
    """Changes whenever a module that has a say in the code does."""
    home = Path(__file__).parents[2]
    return hashlib.sha256(modules_state(*map(home.joinpath, _PLACES)).encode()).hexdigest()
