"""The plain walk along the tape in native code: `Sweep.run_plain` from one entry on."""

from __future__ import annotations

from .operators_text import DATA, ITEMS, KIND, LENGTH, NDIM, SIZES, SUM, TYPE, facts, load, need

# From [entry, gradient, ...] on, which loses the gradient: (entry, gradient) to go on with, or two
# None at the end. Arguments: that, leaves, heap, last_write, keep, deliver, FREED.
_PARTS = f"""\
define internal i1 @shaped(ptr %array, ptr %shape) {{
start:
{facts("tuple")}{load("type", "shape", TYPE)}{need("istuple", "eq ptr %type, %tuple")}\
{load("length", "shape", LENGTH, "i64")}{load("n", "array", NDIM, "i32")}\
{load("sizes", "array", SIZES)}\
  %nd = sext i32 %n to i64
{need("same", "eq i64 %nd, %length")}\
  br label %next
next:
  %d = phi i64 [ 0, %samey ], [ %d1, %some ]
  %left = icmp slt i64 %d, %nd
  br i1 %left, label %some, label %yes
some:
  %at = getelementptr i64, ptr %sizes, i64 %d
  %one = load i64, ptr %at
  %item = call ptr @PyTuple_GetItem(ptr %shape, i64 %d)
  %two = call i64 @PyLong_AsLongLong(ptr %item)
  %d1 = add i64 %d, 1
  %equal = icmp eq i64 %one, %two
  br i1 %equal, label %next, label %forget
forget:
  call void @PyErr_Clear()
  br label %no
yes:
  ret i1 true
no:
  ret i1 false
}}
define internal i1 @grow(ptr %waiting, ptr %found) {{
start:
{facts("list true array double")}{load("type", "waiting", TYPE)}\
{need("islist", "eq ptr %type, %list")}\
{load("items", "waiting", ITEMS)}{load("total", "items", 8)}{load("own", "items", 16)}\
{need("mine", "eq ptr %own, %true")}\
  %treal = call i1 @real(ptr %total)
  %freal = call i1 @real(ptr %found)
  %real = and i1 %treal, %freal
  br i1 %real, label %alike, label %no
alike:
{load("kt", "total", KIND)}{load("kf", "found", KIND)}{need("onekind", "eq ptr %kt, %kf")}\
  %n = call i64 @size(ptr %total)
  %m = call i64 @size(ptr %found)
{need("equal", "eq i64 %n, %m")}{need("few", "sge i64 %n, 0")}\
  %ends = call i1 @same(ptr %total, ptr %found)
{load("datat", "total", DATA)}{load("dataf", "found", DATA)}\
  %wide = icmp eq ptr %kt, %double
  %bits = zext i1 %wide to i64
  %which = add i64 {SUM}, %bits
  br i1 %ends, label %add, label %no
add:
  call void @compute(i64 %which, ptr %datat, ptr %datat, ptr %dataf, i64 %n, i64 1)
  ret i1 true
no:
  ret i1 false
}}
define internal i32 @toleaf(ptr %leaves, ptr %leaf, ptr %found, ptr %deliver) {{
start:
  %room = alloca [2 x ptr], align 8
  br label %begin
begin:
{facts("none false")}\
  %address = ptrtoint ptr %leaf to i64
  %key = call ptr @PyLong_FromLongLong(i64 %address)
  %before = call ptr @PyDict_GetItemWithError(ptr %leaves, ptr %key)
  %new = icmp eq ptr %before, null
  br i1 %new, label %first, label %again
again:
  call void @Py_DecRef(ptr %key)
  %grown = call i1 @grow(ptr %before, ptr %found)
  br i1 %grown, label %done, label %python
first:
  %isplain = call i1 @plain(ptr %leaf)
  br i1 %isplain, label %look, label %release
look:
{load("a", "leaf", "ARRAY")}\
  %isreal = call i1 @real(ptr %a)
  br i1 %isreal, label %compare, label %release
compare:
{load("na", "a", NDIM, "i32")}{load("nf", "found", NDIM, "i32")}\
  %samen = icmp eq i32 %na, %nf
  br i1 %samen, label %sizes, label %release
sizes:
  %ends = call i1 @ends(ptr %a, ptr %found)
  br i1 %ends, label %put, label %release
put:
  %list = call ptr @PyList_New(i64 3)
{load("items", "list", ITEMS)}\
  %i1 = getelementptr ptr, ptr %items, i64 1
  %i2 = getelementptr ptr, ptr %items, i64 2
  call void @Py_IncRef(ptr %leaf)
  call void @Py_IncRef(ptr %found)
  call void @Py_IncRef(ptr %false)
  store ptr %leaf, ptr %items
  store ptr %found, ptr %i1
  store ptr %false, ptr %i2
  %set = call i32 @PyDict_SetItem(ptr %leaves, ptr %key, ptr %list)
  call void @Py_DecRef(ptr %key)
  call void @Py_DecRef(ptr %list)
  ret i32 %set
release:
  call void @Py_DecRef(ptr %key)
  br label %python
python:
  %code = call i32 @handed(ptr %deliver, ptr %leaf, ptr %found)
  ret i32 %code
done:
  ret i32 0
}}
define internal i32 @handed(ptr %deliver, ptr %parent, ptr %found) {{
start:
  %room = alloca [2 x ptr], align 8
  store ptr %parent, ptr %room
  %second = getelementptr ptr, ptr %room, i64 1
  store ptr %found, ptr %second
  %gave = call ptr @PyObject_Vectorcall(ptr %deliver, ptr %room, i64 2, ptr null)
  %failed = icmp eq ptr %gave, null
  br i1 %failed, label %no, label %yes
no:
  ret i32 -1
yes:
  call void @Py_DecRef(ptr %gave)
  ret i32 0
}}
"""
_GIVEN = "".join(
    f"  %{name}at = getelementptr ptr, ptr %arguments, i64 {k}\n"
    f"  %{name} = load ptr, ptr %{name}at\n"
    for k, name in enumerate("first leaves heap written keep deliver freed".split())
)
_STEP = f"""\
define ptr @walk(ptr %self, ptr %arguments, i64 %count) {{
start:
  %room = alloca [2 x ptr], align 8
{_GIVEN}\
{facts("none list tuple array pull true")}\
  %release = icmp ne ptr %keep, %true
{load("firsts", "first", ITEMS)}{load("entry0", "firsts", 0)}{load("g0", "firsts", 8)}\
  call void @Py_IncRef(ptr %entry0)
  call void @Py_IncRef(ptr %none)
  store ptr %none, ptr %g0p
  br label %visit
visit:
  %entry = phi ptr [ %entry0, %start ], [ %following, %onward ]
  %g = phi ptr [ %g0, %start ], [ %nextg, %onward ]
  %signals = call i32 @PyErr_CheckSignals()
{need("quiet", "eq i32 %signals, 0", "fail")}\
{load("items", "entry", ITEMS)}{load("prim", "items", 0)}{load("parents", "items", 8)}\
{load("inputs", "items", 16)}{load("output", "items", 24)}{load("order", "items", 48)}\
{load("hooks", "items", 56)}{need("unhooked", "eq ptr %hooks, %none", "stop")}\
{need("notfreed", "ne ptr %inputs, %freed", "stop")}{load("typep", "parents", TYPE)}\
{need("tuplep", "eq ptr %typep, %tuple", "stop")}{load("typeg", "g", TYPE)}\
{need("arrayg", "eq ptr %typeg, %array", "stop")}\
  %hasin = icmp ne ptr %inputs, %none
  %hasout = icmp ne ptr %output, %none
  %holds = or i1 %hasin, %hasout
  br i1 %holds, label %versions, label %pulling
versions:
{load("stamps", "written", ITEMS)}{load("stamp", "stamps", 0)}\
  %last = call i64 @PyLong_AsLongLong(ptr %stamp)
  %made = call i64 @PyLong_AsLongLong(ptr %order)
  %fresh = icmp sle i64 %last, %made
  br i1 %fresh, label %pulling, label %stop
pulling:
  %rule = call ptr @PyObject_GetAttr(ptr %prim, ptr %pull)
{need("hasrule", "ne ptr %rule, null", "fail")}\
  %norule = icmp eq ptr %rule, %none
  br i1 %norule, label %unruled, label %call
unruled:
  call void @Py_DecRef(ptr %rule)
  br label %stop
call:
  store ptr %g, ptr %room
  %second = getelementptr ptr, ptr %room, i64 1
  store ptr %entry, ptr %second
  %gave = call ptr @PyObject_Vectorcall(ptr %rule, ptr %room, i64 2, ptr null)
  call void @Py_DecRef(ptr %rule)
{need("pulled", "ne ptr %gave, null", "fail")}\
  %free = and i1 %holds, %release
  br i1 %free, label %giveup, label %gaps
giveup:
{load("itemsnow", "entry", ITEMS)}{load("oldin", "itemsnow", 16)}{load("oldout", "itemsnow", 24)}\
  call void @Py_IncRef(ptr %freed)
  call void @Py_IncRef(ptr %freed)
  store ptr %freed, ptr %oldinp
  store ptr %freed, ptr %oldoutp
  call void @Py_DecRef(ptr %oldin)
  call void @Py_DecRef(ptr %oldout)
  br label %gaps
gaps:
{load("typegave", "gave", TYPE)}\
  %istuple = icmp eq ptr %typegave, %tuple
  br i1 %istuple, label %counted, label %convert
convert:
  %made2 = call ptr @PySequence_Tuple(ptr %gave)
  call void @Py_DecRef(ptr %gave)
{need("converted", "ne ptr %made2, null", "fail")}\
  br label %counted
counted:
  %grads = phi ptr [ %gave, %gaps ], [ %made2, %convertedy ]
{load("np", "parents", LENGTH, "i64")}{load("ng", "grads", LENGTH, "i64")}\
  %n = call i64 @llvm.smin.i64(i64 %np, i64 %ng)
  br label %next
next:
  %i = phi i64 [ 0, %counted ], [ %i1, %on ]
  %following = phi ptr [ null, %counted ], [ %after, %on ]
  %nextg = phi ptr [ null, %counted ], [ %afterg, %on ]
  %i1 = add i64 %i, 1
  %left = icmp slt i64 %i, %n
  br i1 %left, label %give, label %end
give:
  %parent = call ptr @PyTuple_GetItem(ptr %parents, i64 %i)
  %found = call ptr @PyTuple_GetItem(ptr %grads, i64 %i)
  %nop = icmp eq ptr %parent, %none
  %nof = icmp eq ptr %found, %none
  %skip = or i1 %nop, %nof
  br i1 %skip, label %on, label %kind
kind:
{load("typef", "found", TYPE)}{load("typeq", "parent", TYPE)}\
  %isarray = icmp eq ptr %typef, %array
  br i1 %isarray, label %which, label %python
which:
  %isentry = icmp eq ptr %typeq, %list
  br i1 %isentry, label %entries, label %leaf
entries:
  %nobody = icmp eq ptr %following, null
  br i1 %nobody, label %straight, label %python
straight:
{load("itemsq", "parent", ITEMS)}{load("shapeq", "itemsq", 40)}\
  %fits = call i1 @shaped(ptr %found, ptr %shapeq)
  br i1 %fits, label %take, label %python
take:
  call void @Py_IncRef(ptr %parent)
  call void @Py_IncRef(ptr %found)
  br label %on
leaf:
  %code1 = call i32 @toleaf(ptr %leaves, ptr %parent, ptr %found, ptr %deliver)
  %bad1 = icmp slt i32 %code1, 0
  br i1 %bad1, label %lost, label %on
python:
  %code2 = call i32 @handed(ptr %deliver, ptr %parent, ptr %found)
  %bad2 = icmp slt i32 %code2, 0
  br i1 %bad2, label %lost, label %on
on:
  %after = phi ptr [ %following, %give ], [ %parent, %take ], [ %following, %leaf ],
    [ %following, %python ]
  %afterg = phi ptr [ %nextg, %give ], [ %found, %take ], [ %nextg, %leaf ], [ %nextg, %python ]
  br label %next
end:
  call void @Py_DecRef(ptr %grads)
  call void @Py_DecRef(ptr %g)
  call void @Py_DecRef(ptr %entry)
  %over = icmp eq ptr %following, null
  br i1 %over, label %finished, label %more
finished:
  %both = call ptr @pair(ptr %none, ptr %none)
  ret ptr %both
more:
{load("waiting", "heap", LENGTH, "i64")}\
  %alone = icmp eq i64 %waiting, 0
  br i1 %alone, label %onward, label %later
onward:
  br label %visit
later:
  %code3 = call i32 @handed(ptr %deliver, ptr %following, ptr %nextg)
  call void @Py_DecRef(ptr %following)
  call void @Py_DecRef(ptr %nextg)
  %bad3 = icmp slt i32 %code3, 0
  br i1 %bad3, label %nothing, label %finished
stop:
  %rest = call ptr @taken(ptr %entry, ptr %g)
  ret ptr %rest
lost:
  call void @Py_DecRef(ptr %following)
  call void @Py_DecRef(ptr %nextg)
  call void @Py_DecRef(ptr %grads)
  br label %fail
fail:
  call void @Py_DecRef(ptr %entry)
  call void @Py_DecRef(ptr %g)
  br label %nothing
nothing:
  ret ptr null
}}
"""

WALK = _PARTS + _STEP
