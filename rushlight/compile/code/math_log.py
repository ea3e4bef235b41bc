"""Logarithms and powers.

x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); with s = f / (2 + f),
log(1 + f) = 2 s + s z P(z), z = s^2. float32 lanes take a polynomial in f instead, without the
division.
"""

from __future__ import annotations

from math import inf, nan

from . import math_tables as tables
from .algebra import (
    N,
    Pair,
    fast_sum,
    fma,
    limit,
    pair_product,
    poly,
    quotient,
    reciprocal,
    two_product,
    two_sum,
)
from .emit import constant
from .math_exp import of_pair, split

LOG2E = (1.4426950408889634, 2.0355273740931033e-17)
LOG10E = (0.4342944819032518, 1.098319650216765e-17)
LOG10_2 = (0.301029995663157, 8.241712586023572e-13)  # 40 digits and the rest
_TABLE = {48: tables.LOG_S_48, 64: tables.LOG_S_64}


def normal_parts(x: N) -> tuple[N, N]:
    """f and k (as a float) of a positive x, subnormal or not."""
    bits = x.type.bits
    digits, least, root = (
        (23, 2.0**-126, 0x3F3504F3) if bits == 32 else (52, 2.0**-1022, 0x3FE6A09E667F3BCD)
    )
    small = x < least
    word = small.where(x * 2.0**digits, x).bits()
    k = (word - root) >> digits
    f = (word - (k << digits)).floats() - 1.0
    k = k + small.where(_whole(x, -digits), 0)
    return f, N(x.f, x.f.convert("sitofp", k.value, f"float{bits}"))


def _whole(x: N, number: int) -> N:
    return N(x.f, constant(number, x.type.of(f"int{x.type.bits}")))


def specials(x: N, y: N) -> N:
    """y where 0 < x < inf; -inf at 0, nan below, x itself at inf and nan."""
    y = (x < inf).where(y, x)
    y = x.is_("==", 0.0).where(-inf, y)
    return (x < 0.0).where(nan, y)


def log_fast(x: N) -> N:
    """float32 in its own lanes."""
    if x.f.module.vast and x.type.lanes == 16:
        return _log_vast(x, None)
    return specials(x, _log_of_parts(*normal_parts(x), None))


def _log_of_parts(f: N, k: N, extra: N | None) -> N:
    """log(2^k (1 + f)) + extra in float32 lanes."""
    high, low = split(32)
    square = f * f
    y = fma(k, low, square * f * poly(f, tables.LOG_F_32))
    y = fma(square, -0.5, y if extra is None else y + extra)
    return fma(k, high, f + y)


def _vast(x: N, name: str, *settings: str) -> N:
    """An instruction of AVX-512 over sixteen floats."""
    f, type = x.f, x.type
    inside = ", ".join(
        [x.value.typed, *settings, f"{type.text} zeroinitializer", "i16 -1", "i32 4"]
    )
    return N(f, f.emit(type, f"call {type.text} @llvm.x86.avx512.mask.{name}.ps.512({inside})"))


def _log_vast(x: N, extra: N | None) -> N:
    """By the instructions that take floats apart: zeros, inf, nan and signs come out right.

    The mantissa lies in [3/4, 3/2), and is nan where x is negative (setting 11).
    """
    m = _vast(x, "getmant", "i32 11")
    k = _vast(x, "getexp") - _vast(m, "getexp")
    f = m - 1.0
    square = f * f
    high, low = split(32)
    y = fma(k, low, square * f * poly(f, tables.LOG_M_32))
    y = y if extra is None else y + extra
    return fma(k, high, f + fma(square, -0.5, y))


def log1p_fast(x: N) -> N:
    """float32 in its own lanes: the logarithm of 1 + x, and what rounding that lost.

    Where 1 + x needs no power of two, x itself is f: 1 + x may have lost most of it, and the
    quotient that makes up for that has errors as large as the last digit of a small x.
    """
    u, low = two_sum(x.like(1.0), x)
    if x.f.module.vast and x.type.lanes == 16:  # its quotient starts at 1 there
        share = (abs(low) > 0.0).where(low * reciprocal(u), 0.0)
        return _log_vast(u, share).with_sign(x)
    f, k = normal_parts(u)
    near = k.is_("==", 0.0)
    y = _log_of_parts(near.where(x, f), k, near.where(0.0, low / u))
    return specials(u, y).with_sign(x)


