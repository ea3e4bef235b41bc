"""Patches of an image side by side, and the sum of patches back into an image."""

from __future__ import annotations

import functools
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ...core.families import linear
from ...core.heavy import LONG, Pieces, heavy
from ...core.numbers import wide
from .convolution import clipped, output_size, padded, windows

Sizes = tuple[int, ...]


def _unfold(
    x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    view = windows(padded(x, padding), kernel, stride, dilation, out)
    return view.reshape(x.shape[0], x.shape[1] * prod(kernel), prod(out))


def _fold(
    g: np.ndarray, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> np.ndarray:
    out = output_size(size, kernel, stride, padding, dilation)
    channels = g.shape[1] // prod(kernel)
    patches = g.reshape(g.shape[0], channels, *kernel, *out)
    x = np.zeros((g.shape[0], channels, *size), g.dtype)
    for at in product(*map(range, kernel)):
        met, used = clipped(at, size, stride, padding, dilation, out)
        x[met] += patches[(slice(None), slice(None), *at)][used]
    return x


unfold = linear("im2col", eval=_unfold, refuses={"int": "im2col_out_cpu"},
                adjoint=lambda g, x, *at: fold(g, x.shape[2:], *at),
                node="Im2ColBackward0",
                doc="Each patch as a column: (N, C k, patches).")  # fmt: skip
fold = linear("col2im", eval=_fold, refuses={"int": "col2im_out_cpu"},
              adjoint=lambda g, x, size, *at: unfold(g, *at),
              node="Col2ImBackward0",
              doc="Columns summed back to where their patches lay.")  # fmt: skip


@functools.lru_cache(256)
def _frame(shape: Sizes, ends: tuple[tuple[int, int], ...]) -> tuple[Any, Sizes, Any]:
    """What stays of an array, the shape of its padded form, and where in it that lies."""
    cut = tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(ends, shape))
    sizes = tuple(max(0, one.stop - one.start) for one in cut)
    starts = tuple(max(0, a) for a, _ in ends)
    framed = tuple(a + n + max(0, b) for a, n, (_, b) in zip(starts, sizes, ends))
    return cut, framed, tuple(slice(a, a + n) for a, n in zip(starts, sizes))


def _pad(x: np.ndarray, ends: tuple[tuple[int, int], ...], value: Any) -> np.ndarray:
    cut, shape, part = _frame(x.shape, ends)
    nothing = type(value) is int and value == 0
    y = np.zeros(shape, x.dtype) if nothing else np.full(shape, value, x.dtype)
    y[part] = x[cut]
    return y


pad_constant = linear(
    "constant_pad_nd", eval=_pad,
    adjoint=lambda g, x, ends, value: pad_constant(g, tuple((-a, -b) for a, b in ends), 0),
    doc="Each dimension made longer by a value at both ends (or shorter, for negative numbers).",
)  # fmt: skip


@functools.lru_cache(256)
def padding_places(size: int, low: int, high: int, mode: str) -> np.ndarray:
    """Which element of a dimension stands at each place of the padded one."""
    if mode == "circular":  # what negative numbers cut off is gone before the rest is wrapped
        size, start = size + min(low, 0) + min(high, 0), max(-low, 0)
        places = np.arange(-max(low, 0), size + max(high, 0)) % size + start
    else:
        places = np.arange(-low, size + high)
        if mode == "replicate":
            places = np.clip(places, 0, size - 1)
        else:
            places = (size - 1) - np.abs((size - 1) - np.abs(places))
    places.flags.writeable = False
    return places


def _run(places: np.ndarray, size: int) -> int | None:
    """Where all places stand in their order, with no more than 16 others around; or None."""
    if not 0 <= len(places) - size <= 16 or not size:
        return None
    for low in range(len(places) - size + 1):
        if places[low] == 0 and (places[low : low + size] == np.arange(size)).all():
            return low
    return None


def _take(x: np.ndarray, dim: int, places: np.ndarray) -> np.ndarray:
    size = x.shape[dim]
    low = _run(places, size) if x.size >= 1024 else None
    if low is None:
        return x.take(places, dim)
    key = (slice(None),) * dim
    y = np.empty((*x.shape[:dim], len(places), *x.shape[dim + 1 :]), x.dtype)
    y[(*key, slice(low, low + size))] = x
    for place in (*range(low), *range(low + size, len(places))):
        y[(*key, place)] = x[(*key, places[place])]
    return y


def _untake(g: np.ndarray, dim: int, places: np.ndarray, size: int) -> np.ndarray:
    """Slices added up where `places` names one target several times."""
    key = (slice(None),) * dim
    low = _run(places, size)
    if low is not None:
        y = g[(*key, slice(low, low + size))].copy()
        for place in (*range(low), *range(low + size, len(places))):
            y[(*key, places[place])] += g[(*key, place)]
        return y
    y = np.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    counts = np.bincount(places, minlength=size)
    order = np.argsort(places, kind="stable")
    starts = np.cumsum(counts) - counts
    target = np.flatnonzero(counts)
    whole = target.size == size > 0 and counts.max() == counts.min()  # larger by a whole factor
    if whole and (order == np.arange(len(order))).all():
        split = (*g.shape[:dim], size, counts[0], *g.shape[dim + 1 :])
        return _summed_parts(g.reshape(split), dim + 1)
    for done in range(int(counts.max()) if places.size else 0):
        target = target[counts[target] > done]
        y[(*key, target)] += g.take(order[starts[target] + done], dim)
    return y


@wide
def _untake_quickly(g: np.ndarray, dim: int, places: np.ndarray, size: int) -> np.ndarray:
    way = _large_untake if _run(places, size) is None else _untake
    return way(g, dim, places, size)


def _summed_parts(g: np.ndarray, dim: int) -> np.ndarray:
    """Sums of a short dimension, a slice at a time."""
    parts = [g[(slice(None),) * dim + (i,)] for i in range(g.shape[dim])]
    if len(parts) == 1:
        return parts[0].copy()
    y = parts[0] + parts[1]
    for part in parts[2:]:
        y += part
    return y


take_slices = linear("take_slices", eval=_take,
                     node="IndexSelectBackward0",
                     adjoint=lambda g, x, dim, places: add_slices(g, dim, places, x.shape[dim]),
                     doc="The slices of one dimension that an array of places names.")  # fmt: skip
_large_untake = heavy("add_slices", _untake, light=True)
add_slices = linear("add_slices", eval=_untake_quickly,
                    node="IndexAddBackward0",
                    adjoint=lambda g, x, dim, places, size: take_slices(g, dim, places),
                    doc="The adjoint of `take_slices`.")  # fmt: skip


NATIVE = Pieces("bands")
_THIN = 8  # numbers of a row for each of which there are so many zeros at least


def _banded(x: np.ndarray, dim: int, m: np.ndarray) -> np.ndarray | None:
    """The same where rows have few neighbouring numbers, natively; -0.0 is a number, too."""
    rows, size = m.shape
    if x.size * rows < LONG * size or x.dtype.char not in "fd" or (found := NATIVE.found) is None:
        return None
    kept = (m != 0) | np.signbit(m)
    firsts, counts = kept.argmax(1), np.count_nonzero(kept, 1)
    most = int(counts.max(initial=0))
    ends = size - kept[:, ::-1].argmax(1)
    if not 0 < most <= size // _THIN or not (ends - firsts == counts).all():
        return None
    weights = np.zeros((rows, most), m.dtype)
    weights[np.arange(most) < counts[:, None]] = m[kept]
    x, y = np.ascontiguousarray(x), np.empty((*x.shape[:dim], rows, *x.shape[dim + 1 :]), x.dtype)
    arrays = [one.ctypes.data for one in (x, y, weights, firsts, counts)]
    before, behind = prod(x.shape[:dim]), prod(x.shape[dim + 1 :])
    found.get(f"bands_{x.dtype.char}")(*arrays, before, size, rows, behind, most)
    return y


def _map_dim(x: np.ndarray, dim: int, matrix: np.ndarray) -> np.ndarray:
    half = x.dtype.itemsize == 2
    m = matrix.astype(np.float32 if half else x.dtype)
    wide = x.astype(m.dtype, copy=False)
    found = _banded(wide, dim, m)
    if found is not None:
        return found.astype(x.dtype, copy=False)
    if dim == x.ndim - 1:
        y = np.matmul(wide, m.T)
    else:
        lead, tail = x.shape[:dim], x.shape[dim + 1 :]
        y = np.matmul(m, wide.reshape(*lead, x.shape[dim], prod(tail)))
        y = y.reshape(*lead, len(m), *tail)
    if not np.isfinite(y).all():
        _keep_apart(y, wide, dim, m)
    return y.astype(x.dtype, copy=False)


def _keep_apart(y: np.ndarray, x: np.ndarray, dim: int, m: np.ndarray) -> None:
    """Compute anew what is not finite, without the elements that have no part in it.

    A product multiplies these by 0, which is nan where they are infinite. A -0.0 in the matrix
    stands for an element that has a part all the same.
    """
    x, y = np.moveaxis(x, dim, -1), np.moveaxis(y, dim, -1)
    for row, weights in enumerate(m):
        lost = ~np.isfinite(y[..., row])
        if lost.any():
            taps = np.flatnonzero((weights != 0) | np.signbit(weights))
            y[..., row][lost] = x[..., taps][lost] @ weights[taps]


map_dim = linear("map_dim", eval=_map_dim, adjoint=lambda g, x, dim, m: map_dim(g, dim, m.T),
                 node="UpsampleBackward0", doc="A matrix times one dimension.")  # fmt: skip
