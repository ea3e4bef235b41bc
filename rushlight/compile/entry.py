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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .code import llvm
from .kernels import runtime
from .words import Words

_DATA, _DIMS, _SIZES, _STEPS, _KIND = 16, 24, 32, 40, 56  # NumPy's array object, in bytes
_FASTCALL = 0x0080
_IR = """\
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
declare ptr @PyLong_AsVoidPtr(ptr)
declare void @Py_IncRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
{bodies}"""
_BODY = """\
define ptr @{name}(ptr %self, ptr %args, i64 %n) {{
start:
  %spec = call ptr @PyLong_AsVoidPtr(ptr %self)
  %function = load ptr, ptr %spec
  %p1 = getelementptr i64, ptr %spec, i64 1
  %table = load ptr, ptr %p1
  %p2 = getelementptr i64, ptr %spec, i64 2
  %count = load i64, ptr %p2
  %p3 = getelementptr i64, ptr %spec, i64 3
  %type = load ptr, ptr %p3
  %first = getelementptr i64, ptr %spec, i64 5
  %p4 = getelementptr i64, ptr %spec, i64 4
  %watch = load ptr, ptr %p4
  %words = load i64, ptr %watch
  %enough = icmp eq i64 %n, %count
  br i1 %enough, label %word, label %refuse
word:
  %w = phi i64 [ 0, %start ], [ %w1, %wordok ]
  %wmore = icmp slt i64 %w, %words
  br i1 %wmore, label %wordlook, label %next
wordlook:
  %w3 = mul i64 %w, 3
  %w31 = add i64 %w3, 1
  %wp = getelementptr i64, ptr %watch, i64 %w31
  %base = load ptr, ptr %wp
  %op = getelementptr i64, ptr %wp, i64 1
  %off = load i64, ptr %op
  %ep = getelementptr i64, ptr %wp, i64 2
  %expect = load i64, ptr %ep
  %indirect = icmp sge i64 %off, 0
  br i1 %indirect, label %follow, label %direct
follow:
  %inner = load ptr, ptr %base
  %there = getelementptr i8, ptr %inner, i64 %off
  br label %direct
direct:
  %source = phi ptr [ %base, %wordlook ], [ %there, %follow ]
  %found = load i64, ptr %source
  %holds = icmp eq i64 %found, %expect
  br i1 %holds, label %wordok, label %refuse
wordok:
  %w1 = add i64 %w, 1
  br label %word
next:
  %i = phi i64 [ 0, %word ], [ %i1, %done ]
  %at = phi ptr [ %first, %word ], [ %after, %done ]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %array, label %run
array:
  %place = getelementptr ptr, ptr %args, i64 %i
  %x = load ptr, ptr %place
  %typeat = getelementptr i8, ptr %x, i64 8
  %is = load ptr, ptr %typeat
  %right = icmp eq ptr %is, %type
  br i1 %right, label %kind, label %refuse
kind:
  %kindat = getelementptr i8, ptr %x, i64 56
  %kindis = load ptr, ptr %kindat
  %kindsp = getelementptr i64, ptr %at, i64 1
  %kindwant = load ptr, ptr %kindsp
  %kindok = icmp eq ptr %kindis, %kindwant
  %ndat = getelementptr i8, ptr %x, i64 24
  %nd32 = load i32, ptr %ndat
  %nd = sext i32 %nd32 to i64
  %ndsp = getelementptr i64, ptr %at, i64 2
  %ndwant = load i64, ptr %ndsp
  %ndok = icmp eq i64 %nd, %ndwant
  %both = and i1 %kindok, %ndok
  br i1 %both, label %sizes, label %refuse
sizes:
  %sizeat = getelementptr i8, ptr %x, i64 32
  %size = load ptr, ptr %sizeat
  %stepat = getelementptr i8, ptr %x, i64 40
  %step = load ptr, ptr %stepat
  %want = getelementptr i64, ptr %at, i64 3
  br label %dim
dim:
  %d = phi i64 [ 0, %sizes ], [ %d1, %dimok ]
  %dmore = icmp slt i64 %d, %nd
  br i1 %dmore, label %look, label %done
look:
  %sp = getelementptr i64, ptr %size, i64 %d
  %s = load i64, ptr %sp
  %tp = getelementptr i64, ptr %step, i64 %d
  %t = load i64, ptr %tp
  %d2 = shl i64 %d, 1
  %swp = getelementptr i64, ptr %want, i64 %d2
  %sw = load i64, ptr %swp
  %twp = getelementptr i64, ptr %swp, i64 1
  %tw = load i64, ptr %twp
  %sok = icmp eq i64 %s, %sw
  %tok0 = icmp eq i64 %t, %tw
  %one = icmp sle i64 %s, 1
  %tok = or i1 %tok0, %one
  %ok = and i1 %sok, %tok
  br i1 %ok, label %dimok, label %refuse
dimok:
  %d1 = add i64 %d, 1
  br label %dim
done:
  %slot = load i64, ptr %at
  %dataat = getelementptr i8, ptr %x, i64 16
  %data = load ptr, ptr %dataat
  %into = getelementptr ptr, ptr %table, i64 %slot
  store ptr %data, ptr %into
  %ndtwice = shl i64 %nd, 1
  %length = add i64 %ndtwice, 3
  %after = getelementptr i64, ptr %at, i64 %length
  %i1 = add i64 %i, 1
  br label %next
run:
  {before}
  call void %function(ptr %table)
  {after}
  call void @Py_IncRef(ptr @_Py_TrueStruct)
  ret ptr @_Py_TrueStruct
refuse:
  call void @Py_IncRef(ptr @_Py_FalseStruct)
  ret ptr @_Py_FalseStruct
}}
"""


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    ]  # fmt: skip


