"""Advanced indexing: reading and writing at arrays of places."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core import heavy
from ..core.dtypes import LONG_CODE
from ..core.families import general, linear
from .structure import reshape, sum_to, zero_like

Key = tuple[Any, ...]


def _take(x: np.ndarray, key: Key) -> np.ndarray:
    try:
        rows: Any = key[0] if len(key) == 1 and x.ndim > 1 else None
        long = type(rows) is np.ndarray and rows.dtype.char == LONG_CODE
        if long and x.size and x.flags.c_contiguous:
            return x.take(rows, 0)  # narrow rows in a tenth of the time
        y = x[key]
        return y if y.flags.c_contiguous else y.copy()
    except IndexError as error:
        raise in_torchs_words(error) from None


def in_torchs_words(error: IndexError) -> IndexError:
    """NumPy's error about index arrays as torch puts it."""
    text = str(error).replace("for axis", "for dimension")
    if text.endswith("with size 0"):
        return IndexError("index is out of bounds for dimension with size 0")
    start = "shape mismatch: indexing arrays could not be broadcast together with shapes "
    if text.startswith(start):
        shapes = re.findall(r"\(([\d,]*)\)", text)
        listed = (f"[{', '.join(n for n in shape.split(',') if n)}]" for shape in shapes)
        text = f"{start.replace('arrays', 'tensors')}{', '.join(listed)}"
    return IndexError(text)


def _add_at(g: np.ndarray, shape: Sequence[int], key: Key) -> np.ndarray:
    """Zeros with `g` added at the indexed places, repeated places summing up."""
    y = np.zeros(shape, g.dtype)
    if len(key) == 1 and isinstance(key[0], np.ndarray) and key[0].dtype.kind == "b":
        y[key] = g  # a mask names each place once
    elif len(key) == 1 and isinstance(key[0], np.ndarray) and g.ndim > key[0].ndim:
        add_rows(y, key[0], g)
    elif len(key) == len(shape) > 1 and all(_whole(k) for k in key) and y.size:
        np.add.at(y.reshape(-1), _flattened(key, shape), g.reshape(-1))
    else:
        np.add.at(y, key, g)
    return y


def _whole(key: Any) -> bool:
    return isinstance(key, np.ndarray) and key.dtype.kind in "iu"


def _flattened(key: Key, shape: Sequence[int]) -> np.ndarray:
    """One array of places for each dimension as indices into the flattened array."""
    flat: Any = 0
    for dim, (places, n) in enumerate(zip(key, shape)):
        forward = places if within(places, n) else places % n
        flat = flat * n + forward if dim else forward
    return flat.reshape(-1)


def within(places: np.ndarray, size: int) -> bool:
    """Whether all of some whole numbers are in 0..size-1."""
    if not places.size:
        return True
    if places.dtype.char != LONG_CODE:
        return bool(places.min() >= 0 and places.max() < size)
    # one look instead of two: without its sign a negative number is larger than all others
    seen = places.view(np.uint64)
    return seen.item(seen.argmax()) < size  # sooner told than a maximum


_FEW = 256  # elements so few that the number of calls is what counts
_PIECE = 1 << 17  # elements whose places are made at a time


