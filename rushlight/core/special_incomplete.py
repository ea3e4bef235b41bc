"""The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P(a, x)."""

from __future__ import annotations

import functools
import math

import numpy as np

from . import special_coefficients as table
from .special_error import erfc_kernel
from .special_gamma import lgamma_kernel, lgamma_near_one
from .special_kernel import Fit, branch, pairwise, settle

EPSILON = float(np.finfo(np.float64).eps)
MOST_TERMS = 4000
# Temme's expansion holds to double precision from this a on, within this distance of x/a = 1.
UNIFORM_FROM, UNIFORM_WIDTH = 25.0, 0.35
UNIFORM_ORDERS, UNIFORM_POWERS = 14, 26

_stirling = Fit(table.LGAMMA_STIRLING)


@functools.cache
def _uniform_table() -> np.ndarray:
    """Coefficients d[k, n] of Temme's expansion in powers of eta (DLMF 8.12.9-13), exactly."""
    from fractions import Fraction  # on use: it loads decimal

    size = UNIFORM_POWERS + 2 * UNIFORM_ORDERS
    # mu = eta + alpha_2 eta**2 + ... solves mu mu' = eta (1 + mu), mu = x/a - 1.
    alpha = [Fraction(0), Fraction(1)]
    for n in range(2, size + 3):
        products = sum((alpha[j] * alpha[n + 1 - j] for j in range(2, n)), Fraction(0))
        alpha.append(alpha[n - 1] / (n + 1) - products / 2)
    rows = [[(n + 2) * alpha[n + 2] for n in range(size + 1)]]
    rows[0][0] -= 1
    for _ in range(1, UNIFORM_ORDERS):
        last = rows[-1]
        # The pole at eta = 0 must cancel, which gives Stirling's coefficient of this order.
        rows.append([(n + 2) * last[n + 2] - last[1] * rows[0][n] for n in range(len(last) - 2)])
    return np.array([[float(v) for v in row[:UNIFORM_POWERS]] for row in rows])


def _log_remainder(mu: np.ndarray) -> np.ndarray:
    """mu - log(1 + mu), without cancellation near zero."""

    def near(mu):
        # With s = mu / (2 + mu): mu s - 2 (s**3/3 + s**5/5 + ...).
        s = mu / (2 + mu)
        square = s * s
        total = np.full_like(s, 1 / 29)
        for k in range(27, 1, -2):
            total = total * square + 1 / k
        return s * (mu - 2 * square * total)

    return branch(np.abs(mu) <= 0.4, near, lambda mu: mu - np.log1p(mu), mu)


def _log_gamma_plus_one(a: np.ndarray) -> np.ndarray:
    """lgamma(a + 1) for a >= 0, exact for tiny a too."""
    return branch(a < 0.5, lgamma_near_one, lambda a: lgamma_kernel(a + 1), a)


