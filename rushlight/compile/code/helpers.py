"""Native code that the compiler itself needs, the most of it made in one go.

- `see` is the profile hook of `watch.py`;
- `arrays` is the way in of `entry.py`, and `nothing` a program for it that does nothing;
- `rows` runs the kernels of a program of a single operation: what stands before its table leads to
  the moves (from a place of the table, so many bytes on, to a place) and the calls (kernel, first
  operand, units, units at a time; 0: one thread does all);
- `rushlight_parallel` is what kernels call that are shared between threads. It leads to the pool of
  threads once `rushlight_share` was told of one; before that, the caller does all.

What is called once per kernel or less is made at level 0: that takes LLVM 2 ms instead of 9, and
the interpreter more for each event than the hook does. `rows` is made where it is asked for: no
program of a compiled function needs it.
"""

from __future__ import annotations

import ctypes
import functools

from . import llvm

EVENTS = {"call": 0, "c_call": 4}  # of the profile hook, as the interpreter calls them in C
BITS = 13  # of the size of the hook's table; it is never more than half full
SPREAD = 0x9E3779B97F4A7C15 - (1 << 64)
_NAMES = (
    "PyLong_AsVoidPtr PyFrame_GetCode Py_IncRef Py_DecRef PyObject_CallFunctionObjArgs"
    " PyEval_SaveThread PyEval_RestoreThread PyThreadState_Get PyThreadState_GetID"
).split()
_OBJECTS = {"_Py_TrueStruct": True, "_Py_FalseStruct": False}
_HEAD = """\
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyFrame_GetCode(ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyThreadState_Get()
declare i64 @PyThreadState_GetID(ptr)
"""
_GATE = """\
define void @rushlight_parallel(ptr %kernel, ptr %table, i64 %n, i64 %chunk) {
  %pool = load atomic ptr, ptr @pool acquire, align 8
  %none = icmp eq ptr %pool, null
  br i1 %none, label %alone, label %together
together:
  tail call void %pool(ptr %kernel, ptr %table, i64 %n, i64 %chunk)
  ret void
alone:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %run, label %end
run:
  tail call void %kernel(ptr %table, i64 0, i64 %n)
  ret void
end:
  ret void
}
define void @rushlight_share(ptr %pool) {
  store atomic ptr %pool, ptr @pool release, align 8
  ret void
}
define void @nothing(ptr %table) {
  ret void
}
"""
_SEE = f"""\
define i32 @see(ptr %self, ptr %frame, i32 %what, ptr %called) {{
start:
  %call = icmp eq i32 %what, {EVENTS["call"]}
  %native = icmp eq i32 %what, {EVENTS["c_call"]}
  %wanted = or i1 %call, %native
  br i1 %wanted, label %find, label %quiet
find:
  %spec = call ptr @PyLong_AsVoidPtr(ptr %self)
  %code = call ptr @PyFrame_GetCode(ptr %frame)
  call void @Py_DecRef(ptr %code)
  %number = ptrtoint ptr %code to i64
  %spread = mul i64 %number, {SPREAD}
  %first = lshr i64 %spread, {64 - BITS}
  %tableat = getelementptr ptr, ptr %spec, i64 3
  %table = load ptr, ptr %tableat
  br label %look
look:
  %k = phi i64 [ %first, %find ], [ %next, %other ]
  %place = getelementptr i64, ptr %table, i64 %k
  %found = load i64, ptr %place
  %same = icmp eq i64 %found, %number
  br i1 %same, label %quiet, label %differs
differs:
  %none = icmp eq i64 %found, 0
  br i1 %none, label %ask, label %other
other:
  %after = add i64 %k, 1
  %next = and i64 %after, {(1 << BITS) - 1}
  br label %look
ask:
  %function = load ptr, ptr %spec
  %which = select i1 %call, i64 1, i64 2
  %eventat = getelementptr ptr, ptr %spec, i64 %which
  %event = load ptr, ptr %eventat
  %told = call ptr (ptr, ...) @PyObject_CallFunctionObjArgs(
    ptr %function, ptr %frame, ptr %event, ptr %called, ptr null)
  %failed = icmp eq ptr %told, null
  br i1 %failed, label %fail, label %done
done:
  call void @Py_DecRef(ptr %told)
  br label %quiet
quiet:
  ret i32 0
fail:
  ret i32 -1
}}
"""


def _bytes_of(x: str) -> str:
    """From and up to which address the memory lies whose row of three numbers is at %{x}a."""
    return f"""\
  %{x}slot = load i64, ptr %{x}a
  %{x}lp = getelementptr i64, ptr %{x}a, i64 1
  %{x}low = load i64, ptr %{x}lp
  %{x}hp = getelementptr i64, ptr %{x}a, i64 2
  %{x}high = load i64, ptr %{x}hp
  %{x}tp = getelementptr i64, ptr %table, i64 %{x}slot
  %{x}data = load i64, ptr %{x}tp
  %{x}from = add i64 %{x}data, %{x}low
  %{x}to = add i64 %{x}data, %{x}high
"""


