"""A program called with its arrays: guards and forms checked, addresses read, in native code.

`arrays(...)` makes a built-in function of n ndarrays. It compares each array's type, data type,
sizes and strides with what the program was made for, writes the data pointers into the program's
table and runs it: some tens of nanoseconds instead of a microsecond per array from Python. It
answers False, and does nothing, when an array has another form, or when one of the *words* it was
told to watch is not what it was (`words.py`: the version of a dictionary, the length of a list).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..code import helpers
from ..kernels import runtime
from .layout import FASTCALL, MethodDef, arrays_known
from .switched import Switched
from .words import Words

_ANY = np.zeros(1, np.int64)  # of a call that is right in all modes of all threads


Apart = tuple[Sequence[int], Sequence[int]]


@functools.cache
def _definition() -> Any:
    """The built-in functions' definition, and what makes them; None on other interpreters."""
    if not helpers.possible() or not arrays_known():
        return None
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    made = MethodDef(b"run", helpers.address("arrays"), FASTCALL)
    _kept.append(made)  # two threads may both come here, and both use theirs
    return new, made


_kept: list[Any] = []  # what functions in use point to: nothing may ever free it


def nothing() -> int:
    """The address of a program that does nothing, for a call that only looks at its arrays."""
    return helpers.address("nothing") if _definition() else 0


def arrays(
    function: int, table: runtime.Table, slots: Sequence[int], forms: Sequence[Any],
    release_gil: bool, owner: Any, watched: Words | None = None, modes: Switched | None = None,
    twice: Mapping[int, int] | None = None, apart: Apart = ((), ()),
) -> Callable[..., bool] | None:  # fmt: skip
    """A callable of ndarrays that runs `void function(ptr table)`; None where there is no way.

    `slots[i]` is the place of array i's address in the table, and `twice[slots[i]]` another one,
    where it has two; `forms[i]` is its (shape, dtype, strides in bytes); `owner` is kept alive;
    `watched` are the words to look at first, after the thread's `modes`. Memory in the first
    slots of `apart` must lie apart from that in the second ones.
    """
    found = _definition()
    if found is None or any(step % dtype.itemsize for _, dtype, steps in forms for step in steps):
        return None  # fields of NumPy's records lie between elements: the code was made for a copy
    new, made = found
    watched = watched or Words([])
    extents = _extents(apart, dict(zip(slots, forms)))
    words: list[int] = [
        function,
        table.address,
        len(slots),
        id(np.ndarray),
        watched.address,
        int(release_gil),
        _ANY.ctypes.data if modes is None else modes.address,
        extents.ctypes.data,
    ]
    kinds = []
    for slot, (shape, dtype, strides) in zip(slots, forms, strict=True):
        kinds.append(dtype)
        words += [slot, (twice or {}).get(slot, slot), id(dtype), len(shape)]
        for size, step in zip(shape, strides):
            words += [size, step]
    spec = np.array(words, np.int64)
    return new(
        ctypes.addressof(made), spec.ctypes.data, (spec, kinds, owner, watched, modes, extents)
    )


def _extents(apart: Apart, forms: Mapping[int, Any]) -> np.ndarray[Any, Any]:
    """How many there are of either kind; then of each its slot, and from and up to which byte.

    Bytes are counted from where the slot points to. What has none is left out.
    """
    found: list[list[int]] = []
    for places in apart:
        rows: list[int] = []
        for slot in places:
            shape, dtype, strides = forms[slot]
            if 0 in shape:
                continue
            steps = [(n - 1) * step for n, step in zip(shape, strides)]
            low, high = (sum(step for step in steps if step * way > 0) for way in (-1, 1))
            rows += [slot, low, high + dtype.itemsize]
        found.append(rows)
    return np.array([*(len(rows) // 3 for rows in found), *found[0], *found[1]], np.int64)
