"""Large arrays that begin on a cache line.

NumPy promises 16 bytes. A vector register takes 64, so at three of four addresses each access of
a large array would touch two cache lines. Where NumPy lets its data be allocated by others (NEP
49: https://numpy.org/neps/nep-0049.html) large arrays are given memory by C's `aligned_alloc`,
which `free` takes back as any other; the arrays own it as always. Elsewhere they lie as they come.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LARGE = 1 << 16  # bytes from which a line's beginning is worth a microsecond
LAZY = 1 << 25  # bytes from which zeros had better be pages that nobody has touched
LINE = 64
_GET, _SET = 305, 304  # places in NumPy's table of functions
_FROM_SYSTEM, _GIVEN_BACK = -3, -1  # mallopt's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD
_NAME = b"mem_handler"  # what NumPy calls the capsules of its allocators

Array = np.ndarray[Any, Any]


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler; `ctx` is the first argument of its functions."""

    _fields_ = [
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("ctx", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("malloc", "calloc", "realloc", "free")),
    ]  # fmt: skip


FILLS: list[Callable[[Array], Array]] = []  # what `empty` of users does to memory, if anything


def unset(array: Array) -> Array:
    """Memory that a user asked for and nobody wrote yet."""
    return FILLS[0](array) if FILLS else array


def empty(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """As np.empty."""
    return lined(math.prod(shape) * dtype.itemsize, np.empty, shape, dtype)


def zeros(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """As np.zeros."""
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE or size >= LAZY:
        return np.zeros(shape, dtype)
    array = lined(size, np.empty, shape, dtype)
    blank(array)
    return array


def blank(array: Array) -> None:
    """Fill with zeros, byte by byte where that is all of some memory: NumPy takes half the time."""
    if array.nbytes >= LARGE and array.flags.forc:
        array = array.ravel(order="K").view(np.uint8)
    array.fill(0)


def ones(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """As np.ones."""
    return lined(math.prod(shape) * dtype.itemsize, np.ones, shape, dtype)


def lined(size: int, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """make(...), which allocates about `size` bytes; if that is much, they begin on a line."""
    policy = _policy() if size >= LARGE else None
    if policy is None:
        return make(*args, **kwargs)
    choose, ours = policy
    before = choose(ours)
    try:
        return make(*args, **kwargs)
    finally:
        choose(before)


@functools.cache
def keep_freed() -> None:
    """Let C's allocator keep what a step gives back: the next step asks for as much again.

    Otherwise large arrays come as pages that nobody has touched, whose first access costs more
    than the arithmetic. What the environment says of the allocator stays.
    """
    told = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if told or sys.platform != "linux":
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        adjust(_FROM_SYSTEM, 1 << 25)  # the most that glibc accepts
        adjust(_GIVEN_BACK, 1 << 28)


@functools.cache
def _policy() -> tuple[Callable[[Any], Any], Any] | None:
    """What chooses NumPy's allocator, for this thread, and ours; None where that is unknown."""
    try:
        return _made()
    except (AttributeError, ImportError, OSError, TypeError, ValueError):
        return None


def _made() -> tuple[Callable[[Any], Any], Any] | None:
    known = np._core.multiarray  # type: ignore[attr-defined]  # not in its stubs
    if sys.platform != "linux" or known.get_handler_name() != "default_allocator":
        return None
    pointer, capsule = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_New
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3
    start = pointer(known._ARRAY_API, None)
    functions = ctypes.cast(start, ctypes.POINTER(ctypes.c_void_p))
    current = ctypes.PYFUNCTYPE(ctypes.py_object)(functions[_GET] or 0)()
    usual = _Handler.from_address(pointer(current, _NAME))
    if (usual.name, usual.version) != (b"default_allocator", 1):
        return None
    get = ctypes.cast(ctypes.CDLL(None).aligned_alloc, ctypes.c_void_p).value
    handler = _Handler(b"rushlight", 1, LINE, get, usual.calloc, usual.realloc, usual.free)
    name = ctypes.create_string_buffer(_NAME)
    for lasting in (handler, name):  # arrays may outlive this module
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(lasting))
    ours = capsule(ctypes.addressof(handler), ctypes.addressof(name), None)
    choose = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(functions[_SET] or 0)
    return choose, ours


def dense_like(a: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Empty memory laid out as by torch's `empty_like`: a step of 0 leaves an axis in its place.

    >>> import numpy as np
    >>> from rushlight.core.memory import dense_like
    >>> dense_like(np.broadcast_to(np.zeros((3, 1)), (3, 2))).strides
    (16, 8)
    """
    if 0 not in a.strides:
        return np.empty_like(a, dtype)
    order = list(range(a.ndim))[::-1]  # innermost first
    for place in range(1, a.ndim):
        for before in range(place - 1, -1, -1):
            inner, outer = order[before], order[before + 1]
            if a.strides[inner] and a.strides[outer]:
                if a.strides[inner] <= a.strides[outer]:
                    break
                order[before], order[before + 1] = outer, inner
    outward = order[::-1]
    made = np.empty([a.shape[axis] for axis in outward], dtype or a.dtype)
    return made.transpose(np.argsort(outward))


def turned(shape: Sequence[int], dtype: np.dtype[Any], order: Sequence[int]) -> Array:
    """As `empty(shape, dtype).transpose(order)`, but owner of its memory.

    >>> import numpy as np
    >>> from rushlight.core.memory import turned
    >>> turned((2, 3), np.dtype("f4"), (1, 0)).strides
    (4, 12)
    """
    steps = [math.prod(shape[axis + 1 :]) * dtype.itemsize for axis in range(len(shape))]
    size, inner = math.prod(shape) * dtype.itemsize, [steps[axis] for axis in order]
    return lined(size, np.ndarray, [shape[axis] for axis in order], dtype, None, 0, inner)


def outward(a: Any) -> list[int]:
    """The axes of an array from the outermost in memory on; in their order where steps are equal.

    >>> import numpy as np
    >>> from rushlight.core.memory import outward
    >>> outward(np.zeros((2, 3, 4)).transpose(0, 2, 1))
    [0, 2, 1]
    """
    return sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))


def packed(a: Any, order: Sequence[int]) -> bool:
    """Whether an array fills its memory with these axes outermost first; size 1 lies anywhere."""
    reach = a.itemsize
    for axis in reversed(order):
        if a.shape[axis] != 1:
            if a.strides[axis] != reach:
                return False
            reach *= a.shape[axis]
    return True


def laid_as(a: Any, other: Any) -> Any:
    """a, copied if need be, in the order of an array that fills its memory; else in rows.

    >>> import numpy as np
    >>> from rushlight.core.memory import laid_as
    >>> laid_as(np.zeros((2, 3)), np.zeros((3, 2)).T).strides
    (8, 16)
    >>> laid_as(np.zeros((2, 3)).copy("F"), np.zeros((4, 3))[::2]).strides
    (24, 8)
    """
    order = outward(other)
    dense = packed(other, order)
    order = order if dense else sorted(order)
    if packed(a, order) and a.flags.writeable:
        return a
    if type(a) is not np.ndarray:  # in a trace
        rows = a.transpose(order).copy(order="C")
        return rows.transpose([order.index(axis) for axis in range(a.ndim)])
    kind = type(other) is np.ndarray and dense
    y = lined(a.nbytes, np.empty_like, other, a.dtype) if kind else empty(a.shape, a.dtype)
    y[...] = a
    return y
