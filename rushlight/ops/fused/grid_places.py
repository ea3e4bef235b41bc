"""Images read at the places of a grid, on bare arrays.

Numbers are rounded at the same steps, and added in the same order, as by the ops of
`nn/functional/grids.py`. Coordinates are arrays (dimensions, N, P), that of the image's first
dimension first.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..reduce import sum as sum_of

Array = np.ndarray
_FEW = 4  # images up to which each is read by itself
_MANY = 1 << 12  # places of an image from which on it is


def read_at(
    x: Array, grid: Array, mode: str, padding_mode: str, align: bool
) -> Array:  # fmt: skip
    """What `grid_sample` gives for these arrays of one float type: (N, C, ...)."""
    size, dims = x.shape[2:], x.ndim - 2
    with np.errstate(all="ignore"):
        at = coordinates(grid, size, dims, align)
        if mode == "bicubic":
            y = _by_cubics(x, at, padding_mode, align)
        else:
            at = held(at, size, padding_mode, align)
            y = _nearest(x, at) if mode == "nearest" else _between(x, at)
    return y.reshape(*x.shape[:2], *grid.shape[1:-1])


def column(numbers: Any, like: Array) -> Array:
    """A number for each dimension, beside coordinates."""
    return np.array(numbers, like.dtype).reshape(-1, *(1,) * (like.ndim - 1))


def coordinates(grid: Array, size: Any, dims: int, align: bool) -> Array:
    places = grid.reshape(grid.shape[0], prod(grid.shape[1:-1]), dims)
    at = places.transpose(2, 0, 1)[::-1] + grid.dtype.type(1)
    at = np.ascontiguousarray(at)
    if align:
        at *= column([(count - 1) / 2 for count in size], at)
        return at
    at *= column(size, at)
    at -= at.dtype.type(1)
    at /= at.dtype.type(2)
    return at


def reflected(x: Array, size: Any, align: bool) -> Array:
    low = column([0.0 if align else -0.5] * len(size), x)
    high = column([count - 1.0 if align else count - 0.5 for count in size], x)
    span = high - low
    away = np.abs(x - low)
    flips = np.floor(away / span)
    rest = away - flips * span
    y = np.where(flips % x.dtype.type(2) == 0, rest + low, high - rest)
    if not span.all():  # one pixel, to whose middle all come
        y = np.where(span > 0, y, x * x.dtype.type(0))
    return y


def held(x: Array, size: Any, padding_mode: str, align: bool) -> Array:
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = reflected(x, size, align)
    x = np.maximum(x, x.dtype.type(0))
    return np.minimum(x, column([count - 1 for count in size], x), out=x)


def moves(x: Array, size: Any, padding_mode: str, align: bool) -> Array:
    """How held coordinates move with those that are not: 1, -1 where mirrored, 0 outside."""
    if padding_mode == "zeros":
        return ((x >= -1) & (x <= column(size, x))).astype(x.dtype)
    sign: Any = x.dtype.type(1)
    if padding_mode == "reflection":
        low = column([0.0 if align else -0.5] * len(size), x)
        span = column([count - 1.0 if align else count for count in size], x)
        sign = np.sign(x - low) * np.where(np.floor(np.abs(x - low) / span) % 2 == 0, 1, -1)
        x = reflected(x, size, align)
    last = column([count - 1 for count in size], x)
    return np.where((x > 0) & (x < last), sign, 0).astype(x.dtype)


def within(at: Array, size: Any) -> tuple[Array, Array]:
    """Coordinates as places, the first where they are outside, and whether they are inside."""
    fits = (at >= 0) & (at <= column([count - 1 for count in size], at))
    return np.where(fits, at, at.dtype.type(0)).astype(np.int64), fits


def cubic(t: Any, a: float) -> list[Any]:
    """The weights of the four neighbours at -1, 0, 1, 2 of a point at t in 0..1."""
    near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1
    far = lambda d: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def taken(flat: Array, places: Array) -> Array:
    """The pixels (N, C, P) of flat images (N, C, Q) at places (N, P)."""
    (images, channels, pixels), count = flat.shape, places.shape[1]
    if images > _FEW and count < _MANY:
        first = np.arange(images * channels).reshape(images, channels, 1) * pixels
        return flat.reshape(-1).take(first + places[:, None], mode="wrap")
    y = np.empty((images, channels, count), flat.dtype)
    for image, at, into in zip(flat, places, y):
        image.take(at, 1, into, "wrap")
    return y


def framed(x: Array) -> Array:
    """The pixels (N, C, Q) of images with zeros around: one before, two after every line."""
    size = x.shape[2:]
    y = np.zeros((*x.shape[:2], *(count + 3 for count in size)), x.dtype)
    y[(..., *(slice(1, count + 1) for count in size))] = x
    return y.reshape(*x.shape[:2], prod(y.shape[2:]))


def first_places(low: Array, size: Any) -> Array:
    """Where the pixels before the places stand in a framed image; (N, P)."""
    steps = np.fmax(low, low.dtype.type(-1)).astype(np.int64)  # what is no number is outside
    steps += 1
    flat = steps[0]
    for step, count in zip(steps[1:], size[1:]):
        flat = flat * (count + 3)
        flat += step
    return flat


def corners(first: Array, size: Any) -> Array:
    """The places (N, 2^d, P) of all pixels around, from those before."""
    offsets = [0]
    for count in size:
        offsets = [offset * (count + 3) + one for offset in offsets for one in (0, 1)]
    return first[:, None] + np.array(offsets)[:, None]


def inside(x: Array, size: Any) -> Array:
    """Coordinates no further outside than the frame."""
    x = np.maximum(x, x.dtype.type(-1))
    return np.minimum(x, column(size, x), out=x)


def _nearest(x: Array, at: Array) -> Array:
    size = x.shape[2:]
    return taken(framed(x), first_places(inside(np.rint(at), size), size))


def _between(x: Array, at: Array) -> Array:
    size = x.shape[2:]
    at = inside(at, size)
    low = np.floor(at)
    first = first_places(low, size)
    behind = at - low
    before = at.dtype.type(1) - behind
    weights = np.stack((before[0], behind[0]), 1)
    for one, other in zip(before[1:], behind[1:]):
        pair = np.stack((one, other), 1)
        weights = weights[:, :, None] * pair[:, None]
        weights = weights.reshape(len(pair), 2 * weights.shape[1], pair.shape[2])
    places = corners(first, size)
    pixels = taken(framed(x), places.reshape(len(first), places[0].size))
    pixels = pixels.reshape(*x.shape[:2], *weights.shape[1:])
    pixels *= weights[:, None]
    return sum_of(pixels, (2,), False)


def _by_cubics(x: Array, at: Array, padding_mode: str, align: bool) -> Array:
    size = x.shape[2:]
    lows = np.floor(at)
    weights = np.stack(cubic(at - lows, -0.75), 1)
    steps = np.arange(-1, 3, dtype=at.dtype).reshape(4, 1, 1)
    places, fits = within(held(lows[:, None] + steps, size, padding_mode, align), size)
    flat = x.reshape(*x.shape[:2], prod(size))
    total = np.zeros((*x.shape[:2], at.shape[2]), x.dtype)
    for row in range(4):
        here = (places[0, row] * size[1] + places[1]).transpose(1, 0, 2)
        found = taken(flat, here.reshape(len(here), here[0].size))
        found = found.reshape(*x.shape[:2], *here.shape[1:])
        found *= (fits[0, row] & fits[1]).transpose(1, 0, 2)[:, None]
        found *= (weights[0, row] * weights[1]).transpose(1, 0, 2)[:, None]
        for column in range(4):
            total += found[:, :, column]
    return total
