"""sin, cos, tan of float64 lanes (float32 comes here too).

x = n pi/2 + r: up to 2^30 by pi/2 in three parts, without loss; beyond, in a branch that is
taken only when a lane needs it, by an integer product with the digits of 2/pi (Payne and Hanek),
one lane at a time.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np

from . import math_tables as tables
from .algebra import N, Pair, fast_sum, fma, poly, quotient, residual, two_product, two_sum
from .emit import F64, I8, I64, PTR, VOID, Function, Module, Value, constant
from .math_exp import nearest

HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
LARGE = 2.0**30
FRONT, LAST = 64, 1216  # digits of 2/pi kept before and after the point


def _inverse_pi_digits() -> int:
    """floor(2^LAST 2 / pi), by Machin's formula in integers."""
    guard = LAST + 64

    def arctan_of_inverse(k: int) -> int:
        term, total, n = (1 << guard) // k, 0, 1
        while term:
            total += term // n if n % 4 == 1 else -(term // n)
            term //= k * k
            n += 2
        return total

    whole = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))
    return (2 << (guard + LAST)) // whole


def reduce_small(x: N) -> tuple[N, N, N]:
    n, whole = nearest(x, 2 / pi)
    first = residual(x, n, x.like(HALF_PI[0]))  # exact
    p, lost = two_product(n, x.like(HALF_PI[1]))
    r, low = two_sum(first, -p)
    return r, low - fma(n, HALF_PI[2], lost), whole


def reduced(x: N, precise: int) -> tuple[N, N, N]:
    """r, its low part, and n modulo 4 (as an integer whose low bits count)."""
    f = x.f
    far = abs(x) >= LARGE
    r, low, n = reduce_small(far.where(0.0, x))
    need = f.any(far.value)

    def slow() -> list[Value]:
        room = f.stack(F64, 3 * x.type.lanes)
        f.call(_slow_reduction(f.module, x.type), VOID, x.value, room)
        keep = []
        for k, old in enumerate((r, low, n)):
            new = f.load(old.type, room, k * x.type.lanes)
            keep.append(f.select(far.value, new, old.value))
        return keep

    found = f.branch(need, slow, lambda: [r.value, low.value, n.value])
    return N(f, found[0]), N(f, found[1]), N(f, found[2])


def _slow_reduction(module: Module, type: Any) -> str:
    """A function that reduces the large lanes of a vector into memory."""
    name = f"rushlight_reduce_{type.suffix}"
    if name not in module.functions:
        lanes = type.lanes
        f = module.function(name, [("x", type), ("room", PTR)], internal=True)
        x, room = f.arguments
        f.store(x, room)
        digits = _digits(module)
        with f.loop(0, lanes, 1) as loop:
            one = f.load(F64, room, loop.index)
            _one_large(f, N(f, one), digits, room, loop.index, lanes)
    return name


