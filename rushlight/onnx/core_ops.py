"""Every core op of the compiler in ONNX operators, so that whatever can be lowered can be written.

A rule is `rule(w, nodes, *operands)`: the writer, the op's node at every combination of sizes, and
the names of what it reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import UnsupportedOperatorError, refused
from .writer import Writer

Nodes = tuple[Any, ...]
_LAST = np.iinfo(np.int64).max

_SAME = {
    "sub": "Sub", "div": "Div", "neg": "Neg", "abs": "Abs", "sign": "Sign", "pow": "Pow",
    "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan",
    "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "sigmoid": "Sigmoid",
    "erf": "Erf", "floor": "Floor", "ceil": "Ceil", "round": "Round", "eq": "Equal",
    "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
    "where": "Where", "isnan": "IsNaN", "isinf": "IsInf",
}  # fmt: skip
# Of truth values another operator than of numbers.
_BY_TYPE = {
    "add": ("Add", "Or"), "mul": ("Mul", "And"), "max": ("Max", "Or"), "min": ("Min", "And"),
    "and": ("BitwiseAnd", "And"), "or": ("BitwiseOr", "Or"), "xor": ("BitwiseXor", "Xor"),
    "not": ("BitwiseNot", "Not"),
}  # fmt: skip


def _number(nodes: Nodes, value: float) -> np.ndarray:
    return np.asarray(value, nodes[0].dtype)


def _floor_div(w: Writer, nodes: Nodes, a: Any, b: Any) -> str:
    if nodes[0].dtype.kind == "f":
        return w.op("Floor", w.op("Div", a, b))
    return w.op("Div", w.op("Sub", a, w.op("Mod", a, b)), b)


def _trunc(w: Writer, nodes: Nodes, x: Any) -> str:
    return w.op("Mul", w.op("Sign", x), w.op("Floor", w.op("Abs", x)))


def _finite(w: Writer, nodes: Nodes, x: Any) -> str:
    return w.op("Not", w.op("Or", w.op("IsNaN", x), w.op("IsInf", x)))


def _atan2(w: Writer, nodes: Nodes, y: Any, x: Any) -> str:
    zero = _number(nodes, 0)
    around = w.op("Where", w.op("Less", y, zero), _number(nodes, -math.pi), _number(nodes, math.pi))
    angle = w.op("Atan", w.op("Div", y, x))
    angle = w.op("Where", w.op("Less", x, zero), w.op("Add", angle, around), angle)
    nothing = w.op("And", w.op("Equal", x, zero), w.op("Equal", y, zero))
    return w.op("Where", nothing, y, angle)


def _scaled_log(base: float) -> Callable[..., str]:
    return lambda w, n, x: w.op("Mul", w.op("Log", x), _number(n, 1 / math.log(base)))


def _normal_cdf(w: Writer, nodes: Nodes, x: Any) -> str:
    half = _number(nodes, 0.5)
    return w.op("Mul", w.op("Add", w.op("Erf", w.op("Mul", x, _number(nodes, 0.5**0.5))),
                            _number(nodes, 1)), half)  # fmt: skip


_MADE: dict[str, Callable[..., str]] = {
    "expm1": lambda w, n, x: w.op("Sub", w.op("Exp", x), _number(n, 1)),
    "exp2": lambda w, n, x: w.op("Pow", _number(n, 2), x),
    "log1p": lambda w, n, x: w.op("Log", w.op("Add", x, _number(n, 1))),
    "log2": _scaled_log(2), "log10": _scaled_log(10),
    "rsqrt": lambda w, n, x: w.op("Reciprocal", w.op("Sqrt", x)),
    "erfc": lambda w, n, x: w.op("Sub", _number(n, 1), w.op("Erf", x)),
    "fmod": lambda w, n, a, b: w.op("Mod", a, b, fmod=1),
    "floor_div": _floor_div, "trunc": _trunc, "isfinite": _finite, "atan2": _atan2,
    "normal_cdf": _normal_cdf,
    "ne": lambda w, n, a, b: w.op("Not", w.op("Equal", a, b)),
    "copysign": lambda w, n, a, b: w.op(
        "Where", w.op("Less", b, _number(n, 0)), w.op("Neg", w.op("Abs", a)), w.op("Abs", a)
    ),
}  # fmt: skip


def pointwise(w: Writer, nodes: Nodes, *xs: Any) -> str:
    """One value per element, of the node's own shape where operands alone give a smaller one."""
    first = nodes[0]
    operand = first.inputs[0].dtype
    if first.op in _BY_TYPE:
        found = w.op(_BY_TYPE[first.op][operand.kind == "b"], *xs)
    elif first.op == "eq" and operand.kind == "b":
        found = w.op("Not", w.op("Xor", *xs))
    elif first.op in _SAME:
        found = w.op(_SAME[first.op], *xs)
    elif first.op in _MADE:
        found = _MADE[first.op](w, nodes, *xs)
    else:
        raise refused(UnsupportedOperatorError, f"ONNX has no operators for {first.op}", first)
    shapes = [x.shape for x in first.inputs]
    return found if np.broadcast_shapes(*shapes) == first.shape else _expand(w, nodes, found)


def _sizes(w: Writer, shapes: Any) -> str:
    return w.dims(w.polynomials(list(zip(*shapes))))


def _expand(w: Writer, nodes: Nodes, x: Any) -> str:
    return w.op("Expand", x, _sizes(w, [node.shape for node in nodes]))


def _reshape(w: Writer, nodes: Nodes, x: Any) -> str:
    sizes = w.polynomials(list(zip(*[node.shape for node in nodes])))
    follows = [k for k, size in enumerate(sizes) if not set(size) <= {()}]
    if len(follows) == 1:  # the one that the others leave over
        sizes[follows[0]] = {(): -1}
    return w.op("Reshape", x, w.dims(sizes))


