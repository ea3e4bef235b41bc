"""Lengths and distances: the norms of vectors, and all distances between two sets of points."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..core import heavy
from ..core.dtypes import COMPLEX_CODES
from ..core.families import general, multilinear
from .contract import matmul
from .elementwise import abs as absolute
from .elementwise import pow as power
from .elementwise import sgn, where
from .placing import index_select, spread_rows
from .reduce import Dims, kept
from .reduce import sum as sum_of
from .structure import expand, reshape, row_major, transpose


def _vector_norm(x: np.ndarray, order: float, dims: Dims, keep: bool) -> Any:
    if order == 2 and x.dtype.kind == "f" and x.dtype.itemsize > 2:
        along = x.reshape(-1) if dims is None else x if dims == (x.ndim - 1,) else None
        if along is not None and not keep and x.size >= 1024 and x.flags.c_contiguous:
            return np.sqrt(np.vecdot(along, along))
        return np.sqrt(row_major(np.add.reduce(x * x, dims, keepdims=keep)))
    size = np.abs(x.astype(np.float32) if x.dtype.itemsize == 2 else x)
    kind = x.dtype if x.dtype.char not in COMPLEX_CODES else size.dtype
    if order in (np.inf, -np.inf):
        reduce = np.maximum.reduce if order > 0 else np.minimum.reduce
        y = reduce(size, dims, keepdims=keep)
    elif order == 0:
        y = np.add.reduce(size != 0, dims, keepdims=keep)
    elif order == 1:
        y = np.add.reduce(size, dims, keepdims=keep)
    elif order == 2:
        y = np.sqrt(np.add.reduce(size * size, dims, keepdims=keep))
    else:
        y = np.power(np.add.reduce(np.power(size, order), dims, keepdims=keep), 1.0 / order)
    return row_major(np.asarray(y)).astype(kind, copy=False)


def _vector_norm_vjp(g: Any, y: Any, x: Any, order: float, dims: Dims, keep: bool) -> Any:
    shape = kept(x.shape, dims)
    g, y = (expand(reshape(one, shape), x.shape) for one in (g, y))
    if order == 0:
        return g * (x - x)  # zeros of x's type
    if order == 1:
        return g * sgn(x)
    if order in (np.inf, -np.inf):
        hit = absolute(x) == y
        ties = sum_of(where(hit, power(absolute(x), 0.0), 0.0), dims, True)
        return where(hit, g / ties, 0.0) * sgn(x)
    zero = y == 0
    safe = where(zero, 1.0, y)
    if order == 2:
        if (
            type(x) is np.ndarray and x.dtype.itemsize == 2
        ):  # torch's order, each op of which rounds
            return g * where(zero, 0.0, x / safe)
        return where(zero, 0.0, g / safe) * x
    if order < 2:
        zero = zero | (x == 0)
    scale = where(zero, 0.0, g * power(safe, 1.0 - order))
    return scale * sgn(x) * power(where(zero, 1.0, absolute(x)), order - 1.0)


vector_norm = general(
    "linalg_vector_norm", eval=_vector_norm, vjp=_vector_norm_vjp, reads="xy",
    node="LinalgVectorNormBackward0",
    doc="(sum |x|^p)^(1/p) over dimensions; the largest |x| for p = inf; the gradient at 0 is 0.",
)  # fmt: skip

# Above so many points a matrix product is faster than the differences themselves.
_FEW = 25


NATIVE = heavy.Pieces("distances")
_PAYS = 1 << 15  # differences from which on native code is used
_FEW_SUMMED = 128  # columns that NumPy sums without halves
# columns that BLAS adds one after the other, as float64 (OpenBLAS 0.3.34 rounds float64 once)
_FEW_DOTTED = {"f": 32, "d": 16}
_AT_ONCE = 1 << 15  # differences that stay in the cache


def _natively(way: str, a: np.ndarray, b: np.ndarray, behind: bool) -> np.ndarray | None:
    """The norms of a[i] - b[j] by native code, of all j or of those behind i; None without it."""
    (rows, columns), others, kind = a.shape, len(b), a.dtype
    count = rows * (rows - 1) // 2 if behind else rows * others
    few = _FEW_DOTTED.get(kind.char, 0) if way == "dots" else _FEW_SUMMED + 1
    plain = type(a) is type(b) is np.ndarray and kind == b.dtype and kind.char in "fd"
    if count * columns < _PAYS or not plain or columns >= few or (found := NATIVE.found) is None:
        return None
    a, turned, y = np.ascontiguousarray(a), np.ascontiguousarray(b.T), np.empty(count, kind)
    arrays = [one.ctypes.data for one in (a, turned, y)]
    found.get(f"{way}_{kind.char}")(*arrays, rows, others, columns, int(behind))
    return y if behind else y.reshape(rows, others)


def _distances(a: np.ndarray, b: np.ndarray, by_product: bool) -> np.ndarray:
    if not by_product:
        # sums of differences in another order of memory are taken in that order
        plain = a.ndim == b.ndim == 2 and a.flags.c_contiguous and b.flags.c_contiguous
        y = _natively("squares", a, b, False) if plain else None
        if y is not None:
            return y
        gap = a[..., :, None, :] - b[..., None, :, :]
        return np.sqrt(np.add.reduce(gap * gap, -1))
    squares = np.add.reduce(a * a, -1)[..., :, None] + np.add.reduce(b * b, -1)[..., None, :]
    return np.sqrt(np.maximum(squares - 2 * (a @ np.swapaxes(b, -1, -2)), 0))


def _distances_vjp(g: Any, y: Any, a: Any, b: Any, by_product: bool) -> tuple[Any, Any]:
    zero = y == 0
    weights = where(zero, 0.0, g / where(zero, 1.0, y))
    back = transpose(weights, -2, -1)
    last = weights.ndim - 1
    by_a = sum_of(weights, (last,), True) * a - matmul(weights, b)
    return by_a, sum_of(back, (last,), True) * b - matmul(back, a)


distances = general(
    "cdist", eval=_distances, arity=2, vjp=_distances_vjp, reads="xy", node="CdistBackward0",
    doc="The Euclidean distances between all rows of a and all rows of b.",
)  # fmt: skip


def use_product(mode: str, rows: int, columns: int) -> bool:
    """Whether torch's `compute_mode` asks for the product form for so many points."""
    if mode == "use_mm_for_euclid_dist":
        return True
    return mode == "use_mm_for_euclid_dist_if_necessary" and (rows > _FEW or columns > _FEW)


