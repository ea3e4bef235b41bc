"""Searching, sorting, sets and picking by index."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from .elementwise import both

__all__ = [
    "argmax", "argmin", "argsort", "count_nonzero", "nonzero", "searchsorted", "sort", "take",
    "take_along_axis", "unique_all", "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def _best(name: str) -> Any:
    function = getattr(rl, name)

    def wrapped(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
        if axis is None and keepdims:
            return function(x.reshape(-1)).reshape((1,) * x.ndim)
        return function(x, axis, keepdims) if axis is not None else function(x)

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


argmax, argmin = _best("argmax"), _best("argmin")


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """How many elements are not zero."""
    return rl.sum(x != 0, axis, keepdims, dtype=rl.int64) if axis is not None or keepdims else (
        rl.count_nonzero(x))  # fmt: skip


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The indices of the elements that are not zero, per axis."""
    if x.ndim == 0:
        raise ValueError("nonzero needs an array of at least one dimension")
    return tuple(rl.nonzero(x, as_tuple=True))


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Where the values x2 would be inserted into the sorted x1."""
    x1, x2 = both(x1, x2)
    return rl.searchsorted(x1, x2.contiguous(), side=side, sorter=sorter)


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """Elements of x1 where the condition holds, else of x2."""
    return rl.where(condition, *both(x1, x2))


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Sorted along an axis."""
    if x.ndim == 0:
        return x.clone()
    return rl.sort(x, dim=axis, descending=descending, stable=stable).values


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """The indices that sort along an axis."""
    if x.ndim == 0:
        return rl.zeros((), dtype=rl.int64)
    return rl.sort(x, dim=axis, descending=descending, stable=stable).indices


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
    """The slices with the given indices along an axis."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError("take needs an axis for an array of more than one dimension")
        axis = 0
    place = axis % x.ndim
    picked = rl.index_select(x, place, indices.reshape(-1))
    return picked.reshape(x.shape[:place] + indices.shape + x.shape[place + 1 :])


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Elements by their index along an axis, matched position by position."""
    return rl.take_along_dim(x, indices, axis)


def _unique(x: Any) -> UniqueAll:
    """Sorted unique values; no nan equals another."""
    flat = x.reshape(-1)
    size = flat.numel()
    if not size:
        empty = rl.zeros((0,), dtype=rl.int64)
        return UniqueAll(flat, empty, empty.reshape(x.shape), empty)
    order = argsort(flat)
    ranked = flat[order]
    first = rl.ones((size,), dtype=rl.bool)
    first[1:] = ranked[1:] != ranked[:-1]
    group = rl.cumsum(first, 0) - 1
    inverse = rl.empty((size,), dtype=rl.int64)
    inverse[order] = group
    values = ranked[first]
    return UniqueAll(values, order[first], inverse.reshape(x.shape), rl.bincount(group))


def unique_all(x: Any, /) -> UniqueAll:
    """Unique values, where each first occurs, the way back, and how often each occurs."""
    return _unique(x)


def unique_counts(x: Any, /) -> UniqueCounts:
    """Unique values and how often each occurs."""
    found = _unique(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """Unique values and the way back."""
    found = _unique(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Any:
    """Unique values."""
    return _unique(x).values
