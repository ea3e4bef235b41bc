"""The meaning of every core op in NumPy: the reference that backends are measured against.

`evaluate` computes one node, `interpret` a whole graph. Nothing here is fast for its own sake; what
matters is that each op means exactly what a kernel has to give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import special
from ...core.primitive import REGISTRY
from ...ops.contraction import contract
from . import foreign
from .graph import Graph, Node

Arrays = Sequence[np.ndarray]


def interpret(graph: Graph, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a core graph for arrays in the order of its inputs."""
    values: dict[Node, Any] = dict(zip(graph.inputs, inputs, strict=True))
    left = {node: len(users) for node, users in graph.users().items()}
    for node in graph.outputs:
        left[node] = left.get(node, 0) + 1
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node not in values:
                values[node] = evaluate(node, [values[x] for x in node.inputs])
            for x in node.inputs:
                left[x] -= 1
                if not left[x]:
                    values[x] = None
    return [values[node] for node in graph.outputs]


def evaluate(node: Node, arrays: Arrays) -> Any:
    """One node's value, of the node's own shape and type (a tuple for several outputs)."""
    if node.op == "constant" and node.params[0] is None:
        return None  # an operand that is not there
    function = EVALUATE.get(node.op)
    found = foreign.run(node, arrays) if function is None else function(node, *arrays)
    if isinstance(node.dtype, tuple):
        return tuple(np.asarray(one) for one in found)
    found = np.asarray(found)
    return found if found.dtype == node.dtype else found.astype(node.dtype)


# -- one value per element ---------------------------------------------------------------------


def _sign(x: Any) -> Any:
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype) if x.dtype != bool else x


def _floor_div(a: Any, b: Any) -> Any:
    if a.dtype.kind == "f":
        return np.where(b == 0, np.true_divide(a, b), np.floor_divide(a, b))
    return np.floor_divide(a, b)


def _sigmoid(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, x.dtype.type(1)) / (small + x.dtype.type(1))


def _exact(function: Any) -> Any:
    """A function of float32 as float64 gives it, rounded once: kernels are measured against it."""

    def evaluate(*xs: Any) -> Any:
        if xs[0].dtype.char != "f":
            return function(*xs)
        return function(*[x.astype("d") for x in xs]).astype("f")

    return evaluate


def _rounded(ufunc: Any) -> Any:
    return lambda x: ufunc(x) if x.dtype.kind == "f" else x


def _question(ufunc: Any, otherwise: bool) -> Any:
    return lambda x: ufunc(x) if x.dtype.kind == "f" else np.full(x.shape, otherwise)


def _pair(low: Any, high: Any) -> Any:
    both = np.stack(np.broadcast_arrays(low, high), -1)
    return both.view(np.int32)[..., 0]


def _pairs_apart(x: np.ndarray) -> np.ndarray:
    """Words of two bfloat16 as float32, one more dimension of two."""
    return (x[..., None].view(np.uint16).astype(np.uint32) << 16).view(np.float32)


_REAL: dict[str, Callable[..., Any]] = {
    "pow": lambda x, y: REGISTRY["pow"].eval(x, y), "exp": np.exp, "expm1": np.expm1,
    "exp2": np.exp2, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10,
    "rsqrt": lambda x: np.reciprocal(np.sqrt(x)), "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh,
    "atanh": np.arctanh, "sigmoid": _sigmoid, "erf": special.erf, "erfc": special.erfc,
    "normal_cdf": lambda x: special.erfc(x * -(0.5**0.5)) * 0.5,
}  # fmt: skip
POINTWISE: dict[str, Callable[..., Any]] = {
    **{name: _exact(function) for name, function in _REAL.items()},
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "neg": np.negative, "abs": np.absolute, "sign": _sign, "max": np.maximum, "min": np.minimum,
    "fmod": np.fmod, "floor_div": _floor_div, "sqrt": np.sqrt, "floor": _rounded(np.floor),
    "ceil": _rounded(np.ceil), "round": _rounded(np.rint), "trunc": _rounded(np.trunc),
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "where": np.where, "isnan": _question(np.isnan, False),
    "isinf": _question(np.isinf, False), "isfinite": _question(np.isfinite, True),
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
    "shift_left": np.left_shift, "shift_right": np.right_shift, "copysign": np.copysign,
    "pair": _pair,
}  # fmt: skip


