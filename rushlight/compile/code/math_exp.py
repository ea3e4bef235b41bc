"""e^x and what is made of it: expm1, exp2, sigmoid, tanh, sinh, cosh.

x = n ln 2 + r with |r| <= ln 2 / 2, and e^x = 2^n (1 + r + r^2 p(r)). `precise` is 32 (float32
lanes), 48 (float64 lanes for a float32 result) or 64. Where a last bit would be lost, 1 + q is
kept as a pair (high, low).
"""

from __future__ import annotations

from math import floor, ldexp, log

from . import math_tables as tables
from .algebra import (
    N,
    Pair,
    fast_sum,
    fma,
    limit,
    picked,
    poly,
    quotient,
    raw,
    reciprocal,
    residual,
    start_of_reciprocal,
    two_product,
    two_sum,
)  # fmt: skip

LN2_LOW = 2.319046813846299557e-17  # ln 2 minus its float64
PUT_OFF = 64  # doublings that keep a power normal until it is multiplied
MAGIC = {32: 1.5 * 2.0**23, 64: 1.5 * 2.0**52}  # adding it rounds to an integer, in the low bits


def split(bits: int) -> tuple[float, float]:
    """ln 2 as a number of few digits, whose products with n are exact, and the rest."""
    digits = 14 if bits == 32 else 40
    high = ldexp(floor(ldexp(log(2), digits)), -digits)
    return high, (log(2) - high) + LN2_LOW


def nearest(x: N, factor: float) -> tuple[N, N]:
    """The integer nearest to x * factor, as a float and as an integer."""
    magic = MAGIC[x.type.bits]
    t = fma(x, factor, magic)
    whole = N(x.f, x.f.bitcast(raw(t.like(magic)), f"int{x.type.bits}"))
    return t - magic, t.bits() - whole


def power_of_two(n: N) -> N:
    """2^n of an integer, in the range of normal numbers."""
    digits, bias = (23, 127) if n.type.bits == 32 else (52, 1023)
    return ((n + bias) << digits).floats()


def scaled(y: N, n: N) -> N:
    """y 2^n, also where that is subnormal or overflows; one rounding."""
    if y.f.module.vast and y.type.lanes * y.type.bits == 512:
        return _scaled_at_once(y, n)
    half = n >> 1
    return y * power_of_two(half) * power_of_two(n - half)


def _scaled_at_once(y: N, n: N) -> N:
    return _by_power(y, N(y.f, y.f.convert("sitofp", n.value, y.type.name)))


def _by_power(y: N, power: N) -> N:
    """y 2^power, both floats, by the instruction of AVX-512; 4 is the rounding in force."""
    f, type = y.f, y.type
    name, mask = ("ps", "i16") if type.bits == 32 else ("pd", "i8")
    text = (
        f"call {type.text} @llvm.x86.avx512.mask.scalef.{name}.512({y.value.typed},"
        f" {power.value.typed}, {type.text} zeroinitializer, {mask} -1, i32 4)"
    )
    return N(f, f.emit(type, text))


def tail(r: N, precise: int) -> N:
    """p(r): e^r = 1 + r + r^2 p(r)."""
    return poly(r, {32: tables.EXP_32, 48: tables.EXP_48, 64: tables.EXP_64}[precise])


def reduced(x: N) -> tuple[N, N, N]:
    """(r, its low part, n) of a limited x."""
    high, low = split(x.type.bits)
    n, whole = nearest(x, 1 / log(2))
    first = fma(n, -high, x)
    second = n * low
    r = first - second
    return r, (first - r) - second, whole


def bounded(x: N) -> N:
    """x within what does not yet give 0 or inf."""
    return limit(x, -104.0, 89.0) if x.type.bits == 32 else limit(x, -746.0, 710.0)


def one_and(r: N, low: N, precise: int) -> Pair:
    """e^(r + low) as a pair near 1."""
    q = fma(r * r, tail(r, precise), low)
    rest, below = fast_sum(r, q)
    high, lost = fast_sum(r.like(1.0), rest)
    return high, lost + below


def exp(x: N, precise: int) -> N:
    # what gives 0 (a mask's -inf) is computed at 0: a subnormal result takes 40 times as long
    gone = x < (-104.0 if x.type.bits == 32 else -746.0)
    if precise == 32 and x.f.module.vast and x.type.lanes == 16:
        x = gone.where(0.0, x)
        r, n = _with_float((x.like(89.0) < x).where(89.0, x))
        return gone.where(0.0, _by_power(1.0 + fma(r * r, tail(r, precise), r), n))
    r, low, n = reduced(bounded(gone.where(0.0, x)))
    if precise == 64:
        y = scaled(1.0 + (r + fma(r * r, tail(r, precise), low)), n)
    else:
        y = scaled(1.0 + fma(r * r, tail(r, precise), r), n)
    return gone.where(0.0, y)


