"""The way back in native code: rules of a few ops, the walk along the tape, a descent."""

from __future__ import annotations

from .operators_kernels import KERNELS
from .operators_text import (
    DATA,
    DENSE,
    FLAGS,
    ITEMS,
    KIND,
    PRODUCT,
    TYPE,
    facts,
    load,
    need,
    ways,
)

_DIFFERENCE = 2 * KERNELS.index("fsub")
RULES = ("factors", "difference", "squares")  # what a rule may be
_WRITABLE = DENSE | 0x0400


def _door(rule: str) -> str:
    """The built-in function of a rule; its `self` is the address of its row of words."""
    return f"""\
define ptr @{rule}_rule(ptr %self, ptr %arguments, i64 %count) {{
start:
  %way = call ptr @PyLong_AsVoidPtr(ptr %self)
{ways("python")}{need("two", "eq i64 %count, 2")}\
  %g = load ptr, ptr %arguments
  %second = getelementptr ptr, ptr %arguments, i64 1
  %entry = load ptr, ptr %second
  %y = call ptr @{rule}(ptr %g, ptr %entry)
  %none = icmp eq ptr %y, null
  br i1 %none, label %no, label %done
done:
  ret ptr %y
no:
  %answer = call ptr @PyObject_Vectorcall(ptr %python, ptr %arguments, i64 %count, ptr null)
  ret ptr %answer
}}
"""