_ARRAYS = (
    """\
define ptr @arrays(ptr %self, ptr %args, i64 %n) {
start:
  %spec = call ptr @PyLong_AsVoidPtr(ptr %self)
  %function = load ptr, ptr %spec
  %p1 = getelementptr i64, ptr %spec, i64 1
  %table = load ptr, ptr %p1
  %p2 = getelementptr i64, ptr %spec, i64 2
  %count = load i64, ptr %p2
  %p3 = getelementptr i64, ptr %spec, i64 3
  %type = load ptr, ptr %p3
  %first = getelementptr i64, ptr %spec, i64 8
  %p6 = getelementptr i64, ptr %spec, i64 6
  %modes = load ptr, ptr %p6
  %p4 = getelementptr i64, ptr %spec, i64 4
  %watch = load ptr, ptr %p4
  %words = load i64, ptr %watch
  %enough = icmp eq i64 %n, %count
  br i1 %enough, label %mode, label %refuse
mode:
  %thread = load i64, ptr %modes
  %unasked = icmp eq i64 %thread, 0
  br i1 %unasked, label %word, label %whose
whose:
  %caller = call ptr @PyThreadState_Get()
  %number = call i64 @PyThreadState_GetID(ptr %caller)
  %mine = icmp eq i64 %number, %thread
  br i1 %mine, label %version, label %refuse
version:
  %m1 = getelementptr i64, ptr %modes, i64 1
  %versionat = load ptr, ptr %m1
  %m2 = getelementptr i64, ptr %modes, i64 2
  %versionwas = load i64, ptr %m2
  %versionis = load i64, ptr %versionat
  %unchanged = icmp eq i64 %versionis, %versionwas
  br i1 %unchanged, label %word, label %refuse
word:
  %w = phi i64 [ 0, %mode ], [ 0, %version ], [ %w1, %wordok ]
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
  br i1 %more, label %array, label %spread
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
  %kindsp = getelementptr i64, ptr %at, i64 2
  %kindwant = load ptr, ptr %kindsp
  %kindok = icmp eq ptr %kindis, %kindwant
  %ndat = getelementptr i8, ptr %x, i64 24
  %nd32 = load i32, ptr %ndat
  %nd = sext i32 %nd32 to i64
  %ndsp = getelementptr i64, ptr %at, i64 3
  %ndwant = load i64, ptr %ndsp
  %ndok = icmp eq i64 %nd, %ndwant
  %both = and i1 %kindok, %ndok
  br i1 %both, label %sizes, label %refuse
sizes:
  %sizeat = getelementptr i8, ptr %x, i64 32
  %size = load ptr, ptr %sizeat
  %stepat = getelementptr i8, ptr %x, i64 40
  %step = load ptr, ptr %stepat
  %want = getelementptr i64, ptr %at, i64 4
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
  %secondat = getelementptr i64, ptr %at, i64 1
  %second = load i64, ptr %secondat
  %intotoo = getelementptr ptr, ptr %table, i64 %second
  store ptr %data, ptr %intotoo
  %ndtwice = shl i64 %nd, 1
  %length = add i64 %ndtwice, 4
  %after = getelementptr i64, ptr %at, i64 %length
  %i1 = add i64 %i, 1
  br label %next
spread:
  %p7 = getelementptr i64, ptr %spec, i64 7
  %apart = load ptr, ptr %p7
  %reads = load i64, ptr %apart
  %a1 = getelementptr i64, ptr %apart, i64 1
  %writes = load i64, ptr %a1
  %a2 = getelementptr i64, ptr %apart, i64 2
  %reads3 = mul i64 %reads, 3
  %b2 = getelementptr i64, ptr %a2, i64 %reads3
  br label %read
read:
  %r = phi i64 [ 0, %spread ], [ %r1, %write ]
  %ra = phi ptr [ %a2, %spread ], [ %ra1, %write ]
  %rmore = icmp slt i64 %r, %reads
  br i1 %rmore, label %extent, label %run
extent:
"""
    + _bytes_of("r")
    + """\
  %r1 = add i64 %r, 1
  %ra1 = getelementptr i64, ptr %ra, i64 3
  br label %write
write:
  %q = phi i64 [ 0, %extent ], [ %q1, %compare ]
  %wa = phi ptr [ %b2, %extent ], [ %wa1, %compare ]
  %qmore = icmp slt i64 %q, %writes
  br i1 %qmore, label %compare, label %read
compare:
"""
    + _bytes_of("w")
    + """\
  %before = icmp ule i64 %rto, %wfrom
  %behind = icmp uge i64 %rfrom, %wto
  %clear = or i1 %before, %behind
  %q1 = add i64 %q, 1
  %wa1 = getelementptr i64, ptr %wa, i64 3
  br i1 %clear, label %write, label %refuse
run:
  %p5 = getelementptr i64, ptr %spec, i64 5
  %release = load i64, ptr %p5
  %held = icmp eq i64 %release, 0
  br i1 %held, label %hold, label %letgo
letgo:
  %state = call ptr @PyEval_SaveThread()
  call void %function(ptr %table)
  call void @PyEval_RestoreThread(ptr %state)
  br label %ran
hold:
  call void %function(ptr %table)
  br label %ran
ran:
  call void @Py_IncRef(ptr @_Py_TrueStruct)
  ret ptr @_Py_TrueStruct
refuse:
  call void @Py_IncRef(ptr @_Py_FalseStruct)
  ret ptr @_Py_FalseStruct
}
"""
)
_ROWS = """\
declare void @rushlight_parallel(ptr, ptr, i64, i64)
define void @rows(ptr %table) {
start:
  %before = getelementptr ptr, ptr %table, i64 -1
  %spec = load ptr, ptr %before
  %moves = load i64, ptr %spec
  %callsat = getelementptr i64, ptr %spec, i64 1
  %calls = load i64, ptr %callsat
  %first = getelementptr i64, ptr %spec, i64 2
  br label %next
next:
  %m = phi i64 [ 0, %start ], [ %m1, %move ]
  %at = phi ptr [ %first, %start ], [ %after, %move ]
  %more = icmp slt i64 %m, %moves
  br i1 %more, label %move, label %look
move:
  %from = load i64, ptr %at
  %p1 = getelementptr i64, ptr %at, i64 1
  %bytes = load i64, ptr %p1
  %p2 = getelementptr i64, ptr %at, i64 2
  %to = load i64, ptr %p2
  %source = getelementptr ptr, ptr %table, i64 %from
  %base = load ptr, ptr %source
  %there = getelementptr i8, ptr %base, i64 %bytes
  %target = getelementptr ptr, ptr %table, i64 %to
  store ptr %there, ptr %target
  %after = getelementptr i64, ptr %at, i64 3
  %m1 = add i64 %m, 1
  br label %next
look:
  %c = phi i64 [ 0, %next ], [ %c1, %ran ]
  %row = phi ptr [ %at, %next ], [ %below, %ran ]
  %left = icmp slt i64 %c, %calls
  br i1 %left, label %call, label %end
call:
  %kernel = load ptr, ptr %row
  %r1 = getelementptr i64, ptr %row, i64 1
  %operand = load i64, ptr %r1
  %r2 = getelementptr i64, ptr %row, i64 2
  %units = load i64, ptr %r2
  %r3 = getelementptr i64, ptr %row, i64 3
  %chunk = load i64, ptr %r3
  %operands = getelementptr ptr, ptr %table, i64 %operand
  %single = icmp eq i64 %chunk, 0
  br i1 %single, label %alone, label %together
alone:
  call void %kernel(ptr %operands, i64 0, i64 %units)
  br label %ran
together:
  call void @rushlight_parallel(ptr %kernel, ptr %operands, i64 %units, i64 %chunk)
  br label %ran
ran:
  %below = getelementptr i64, ptr %row, i64 4
  %c1 = add i64 %c, 1
  br label %look
end:
  ret void
}
"""


@functools.cache
def possible() -> bool:
    """Whether this interpreter has what the code asks of it."""
    api = getattr(ctypes, "pythonapi", None)
    names = (*_NAMES, *_OBJECTS, "PyCFunction_NewEx")
    return api is not None and all(hasattr(api, name) for name in names)


@functools.cache
def _code() -> llvm.Code:
    for name in _NAMES if possible() else ():
        at = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
        llvm.symbol(name, at or 0)
    for name, value in _OBJECTS.items():
        llvm.symbol(name, id(value))
    if not possible():
        return _lasting(llvm.compile(_POOL + _GATE))
    return _lasting(llvm.compile(_HEAD + _ARRAYS, plain=_POOL + _HEAD + _GATE + _SEE))


@functools.cache
def _rows() -> llvm.Code:
    return _lasting(llvm.compile(_ROWS))


def _lasting(made: llvm.Code) -> llvm.Code:
    _kept.append(made)
    return made


_POOL = "@pool = internal global ptr null\n"
_kept: list[llvm.Code] = []  # two threads may both make it, and both use theirs


def address(name: str) -> int:
    """Where one of the functions is."""
    return (_rows() if name == "rows" else _code()).address(name)
