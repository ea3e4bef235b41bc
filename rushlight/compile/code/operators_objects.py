"""What the native operators ask of arrays, tensors, numbers and modes, and what they make."""

from __future__ import annotations

from .operators_text import (
    DATA,
    DENSE,
    FLAGS,
    ITEMS,
    KIND,
    LARGEST,
    LENGTH,
    LIMIT,
    NDIM,
    ROWS,
    SIZES,
    TYPE,
    facts,
    load,
    need,
)

FORM = load("n", "a", NDIM, "i32") + load("sizes", "a", SIZES)
_SIZE = f"""\
define internal i64 @size(ptr %a) {{
start:
{FORM}\
  %nd = sext i32 %n to i64
  br label %next
next:
  %d = phi i64 [ 0, %start ], [ %d1, %some ]
  %all = phi i64 [ 1, %start ], [ %more, %some ]
  %left = icmp slt i64 %d, %nd
  br i1 %left, label %some, label %end
some:
  %at = getelementptr i64, ptr %sizes, i64 %d
  %one = load i64, ptr %at
  %more = mul i64 %all, %one
  %d1 = add i64 %d, 1
  br label %next
end:
{load("flags", "a", FLAGS, "i32")}\
  %both = and i32 %flags, {DENSE}
  %dense = icmp eq i32 %both, {DENSE}
  %small = icmp ule i64 %all, {LIMIT}
  %here = and i1 %dense, %small
  %found = select i1 %here, i64 %all, i64 -1
  ret i64 %found
}}
define internal i1 @ends(ptr %a, ptr %b) {{
start:
{FORM}{load("m", "b", NDIM, "i32")}{load("others", "b", SIZES)}\
  %fits = icmp sle i32 %m, %n
  %fewer = sub i32 %n, %m
  %skip = sext i32 %fewer to i64
  %md = sext i32 %m to i64
  br i1 %fits, label %next, label %no
next:
  %d = phi i64 [ 0, %start ], [ %d1, %some ]
  %left = icmp slt i64 %d, %md
  br i1 %left, label %some, label %yes
some:
  %da = add i64 %d, %skip
  %at = getelementptr i64, ptr %sizes, i64 %da
  %bt = getelementptr i64, ptr %others, i64 %d
  %one = load i64, ptr %at
  %two = load i64, ptr %bt
  %d1 = add i64 %d, 1
  %equal = icmp eq i64 %one, %two
  br i1 %equal, label %next, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}
define internal i1 @same(ptr %a, ptr %b) {{
start:
{facts("array")}{load("type", "b", TYPE)}{need("is", "eq ptr %type, %array")}\
  %n = call i64 @size(ptr %a)
  %m = call i64 @size(ptr %b)
{need("equal", "eq i64 %n, %m")}\
  %ends = call i1 @ends(ptr %a, ptr %b)
  %starts = call i1 @ends(ptr %b, ptr %a)
  %both = and i1 %ends, %starts
  ret i1 %both
no:
  ret i1 false
}}
"""
_OBJECTS = f"""\
define internal ptr @like(ptr %a) {{
{facts("array")}{FORM}{load("kind", "a", KIND)}\
  call void @Py_IncRef(ptr %kind)
  %y = call ptr @rushlight_array(
    ptr %array, ptr %kind, i32 %n, ptr %sizes, ptr null, ptr null, i32 0, ptr null)
  ret ptr %y
}}
define internal ptr @shape(ptr %a) {{
start:
{FORM}\
  %nd = sext i32 %n to i64
  %shape = call ptr @PyTuple_New(i64 %nd)
  br label %next
next:
  %d = phi i64 [ 0, %start ], [ %d1, %some ]
  %left = icmp slt i64 %d, %nd
  br i1 %left, label %some, label %end
some:
  %at = getelementptr i64, ptr %sizes, i64 %d
  %one = load i64, ptr %at
  %size = call ptr @PyLong_FromLongLong(i64 %one)
  %set = call i32 @PyTuple_SetItem(ptr %shape, i64 %d, ptr %size)
  %d1 = add i64 %d, 1
  br label %next
end:
  ret ptr %shape
}}
define internal ptr @pair(ptr %a, ptr %b) {{
  call void @Py_IncRef(ptr %a)
  call void @Py_IncRef(ptr %b)
  %both = call ptr @taken(ptr %a, ptr %b)
  ret ptr %both
}}
define internal ptr @taken(ptr %a, ptr %b) {{
  %both = call ptr @PyTuple_New(i64 2)
  %first = call i32 @PyTuple_SetItem(ptr %both, i64 0, ptr %a)
  %second = call i32 @PyTuple_SetItem(ptr %both, i64 1, ptr %b)
  ret ptr %both
}}
define internal ptr @parent(ptr %x, ptr %entry) {{
{facts("leaf")}\
  %is = icmp eq ptr %entry, %leaf
  %found = select i1 %is, ptr %x, ptr %entry
  ret ptr %found
}}
define internal i1 @real(ptr %a) {{
start:
{facts("array single double")}{load("type", "a", TYPE)}{need("is", "eq ptr %type, %array")}\
{load("kind", "a", KIND)}\
  %one = icmp eq ptr %kind, %single
  %two = icmp eq ptr %kind, %double
  %either = or i1 %one, %two
  ret i1 %either
no:
  ret i1 false
}}
"""
# A tensor of the plain class, or of another that takes the short path; an operand with its array.
_TENSORS = f"""\
define internal i1 @plain(ptr %x) {{
start:
{facts("tensor usual eager")}{load("type", "x", TYPE)}\
  %usually = icmp eq ptr %type, %tensor
  br i1 %usually, label %first, label %other
first:
{load("items", "usual", ITEMS)}\
  %now = load ptr, ptr %items
  %free = icmp eq ptr %now, %tensor
  ret i1 %free
other:
  %in = call i32 @PySet_Contains(ptr %eager, ptr %type)
  %yes = icmp eq i32 %in, 1
  br i1 %yes, label %is, label %isnot
is:
  ret i1 true
isnot:
  call void @PyErr_Clear()
  ret i1 false
}}
define internal i1 @records() {{
start:
{facts("paused state grad true")}{load("pauses", "paused", LENGTH, "i64")}\
  %nobody = icmp eq i64 %pauses, 0
  br i1 %nobody, label %yes, label %ask
yes:
  ret i1 true
ask:
  %told = call ptr @PyObject_GetAttr(ptr %state, ptr %grad)
  %failed = icmp eq ptr %told, null
  br i1 %failed, label %unknown, label %known
unknown:
  call void @PyErr_Clear()
  ret i1 true
known:
  call void @Py_DecRef(ptr %told)
  %is = icmp eq ptr %told, %true
  ret i1 %is
}}
"""
_NUMBER = f"""\
define internal void @spread(ptr %at, i1 %wide, ptr %room) {{
start:
  br i1 %wide, label %double, label %single
double:
  %d = load double, ptr %at
  %d0 = insertelement <8 x double> undef, double %d, i32 0
  %d8 = shufflevector <8 x double> %d0, <8 x double> undef, <8 x i32> zeroinitializer
  store <8 x double> %d8, ptr %room, align 64
  ret void
single:
  %f = load float, ptr %at
  %f0 = insertelement <8 x float> undef, float %f, i32 0
  %f8 = shufflevector <8 x float> %f0, <8 x float> undef, <8 x i32> zeroinitializer
  store <8 x float> %f8, ptr %room, align 64
  ret void
}}
define internal void @rounded(ptr %room, i1 %wide, double %value) {{
start:
  br i1 %wide, label %double, label %single
double:
  store double %value, ptr %room, align 64
  br label %stored
single:
  %narrow = fptrunc double %value to float
  store float %narrow, ptr %room, align 64
  br label %stored
stored:
  call void @spread(ptr %room, i1 %wide, ptr %room)
  ret void
}}
define internal i1 @number(ptr %y, i1 %wide, ptr %room) {{
start:
{facts("float int")}{load("type", "y", TYPE)}\
  %real = icmp eq ptr %type, %float
  br i1 %real, label %fromfloat, label %other
other:
{need("whole", "eq ptr %type, %int")}\
  %long = call i64 @PyLong_AsLongLong(ptr %y)
  %above = add i64 %long, {LARGEST}
  %exact = icmp ult i64 %above, {2 * LARGEST}
  %odd = icmp eq i64 %long, -1
  br i1 %odd, label %perhaps, label %range
perhaps:
  %raised = call ptr @PyErr_Occurred()
  call void @PyErr_Clear()
  %minusone = icmp eq ptr %raised, null
  br i1 %minusone, label %range, label %no
range:
  br i1 %exact, label %fromint, label %no
fromint:
  %aswhole = sitofp i64 %long to double
  br label %rounded
fromfloat:
  %asfloat = call double @PyFloat_AsDouble(ptr %y)
  br label %rounded
rounded:
  %value = phi double [ %asfloat, %fromfloat ], [ %aswhole, %fromint ]
  br i1 %wide, label %finite, label %single
single:
  %narrow = fptrunc double %value to float
  %size = call float @llvm.fabs.f32(float %narrow)
  %infinite = fcmp oeq float %size, 0x7FF0000000000000
  br i1 %infinite, label %no, label %finite
finite:
  call void @rounded(ptr %room, i1 %wide, double %value)
  ret i1 true
no:
  ret i1 false
}}
"""
# The result of a kernel on a real array and a number, or an array that is as its last dimensions
# are, or of a single element.
_HERE = f"""\
define internal ptr @here(i64 %kernel, ptr %a, ptr %b) {{
start:
  %room = alloca <8 x double>, align 64
  br label %begin
begin:
{facts("array double")}{need("any", "ne i64 %kernel, 0")}\
  %n = call i64 @size(ptr %a)
{need("small", "sge i64 %n, 0")}{load("kind", "a", KIND)}{load("other", "b", TYPE)}\
  %wide = icmp eq ptr %kind, %double
  %bits = zext i1 %wide to i64
  %which = add i64 %kernel, %bits
  %two = icmp eq ptr %other, %array
  br i1 %two, label %arrays, label %one
arrays:
{load("kindb", "b", KIND)}{need("samekind", "eq ptr %kind, %kindb")}\
  %nb = call i64 @size(ptr %b)
{need("smallb", "sge i64 %nb, 0")}{load("datab", "b", DATA)}\
  %ends = call i1 @ends(ptr %a, ptr %b)
  %single = icmp eq i64 %nb, 1
  br i1 %ends, label %fits, label %no
fits:
  %equal = icmp eq i64 %n, %nb
  br i1 %equal, label %compute, label %repeated
repeated:
  br i1 %single, label %spread, label %rows
spread:
  call void @spread(ptr %datab, i1 %wide, ptr %room)
  br label %compute
rows:
  %most = shl i64 %nb, {ROWS.bit_length() - 1}
{need("few", "sle i64 %n, %most")}\
  br label %compute
one:
  %is = call i1 @number(ptr %b, i1 %wide, ptr %room)
  br i1 %is, label %compute, label %no
compute:
  %from = phi ptr [ %datab, %fits ], [ %room, %spread ], [ %datab, %fewy ], [ %room, %one ]
  %step = phi i64 [ 1, %fits ], [ 0, %spread ], [ 1, %fewy ], [ 0, %one ]
  %stretch = phi i64 [ %n, %fits ], [ %n, %spread ], [ %nb, %fewy ], [ %n, %one ]
  %y = call ptr @like(ptr %a)
  %failed = icmp eq ptr %y, null
  br i1 %failed, label %forget, label %fill
fill:
{load("datay", "y", DATA)}{load("dataa", "a", DATA)}\
  %shift = add i64 %bits, 2
  br label %row
row:
  %done = phi i64 [ 0, %fill ], [ %after, %next ]
  %rest = icmp slt i64 %done, %n
  br i1 %rest, label %next, label %end
next:
  %offset = shl i64 %done, %shift
  %toy = getelementptr i8, ptr %datay, i64 %offset
  %froma = getelementptr i8, ptr %dataa, i64 %offset
  call void @compute(i64 %which, ptr %toy, ptr %froma, ptr %from, i64 %stretch, i64 %step)
  %after = add i64 %done, %stretch
  br label %row
end:
  ret ptr %y
forget:
  call void @PyErr_Clear()
  br label %no
no:
  ret ptr null
}}
"""
OBJECTS = "".join((_SIZE, _OBJECTS, _TENSORS, _NUMBER, _HERE))
