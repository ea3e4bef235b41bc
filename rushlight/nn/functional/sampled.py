"""Images read at the places of a grid, on bare arrays: what `grids.py` says in ops, in fewer steps.

Nothing is recorded here. Numbers are rounded at the same steps, and added in the same order.
Coordinates are arrays (dimensions, N, P), that of the image's first dimension first.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...functions import neural as n
from .resampling import cubic

__all__ = ["read_at"]

Array = np.ndarray
_FEW = 4  # images up to which each is read by itself
_MANY = 1 << 12  # places of an image from which on it is


def read_at(
    x: Array, grid: Array, mode: str, padding_mode: str, align: bool
) -> Any:  # fmt: skip
    """The tensor (N, C, ...) that `grid_sample` gives for these arrays of one float type."""
    size, dims = x.shape[2:], x.ndim - 2
    with np.errstate(all="ignore"):
        at = _coordinates(grid, size, dims, align)
        if mode == "bicubic":
            y = n.wrap(_by_cubics(x, at, padding_mode, align))
        else:
            held = _held(at, size, padding_mode, align)
            y = n.wrap(_nearest(x, held)) if mode == "nearest" else _between(x, held)
    return y.reshape(*x.shape[:2], *grid.shape[1:-1])


def _column(numbers: Any, like: Array) -> Array:
    """A number for each dimension, beside coordinates."""
    return np.array(numbers, like.dtype).reshape(-1, *(1,) * (like.ndim - 1))


def _coordinates(grid: Array, size: Any, dims: int, align: bool) -> Array:
    places = grid.reshape(grid.shape[0], prod(grid.shape[1:-1]), dims)
    at = places.transpose(2, 0, 1)[::-1] + grid.dtype.type(1)
    at = np.ascontiguousarray(at)
    if align:
        at *= _column([(count - 1) / 2 for count in size], at)
        return at
    at *= _column(size, at)
    at -= at.dtype.type(1)
    at /= at.dtype.type(2)
    return at


def _reflected(x: Array, size: Any, align: bool) -> Array:
    low = _column([0.0 if align else -0.5] * len(size), x)
    high = _column([count - 1.0 if align else count - 0.5 for count in size], x)
    span = high - low
    away = np.abs(x - low)
    flips = np.floor(away / span)
    rest = away - flips * span
    y = np.where(flips % x.dtype.type(2) == 0, rest + low, high - rest)
    if not span.all():  # one pixel, to whose middle all come
        y = np.where(span > 0, y, x * x.dtype.type(0))
    return y


def _held(x: Array, size: Any, padding_mode: str, align: bool) -> Array:
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = _reflected(x, size, align)
    x = np.maximum(x, x.dtype.type(0))
    return np.minimum(x, _column([count - 1 for count in size], x), out=x)


def _taken(flat: Array, places: Array) -> Array:
    """The pixels (N, C, P) of flat images (N, C, Q) at places (N, P)."""
    (images, channels, pixels), count = flat.shape, places.shape[1]
    if images > _FEW and count < _MANY:
        first = np.arange(images * channels).reshape(images, channels, 1) * pixels
        return flat.reshape(-1).take(first + places[:, None], mode="wrap")
    y = np.empty((images, channels, count), flat.dtype)
    for image, at, into in zip(flat, places, y):
        image.take(at, 1, into, "wrap")
    return y


def _framed(x: Array) -> Array:
    """The pixels (N, C, Q) of images with zeros around: one before, two after every line."""
    size = x.shape[2:]
    y = np.zeros((*x.shape[:2], *(count + 3 for count in size)), x.dtype)
    y[(..., *(slice(1, count + 1) for count in size))] = x
    return y.reshape(*x.shape[:2], prod(y.shape[2:]))


def _first_places(low: Array, size: Any) -> Array:
    """Where the pixels before the places stand in a framed image; (N, P)."""
    steps = np.fmax(low, low.dtype.type(-1)).astype(np.int64)  # what is no number is outside
    steps += 1
    flat = steps[0]
    for step, count in zip(steps[1:], size[1:]):
        flat = flat * (count + 3)
        flat += step
    return flat


def _inside(x: Array, size: Any) -> Array:
    """Coordinates no further outside than the frame."""
    x = np.maximum(x, x.dtype.type(-1))
    return np.minimum(x, _column(size, x), out=x)


def _nearest(x: Array, at: Array) -> Array:
    size = x.shape[2:]
    return _taken(_framed(x), _first_places(_inside(np.rint(at), size), size))


def _between(x: Array, at: Array) -> Any:
    size = x.shape[2:]
    offsets = [0]
    for count in size:
        offsets = [offset * (count + 3) + one for offset in offsets for one in (0, 1)]
    at = _inside(at, size)
    low = np.floor(at)
    first = _first_places(low, size)
    behind = at - low
    before = at.dtype.type(1) - behind
    weights = np.stack((before[0], behind[0]), 1)
    for one, other in zip(before[1:], behind[1:]):
        pair = np.stack((one, other), 1)
        weights = weights[:, :, None] * pair[:, None]
        weights = weights.reshape(len(pair), 2 * weights.shape[1], pair.shape[2])
    places = first[:, None] + np.array(offsets)[:, None]
    pixels = _taken(_framed(x), places.reshape(len(first), places[0].size))
    pixels = pixels.reshape(*x.shape[:2], *weights.shape[1:])
    pixels *= weights[:, None]
    return n.wrap(pixels).sum(2)


def _by_cubics(x: Array, at: Array, padding_mode: str, align: bool) -> Array:
    size = x.shape[2:]
    lows = np.floor(at)
    weights = np.stack(cubic(at - lows, -0.75), 1)
    steps = np.arange(-1, 3, dtype=at.dtype).reshape(4, 1, 1)
    held = _held(lows[:, None] + steps, size, padding_mode, align)  # (2, 4, N, P)
    fits = (held >= 0) & (held <= _column([count - 1 for count in size], held))
    places = np.where(fits, held, at.dtype.type(0)).astype(np.int64)
    flat = x.reshape(*x.shape[:2], prod(size))
    total = np.zeros((*x.shape[:2], at.shape[2]), x.dtype)
    for row in range(4):
        here = (places[0, row] * size[1] + places[1]).transpose(1, 0, 2)
        found = _taken(flat, here.reshape(len(here), here[0].size))
        found = found.reshape(*x.shape[:2], *here.shape[1:])
        found *= (fits[0, row] & fits[1]).transpose(1, 0, 2)[:, None]
        found *= (weights[0, row] * weights[1]).transpose(1, 0, 2)[:, None]
        for column in range(4):
            total += found[:, :, column]
    return total
