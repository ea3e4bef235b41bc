"""Collections of native functions, each in a module of its own, for `core/heavy.py`'s `Pieces`."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from ..code import llvm

LOG = logging.getLogger("rushlight.compile")
_OF_OBJECTS = frozenset({"operators"})  # those that are about Python's objects


def piece(name: str) -> Any:
    """A collection of native functions, by its module; None without a compiler, or if it fails."""
    if not llvm.available():
        return None
    try:
        folder = "calls" if name in _OF_OBJECTS else "code"
        module = importlib.import_module(f"..{folder}.{name}", __package__)
        return getattr(module, name.capitalize())()
    except Exception as error:
        LOG.warning("what is in %s stays with NumPy: %s", name, error, exc_info=error)
        return None
