"""Comparisons, logic and bits: ops without a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import plain


def _compare(name: str, ufunc: Any, sign: str, real: str = "") -> Any:
    return plain(name, eval=ufunc, arity=2, dtype="compare", doc=f"Where x {sign} y.", real=real,
                 numbers="second",
                 lower=lambda s, x, y: s.compare(sign, x, y))  # fmt: skip


eq = _compare("eq", np.equal, "==")
ne = _compare("ne", np.not_equal, "!=")
lt = _compare("lt", np.less, "<", "lt_cpu")
le = _compare("le", np.less_equal, "<=", "le_cpu")
gt = _compare("gt", np.greater, ">", "gt_cpu")
ge = _compare("ge", np.greater_equal, ">=", "ge_cpu")


def _logic(name: str, ufunc: Any, doc: str, lower: Any) -> Any:
    return plain(name, eval=ufunc, arity=2, dtype="compare", doc=doc, numbers="none",
                 lower=lambda s, x, y: lower(s.cast(x, bool), s.cast(y, bool)))  # fmt: skip


logical_and = _logic("logical_and", np.logical_and, "Both nonzero.", lambda x, y: x & y)
logical_or = _logic("logical_or", np.logical_or, "One nonzero.", lambda x, y: x | y)
logical_xor = _logic("logical_xor", np.logical_xor, "Just one nonzero.", lambda x, y: x ^ y)
logical_not = plain("logical_not", eval=np.logical_not, dtype="promote", doc="Where x is zero.",
                    lower=lambda s, x: s.not_(s.cast(x, bool)))  # fmt: skip


def _bits(name: str, ufunc: Any, doc: str, lower: str, refuses: dict[str, str]) -> Any:
    arity = 1 if name == "bitwise_not" else 2
    return plain(name, eval=ufunc, arity=arity, dtype="promote", doc=doc, refuses=refuses,
                 lower=lambda s, *xs: getattr(s, lower)(*xs))  # fmt: skip


_REALS = "half float complex"
bitwise_and = _bits("bitwise_and", np.bitwise_and, "x & y; for bools the logical and.",
                    "and_", {_REALS: "bitwise_and_cpu"})  # fmt: skip
bitwise_or = _bits("bitwise_or", np.bitwise_or, "x | y; for bools the logical or.",
                   "or_", {_REALS: "bitwise_or_cpu"})  # fmt: skip
bitwise_xor = _bits("bitwise_xor", np.bitwise_xor, "x ^ y; for bools the exclusive or.",
                    "xor", {_REALS: "bitwise_xor_cpu"})  # fmt: skip
bitwise_not = _bits("bitwise_not", np.invert, "~x; for bools the logical not.", "not_",
                    {_REALS: "bitwise_not_cpu"})  # fmt: skip
bitwise_left_shift = _bits("bitwise_left_shift", np.left_shift, "x << y.", "shift_left",
                           {f"bool {_REALS}": "lshift_cpu"})  # fmt: skip
bitwise_right_shift = _bits("bitwise_right_shift", np.right_shift, "x >> y.", "shift_right",
                            {f"bool {_REALS}": "rshift_cpu"})  # fmt: skip


def _on_floats(ufunc: Any, otherwise: bool) -> Any:
    def evaluate(x: Any) -> Any:
        if x.dtype.kind in "iub":
            return np.full(x.shape, otherwise)
        return ufunc(x)

    return evaluate


isnan = plain("isnan", eval=_on_floats(np.isnan, False), lower=lambda s, x: s.isnan(x),
              doc="Where x is not a number.")  # fmt: skip
isinf = plain("isinf", eval=_on_floats(np.isinf, False), lower=lambda s, x: s.isinf(x),
              doc="Where x is infinite.")  # fmt: skip
isfinite = plain("isfinite", eval=_on_floats(np.isfinite, True), lower=lambda s, x: s.isfinite(x),
                 doc="Where x is finite.")  # fmt: skip
isposinf = plain(
    "isposinf", dtype="promote", real="isposinf does not support complex inputs.",
    eval=_on_floats(np.isposinf, False), doc="Where x is +inf.",
    lower=lambda s, x: s.and_(s.isinf(x), s.gt(x, 0)),
)  # fmt: skip
isneginf = plain(
    "isneginf", dtype="promote", real="isneginf does not support complex inputs.",
    eval=_on_floats(np.isneginf, False), doc="Where x is -inf.",
    lower=lambda s, x: s.and_(s.isinf(x), s.lt(x, 0)),
)  # fmt: skip
signbit = plain(
    "signbit", dtype="promote", eval=lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0,
    real="NotImplementedError: signbit is not implemented for complex tensors.",
    doc="Where the sign bit is set.",
)  # fmt: skip