def _pairs(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows of each pair, the first before the second."""
    return (_few_pairs if rows <= 64 else _few_pairs.__wrapped__)(rows)


@functools.lru_cache(65)
def _few_pairs(rows: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.arange(rows)
    first, second = (numbers[:, None] < numbers).nonzero()
    return first, second


_PAIR_WAYS = {1.0: "sums", 2.0: "dots", np.inf: "largest"}


def _pair_norms(x: np.ndarray, order: float) -> np.ndarray:
    rows, columns = x.shape
    way = _PAIR_WAYS.get(order)
    y = _natively(way, x, x, True) if way else None
    if y is not None:
        return y
    first, second = _pairs(rows)
    step = _AT_ONCE // max(columns, 1)
    if len(first) <= 2 * step or not step:
        return _vector_norm(x.take(first, 0) - x.take(second, 0), order, (1,), False)
    y = np.empty(len(first), x.dtype)
    ends = [*range(step, len(first) - step, step), len(first)]  # no part is short
    for start, end in zip([0, *ends], ends):
        gap = x.take(first[start:end], 0) - x.take(second[start:end], 0)
        y[start:end] = _vector_norm(gap, order, (1,), False)
    return y


def _beside(weights: np.ndarray, rows: int) -> np.ndarray:
    """A number for each pair in both its places of a square."""
    first, second = _pairs(rows)
    square = np.zeros((rows, rows), weights.dtype)
    square.reshape(-1)[first * rows + second] = weights
    return square + square.T


def _pull_pairs(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    rows, columns = x.shape
    square, x = _beside(weights, rows), np.ascontiguousarray(x)
    native = rows * rows * columns >= _PAYS and x.dtype.char in "fd"
    if native and x.dtype == square.dtype and (found := NATIVE.found) is not None:
        y = np.empty_like(x)
        arrays = [one.ctypes.data for one in (x, square, y)]
        found.get(f"pulls_{x.dtype.char}")(*arrays, rows, rows, columns, 0)
        return y
    if rows * rows * columns <= _AT_ONCE:
        return (square[:, None] @ (x[:, None] - x)).reshape(x.shape)
    return np.stack([line @ (row - x) for line, row in zip(square, x)])


def _pair_dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    first, second = _pairs(len(a))
    gaps = [x.take(first, 0) - x.take(second, 0) for x in (a, b)]
    return np.add.reduce(gaps[0] * gaps[1], 1)


pull_pairs = multilinear(
    "pull_pairs", eval=_pull_pairs,
    adjoints=[lambda g, weights, x: pair_dots(g, x), lambda g, weights, x: pull_pairs(weights, g)],
    doc="For each row the sum of its differences from the others, weighted by pairs.",
)  # fmt: skip
pair_dots = multilinear(
    "pair_dots", eval=_pair_dots,
    adjoints=[lambda g, a, b: pull_pairs(g, b), lambda g, a, b: pull_pairs(g, a)],
    doc="For each pair of rows the product of their differences in a and in b.",
)  # fmt: skip


def _pair_norms_vjp(g: Any, y: Any, x: Any, order: float) -> Any:
    if order == 2:
        zero = y == 0
        return pull_pairs(where(zero, 0.0, g / where(zero, 1.0, y)), x)
    first, second = _pairs(x.shape[0])
    gap = index_select(x, 0, first) - index_select(x, 0, second)
    back = _vector_norm_vjp(g, y, gap, order, (1,), False)
    return spread_rows(back, x.shape, 0, first) - spread_rows(back, x.shape, 0, second)


pair_norms = general(
    "pdist", eval=_pair_norms, vjp=_pair_norms_vjp, reads="xy", node="PdistBackward0",
    doc="The p-norms of the differences of all pairs of rows of a matrix.",
)  # fmt: skip
