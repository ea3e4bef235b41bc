"""What compiled code meets at run time: aligned memory, pointer tables, the way in."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..code import llvm

ALIGNMENT = 64  # a cache line, and the widest vector register


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Return `nbytes` fresh bytes that begin on a cache line; NumPy itself promises 16."""
    whole = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + nbytes]


class Table:
    """`n` addresses in a row: all that a program is told. `slots[i] = array.ctypes.data`."""

    __slots__ = ("address", "slots")

    def __init__(self, n: int) -> None:
        self.slots = aligned(8 * n).view(np.int64)
        self.slots[:] = 0
        self.address: int = self.slots.ctypes.data


# The function's own address is the `self` of the Python callable, the table's its argument.
_HELD = """\
@_Py_NoneStruct = external global i8
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyErr_Occurred()
declare void @Py_IncRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
"""
_ENTRY = """\
define ptr @{name}(ptr %self, ptr %argument) {{
  %function = call ptr @PyLong_AsVoidPtr(ptr %self)
  %table = call ptr @PyLong_AsVoidPtr(ptr %argument)
  %null = icmp eq ptr %table, null
  br i1 %null, label %check, label %run
check:
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %run, label %fail
run:
  {before}
  call void %function(ptr %table)
  {after}
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
fail:
  ret ptr null
}}
"""
_IR = (
    _HELD
    + _ENTRY.format(name="held", before="", after="")
    + _ENTRY.format(
        name="released",
        before="%state = call ptr @PyEval_SaveThread()",
        after="call void @PyEval_RestoreThread(ptr %state)",
    )
)
_METH_O = 0x0008


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]  # fmt: skip


@functools.cache
def _entries() -> tuple[Any, dict[bool, Any]] | None:
    """What makes a built-in function, and its definitions by `release_gil`; None if it cannot."""
    api = getattr(ctypes, "pythonapi", None)
    names = ["PyLong_AsVoidPtr", "PyErr_Occurred", "Py_IncRef", "PyEval_SaveThread",
             "PyEval_RestoreThread", "_Py_NoneStruct", "PyCFunction_NewEx"]  # fmt: skip
    if api is None or not all(hasattr(api, name) for name in names):
        return None
    for name in names:
        llvm.symbol(name, ctypes.cast(getattr(api, name), ctypes.c_void_p).value or 0)
    llvm.symbol("_Py_NoneStruct", id(None))
    code = llvm.compile(_IR)
    new = api.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
    definitions = {
        released: _MethodDef(b"run", code.address("released" if released else "held"), _METH_O)
        for released in (False, True)
    }
    _kept.append((code, definitions))  # two threads may both come here, and both use theirs
    return new, definitions


_kept: list[Any] = []  # what functions in use point to: nothing may ever free it


def entry(code: llvm.Code, name: str, release_gil: bool) -> Callable[[int], None]:
    """Make `void name(ptr table)` callable with a table's address; it keeps `code` alive.

    With `release_gil` other Python threads run meanwhile; without, a call costs some 30 ns.
    """
    address = code.address(name)
    made = _entries()
    if made is None:  # another interpreter than CPython
        kind = ctypes.CFUNCTYPE if release_gil else ctypes.PYFUNCTYPE
        function = kind(None, ctypes.c_void_p)(address)
        function.code = code  # type: ignore[attr-defined]
        return function
    new, definitions = made
    return new(ctypes.addressof(definitions[release_gil]), address, code)
