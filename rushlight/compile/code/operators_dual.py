"""Forward mode of sums, differences, products and quotients in native code: value and tangent.

A dual holds its level, its value and its tangent, as `autograd/dual_short.py` makes it. What is
computed, and in which order, is what that file computes, bit by bit.
"""

from __future__ import annotations

from .operators_text import (
    DIFFERENCE,
    LENGTH,
    PRODUCT,
    QUOTIENT,
    SUM,
    TYPE,
    facts,
    load,
    need,
    ways,
)


def _place(into: str, base: str, word: str) -> str:
    """What stands at a place that is known at run time."""
    return (
        f"  %{into}n = ptrtoint ptr %{word} to i64\n"
        f"  %{into}at = getelementptr i8, ptr %{base}, i64 %{into}n\n"
        f"  %{into} = load ptr, ptr %{into}at\n"
    )


# (level, value, tangent) of an operand into `out`: of what is no dual, level and tangent are null.
_PARTS = f"""\
define internal i1 @parts(ptr %x, ptr %out) {{
start:
{facts("array none float int dual dualvalue dualtangent duallevel")}\
  %o1 = getelementptr ptr, ptr %out, i64 1
  %o2 = getelementptr ptr, ptr %out, i64 2
  store ptr null, ptr %out
  store ptr %x, ptr %o1
  store ptr null, ptr %o2
  %isplain = call i1 @plain(ptr %x)
  br i1 %isplain, label %tensor, label %number
number:
{load("kind", "x", TYPE)}\
  %isfloat = icmp eq ptr %kind, %float
  %isint = icmp eq ptr %kind, %int
  %is = or i1 %isfloat, %isint
  ret i1 %is
tensor:
{load("a", "x", "ARRAY")}{load("entry", "x", "ENTRY")}{need("unrecorded", "eq ptr %entry, %none")}\
{need("some", "ne ptr %a, null")}{load("type", "a", TYPE)}\
  %isdual = icmp eq ptr %type, %dual
  br i1 %isdual, label %both, label %bare
bare:
  store ptr %a, ptr %o1
  %isreal = call i1 @real(ptr %a)
  ret i1 %isreal
both:
{_place("value", "a", "dualvalue")}{_place("tangent", "a", "dualtangent")}\
{_place("level", "a", "duallevel")}{need("hasv", "ne ptr %value, null")}\
{need("hast", "ne ptr %tangent, null")}{need("hasl", "ne ptr %level, null")}\
  store ptr %level, ptr %out
  store ptr %value, ptr %o1
  store ptr %tangent, ptr %o2
  %vreal = call i1 @real(ptr %value)
  %treal = call i1 @real(ptr %tangent)
  %reals = and i1 %vreal, %treal
  ret i1 %reals
no:
  ret i1 false
}}
define internal i1 @alive(ptr %level) {{
start:
{facts("living true")}\
  %told = call ptr @PyObject_GetAttr(ptr %level, ptr %living)
{need("some", "ne ptr %told, null")}\
  call void @Py_DecRef(ptr %told)
  %is = icmp eq ptr %told, %true
  ret i1 %is
no:
  call void @PyErr_Clear()
  ret i1 false
}}
"""


def _two_steps(name: str, first: str, second: str) -> str:
    """A function of four: the second step takes the result of the first, which is given up."""
    return f"""\
define internal ptr @{name}(ptr %a, ptr %b, ptr %c, ptr %d) {{
start:
  %one = {first}
{need("some", "ne ptr %one, null")}\
  %two = {second}
  call void @Py_DecRef(ptr %one)
  ret ptr %two
no:
  ret ptr null
}}
"""


def _here(kernel: int, a: str, b: str) -> str:
    return f"call ptr @here(i64 {kernel}, ptr %{a}, ptr %{b})"


