"""Reductions: many elements to one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes, heavy
from ..core.dispatch import not_implemented
from ..core.errors import warn_of_nothing
from ..core.families import general, linear, plain
from ..core.numbers import number
from ..core.tape import PARAMS
from .elementwise import where
from .fused.kernels import widened
from .indexing_along import scatter_one
from .structure import expand, reshape, row_major, zero

Dims = tuple[int, ...] | None


def kept(shape: Sequence[int], dims: Dims) -> tuple[int, ...]:
    """The shape with the reduced dimensions of size 1."""
    return tuple([1 if dims is None or i in dims else size for i, size in enumerate(shape)])


FEW = 8192  # elements that are sooner written out than read again and again through strides of 0


def spread(g: Any, x: Any, dims: Dims) -> Any:
    """A reduction's gradient given back to every element."""
    if dims is None and type(g) is np.ndarray and g.ndim == 0 and prod(x.shape) <= FEW:
        y = np.empty(x.shape, g.dtype)
        y.fill(g)
        return y
    return expand(reshape(g, kept(x.shape, dims)), x.shape)


def count(shape: Sequence[int], dims: Dims) -> int:
    """How many elements go into each result."""
    return prod(shape) if dims is None else prod([shape[i] for i in dims])


_reduce_add: Any = np.add.reduce
SPREAD = 48  # numbers in a row up to which a product gives a sum to the whole row at once
MANY = 1024  # elements from which the time for each short row counts


def short_rows(x: np.ndarray, dims: Dims, most: int) -> bool:
    """Whether many rows of at most so many numbers are reduced: NumPy takes 20 ns for each."""
    last = x.ndim - 1
    if x.size < MANY or last < 1 or x.dtype.char not in "fd" or not 1 < x.shape[last] <= most:
        return False
    return dims == (last,) and x.flags.c_contiguous


@lru_cache(256)
def ones(length: int, kind: np.dtype) -> np.ndarray:
    """Ones, to be read only: a product with them sums few numbers in a third of a sum's time."""
    found = np.ones(length, kind)
    found.flags.writeable = False
    return found


@lru_cache(64)
def squares(length: int, kind: np.dtype) -> np.ndarray:
    """A square of ones, to be read only: `rows.dot(it)` has each row's sum at all its places.

    So it meets the rows as an array of their shape: a column beside a matrix costs 0.8 us more.
    """
    found = np.ones((length, length), kind)
    found.flags.writeable = False
    return found


