"""Orders: sorting, the k largest, the middle and the most frequent."""

from __future__ import annotations

from functools import lru_cache, wraps
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import not_implemented
from ..core.families import general, plain
from ..core.numbers import everywhere
from ..core.tape import PARAMS
from . import introsort
from .elementwise import where
from .indexing_along import scatter_one, spread_along
from .reduce import kept, spread
from .reduce import sum as sum_of
from .structure import reshape, zero


def in_float32(evaluate: Any) -> Any:
    """An evaluation that orders bfloat16 as float32: NumPy finds no order for its nans."""

    @wraps(evaluate)
    def evaluated(x: np.ndarray, *params: Any) -> Any:
        if x.dtype.char != "E":
            return evaluate(x, *params)
        found = evaluate(x.astype(np.float32), *params)
        if type(found) is tuple:
            return found[0].astype(x.dtype), found[1]
        return found.astype(x.dtype)

    return evaluated


def order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """The places of the elements in (stable) order; nan is the largest number of all."""
    if not descending:
        return np.argsort(x, dim, kind="stable")
    turned = np.argsort(np.flip(x, dim), dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(turned, dim)


@lru_cache(64)
def starts(shape: tuple[int, ...]) -> np.ndarray:
    """Where in memory each row of an array begins, one under the other."""
    found = np.arange(0, prod(shape), shape[-1]).reshape(*shape[:-1], 1)
    found.flags.writeable = False
    return found


@lru_cache(64)
def _starts_of_all(shape: tuple[int, ...]) -> np.ndarray:
    """The same at every place of a row: a column beside a matrix costs 0.6 us more."""
    found = starts(shape).repeat(shape[-1], -1)
    found.flags.writeable = False
    return found


@lru_cache(64)
def _firsts(shape: tuple[int, ...], k: int, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where in memory the first (or last) k of each row stand, a row for each, and rows begin."""
    ranks = np.arange(shape[-1] - 1, shape[-1] - 1 - k, -1) if last else np.arange(k)
    begin = np.ascontiguousarray(starts(shape).reshape(-1))
    found = begin + ranks.reshape(-1, 1), np.tile(begin, (k, 1))
    for table in found:
        table.flags.writeable = False
    return found


FEW = 4096  # elements up to which such tables are kept
MIDDLE = 256  # elements of a row up to which an order of all is no dearer than a partition
SHORT = 1024  # elements of a row up to which equal ones are rare enough to try without them
SOON = 20  # elements up to which the stable order is found sooner than any


def _any_order(rows: np.ndarray) -> np.ndarray:
    """The places of the elements in order along the last dimension; nan comes last."""
    return rows.argsort(-1, "stable" if rows.shape[-1] <= SOON else None)


def _apart(values: np.ndarray, descending: bool) -> bool:
    """Whether all rows in order are of different numbers, none of them nan."""
    flat = values.reshape(-1)
    apart = (np.greater if descending else np.less)(flat[:-1], flat[1:])
    apart[values.shape[-1] - 1 :: values.shape[-1]] = True  # where a row ends
    return everywhere(apart)


def _if_apart(x: np.ndarray, dim: int, descending: bool, careful: Any) -> Any:
    """Values and places in order, where few rows have equal elements or nan; None elsewhere.

    Any order of different numbers is stable; rows with others are left to `careful(rows)`.
    """
    if x.dtype.char not in "fd" or not 1 < x.shape[dim] <= SHORT:
        return None
    last = dim == x.ndim - 1
    rows = np.ascontiguousarray(_rows(x, dim))
    places = _any_order(-rows if descending else rows)
    if rows.ndim == 1:
        values = rows[places]
    else:
        known = _starts_of_all if rows.size <= FEW else starts.__wrapped__
        values = rows.take(places + known(rows.shape))
    if not _apart(values, descending):
        apart = (np.greater if descending else np.less)(values[..., :-1], values[..., 1:])
        bad = ~apart.all(-1)
        if rows.ndim == 1 or 4 * np.count_nonzero(bad) > bad.size:
            return None
        values[bad], places[bad] = careful(rows[bad])
    if last:
        return values, places
    return _back(values, dim), _back(places, dim)


def _rows(x: np.ndarray, dim: int) -> np.ndarray:
    """The array with a dimension last."""
    return x if dim == x.ndim - 1 else np.moveaxis(x, dim, -1)


def _back(rows: np.ndarray, dim: int) -> np.ndarray:
    """An array whose last dimension is back where it was, in order of memory."""
    last = dim == rows.ndim - 1
    return np.ascontiguousarray(rows if last else np.moveaxis(rows, -1, dim))


def _at(x: np.ndarray, places: np.ndarray, dim: int) -> np.ndarray:
    return x[places] if x.ndim == 1 else np.take_along_axis(x, places, dim)


LARGE = 1 << 15  # whole numbers in one row, from which on torch sorts by their digits


@in_float32
def _sort(
    x: np.ndarray, dim: int, descending: bool, stable: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    found = _if_apart(x, dim, descending, lambda rows: _sorted(rows, -1, descending, stable))
    return _sorted(x, dim, descending, stable) if found is None else found


def _sorted(
    x: np.ndarray, dim: int, descending: bool, stable: bool | None
) -> tuple[np.ndarray, np.ndarray]:
    by_digits = x.ndim == 1 and x.size >= LARGE and x.dtype.kind in "iu" and not descending
    free = not (stable or by_digits or x.shape[dim] <= introsort.SMALL)
    rows = _rows(x, dim)
    found = introsort.natively(rows, descending) if free else None
    if found is not None:
        places = _back(found, dim)
        return _at(x, places, dim), places
    places = _by_digits(x) if by_digits else None
    if places is None:
        places = np.ascontiguousarray(order(x, dim, descending))
    values = _at(x, places, dim)
    if free and _has_equals(_rows(values, dim)):
        found = introsort.slowly(rows, descending)
        places = places if found is None else _back(found, dim)
    return values, places


def _by_digits(x: np.ndarray) -> np.ndarray | None:
    """Stable order of whole numbers less than 2**32 apart: NumPy counts those of sixteen digits."""
    first, last = int(x.min()), int(x.max())
    if x.dtype.itemsize < 4 or last - first >= 1 << 32:
        return None
    keys = np.subtract(x, first, dtype=x.dtype).astype(np.uint32)
    low = keys.astype(np.uint16).argsort(kind="stable")
    if last - first < 1 << 16:
        return low
    high = (keys >> np.uint32(16)).astype(np.uint16)[low]
    return low[high.argsort(kind="stable")]


def _has_equals(rows: np.ndarray) -> bool:
    """Whether neighbours in a row are equal, or both nan."""
    after, before = rows[..., 1:], rows[..., :-1]
    if (after == before).any():
        return True
    return rows.dtype.kind not in "iub" and bool((np.isnan(after) & np.isnan(before)).any())


def _raw(places: Any) -> np.ndarray:
    return places if isinstance(places, np.ndarray) else places._array


def _placed_back(g: Any, y: Any, x: Any, dim: int, *_: Any) -> Any:
    return spread_along(g[0], x.shape, dim, _raw(y[1])) if x.shape else g[0]


sort = general("sort", eval=_sort, vjp=_placed_back, reads="z", outputs=2,
               node=lambda e: f"SortBackward{int(e[PARAMS][2] is not None)}",
               doc="The elements in order along a dimension, and where each was.")  # fmt: skip


@in_float32
def _topk(x: np.ndarray, dim: int, k: int, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    few = x.size <= (FEW if x.shape[-1] > MIDDLE else 2 * FEW)
    if dim == x.ndim - 1 and few and (found := _first_of_few(x, k, largest)) is not None:
        return found
    places = _few_of_many(x, dim, k, largest) if x.size >= FEW else None
    if places is None:
        found = _if_apart(x, dim, largest, lambda rows: _topk_whole(rows, k, largest))
        if found is not None:
            part = (*(slice(None),) * dim, slice(k))
            return found[0][part].copy(), found[1][part].copy()
        places = _usual_first(x, dim, k, largest)
    return _at(x, places, dim), places


def _first_of_few(x: np.ndarray, k: int, largest: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """The first k of rows, if neither they nor the next one are equal; the rest may be."""
    length = x.shape[-1]
    if x.dtype.char not in "fd" or not 1 < length <= SHORT or not x.flags.c_contiguous:
        return None
    first, begin = _firsts(x.shape, min(k + 1, length), largest)
    places = _any_order(x).take(first)
    values = x.take(places + begin)
    if not everywhere((np.greater if largest else np.less)(values[:-1], values[1:])):
        return None
    values, places = values[:k].T.copy(), places[:k].T.copy()
    if x.ndim == 2:
        return values, places
    shape = (*x.shape[:-1], k)
    return values.reshape(shape), places.reshape(shape)


def _topk_whole(rows: np.ndarray, k: int, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    """The first k of rows; what stands behind them is not looked at."""
    places = np.zeros(rows.shape, np.int64)
    places[..., :k] = _usual_first(rows, rows.ndim - 1, k, largest)
    return _at(rows, places, -1), places


def _usual_first(x: np.ndarray, dim: int, k: int, largest: bool) -> np.ndarray:
    """The places of the first k in order, equal elements as torch leaves them."""
    rows = _rows(x, dim)
    found = introsort.natively(rows, largest, k) if k else None
    if found is None:
        places = order(rows, -1, largest)
        found = places[..., :k]
        if k and _has_equals(_at(rows, places, -1)):
            slow = introsort.slowly(rows, largest, k)
            found = found if slow is None else slow
    return _back(found, dim)


def _few_of_many(x: np.ndarray, dim: int, k: int, largest: bool) -> np.ndarray | None:
    """The same by partition; None where there is nan, no gain, or equal ones among the first."""
    size = x.shape[dim]
    if not 0 < k <= size // 4 or size < 64 or x.dtype.kind not in "fiu" or x.dtype.itemsize < 4:
        return None
    rows, count = np.moveaxis(x, dim, -1), x.size // size * k
    limit = _at_rank(rows, size - k if largest else k - 1)
    taken = rows >= limit if largest else rows <= limit
    if np.count_nonzero(taken) != count:
        return None
    places = (np.flatnonzero(taken) % size).reshape(*rows.shape[:-1], k)
    values = np.take_along_axis(rows, places, -1)
    ranks = order(values, -1, largest)
    values = np.take_along_axis(values, ranks, -1)
    if (values[..., 1:] == values[..., :-1]).any():
        return None
    places = np.take_along_axis(places, ranks, -1)
    return np.ascontiguousarray(np.moveaxis(places, -1, dim))


def _at_rank(rows: np.ndarray, k: int) -> np.ndarray:
    """The k-th smallest number (from 0) of each row; short rows are sorted faster than parted."""
    found = np.sort(rows) if rows.shape[-1] <= 1024 else np.partition(rows, k)
    return found[..., k : k + 1]


def _first(x: np.ndarray, dim: int, k: int) -> np.ndarray:
    return x[(slice(None),) * dim + (slice(k),)]


topk = general(
    "topk", eval=_topk, vjp=_placed_back, reads="z", outputs=2,
    refuses={"bool": "topk does not support bool dtypes on CPU"},
    doc="The k largest (or smallest) elements along a dimension, and where.",
)  # fmt: skip


def _picked_vjp(g: Any, y: Any, x: Any, dim: int, keep: bool, *_: Any) -> Any:
    return scatter_one(g[0], y[1], x.shape, dim if x.shape else None, keep)


def _pick(x: np.ndarray, places: np.ndarray, dim: int, keep: bool) -> tuple[Any, Any]:
    values = np.ascontiguousarray(np.take_along_axis(x, places, dim))
    places = np.ascontiguousarray(places)
    return (values, places) if keep else (values.squeeze(dim), places.squeeze(dim))


@in_float32
def _kth(x: np.ndarray, dim: int, keep: bool, k: int) -> tuple[Any, Any]:
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    places = _place_of(x, dim, k - 1)
    if places is None:
        places = order(x, dim, False)[(slice(None),) * dim + (slice(k - 1, k),)]
    rows = np.moveaxis(x, dim, -1)
    level = rows == np.moveaxis(np.take_along_axis(x, places, dim), dim, -1)
    if (np.count_nonzero(level, -1) > 1).any():  # of equal ones the one that torch's steps reach
        found = introsort.kth(rows, k - 1)
        places = places if found is None else np.moveaxis(found, -1, dim)
    return _pick(x, places, dim, keep)


def _place_of(x: np.ndarray, dim: int, k: int) -> np.ndarray | None:
    """Where the k-th element in stable order stands, by partition; None if there is nan."""
    kind = x.dtype.kind
    if x.shape[dim] < 16 or kind not in "fiu" or (kind == "f" and np.isnan(x).any()):
        return None
    rows = np.moveaxis(x, dim, -1)
    value = _at_rank(rows, k)
    level, before = rows == value, k - np.count_nonzero(rows < value, -1, keepdims=True)
    if before.any():
        level &= np.cumsum(level, -1, dtype=np.int32) == before + 1
    return np.moveaxis(level.argmax(-1)[..., None], -1, dim)


kthvalue = general("kthvalue", eval=_kth, vjp=_picked_vjp, reads="z", outputs=2,
                   refuses={"bool": "kthvalue_cpu"},
                   doc="The k-th smallest element along a dimension, and where.")  # fmt: skip


def _need_order(x: np.ndarray, kernel: str) -> None:
    """torch's error for complex numbers, which have no order."""
    if x.dtype.kind == "c":
        raise not_implemented(kernel, dtypes.of(x))


def _middle(x: np.ndarray, dim: int, skip_nan: bool) -> np.ndarray:
    """Where the (lower) median stands along a dimension, that dimension kept with size 1."""
    size = x.shape[dim]
    found = _place_of(x, dim, (size - 1) // 2)
    if found is not None:
        return found
    places = order(x, dim, False)
    if x.dtype.kind in "iub":
        return places.take([(size - 1) // 2], dim)
    missing = np.isnan(x).sum(dim, keepdims=True)
    if skip_nan:
        return np.take_along_axis(places, np.maximum(size - missing - 1, 0) // 2, dim)
    # a nan, if there is one, is the median: the first of them
    at = np.where(missing > 0, size - missing, (size - 1) // 2)
    return np.take_along_axis(places, at, dim)


def _median_along(name: str, skip_nan: bool) -> Any:
    @in_float32
    def evaluate(x: np.ndarray, dim: int, keep: bool) -> tuple[Any, Any]:
        if not x.ndim:
            return x.copy(), np.zeros((), np.int64)
        return _pick(x, _middle(x, dim, skip_nan), dim, keep)

    node = "NanmedianBackward1" if skip_nan else "MedianBackward1"
    return general(name, eval=evaluate, vjp=_picked_vjp, reads="z", outputs=2, node=node,
                   refuses={"bool complex": "median_out"},
                   doc="The (lower) median along a dimension, and where.")  # fmt: skip


def _median_all(name: str, skip_nan: bool) -> Any:
    @in_float32
    def evaluate(x: np.ndarray) -> np.ndarray:
        if not x.size:
            return np.full((), np.nan, x.dtype)
        flat = x.reshape(-1)
        if x.dtype.kind in "iu" or (x.dtype.kind == "f" and not np.isnan(x).any()):
            middle = (flat.size - 1) // 2
            return np.partition(flat, middle)[middle]
        return flat[_middle(flat, 0, skip_nan)[0]]

    def vjp(g: Any, y: Any, x: Any) -> Any:
        hit = (x == y) | ((x != x) & (y != y))
        ties = sum_of(where(hit, zero(spread(g, x, None)) + 1, 0.0), None, False)
        return where(hit, spread(g / ties, x, None), 0.0)

    node = "NanmedianBackward0" if skip_nan else "MedianBackward0"
    return general(name, eval=evaluate, vjp=vjp, reads="xy", node=node,
                   refuses={"bool complex": "median_cpu"},
                   doc="The (lower) median of all elements; ties share the gradient.")  # fmt: skip


median_along, nanmedian_along = (
    _median_along("median_along", False), _median_along("nanmedian_along", True)
)  # fmt: skip
median_all, nanmedian_all = _median_all("median_all", False), _median_all("nanmedian_all", True)


def _mode(x: np.ndarray, dim: int, keep: bool) -> tuple[Any, Any]:
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    _need_order(x, "mode_cpu")
    values, places = _sort(x, dim, False)
    values = np.moveaxis(values, dim, -1)
    size = values.shape[-1]
    starts = np.ones(values.shape, bool)
    starts[..., 1:] = values[..., 1:] != values[..., :-1]
    first = np.maximum.accumulate(np.where(starts, np.arange(size), 0), -1)
    run = np.arange(size) - first  # how many equal ones stand before
    best = np.moveaxis(np.expand_dims(run.argmax(-1), -1), -1, dim)
    return _pick(x, np.take_along_axis(places, best, dim), dim, keep)


mode = general(
    "mode", eval=_mode, vjp=_picked_vjp, reads="z", outputs=2,
    doc="The most frequent (smallest of several) element along a dimension.",
)  # fmt: skip


def _aminmax(x: np.ndarray, dims: Any, keep: bool) -> tuple[Any, Any]:
    _need_order(x, "aminmax_cpu")
    return np.minimum.reduce(x, dims, keepdims=keep), np.maximum.reduce(x, dims, keepdims=keep)


def _shared(g: Any, y: Any, x: Any, dims: Any) -> Any:
    hit = x == reshape(y, kept(x.shape, dims))
    ties = sum_of(where(hit, zero(spread(g, x, dims)) + 1, 0.0), dims, True)
    return where(hit, spread(g, x, dims) / ties, 0.0)


aminmax = general(
    "aminmax", eval=_aminmax, outputs=2, reads="xy",
    vjp=lambda g, y, x, dims, keep: _shared(g[0], y[0], x, dims) + _shared(g[1], y[1], x, dims),
    doc="The smallest and the largest value; ties share the gradient.",
)  # fmt: skip
argsort = plain(
    "argsort",
    eval=lambda x, dim, descending, stable=False: _sort(x, dim, descending, stable)[1],
    doc="Where the elements stand in order along a dimension.",
)  # fmt: skip
