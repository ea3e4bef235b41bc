"""The arithmetic of the norms on bare arrays, in pieces that stay in the cache.

Two layouts cover batch, layer, group and instance norm. *Rows* (rows, length): each row by itself,
weight and bias along it. *Channels* (batch, channels, places): the statistics of a channel (over
the batch, or of `each` channels of one example), weight and bias one number per channel. What is
summed along rows or over rows is a product with a vector of ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .rounds import PIECE

Array = np.ndarray
LONG = 4096  # numbers in a row from which NumPy's pairwise sums are as fast as a product, and finer


def _ones(length: int, like: Array) -> Array:
    return np.ones(length, like.dtype)


def _along(x: Array, ones: Array) -> Array:
    """Sums of the last dimension."""
    return np.add.reduce(x, -1) if len(ones) >= LONG else np.matmul(x, ones)


def _runs(count: int, length: int, piece: int = PIECE) -> Iterator[slice]:
    step = max(1, piece // max(1, length))
    return (slice(start, start + step) for start in range(0, count, step))


def rows(x: Array, weight: Any, bias: Any, eps: float) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(var + eps) * weight + bias of each row; the means and variances."""
    count, length = x.shape
    y, ones = np.empty_like(x), _ones(length, x)
    center, variance = np.empty((2, count), x.dtype)
    for run in _runs(count, length):
        part = y[run]
        middle = _along(x[run], ones)
        middle /= length
        np.subtract(x[run], middle[:, None], out=part)
        square = np.vecdot(part, part)
        square /= length
        part *= (1 / np.sqrt(square + x.dtype.type(eps)))[:, None]
        if weight is not None:
            part *= weight
        if bias is not None:
            part += bias
        center[run], variance[run] = middle, square
    return y, center, variance


def rows_back(
    gs: tuple[Array, Array, Array], x: Array, center: Array, variance: Array, weight: Any,
    eps: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients of x, weight and bias; `gs` are those of the result, the means, the variances."""
    count, length = x.shape
    g, by_mean, by_variance = gs
    scale = 1 / np.sqrt(variance + x.dtype.type(eps))
    dx, ones = np.empty_like(x), _ones(length, x)
    dw, db = np.zeros((2, length), x.dtype)
    for run in _runs(count, length):
        part, given, s = dx[run], g[run], scale[run]
        d = x[run] - center[run][:, None]
        np.multiply(given, d, out=part)
        dw += np.matmul(s, part)
        db += np.matmul(_ones(len(s), x), given)
        if weight is None:
            along, total = _along(part, ones), _along(given, ones)
            np.copyto(part, given)
        else:
            along, total = np.matmul(part, weight), np.matmul(given, weight)
            np.multiply(given, weight, out=part)
        part *= s[:, None]
        d *= ((s * s * s * along - 2 * by_variance[run]) / length)[:, None]
        part -= d
        part -= ((s * total - by_mean[run]) / length)[:, None]
    return dx, dw, db


class Channels:
    """The layout (batch, channels, places); `each` 0 means statistics over the batch."""

    def __init__(self, shape: tuple[int, ...], each: int) -> None:
        self.batch, self.channels, self.places = shape
        self.each = each
        self.count = self.places * (each or self.batch)

    def pieces(self) -> Iterator[tuple[slice, slice]]:
        """Parts of the batch, or (where statistics run over it) of the channels."""
        if self.each:
            for run in _runs(self.batch, self.channels * self.places, 4 * PIECE):
                yield run, slice(None)
        else:
            for run in _runs(self.channels, self.batch * self.places, 4 * PIECE):
                yield slice(None), run

    def shared(self, a: Array) -> Array:
        """Numbers (batch, channels) summed over what shares a statistic, and given to all of it."""
        if self.each == 0:
            return np.add.reduce(a, 0, keepdims=True)
        if self.each == 1:
            return a
        total = np.add.reduce(a.reshape(len(a), -1, self.each), 2)
        return np.repeat(total, self.each, 1)

    def forward(self, x: Array, weight: Any, bias: Any, eps: float) -> tuple[Array, Array, Array]:
        y, ones = np.empty_like(x), _ones(self.places, x)
        rows = self.batch if self.each else 1
        center, variance = np.empty((2, rows, self.channels), x.dtype)
        for key in self.pieces():
            part, own = y[key], key[1]
            middle = self.shared(_along(x[key], ones))
            middle = middle / self.count
            np.subtract(x[key], middle[..., None], out=part)
            square = self.shared(np.vecdot(part, part))
            square = square / self.count
            scale = 1 / np.sqrt(square + x.dtype.type(eps))
            part *= (scale if weight is None else scale * weight[own])[..., None]
            if bias is not None:
                part += bias[own][:, None]
            center[key if self.each else (slice(None), own)] = middle
            variance[key if self.each else (slice(None), own)] = square
        step = self.each or 1
        return y, center[:, ::step], variance[:, ::step]

    def spread(self, a: Array) -> Array:
        """A statistic's numbers, one for every channel."""
        a = a.reshape(self.batch if self.each else 1, -1)
        return a if self.each < 2 else np.repeat(a, self.each, 1)

    def backward(
        self, gs: tuple[Array, Array, Array], x: Array, center: Array, variance: Array, weight: Any,
        eps: float,
    ) -> tuple[Array, Array, Array]:  # fmt: skip
        g = gs[0]
        center, by_mean, by_variance = map(self.spread, (center, gs[1], gs[2]))
        scale = 1 / np.sqrt(self.spread(variance) + x.dtype.type(eps))
        dx, ones = np.empty_like(x), _ones(self.places, x)
        dw, db = np.zeros((2, self.channels), x.dtype)
        for key in self.pieces():
            given, own = g[key], key[1]
            of = key if self.each else (slice(None), own)
            s = scale[of]
            d = x[key] - center[of][..., None]
            total, along = _along(given, ones), np.vecdot(given, d)
            dw[own] += np.add.reduce(along * s, 0)
            db[own] += np.add.reduce(total, 0)
            factor = s
            if weight is not None:
                factor = s * weight[own]
                total, along = total * weight[own], along * weight[own]
            total, along = self.shared(total), self.shared(along)
            part = np.multiply(given, factor[..., None], out=dx[key])
            d *= ((s * s * s * along - 2 * by_variance[of]) / self.count)[..., None]
            part -= d
            part -= ((s * total - by_mean[of]) / self.count)[..., None]
        return dx, dw, db
