"""Values with operators, so that formulas over IR read as formulas.

`N(f, value)` wraps a value of the function `f` being written: `a * b + 1.0` writes two
instructions. The helpers below are the arithmetic of pairs (a sum of two floats that is more
precise than one), which the functions that must be right to the last bit are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .emit import Function, Type, Value, constant, lanes_of


class N:
    """A value and the function it is written in."""

    __slots__ = ("f", "value")
    __hash__ = None  # type: ignore[assignment]  # compared by lane

    def __init__(self, f: Function, value: Value) -> None:
        self.f = f
        self.value = value

    @property
    def type(self) -> Type:
        return self.value.type

    def _do(self, op: str, x: Any, y: Any) -> N:
        return N(self.f, self.f.binary(op, raw(x), raw(y)))

    def __add__(self, y: Any) -> N:
        return self._do("add", self, y)

    def __radd__(self, y: Any) -> N:
        return self._do("add", self, y)

    def __sub__(self, y: Any) -> N:
        return self._do("sub", self, y)

    def __rsub__(self, y: Any) -> N:
        return self._do("sub", y, self)

    def __mul__(self, y: Any) -> N:
        return self._do("mul", self, y)

    def __rmul__(self, y: Any) -> N:
        return self._do("mul", self, y)

    def __truediv__(self, y: Any) -> N:
        return self._do("div", self, y)

    def __rtruediv__(self, y: Any) -> N:
        return self._do("div", y, self)

    def __and__(self, y: Any) -> N:
        return self._do("and", self, y)

    def __or__(self, y: Any) -> N:
        return self._do("or", self, y)

    def __xor__(self, y: Any) -> N:
        return self._do("xor", self, y)

    def __invert__(self) -> N:
        return N(self.f, self.f.bit_not(self.value))

    def __lshift__(self, y: Any) -> N:
        return self._do("shl", self, y)

    def __rshift__(self, y: Any) -> N:
        return self._do("ashr", self, y)

    def __neg__(self) -> N:
        return N(self.f, self.f.neg(self.value))

    def __abs__(self) -> N:
        return N(self.f, self.f.intrinsic("fabs", self.value))

    def is_(self, sign: str, y: Any) -> N:
        """The mask of where `self sign y` holds."""
        return N(self.f, self.f.compare(sign, self.value, raw(y)))

    def __lt__(self, y: Any) -> N:
        return self.is_("<", y)

    def __le__(self, y: Any) -> N:
        return self.is_("<=", y)

    def __gt__(self, y: Any) -> N:
        return self.is_(">", y)

    def __ge__(self, y: Any) -> N:
        return self.is_(">=", y)

    def where(self, x: Any, y: Any) -> N:
        """x where this mask holds, else y."""
        return N(self.f, self.f.select(self.value, raw(x), raw(y)))

    def to(self, op: str, dtype: str) -> N:
        return N(self.f, self.f.convert(op, self.value, dtype))

    def bits(self) -> N:
        """The float's bits as an integer."""
        return self.to("bitcast", f"int{self.type.bits}")

    def floats(self) -> N:
        """The float with these bits."""
        return self.to("bitcast", f"float{self.type.bits}")

    def sqrt(self) -> N:
        return N(self.f, self.f.intrinsic("sqrt", self.value))

    def with_sign(self, y: N) -> N:
        """This magnitude with the sign of y."""
        return N(self.f, self.f.intrinsic("copysign", self.value, y.value))

    def like(self, number: float) -> N:
        """A constant of this type."""
        return N(self.f, constant(number, self.type))


def raw(x: Any) -> Any:
    return x.value if isinstance(x, N) else x


def fma(x: Any, y: Any, z: Any) -> N:
    """x y + z, with one rounding where the target has it."""
    f = next(v.f for v in (x, y, z) if isinstance(v, N))
    return N(f, f.fma(raw(x), raw(y), raw(z)))


def poly(x: N, c: Sequence[float], pairs: bool = True) -> N:
    """c[0] + c[1] x + c[2] x^2 + ...; neighbours first, so that two chains run side by side."""
    if len(c) < 4 or not pairs:
        y = x.like(c[-1])
        for k in c[-2::-1]:
            y = fma(y, x, k)
        return y
    square = x * x
    parts = [fma(x, c[k + 1], c[k]) if k + 1 < len(c) else x.like(c[k])
             for k in range(0, len(c), 2)]  # fmt: skip
    y = parts[-1]
    for part in parts[-2::-1]:
        y = fma(y, square, part)
    return y


def limit(x: N, low: float, high: float) -> N:
    """x within two numbers; nan stays (the constant comes first, as minps wants it)."""
    x = (x.like(high) < x).where(high, x)
    return (x.like(low) > x).where(low, x)


Pair = tuple[N, N]


def fast_sum(a: N, b: N) -> Pair:
    """a + b without loss, for |a| >= |b|."""
    s = a + b
    return s, b - (s - a)


def two_sum(a: N, b: N) -> Pair:
    """a + b without loss."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _halves(a: N) -> Pair:
    """a as two numbers of half the digits (Veltkamp)."""
    t = a * (134217729.0 if a.type.bits == 64 else 4097.0)
    high = t - (t - a)
    return high, a - high


def two_product(a: N, b: N) -> Pair:
    """a b without loss."""
    p = a * b
    if a.f.module.fused:
        return p, fma(a, b, -p)
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def residual(c: N, a: N, b: N) -> N:
    """c - a b, where the product nearly cancels c."""
    if c.f.module.fused:
        return fma(-a, b, c)
    p, low = two_product(a, b)
    return (c - p) - low


def reciprocal(b: N) -> N:
    """1 / b of an ordinary number, to a few last digits; AVX-512 has a fast start for float32."""
    if b.f.module.vast and b.type.bits == 32 and b.type.lanes == 16:
        start = start_of_reciprocal(b)
        return fma(fma(-b, start, 1.0), start, start)
    return 1.0 / b


def start_of_reciprocal(b: N) -> N:
    """1 / b of sixteen floats to 14 bits, by AVX-512."""
    f, type = b.f, b.type
    text = (f"call {type.text} @llvm.x86.avx512.rcp14.ps.512({b.value.typed},"
            f" {type.text} zeroinitializer, i16 -1)")  # fmt: skip
    return N(f, f.emit(type, text))


def picked(table: Sequence[float], at: N) -> N:
    """table[at modulo its length], of 16 or 32 floats, by AVX-512's permutations."""
    f, floats = at.f, at.type.of("float32")
    low, *high = (lanes_of(table[k : k + 16], floats).typed for k in range(0, len(table), 16))
    inside = f"{low}, {at.value.typed}, {high[0]}" if high else f"{low}, {at.value.typed}"
    name = "vpermi2var.ps.512" if high else "permvar.sf.512"
    return N(f, f.emit(floats, f"call {floats.text} @llvm.x86.avx512.{name}({inside})"))


def quotient(a: Pair, b: Pair) -> Pair:
    """A pair divided by a pair, with a relative error near the square of the type's."""
    inverse = reciprocal(b[0])
    q = a[0] * inverse
    rest = residual(a[0], q, b[0]) + (a[1] - q * b[1])
    return q, rest * inverse


def pair_product(a: Pair, b: Pair) -> Pair:
    """A pair times a pair."""
    p, low = two_product(a[0], b[0])
    return fast_sum(p, low + (a[0] * b[1] + a[1] * b[0]))
