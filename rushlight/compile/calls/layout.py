"""How objects lie in the memory of this interpreter: tried on objects of our own, never taken."""

from __future__ import annotations

import ctypes
import functools
import sys

import numpy as np

from ...core.tensor import Tensor

LENGTH, ITEMS = 16, 24  # of a list, in bytes
FASTCALL, ONE_OPERAND = 0x0080, 0x0008  # how CPython calls a function, and a method of one operand
_DATA, _DIMS, _SIZES, _STEPS, _KIND = 16, 24, 32, 40, 56  # of NumPy's array object


class MethodDef(ctypes.Structure):
    """What CPython makes a built-in function of."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]  # fmt: skip


def word(address: int) -> int:
    """What stands at an address."""
    return ctypes.c_int64.from_address(address).value


@functools.cache
def slot_of(name: str, kind: type = Tensor) -> int | None:
    """Where an object of a class, Tensor's, keeps an attribute; None if it cannot be found."""
    x, y = object.__new__(kind), object.__new__(kind)
    mark, other = object(), object()
    if kind is Tensor:
        x._array = y._array = x._entry = y._entry = None
    setattr(x, name, mark)
    setattr(y, name, other)
    for offset in range(16, 96, 8):
        if word(id(x) + offset) == id(mark) and word(id(y) + offset) == id(other):
            return offset
    return None


@functools.cache
def tensors_known() -> bool:
    """Whether tensors and lists do."""
    if sys.implementation.name != "cpython" or not (slot_of("_array") and slot_of("_entry")):
        return False
    return getattr(sys, "_is_gil_enabled", lambda: True)() and _lists()


def _lists() -> bool:
    first, second = object(), object()
    probe = [first, second]
    if word(id(probe) + LENGTH) != 2 or word(word(id(probe) + ITEMS) + 8) != id(second):
        return False
    probe.append(first)
    return word(id(probe) + LENGTH) == 3 and word(word(id(probe) + ITEMS) + 16) == id(first)


@functools.cache
def arrays_known() -> bool:
    """Whether NumPy's arrays lie in memory as assumed; asked of one array."""
    x = np.empty((3, 5), np.float32)[:, ::2]
    start = id(x)

    def word(at: int) -> int:
        return ctypes.c_int64.from_address(start + at).value

    if word(8) != id(np.ndarray) or word(_DATA) != x.ctypes.data or word(_KIND) != id(x.dtype):
        return False
    sizes = (ctypes.c_int64 * 2).from_address(word(_SIZES))
    steps = (ctypes.c_int64 * 2).from_address(word(_STEPS))
    dims = ctypes.c_int32.from_address(start + _DIMS).value
    return dims == 2 and tuple(sizes) == x.shape and tuple(steps) == x.strides
