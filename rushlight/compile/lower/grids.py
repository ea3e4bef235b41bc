"""Images read at the places of a grid, and the derivatives of that, pixel by pixel."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from .value import INT64, NotNative

_A = -0.75  # of the cubic weights


class _Reading:
    """Coordinates of a grid as places and weights, by dimension of the image."""

    def __init__(
        self, s: Any, grid: Any, size: Any, mode: str, padding: str, align: bool, orders: Any
    ) -> None:  # fmt: skip
        if grid.dtype.char not in "fd":
            raise NotNative("a grid of another type")
        self.s, self.size, self.padding, self.align = s, tuple(size), padding, align
        self.count, self.kind, self.images = prod(grid.shape[1:-1]), grid.dtype, grid.shape[0]
        self.orders, self.mode = tuple(orders)[::-1], mode
        self.factors, self.places, self.weights = [], [], []
        for dim, size in enumerate(self.size):
            x = s.narrow(grid, grid.ndim - 1, len(self.size) - 1 - dim, 1)
            x = s.reshape(x, (self.images, 1, self.count))
            at = (x + 1) * ((size - 1) / 2) if align else ((x + 1) * size - 1) / 2
            self._take_up(at, size, (size - 1) / 2 if align else size / 2, self.orders[dim])

    def _take_up(self, at: Any, size: int, factor: Any, order: int) -> None:
        s = self.s
        if self.mode == "bicubic":
            low = s.floor(at)
            self.weights.append(_cubic(s, at - low, order))
            steps = [self._held(low + (k - 1), size)[0] for k in range(4)]
        else:
            at, moves = self._held(at, size)
            factor = moves * factor
            at = s.clamp(at, -1, size)
            at = s.where(s.eq(at, at), at, -1.0) if self.mode == "nearest" else at
            low = s.round(at) if self.mode == "nearest" else s.floor(at)
            steps = [low] if self.mode == "nearest" else [low, low + 1]
            self.weights.append(self._linear(at - low, order))
        self.factors.append(factor)
        self.places.append([self._place(step, size) for step in steps])

    def _linear(self, t: Any, order: int) -> list[Any]:
        if self.mode == "nearest":
            return [0.0 if order else 1.0]
        return [1 - t, t] if order == 0 else [-1.0, 1.0] if order == 1 else [0.0, 0.0]

    def _place(self, step: Any, size: int) -> tuple[Any, Any]:
        """A whole coordinate, 0 where it is outside, and whether it is inside."""
        s = self.s
        fits = (step >= 0) & (step <= size - 1)
        return s.cast(s.where(fits, step, 0.0), INT64), fits

    def _held(self, x: Any, size: int) -> tuple[Any, Any]:
        """A coordinate brought into the image, and how it moves with what it was."""
        s, sign = self.s, 1.0
        if self.padding == "zeros":
            return x, s.where((x >= -1) & (x <= size), 1.0, 0.0)
        if self.padding == "reflection":
            x, sign = self._reflected(x, size)
        inner = s.where((x > 0) & (x < size - 1), sign, 0.0)
        return s.clamp(x, 0, size - 1), inner

    def _reflected(self, x: Any, size: int) -> tuple[Any, Any]:
        s, align = self.s, self.align
        low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
        span = high - low
        if span <= 0:
            return x * 0.0, 0.0
        away = s.abs(x - low)
        flips = s.floor(away / span)
        rest = away - flips * span
        even = s.eq(flips, s.floor(flips / 2) * 2)
        turned = s.where(x < low, -1.0, 1.0)
        return s.where(even, rest + low, high - rest), s.where(even, turned, -turned)

    def taps(self) -> Any:
        """(flat place (N, 1, P), whether it is inside, weight) of each pixel in turn."""
        for which in product(*(range(len(one)) for one in self.places)):
            flat: Any = None
            inside: Any = None
            weight: Any = None
            for dim, k in enumerate(which):
                place, fits = self.places[dim][k]
                flat = place if flat is None else flat * self.size[dim] + place
                inside = fits if inside is None else inside & fits
                own = self.weights[dim][k]
                weight = own if weight is None else weight * own
            yield flat, inside, weight

    def factor(self) -> Any:
        """What the coordinates move by the grid, as often as the weights are differentiated."""
        found: Any = 1.0
        for order, factor in zip(self.orders, self.factors):
            for _ in range(order):
                found = factor * found
        return found

    def index(self, channels: int, flat: Any) -> Any:
        """Places in the flattened images (N, C, ...)."""
        s, pixels = self.s, prod(self.size)
        shape = (self.images, channels, self.count)
        return (s.iota(shape, 0) * channels + s.iota(shape, 1)) * pixels + s.expand(flat, shape)

    def read(self, x: Any) -> Any:
        """The sums (N, C, P) of pixels by weights."""
        s, flattened = self.s, self.s.reshape(x, (x.size,))
        total: Any = None
        for flat, inside, weight in self.taps():
            pixel = s.take(flattened, self.index(x.shape[1], flat), 0)
            part = s.where(inside, pixel, s.constant(0, x.dtype)) * weight
            total = part if total is None else total + part
        return total * self.factor() if any(self.orders) else total


def _cubic(s: Any, t: Any, order: int) -> list[Any]:
    """The derivatives of the weights of the four neighbours of a point at t in 0..1."""
    if order == 0:
        near = lambda d: ((_A + 2) * d - (_A + 3)) * d * d + 1
        far = lambda d: ((_A * d - 5 * _A) * d + 8 * _A) * d - 4 * _A
    elif order == 1:
        near = lambda d: (3 * (_A + 2) * d - 2 * (_A + 3)) * d
        far = lambda d: (3 * _A * d - 10 * _A) * d + 8 * _A
    else:
        raise NotNative("a second derivative")
    sign = -1.0 if order else 1.0
    return [far(t + 1), near(t), near(1 - t) * sign, far(2 - t) * sign]


def _grid_sample(s: Any, x: Any, grid: Any, *how: Any) -> Any:
    y = _Reading(s, grid, x.shape[2:], *how).read(x)
    return s.reshape(y, (*x.shape[:2], *grid.shape[1:-1]))


def _grid_spread(s: Any, g: Any, grid: Any, size: Any, *how: Any) -> Any:
    reading = _Reading(s, grid, size, *how)
    shape = (*g.shape[:2], reading.count)
    g, zero = s.reshape(g, shape), s.constant(0, g.dtype)
    if any(reading.orders):
        g = g * reading.factor()
    total = s.zeros((prod(shape[:2]) * prod(size),), g.dtype)
    for flat, inside, weight in reading.taps():
        each = s.expand(s.where(inside, g * weight, zero), shape)
        index = s.reshape(reading.index(shape[1], flat), (prod(shape),))
        total = s.scatter_add(total, index, s.reshape(each, (prod(shape),)), 0)
    return s.reshape(total, (*shape[:2], *size))


def _grid_slopes(
    s: Any, g: Any, x: Any, grid: Any, mode: str, padding: str, align: bool, orders: Any
) -> Any:  # fmt: skip
    if mode == "nearest":
        return s.zeros(grid.shape, grid.dtype)
    g, parts = s.reshape(g, (*x.shape[:2], prod(grid.shape[1:-1]))), []
    for place in range(len(orders)):
        more = tuple(order + (k == place) for k, order in enumerate(orders))
        read = _Reading(s, grid, x.shape[2:], mode, padding, align, more).read(x)
        slope = s.sum(g * read, 1)
        parts.append(s.reshape(slope, (*slope.shape, 1)))
    return s.reshape(s.cat(parts, 2), grid.shape)


TABLE = {
    "grid_sample": _grid_sample, "grid_spread": _grid_spread, "grid_slopes": _grid_slopes,
}  # fmt: skip
