"""Softmax and its logarithm along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.families import general
from ...core.heavy import fitted, heavy
from ..reduce import few_rows, row_extremes, row_starts, row_sums
from ..reduce import sum as sum_of
from ..transcendental import PRINTED, exp
from .kernels import half, need_float, raw, widened
from .rounds import PIECE, unbuffered

_SHORT = 16  # numbers in a row from which rows are worth going by
# Below these sizes e^x neither overflows nor loses digits, and the largest need not be taken off.
_NO_SHIFT, _NO_SHIFT_LOG = 64.0, 8.0


def _kernel(name: str, x: np.ndarray, dim: int) -> str:
    return f"{name}_lastdim_kernel_impl" if dim >= x.ndim - 1 else f"{name}_kernel_impl"


def _in_rows(x: np.ndarray, dim: int, bound: float = float("inf")) -> bool:
    """Whether to go by rows: many, side by side, and no number so large that it needs a shift."""
    if dim != x.ndim - 1 or not x.flags.c_contiguous:
        return False
    if x.shape[-1] < _SHORT or x.dtype.char not in "fd":
        return False
    if bound == float("inf"):
        return True
    # far below zero may be (a mask's -inf) what is not the largest of its row
    return x.max() < bound and (x.min() > -bound or np.maximum.reduce(x, -1).min() > -bound)


def _by_rows(kernel: Any, *xs: np.ndarray) -> np.ndarray:
    """`kernel(out, ones, *pieces)` over runs of rows that fit the cache."""
    length = xs[0].shape[-1]
    rows = [np.ascontiguousarray(x).reshape(-1, length) for x in xs]
    y, ones = np.empty_like(rows[0]), np.ones(length, rows[0].dtype)
    step = max(1, PIECE // length)
    with unbuffered(length):
        for start in range(0, len(y), step):
            run = slice(start, start + step)
            kernel(y[run], ones, *[x[run] for x in rows])
    return y.reshape(xs[0].shape)


def _sums(x: np.ndarray, ones: np.ndarray) -> np.ndarray:
    return np.matmul(x, ones)[:, None]


def _softmax_rows(out: np.ndarray, ones: np.ndarray, x: np.ndarray) -> None:
    np.exp(x, out=out)
    out /= _sums(out, ones)


def _log_softmax_rows(out: np.ndarray, ones: np.ndarray, x: np.ndarray) -> None:
    np.exp(x, out=out)
    np.subtract(x, np.log(_sums(out, ones)), out=out)


def _softmax_rows_back(out: np.ndarray, ones: np.ndarray, g: np.ndarray, y: np.ndarray) -> None:
    np.subtract(g, np.vecdot(g, y)[:, None], out=out)
    out *= y


def _log_softmax_rows_back(out: np.ndarray, ones: np.ndarray, g: np.ndarray, y: np.ndarray) -> None:
    np.exp(y, out=out)
    out *= _sums(g, ones)
    np.subtract(g, out, out=out)


def below_top(rows: np.ndarray) -> np.ndarray:
    """Each row without its largest number: a place and what stands there are sooner found."""
    count, length = rows.shape
    top = rows.take(row_starts(count, length) + rows.argmax(1))
    return rows - top.repeat(length).reshape(count, length)


def _softmax_few(rows: np.ndarray, square: np.ndarray) -> np.ndarray:
    y = below_top(rows)
    np.exp(y, y)
    return np.divide(y, y.dot(square), y)


def _log_softmax_few(rows: np.ndarray, square: np.ndarray) -> np.ndarray:
    y = below_top(rows)
    sums = np.exp(y).dot(square)
    return np.subtract(y, np.log(sums, sums), y)


def _softmax(x: np.ndarray, dim: int) -> np.ndarray:
    few = few_rows(x, dim)
    if few is not None:
        y = _softmax_few(*few)
        return y if dim == 1 else y.reshape(x.shape)
    if x.dtype.char not in "fd":
        need_float(x, _kernel("softmax", x, dim))
    if x.size == 0 or x.ndim == 0:
        return np.ones_like(x)
    if x.size > PRINTED and _in_rows(x, dim, _NO_SHIFT):
        return _by_rows(_softmax_rows, x)
    wide = widened(x)
    y = np.subtract(wide, row_extremes(np.maximum, wide, (dim,), True), order="C")
    np.exp(y, y)
    y /= row_sums(y, (dim,), True)
    return fitted(y, x.dtype)


def _softmax_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    if raw(g, y) and g.dtype == y.dtype:
        return _large_softmax_back(g, y, dim)
    return _softmax_back(g, y, dim)


def _softmax_back_arrays(g: np.ndarray, y: np.ndarray, dim: int) -> Any:
    if half(y):
        return fitted(_softmax_back(widened(g), widened(y), dim), y.dtype)
    few = few_rows(y, dim)
    if few is not None:
        rows, square = few
        share = g.reshape(rows.shape) * rows
        total = share.dot(square)
        np.multiply(total, rows, total)
        return np.subtract(share, total, share).reshape(y.shape)
    if y.size > PRINTED and _in_rows(y, dim):
        return _by_rows(_softmax_rows_back, g, y)
    return _softmax_back(g, y, dim)


def _softmax_back(g: Any, y: Any, dim: int) -> Any:
    share = g * y
    return share - y * (sum_of(share, (dim,), True) if len(y.shape) else share)


_large_softmax_back = heavy(
    "softmax_back", _softmax_back_arrays, _softmax_back, light=True, once=True)  # fmt: skip
softmax = general(
    "softmax", eval=heavy("softmax", _softmax, light=True, once=True), vjp=_softmax_vjp, reads="y",
    doc="e^x over its sum along dim.  dx = y (g - sum(g y)).",
)  # fmt: skip


def _log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    few = few_rows(x, dim)
    if few is not None:
        y = _log_softmax_few(*few)
        return y if dim == 1 else y.reshape(x.shape)
    if x.dtype.char not in "fd":
        need_float(x, _kernel("log_softmax", x, dim))
    if x.size == 0 or x.ndim == 0:
        return np.zeros_like(x)
    if x.size > PRINTED and _in_rows(x, dim, _NO_SHIFT_LOG):
        return _by_rows(_log_softmax_rows, x)
    wide = widened(x)
    y = np.subtract(wide, row_extremes(np.maximum, wide, (dim,), True), order="C")
    sums = row_sums(np.exp(y), (dim,), True)
    if half(x) and dim in (-1, x.ndim - 1):  # torch's kernel of the last dimension keeps them short
        sums = np.log(widened(sums.astype(x.dtype))).astype(x.dtype)
        y -= widened(sums)
    else:
        y -= np.log(sums, sums)
    return fitted(y, x.dtype)


def _log_softmax_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    if raw(g, y) and g.dtype == y.dtype:
        return _large_log_softmax_back(g, y, dim)
    return _log_softmax_back(g, y, dim)


def _log_softmax_back_arrays(g: np.ndarray, y: np.ndarray, dim: int) -> Any:
    if half(y):
        return fitted(_log_softmax_back(widened(g), widened(y), dim), y.dtype)
    few = few_rows(y, dim)
    if few is not None:
        rows, square = few
        given, share = g.reshape(rows.shape), np.exp(rows)
        np.multiply(share, given.dot(square), share)
        return np.subtract(given, share, share).reshape(y.shape)
    if y.size > PRINTED and _in_rows(y, dim):
        return _by_rows(_log_softmax_rows_back, g, y)
    return _log_softmax_back(g, y, dim)


def _log_softmax_back(g: Any, y: Any, dim: int) -> Any:
    return g - exp(y) * (sum_of(g, (dim,), True) if len(y.shape) else g)


_large_log_softmax_back = heavy(
    "log_softmax_back", _log_softmax_back_arrays, _log_softmax_back, light=True
)
log_softmax = general(
    "log_softmax", eval=heavy("log_softmax", _log_softmax, light=True), vjp=_log_softmax_vjp,
    reads="y", doc="x - log(sum(e^x)) along dim.  dx = g - e^y sum(g).",
)  # fmt: skip