def _with_float(x: N) -> tuple[N, N]:
    """(r, n as a float) of a limited float32, which `_by_power` wants."""
    high, low = split(32)
    n, _ = nearest(x, 1 / log(2))
    return fma(n, -low, fma(n, -high, x)), n


def _with_power(x: N) -> tuple[N, N, N]:
    """(r, its low part, 2^(n + PUT_OFF)) of a float32 x from -104 to 0.

    What is added to round to an integer has the bias of exponents in its low bits, so that a shift
    makes the power, which is normal also where 2^n is not.
    """
    high, low = split(32)
    magic = MAGIC[32] + 127.0 + PUT_OFF
    t = fma(x, 1 / log(2), magic)
    n = t - magic
    first = fma(n, -high, x)
    r = fma(n, -low, first)
    return r, fma(n, -low, first - r), (t.bits() << 23).floats()


def exp2(x: N, precise: int) -> N:
    x = limit(x, -151.0, 129.0) if x.type.bits == 32 else limit(x, -1076.0, 1025.0)
    n, whole = nearest(x, 1.0)
    r = x - n
    if precise == 64:
        g, low = two_product(r, r.like(log(2)))
        low = fma(r, LN2_LOW, low)
        return scaled(1.0 + (g + fma(g * g, tail(g, precise), low)), whole)
    g = r * log(2)
    low = fma(r, log(2), -g) if x.f.module.fused else 0.0
    return scaled(1.0 + (g + fma(g * g, tail(g, precise), low)), whole)


def less_one(x: N, precise: int, drop: int) -> Pair:
    """(e^x - 1) / 2^drop as a pair, for x not below -40; `drop` puts off the overflow."""
    r, low, n = reduced(x)
    high, below = one_and(r, low, precise)
    t = power_of_two(n - drop)
    first, lost = two_sum(t * high, x.like(-(2.0**-drop)))
    return fast_sum(first, lost + t * below)


def expm1(x: N, precise: int) -> N:
    top = 89.0 if x.type.bits == 32 else 710.0
    high, low = less_one(limit(x, -40.0, top), precise, 1)
    y = ((high + low) * 2.0).with_sign(x)
    return (abs(x) < 2.0**-60).where(x, y)  # halves of subnormals lose their last digit


def sigmoid(x: N, precise: int) -> N:
    """With z = e^-|x|: z / (1 + z) or 1 / (1 + z); scaled last, so that tiny ones keep digits."""
    least = -126 if x.type.bits == 32 else -1022
    r, low, n = reduced(limit(-abs(x), -104.0 if x.type.bits == 32 else -746.0, 0.0))
    high, below = one_and(r, low, precise)
    t = power_of_two((n < least).where(least, n))
    whole, lost = fast_sum(x.like(1.0), t * high)
    under = x < 0.0
    top = (under.where(high, 1.0), under.where(below, 0.0))
    y, rest = quotient(top, (whole, lost + t * below))
    return scaled(y + rest, under.where(n, 0))


def sigmoid_fast(x: N) -> N:
    """float32 in its own lanes: z / w or 1 / w of z = e^-|x| and w = 1 + z, both as pairs."""
    if x.f.module.vast and x.type.lanes == 16:
        return _sigmoid_vast(x)
    under, x = x.bits() < 0, -abs(x)
    gone = x < -104.0
    r, low, power = _with_power(gone.where(0.0, x))
    high, below = fast_sum(x.like(1.0), r + fma(r * r, tail(r, 32), low))
    return _share(under, high * power * gone.where(0.0, x.like(2.0**-PUT_OFF)), below)


def _sigmoid_vast(x: N) -> N:
    """c / (c + c e^-x) with c = 2^-PUT_OFF, so that what lies between is normal.

    e^-x = 2^(n / 16) e^r, where the powers of two come from a table: r is so short that two terms
    of its polynomial do, and its own rounding is nothing beside 1.
    """
    x = limit(x, -104.0, 20.0)
    t = fma(x, -16 / log(2), MAGIC[32])
    n, bits = t - MAGIC[32], t.bits()
    high, low = split(32)
    r = fma(n, low / 16, fma(n, high / 16, x))  # its negative
    first, second = tables.EXP_SHORT_32
    s = fma(r * r, fma(r, -second, first), picked(tables.POWER_32_REST, bits) - r)
    power = picked([ldexp(y, -PUT_OFF) for y in tables.POWER_32], bits).bits()
    power = (power + ((bits << 19) & (-1 << 23))).floats()  # the magic number's bits fall off
    z = fma(power, s, power)
    lost = fma(power, s, power - z)
    c = x.like(2.0**-PUT_OFF)
    above = c < z
    whole = c + z
    lost = lost + (above.where(c, z) - (whole - above.where(z, c)))
    start = start_of_reciprocal(whole)
    short = fma(-lost, start, fma(-whole, start, 1.0))
    return fma(start, short, start) * c


