"""Samplers that take as many uniform numbers as they need, one result at a time."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .heavy import Pieces

Array = np.ndarray
_PAYS = 1 << 15  # numbers drawn in Python from which on loading native code pays
_COMPILER = "rushlight.compile.code.llvm"

LEAST = {"poisson": 512, "binomial": 256, "gamma": 8}  # numbers from which native code is sooner


class _Native:
    """The same samplers in native code, to the last bit, for whoever draws much."""

    def __init__(self) -> None:
        self.left, self.pieces = _PAYS, Pieces("sampling")

    def after(self, count: int, sampler: str = "") -> Any:
        """The native code, if there is any, for another `count` numbers.

        None for so few of a `sampler` that Python has them before native code is called.
        """
        if self.left > 0:
            self.left -= count if _COMPILER not in sys.modules else 64 * count
        return None if self.left > 0 or count < LEAST.get(sampler, 0) else self.pieces.found


NATIVE = _Native()


def poisson(rate: float, uniforms: Iterator[float]) -> int:
    """One Poisson number: products of uniforms (Knuth), or Hoermann's rejection from rate 10."""
    if rate >= 10:
        return _poisson_rejection(rate, uniforms)
    if rate == 0:
        return 0
    limit, product, count = math.exp(-rate), next(uniforms), 0
    while product > limit:
        product *= next(uniforms)
        count += 1
    return count


def _poisson_rejection(rate: float, uniforms: Iterator[float]) -> int:
    """Transformed rejection with squeeze: W. Hoermann (1993), doi:10.1016/0167-6687(93)90997-4."""
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    accept = 0.9277 - 3.6224 / (b - 2)
    log_rate = math.log(rate)
    while True:
        u, v = next(uniforms) - 0.5, next(uniforms)
        edge = 0.5 - abs(u)
        k = math.floor((2 * a / edge + b) * u + rate + 0.43) if edge else -1
        if edge >= 0.07 and v <= accept:
            return k
        if k < 0 or (edge < 0.013 and v > edge):
            continue
        left = _log(v) + math.log(inverse_alpha) - math.log(a / (edge * edge) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def binomial(count: float, p: float, uniforms: Iterator[float], real: Any) -> float:
    """One binomial number; `real` is the scalar type whose precision the inputs have."""
    if count <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return count
    if math.isnan(p):
        return math.nan
    if p > 0.5:
        return count - _binomial_half(count, float(real(1.0 - p)), uniforms, real)
    return _binomial_half(count, p, uniforms, real)


def _binomial_half(count: float, p: float, uniforms: Iterator[float], real: Any) -> float:
    if float(real(count * p)) >= 10:
        return _binomial_rejection(count, p, uniforms, real)
    log_failure = float(np.log1p(real(-p)))
    trials, successes = 0.0, 0.0
    while True:  # gaps between successes are geometric
        trials += math.ceil(_log(next(uniforms)) / log_failure)
        if trials > count:
            return successes
        successes += 1.0


def _binomial_rejection(count: float, p: float, uniforms: Iterator[float], real: Any) -> float:
    """Algorithm BTRS: W. Hoermann (1993), doi:10.1080/00949659308811496."""
    n_p, q = float(real(count * p)), float(real(1.0 - p))
    deviation = float(np.sqrt(real(n_p * q)))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    odds, mode = float(real(p / q)), math.floor(float(real(real(count + 1.0) * real(p))))
    alpha = (2.83 + 5.1 / b) * deviation
    fixed = _stirling(mode) + _stirling(count - mode)
    fixed += (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
    while True:
        u, v = next(uniforms) - 0.5, next(uniforms)
        edge = 0.5 - abs(u)
        k = float(math.floor((2 * a / edge + b) * u + n_p + 0.5)) if edge else -1.0
        if k < 0 or k > count:
            continue
        if edge >= 0.07 and v <= 0.92 - 4.2 / b:
            return k
        bound = fixed - _stirling(k) - _stirling(count - k)
        bound += (count + 1) * math.log((count - mode + 1) / (count - k + 1))
        bound += (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
        if _log(v * alpha / (a / (edge * edge) + b)) <= bound:
            return k


def _stirling(k: float) -> float:
    """What Stirling's formula leaves out of log k!: exact to k = 9, then the series."""
    if k <= 9:
        return math.lgamma(k + 1.0) - ((k + 0.5) * math.log(k + 1.0) - (k + 1.0)) - _HALF_LOG_2PI
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


_THIRD = float(np.float32(1) / np.float32(3))
SQUEEZE = float(np.float32(0.0331))


def gamma(shape: Any, uniforms: Iterator[float], normal: Callable[[], float], real: Any) -> float:
    """One gamma number: Marsaglia and Tsang (2000), doi:10.1145/358407.358414."""
    scale, one = 1.0, real(1)
    if shape < 1:
        if shape == 0:
            return 0.0
        scale = (1.0 - next(uniforms)) ** float(one / shape)
        shape = shape + one
    d = float(shape - real(_THIRD))
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal()
        y = 1.0 + c * x
        if y <= 0.0:
            continue
        v = y * y * y
        u, square = 1.0 - next(uniforms), x * x
        if u < 1.0 - SQUEEZE * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


# --- What native code takes for them: columns of numbers, and the least words of each result


def poisson_columns(rate: Array) -> tuple[list[Array], Array] | None:
    """Rates below 10; None where there are others."""
    if (rate >= 10).any():
        return None
    return [rate], 2 * (rate != 0).view(np.uint8)


def gamma_columns(shape: Array) -> tuple[list[Array], Array] | None:
    """What `gamma` makes of a shape before it draws; None where a shape is negative."""
    if (shape < 0).any():
        return None
    real, none = shape.dtype.type, shape == 0
    small = (shape < 1) & ~none
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        power = np.where(small, (real(1) / shape).astype(np.float64), 0.0)
        d = (np.where(small, shape + real(1), shape) - real(_THIRD)).astype(np.float64)
        d[none] = 0.0
        c = 1.0 / np.sqrt(9.0 * d)
    return [power, d, c], 4 * (~none).view(np.uint8) + 2 * small.view(np.uint8)


class BinomialColumns:
    """Probabilities up to a half with fewer than ten successes to be expected."""

    def __init__(self, count: Array, p: Array) -> None:
        real = count.dtype
        self.count, self.p = count.astype(np.float64), p.astype(np.float64)
        self.drawn = (self.count > 0) & (self.p > 0) & (self.p < 1)
        self.turned = self.drawn & (self.p > 0.5)
        half = np.where(self.turned, (1.0 - self.p).astype(real).astype(np.float64), self.p)
        expected = (self.count * half).astype(real).astype(np.float64)
        self.fit = not ((self.drawn & (expected >= 10)) | np.isnan(self.count)).any()
        if self.fit:
            failure = np.log1p(np.where(self.drawn, -half, 0.0).astype(real))
            self.columns = [failure.astype(np.float64), self.count]
            self.least = 2 * self.drawn.view(np.uint8)

    def results(self, values: Array) -> Array:
        """The numbers of successes, also where nothing was drawn."""
        values = np.where(self.turned, self.count - values, values)
        some = (self.count > 0) & ~(self.p <= 0)
        values = np.where(some & (self.p >= 1), self.count, values)
        return np.where(some & np.isnan(self.p), np.nan, values)