def _pointwise(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, *arrays: np.broadcast_to(function(*arrays), node.shape)


# -- reductions, moves and the rest ------------------------------------------------------------


def _reduced(ufunc: np.ufunc) -> Callable[..., Any]:
    # the type is kept: a sum of int32 wraps around
    def run(node: Node, x: np.ndarray) -> Any:
        dims, keep = node.params
        return ufunc.reduce(x, tuple(dims), dtype=x.dtype, keepdims=keep)

    return run


def _placed(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, x: function(x, node.params[0], keepdims=node.params[1])


def letters(spec: str) -> tuple[str, str, str]:
    """The labels of both operands and of the result of a `dot`."""
    operands, result = spec.split("->")
    left, right = operands.split(",")
    return left, right, result


def _terms_apart(x: np.ndarray, axis: int) -> np.ndarray:
    """Words of two bfloat16 as float32, twice as many along an axis."""
    apart = np.moveaxis(_pairs_apart(x), -1, axis + 1)
    return apart.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])


def _dot(node: Node, a: np.ndarray, b: np.ndarray) -> Any:
    left, right, result = (tuple(map(ord, part)) for part in letters(node.params[0]))
    if a.dtype != node.dtype:  # pairs of terms
        a, b, left, right = _pairs_apart(a), _pairs_apart(b), (*left, 0), (*right, 0)
    return contract([a, b], [left, right], result)


def _conv(node: Node, a: np.ndarray, b: np.ndarray) -> Any:
    """A convolution with its groups apart, by the op that has them together."""
    spec, *rest = node.params
    left, right, result = letters(spec)
    if a.dtype != node.dtype:  # pairs of terms
        (term,) = set(left) & set(right) - set(result)
        a, b = (_terms_apart(x, part.index(term)) for x, part in ((a, left), (b, right)))
    groups = node.shape[result.index("g")]
    whole = [_together(x, part) for x, part in ((a, left), (b, right))]
    if "h" in result:
        name, sizes = "convolution_data", [node.shape[3:]]
    elif "i" in result:
        name, sizes = "convolution_weight", [node.shape[3:]]
    else:
        name, sizes = "convolution", []
    return REGISTRY[name].eval(*whole, *sizes, *rest, groups).reshape(node.shape)


def _together(x: np.ndarray, part: str) -> np.ndarray:
    if part[0] == "g":
        return x.reshape(-1, *x.shape[2:])
    return x.reshape(x.shape[0], -1, *x.shape[3:])


def _slice(node: Node, x: np.ndarray) -> Any:
    return x[tuple(slice(*bounds) for bounds in zip(*node.params))]


def _pad(node: Node, x: np.ndarray) -> Any:
    lows, highs, value = node.params
    return np.pad(x, tuple(zip(lows, highs)), constant_values=np.asarray(value).astype(x.dtype))


def _take(node: Node, x: np.ndarray, indices: np.ndarray) -> Any:
    return np.take(x, indices, node.params[0])


def _scatter_add(node: Node, base: np.ndarray, indices: np.ndarray, source: np.ndarray) -> Any:
    y = np.array(base, order="C")
    np.add.at(y, (slice(None),) * node.params[0] + (indices,), source)
    return y


def _iota(node: Node) -> Any:
    (dim,) = node.params
    count = np.arange(node.shape[dim]).reshape((-1,) + (1,) * (len(node.shape) - 1 - dim))
    return np.broadcast_to(count, node.shape)


def _region(flat: np.ndarray, geometry: Any) -> np.ndarray:
    shape, strides, offset = geometry
    steps = tuple(stride * flat.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps)


def _strided(node: Node, base: np.ndarray) -> Any:
    return _region(np.ascontiguousarray(base).reshape(-1), node.params).copy()


def _replace(node: Node, base: np.ndarray, value: np.ndarray) -> Any:
    y = np.array(base, order="C")
    _region(y.reshape(-1), node.params)[...] = value
    return y


EVALUATE: dict[str, Callable[..., Any]] = {
    **{name: _pointwise(function) for name, function in POINTWISE.items()},
    "cast": lambda node, x: x.astype(node.dtype),
    "reduce_sum": _reduced(np.add), "reduce_prod": _reduced(np.multiply),
    "reduce_max": _reduced(np.maximum), "reduce_min": _reduced(np.minimum),
    "argmax": _placed(np.argmax), "argmin": _placed(np.argmin),
    "constant": lambda node: node.params[0], "dot": _dot, "conv": _conv,
    "reshape": lambda node, x: x.reshape(node.params[0]),
    "permute": lambda node, x: x.transpose(node.params[0]),
    "expand": lambda node, x: np.broadcast_to(x, node.params[0]),
    "slice": _slice, "pad": _pad, "take": _take, "scatter_add": _scatter_add,
    "flip": lambda node, x: np.flip(x, node.params[0]),
    "cat": lambda node, *xs: np.concatenate(xs, node.params[0]),
    "iota": _iota, "strided": _strided, "replace": _replace,
    "output_of": lambda node, ys: ys[node.params[0]],
}  # fmt: skip
