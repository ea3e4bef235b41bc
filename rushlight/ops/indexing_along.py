"""Reading and writing along one dimension at an array of places: gather, scatter and their kin."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.dtypes import LONG_CODE
from ..core.families import general, linear
from ..core.heavy import heavy
from ..core.numbers import unrepeated, wide
from .structure import reshape


def copied(x: Any) -> np.ndarray:
    """A copy in row-major order; a number alone may have lost its array on the way."""
    return x.copy() if type(x) is ndarray else np.array(x)


_UNSIGNED = np.dtype(np.uint64)  # a class NumPy looks up at each call
ndarray, _add_at = np.ndarray, np.add.at
FEW = 512  # places so few that the number of calls is what counts


def grid(places: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """Open index arrays that select `places` along `dim` and every position of the other dims."""
    last = places.ndim - 1
    counted = _counted if places.size <= FEW else _counted.__wrapped__
    return tuple(
        [places if i == dim else counted(n, i, last - i) for i, n in enumerate(places.shape)]
    )


@functools.lru_cache(256)
def _counted(n: int, before: int, behind: int) -> np.ndarray:
    """0 to n - 1 along a dimension with so many others of size 1 around it."""
    numbers = np.arange(n).reshape((1,) * before + (n,) + (1,) * behind)
    numbers.flags.writeable = False  # it is kept
    return numbers


def flat_places(shape: Sequence[int], dim: int, places: np.ndarray) -> np.ndarray:
    """The same as indices into the flattened array; negative places count from the end."""
    wanted, count = places.shape, places.size
    if 0 in places.strides:
        places = unrepeated(places)
    if places.dtype.char == LONG_CODE:  # one look: without its sign a negative place is the largest
        seen = places.view(_UNSIGNED)
        inside = seen.item(seen.argmax()) < shape[dim]
    else:
        inside = places.min() >= 0 and places.max() < shape[dim]
    if not inside:
        places = _forward(places, shape[dim])
    few = count <= FEW * wanted[dim]
    step, others = (_steps if few else _steps.__wrapped__)(shape, dim, wanted)
    flat = (places if step == 1 else places * step) + others
    return flat if flat.size == count else np.broadcast_to(flat, wanted)


def _forward(places: np.ndarray, size: int) -> np.ndarray:
    """Places counted from the front; users' are refused before they come here."""
    forward = np.where(places < 0, places + size, places)
    if forward.min() < 0 or forward.max() >= size:
        raise IndexError(f"index is out of bounds for a dimension with size {size}")
    return forward


@functools.lru_cache(256)
def _steps(shape: Sequence[int], dim: int, wanted: Sequence[int]) -> tuple[int, Any]:
    """What a place along `dim` counts in the flattened array, and what all other dims add."""
    others: Any = np.zeros((), np.int64)
    for i, n in enumerate(wanted):
        if i != dim:
            steps = np.arange(n) * prod(shape[i + 1 :])
            others = others + steps.reshape((-1,) + (1,) * (len(wanted) - 1 - i))
    others.flags.writeable = False  # it may be kept
    return prod(shape[dim + 1 :]), others


def _gather(x: np.ndarray, dim: int, places: np.ndarray) -> np.ndarray:
    if not x.ndim or not places.ndim or not places.size:
        return x.reshape(-1)[places]
    if not x.flags.c_contiguous:
        return x[grid(places, dim)]
    flat = flat_places(x.shape, dim, places)
    if flat.size <= FEW:
        return x.take(flat)
    return x.reshape(-1).take(flat, mode="wrap")  # in range, and the mode that checks copies twice


def corner(source: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What of a source is as large as the places are."""
    if source.shape == places.shape:
        return source
    return source[tuple([slice(n) for n in places.shape])]


@wide
def _scatter_add(x: np.ndarray, source: np.ndarray, dim: int, places: np.ndarray) -> np.ndarray:
    y = copied(x)
    if not x.ndim or not places.ndim or not places.size:
        places, source = places.reshape(-1), source.reshape(-1)
        _add_at(y.reshape(-1), places, source[: places.size])
        return y
    source = corner(source, places)
    flat = flat_places(x.shape, dim, places)  # in one dimension `add.at` is seven times faster
    _add_at(y.reshape(-1), flat.reshape(-1), source.reshape(-1))
    return y


def _spread(g: np.ndarray, shape: Sequence[int], dim: int, places: np.ndarray) -> np.ndarray:
    return _scatter_add(np.zeros(shape, g.dtype), g, dim, places)


gather = linear("gather", eval=heavy("gather", _gather, light=True),
                adjoint=lambda g, x, dim, places: spread_along(g, x.shape, dim, places),
                doc="y[i][j] = x[places[i][j]][j] (along dim 0).")  # fmt: skip
spread_along = linear(
    "spread_along", eval=heavy("spread_along", _spread, light=True),
    adjoint=lambda g, x, shape, dim, places: gather(g, dim, places),
    node="GatherBackward0", doc="Zeros with values added at places along a dim.",
)  # fmt: skip
scatter_add = general(
    "scatter_add", eval=_scatter_add, arity=2,
    vjp=lambda g, y, x, source, dim, places: (g, gather(g, dim, places)),
    doc="x with values added at places along a dimension.",
)  # fmt: skip


def scatter_one(g: Any, places: Any, shape: Sequence[int], dim: int | None, keep: bool) -> Any:
    """The gradient of a selection of one element per row: zeros but for that element."""
    if dim is None:
        return g
    if not isinstance(places, np.ndarray):
        places = places._array
    one = (*shape[:dim], 1, *shape[dim + 1 :])
    return spread_along(reshape(g, one), tuple(shape), dim, places.reshape(one))