# a * b + c * d; (a - b * c) / d; -(b * c) / d
_STEPS = (
    _two_steps("term", _here(PRODUCT, "c", "d"),
               "call ptr @plus(ptr %a, ptr %b, ptr %one, ptr null)")
    + _two_steps("plus", _here(PRODUCT, "a", "b"), _here(SUM, "one", "c"))
    + _two_steps("less", _here(PRODUCT, "b", "c"), _here(DIFFERENCE, "a", "one"))
    + _two_steps("share", "call ptr @less(ptr %a, ptr %b, ptr %c, ptr null)",
                 _here(QUOTIENT, "one", "d"))
    + _two_steps("minus", _here(PRODUCT, "b", "c"), _here(PRODUCT, "one", "a"))
    + _two_steps("turned", "call ptr @minus(ptr %a, ptr %b, ptr %c, ptr null)",
                 _here(QUOTIENT, "one", "d"))
)  # fmt: skip
# The tangent of y = a op b, of tangents t and u, of which one may be null.
_TANGENT = f"""\
define internal ptr @tangent(i64 %k, ptr %a, ptr %b, ptr %t, ptr %u, ptr %y) {{
start:
{facts("minus")}\
  %nou = icmp eq ptr %u, null
  br i1 %nou, label %left, label %more
more:
  %not = icmp eq ptr %t, null
  br i1 %not, label %right, label %both
left:
  switch i64 %k, label %t1 [ i64 {SUM}, label %t0
    i64 {DIFFERENCE}, label %t0 ]
t0:
  call void @Py_IncRef(ptr %t)
  ret ptr %t
t1:
  %y1 = call ptr @here(i64 %k, ptr %t, ptr %b)
  ret ptr %y1
right:
  %alike = call i1 @same(ptr %a, ptr %u)
  br i1 %alike, label %right1, label %no
right1:
  switch i64 %k, label %u3 [ i64 {SUM}, label %u0
    i64 {DIFFERENCE}, label %u1
    i64 {PRODUCT}, label %u2 ]
u0:
  call void @Py_IncRef(ptr %u)
  ret ptr %u
u1:
  %y2 = {_here(PRODUCT, "u", "minus")}
  ret ptr %y2
u2:
  %y3 = {_here(PRODUCT, "u", "a")}
  ret ptr %y3
u3:
  %y4 = call ptr @turned(ptr %minus, ptr %y, ptr %u, ptr %b)
  ret ptr %y4
both:
  switch i64 %k, label %b3 [ i64 {SUM}, label %b0
    i64 {DIFFERENCE}, label %b0
    i64 {PRODUCT}, label %b2 ]
b0:
  %y5 = call ptr @here(i64 %k, ptr %t, ptr %u)
  ret ptr %y5
b2:
  %y6 = call ptr @term(ptr %t, ptr %b, ptr %a, ptr %u)
  ret ptr %y6
b3:
  %y7 = call ptr @share(ptr %t, ptr %y, ptr %u, ptr %b)
  ret ptr %y7
no:
  ret ptr null
}}
"""
_DUAL = f"""\
define internal ptr @dual(ptr %x, ptr %z, i64 %k) {{
start:
  %out = alloca [3 x ptr], align 8
  %other = alloca [3 x ptr], align 8
  br label %begin
begin:
{facts("array dual dualvalue dualtangent duallevel nothing")}{need("some", "ne i64 %k, 0")}\
  %okx = call i1 @parts(ptr %x, ptr %out)
  br i1 %okx, label %second, label %no
second:
  %okz = call i1 @parts(ptr %z, ptr %other)
  br i1 %okz, label %found, label %no
found:
  %lx = load ptr, ptr %out
  %lz = load ptr, ptr %other
{load("a", "out", 8)}{load("b", "other", 8)}{load("t", "out", 16)}{load("u", "other", 16)}\
  %nox = icmp eq ptr %lx, null
  %noz = icmp eq ptr %lz, null
  %level = select i1 %nox, ptr %lz, ptr %lx
  %one = icmp eq ptr %lx, %lz
  %either = xor i1 %nox, %noz
  %fits = or i1 %one, %either
{need("any", "ne ptr %level, null")}{load("type", "a", TYPE)}\
{need("isarray", "eq ptr %type, %array")}\
  %lives = call i1 @alive(ptr %level)
  %good = and i1 %lives, %fits
  br i1 %good, label %value, label %no
value:
  %y = call ptr @here(i64 %k, ptr %a, ptr %b)
{need("hasy", "ne ptr %y, null")}\
  %d = call ptr @tangent(i64 %k, ptr %a, ptr %b, ptr %t, ptr %u, ptr %y)
  %nod = icmp eq ptr %d, null
  br i1 %nod, label %dropy, label %checked
checked:
  %shaped = call i1 @same(ptr %y, ptr %d)
  br i1 %shaped, label %make, label %dropd
make:
  %v = call ptr @rushlight_new(ptr %dual, ptr %nothing, ptr null)
  %nov = icmp eq ptr %v, null
  br i1 %nov, label %forget, label %fill
fill:
  call void @Py_IncRef(ptr %level)
  %na = ptrtoint ptr %dualvalue to i64
  %nt = ptrtoint ptr %dualtangent to i64
  %nl = ptrtoint ptr %duallevel to i64
  %pa = getelementptr i8, ptr %v, i64 %na
  %pt = getelementptr i8, ptr %v, i64 %nt
  %pl = getelementptr i8, ptr %v, i64 %nl
  store ptr %y, ptr %pa
  store ptr %d, ptr %pt
  store ptr %level, ptr %pl
  %result = call ptr @wrap(
    ptr %v, i1 false, ptr null, ptr null, ptr null, ptr null, ptr null)
  ret ptr %result
forget:
  call void @PyErr_Clear()
  br label %dropd
dropd:
  call void @Py_DecRef(ptr %d)
  br label %dropy
dropy:
  call void @Py_DecRef(ptr %y)
  br label %no
no:
  ret ptr null
}}
define ptr @dual_way(ptr %self, ptr %arguments, i64 %count) {{
start:
  %way = call ptr @PyLong_AsVoidPtr(ptr %self)
{facts("tuple")}{ways("python kernel")}{need("three", "eq i64 %count, 3")}\
{load("inputs", "arguments", 8)}{load("params", "arguments", 16)}{load("ti", "inputs", TYPE)}\
{load("tp", "params", TYPE)}{need("ituple", "eq ptr %ti, %tuple")}\
{need("ptuple", "eq ptr %tp, %tuple")}{load("n", "inputs", LENGTH, "i64")}\
{load("m", "params", LENGTH, "i64")}{need("two", "eq i64 %n, 2")}{need("none", "eq i64 %m, 0")}\
  %x = call ptr @PyTuple_GetItem(ptr %inputs, i64 0)
  %z = call ptr @PyTuple_GetItem(ptr %inputs, i64 1)
  %k = ptrtoint ptr %kernel to i64
  %y = call ptr @dual(ptr %x, ptr %z, i64 %k)
  %unmade = icmp eq ptr %y, null
  br i1 %unmade, label %no, label %done
done:
  ret ptr %y
no:
  %answer = call ptr @PyObject_Vectorcall(ptr %python, ptr %arguments, i64 %count, ptr null)
  ret ptr %answer
}}
"""
DUAL = _PARTS + _STEPS + _TANGENT + _DUAL