def few_rows(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The rows of few numbers as a matrix, and the square that spreads their sums; else None."""
    if dim != x.ndim - 1 or not 0 < x.size < MANY or x.dtype.char not in "fd":
        return None
    length = x.shape[-1]
    if length > SPREAD or not x.flags.c_contiguous:
        return None
    return (x if dim == 1 else x.reshape(-1, length)), squares(length, x.dtype)


@lru_cache(64)
def row_starts(rows: int, length: int) -> np.ndarray:
    """Where each row begins in memory, to be read only."""
    found = np.arange(0, rows * length, length)
    found.flags.writeable = False
    return found


def row_sums(x: np.ndarray, dims: Dims, keep: bool) -> Any:
    """np.add.reduce; of many short rows as a product with ones."""
    if x.size < MANY:  # arguments in their order: words cost 100 ns
        return _reduce_add(x, dims, None, None, keep)
    if not short_rows(x, dims, 128):
        if x.size >= heavy.LONG and dims and x.flags.c_contiguous:
            y = _last_sums(x, dims, keep)
            if y is not None:
                return y
        few = _few_slices(x, dims)
        return _reduce_add(x, dims, keepdims=keep) if few is None else _added(x, few, keep)
    y = np.matmul(x, np.ones(x.shape[-1], x.dtype))
    return y[..., None] if keep else y


def _last_sums(x: np.ndarray, dims: tuple[int, ...], keep: bool) -> np.ndarray | None:
    """Natively, where the dimensions are the last ones: NumPy too takes them for one row."""
    begin = x.ndim - len(dims)
    if begin < 1 or dims != tuple(range(begin, x.ndim)):
        return None
    y = heavy.of_rows("sums", x if len(dims) == 1 else x.reshape(*x.shape[:begin], -1))
    return y if y is None or not keep else y.reshape(*y.shape, *(1,) * len(dims))


def _few_slices(x: np.ndarray, dims: Dims) -> int | None:
    """The dimension if it is a short one before short rows."""
    if dims is None or len(dims) != 1 or not 0 < dims[0] < x.ndim - 1 or x.size < 4 * MANY:
        return None
    fits = 1 < x.shape[dims[0]] <= 16 and x.shape[-1] <= 128 and dims[0] == x.ndim - 2
    return dims[0] if fits and x.dtype.char in "fd" and x.flags.c_contiguous else None


def _added(x: np.ndarray, dim: int, keep: bool) -> np.ndarray:
    y = x[..., 0, :] + x[..., 1, :]
    for place in range(2, x.shape[dim]):
        y += x[..., place, :]
    return y[..., None, :] if keep else y


def row_extremes(ufunc: Any, x: np.ndarray, dims: Dims, keep: bool) -> Any:
    """ufunc.reduce of a maximum or minimum; of many short rows a column at a time."""
    if x.size < MANY or not short_rows(x, dims, 16):
        return _long_extremes(ufunc, x, dims, keep)
    y = ufunc(x[..., 0], x[..., 1])
    for place in range(2, x.shape[-1]):
        ufunc(y, x[..., place], out=y)
    return y[..., None] if keep else y


def _long_extremes(ufunc: Any, x: np.ndarray, dims: Dims, keep: bool) -> Any:
    y = None
    if x.size >= heavy.LONG and x.ndim > 1 and dims == (x.ndim - 1,):
        y = heavy.of_rows("amax" if ufunc is np.maximum else "amin", x)
    if y is None:
        return ufunc.reduce(x, dims, None, None, keep)
    return y[..., None] if keep else y


def _sum(x: np.ndarray, dims: Dims, keep: bool) -> Any:
    if x.dtype.kind in "iub":
        return row_major(_reduce_add(x, dims, np.int64, keepdims=keep))
    if x.dtype.itemsize <= 2:
        if x.dtype.itemsize == 1:
            raise not_implemented("sum_cpu", dtypes.of(x))
        if x.size >= heavy.LONG:
            return _sum(widened(x), dims, keep).astype(x.dtype)
        y = _reduce_add(x, dims, np.float32, keepdims=keep)
        return row_major(y).astype(x.dtype)
    if dims is None and x.size >= heavy.LONG and x.flags.c_contiguous:
        whole = heavy.of_rows("sums", x.reshape(1, -1))
        if whole is not None:
            return whole.reshape((1,) * x.ndim) if keep else whole[0]
    small = dims is None or x.size < MANY
    y = _reduce_add(x, dims, None, None, keep) if small else row_sums(x, dims, keep)
    return y if y.ndim < 2 else row_major(y)


sum = linear(
    "sum", eval=_sum, adjoint=lambda g, x, dims, keep: spread(g, x, dims),
    node=lambda e: f"SumBackward{int(e[PARAMS][0] is not None)}",
    doc="The sum over dimensions; integers sum as int64.",
)  # fmt: skip


def _mean(x: np.ndarray, dims: Dims, keep: bool) -> Any:
    elements, total = count(x.shape, dims), _sum(widened(x), dims, keep)
    if not elements and total.size:
        warn_of_nothing(f"mean of shape {x.shape}")
        return (total * np.nan).astype(x.dtype)
    if x.dtype.char in "fd":
        return total / number(elements, x.dtype)
    return (total / elements).astype(x.dtype)


mean = linear("mean", eval=_mean,
              adjoint=lambda g, x, dims, keep: spread(g / count(x.shape, dims), x, dims),
              node=lambda e: f"MeanBackward{int(e[PARAMS][0] is not None)}",
              doc="The arithmetic mean over dimensions.")  # fmt: skip


def _shared(g: Any, y: Any, x: Any, dims: Dims, keep: bool) -> Any:
    """The gradient of an extremum goes in equal parts to all elements that attain it."""
    hit = x == reshape(y, kept(x.shape, dims))
    ties = sum(where(hit, zero(spread(g, x, dims)) + 1, 0.0), dims, True)
    return where(hit, spread(g, x, dims) / ties, 0.0)


amax = general(
    "amax", real="max_values_cpu",
    eval=lambda x, dims, keep: row_major(row_extremes(np.maximum, x, dims, keep)),
    vjp=_shared, reads="xy", doc="The largest value; ties share the gradient.",
)  # fmt: skip
amin = general(
    "amin", real="min_values_cpu",
    eval=lambda x, dims, keep: row_major(row_extremes(np.minimum, x, dims, keep)),
    vjp=_shared, reads="xy", doc="The smallest value; ties share the gradient.",
)  # fmt: skip


def _shared_by_all(g: Any, y: Any, x: Any) -> Any:
    """As `_shared`, and if the extremum is nan its gradient goes to the nans."""
    hit = (x == y) | ((x != x) & (y != y))
    ties = sum(where(hit, zero(spread(g, x, None)) + 1, 0.0), None, False)
    return where(hit, spread(g / ties, x, None), 0.0)


max_all = general(
    "max_all", eval=lambda x: np.maximum.reduce(x, None), reads="xy", node="MaxBackward1",
    real="max_all", vjp=_shared_by_all, doc="The largest of all.",
)  # fmt: skip
min_all = general(
    "min_all", eval=lambda x: np.minimum.reduce(x, None), reads="xy", node="MinBackward1",
    real="min_all", vjp=_shared_by_all, doc="The smallest of all.",
)  # fmt: skip

argmax = plain("argmax", refuses={"complex": "argmax(): does not support complex input",
                                  "bool": "argmax(): does not support bool input"},
               eval=lambda x, dim, keep: np.argmax(x, dim, keepdims=keep),
               doc="The index of the first largest value.")  # fmt: skip
argmin = plain("argmin", refuses={"complex": "argmin(): does not support complex input",
                                  "bool": "argmin(): does not support bool input"},
               eval=lambda x, dim, keep: np.argmin(x, dim, keepdims=keep),
               doc="The index of the first smallest value.")  # fmt: skip
all = plain("all",
            eval=lambda x, dims, keep: row_major(np.logical_and.reduce(x, dims, keepdims=keep)),
            doc="Whether every element is nonzero.")  # fmt: skip
any = plain("any",
            eval=lambda x, dims, keep: row_major(np.logical_or.reduce(x, dims, keepdims=keep)),
            doc="Whether some element is nonzero.")  # fmt: skip


def _hashed(x: np.ndarray, dims: Dims, keep: bool) -> Any:
    wide = x.astype(np.uint64 if x.dtype.kind == "u" else np.int64 if x.dtype.kind in "ib" else "d")
    bits = wide.view(np.uint64)
    axes = tuple(range(x.ndim)) if dims is None else dims
    return row_major(np.bitwise_xor.reduce(bits, axes, keepdims=keep))


hash_tensor = plain("hash_tensor", eval=_hashed, refuses={"complex": "xor_sum_cpu"},
                    doc="The exclusive or of all elements' 64 bits.")  # fmt: skip


def _along_vjp(g: Any, y: Any, x: Any, dim: int | None, keep: bool, name: str) -> Any:
    return scatter_one(g[0], y[1], x.shape, dim, keep)


def _extremum_along(x: np.ndarray, dim: int | None, keep: bool, name: str) -> tuple[Any, Any]:
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name}(): does not support complex input")
    if dim is None:
        return x.copy(), np.zeros((), np.int64)
    if dim == x.ndim - 1 and x.flags.c_contiguous:  # without the steps of the general way
        places = np.asarray(x.argmax(-1) if name == "max" else x.argmin(-1))
        values = x.reshape(-1).take(places.reshape(-1) + np.arange(0, x.size, x.shape[-1]))
        values = values.reshape(places.shape)
        return (values[..., None], places[..., None]) if keep else (values, places)
    places = (np.argmax if name == "max" else np.argmin)(x, dim, keepdims=True)
    values = np.take_along_axis(x, places, dim)
    values, places = row_major(values), row_major(places)
    return (values, places) if keep else (values.squeeze(dim), places.squeeze(dim))


extremum_along = general(
    "extremum_along", eval=_extremum_along, vjp=_along_vjp, reads="z", outputs=2,
    node=lambda e: f"{e[PARAMS][2].title()}Backward0",
    doc="The extreme values along a dimension, and where.",
)  # fmt: skip
