"""Inverse trigonometric and hyperbolic functions, in float64 lanes."""

from __future__ import annotations

from math import inf, log, nan, pi, sqrt

from . import math_tables as tables
from .algebra import N, Pair, fast_sum, poly, residual, two_product, two_sum
from .math_log import log_of, specials

HALF = (1.5707963267948966, 6.123233995736766e-17)
_ATAN = {48: tables.ATAN_48, 64: tables.ATAN_64}
_ASIN = {48: tables.ASIN_48, 64: tables.ASIN_64}


def _arc(a: N, precise: int) -> tuple[N, N, N]:
    """(big, y, p): asin a = y + p of a <= 1/2; else 2 (y + p) taken from pi / 2."""
    big = a > 0.5
    z = big.where(0.5 - 0.5 * a, a * a)
    y = big.where(z.sqrt(), a)
    p = y * (z * poly(z, _ASIN[precise]))
    if precise == 64:  # what the square root lost
        lost = residual(z, y, y) / (y + y)
        p = p + (big & (y > 0.0)).where(lost, 0.0)
    return big, y, p


def asin(x: N, precise: int) -> N:
    big, y, p = _arc(abs(x), precise)
    far = HALF[0] - (2.0 * y - (HALF[1] - 2.0 * p))
    return big.where(far, y + p).with_sign(x)


def acos(x: N, precise: int) -> N:
    big, y, p = _arc(abs(x), precise)
    under = x < 0.0
    signed = p.with_sign(x)
    middle = HALF[0] - (x - (HALF[1] - signed))
    left = 2.0 * HALF[0] - (2.0 * y - (2.0 * HALF[1] - 2.0 * p))
    return big.where(under.where(left, 2.0 * (y + p)), middle)


def _angle(top: N, under: N, precise: int) -> Pair:
    """atan(top / under) of two non-negative numbers, as a sum of two, in three cases."""
    low = top <= under * (sqrt(2) - 1)
    high = top > under * (sqrt(2) + 1)
    above = low.where(top, high.where(-under, top - under))
    below = low.where(under, high.where(top, top + under))
    t = above / below.is_("==", 0.0).where(1.0, below)
    z = t * t
    bend = t * (z * poly(z, _ATAN[precise]))
    base = low.where(t.like(0.0), high.where(t.like(pi / 2), pi / 4))
    lost = low.where(t.like(0.0), high.where(t.like(HALF[1]), HALF[1] / 2))
    if precise == 64:
        rest = residual(above, t, below) / below
        rest = (abs(rest) < 1.0).where(rest, 0.0)
        bend = bend + rest * (1.0 - z)
    whole, more = two_sum(base, t)
    return whole, more + (bend + lost)


def atan(x: N, precise: int) -> N:
    a, b = _angle(abs(x), x.like(1.0), precise)
    return (a + b).with_sign(x)


def atan2(y: N, x: N, precise: int) -> N:
    top, under = abs(y), abs(x)
    both = top.is_("==", inf) & under.is_("==", inf)
    top, under = both.where(1.0, top), both.where(1.0, under)
    if precise == 64:  # keep the sum finite, and the quotient's residual normal
        huge = (top > 1e300) | (under > 1e300)
        small = (top < 1e-200) | (under < 1e-200)
        tiny = small & (top < 1e200) & (under < 1e200)
        scale = huge.where(top.like(2.0**-60), tiny.where(top.like(2.0**300), 1.0))
        top, under = top * scale, under * scale
    a, b = _angle(top, under, precise)
    back = x.bits() < 0
    far, lost = two_sum(a.like(pi), -a)
    y_far = far + (lost + (2.0 * HALF[1] - b))
    return back.where(y_far, a + b).with_sign(y)


def _log_of_sum(u: Pair, precise: int) -> N:
    """log(1 + u) of a pair."""
    whole, lost = two_sum(u[0].like(1.0), u[0])
    return log_of(whole, lost + u[1], precise)


def asinh(x: N, precise: int) -> N:
    """log(1 + a + a^2 / (1 + sqrt(1 + a^2)))."""
    a = abs(x)
    big = a > 2.0**28
    b = big.where(1.0, a)
    square, lost = two_product(b, b)
    whole, more = two_sum(square.like(1.0), square)
    root = whole.sqrt()
    root_low = (residual(whole, root, root) + (more + lost)) / (root + root)
    below, rest = fast_sum(root, root.like(1.0))
    q = square / below
    q_low = (residual(square, q, below) + lost - q * (rest + root_low)) / below
    u = fast_sum(b, q)
    near = _log_of_sum((u[0], u[1] + q_low), precise)
    far = log_of(big.where(a, 1.0), None, precise) + log(2)
    y = big.where(far, near)
    y = (a < 1e-9).where(a, y)
    return (a < inf).where(y, a).with_sign(x)


def acosh(x: N, precise: int) -> N:
    """log(1 + t + sqrt(2 t + t^2)) of t = x - 1."""
    big = x > 2.0**28
    t = big.where(2.0, x) - 1.0
    square, lost = two_product(t, t)
    inside, more = two_sum(t + t, square)
    root = inside.sqrt()
    root_low = (residual(inside, root, root) + (more + lost)) / (root + root)
    root_low = (root > 0.0).where(root_low, 0.0)
    u, rest = two_sum(t, root)
    near = _log_of_sum((u, rest + root_low), precise)
    far = log_of(big.where(x, 1.0), None, precise) + log(2)
    y = (x < inf).where(big.where(far, near), x)
    return (x < 1.0).where(nan, y)


def atanh(x: N, precise: int) -> N:
    """log(1 + 2 a / (1 - a)) / 2."""
    a = abs(x)
    below, lost = two_sum(a.like(1.0), -a)
    u = (a + a) / below
    u_low = (residual(a + a, u, below) - u * lost) / below
    u_low = (abs(u_low) < inf).where(u_low, 0.0)
    y = 0.5 * specials(u, _log_of_sum((u, u_low), precise))
    y = (a > 1.0).where(nan, (a < 1e-9).where(a, y))
    return y.with_sign(x)