def _digits(module: Module) -> Value:
    word = _inverse_pi_digits().to_bytes((FRONT + LAST) // 8, "little")
    return module.array(np.frombuffer(word, np.uint8))


def _wide(f: Function, op: str, a: str, b: Any, type: str = "i192") -> str:
    return f.emit(I64, f"{op} {type} {a}, {b}").name


def _one_large(f: Function, x: N, digits: Value, room: Value, index: Value, lanes: int) -> None:
    """x = M 2^k: M times the digits of 2/pi from weight 2^1 on, modulo 4."""
    bits = x.bits()
    exponent = ((bits >> 52) & 2047) - 1075
    k = N(f, f.intrinsic("smin", f.intrinsic("smax", exponent.value, constant(-40, I64)),
                         constant(1000, I64)))  # fmt: skip
    digit = (k * -1 + (LAST - 191 + 1)).value  # the lowest of the 192 digits
    start = f.lshr(digit, 3)
    window = f.emit(I64, f"load i256, {f.at(digits, start, I8).typed}, align 1").name
    shift = f.emit(I64, f"zext i64 {f.bit_and(digit, 7).name} to i256").name
    window = _wide(f, "lshr", window, shift, "i256")
    window = f.emit(I64, f"trunc i256 {window} to i192").name
    mantissa = ((bits & ((1 << 52) - 1)) | (1 << 52)).value
    mantissa = f.emit(I64, f"zext i64 {mantissa.name} to i192").name
    product = _wide(f, "mul", window, mantissa)
    top = f.emit(I64, f"trunc i192 {_wide(f, 'lshr', product, 190)} to i64")
    fraction = _wide(f, "shl", product, 2)
    up = f.emit(I64, f"trunc i192 {_wide(f, 'lshr', fraction, 191)} to i64")
    r, low = _fraction_as_pair(f, fraction, up)
    flip = bits < 0
    wrong = ~(abs(x) < float("inf"))
    r = wrong.where(float("nan"), flip.where(-r, r))
    low = flip.where(-low, low)
    n = N(f, f.add(top, up))
    n = flip.where(-n, n)
    for part, value in enumerate((r, low, n)):
        f.store(value.value, room, f.add(index, part * lanes))


def _fraction_as_pair(f: Function, fraction: str, negative: Value) -> tuple[N, N]:
    """A signed fraction of 192 digits in [-1/2, 1/2), times pi / 2."""
    sign = N(f, f.compare("!=", negative, 0))
    opposite = f.emit(I64, f"sub i192 0, {fraction}").name
    size = f.emit(I64, f"select {sign.value.typed}, i192 {opposite}, i192 {fraction}").name
    zeros = f.emit(I64, f"call i192 @llvm.ctlz.i192(i192 {size}, i1 false)").name
    size = _wide(f, "shl", size, zeros)
    gone = f.emit(I64, f"trunc i192 {zeros} to i64")
    head = f.emit(I64, f"trunc i192 {_wide(f, 'lshr', size, 139)} to i64")
    rest = f.emit(I64, f"trunc i192 {_wide(f, 'lshr', size, 86)} to i64")
    rest = f.bit_and(rest, (1 << 53) - 1)
    scale = (N(f, f.sub(constant(1023 - 53, I64), gone)) << 52).floats()
    high = N(f, f.convert("sitofp", head, "float64")) * scale
    low = N(f, f.convert("sitofp", rest, "float64")) * (scale * 2.0**-53)
    high, low = sign.where(-high, high), sign.where(-low, low)
    p, lost = two_product(high, high.like(HALF_PI[0]))
    return two_sum(p, lost + fma(high, HALF_PI[1], low * HALF_PI[0]))


def kernels(r: N, low: N, precise: int) -> tuple[Pair, Pair]:
    """sin and cos of r + low, |r| <= pi / 4, each as a sum whose second part is small."""
    z = r * r
    if precise == 48:
        return (r, r * z * poly(z, tables.SIN_48)), (
            fma(z, -0.5, 1.0), z * z * poly(z, tables.COS_48),
        )  # fmt: skip
    half = 0.5 * z
    sine = fma(r * z, poly(z, tables.SIN_64), low - half * low)
    near = 1.0 - half
    cosine = ((1.0 - near) - half) + fma(z * z, poly(z, tables.COS_64), -(r * low))
    return (r, sine), (near, cosine)


def _flipped(y: N, n: N, by: int) -> N:
    """-y where bit 1 of n + by is set."""
    if by:
        n = n + by
    return (y.bits() ^ ((n & 2) << (y.type.bits - 2))).floats()


def sin(x: N, precise: int) -> N:
    r, low, n = reduced(x, precise)
    (a, b), (c, d) = kernels(r, low, precise)
    y = _flipped((n & 1).is_("==", 0).where(a + b, c + d), n, 0)
    return (abs(x) < 1e-8).where(x, y)


def cos(x: N, precise: int) -> N:
    r, low, n = reduced(x, precise)
    (a, b), (c, d) = kernels(r, low, precise)
    return _flipped((n & 1).is_("==", 0).where(c + d, a + b), n, 1)


def tan(x: N, precise: int) -> N:
    r, low, n = reduced(x, precise)
    sine, cosine = (fast_sum(*pair) for pair in kernels(r, low, precise))
    even = (n & 1).is_("==", 0)
    top = even.where(sine[0], cosine[0])
    below = even.where(cosine[0], sine[0])
    if precise == 48:
        y = top / below
    else:
        lost = even.where(sine[1], cosine[1]), even.where(cosine[1], sine[1])
        y, rest = quotient((top, lost[0]), (below, lost[1]))
        y = y + rest
    y = (y.bits() ^ (n << (y.type.bits - 1))).floats()
    return (abs(x) < 1e-8).where(x, y)