def _reduced(kind: str) -> Callable[..., str]:
    def rule(w: Writer, nodes: Nodes, x: Any) -> str:
        dims, keep = nodes[0].params
        if nodes[0].dtype.kind != "b":
            return w.op(kind, x, np.array(dims, np.int64), keepdims=int(keep))
        found = w.op(kind, w.cast(x, np.int32), np.array(dims, np.int64), keepdims=int(keep))
        return w.cast(found, np.bool_)

    return rule


def _placed(kind: str) -> Callable[..., str]:
    def rule(w: Writer, nodes: Nodes, x: Any) -> str:
        dim, keep = nodes[0].params
        return w.op(kind, x, axis=dim, keepdims=int(keep))

    return rule


def _slice(w: Writer, nodes: Nodes, x: Any) -> str:
    steps = nodes[0].params[2] if len(nodes[0].params) > 2 else [1] * nodes[0].ndim
    starts = _sizes(w, [node.params[0] for node in nodes])
    ends = [
        {(): _LAST} if all(n.params[1][k] == n.inputs[0].shape[k] for n in nodes) else size
        for k, size in enumerate(w.polynomials(list(zip(*[node.params[1] for node in nodes]))))
    ]
    axes = np.arange(nodes[0].ndim)
    return w.op("Slice", x, starts, w.dims(ends), axes, np.array(steps, np.int64))


def _flip(w: Writer, nodes: Nodes, x: Any) -> str:
    dims = np.atleast_1d(np.array(nodes[0].params[0], np.int64))
    back = np.full(dims.shape, -1, np.int64)
    return w.op("Slice", x, back, np.full(dims.shape, -_LAST), dims, back)


def _pad(w: Writer, nodes: Nodes, x: Any) -> str:
    widths = _sizes(w, [(*node.params[0], *node.params[1]) for node in nodes])
    return w.op("Pad", x, widths, _number(nodes, nodes[0].params[2]), mode="constant")


def _iota(w: Writer, nodes: Nodes) -> str:
    dim = nodes[0].params[0]
    sizes = w.polynomials(list(zip(*[node.shape for node in nodes])))
    line = w.cast(w.range(sizes[dim]), nodes[0].dtype)
    shape = np.array([-1] + [1] * (nodes[0].ndim - 1 - dim))
    return w.op("Expand", w.op("Reshape", line, shape), w.dims(sizes))


def _dot(w: Writer, nodes: Nodes, a: Any, b: Any) -> str:
    spec = nodes[0].params[0]
    operands, result = spec.split("->")
    left, right = operands.split(",")
    both = [c for c in left if c in right]
    batch, summed = [c for c in both if c in result], [c for c in both if c not in result]
    rows, columns = [c for c in left if c not in both], [c for c in right if c not in both]
    if not len(rows) == len(columns) == len(summed) == 1:
        return w.op("Einsum", a, b, equation=spec)
    a = _transposed(w, a, left, [*batch, *rows, *summed])
    b = _transposed(w, b, right, [*batch, *summed, *columns])
    return _transposed(w, w.op("MatMul", a, b), [*batch, *rows, *columns], list(result))


def _transposed(w: Writer, x: Any, have: Any, want: list[str]) -> Any:
    order = [list(have).index(c) for c in want]
    return x if order == sorted(order) else w.op("Transpose", x, perm=order)


def _scatter_add(w: Writer, nodes: Nodes, base: Any, places: Any, source: Any) -> str:
    if nodes[0].params[0] != 0:
        raise refused(UnsupportedOperatorError, "sums by index along a later dimension", nodes[0])
    places = w.op("Unsqueeze", places, np.array([-1]))
    return w.op("ScatterND", base, places, source, reduction="add")


def _static(nodes: Nodes) -> None:
    if any(node.shape != nodes[0].shape or node.params != nodes[0].params for node in nodes):
        raise refused(UnsupportedOperatorError, "windows of memory follow a dynamic size", nodes[0])


def _places(node: Any) -> np.ndarray:
    shape, strides, offset = node.params
    grids = np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, strides)], indexing="ij")
    return (sum(grids) + np.full(shape, offset)).astype(np.int64)


def _strided(w: Writer, nodes: Nodes, x: Any) -> str:
    _static(nodes)
    return w.op("Gather", w.op("Reshape", x, np.array([-1])), _places(nodes[0]))


def _replace(w: Writer, nodes: Nodes, base: Any, value: Any) -> str:
    _static(nodes)
    flat = w.op("Reshape", base, np.array([-1]))
    made = w.op("ScatterND", flat, _places(nodes[0])[..., None], value)
    return w.op("Reshape", made, np.array(nodes[0].shape, np.int64))


TABLE: dict[str, Callable[..., Any]] = {
    "cast": lambda w, n, x: w.cast(x, n[0].dtype),
    "reduce_sum": _reduced("ReduceSum"), "reduce_prod": _reduced("ReduceProd"),
    "reduce_max": _reduced("ReduceMax"), "reduce_min": _reduced("ReduceMin"),
    "argmax": _placed("ArgMax"), "argmin": _placed("ArgMin"), "dot": _dot,
    "reshape": _reshape, "expand": _expand, "slice": _slice, "flip": _flip, "pad": _pad,
    "permute": lambda w, n, x: w.op("Transpose", x, perm=list(n[0].params[0])),
    "cat": lambda w, n, *xs: w.op("Concat", *xs, axis=n[0].params[0]),
    "take": lambda w, n, x, places: w.op("Gather", x, places, axis=n[0].params[0]),
    "iota": _iota, "scatter_add": _scatter_add, "strided": _strided, "replace": _replace,
}  # fmt: skip
