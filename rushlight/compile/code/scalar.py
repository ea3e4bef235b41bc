"""The emitter of pointwise ops: one method per name of `graph.POINTWISE`, on IR values.

`s = Emitter(f)` writes into the function `f`; `s.tanh(x)` gives a new value of the same type, a
scalar or a vector of any number of lanes. Python numbers stand for constants of the other
operand's type. Names that Python keeps for itself (`and`, `or`, `not`) are reached by
`s.apply("and", x, y)`, as is every other; `apply` with a dtype casts.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..middle.graph import POINTWISE
from . import integers, mathlib
from .emit import Function, Value, constant, vector

Operand = Any  # Value | int | float | bool
SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def is_constant(x: Operand) -> bool:
    return not isinstance(x, Value) or x.name[0] != "%"


class Emitter:
    """Writes the instructions of pointwise ops into one function."""

    def __init__(self, f: Function) -> None:
        self.f = f

    def apply(self, name: str, *operands: Operand, dtype: Any = None) -> Value:
        """The op `name` of the graph; `cast` goes to `dtype`."""
        if name == "cast":
            return self.cast(operands[0], dtype)
        if name not in POINTWISE:
            raise ValueError(f"no pointwise op is called {name!r}")
        return getattr(self, name + "_" if name in ("and", "or", "not") else name)(*operands)

    # --- arithmetic --------------------------------------------------------------------------
    def _both(self, x: Operand, y: Operand) -> tuple[Value, Value]:
        return self.f.pair(x, y)

    def add(self, x: Operand, y: Operand) -> Value:
        a, b = self._both(x, y)
        return self.f.bit_or(a, b) if a.type.kind == "b" else self.f.add(a, b)

    def sub(self, x: Operand, y: Operand) -> Value:
        a, b = self._both(x, y)
        return self.f.bit_xor(a, b) if a.type.kind == "b" else self.f.sub(a, b)

    def mul(self, x: Operand, y: Operand) -> Value:
        a, b = self._both(x, y)
        return self.f.bit_and(a, b) if a.type.kind == "b" else self.f.mul(a, b)

    def div(self, x: Operand, y: Operand) -> Value:
        """True division; integers become float32 as torch divides them."""
        a, b = (self.floats(one) for one in self._both(x, y))
        return self.f.fdiv(a, b)

    def neg(self, x: Value) -> Value:
        return self.f.neg(x)

    def abs(self, x: Value) -> Value:
        if x.type.kind == "f":
            return self.f.intrinsic("fabs", x)
        if x.type.kind != "i":
            return x
        return self.f.select(self.f.compare("<", x, 0), self.f.neg(x), x)

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; 0 for nan."""
        f, kind = self.f, x.type.kind
        if kind == "b":
            return x
        up = f.select(f.compare(">", x, 0), f.constant(1, x.type), 0)
        return up if kind == "u" else f.select(f.compare("<", x, 0), f.constant(-1, x.type), up)

    def _extreme(self, x: Operand, y: Operand, sign: str) -> Value:
        f = self.f
        a, b = self._both(x, y)
        kind = a.type.kind
        if kind == "b":
            return f.bit_or(a, b) if sign == ">" else f.bit_and(a, b)
        if kind != "f":
            return f.intrinsic(("s" if kind == "i" else "u") + ("max" if sign == ">" else "min"),
                               a, b)  # fmt: skip
        if is_constant(b):
            a, b = b, a
        found = f.select(f.compare(sign, a, b), a, b)  # b where either is nan: one instruction
        if is_constant(a) and a.name.find("0x7FF8") < 0:
            return found
        return f.select(self.isnan(a), a, found)

    def max(self, x: Operand, y: Operand) -> Value:
        return self._extreme(x, y, ">")

    def min(self, x: Operand, y: Operand) -> Value:
        return self._extreme(x, y, "<")

    maximum, minimum = max, min

    def clamp(self, x: Value, low: Operand = None, high: Operand = None) -> Value:
        """min(max(x, low), high), either bound None."""
        if low is not None:
            x = self.max(x, low)
        return x if high is None else self.min(x, high)

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x y + z, with one rounding where the target has it."""
        return self.f.fma(x, y, z)

    def fmod(self, x: Operand, y: Operand) -> Value:
        """The rest of a division towards zero: the sign of x."""
        a, b = self._both(x, y)
        if a.type.kind == "f":
            return self.f.emit(a.type, f"frem {a.typed}, {b.name}")
        if a.type.kind == "b":
            return self.f.bit_and(a, self.f.bit_not(b))
        quotient = integers.divide(self.f, a, b)
        return self.f.sub(a, self.f.mul(quotient, b))

    def floor_div(self, x: Operand, y: Operand) -> Value:
        a, b = self._both(x, y)
        if a.type.kind == "b":
            return a
        if a.type.kind != "f":
            return integers.floor_divide(self.f, a, b)
        return self._floor_of_floats(a, b)

    def _floor_of_floats(self, a: Value, b: Value) -> Value:
        f = self.f
        true = f.fdiv(a, b)
        rest = self.fmod(a, b)
        quotient = f.fdiv(f.sub(a, rest), b)
        apart = f.bit_xor(f.compare("<", b, 0), f.compare("<", rest, 0))
        below = f.bit_and(f.compare("!=", rest, 0), apart)
        quotient = f.select(below, f.sub(quotient, 1), quotient)
        down = self.floor(quotient)
        down = f.select(f.compare(">", f.sub(quotient, down), 0.5), f.add(down, 1), down)
        down = f.select(f.compare("==", quotient, 0), self.copysign(f.constant(0, a.type), true),
                        down)  # fmt: skip
        return f.select(f.compare("==", b, 0), true, down)

    def remainder(self, x: Operand, y: Operand) -> Value:
        """The rest of a division rounded down: the sign of y."""
        f = self.f
        a, b = self._both(x, y)
        rest = self.fmod(a, b)
        if a.type.kind in "bu":
            return rest
        apart = f.bit_xor(f.compare("<", b, 0), f.compare("<", rest, 0))
        turned = f.bit_and(f.compare("!=", rest, 0), apart)
        rest = f.select(turned, f.add(rest, b), rest)
        if a.type.kind != "f":
            return rest
        zero = self.copysign(f.constant(0, a.type), b)
        return f.select(f.compare("==", rest, 0), zero, rest)

    def pow(self, x: Operand, y: Operand) -> Value:
        a, b = self._both(x, y)
        if a.type.kind == "b":
            return self.f.bit_or(a, self.f.bit_not(b))
        if a.type.kind != "f":
            return integers.power(self.f, a, b)
        if is_constant(b):
            simple = self._simple_power(a, y)
            if simple is not None:
                return simple
        return mathlib.call(self.f, "pow", a, b)

    def _simple_power(self, x: Value, p: Operand) -> Value | None:
        """Powers that are products, quotients and roots; a number or its constant."""
        for number in (0, 1, 2, 3, 0.5, -0.5, -1, -2):
            if p is not None and (constant(number, x.type).name == getattr(p, "name", None)
                                  or (not isinstance(p, Value) and p == number)):  # fmt: skip
                break
        else:
            return None
        if number == 0:
            return self.f.constant(1, x.type)
        if number in (0.5, -0.5):
            return self.sqrt(x) if number > 0 else self.rsqrt(x)
        y = x if abs(number) == 1 else self.mul(x, x)
        if number == 3:
            y = self.mul(y, x)
        return y if number > 0 else self.div(1.0, y)

    def sqrt(self, x: Value) -> Value:
        return self.f.intrinsic("sqrt", self.floats(x))

    def rsqrt(self, x: Value) -> Value:
        return self.f.fdiv(1.0, self.sqrt(x))

    def copysign(self, x: Operand, y: Operand) -> Value:
        return self.f.intrinsic("copysign", *(self.floats(one) for one in self._both(x, y)))

    # --- rounding ----------------------------------------------------------------------------
    def _rounded(self, name: str, x: Value) -> Value:
        return self.f.intrinsic(name, x) if x.type.kind == "f" else x

    def floor(self, x: Value) -> Value:
        return self._rounded("floor", x)

    def ceil(self, x: Value) -> Value:
        return self._rounded("ceil", x)

    def trunc(self, x: Value) -> Value:
        return self._rounded("trunc", x)

    def round(self, x: Value) -> Value:
        """The nearest integer, halves to even."""
        return self._rounded("roundeven", x)

    # --- questions ---------------------------------------------------------------------------
    def compare(self, sign: str, x: Operand, y: Operand) -> Value:
        return self.f.compare(sign, x, y)

    def where(self, condition: Operand, x: Operand, y: Operand) -> Value:
        if not isinstance(condition, Value):
            return self._both(x, y)[0 if condition else 1]
        if condition.type.kind != "b":
            condition = self.cast(condition, "bool")
        return self.f.select(condition, x, y)

    def _same(self, x: Value, answer: bool) -> Value:
        return constant(answer, x.type.of("bool"))

    def isnan(self, x: Value) -> Value:
        return self.f.compare("!=", x, x) if x.type.kind == "f" else self._same(x, False)

    def isinf(self, x: Value) -> Value:
        if x.type.kind != "f":
            return self._same(x, False)
        return self.f.compare("==", self.abs(x), inf)

    def isfinite(self, x: Value) -> Value:
        return self.f.compare("<", self.abs(x), inf) if x.type.kind == "f" else self._same(x, True)

    # --- bits --------------------------------------------------------------------------------
    def and_(self, x: Operand, y: Operand) -> Value:
        return self.f.bit_and(*self._both(x, y))

    def or_(self, x: Operand, y: Operand) -> Value:
        return self.f.bit_or(*self._both(x, y))

    def xor(self, x: Operand, y: Operand) -> Value:
        return self.f.bit_xor(*self._both(x, y))

    def not_(self, x: Value) -> Value:
        return self.f.bit_not(x)

    def shift_left(self, x: Operand, y: Operand) -> Value:
        return integers.shift_left(self.f, *self._both(x, y))

    def shift_right(self, x: Operand, y: Operand) -> Value:
        return integers.shift_right(self.f, *self._both(x, y))

    # --- types -------------------------------------------------------------------------------
    def floats(self, x: Value) -> Value:
        """x, or float32 of an integer."""
        return x if x.type.kind == "f" else self.cast(x, "float32")

    def constant(self, number: Any, dtype: Any, lanes: int = 1) -> Value:
        return constant(number, vector(dtype, lanes))

    def cast(self, x: Value, dtype: Any) -> Value:
        """Another dtype: floats are cut towards zero, integers wrap, bool is `!= 0`."""
        f, old, new = self.f, x.type, x.type.of(np.dtype(dtype).name)
        if old is new:
            return x
        if new.name == "bfloat16":
            return Value(self.few_digits(self.cast(x, "float32")).name, new)
        if old.name == "bfloat16":
            return self.cast(Value(x.name, old.of("float32")), dtype)
        if new.kind == "b":
            return f.compare("!=", x, 0)
        if old.kind == "f":
            if new.kind == "f":
                return f.convert("fpext" if new.bits > old.bits else "fptrunc", x, new.name)
            word = "int64" if new.bits == 64 or new.name == "uint32" else "int32"
            whole = f.convert("fptosi", x, word)
            return whole if whole.type is new else self._resized(whole, new.name)
        if new.kind == "f":
            return f.convert("sitofp" if old.kind == "i" else "uitofp", x, new.name)
        return self._resized(x, new.name)

    def few_digits(self, x: Value) -> Value:
        """A float32 rounded to the eight digits of a bfloat16, ties to even."""
        f, bits = self.f, self.f.bitcast(x, "uint32")
        odd = f.bit_and(f.lshr(bits, 16), 1)
        near = f.add(f.add(bits, odd), 0x7FFF)
        near = f.select(f.compare("!=", x, x), f.bit_or(bits, 0x400000), near)
        return f.bitcast(f.bit_and(near, 0xFFFF0000), "float32")

    def pair(self, x: Operand, y: Operand) -> Value:
        """Two bfloat16 side by side in an int32; x is what stands first in memory."""
        low, high = (self.f.bitcast(one, "int32") for one in self._both(x, y))
        return self.f.bit_or(self.f.lshr(low, 16), high)

    def _resized(self, x: Value, name: str) -> Value:
        """An integer of another width or sign."""
        to = x.type.of(name)
        if to.bits == x.type.bits:
            return Value(x.name, to)
        if to.bits < x.type.bits:
            return self.f.convert("trunc", x, name)
        return self.f.convert("sext" if x.type.kind == "i" else "zext", x, name)


def _smooth(name: str) -> Any:
    return lambda self, x: mathlib.call(self.f, name, self.floats(x))


def _comparison(sign: str) -> Any:
    return lambda self, x, y: self.f.compare(sign, x, y)


for _name in mathlib.UNARY:
    setattr(Emitter, _name, _smooth(_name))
for _name, _sign in SIGNS.items():
    setattr(Emitter, _name, _comparison(_sign))


def _atan2(self: Emitter, y: Operand, x: Operand) -> Value:
    a, b = self._both(y, x)
    return mathlib.call(self.f, "atan2", self.floats(a), self.floats(b))


Emitter.atan2 = _atan2  # type: ignore[attr-defined]  # as those above
