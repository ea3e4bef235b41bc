"""Tangents of reductions, choices and joint ops on bare arrays, in as few steps as can be.

The pushes of `pushes.py` speak ops, so that they run on Tensors as well; on a few numbers most of
their time goes into the ops' callables. These are the same steps on arrays alone, with the same
bits. What is rare (norms of other orders, deviations of zero) is left to those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.numbers import number
from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..core.tensor import wrap
from ..ops.fused.recurrent import at_once
from ..ops.reduce import MANY, Dims, count, kept
from .pushes import JOINTLY_LINEAR, PUSHES
from .transpose import push_by_pull

Push = Callable[..., Any]
ndarray = np.ndarray
_reduce_add: Any = np.add.reduce
_any_sum, _where = OPS["sum"].primitive.eval, OPS["where"].primitive.eval


def _sum(x: ndarray, dims: Dims, keep: bool) -> Any:
    """The op's own sum, of few numbers without its questions."""
    return _reduce_add(x, dims, None, None, keep) if x.size < MANY else _any_sum(x, dims, keep)


def _mean(x: ndarray, dims: Dims, keep: bool) -> Any:
    return _sum(x, dims, keep) / number(count(x.shape, dims), x.dtype)


def on_arrays(prim: Primitive) -> Push:
    """(tangents, result, *operands, *params) -> tangent of an op, all of them arrays."""
    if prim.name in JOINTLY_LINEAR:
        return _jointly_linear(prim)
    return _PUSHES.get(prim.name) or PUSHES[prim.name]


def _jointly_linear(prim: Primitive) -> Push:
    """The op itself on the tangents of all operands together."""
    evaluate, arity = prim.eval, prim.arity

    def push(ts: Any, y: Any, *operands: Any) -> Any:
        xs, params = (operands[0], operands[1:]) if arity is None else (
            operands[:arity], operands[arity:])  # fmt: skip
        given = tuple([np.zeros(x.shape, x.dtype) if t is None else t for x, t in zip(xs, ts)])
        return evaluate(given, *params) if arity is None else evaluate(*given, *params)

    return push


def _chosen(ts: Any, y: ndarray, condition: ndarray, a: ndarray, b: ndarray) -> Any:
    _, t, u = ts
    if t is None and u is None:
        return None
    nothing = number(0, y.dtype)
    return _where(condition, nothing if t is None else t, nothing if u is None else u)


def _extremum(ts: Any, y: Any, x: ndarray, dims: Dims = None, keep: bool = False) -> Any:
    """The mean of the tangents of all elements that attain the extremum."""
    hit = np.equal(x, y if dims is None else y.reshape(kept(x.shape, dims)))
    if dims is None and np.count_nonzero(hit) == 1:
        return ts[0].reshape(-1)[hit.reshape(-1).argmax()]
    total = _sum(_where(hit, ts[0], number(0, x.dtype)), dims, keep)
    if dims is None:
        return total / number(np.count_nonzero(hit), x.dtype)
    return total / _sum(hit.astype(x.dtype), dims, keep)


def _variance(ts: Any, y: Any, x: ndarray, dims: Dims, correction: float, keep: bool) -> Any:
    freedom = count(x.shape, dims) - correction or float("nan")  # below zero too, as torch
    along = np.subtract(x, _mean(x, dims, True))
    np.multiply(ts[0], along, along)
    return _sum(along, dims, keep) * number(2 / freedom, x.dtype)


def _deviation(ts: Any, y: Any, x: ndarray, dims: Dims, correction: float, keep: bool) -> Any:
    if np.count_nonzero(y) < y.size:
        return PUSHES["std"](ts, y, x, dims, correction, keep)
    return _variance(ts, y, x, dims, correction, keep) * (number(0.5, x.dtype) / y)


def _norm(ts: Any, y: Any, x: ndarray, order: float, dims: Dims, keep: bool) -> Any:
    """The sum of t x / |x|."""
    if order != 2 or not x.ndim or np.count_nonzero(y) < y.size:
        return PUSHES["linalg_vector_norm"](ts, y, x, order, dims, keep)
    scale = np.divide(number(1, x.dtype), y)
    weights = np.multiply(scale if dims is None else scale.reshape(kept(x.shape, dims)), x)
    return _sum(np.multiply(ts[0], weights, weights), dims, keep)


def _mean_squared_error(ts: Any, y: ndarray, x: ndarray, target: ndarray) -> Any:
    t, u = ts
    gap = np.subtract(x, target)
    other = np.negative(u) if t is None else t if u is None else np.subtract(t, u)
    return _mean(gap * other, None, False) * number(2, y.dtype)


def _standardised(
    ts: Any, y: Any, x: ndarray, w: Any, b: Any, dims: tuple[int, ...], eps: float
) -> Any:
    t, tw, tb = ts
    _, center, variance = y
    if t is None or tw is not None or tb is not None:
        return PUSHES["standardise"](ts, y, x, w, b, dims, eps)
    scale = np.reciprocal(np.sqrt(np.add(variance, number(eps, x.dtype))))
    normal = np.subtract(x, center)
    normal *= scale
    by_mean = _mean(t, dims, True)
    along = _mean(normal * t, dims, True)
    normal *= along
    total = np.subtract(t, by_mean)
    total -= normal
    total *= scale
    if w is not None:
        total *= w
    return total, by_mean, along * number(2, x.dtype) / scale


def _recurrent(name: str) -> Push:
    """The kernel of the tangents; packed sequences and empty ones go by the gradient."""

    def push(ts: Any, ys: Any, *operands: Any) -> Any:
        prim: Primitive = OPS[name].primitive
        count = prim.arity or 0
        xs, params = operands[:count], operands[count:]
        *mode, sizes, reverse, _ = params
        if sizes is not None or not ys[0].size:
            given = [[None if a is None else wrap(a) for a in some] for some in (xs, ts, ys)]
            found = push_by_pull(prim, given[0], given[1], given[2], params)
            return [None if t is None else t._array for t in found]
        kept = ys[2 if mode else 3 :]
        found = OPS[f"{name}_push"].primitive.eval(*ts, ys[0], *kept, *xs, *mode, reverse)
        return *found, *[None] * len(kept)

    return push


def _layer_at_once(ts: Any, *operands: Any) -> Any:
    *xs, mode, sizes, reverse, _ = operands
    xs, ts = ((*some[:2], None, *some[2:6], None) for some in (xs, ts))
    return at_once(mode, ts, xs, sizes, reverse)


# (tangents, *operands, *params) -> (results, their tangents) of an op with several, or None
AT_ONCE: dict[str, Callable[..., Any]] = {
    "recurrent_layer": _layer_at_once,
    "lstm_layer": lambda ts, *rest: at_once("LSTM", ts, rest[:8], rest[8], rest[9]),
}

_PUSHES: dict[str, Push] = {
    "where": _chosen, "amax": _extremum, "amin": _extremum, "max_all": _extremum,
    "min_all": _extremum, "var": _variance, "std": _deviation, "linalg_vector_norm": _norm,
    "mean_squared_error": _mean_squared_error, "standardise": _standardised,
    "recurrent_layer": _recurrent("recurrent_layer"), "lstm_layer": _recurrent("lstm_layer"),
}  # fmt: skip
