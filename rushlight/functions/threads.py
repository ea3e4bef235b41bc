"""How many processor cores the linear algebra may use."""

from __future__ import annotations

import functools
import os
from typing import Any

from ..core import threads
from ..core.state import STATE
from ..ops.lapack import libraries

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


@functools.cache
def _controls() -> tuple[Any, Any] | None:
    """The library's own functions to set and to get the number; None if it offers none."""
    import ctypes  # milliseconds that most programs need not spend

    for path in libraries():
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
    if STATE.tracer is not None:
        STATE.tracer.stop("it asks for the number of threads, which a program does not know")
    controls = _controls()
    if controls is not None:
        return controls[1]()
    return threads.number()


def set_num_interop_threads(int: Any) -> None:
    """Remember the number, for programs that set it: operations run one after the other here.

    Raises: RuntimeError for a number below 1.

    >>> import rushlight as torch
    >>> before = torch.get_num_interop_threads()
    >>> torch.set_num_interop_threads(2)
    >>> torch.get_num_interop_threads()
    2
    >>> torch.set_num_interop_threads(before)
    """
    _chosen["interop"] = _checked("set_num_interop_threads", int)


def get_num_interop_threads() -> int:
    """The number last given to `set_num_interop_threads`, at first the number of cores.

    >>> import rushlight as torch
    >>> torch.get_num_interop_threads() >= 1
    True
    """
    return _chosen.get("interop") or os.cpu_count() or 1


if number := threads.asked("RUSHLIGHT_NUM_THREADS"):  # OpenBLAS reads OMP_NUM_THREADS, not this
    set_num_threads(number)
