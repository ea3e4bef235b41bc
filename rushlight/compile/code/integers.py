"""Integer division, powers and shifts that never trap and never leave the defined range."""

from __future__ import annotations

from .emit import Function, Value, constant


def divide(f: Function, a: Value, b: Value) -> Value:
    """a / b cut towards zero. Zero divides as 1 would; the smallest number over -1 wraps.

    Up to 32 bits by way of floats, which divide whole vectors: the quotient of two integers
    stands further from the next integer than the rounding of a type twice as wide.
    """
    type = a.type
    one = constant(1, type)
    b = f.select(f.compare("==", b, 0), one, b)
    if type.kind == "u":
        return _by_floats(f, a, b, "uitofp", "fptoui")
    minus = f.compare("==", b, -1)
    safe = f.select(minus, one, b)
    if type.bits == 64:
        quotient = f.emit(type, f"sdiv {a.typed}, {safe.name}")
    else:
        quotient = _by_floats(f, a, safe, "sitofp", "fptosi")
    return f.select(minus, f.neg(a), quotient)


def _by_floats(f: Function, a: Value, b: Value, there: str, back: str) -> Value:
    wide = "float64" if a.type.bits > 16 else "float32"
    quotient = f.fdiv(f.convert(there, a, wide), f.convert(there, b, wide))
    whole = f.convert(back.replace("ui", "si"), quotient, "int32")
    return whole if a.type.bits == 32 else f.convert("trunc", whole, a.type.name)


def floor_divide(f: Function, a: Value, b: Value) -> Value:
    """a / b rounded down."""
    quotient = divide(f, a, b)
    if a.type.kind == "u":
        return quotient
    rest = f.sub(a, f.mul(quotient, b))
    apart = f.compare("<", f.bit_xor(rest, b), 0)
    below = f.bit_and(f.compare("!=", rest, 0), apart)
    return f.select(below, f.sub(quotient, 1), quotient)


def power(f: Function, x: Value, p: Value) -> Value:
    """x^p by squares, wrapping; a negative power is 0 but for 1 and -1."""
    type, one = x.type, constant(1, x.type)
    with f.loop(0, type.bits, 1, carry=[one, x, p]) as loop:
        y, square, left = loop.carried
        odd = f.compare("!=", f.bit_and(left, 1), 0)
        y = f.select(odd, f.mul(y, square), y)
        loop.next(y, f.mul(square, square), f.lshr(left, 1))
    y = loop.results[0]
    if type.kind == "u":
        return y
    sign = f.select(f.compare("==", f.bit_and(p, 1), 0), one, x)  # for x = -1
    unit = f.select(f.compare("==", x, -1), sign, 0)
    unit = f.select(f.compare("==", x, 1), one, unit)
    return f.select(f.compare("<", p, 0), unit, y)


def _inside(f: Function, y: Value) -> Value:
    """Where 0 <= y < bits."""
    few = f.compare("<", y, y.type.bits)
    return few if y.type.kind == "u" else f.bit_and(few, f.compare(">=", y, 0))


def shift_left(f: Function, x: Value, y: Value) -> Value:
    """x << y; 0 where y is negative or as wide as the type."""
    inside = _inside(f, y)
    return f.select(inside, f.shl(x, f.select(inside, y, 0)), 0)


def shift_right(f: Function, x: Value, y: Value) -> Value:
    """x >> y; the sign remains where y is negative or too wide."""
    most = f.select(_inside(f, y), y, x.type.bits - 1)
    if x.type.kind == "i":
        return f.ashr(x, most)
    return f.select(_inside(f, y), f.lshr(x, most), 0)
