"""The logarithm of the gamma function, its derivatives, and Hurwitz's zeta function."""

from __future__ import annotations

import math

import numpy as np

from . import special_coefficients as table
from .errors import fail
from .special_kernel import (
    FLOAT64,
    Fit,
    Kernel,
    branch,
    by_scalar,
    offset_from_integer,
    pairwise,
    pointwise,
    result_dtype,
    settle,
    widened,
)

LOG_PI = math.log(math.pi)
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
# Euler-Maclaurin: this many direct terms, then Bernoulli numbers over factorials, B_2j / (2j)!.
DIRECT_TERMS = 9
BERNOULLI = [
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000, 77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
]  # fmt: skip


_near_one, _near_two = Fit(table.LGAMMA_ONE), Fit(table.LGAMMA_TWO)
_stirling_tail = Fit(table.LGAMMA_STIRLING)
_digamma_root, _digamma_tail = Fit(table.DIGAMMA_MIDDLE), Fit(table.DIGAMMA_TAIL)
_trigamma_tail = Fit(table.TRIGAMMA_TAIL)


def _stirling(x: np.ndarray) -> np.ndarray:
    """lgamma for x >= 3, by Stirling's formula with a fitted correction."""
    u = 1 / x
    return (x - 0.5) * (np.log(x) - 1) + (HALF_LOG_TWO_PI - 0.5) + u * _stirling_tail(u * u)


def lgamma_near_one(z: np.ndarray) -> np.ndarray:
    """lgamma(1 + z) for -1/4 <= z <= 1/2."""
    return _near_one(z) * (z * z - z)


def _below_three(x: np.ndarray) -> np.ndarray:
    """lgamma on [1/2, 3], relative to its zeros 1 and 2."""

    def two(x):
        w = x - 2
        return _near_two(w) * w * (w + 1)

    def below_two(x):
        return branch(x >= 0.75, lambda x: lgamma_near_one(x - 1), half, x)

    def half(x):
        # lgamma(x + 1) - log(x): the step up is exact when written in x - 1.
        w = x - 1
        return _near_two(w) * w * x - np.log(x)

    return branch(x >= 1.5, two, below_two, x)


def _lgamma_positive(x: np.ndarray) -> np.ndarray:
    return branch(
        x >= 0.5,
        lambda x: branch(x >= 3, _stirling, _below_three, x),
        lambda x: lgamma_near_one(x) - np.log(np.abs(x)),
        x,
    )


def _lgamma_shifted(x: np.ndarray) -> np.ndarray:
    """lgamma for x > 0 without branches, to absolute accuracy: enough below float64."""
    y = _stirling(x + 4)
    y -= np.log(x * (x + 1) * (x + 2) * (x + 3))
    settle(y, (x == 1) | (x == 2), 0)
    settle(y, x == np.inf, np.inf)
    return y


def _lgamma_with(positive: Kernel, start: float) -> Kernel:
    """Extend `positive`, which holds for x > start, to all x by reflection."""

    def reflected(x):
        # lgamma(x) = log(pi / (|x| sin(pi |x|))) - lgamma(|x|); the distance to a pole is exact.
        size = np.abs(x)
        sine = np.sin(np.pi * np.abs(offset_from_integer(size)))
        y = LOG_PI - np.log(size) - np.log(sine) - positive(size)
        settle(y, (sine == 0) | (size == np.inf), np.inf)
        return y

    return lambda x: branch(x <= start, reflected, positive, x)


lgamma_kernel = _lgamma_with(_lgamma_positive, -0.25)
_lgamma32 = widened(_lgamma_with(_lgamma_shifted, 0.0))


def _digamma_asymptotic(x: np.ndarray) -> np.ndarray:
    """digamma for x >= 2."""
    u = 1 / x
    square = u * u
    return (np.log(x) - 0.5 * u) - square * _digamma_tail(square)


def _digamma_positive(x: np.ndarray) -> np.ndarray:
    high, low = table.DIGAMMA_ROOT

    def near_root(x):
        return ((x - high) - low) * _digamma_root(x - 1.5)

    def beyond_one(x):
        return branch(x >= 2, _digamma_asymptotic, near_root, x)

    return branch(x >= 1, beyond_one, lambda x: near_root(x + 1) - 1 / x, x)


def _digamma_shifted(x: np.ndarray) -> np.ndarray:
    """digamma for x > 0 without branches, to absolute accuracy: enough below float64."""
    return _digamma_asymptotic(x + 2) - 1 / (x + 1) - 1 / x


def _digamma_with(positive: Kernel) -> Kernel:
    """Extend `positive` to negative x by reflection."""

    def reflected(x):
        offset = offset_from_integer(x)
        y = positive(1 - x) - np.pi / np.tan(np.pi * offset)
        settle(y, offset == 0, np.nan)
        return y

    return lambda x: branch(x < 0, reflected, positive, x)


_digamma64 = _digamma_with(_digamma_positive)
_digamma32 = widened(_digamma_with(_digamma_shifted))


