"""Variances and sums of exponentials: reductions of functions of the elements."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..core.dtypes import COMPLEX_CODES, parts
from ..core.families import general, linear
from ..core.heavy import fitted
from ..core.numbers import anywhere, number
from ..core.operands import refuse_bools
from .distance import vector_norm
from .elementwise import where
from .fused.kernels import half, widened
from .placing import kind_of
from .reduce import Dims, count, few_rows, row_extremes, row_sums, spread
from .reduce import mean as mean_of
from .reduce import sum as sum_of
from .structure import row_major
from .transcendental import exp


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


_reduce_add: Any = np.add.reduce


def _variance(x: np.ndarray, dims: Dims, correction: float, keep: bool) -> np.ndarray:
    few = few_rows(x, dims[0]) if dims is not None and len(dims) == 1 else None
    if few is not None:
        return _variance_of_few(x, few, x.shape[-1], max(x.shape[-1] - correction, 0), keep)
    a = _wide(x)
    size = count(x.shape, dims)
    middle = _reduce_add(a, dims, None, None, True)
    gap = a - middle / number(max(size, 1), a.dtype)
    square = parts(gap * gap.conj())[0] if gap.dtype.char in COMPLEX_CODES else gap * gap
    total = _reduce_add(square, dims, None, None, keep)
    y = row_major(np.true_divide(total, number(max(size - correction, 0), square.dtype)))
    return y if a is x else y.astype(x.dtype)


def _variance_of_few(
    x: np.ndarray, few: tuple[np.ndarray, np.ndarray], size: int, freedom: float, keep: bool
) -> np.ndarray:
    """The same along rows of few numbers, with no column beside a matrix."""
    rows, square = few
    gap = rows.dot(square)
    np.divide(gap, number(size, x.dtype), gap)
    np.subtract(rows, gap, gap)
    np.multiply(gap, gap, gap)
    y = gap.dot(square[0])
    np.divide(y, number(freedom, x.dtype), y)
    return y.reshape((*x.shape[:-1], 1) if keep else x.shape[:-1])


def _variance_vjp(g: Any, y: Any, x: Any, dims: Dims, correction: float, keep: bool) -> Any:
    freedom = count(x.shape, dims) - correction  # below zero too, as torch has it
    g = _times(spread(g, x, dims), 2 / freedom if freedom else inf)
    return g * (x - mean_of(x, dims, True))


def _times(g: Any, factor: float) -> Any:
    """g times a number, rounded where g has 16 bits: those times a number NumPy widens."""
    if type(g) is not np.ndarray or not half(g):
        return g * factor
    return fitted(widened(g) * np.float32(factor), g.dtype)


variance = general(
    "var", eval=_variance, vjp=_variance_vjp, reads="x",
    doc="The mean squared distance from the mean, divided by n - correction.",
)  # fmt: skip


def _deviation_vjp(g: Any, y: Any, x: Any, dims: Dims, correction: float, keep: bool) -> Any:
    share = where(y == 0, 0.0, g / (2 * where(y == 0, 1.0, y)))
    return _variance_vjp(share, y, x, dims, correction, keep)


def _deviation(x: np.ndarray, dims: Dims, correction: float, keep: bool) -> np.ndarray:
    if half(x):
        return np.sqrt(_variance(widened(x), dims, correction, keep)).astype(x.dtype)
    y = np.sqrt(_variance(x, dims, correction, keep))
    if x.dtype.char in "fF" and y.size and not y.item(y.argmax()) < inf and anywhere(np.isinf(y)):
        # the squares were too large
        y = np.sqrt(_variance(x.astype(_WIDER[x.dtype.char]), dims, correction, keep))
        y = y.astype(np.float32)
    return y


_WIDER = {"f": np.float64, "F": np.complex128}
deviation = general(
    "std", eval=_deviation, vjp=_deviation_vjp, reads="xy",
    doc="The square root of the variance; its gradient at 0 is 0.",
)  # fmt: skip


def _with_mean(spread_of: Any) -> Any:
    def evaluate(x: np.ndarray, dims: Dims, correction: float, keep: bool) -> tuple[Any, Any]:
        middle = np.add.reduce(_wide(x), dims, keepdims=keep) / count(x.shape, dims)
        return spread_of(x, dims, correction, keep), np.asarray(middle).astype(x.dtype)

    return evaluate


def _and_mean(vjp: Any) -> Any:
    def pull(g: Any, y: Any, x: Any, dims: Dims, correction: float, keep: bool) -> Any:
        of_mean = spread(g[1], x, dims) / count(x.shape, dims)
        return vjp(g[0], None if y is None else y[0], x, dims, correction, keep) + of_mean

    return pull


variance_mean = general(
    "var_mean", eval=_with_mean(_variance), vjp=_and_mean(_variance_vjp), reads="x", outputs=2,
    doc="The variance and the mean.",
)  # fmt: skip
deviation_mean = general(
    "std_mean", eval=_with_mean(_deviation), vjp=_and_mean(_deviation_vjp), reads="xy", outputs=2,
    doc="The standard deviation and the mean.",
)  # fmt: skip


def _logsumexp(x: Any, dims: Dims, keep: bool) -> np.ndarray:
    if not x.size:
        return np.full(np.add.reduce(x, dims, keepdims=keep).shape, -inf, x.dtype)
    a = _wide(x)
    top = row_extremes(np.maximum, a.real, dims, True)
    top = where.primitive.eval(np.isfinite(top), top, a.real.dtype.type(0))
    if a is not x:  # ops on short numbers in torch, each of which rounds
        x, top = (x - top).astype(x.dtype), top.astype(x.dtype)
        total = row_sums(widened(np.exp(x)), dims, keep).astype(x.dtype)
        return row_major(np.log(total) + top.reshape(total.shape))
    total = row_sums(np.exp(a - top), dims, keep)
    return row_major(np.log(total) + top.reshape(total.shape))


logsumexp = general(
    "logsumexp", eval=_logsumexp, reads="xy",
    vjp=lambda g, y, x, dims, keep: spread(g, x, dims) * exp(
        x - spread(y, x, dims)).conj(),
    doc="log sum e^x over dimensions, without overflow.",
)  # fmt: skip
nansum = linear(
    "nansum", eval=lambda x, dims, keep, present: sum_of.primitive.eval(
        x if present.all() else np.where(present, x, x.dtype.type(0)), dims, keep),
    adjoint=lambda g, x, dims, keep, present: where(present, spread(g, x, dims), 0.0),
    doc="The sum over dimensions of what is not nan.",
)  # fmt: skip


_norm_vjp = vector_norm.primitive.rule.vjp


def _distance(a: np.ndarray, b: np.ndarray, p: float) -> np.ndarray:
    return vector_norm.primitive.eval(np.subtract(a, b), p, None, False)


def _distance_vjp(g: Any, y: Any, a: Any, b: Any, p: float) -> Any:
    turned = _norm_vjp(g, y, a - b, p, None, False)
    return turned, -turned


distance = general("dist", eval=_distance, vjp=_distance_vjp, reads="xy", arity=2,
                   dtype="promote", numbers="none", forbids=refuse_bools, refuses={
                       "int": "norm(): input dtype should be either floating point or complex. Got"
                              " {} instead."},
                   doc="The p-norm of a difference.")  # fmt: skip

_EPSILON = 1e-7


def _renorm(x: np.ndarray, p: float, dims: Dims, limit: float) -> np.ndarray:
    size = vector_norm.primitive.eval(x, p, dims, True)
    factor = np.where(size > limit, limit / (size + size.dtype.type(_EPSILON)), 1)
    return (x * factor).astype(x.dtype)


def _renorm_vjp(g: Any, y: Any, x: Any, p: float, dims: Dims, limit: float) -> Any:
    size = vector_norm(x, p, dims, True)
    longer = size > limit
    slack = where(longer, size + _EPSILON, 1.0)
    along = g * x.conj()
    if kind_of(along).is_complex:
        along = along.real
    pull = where(longer, sum_of(along, dims, True) * (-limit) / (slack * slack), 0.0)
    return g * where(longer, limit / slack, 1.0) + _norm_vjp(pull, size, x, p, dims, True)


renorm = general("renorm", eval=_renorm, vjp=_renorm_vjp, reads="x",
                 refuses={
                     "bool int": "linalg.vector_norm: Expected a floating point or complex tensor"
                                 " as input. Got {}"},
                 doc="Slices longer than a limit scaled down to it.")  # fmt: skip
