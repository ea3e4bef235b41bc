"""What the native operators are written with: words of memory, and where objects keep things.

What a function is about stands in a row of words (`WAYS`), what all of them ask for in another
(`FACTS`); both lie in memory of the process. Functions that make an object return null where the
case is not theirs, and leave no exception then: the caller goes to Python.
"""

from __future__ import annotations

from collections.abc import Sequence

from .operators_kernels import KERNELS

PLACES = 16  # functions there may be of either kind
FACTS: Sequence[str] = (
    "tensor usual eager watched closed paused state grad array tuple single double none leaf"
    " counter zero true false minus nothing float int list pull asarray error"
    " dual dualvalue dualtangent duallevel living"
).split()
WAYS: Sequence[str] = "python evaluate prim kernel keeps".split()
FUNCTIONS: Sequence[str] = (
    "Py_IncRef Py_DecRef PyErr_Clear PyErr_Occurred PyErr_ExceptionMatches PyObject_Vectorcall"
    " PyObject_GetAttr PyList_New PyTuple_New PyTuple_SetItem PyTuple_GetItem PyLong_FromLongLong"
    " PyLong_AsLongLong PyFloat_AsDouble PyIter_Next PySet_Contains PyLong_AsVoidPtr"
    " PyErr_CheckSignals PySequence_Tuple PyDict_GetItemWithError PyDict_SetItem"
).split()
LIMIT = 2048  # elements up to which sums and their like are computed here
ROWS = 64  # times that a row is repeated here
DATA, NDIM, SIZES, KIND, FLAGS = 16, 24, 32, 56, 64  # of NumPy's array object, in bytes
DENSE = 0x0101  # flags: in the order of C, aligned
TYPE, LENGTH, ITEMS = 8, 16, 24  # of any object; of a list
LARGEST = 1 << 24  # whole numbers up to which all are floats of single precision
SUM, DIFFERENCE, PRODUCT, QUOTIENT = (
    2 * KERNELS.index(name) for name in ("fadd", "fsub", "fmul", "fdiv")
)

HEAD = """\
@facts = external global i64
@ways = external global i64
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_Clear()
declare ptr @PyErr_Occurred()
declare i32 @PyErr_ExceptionMatches(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare ptr @PyList_New(i64)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyLong_FromLongLong(i64)
declare i64 @PyLong_AsLongLong(ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyIter_Next(ptr)
declare i32 @PySet_Contains(ptr, ptr)
declare ptr @PyLong_AsVoidPtr(ptr)
declare i32 @PyErr_CheckSignals()
declare ptr @PySequence_Tuple(ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @rushlight_new(ptr, ptr, ptr)
declare ptr @rushlight_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare i64 @llvm.smin.i64(i64, i64)
declare float @llvm.fabs.f32(float)
"""


def facts(names: str) -> str:
    """Loads of what all functions ask for, each under its name."""
    return "".join(
        f"  %{name}at = getelementptr i64, ptr @facts, i64 {FACTS.index(name)}\n"
        f"  %{name} = load ptr, ptr %{name}at\n"
        for name in names.split()
    )


def ways(names: str) -> str:
    return "".join(
        f"  %{name}at = getelementptr i64, ptr %way, i64 {WAYS.index(name)}\n"
        f"  %{name} = load ptr, ptr %{name}at\n"
        for name in names.split()
    )


def load(into: str, base: str, offset: int | str, kind: str = "ptr") -> str:
    return (
        f"  %{into}p = getelementptr i8, ptr %{base}, i64 {offset}\n"
        f"  %{into} = load {kind}, ptr %{into}p\n"
    )


def need(name: str, condition: str, otherwise: str = "no") -> str:
    """Go on only if a condition holds."""
    return (
        f"  %{name} = icmp {condition}\n"
        f"  br i1 %{name}, label %{name}y, label %{otherwise}\n{name}y:\n"
    )
