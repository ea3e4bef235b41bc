"""How a gamma or beta number moves when the shape of its distribution does, its quantile fixed.

With F the distribution function of shape a: dx/da = -(dF/da) / (dF/dx).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .special import gammainc, gammaincc, lgamma

Array = np.ndarray
STEP = 1e-3  # of the scale on which F changes with a
MOST_TERMS = 500


def _slope(function: Callable[[Array], Array], a: Array) -> Array:
    """df/da by central differences of fourth order."""
    h = STEP * np.minimum(a, np.sqrt(a))
    near = function(a + h) - function(a - h)
    far = function(a + 2 * h) - function(a - 2 * h)
    return (8 * near - far) / (12 * h)


def standard_gamma_grad(a: Array, x: Array) -> Array:
    """dx/da of a gamma number x of shape a and scale 1."""
    wide_a, wide_x = np.asarray(a, np.float64), np.asarray(x, np.float64)
    # The smaller tail keeps its digits.
    low = wide_x < wide_a
    below = _slope(lambda at: gammainc(at, wide_x), wide_a)
    above = _slope(lambda at: gammaincc(at, wide_x), wide_a)
    density = np.exp((wide_a - 1) * np.log(wide_x) - wide_x - lgamma(wide_a))
    return (np.where(low, -below, above) / density).astype(a.dtype)


def _beta_tail(a: Array, b: Array, x: Array) -> Array:
    """I_x(a, b) where x < (a + 1) / (a + b + 2), by Lentz's continued fraction (DLMF 8.17.22)."""
    tiny = 1e-300
    c, d = np.ones_like(x), 1 - (a + b) * x / (a + 1)
    d = 1 / np.where(np.abs(d) < tiny, tiny, d)
    result = d
    for m in range(1, MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 + term * d, 1 + term / c
            d = 1 / np.where(np.abs(d) < tiny, tiny, d)
            c = np.where(np.abs(c) < tiny, tiny, c)
            result = result * d * c
        if np.all(np.abs(d * c - 1) < 1e-15):
            break
    return np.exp(_log_beta_weight(a, b, x)) * result / a


def _log_beta_weight(a: Array, b: Array, x: Array) -> Array:
    """log of x^a (1 - x)^b / B(a, b)."""
    volume = lgamma(a + b) - lgamma(a) - lgamma(b)
    return volume + a * np.log(x) + b * np.log1p(-x)


def dirichlet_grad(x: Array, a: Array, total: Array) -> Array:
    """dx/da / (1 - x) of a weight x of a Dirichlet vector; `total` is the sum of all shapes."""
    wide_x, wide_a = np.asarray(x, np.float64), np.asarray(a, np.float64)
    b = np.asarray(total, np.float64) - wide_a
    split = (wide_a + 1) / (wide_a + b + 2)
    low = wide_x < split
    inside = np.where(low, wide_x, 0.5 * split)
    outside = np.where(low, 0.5 * (1 - split), 1 - wide_x)
    below = _slope(lambda at: _beta_tail(at, b, inside), wide_a)
    above = _slope(lambda at: _beta_tail(b, at, outside), wide_a)
    density = np.exp(_log_beta_weight(wide_a, b, wide_x)) / wide_x  # times (1 - x)
    return (np.where(low, -below, above) / density).astype(a.dtype)
