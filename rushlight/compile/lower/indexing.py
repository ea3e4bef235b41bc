"""Reading and adding at places: index, gather, scatter, embeddings.

Places in several dimensions become one flat index. A place outside of its dimension is sent beyond
the end of the flattened array, where `take` and `scatter_add` refuse it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ...ops.indexing_along import grid
from .reduce import norm
from .value import INT64, NotNative, Value

_LONG = 1 << 16  # elements of which a table of sources is worth keeping
_WIDE = 1 << 12  # comparisons per number up to which an index is found by comparing


def _steps(shape: Sequence[int]) -> list[int]:
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def _known(x: Any) -> np.ndarray | None:
    """The array of places that do not change from run to run."""
    if type(x) is Value:
        return x.node.params[0] if x.node.op == "constant" else None
    return np.asarray(x)


def wrapped(s: Any, places: Any, size: int) -> Any:
    """Places with negative ones counted from the end."""
    known = _known(places)
    if known is not None:
        known = known.astype(np.int64)
        if known.size and (known.min() < -size or known.max() >= size):
            raise NotNative("a place outside")
        return s.constant(np.where(known < 0, known + size, known))
    places = s.cast(places, INT64)
    return s.where(places < 0, places + size, places)


def _flat_index(s: Any, places: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Places in adjacent dimensions as one index; beyond the end where one is outside."""
    if all(_known(one) is not None for one in places):
        known = [wrapped(s, one, n).node.params[0] for one, n in zip(places, sizes)]
        return s.constant(sum(one * step for one, step in zip(known, _steps(sizes))))
    total, valid = None, None
    for one, n, step in zip(places, sizes, _steps(sizes)):
        at = wrapped(s, one, n)
        inside = (at >= 0) & (at < n)
        valid = inside if valid is None else valid & inside
        at = at * step if step != 1 else at
        total = at if total is None else total + at
    return s.where(valid, total, prod(sizes))


# -- index arrays ------------------------------------------------------------------------------


def _spelled(key: Any, ndim: int) -> list[Any]:
    """A key with one entry per dimension: an array of places, or None for a whole dimension."""
    key = list(key) if isinstance(key, tuple) else [key]
    found: list[Any] = []
    for one in key:
        if isinstance(one, slice) and one == slice(None):
            found.append(None)
        elif one is Ellipsis:
            used = sum(_width(k) for k in key if k is not Ellipsis)
            found.extend([None] * (ndim - used))
        elif isinstance(one, (np.ndarray, Value)):
            found.extend(_arrays(one))
        else:
            raise NotNative("an index of another kind")
    return found + [None] * (ndim - len(found))


def _width(one: Any) -> int:
    return one.ndim if isinstance(one, (np.ndarray, Value)) and one.dtype == bool else 1


def _arrays(one: Any) -> list[Any]:
    """A mask whose values are known as arrays of places."""
    if one.dtype != bool:
        return [one]
    known = _known(one)
    if known is None:
        raise NotNative("a result of a size that the values decide")
    return list(np.nonzero(known))


class Plan:
    """How a key reads x: dimensions permuted, the indexed ones as one, and the flat index."""

    def __init__(self, s: Any, shape: Sequence[int], key: Any) -> None:
        places = _spelled(key, len(shape))
        dims = [i for i, one in enumerate(places) if one is not None]
        if not dims or len(places) != len(shape):
            raise NotNative("an index without arrays")
        rest = [i for i in range(len(shape)) if i not in dims]
        together = dims == list(range(dims[0], dims[0] + len(dims)))
        self.at = dims[0] if together else 0
        self.order = [*rest[: self.at], *dims, *rest[self.at :]]
        self.moved = tuple(shape[i] for i in self.order)
        after = self.at + len(dims)
        sizes = self.moved[self.at : after]
        self.flat = (*self.moved[: self.at], prod(sizes), *self.moved[after:])
        arrays = [places[i] for i in dims]
        self.index = (wrapped(s, arrays[0], sizes[0]) if len(arrays) == 1
                      else _flat_index(s, arrays, sizes))  # fmt: skip

    def laid(self, s: Any, x: Any) -> Any:
        return s.reshape(s.permute(x, self.order), self.flat)

    def back(self, s: Any, y: Any) -> Any:
        inverse = np.argsort(self.order)
        return s.permute(s.reshape(y, self.moved), inverse)


