"""The error function and its complement.

Up to 1: x + x E(x^2). Beyond, float32 lanes take 1 - erfc(1) e^(-u q(u)) of u = x - 1, and
float64 e^(-x^2) P(t) / (1 + 2 x) of t = (x - 4) / (x + 4).
"""

from __future__ import annotations

from math import log, sqrt

from . import math_tables as tables
from .algebra import (
    N,
    fast_sum,
    fma,
    limit,
    poly,
    quotient,
    reciprocal,
    residual,
    two_product,
)
from .math_exp import MAGIC, exp, one_and, reduced, scaled, tail

_ERF = {32: tables.ERF_32, 48: tables.ERF_48, 64: tables.ERF_64}


def _near(a: N, precise: int) -> N:
    return fma(a, poly(a * a, _ERF[precise]), a)


def erf_fast(x: N) -> N:
    """float32 in its own lanes."""
    a = abs(x)
    u = limit(a, 1.0, 4.0) - 1.0
    r, _, n = reduced(-(u * poly(u, tables.ERFC_FALL_32)))
    fall = scaled(1.0 + fma(r * r, tail(r, 32), r), n)
    far = fma(fall, -tables.ERFC_1, 1.0)
    return (a < 1.0).where(_near(a, 32), far).with_sign(x)


def beyond(a: N, precise: int) -> N:
    """erfc(a) of 0.45 <= a <= 28."""
    below = a + 4.0
    t = (a - 4.0) / below
    if precise == 48:
        p = poly(t, tables.TAIL_48)
        return exp(-(a * a), 48) * (p / (1.0 + 2.0 * a))
    p, under = fast_sum(t.like(tables.TAIL_64[0]), t * poly(t, tables.TAIL_64[1:]))
    slope = poly(t, [k * c for k, c in enumerate(tables.TAIL_64)][1:9])
    rest = residual(a - 4.0, t, below) / below * slope
    square, lost = two_product(a, a)
    r, low, n = reduced(-square)
    r, low = fast_sum(r, low - lost)
    high, least = one_and(r, low, 64)
    top, lost = two_product(high, p)
    y, more = quotient((top, lost + fma(high, rest + under, least * p)),
                       fast_sum(2.0 * a, a.like(1.0)))  # fmt: skip
    return scaled(y + more, n)


def erf(x: N, precise: int) -> N:
    a = abs(x)
    far = 1.0 - beyond(limit(a, 0.5, 6.5), precise)
    return (a < 1.0).where(_near(a, precise), far).with_sign(x)


def erfc(x: N, precise: int) -> N:
    a = abs(x)
    far = beyond(limit(a, 0.45, 28.0), precise)
    far = (x < 0.0).where(2.0 - far, far)
    half = 0.5 - (fma(x, poly(x * x, _ERF[precise]), x) - 0.5)
    return (a < 0.46).where(half, far)


def normal_cdf(x: N, precise: int) -> N:
    """The normal distribution function."""
    return erfc(x * -sqrt(0.5), precise) * 0.5


def normal_cdf_fast(x: N) -> N:
    """float32 in its own lanes: 1 / (1 + e^-l), to 2^-23 of 1, where x P(x^2) is the logit l."""
    square = x * x
    square = (square.like(tables.LOGIT_FAR) < square).where(tables.LOGIT_FAR, square)
    fall = x * poly(square, [-c for c in tables.LOGIT])
    b = limit(fall, -87.0, 87.0)
    t = fma(b, 1 / log(2), MAGIC[32])
    r = fma(t - MAGIC[32], -log(2), b)
    y = 1.0 + fma(r * r, poly(r, tables.EXP_24), r)
    power = (y.bits() + (t.bits() << 23)).floats()
    y = (fall > 87.0).where(0.0, reciprocal(power + 1.0))
    return fma(b, 0.0, y)  # nan where x is: its bits may be lost in the power
