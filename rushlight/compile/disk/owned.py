"""Whose code is whose: the user's, this package's, that of installed libraries."""

from __future__ import annotations

import sys
import types

from ...core.errors import WRITTEN

_INSTALLED = ("site-packages", "dist-packages")  # Debian has two of the latter
FOLDER = __file__.rsplit("/", 3)[0]
_OUTSIDE = (f"{sys.prefix}/lib", f"{sys.base_prefix}/lib", "<frozen", FOLDER, WRITTEN)


def own_module(module: types.ModuleType) -> bool:
    """Whether a module is the user's: not this package, not installed, not Python's."""
    file = getattr(module, "__file__", None)
    return (file is not None and own_file(file)) or module.__name__ == "__main__"


def own_file(file: str) -> bool:
    """Whether code in this file is the user's."""
    return not file.startswith(_OUTSIDE) and not any(folder in file for folder in _INSTALLED)


def own_code(function: types.FunctionType) -> bool:
    """Whether a function is the user's, or a step of the package's own programs."""
    return own_file(function.__code__.co_filename) or "/cli/" in function.__code__.co_filename
