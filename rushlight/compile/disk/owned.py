"""Whose code is whose: the user's, this package's, that of installed libraries."""

from __future__ import annotations

import os
import sys
import types

import numpy as np

from ...core.errors import WRITTEN

_INSTALLED = ("site-packages", "dist-packages")  # Debian has two of the latter
FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
_LIBRARIES = [os.path.join(folder, "lib") for folder in (sys.prefix, sys.base_prefix)]
_NUMPY = os.path.join(os.path.dirname(np.__file__), "")  # wherever it was put
_OUTSIDE = (*_LIBRARIES, os.path.dirname(os.__file__), "<frozen", FOLDER, WRITTEN, _NUMPY)
_STEPS = os.path.join(FOLDER, "cli", "")


def own_module(module: types.ModuleType) -> bool:
    """Whether a module is the user's: not this package, not installed, not Python's."""
    file = getattr(module, "__file__", None)
    return (file is not None and own_file(file)) or module.__name__ == "__main__"


def own_file(file: str) -> bool:
    """Whether code in this file is the user's."""
    return not file.startswith(_OUTSIDE) and not any(folder in file for folder in _INSTALLED)


def own_code(function: types.FunctionType) -> bool:
    """Whether a function is the user's, or a step of the package's own programs."""
    file = function.__code__.co_filename
    return own_file(file) or file.startswith(_STEPS)