# One side of a product's rule: None where nothing is wanted, else g times the other operand.
_PULLS = f"""\
define internal ptr @side(ptr %parent, ptr %g, ptr %other) {{
start:
{facts("none")}\
  %nobody = icmp eq ptr %parent, %none
  br i1 %nobody, label %nothing, label %product
nothing:
  call void @Py_IncRef(ptr %none)
  ret ptr %none
product:
  %y = call ptr @here(i64 {PRODUCT}, ptr %g, ptr %other)
  ret ptr %y
}}
define internal ptr @factors(ptr %g, ptr %entry) {{
start:
{facts("tuple")}{load("items", "entry", ITEMS)}{load("parents", "items", 8)}\
{load("inputs", "items", 16)}{load("kindp", "parents", TYPE)}{load("kindi", "inputs", TYPE)}\
{need("twop", "eq ptr %kindp, %tuple")}{need("twoi", "eq ptr %kindi, %tuple")}\
  %isreal = call i1 @real(ptr %g)
  br i1 %isreal, label %go, label %no
go:
  %pa = call ptr @PyTuple_GetItem(ptr %parents, i64 0)
  %pb = call ptr @PyTuple_GetItem(ptr %parents, i64 1)
  %a = call ptr @PyTuple_GetItem(ptr %inputs, i64 0)
  %b = call ptr @PyTuple_GetItem(ptr %inputs, i64 1)
  %first = call ptr @side(ptr %pa, ptr %g, ptr %b)
{need("has1", "ne ptr %first, null")}\
  %second = call ptr @side(ptr %pb, ptr %g, ptr %a)
  %has2 = icmp ne ptr %second, null
  br i1 %has2, label %both, label %drop
both:
  %pair = call ptr @taken(ptr %first, ptr %second)
  ret ptr %pair
drop:
  call void @Py_DecRef(ptr %first)
  br label %no
no:
  ret ptr null
}}
define internal ptr @difference(ptr %g, ptr %entry) {{
start:
{facts("none minus")}{load("items", "entry", ITEMS)}{load("parents", "items", 8)}\
  %isreal = call i1 @real(ptr %g)
  br i1 %isreal, label %go, label %no
go:
  %pb = call ptr @PyTuple_GetItem(ptr %parents, i64 1)
  %second = call ptr @side(ptr %pb, ptr %g, ptr %minus)
{need("has", "ne ptr %second, null")}\
  call void @Py_IncRef(ptr %g)
  %pair = call ptr @taken(ptr %g, ptr %second)
  ret ptr %pair
no:
  ret ptr null
}}
define internal ptr @squares(ptr %g, ptr %entry) {{
start:
  %scale = alloca double, align 8
  br label %begin
begin:
{facts("tuple array double none minus")}{load("items", "entry", ITEMS)}\
{load("parents", "items", 8)}{load("inputs", "items", 16)}{load("kindp", "parents", TYPE)}\
{load("kindi", "inputs", TYPE)}{need("twop", "eq ptr %kindp, %tuple")}\
{need("twoi", "eq ptr %kindi, %tuple")}\
  %isreal = call i1 @real(ptr %g)
  br i1 %isreal, label %go, label %no
go:
  %pa = call ptr @PyTuple_GetItem(ptr %parents, i64 0)
  %pb = call ptr @PyTuple_GetItem(ptr %parents, i64 1)
  %a = call ptr @PyTuple_GetItem(ptr %inputs, i64 0)
  %b = call ptr @PyTuple_GetItem(ptr %inputs, i64 1)
{load("typeb", "b", TYPE)}{need("arrayb", "eq ptr %typeb, %array")}\
  %also = call i1 @real(ptr %a)
  %single = call i64 @size(ptr %g)
  %n = call i64 @size(ptr %a)
  %nb = call i64 @size(ptr %b)
{load("kg", "g", KIND)}{load("ka", "a", KIND)}{need("onekind", "eq ptr %kg, %ka")}\
{need("one", "eq i64 %single, 1")}{need("some", "sgt i64 %n, 0")}{need("equal", "eq i64 %n, %nb")}\
{need("first", "ne ptr %pa, %none")}{load("data", "g", DATA)}\
  %wide = icmp eq ptr %kg, %double
  br i1 %also, label %slope, label %no
slope:
  br i1 %wide, label %two, label %narrow
narrow:
  %f = load float, ptr %data
  %ff = fpext float %f to double
  br label %factor
two:
  %d = load double, ptr %data
  br label %factor
factor:
  %gv = phi double [ %ff, %narrow ], [ %d, %two ]
  %twice = fmul double %gv, 2.0
  %count = sitofp i64 %n to double
  %by = fdiv double %twice, %count
  %y = call ptr @here(i64 {_DIFFERENCE}, ptr %a, ptr %b)
{need("made", "ne ptr %y, null")}{load("datay", "y", DATA)}\
  call void @scale(ptr %datay, i64 %n, i1 %wide, double %by)
  %second = call ptr @side(ptr %pb, ptr %y, ptr %minus)
  %has2 = icmp ne ptr %second, null
  br i1 %has2, label %both, label %drop
both:
  %pair = call ptr @taken(ptr %y, ptr %second)
  ret ptr %pair
drop:
  call void @Py_DecRef(ptr %y)
  br label %no
no:
  ret ptr null
}}
define internal void @scale(ptr %y, i64 %n, i1 %wide, double %by) {{
start:
  %narrow = fptrunc double %by to float
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i1, %did ]
  %left = icmp slt i64 %i, %n
  br i1 %left, label %some, label %end
some:
  %i1 = add i64 %i, 1
  br i1 %wide, label %double, label %float
double:
  %dp = getelementptr double, ptr %y, i64 %i
  %dx = load double, ptr %dp
  %dy = fmul double %dx, %by
  store double %dy, ptr %dp
  br label %did
float:
  %fp = getelementptr float, ptr %y, i64 %i
  %fx = load float, ptr %fp
  %fy = fmul float %fx, %narrow
  store float %fy, ptr %fp
  br label %did
did:
  br label %next
end:
  ret void
}}
"""
# x -= g * rate, of two arrays and a number; whether it was done.
_DESCENT = f"""\
define ptr @descend(ptr %self, ptr %arguments, i64 %count) {{
start:
  %room = alloca <8 x double>, align 64
  br label %begin
begin:
{facts("true false float double")}{need("three", "eq i64 %count, 3")}\
  %x = load ptr, ptr %arguments
  %gp = getelementptr ptr, ptr %arguments, i64 1
  %g = load ptr, ptr %gp
  %rp = getelementptr ptr, ptr %arguments, i64 2
  %rate = load ptr, ptr %rp
  %xreal = call i1 @real(ptr %x)
  %greal = call i1 @real(ptr %g)
  %real = and i1 %xreal, %greal
  br i1 %real, label %alike, label %no
alike:
{load("kx", "x", KIND)}{load("kg", "g", KIND)}{need("onekind", "eq ptr %kx, %kg")}\
  %n = call i64 @size(ptr %x)
  %m = call i64 @size(ptr %g)
{need("equal", "eq i64 %n, %m")}{need("few", "sge i64 %n, 0")}\
  %ends = call i1 @ends(ptr %x, ptr %g)
{load("flags", "x", FLAGS, "i32")}\
  %bits = and i32 %flags, {_WRITABLE}
  %may = icmp eq i32 %bits, {_WRITABLE}
  %fits = and i1 %may, %ends
  %wide = icmp eq ptr %kx, %double
  br i1 %fits, label %number, label %no
number:
  %is = call i1 @number(ptr %rate, i1 %wide, ptr %room)
{load("datax", "x", DATA)}{load("datag", "g", DATA)}\
  br i1 %is, label %next, label %no
next:
  %i = phi i64 [ 0, %number ], [ %i1, %did ]
  %left = icmp slt i64 %i, %n
  br i1 %left, label %some, label %end
some:
  %i1 = add i64 %i, 1
  br i1 %wide, label %double2, label %float2
double2:
  %dx = getelementptr double, ptr %datax, i64 %i
  %dg = getelementptr double, ptr %datag, i64 %i
  %dr = load double, ptr %room
  %dgv = load double, ptr %dg
  %dxv = load double, ptr %dx
  %dm = fmul double %dgv, %dr
  %dy = fsub double %dxv, %dm
  store double %dy, ptr %dx
  br label %did
float2:
  %fx = getelementptr float, ptr %datax, i64 %i
  %fg = getelementptr float, ptr %datag, i64 %i
  %fr = load float, ptr %room
  %fgv = load float, ptr %fg
  %fxv = load float, ptr %fx
  %fm = fmul float %fgv, %fr
  %fy = fsub float %fxv, %fm
  store float %fy, ptr %fx
  br label %did
did:
  br label %next
end:
  call void @Py_IncRef(ptr %true)
  ret ptr %true
no:
  call void @Py_IncRef(ptr %false)
  ret ptr %false
}}
"""
BACK = _PULLS + _DESCENT + "".join(map(_door, RULES))