def _index(s: Any, x: Any, key: Any) -> Any:
    plan = Plan(s, x.shape, key)
    return s.take(plan.laid(s, x), plan.index, plan.at)


def _add_at(s: Any, g: Any, shape: Any, key: Any) -> Any:
    plan = Plan(s, shape, key)
    zeros = s.zeros(plan.flat, g.dtype)
    return plan.back(s, s.scatter_add(zeros, plan.index, g, plan.at))


def _index_put(s: Any, x: Any, value: Any, key: Any, accumulate: bool) -> Any:
    if accumulate:
        plan = Plan(s, x.shape, key)
        return plan.back(s, s.scatter_add(plan.laid(s, x), plan.index, value, plan.at))
    one = key[0] if isinstance(key, tuple) and len(key) == 1 else key
    if _fixed(key):
        return _overwritten(s, x, value, key)
    if type(one) is not Value or one.dtype != bool or value.size != 1:
        places = _spelled(key, x.ndim)
        dims = [i for i, found in enumerate(places) if found is not None]
        if len(dims) != 1 or len(places) != x.ndim:
            raise NotNative("places overwritten")
        return _put_along(s, x, value, dims[0], places[dims[0]])
    mask = s.reshape(one, (*one.shape, *(1,) * (x.ndim - one.ndim)))
    return s.where(mask, s.cast(s.reshape(value, ()), x.dtype), x)


def _put_along(s: Any, x: Any, value: Any, dim: int, index: Any) -> Any:
    """x with what is at places of a dimension overwritten; of two values for one the last stays."""
    n, m = x.shape[dim], index.size
    if index.ndim != 1 or not m or (m > 1 and n * m > max(_WIDE, x.size)):
        raise NotNative("places overwritten")
    region = (*x.shape[:dim], m, *x.shape[dim + 1 :])
    value = s.cast(s.wrap(value), x.dtype)
    while value.ndim > x.ndim and value.shape[0] == 1:
        value = s.reshape(value, value.shape[1:])
    value, at = s.expand(value, region), _checked(s, index, n)
    along = (*(1,) * dim, n, *(1,) * (x.ndim - 1 - dim))
    if m == 1:
        hit = s.eq(s.iota(along, dim), s.reshape(at, (1,) * x.ndim))
        return s.where(hit, value, x)
    same = s.eq(s.iota((n, m), 0), s.reshape(at, (1, m)))
    found = s.amax(s.where(same, s.iota((n, m), 1), s.constant(-1, INT64)), 1)
    picked = s.take(value, s.max(found, s.constant(0, INT64)), dim)
    return s.where(s.reshape(found >= 0, along), picked, x)


