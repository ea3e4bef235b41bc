"""Pointwise ops as native functions over arrays, for the tests of the emitter."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import I64, PTR, Module, vector
from rushlight.compile.code.scalar import Emitter

FLOATS = ("float32", "float64")
WHOLE = ("int8", "int16", "int32", "int64", "uint8")
COMPARED = "eq ne lt le gt ge isnan isinf isfinite".split()
UNARY = (
    "neg abs sign exp expm1 exp2 log log1p log2 log10 sqrt rsqrt sin cos tan asin acos atan sinh"
    " cosh tanh asinh acosh atanh sigmoid erf erfc floor ceil round trunc isnan isinf isfinite not"
).split()
ARITY = dict.fromkeys([*UNARY, "normal_cdf"], 1) | {"where": 3}
PLAIN = "neg abs sign floor ceil round trunc isnan isinf isfinite max min".split()
ORDER = "eq ne lt le gt ge".split()
SMOOTH = [name for name in UNARY if name not in [*PLAIN, "not"]] + ["atan2"]
EXACT_FLOAT = "add sub mul div fmod floor_div copysign where".split()
BITS = "and or xor not".split()
OPS = {
    "f": [*PLAIN, *ORDER, *SMOOTH, *EXACT_FLOAT, "pow", "normal_cdf"],
    "i": [*PLAIN, *ORDER, *BITS, "add", "sub", "mul", "fmod", "floor_div", "pow", "where",
          "shift_left", "shift_right"],
    "b": ["add", "mul", "max", "min", "abs", "sign", *ORDER, *BITS, "where"],
}  # fmt: skip
OPS["u"] = OPS["i"]
_SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)


def kernel(module: Module, name: str, op: str, dtype: str, lanes: int, to: str = "") -> None:
    """`name(a, b, c, y, n)`: y[i] = op(a[i], b[i], c[i])."""
    f = module.function(name, [*((word, PTR) for word in "abcy"), ("n", I64)])
    *operands, y, n = f.arguments
    kind, s = vector(dtype, lanes), Emitter(f)
    kinds = [kind] * 3 if op != "where" else [kind.of("bool"), kind, kind]

    def body(index: Any, mask: Any, _: Any) -> None:
        read = [f.load(k, p, index, mask) for k, p in zip(kinds, operands[: ARITY.get(op, 2)])]
        made = s.cast(read[0], to) if to else s.apply(op, *read)
        f.store(made, y, index, mask)

    f.vectors(0, n, lanes, body)


def compiled(module: Module, target: Any) -> llvm.Code:
    return llvm.compile(module.text(), target)


@cache
def kernels(dtype: str, lanes: int, target: Any) -> llvm.Code:
    """Every op of a dtype in one module."""
    module = Module(target)
    for op in OPS[np.dtype(dtype).kind]:
        kernel(module, "k_" + op, op, dtype, lanes)
    return compiled(module, target)


def call(code: llvm.Code, name: str, arrays: Sequence[np.ndarray], dtype: Any) -> np.ndarray:
    y = np.empty(arrays[0].shape, dtype)
    given = [np.ascontiguousarray(a) for a in arrays] + [y] * (3 - len(arrays))
    _SIGNATURE(code.address(name))(*(a.ctypes.data for a in given), y.ctypes.data, y.size)
    return y


def run(op: str, *arrays: np.ndarray, lanes: int = 16, target: Any = None) -> np.ndarray:
    """The op over equally long arrays of one dtype (the first of `where` is bool)."""
    dtype = arrays[-1].dtype.name
    code = kernels(dtype, lanes, target or llvm.target())
    return call(code, "k_" + op, arrays, bool if op in [*COMPARED, *ORDER] else dtype)


def cast(x: np.ndarray, to: str, lanes: int = 16, target: Any = None) -> np.ndarray:
    module = Module(target or llvm.target())
    kernel(module, "k", "cast", x.dtype.name, lanes, to)
    return call(compiled(module, module.target), "k", [x], to)


def ulps(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How many last digits of `found`'s type each finite value is off (`wanted` is wider)."""
    with np.errstate(all="ignore"):
        near = np.minimum(np.abs(wanted), wanted.dtype.type(np.finfo(found.dtype).max))
        rounded = near.astype(found.dtype)
        below = np.where(rounded > near, np.nextafter(rounded, found.dtype.type(0)), rounded)
        gap = np.spacing(below).astype(wanted.dtype)
        apart = np.abs(found.astype(wanted.dtype) - wanted) / gap
    return np.where(np.isfinite(found) & np.isfinite(wanted), apart, 0)


def erf_and_erfc(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in x's (wider) type: a series of positive terms, or a continued fraction beyond 1.5."""
    one = x.dtype.type(1)
    a = np.clip(np.where(np.isnan(x), 0, np.abs(x)), 0, 40)
    coarse = a.astype("f").astype(x.dtype)  # its square is exact
    fall = np.exp(-coarse * coarse) * np.exp(-(a - coarse) * (a + coarse))
    root = np.sqrt(4 * np.arctan(one))
    near = np.minimum(a, 1.5)
    term = near.copy()
    total = near.copy()
    for n in range(1, 60):
        term = term * (2 * near * near) / (2 * n + 1)
        total = total + term
    inner = 2 * total / root * np.exp(-near * near)
    far = np.maximum(a, 1.5)
    rest = far.copy()
    for n in range(400, 0, -1):
        rest = far + n / (2 * rest)
    outer = fall / (rest * root)
    erf = np.copysign(np.where(a < 1.5, inner, 1 - outer), x)
    erfc = np.where(a < 1.5, 1 - erf, np.where(x < 0, 2 - outer, outer))
    return tuple(np.where(np.isnan(x), x, y) for y in (erf, erfc))