def _share(under: N, z: N, below: N) -> N:
    """z / (1 + z) where `under` holds, else 1 / (1 + z); z lacks z times `below`."""
    rest = z * below
    whole, lost = fast_sum(z.like(1.0), z)
    top = under.where(z, 1.0)
    inverse = reciprocal(whole)
    y = top * inverse
    short = residual(top, y, whole) + (under.where(rest, 0.0) - y * (lost + rest))
    return fma(short, inverse, y)


def tanh(x: N, precise: int) -> N:
    """(e^2a - 1) / (e^2a + 1) of a = |x|, divided as a pair."""
    a = limit(abs(x), 0.0, 10.0 if x.type.bits == 32 else 20.0)
    high, low = less_one(a + a, precise, 0)
    whole, lost = two_sum(high, x.like(2.0))
    y, rest = quotient((high, low), (whole, lost + low))
    return (y + rest).with_sign(x)


def _tanh_vast(x: N) -> N:
    """tanh(c + d) = tanh(c) + d q(d) of |x|, with c and the coefficients of q from tables.

    There are four c to a power of two from 1/16 on, chosen so that tanh(c) is all but a float;
    below the second c is 0, and x stands for tanh(c).
    """
    a = abs(x)
    a = (a.like(10.0) < a).where(10.0, a)
    at = (a.like(2.0**-4) > a).where(2.0**-4, a).bits() >> 21  # its exponent and two digits
    d = a - picked(tables.TANH_AT, at)
    start = (a < 0.078125).where(a, picked(tables.TANH_THERE, at))
    c1, c2, c3, c4, c5 = (picked(row, at) for row in tables.TANH_NEXT)
    square = d * d
    q = fma(fma(c5, square, fma(c4, d, c3)), square, fma(c2, d, c1))
    return fma(d, q, start).with_sign(x)


def tanh_fast(x: N) -> N:
    """float32 in its own lanes: an odd polynomial up to 0.9, then 1 - 2 / (e^2a + 1).

    There the quotient is below 0.3 and falls, so one step of reduction is enough for e^2a.
    """
    if x.f.module.vast and x.type.lanes == 16:
        return _tanh_vast(x)
    a = abs(x)
    z = a * a
    near = fma(a, z * poly(z, tables.TANH_32, False), a)
    b = (x.like(10.0) < a).where(10.0, a)
    b = b + b
    t = fma(b, 1 / log(2), MAGIC[32])
    r = fma(t - MAGIC[32], -log(2), b)
    y = 1.0 + fma(r * r, poly(r, tables.EXP_32), r)
    power = (y.bits() + (t.bits() << 23)).floats()  # the magic number's own bits fall off
    far = fma(reciprocal(power + 1.0), -2.0, 1.0)
    return (a >= 0.9).where(far, near).with_sign(x)


def sinh(x: N, precise: int) -> N:
    """With v = (e^a - 1) / 4: 2 (v + v / (4v + 1))."""
    high, low = less_one(limit(abs(x), 0.0, 710.75), precise, 2)
    y = (high + (low + high / (4.0 * high + 1.0))) * 2.0
    return (abs(x) < 2.0**-60).where(x, y.with_sign(x))


def cosh(x: N, precise: int) -> N:
    """With w = e^a / 4: 2 (w + 1 / (16 w))."""
    r, low, n = reduced(limit(abs(x), 0.0, 710.75))
    high, below = one_and(r, low, precise)
    t = power_of_two(n - 2)
    high, below = t * high, t * below
    return (high + (below + 0.0625 / high)) * 2.0


def of_pair(h: N, low: N, precise: int) -> N:
    """e^(h + low) of a float64 pair; what lies outside the range gives 0 or inf."""
    h = bounded(h)
    r, rest, n = reduced(h)
    r, rest = fast_sum(r, rest + low)  # the low part may be a last digit of a large h
    return scaled(1.0 + (r + fma(r * r, tail(r, precise), rest)), n)