def add_rows(y: np.ndarray, rows: np.ndarray, g: np.ndarray) -> None:
    """y[rows] += g for a y in order of memory, repeated rows summed, one after the other.

    By flat places: `add.at` takes 3 ns for each there, and 25 to 45 for parts of a row.
    """
    flat = rows.reshape(-1) if rows.dtype.char == LONG_CODE else rows.reshape(-1).astype(np.int64)
    if not within(flat, len(y)):
        if flat.min() < -len(y) or flat.max() >= len(y):
            raise IndexError(f"index out of range: {flat.min()}..{flat.max()} of {len(y)} rows")
        flat = flat % len(y)
    if g.size <= _FEW:
        np.add.at(y, flat, g.reshape(flat.size, *y.shape[1:]))
        return
    width, g, y = prod(y.shape[1:]), g.reshape(-1), y.reshape(-1)
    if width == 1:
        np.add.at(y, flat, g)
        return
    least, same = heavy.LEAST, g.dtype == y.dtype
    native = heavy.one_pass("add_rows", g.size, y.dtype, least) if same else None
    if native is not None:
        flat, g = np.ascontiguousarray(flat), np.ascontiguousarray(g)
        native(y.ctypes.data, flat.ctypes.data, g.ctypes.data, flat.size, width)
        return
    columns, step = counted(width), max(1, _PIECE // max(1, width))
    for start in range(0, flat.size, step):
        places = flat[start : start + step, None] * width + columns
        np.add.at(y, places.reshape(-1), g[start * width : (start + step) * width])


@functools.lru_cache(64)
def counted(count: int) -> np.ndarray:
    """0 to count - 1, to be read only."""
    found = np.arange(count)
    found.flags.writeable = False
    return found


index = linear("index", eval=_take, adjoint=lambda g, x, key: add_at(g, x.shape, key),
               doc="Elements at arrays of places.")  # fmt: skip
add_at = linear("add_at", eval=_add_at, adjoint=lambda g, x, shape, key: index(g, key),
                node="IndexBackward0", doc="Zeros with values added at places.")  # fmt: skip


def _put(x: np.ndarray, value: np.ndarray, key: Key, accumulate: bool) -> np.ndarray:
    y = x.copy()
    if accumulate and value.size > _FEW and _whole_rows(y, value, key):
        add_rows(y, key[0], value)
    elif accumulate:
        np.add.at(y, key, value)
    else:
        y[key] = value.reshape(()) if value.size == 1 else value
    return y


def _whole_rows(y: np.ndarray, value: np.ndarray, key: Key) -> bool:
    """Whether each place of one array of places has a row of values of its own."""
    rows = key[0]
    if len(key) > 1 or type(rows) is not np.ndarray or rows.dtype.char != LONG_CODE:
        return False
    fits = value.shape == (*rows.shape, *y.shape[1:])
    return fits and y.flags.c_contiguous and within(rows, len(y))


def _put_vjp(g: Any, y: Any, x: Any, value: Any, key: Key, accumulate: bool) -> Any:
    taken = None
    if value is not None and prod(value.shape) == 1 and _is_mask(key):
        mask = key[0].reshape((*key[0].shape, *(1,) * (len(g.shape) - key[0].ndim)))
        taken = sum_to(g * mask, (1,) * len(g.shape))
        taken = sum_to(reshape(taken, (1,) * max(1, len(value.shape))), value.shape)
    elif value is not None:
        taken = index(g, key)
        if taken.shape != value.shape:
            extra = max(0, len(value.shape) - len(taken.shape))  # values may have more, all of 1
            taken = sum_to(taken, value.shape[extra:])
            taken = reshape(taken, value.shape) if extra else taken
    return (g if accumulate else index_put(g, _zero(g), key, False)), taken


def _is_mask(key: Key) -> bool:
    return len(key) == 1 and getattr(key[0], "dtype", None) == np.dtype(bool)


def _zero(g: Any) -> Any:
    if isinstance(g, np.ndarray):
        return np.zeros((), g.dtype)
    return zero_like(g)


index_put = general("index_put", eval=_put, arity=2, vjp=_put_vjp,
                    doc="A copy with the values at places replaced (or added to).")  # fmt: skip


_SOON = 1024  # elements whose places NumPy finds as soon


def nonzero_places(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """As np.nonzero, which asks numbers one by one, and counts in every dimension on its way."""
    if type(x) is not np.ndarray or not _SOON <= x.size < 1 << 32 or x.dtype.kind == "V":
        return np.nonzero(x)
    mask = x if x.dtype.kind == "b" else x != 0
    if x.ndim < 2:
        return mask.nonzero()
    (flat,) = mask.reshape(-1).nonzero()
    places, left = [], flat.astype(np.uint32)
    for size in map(np.uint32, x.shape[:0:-1]):
        whole = left // size
        places.append((left - whole * size).astype(np.int64))
        left = whole
    return (left.astype(np.int64), *reversed(places))


def nonzero_rows(x: np.ndarray) -> np.ndarray:
    """The same, a row for each: np.argwhere."""
    if type(x) is not np.ndarray or x.size < _SOON or not x.ndim:
        return np.argwhere(x)
    return np.stack(nonzero_places(x)).T  # which lies column by column, as torch's
