"""The way back in native code: rules of a few ops, the walk along the tape, a descent."""

from __future__ import annotations

from .operators_text import (
    DATA,
    DENSE,
    DIFFERENCE,
    FLAGS,
    ITEMS,
    KIND,
    LIMIT,
    PRODUCT,
    TYPE,
    facts,
    load,
    need,
    ways,
)

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
  %room = alloca <8 x double>, align 64
  br label %begin
begin:
{facts("tuple array double none minus")}{load("items", "entry", ITEMS)}\
{load("parents", "items", 8)}{load("inputs", "items", 16)}{load("kindp", "parents", TYPE)}\
{load("kindi", "inputs", TYPE)}{need("twop", "eq ptr %kindp, %tuple")}\
{need("twoi", "eq ptr %kindi, %tuple")}\
  %pa = call ptr @PyTuple_GetItem(ptr %parents, i64 0)
  %pb = call ptr @PyTuple_GetItem(ptr %parents, i64 1)
  %a = call ptr @PyTuple_GetItem(ptr %inputs, i64 0)
  %b = call ptr @PyTuple_GetItem(ptr %inputs, i64 1)
{need("first", "ne ptr %pa, %none")}\
  %realg = call i1 @real(ptr %g)
  %reala = call i1 @real(ptr %a)
  %realb = call i1 @real(ptr %b)
  %two = and i1 %realg, %reala
  %all = and i1 %two, %realb
  br i1 %all, label %sizes, label %no
sizes:
  %single = call i64 @size(ptr %g)
  %n = call i64 @size(ptr %a)
  %nb = call i64 @size(ptr %b)
{load("kg", "g", KIND)}{load("ka", "a", KIND)}{need("onekind", "eq ptr %kg, %ka")}\
{need("one", "eq i64 %single, 1")}{need("some", "sgt i64 %n, 0")}{need("equal", "eq i64 %n, %nb")}\
{load("data", "g", DATA)}\
  %wide = icmp eq ptr %kg, %double
  %bits = zext i1 %wide to i64
  br i1 %wide, label %asdouble, label %asfloat
asfloat:
  %f = load float, ptr %data
  %ff = fpext float %f to double
  br label %factor
asdouble:
  %d = load double, ptr %data
  br label %factor
factor:
  %value = phi double [ %ff, %asfloat ], [ %d, %asdouble ]
  %twice = fmul double %value, 2.0
  %count = sitofp i64 %n to double
  %by = fdiv double %twice, %count
  call void @rounded(ptr %room, i1 %wide, double %by)
  %y = call ptr @here(i64 {DIFFERENCE}, ptr %a, ptr %b)
{need("made", "ne ptr %y, null")}{load("datay", "y", DATA)}\
  %which = add i64 {PRODUCT}, %bits
  call void @compute(i64 %which, ptr %datay, ptr %datay, ptr %room, i64 %n, i64 0)
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
"""
# x -= g * rate, of two arrays and a number; whether it was done.
_DESCENT = f"""\
define ptr @descend(ptr %self, ptr %arguments, i64 %count) {{
start:
  %room = alloca <8 x double>, align 64
  %terms = alloca [{LIMIT} x double], align 64
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
  %ends = call i1 @same(ptr %x, ptr %g)
{load("flags", "x", FLAGS, "i32")}\
  %bits = and i32 %flags, {_WRITABLE}
  %may = icmp eq i32 %bits, {_WRITABLE}
  %fits = and i1 %may, %ends
  %wide = icmp eq ptr %kx, %double
  br i1 %fits, label %number, label %no
number:
  %is = call i1 @number(ptr %rate, i1 %wide, ptr %room)
{load("datax", "x", DATA)}{load("datag", "g", DATA)}\
  br i1 %is, label %compute, label %no
compute:
  %bits2 = zext i1 %wide to i64
  %product = add i64 {PRODUCT}, %bits2
  %difference = add i64 {DIFFERENCE}, %bits2
  call void @compute(i64 %product, ptr %terms, ptr %datag, ptr %room, i64 %n, i64 0)
  call void @compute(i64 %difference, ptr %datax, ptr %datax, ptr %terms, i64 %n, i64 1)
  call void @Py_IncRef(ptr %true)
  ret ptr %true
no:
  call void @Py_IncRef(ptr %false)
  ret ptr %false
}}
"""
BACK = _PULLS + _DESCENT + "".join(map(_door, RULES))
