"""What torch refuses of a tensor given as `out`: looked for where one is of another type than the
result, or a gradient would be wanted through it.
"""

from __future__ import annotations

import sys
from typing import Any

from . import dtypes
from .dtypes import scalar_type_name
from .misuse import path_of
from .overrides import ASKING, CODES

_C_NAMES = {"Double": "double", "Float": "float", "Half": "c10::Half", "Int": "int",
            "BFloat16": "c10::BFloat16", "Long": "long int", "Short": "short int",
            "Char": "signed char", "Byte": "unsigned char", "Bool": "bool",
            "ComplexFloat": "c10::complex<float>",
            "ComplexDouble": "c10::complex<double>"}  # fmt: skip
_EXACT = "Expected out tensor to have dtype {r}, but got {o} instead"
_FOUND = "Found dtype {O} but expected {R}"
_BOOLS = "{name} only supports bool tensor for result, got: {O}"
_DOT = "result dtype {O} does not match input dtype {R}"
_PLACES = (
    "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64)"
    " depending on whether out_int32 flag is True, but we got output tensor's dtype {O} and"
    " out_int32 flag is {flag}"
)
# The functions whose `out` is to be of the result's type, by what torch says of another.
_TABLE = {
    _EXACT: "matmul mm addmm bmm softmax argmax argmin tril triu diag norm linalg.vector_norm"
    " linalg.inv linalg.det renorm cross linalg.cross mv baddbmm max min sort topk scatter"
    " index_add",
    _FOUND: "abs neg conj_physical floor ceil trunc round sign bitwise_not",
    _BOOLS: "any all",
    _DOT: "dot vdot",
    _PLACES: "searchsorted bucketize",
    "Expected out type to be {R} but got {O}": "where",
    "{name} does not support non-boolean outputs.": "isposinf isneginf",
    "index_select(): self and result must have the same scalar type": "index_select",
    "linalg.norm expected out tensor dtype {R} but got: {O}": "linalg.norm",
    "output values must be of same type as input": "kthvalue",
    "nan_to_num: dtype of out: {O} should be same as input: {R}": "nan_to_num",
    "multi_dot(): expected out tensor to have dtype {r} but got {o}": "linalg.multi_dot",
    "quantile() out tensor must be same dtype as the input tensor": "quantile nanquantile",
}
_SAID = {name: text for text, names in _TABLE.items() for name in names.split()}
# what torch calls the step that writes, where that is not the function
_STEPS = {
    "norm": "linalg_vector_norm", "linalg.vector_norm": "linalg_vector_norm",
    "linalg.inv": "linalg_inv_ex", "linalg.det": "_linalg_det", "outer": "mul", "ger": "mul",
    "kron": "mul", "hstack": "cat", "vstack": "cat", "dstack": "cat", "column_stack": "cat",
    "cross": "linalg_cross", "linalg.cross": "linalg_cross", "linalg.multi_dot": "mm",
    "diff": "sub", "diag": "aten::diagonal_copy", "softmax": "aten::softmax",
    **{name: f"aten::{name}" for name in (
        "conj_physical bitwise_not arange linspace logspace eye zeros ones full empty".split())},
}  # fmt: skip


def refuse_out(result: Any, out: Any) -> None:
    """Raise what torch does for an `out` of another type, or one through which it would derive."""
    path = _public()
    kinds = scalar_type_name(out.dtype), scalar_type_name(result.dtype)
    if out.dtype is not result.dtype and path in _SAID:
        o, r = (_C_NAMES.get(kind, kind) for kind in kinds)
        raise RuntimeError(
            _SAID[path].format(
                O=kinds[0], R=kinds[1], o=o, r=r, name=path, flag=result.dtype is dtypes.int32
            )
        )
    if result._entry is not None or (
        out._entry is not None and result.dtype.category >= dtypes.FLOAT
    ):
        step = _STEPS.get(path, path.rpartition(".")[2])
        raise RuntimeError(
            f"{step}(): functions with out=... arguments don't support automatic differentiation,"
            " but one of the arguments requires grad."
        )


def _public() -> str:
    """The public function that is under way, below torch's name."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        public = CODES.get(id(frame.f_code)) or ASKING.get(id(frame.f_code))
        if public is not None:
            return path_of(public)
        frame = frame.f_back
    return "out=..."
