"""Comparisons, logic and bits: ops without a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import not_implemented
from ..core.families import plain


def _compare(name: str, ufunc: Any, sign: str) -> Any:
    return plain(name, eval=ufunc, arity=2, dtype="compare", doc=f"Where x {sign} y.",
                 lower=lambda s, x, y: s.compare(sign, x, y))  # fmt: skip


eq = _compare("eq", np.equal, "==")
ne = _compare("ne", np.not_equal, "!=")
lt = _compare("lt", np.less, "<")
le = _compare("le", np.less_equal, "<=")
gt = _compare("gt", np.greater, ">")
ge = _compare("ge", np.greater_equal, ">=")

logical_and = plain(
    "logical_and", eval=np.logical_and, arity=2, dtype="compare", doc="Both nonzero."
)
logical_or = plain("logical_or", eval=np.logical_or, arity=2, dtype="compare", doc="One nonzero.")
logical_xor = plain(
    "logical_xor", eval=np.logical_xor, arity=2, dtype="compare", doc="Just one nonzero."
)
logical_not = plain("logical_not", eval=np.logical_not, dtype="promote", doc="Where x is zero.")


def _bits(name: str, ufunc: Any, doc: str) -> Any:
    def evaluate(*operands: Any) -> Any:
        for x in operands:
            if getattr(x, "dtype", None) is not None and x.dtype.kind in "fc":
                raise not_implemented(f"{name}_cpu", dtypes.of(x))
        return ufunc(*operands)

    arity = 1 if name == "bitwise_not" else 2
    return plain(name, eval=evaluate, arity=arity, dtype="promote", doc=doc)


bitwise_and = _bits("bitwise_and", np.bitwise_and, "x & y; for bools the logical and.")
bitwise_or = _bits("bitwise_or", np.bitwise_or, "x | y; for bools the logical or.")
bitwise_xor = _bits("bitwise_xor", np.bitwise_xor, "x ^ y; for bools the exclusive or.")
bitwise_not = _bits("bitwise_not", np.invert, "~x; for bools the logical not.")
bitwise_left_shift = _bits("bitwise_left_shift", np.left_shift, "x << y.")
bitwise_right_shift = _bits("bitwise_right_shift", np.right_shift, "x >> y.")


def _on_floats(ufunc: Any, otherwise: bool) -> Any:
    def evaluate(x: Any) -> Any:
        if x.dtype.kind in "iub":
            return np.full(x.shape, otherwise)
        return ufunc(x)

    return evaluate


isnan = plain("isnan", eval=_on_floats(np.isnan, False), doc="Where x is not a number.")
isinf = plain("isinf", eval=_on_floats(np.isinf, False), doc="Where x is infinite.")
isfinite = plain("isfinite", eval=_on_floats(np.isfinite, True), doc="Where x is finite.")
isposinf = plain(
    "isposinf", dtype="promote", eval=_on_floats(np.isposinf, False), doc="Where x is +inf."
)
isneginf = plain(
    "isneginf", dtype="promote", eval=_on_floats(np.isneginf, False), doc="Where x is -inf."
)
signbit = plain(
    "signbit", dtype="promote", eval=lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0,
    doc="Where the sign bit is set.",
)  # fmt: skip
