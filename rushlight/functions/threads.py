"""How many processor cores the linear algebra may use."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import threads

__all__ = [
    "get_num_interop_threads", "get_num_threads", "set_num_interop_threads", "set_num_threads",
]  # fmt: skip

# OpenBLAS as NumPy's own wheels name it, then as distributions do, then MKL and BLIS.
_SETTERS = (
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)
_chosen: dict[str, int] = {}


def _libraries() -> Iterator[str]:
    """Linear algebra libraries that this process has loaded, NumPy's own first."""
    home = os.path.dirname(np.__file__)
    for folder in (os.path.join(os.path.dirname(home), "numpy.libs"), f"{home}/.dylibs"):
        if os.path.isdir(folder):
            names = sorted(name for name in os.listdir(folder) if "blas" in name.lower())
            yield from (os.path.join(folder, name) for name in names)
    if sys.platform == "linux" and os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
            paths = {line.split(maxsplit=5)[-1].strip() for line in lines if "/" in line}
        wanted = ("openblas", "mkl_rt", "libblis", "libblas")
        yield from (path for path in sorted(paths) if any(name in path for name in wanted))


@functools.cache
def _controls() -> tuple[Any, Any] | None:
    """The library's own functions to set and to get the number; None if it offers none."""
    import ctypes  # milliseconds that most programs need not spend

    for path in _libraries():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for setter, getter in _SETTERS:
            if hasattr(library, setter) and hasattr(library, getter):
                set_number = getattr(library, setter)
                set_number.argtypes, set_number.restype = [ctypes.c_int], None
                get_number = getattr(library, getter)
                get_number.argtypes, get_number.restype = [], ctypes.c_int
                return set_number, get_number
    return None


def _checked(name: str, number: Any) -> int:
    if type(number) is not int:
        raise RuntimeError(f"{name} expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"{name} expects a positive integer")
    return number


def set_num_threads(int: Any) -> None:
    """Let matrix products and compiled code use this many threads, from now on in this process.

    For products it acts on the library that NumPy brought (OpenBLAS, MKL, BLIS); one without such
    a switch (Accelerate) does as it likes. Before it is called, `RUSHLIGHT_NUM_THREADS` holds,
    then `OMP_NUM_THREADS`, then the cores that the system allows. Raises RuntimeError unless it
    is a positive int. Source: https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html

    >>> import rushlight as torch
    >>> before = torch.get_num_threads()
    >>> torch.set_num_threads(1)
    >>> torch.get_num_threads()
    1
    >>> torch.set_num_threads(before)
    """
    number = _checked("set_num_threads", int)
    controls = _controls()
    if controls is not None:
        controls[0](number)
    threads.choose(number)


def get_num_threads() -> int:
    """The number of threads that matrix products and compiled code may use.

    >>> import rushlight as torch
    >>> torch.get_num_threads() >= 1
    True
    """
    controls = _controls()
    if controls is not None:
        return controls[1]()
    return threads.number()


def set_num_interop_threads(int: Any) -> None:
    """Remember the number, for programs that set it: operations run one after the other here."""
    _chosen["interop"] = _checked("set_num_interop_threads", int)


def get_num_interop_threads() -> int:
    """The number last given to `set_num_interop_threads`, at first the number of cores."""
    return _chosen.get("interop") or os.cpu_count() or 1


if number := threads.asked("RUSHLIGHT_NUM_THREADS"):  # OpenBLAS reads OMP_NUM_THREADS, not this
    set_num_threads(number)