def _trigamma64(x: np.ndarray) -> np.ndarray:
    def shifted(x):
        first = 1 / (x * x)
        second = np.where(x < 1, 1 / ((x + 1) * (x + 1)), 0)
        return tail(np.where(x < 1, x + 2, x + 1)) + second + first

    def tail(x):
        u = 1 / x
        square = u * u
        return u + 0.5 * square + u * square * _trigamma_tail(square)

    def positive(x):
        return branch(x < 2, shifted, tail, x)

    def reflected(x):
        sine = np.sin(np.pi * offset_from_integer(x))
        return (np.pi / sine) ** 2 - positive(1 - x)

    return branch(x < 0, reflected, positive, x)


def _zeta_positive(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Hurwitz's zeta for s > 1 and q > 0, by Euler and Maclaurin's summation."""
    end = q + DIRECT_TERMS
    power = end**-s
    inverse = 1 / (end * end)
    term = s * power / end
    rest = term * BERNOULLI[0]
    for j, number in enumerate(BERNOULLI[1:], 1):
        term = term * ((s + 2 * j - 1) * (s + 2 * j)) * inverse
        rest += term * number
    total = rest + 0.5 * power + power * end / (s - 1)
    for k in range(DIRECT_TERMS - 1, -1, -1):
        total += (q + k) ** -s
    return total


def _zeta64(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    def negative(s, q):
        # The terms below zero, taken with their signs, are the difference of two such sums.
        part = q - np.floor(q)
        sign = np.where(s % 2 == 0, 1.0, -1.0)
        below = _zeta_positive(s, 1 - part) - _zeta_positive(s, 1 - q)
        y = _zeta_positive(s, part) + sign * below
        settle(y, s != np.floor(s), np.nan)
        settle(y, part == 0, np.inf)
        return y

    y = branch(q <= 0, negative, _zeta_positive, s, q)
    settle(y, s < 1, np.nan)
    settle(y, s == 1, np.inf)
    return y


def lgamma(x: np.ndarray) -> np.ndarray:
    """The logarithm of the absolute value of the gamma function; infinite at its poles.

    >>> import numpy as np
    >>> lgamma(np.array([-1.0, 0.5, 4.0])).round(6).tolist()
    [inf, 0.572365, 1.791759]
    """
    x = np.asarray(x)
    if x.size <= 256 and x.dtype != FLOAT64:
        try:
            return by_scalar(x, math.lgamma)
        except (ValueError, OverflowError):  # a pole, or an infinite answer
            pass
    return pointwise(x, lgamma_kernel, _lgamma32)


def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of `lgamma`: infinite at zero, nan at the negative integers, as in torch.

    >>> import numpy as np
    >>> digamma(np.array([0.0, 1.0, 10.0, -1.0])).round(6).tolist()
    [-inf, -0.577216, 2.251753, nan]
    """
    return pointwise(x, _digamma64, _digamma32)


def polygamma(n: int, x: np.ndarray) -> np.ndarray:
    """The n-th derivative of `digamma`: (-1)**(n+1) n! zeta(n+1, x) for n > 0.

    Raises RuntimeError when n is negative.

    >>> import numpy as np
    >>> polygamma(1, np.array([1.0, 2.0])).round(6).tolist()
    [1.644934, 0.644934]
    """
    if n < 0:
        raise fail(
            RuntimeError,
            "polygamma(n, x) does not support negative n.",
            f"n is {n}; polygamma(0, x) is digamma(x), polygamma(1, x) its derivative.",
        )
    if n == 0:
        return digamma(x)
    if n == 1:
        return pointwise(x, _trigamma64)
    factor = float(math.factorial(n)) if n <= 170 else math.inf
    sign = 1.0 if n % 2 else -1.0
    return pointwise(x, lambda x: sign * factor * _zeta64(np.full_like(x, n + 1), x))


def multigammaln(x: np.ndarray, p: int) -> np.ndarray:
    """The logarithm of the multivariate gamma function of dimension p.

    p(p-1)/4 log(pi) plus the sum of lgamma(x - j/2) over j < p.  Raises RuntimeError for p < 1.

    >>> import numpy as np
    >>> multigammaln(np.array([3.0]), 3).round(6).tolist()
    [2.694925]
    """
    if p < 1:
        raise fail(
            RuntimeError,
            "p has to be greater than or equal to 1",
            f"p is {p}; it is the number of rows of the random matrix.",
        )
    x = np.asarray(x)
    wide = x.astype(FLOAT64)
    total = np.full(x.shape, 0.25 * p * (p - 1) * LOG_PI)
    for j in range(p):
        total = total + lgamma(wide - 0.5 * j)
    return np.asarray(total).astype(result_dtype(x))


def zeta(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Hurwitz's zeta function, the sum of (k + q)**-x over k >= 0, for x > 1.

    >>> import numpy as np
    >>> zeta(np.array([2.0, 1.0]), np.array(1.0)).round(6).tolist()
    [1.644934, inf]
    """
    return pairwise(x, q, _zeta64)
