"""torch.utils.cpp_extension without a compiler of C++: what libraries ask before they go on."""

from __future__ import annotations

import shutil
from typing import Any, NoReturn

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing

__all__ = ["is_ninja_available", "load", "load_inline", "verify_ninja_availability"]

CUDA_HOME = ROCM_HOME = CUDNN_HOME = None
IS_HIP_EXTENSION = False

_explain_missing(__name__)


def is_ninja_available() -> bool:
    """Whether the build tool that extensions need can be called.

    >>> import rushlight as torch
    >>> import rushlight.utils.cpp_extension
    >>> torch.utils.cpp_extension.is_ninja_available() in (True, False)
    True
    """
    return shutil.which("ninja") is not None


def verify_ninja_availability() -> None:
    """Raises: RuntimeError where `is_ninja_available()` is False."""
    if not is_ninja_available():
        raise RuntimeError("Ninja is required to load C++ extensions (pip install ninja to get it)")


def load(name: str, sources: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Refused with a RuntimeError: extensions in C++ are written against torch's own library."""
    raise fail(
        RuntimeError,
        f"Error building extension '{name}'",
        "rushlight has no C++ interface; torch.library.custom_op takes functions of Python, and",
        "torch.compile makes native code of them",
    )


def load_inline(name: str, cpp_sources: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Refused, as `load`."""
    load(name, cpp_sources)