def _density(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x**a exp(-x) / gamma(a + 1)."""

    def small(a, x):
        x = np.minimum(x, 1e6)
        return x**a * np.exp(-x - _log_gamma_plus_one(a))

    def middle(a, x):
        # A power loses less than an exponential of a large sum.
        return (x / a) ** a * np.exp(a - x)

    def uniform(a, x):
        return np.exp(-a * _log_remainder((x - a) / a))

    def large(a, x):
        u = 1 / a
        y = branch((a < 100) & (x < 700) & (np.abs(x - a) > 0.3 * a), middle, uniform, a, x)
        return y * np.exp(-u * _stirling(u * u)) / np.sqrt(2 * math.pi * a)

    return branch(a < 3, small, large, a, x)


def _series(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P by its power series (DLMF 8.7.1)."""
    term, total = np.ones_like(a), np.ones_like(a)
    for n in range(1, MOST_TERMS):
        term = term * (x / (a + n))
        total += term
        if n % 8 == 0 and not (term > 0.1 * EPSILON * total).any():
            break
    return total * _density(a, x)


def _fraction(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q by its continued fraction (DLMF 8.9.2), by Lentz's method as Thompson & Barnett do."""
    b = x + 1 - a
    c = np.full_like(x, 1e300)
    d = 1 / b
    value = d.copy()
    for n in range(1, MOST_TERMS):
        numerator = n * (a - n)
        b = b + 2
        d = 1 / (numerator * d + b)
        c = b + numerator / c
        step = c * d
        value *= step
        if n % 8 == 0 and not (np.abs(step - 1) > EPSILON).any():
            break
    return value * a * _density(a, x)


def _small_upper(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Q for small x and a: one minus the leading power, less the rest of the series of P."""
    term, total = np.ones_like(a), np.zeros_like(a)
    for n in range(1, 40):
        term = term * (-x / n)
        total += term / (a + n)
    exponent = a * np.log(x) - _log_gamma_plus_one(a)
    return -np.expm1(exponent) - np.exp(exponent) * a * total


def _uniform(a: np.ndarray, x: np.ndarray, sign: float) -> np.ndarray:
    """Temme's uniform expansion (DLMF 8.12.3-4): Q for sign 1, P for sign -1."""
    mu = (x - a) / a
    remainder = _log_remainder(mu)
    eta = np.copysign(np.sqrt(2 * remainder), mu)
    rows, inverse = _uniform_table(), 1 / a
    total = np.zeros_like(a)
    for row in rows[::-1]:
        value = np.full_like(a, row[-1])
        for coefficient in row[-2::-1]:
            value = value * eta + coefficient
        total = total * inverse + value
    total *= np.exp(-a * remainder) / np.sqrt(2 * math.pi * a)
    return 0.5 * erfc_kernel(sign * eta * np.sqrt(0.5 * a)) + sign * total


def _is_uniform(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    return (a >= UNIFORM_FROM) & (np.abs(x - a) <= UNIFORM_WIDTH * a)


def _lower(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    def plain(a, x):
        near = (x <= 1) | (x <= a)
        return branch(near, _series, lambda a, x: 1 - _fraction(a, x), a, x, strict=True)

    def uniform(a, x):
        return _uniform(a, x, -1.0)

    return branch(_is_uniform(a, x), uniform, plain, a, x, strict=True)


def _upper(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    def complement(a, x):
        return 1 - _series(a, x)

    def small(a, x):
        safe = np.where(x <= 0.5, -0.4 / np.log(x) < a, 0.75 * x < a)
        return branch(safe, complement, _small_upper, a, x, strict=True)

    def plain(a, x):
        return branch(x > 1.1, beyond, small, a, x, strict=True)

    def beyond(a, x):
        return branch(x > a, _fraction, complement, a, x, strict=True)

    def uniform(a, x):
        return _uniform(a, x, 1.0)

    return branch(_is_uniform(a, x), uniform, plain, a, x, strict=True)


def _guarded(rule, at_zero: float):
    """`rule` on ordinary arguments, torch's answers at the edges; `at_zero` is that for x = 0."""

    def kernel(a, x):
        plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        y = rule(np.where(plain, a, 1.0), np.where(plain, x, 1.0))
        settle(y, np.isnan(a) | np.isnan(x), np.nan)
        settle(y, np.isinf(x), 1 - at_zero)
        settle(y, np.isinf(a), at_zero)
        settle(y, np.isinf(a) & np.isinf(x), np.nan)
        settle(y, x == 0, at_zero)
        settle(y, (a == 0) & (x > 0), 1 - at_zero)
        settle(y, (a == 0) & ~(x > 0), np.nan)
        settle(y, (a < 0) | (x < 0), np.nan)
        return y

    return kernel


_lower_kernel, _upper_kernel = _guarded(_lower, 0.0), _guarded(_upper, 1.0)


def gammainc(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The regularised lower incomplete gamma function: P(a, x), rising from 0 to 1 in x.

    >>> import numpy as np
    >>> gammainc(np.array([1.0, 100.0]), np.array([1.0, 100.0])).round(6).tolist()
    [0.632121, 0.513299]
    """
    return pairwise(a, x, _lower_kernel)


def gammaincc(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The regularised upper incomplete gamma function: Q(a, x) = 1 - P(a, x).

    >>> import numpy as np
    >>> gammaincc(np.array([1.0, 100.0]), np.array([1.0, 100.0])).round(6).tolist()
    [0.367879, 0.486701]
    """
    return pairwise(a, x, _upper_kernel)
