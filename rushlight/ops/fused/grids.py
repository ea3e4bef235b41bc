"""Images read at the places of a grid: sums of pixels by weights that are polynomials in it.

`orders` says how often the weights are differentiated by each coordinate of the grid (x first).
The reading, its adjoint and the slope by the grid are each other's derivatives, to every order.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...core.families import general
from ...core.heavy import SWITCH, heavy
from ...core.numbers import wide
from ...core.tape import SHAPE
from ..indexing_along import spread_along
from ..reduce import sum as sum_of
from ..structure import unsqueeze
from . import grid_places as p

Array = np.ndarray
Orders = tuple[int, ...]
_A = -0.75  # of the cubic weights


class _Taps(NamedTuple):
    """Where pixels are read: places (N, K, P), which are inside, and weights by dimension."""

    places: Array
    fits: Array | None  # None: the image stands in a frame of zeros
    weights: list[Array]  # (K of the dimension, N, P) each
    factor: Array  # of the coordinates by the grid: (dims, N, P)


def _cubic_weights(t: Array, order: int) -> list[Array]:
    """The derivatives of the weights of the four neighbours of a point at t in 0..1."""
    one = np.ones_like(t)
    if order == 0:
        return p.cubic(t, _A)
    if order == 1:
        near = lambda d: (3 * (_A + 2) * d - 2 * (_A + 3)) * d
        far = lambda d: (3 * _A * d - 10 * _A) * d + 8 * _A
    elif order == 2:
        near = lambda d: 6 * (_A + 2) * d - 2 * (_A + 3)
        far = lambda d: 6 * _A * d - 10 * _A
    else:
        near = lambda d: one * (6 * (_A + 2) if order == 3 else 0)
        far = lambda d: one * (6 * _A if order == 3 else 0)
    sign = -1 if order % 2 else 1
    return [far(t + 1), near(t), sign * near(1 - t), sign * far(2 - t)]


def _linear_weights(t: Array, order: int) -> list[Array]:
    one = np.ones_like(t)
    if order:
        return [-one, one] if order == 1 else [0 * one, 0 * one]
    return [t.dtype.type(1) - t, t]


def _taps(
    grid: Array, size: Any, mode: str, padding: str, align: bool, orders: Orders
) -> _Taps:  # fmt: skip
    at = p.coordinates(grid, size, len(size), align)
    by = np.array([(count - 1) / 2 if align else count / 2 for count in size], at.dtype)
    factor = np.broadcast_to(by.reshape(-1, 1, 1), at.shape)
    orders = orders[::-1]
    if mode == "bicubic":
        lows = np.floor(at)
        weights = [_cubic_weights(*one) for one in zip(at - lows, orders)]
        steps = np.arange(-1, 3, dtype=at.dtype).reshape(4, 1, 1)
        places, fits = p.within(p.held(lows[:, None] + steps, size, padding, align), size)
        flat = places[0][:, None] * size[1] + places[1]
        both = fits[0][:, None] & fits[1]
        flat, both = (x.reshape(16, *at.shape[1:]).transpose(1, 0, 2) for x in (flat, both))
        return _Taps(flat, both, [np.stack(one) for one in weights], factor)
    moves = p.moves(at, size, padding, align)
    at = p.held(at, size, padding, align)
    if mode == "nearest":
        first = p.first_places(p.inside(np.rint(at), size), size)
        weights = [np.full((1, *at.shape[1:]), 0 if order else 1, at.dtype) for order in orders]
        return _Taps(first[:, None], None, weights, factor)
    at = p.inside(at, size)
    low = np.floor(at)
    weights = [np.stack(_linear_weights(*one)) for one in zip(at - low, orders)]
    return _Taps(p.corners(p.first_places(low, size), size), None, weights, factor * moves)


def _weights(taps: _Taps, orders: Orders) -> Array:
    """The products (N, K, P) of the weights, and of what the coordinates move by the grid."""
    total = taps.weights[0]
    for one in taps.weights[1:]:
        total = (total[:, None] * one).reshape(-1, *one.shape[1:])
    for order, factor in zip(orders[::-1], taps.factor):
        if order:
            total = total * factor**order
    return total.transpose(1, 0, 2)


def _pixels(x: Array, taps: _Taps) -> Array:
    """The pixels (N, C, K, P) that are read; zeros outside."""
    flat = p.framed(x) if taps.fits is None else x.reshape(*x.shape[:2], prod(x.shape[2:]))
    images, count, places = taps.places.shape
    found = p.taken(flat, taps.places.reshape(images, count * places))
    found = found.reshape(*x.shape[:2], count, places)
    return found if taps.fits is None else np.where(taps.fits[:, None], found, x.dtype.type(0))


def _shaped(y: Array, grid: Array) -> Array:
    return y.reshape(*y.shape[:2], *grid.shape[1:-1])


def _read(
    x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Orders
) -> Array:  # fmt: skip
    if not any(orders):
        return p.read_at(x, grid, mode, padding, align)
    with np.errstate(all="ignore"):
        taps = _taps(grid, x.shape[2:], mode, padding, align, orders)
        pixels = _pixels(x, taps)
        pixels *= _weights(taps, orders)[:, None]
        return _shaped(sum_of(pixels, (2,), False), grid)


def _spread(
    g: Array, grid: Array, size: Any, mode: str, padding: str, align: bool, orders: Orders
) -> Array:  # fmt: skip
    """The image whose pixels are read into g: each result is added where it came from."""
    with np.errstate(all="ignore"):
        taps = _taps(grid, size, mode, padding, align, orders)
        images, channels = g.shape[:2]
        each = g.reshape(images, channels, 1, -1) * _weights(taps, orders)[:, None]
        if taps.fits is not None:
            each = np.where(taps.fits[:, None], each, g.dtype.type(0))
        frame = 3 if taps.fits is None else 0
        room = tuple(count + frame for count in size)
        places = taps.places.reshape(images, 1, -1)
        places = np.broadcast_to(places, (images, channels, places.shape[2]))
        flat = spread_along(each.reshape(places.shape), (images, channels, prod(room)), 2, places)
        y = flat.reshape(images, channels, *room)
        return np.ascontiguousarray(y[(..., *(slice(1, n + 1) for n in size))]) if frame else y


def _slopes(
    g: Array, x: Array, grid: Array, mode: str, padding: str, align: bool, orders: Orders
) -> Array:  # fmt: skip
    """The gradient (N, ..., dims) by the grid of what is read, of all channels."""
    if mode == "nearest":
        return np.zeros_like(grid)
    g = g.reshape(*g.shape[:2], -1)
    size, found = x.shape[2:], []
    with np.errstate(all="ignore"):
        pixels = None
        for one in _once_more(orders):
            taps = _taps(grid, size, mode, padding, align, one)
            pixels = _pixels(x, taps) if pixels is None else pixels
            read = sum_of(pixels * _weights(taps, one)[:, None], (2,), False)
            found.append(sum_of(g * read, (1,), False))
    return np.stack(found, -1).reshape(grid.shape)


def _once_more(orders: Orders) -> list[Orders]:
    """With one derivative more, by each coordinate in turn."""
    return [
        tuple(order + (place == more) for place, order in enumerate(orders))
        for more in range(len(orders))
    ]


def _natively(name: str, evaluate: Any) -> Any:
    """`evaluate` with a program where the image is large, or many of its pixels are read."""
    large = heavy(name, evaluate, chosen=True)

    def run(x: Array, *args: Any) -> Array:
        if name == "grid_spread":
            image = x.shape[0] * x.shape[1] * prod(args[1])
        else:
            image = x.size if name == "grid_sample" else args[0].size
        grid = args[name == "grid_slopes"]
        reads = grid.size * x.shape[1] * 2
        return (large if max(image, reads) >= SWITCH.least else evaluate)(x, *args)

    return run


def _read_vjp(g: Any, y: Any, x: Any, grid: Any, *how: Any) -> tuple[Any, Any]:
    return grid_spread(g, grid, tuple(x.shape[2:]), *how), grid_slopes(g, x, grid, *how)


def _spread_vjp(h: Any, y: Any, g: Any, grid: Any, size: Any, *how: Any) -> tuple[Any, Any]:
    return grid_read(h, grid, *how), grid_slopes(g, h, grid, *how)


def _slopes_vjp(h: Any, y: Any, g: Any, x: Any, grid: Any, *how: Any) -> tuple[Any, Any, Any]:
    by_g: Any = 0
    by_x: Any = 0
    by_grid: Any = 0
    for place, orders in enumerate(_once_more(how[-1])):
        moved = (*how[:-1], orders)
        share = unsqueeze(h[..., place], 1)
        by_g = by_g + share * grid_read(x, grid, *moved)
        by_x = by_x + grid_spread(share * g, grid, tuple(x.shape[2:]), *moved)
        by_grid = by_grid + grid_slopes(share * g, x, grid, *moved)
    return by_g, by_x, by_grid


grid_read = general(
    "grid_sample", eval=_natively("grid_sample", wide(_read)),
    vjp=_read_vjp, arity=2, reads="x",
    node=lambda e: f"GridSampler{len(e[SHAPE]) - 2}DBackward0",
    doc="Images read at the places of a grid, between their pixels.",
)  # fmt: skip
grid_spread = general(
    "grid_spread", eval=_natively("grid_spread", wide(_spread)),
    vjp=_spread_vjp, arity=2, reads="x",
    doc="The gradient of what is read at a grid by the image.",
)  # fmt: skip
grid_slopes = general(
    "grid_slopes", eval=_natively("grid_slopes", wide(_slopes)),
    vjp=_slopes_vjp, arity=3, reads="x",
    doc="The gradient of what is read at a grid by the grid.",
)  # fmt: skip