def _layout_is_known() -> bool:
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


@functools.cache
def _definitions() -> dict[bool, Any] | None:
    """The built-in functions' definitions by `release_gil`; None on other interpreters."""
    if runtime._entries() is None or not _layout_is_known():
        return None
    api = ctypes.pythonapi
    for name, value in (("_Py_TrueStruct", True), ("_Py_FalseStruct", False)):
        llvm.symbol(name, id(value))
    for name in ("PyLong_AsVoidPtr", "Py_IncRef", "PyEval_SaveThread", "PyEval_RestoreThread"):
        llvm.symbol(name, ctypes.cast(getattr(api, name), ctypes.c_void_p).value or 0)
    bodies = "define void @nothing(ptr %table) {\n  ret void\n}\n"
    bodies += _BODY.format(name="arrays_held", before="", after="") + _BODY.format(
        name="arrays_released",
        before="%state = call ptr @PyEval_SaveThread()",
        after="call void @PyEval_RestoreThread(ptr %state)",
    )
    code = llvm.compile(_IR.format(bodies=bodies))
    runtime._kept.append(code)
    _nothing[:] = [code.address("nothing")]
    names = {False: "arrays_held", True: "arrays_released"}
    return {
        released: _MethodDef(b"run", code.address(name), _FASTCALL)
        for released, name in names.items()
    }


_nothing: list[int] = []


def nothing() -> int:
    """The address of a program that does nothing, for a call that only looks at its arrays."""
    _definitions()
    return _nothing[0] if _nothing else 0


def arrays(
    function: int, table: runtime.Table, slots: Sequence[int], forms: Sequence[Any],
    release_gil: bool, owner: Any, watched: Words | None = None,
) -> Callable[..., bool] | None:  # fmt: skip
    """A callable of ndarrays that runs `void function(ptr table)`; None where there is no way.

    `slots[i]` is the place of array i's address in the table, `forms[i]` its (shape, dtype,
    strides in bytes); `owner` is kept alive; `watched` are the words to look at first.
    """
    made = _definitions()
    if made is None:
        return None
    watched = watched or Words([])
    words: list[int] = [function, table.address, len(slots), id(np.ndarray), watched.address]
    kinds = []
    for slot, (shape, dtype, strides) in zip(slots, forms, strict=True):
        kinds.append(dtype)
        words += [slot, id(dtype), len(shape)]
        for size, step in zip(shape, strides):
            words += [size, step]
    spec = np.array(words, np.int64)
    new = runtime._entries()[0]  # type: ignore[index]
    return new(ctypes.addressof(made[release_gil]), spec.ctypes.data, (spec, kinds, owner, watched))