def parts(f: N, precise: int) -> tuple[N, N]:
    """(f^2 / 2, s (f^2 / 2 + R)): log(1 + f) is f - (the first - the second)."""
    s = f / (2.0 + f)
    z = s * s
    rest = z * poly(z, _TABLE[precise])
    half = 0.5 * f * f
    return half, s * (half + rest)


def log_of(x: N, extra: N | None, precise: int) -> N:
    """log(x + extra) of a positive float64 x, of which `extra` is a small part."""
    f, k = normal_parts(x)
    half, bent = parts(f, precise)
    high, low = split(64)
    below = k * low
    if extra is not None:
        below = below + extra / x
    return k * high - ((half - (bent + below)) - f)


def log64(x: N, precise: int) -> N:
    return specials(x, log_of(x, None, precise))


def log1p(x: N, precise: int) -> N:
    u, low = two_sum(x.like(1.0), x)
    y = log_of(u, (x < 1e300).where(low, 0.0), precise)
    y = specials(u, y)
    tiny = abs(x) < 1e-17
    return tiny.where(x, y)


def _to_base(x: N, precise: int, base: tuple[float, float], two: float, two_low: float) -> N:
    f, k = normal_parts(x)
    half, bent = parts(f, precise)
    if precise == 48:
        return specials(x, fma(k, two, (f - (half - bent)) * base[0]))
    square, lost = two_product(0.5 * f, f)
    high, low = fast_sum(f, -square)
    high, low = fast_sum(high, low + (bent - lost))
    p, rest = two_product(high, x.like(base[0]))
    rest = fma(low, base[0], fma(high, base[1], rest))
    whole, more = two_sum(k * two, p)
    return specials(x, whole + (more + fma(k, two_low, rest)))


def log2(x: N, precise: int) -> N:
    return _to_base(x, precise, LOG2E, 1.0, 0.0)


def log10(x: N, precise: int) -> N:
    return _to_base(x, precise, LOG10E, *LOG10_2)


def log_pair(x: N) -> Pair:
    """log of a positive, finite float64 as a pair, right to about 68 digits."""
    f, k = normal_parts(x)
    s = quotient((f, f.like(0.0)), fast_sum(f.like(2.0), f))
    z = pair_product(s, s)
    two_thirds = (f.like(2 / 3), f.like(3.700743415417188e-17))
    c = pair_product(z, two_thirds)
    far = z[0] * z[0] * poly(z[0], tables.LOG_S_64[1:])
    c = fast_sum(c[0], c[1] + far)
    c = pair_product(c, s)
    high, low = split(64)
    start, lost = two_sum(k * high, s[0] * 2.0)
    begin, more = two_sum(start, c[0])
    return fast_sum(begin, fma(k, low, (lost + more) + (2.0 * s[1] + c[1])))


def _odd_and_whole(y: N) -> tuple[N, N]:
    whole = N(y.f, y.f.intrinsic("trunc", y.value)).is_("==", y)
    half = y * 0.5
    even = N(y.f, y.f.intrinsic("trunc", half.value)).is_("==", half)
    return whole & ~even, whole


def power(x: N, y: N, precise: int) -> N:
    """x^y in float64 lanes, with C's special values."""
    a = abs(x)
    if precise == 48:
        size = of_pair(y * log64(a, 48), x.like(0.0), 48)
    else:
        high, low = log_pair(a)
        edge = a.is_("==", 0.0) | a.is_("==", inf)
        high = edge.where(a.is_("==", 0.0).where(a.like(-inf), inf), high)
        times = limit(y, -1e300, 1e300)
        p, lost = two_product(times, high)
        rest = fma(times, low, lost)
        rest = (abs(p) < 1000.0).where(rest, 0.0)
        size = of_pair(p, rest, 64)
        size = x.is_("!=", x).where(x, size)
    odd, whole = _odd_and_whole(y)
    negative = x.bits() < 0
    size = (negative & odd).where(-size, size)
    bad = (x < 0.0) & ~whole & (x > -inf)
    size = bad.where(nan, size)
    unit = a.is_("==", 1.0) & abs(y).is_("==", inf)
    return (y.is_("==", 0.0) | x.is_("==", 1.0) | unit).where(1.0, size)