def _fixed(key: Any) -> bool:
    """Whether a key names the same places in every run."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(type(one) is not Value or _known(one) is not None for one in parts)


def _overwritten(s: Any, x: Any, value: Any, key: Any) -> Any:
    """x[key] = value at places that are known: each element is picked from x or from the value."""
    if x.size > _LONG:
        raise NotNative("a table of all elements")
    parts = key if isinstance(key, tuple) else (key,)
    key = tuple(_known(one) if type(one) is Value else one for one in parts)
    table = np.arange(x.size).reshape(x.shape)
    region = table[key].shape
    table[key] = x.size + np.arange(prod(region)).reshape(region)
    value = s.expand(s.cast(s.wrap(value), x.dtype), region)
    both = s.cat([s.reshape(x, (x.size,)), s.reshape(value, (value.size,))], 0)
    return s.take(both, table, 0)


# -- along one dimension -----------------------------------------------------------------------


def _gather_index(s: Any, shape: Sequence[int], dim: int, places: Any) -> Any:
    """Places along dim, every position of the other dimensions, as indices into flat memory."""
    others = [s.iota(places.shape, i) for i in range(len(shape))]
    known = _known(places)
    if known is not None:
        others = [np.arange(n).reshape((-1,) + (1,) * (len(shape) - 1 - i))
                  for i, n in enumerate(known.shape)]  # fmt: skip
        others = [np.broadcast_to(one, known.shape) for one in others]
        return _flat_index(s, [*others[:dim], known, *others[dim + 1 :]], shape)
    at = wrapped(s, places, shape[dim])
    inside = (at >= 0) & (at < shape[dim])
    total = None
    for i, step in enumerate(_steps(shape)):
        if places.shape[i] == 1 and i != dim:
            continue
        part = (at if i == dim else others[i]) * step if step != 1 else (
            at if i == dim else others[i])  # fmt: skip
        total = part if total is None else total + part
    return s.where(inside, total, prod(shape))


def _flat_places(s: Any, shape: Sequence[int], dim: int, places: Any) -> Any:
    if not len(shape):
        return s.cast(s.wrap(places), INT64) * 0
    if not places.ndim:
        return wrapped(s, places, shape[0])
    return _gather_index(s, shape, dim, places)


def _gather(s: Any, x: Any, dim: int, places: Any) -> Any:
    return s.take(s.reshape(x, (x.size,)), _flat_places(s, x.shape, dim, places), 0)


def _one_each(shape: Sequence[int], dim: int, places: Any) -> bool:
    """Whether there is just one place for each row along dim."""
    return (
        len(shape) > 0
        and places.ndim == len(shape)
        and all(n == (1 if i == dim else shape[i]) for i, n in enumerate(places.shape))
    )


def _hit(s: Any, shape: Sequence[int], dim: int, places: Any) -> Any:
    return s.eq(s.iota(shape, dim), wrapped(s, places, shape[dim]))


def _spread_along(s: Any, g: Any, shape: Any, dim: int, places: Any) -> Any:
    if _one_each(shape, dim, places):
        return s.where(_hit(s, shape, dim, places), g, s.constant(0, g.dtype))
    return _scatter_add(s, s.zeros(shape, g.dtype), g, dim, places)


def _corner(s: Any, source: Any, shape: Sequence[int]) -> Any:
    return s.slice(source, (0,) * len(shape), shape)


def _scatter_add(s: Any, x: Any, source: Any, dim: int, places: Any) -> Any:
    index = _flat_places(s, x.shape, dim, places)
    count = index.size
    if places.ndim and x.ndim:
        source = _corner(s, source, places.shape)
    source = s.narrow(s.reshape(source, (source.size,)), 0, 0, count)
    flat = s.scatter_add(s.reshape(x, (x.size,)), s.reshape(index, (count,)), source, 0)
    return s.reshape(flat, x.shape)


def _checked(s: Any, places: Any, size: int) -> Any:
    """Places as they are; `take` refuses those outside."""
    return s.take(s.iota((size,), 0), wrapped(s, places, size), 0)


def _scatter_value(s: Any, x: Any, dim: int, places: Any, value: Any) -> Any:
    value = s.cast(s.wrap(np.asarray(value) if type(value) is not Value else value), x.dtype)
    known = _known(places)
    if known is not None and x.ndim:
        return _overwritten(s, x, value, grid(known, dim))
    if not _one_each(x.shape, dim, places):
        raise NotNative("several places in a row")
    return s.where(_hit(s, x.shape, dim, _checked(s, places, x.shape[dim])), value, x)


def _scatter(s: Any, x: Any, source: Any, dim: int, places: Any) -> Any:
    known = _known(places)
    if x.ndim and places.ndim:
        source = s.cast(_corner(s, source, places.shape), x.dtype)
        if known is not None:
            return _overwritten(s, x, source, grid(known, dim))
    if not _one_each(x.shape, dim, places):
        raise NotNative("several places in a row")
    return s.where(_hit(s, x.shape, dim, _checked(s, places, x.shape[dim])), source, x)


def _scatter_reduce(
    s: Any, x: Any, source: Any, dim: int, places: Any, reduce: str, with_self: bool
) -> Any:
    """Sums and means; other reductions have no native form."""
    if reduce not in ("sum", "mean") or not x.ndim or x.dtype.kind != "f":
        raise NotNative(f"{reduce} at places")
    one = s.full(places.shape, 1, x.dtype)
    count = _scatter_add(s, s.zeros(x.shape, x.dtype), one, dim, places)
    start = x if with_self else s.where(s.eq(count, 0), x, s.constant(0, x.dtype))
    total = _scatter_add(s, start, source, dim, places)
    if reduce == "sum":
        return total
    return total / s.max(count + (1 if with_self else 0), 1)


def _index_select(s: Any, x: Any, dim: int, index: Any) -> Any:
    return s.take(x, wrapped(s, index, x.shape[dim]), dim) if x.ndim else x


def _pair_norms(s: Any, x: Any, order: float) -> Any:
    """Of the differences of all pairs of rows."""
    return norm(s, _gaps(s, x), order, (1,), False)


def _gaps(s: Any, x: Any) -> Any:
    first, second = np.triu_indices(x.shape[0], 1)
    return s.sub(_index_select(s, x, 0, first), _index_select(s, x, 0, second))


def _pull_pairs(s: Any, weights: Any, x: Any) -> Any:
    back = s.mul(s.reshape(weights, (weights.size, 1)), _gaps(s, x))
    first, second = (
        _spread_rows(s, back, x.shape, 0, one) for one in np.triu_indices(x.shape[0], 1)
    )
    return first - second


def _spread_rows(s: Any, g: Any, shape: Any, dim: int, index: Any) -> Any:
    if not shape:
        return s.reshape(g, ())
    return s.scatter_add(s.zeros(shape, g.dtype), wrapped(s, index, shape[dim]), g, dim)


def _index_add(s: Any, x: Any, source: Any, dim: int, index: Any, alpha: Any) -> Any:
    if not x.ndim:
        return x + (s.reshape(source, ()) if alpha == 1 else s.reshape(source, ()) * alpha)
    source = s.cast(source if alpha == 1 else source * alpha, x.dtype)
    return s.scatter_add(x, wrapped(s, index, x.shape[dim]), source, dim)


def _index_fill(s: Any, x: Any, dim: int, index: Any, value: Any) -> Any:
    value = s.cast(s.wrap(np.asarray(value) if type(value) is not Value else value), x.dtype)
    if not x.ndim:
        return value
    n, known = x.shape[dim], _known(index)
    if known is not None:
        mask = np.zeros(n, bool)
        mask[known] = True
        hit = s.constant(mask)
    elif index.size * n > _WIDE:
        raise NotNative("a long index")
    else:
        at = s.reshape(_checked(s, index, n), (1, index.size))
        hit = s.amax(s.eq(s.iota((n, 1), 0), at), 1)
    return s.where(s.reshape(hit, (n, *(1,) * (x.ndim - 1 - dim))), value, x)


def _index_copy(s: Any, x: Any, source: Any, dim: int, index: Any) -> Any:
    known = _known(index)
    if known is None and x.ndim:
        return _put_along(s, x, source, dim, index)
    if known is None:
        raise NotNative("places overwritten")
    if not x.ndim:
        return s.reshape(source, ())
    table = np.arange(x.shape[dim])
    table[known] = x.shape[dim] + np.arange(known.size)
    return s.take(s.cat([x, s.cast(source, x.dtype)], dim), table, dim)


def _take(s: Any, x: Any, index: Any) -> Any:
    return s.take(s.reshape(x, (x.size,)), wrapped(s, index, x.size), 0)


def _put(s: Any, x: Any, source: Any, index: Any, accumulate: bool) -> Any:
    if not accumulate:
        known = _known(index)
        if known is None:
            raise NotNative("places overwritten")
        flat, one = s.reshape(x, (x.size,)), s.reshape(source, (source.size,))
        return s.reshape(_overwritten(s, flat, one, known.reshape(-1)), x.shape)
    index = wrapped(s, index, x.size)
    index, source = s.reshape(index, (index.size,)), s.reshape(source, (source.size,))
    return s.reshape(s.scatter_add(s.reshape(x, (x.size,)), index, source, 0), x.shape)


# -- embeddings --------------------------------------------------------------------------------


def _embedding(s: Any, table: Any, places: Any, padding: int, by_count: bool) -> Any:
    return s.take(table, places, 0)


def _counts(s: Any, places: Any, rows: int, dtype: Any) -> Any:
    """How often each row is named, for each place."""
    flat = s.reshape(places, (places.size,))
    one = s.full(flat.shape, 1, INT64)
    counts = s.scatter_add(s.zeros((rows,), INT64), flat, one, 0)
    return s.cast(s.take(counts, places, 0), dtype)


def _embedding_back(s: Any, g: Any, places: Any, rows: int, padding: int, by_count: bool) -> Any:
    tail = g.shape[places.ndim :]
    if by_count:
        counts = _counts(s, places, rows, g.dtype)
        g = g / s.reshape(counts, (*places.shape, *(1,) * len(tail)))
    flat = s.reshape(places, (places.size,))
    g = s.reshape(g, (places.size, *tail))
    total = s.scatter_add(s.zeros((rows, *tail), g.dtype), flat, g, 0)
    if padding < 0:
        return total
    here = s.eq(s.iota((rows, *(1,) * len(tail)), 0), padding)
    return s.where(here, s.constant(0, g.dtype), total)


def _weighted_rows(s: Any, g: Any, places: Any, padding: int, by_count: bool) -> Any:
    y = s.take(g, places, 0)
    if by_count:
        y = y / s.reshape(_counts(s, places, g.shape[0], g.dtype), (*places.shape, 1))
    if padding < 0:
        return y
    here = s.reshape(s.eq(places, padding), (*places.shape, *(1,) * (y.ndim - places.ndim)))
    return s.where(here, s.constant(0, g.dtype), y)


def _spatial(s: Any, places: Any, size: int) -> Any:
    """Places in the flattened spatial dimensions of each channel, as indices into all of x."""
    n, c = places.shape[:2]
    flat = s.reshape(places, (n * c, -1))
    index = _flat_index(s, [s.iota(flat.shape, 0), flat], (n * c, size))
    return s.reshape(index, (index.size,))


def _take_flat(s: Any, x: Any, places: Any) -> Any:
    index = _spatial(s, places, prod(x.shape[2:]))
    return s.reshape(s.take(s.reshape(x, (x.size,)), index, 0), places.shape)


def _add_flat(s: Any, g: Any, places: Any, size: Any) -> Any:
    n, c = g.shape[:2]
    flat = s.zeros((n * c * prod(size),), g.dtype)
    index = _spatial(s, places, prod(size))
    total = s.scatter_add(flat, index, s.reshape(g, (g.size,)), 0)
    return s.reshape(total, (n, c, *size))


TABLE: dict[str, Any] = {
    "index": _index, "add_at": _add_at, "index_put": _index_put, "gather": _gather,
    "spread_along": _spread_along, "scatter_add": _scatter_add, "scatter_value": _scatter_value,
    "scatter": _scatter, "index_select": _index_select, "spread_rows": _spread_rows,
    "pdist": _pair_norms, "pull_pairs": _pull_pairs,
    "pair_dots": lambda s, a, b: s.sum(s.mul(_gaps(s, a), _gaps(s, b)), 1),
    "index_add": _index_add, "index_fill": _index_fill,
    "index_fill_tensor": lambda s, x, value, dim, index: _index_fill(s, x, dim, index, value),
    "index_copy": _index_copy, "take": _take, "put": _put,
    "take_slices": _index_select, "add_slices": lambda s, g, dim, places, size: _spread_rows(
        s, g, (*g.shape[:dim], size, *g.shape[dim + 1 :]), dim, places),
    "embedding": _embedding, "embedding_back": _embedding_back, "weighted_rows": _weighted_rows,
    "scatter_reduce": _scatter_reduce, "index_reduce": _scatter_reduce,
    "take_flat": _take_flat, "add_flat": _add_flat,
}  # fmt: skip
