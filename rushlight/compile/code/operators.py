"""The text of the native operators: built-in functions over the interpreter's own interface."""

from __future__ import annotations

from .operators_back import BACK
from .operators_dual import DUAL
from .operators_kernels import KERNELS, kernels
from .operators_objects import OBJECTS
from .operators_text import HEAD, ITEMS, KIND, PLACES, TYPE, WAYS, facts, load, need, ways
from .operators_walk import WALK

# The tape's list: eight references, of which `none` for hooks is the one `_entry` was given first.
_LIST = "".join(
    f"  %i{k} = getelementptr ptr, ptr %items, i64 {k}\n  store ptr %{value}, ptr %i{k}\n"
    for k, value in enumerate("prim parents kept output nothing shape order none".split())
)
_WRAP = f"""\
define internal ptr @wrap(ptr %y, i1 %wanted, ptr %way, ptr %px, ptr %py, ptr %a, ptr %b) {{
start:
{facts("tensor nothing none")}\
  %result = call ptr @rushlight_new(ptr %tensor, ptr %nothing, ptr null)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %lost, label %made
lost:
  call void @Py_DecRef(ptr %y)
  ret ptr null
made:
  %yat = getelementptr i8, ptr %result, i64 ARRAY
  store ptr %y, ptr %yat
  %entryat = getelementptr i8, ptr %result, i64 ENTRY
  call void @Py_IncRef(ptr %none)
  store ptr %none, ptr %entryat
  br i1 %wanted, label %record, label %done
done:
  ret ptr %result
record:
{ways("prim keeps")}{facts("counter")}\
  %how = ptrtoint ptr %keeps to i64
  %list = call ptr @PyList_New(i64 8)
  %parents = call ptr @pair(ptr %px, ptr %py)
  %keepx = trunc i64 %how to i1
  br i1 %keepx, label %both, label %neither
both:
  %arrays = call ptr @pair(ptr %a, ptr %b)
  br label %keeping
neither:
  call void @Py_IncRef(ptr %none)
  br label %keeping
keeping:
  %kept = phi ptr [ %arrays, %both ], [ %none, %neither ]
  %howy = and i64 %how, 2
  %keepy = icmp ne i64 %howy, 0
  %output = select i1 %keepy, ptr %y, ptr %none
  %shape = call ptr @shape(ptr %y)
  %order = call ptr @PyIter_Next(ptr %counter)
  call void @Py_IncRef(ptr %prim)
  call void @Py_IncRef(ptr %output)
  call void @Py_IncRef(ptr %nothing)
{load("items", "list", ITEMS)}{_LIST}\
  store ptr %list, ptr %entryat
  ret ptr %result
}}
"""
_CALLED = f"""\
define internal ptr @called(ptr %evaluate, ptr %a, ptr %b) {{
start:
{facts("array asarray")}\
  %room = alloca [2 x ptr], align 8
  store ptr %a, ptr %room
  %second = getelementptr ptr, ptr %room, i64 1
  store ptr %b, ptr %second
  %gave = call ptr @PyObject_Vectorcall(ptr %evaluate, ptr %room, i64 2, ptr null)
  %raised = icmp eq ptr %gave, null
  br i1 %raised, label %end, label %given
given:
{load("type", "gave", TYPE)}\
  %is = icmp eq ptr %type, %array
  br i1 %is, label %end, label %convert
convert:
  store ptr %gave, ptr %room
  %made = call ptr @PyObject_Vectorcall(ptr %asarray, ptr %room, i64 1, ptr null)
  call void @Py_DecRef(ptr %gave)
  br label %end
end:
  %y = phi ptr [ %gave, %start ], [ %gave, %given ], [ %made, %convert ]
  ret ptr %y
}}
"""
_BINARY = f"""\
define internal ptr @binary(ptr %x, ptr %y, ptr %way) {{
start:
  %arguments = alloca [2 x ptr], align 8
  br label %begin
begin:
{ways("python evaluate kernel keeps")}{facts("watched closed array none zero float int")}\
  %isplain = call i1 @plain(ptr %x)
  br i1 %isplain, label %alone, label %no
alone:
{load("watchers", "watched", ITEMS)}\
  %many = load ptr, ptr %watchers
{need("unwatched", "eq ptr %many, %zero")}{load("modes", "closed", ITEMS)}\
  %how0 = load ptr, ptr %modes
{need("open", "eq ptr %how0, %zero")}\
{load("a", "x", "ARRAY")}{load("ex", "x", "ENTRY")}{need("hasa", "ne ptr %a, null")}\
{need("hase", "ne ptr %ex, null")}\
  %isreal = call i1 @real(ptr %a)
  %number = ptrtoint ptr %kernel to i64
  %how = ptrtoint ptr %keeps to i64
  br i1 %isreal, label %other, label %perhaps
perhaps:
  %duals = call ptr @dual(ptr %x, ptr %y, i64 %number)
  %unmade0 = icmp eq ptr %duals, null
  br i1 %unmade0, label %no, label %dualled
dualled:
  ret ptr %duals
other:
  %also = call i1 @plain(ptr %y)
  br i1 %also, label %tensors, label %single
tensors:
{load("b", "y", "ARRAY")}{load("ey", "y", "ENTRY")}{need("hasb", "ne ptr %b, null")}\
{need("hasf", "ne ptr %ey, null")}{load("typeb", "b", TYPE)}\
{need("isarray", "eq ptr %typeb, %array", "perhaps")}{load("ka", "a", KIND)}{load("kb", "b", KIND)}\
{need("onekind", "eq ptr %ka, %kb")}\
  br label %compute
single:
{load("typey", "y", TYPE)}\
  %isfloat = icmp eq ptr %typey, %float
  %isint = icmp eq ptr %typey, %int
  %isnumber = or i1 %isfloat, %isint
  br i1 %isnumber, label %compute, label %no
compute:
  %z = phi ptr [ %b, %onekindy ], [ %y, %single ]
  %ez = phi ptr [ %ey, %onekindy ], [ %none, %single ]
  %of2 = phi i1 [ true, %onekindy ], [ false, %single ]
  %made = call ptr @here(i64 %number, ptr %a, ptr %z)
  %unmade = icmp eq ptr %made, null
  br i1 %unmade, label %elsewhere, label %wrapping
elsewhere:
  %bit8 = and i64 %how, 8
  %raw = icmp ne i64 %bit8, 0
  %may = or i1 %raw, %of2
  br i1 %may, label %call, label %no
call:
  %gave = call ptr @called(ptr %evaluate, ptr %a, ptr %z)
  %raised = icmp eq ptr %gave, null
  br i1 %raised, label %failed, label %wrapping
wrapping:
  %result = phi ptr [ %made, %compute ], [ %gave, %call ]
  %nox = icmp eq ptr %ex, %none
  %noz = icmp eq ptr %ez, %none
  %neither = and i1 %nox, %noz
  %bit = and i64 %how, 4
  %never = icmp eq i64 %bit, 0
  %unrecorded = or i1 %neither, %never
  br i1 %unrecorded, label %finish, label %ask
ask:
  %recording = call i1 @records()
  br label %finish
finish:
  %wanted = phi i1 [ false, %wrapping ], [ %recording, %ask ]
  %px = call ptr @parent(ptr %x, ptr %ex)
  %py = call ptr @parent(ptr %y, ptr %ez)
  %tensor = call ptr @wrap(ptr %result, i1 %wanted, ptr %way, ptr %px, ptr %py, ptr %a, ptr %z)
  ret ptr %tensor
failed:
{facts("error")}\
  %ordinary = call i32 @PyErr_ExceptionMatches(ptr %error)
  %isordinary = icmp ne i32 %ordinary, 0
  br i1 %isordinary, label %again, label %interrupted
interrupted:
  ret ptr null
again:
  call void @PyErr_Clear()
  br label %no
no:
  store ptr %x, ptr %arguments
  %last = getelementptr ptr, ptr %arguments, i64 1
  store ptr %y, ptr %last
  %answer = call ptr @PyObject_Vectorcall(ptr %python, ptr %arguments, i64 2, ptr null)
  ret ptr %answer
}}
"""


def _doors() -> str:
    """The built-in methods, each with the row of words that it knows."""
    return "".join(
        f"define ptr @operator{k}(ptr %x, ptr %y) {{\n"
        f"  %way = getelementptr i64, ptr @ways, i64 {k * len(WAYS)}\n"
        "  %answer = call ptr @binary(ptr %x, ptr %y, ptr %way)\n"
        "  ret ptr %answer\n}\n"
        for k in range(PLACES)
    )


def kernel(op: str) -> int:
    """The number by which a row of `WAYS` names a kernel; 0: none."""
    return 2 * KERNELS.index(op)


def text(array: int, entry: int) -> str:
    """The whole module, for tensors that keep their array and entry at these places."""
    made = "".join((OBJECTS, _WRAP, _CALLED, _BINARY, DUAL, BACK, WALK))
    made = made.replace("i64 ARRAY\n", f"i64 {array}\n").replace("i64 ENTRY\n", f"i64 {entry}\n")
    return "".join((HEAD, kernels(), made, _doors()))
