"""Sums and products in normal form: coefficients, like terms, powers.

sum      number + sum of coefficient * term
product  coefficient * product of base^exponent

Numbers are kept as fractions where a float is one exactly, so 1/3 + 2/3 is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, isfinite, lcm
from typing import Any

import numpy as np

from ...core import dtypes
from ...core.primitive import REGISTRY
from .expressions import Expr, constant, is_number, make
from .values import inferred

Number = Fraction | float
SUMS = frozenset(("add", "sub", "take_from"))
PRODUCTS = frozenset(("mul", "div", "neg", "reciprocal", "square", "sqrt", "rsqrt", "pow"))
HALF = Fraction(1, 2)


def number(value: Any) -> Number:
    """A number as the fraction that it is exactly, if that is a simple one."""
    if isinstance(value, (int, Fraction)):
        return Fraction(value)
    if not isfinite(value):
        return value
    close = Fraction(value).limit_denominator(5040)
    return close if float(close) == value else value


def plain(value: Number) -> int | float:
    """A number as Python's arithmetic has it."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else float(value)
    return value


def build(op: str, *args: Expr, params: Sequence[Any] = ()) -> Expr:
    """An op on expressions, its shape and type inferred."""
    shape, dtype = inferred(REGISTRY[op], args, tuple(params))
    line = next((x.line for x in args if x.line), "")
    return make(op, args, params, shape, dtype, line)


def shaped(expr: Expr, like: Expr) -> Expr:
    """An expression spread to the shape (and cast to the type) of the one it replaces."""
    if expr.dtype != like.dtype:
        if is_number(expr):
            expr = constant(expr.value, like.dtype, expr.shape)
        else:
            from_, to = (torch_type(x.dtype) for x in (expr, like))
            expr = build("cast", expr, params=(to, from_))
    if expr.shape == like.shape or like.open:
        return expr
    if is_number(expr):
        return constant(expr.value, expr.dtype, like.shape)
    return build("expand", expr, params=(like.shape,))


def torch_type(kind: Any) -> Any:
    """The data type that stores as a NumPy type."""
    return dtypes.of(np.empty(0, kind))


def counted(value: Number, dtype: Any) -> Expr:
    """A number as a constant of a type."""
    return constant(plain(value), dtype)


# --- Sums


class Sum:
    """number + sum of coefficient * term, terms in order of first appearance."""

    def __init__(self) -> None:
        self.number: Number = Fraction(0)
        self.terms: dict[Any, tuple[Number, Expr]] = {}
        self.merged = False

    def add(self, coefficient: Number, term: Expr) -> None:
        name = key(term)
        if name in self.terms:
            self.merged = True
            coefficient = coefficient + self.terms[name][0]
        self.terms[name] = coefficient, self.terms.get(name, (0, term))[1]

    def kept(self) -> list[tuple[Number, Expr]]:
        """The terms that did not cancel."""
        return [(c, x) for c, x in self.terms.values() if c != 0]


def sum_of(expr: Expr) -> Sum:
    """An expression as a sum: additions, subtractions and numeric multiples opened."""
    found = Sum()
    stack: list[tuple[Number, Expr]] = [(Fraction(1), expr)]
    while stack:
        scale, x = stack.pop()
        if is_number(x):
            found.number += scale * number(x.value)
        elif x.op in ("add", "sub"):
            stack.append((scale if x.op == "add" else -scale, x.args[1]))
            stack.append((scale, x.args[0]))
        elif x.op == "take_from":
            found.number += scale * number(x.params[0])
            stack.append((-scale, x.args[0]))
        else:
            coefficient, rest = multiple(x)
            if rest.op in SUMS and rest is not x:
                stack.append((scale * coefficient, rest))
            else:
                found.add(scale * coefficient, rest)
    return found


def multiple(expr: Expr) -> tuple[Number, Expr]:
    """A numeric coefficient and what it multiplies."""
    if expr.op not in PRODUCTS:
        return Fraction(1), expr
    product = product_of(expr)
    if product.coefficient == 1 or not product.factors:
        return Fraction(1), expr
    coefficient, product.coefficient = product.coefficient, Fraction(1)
    rest = product.build(expr.dtype)
    return (coefficient, rest) if rest.shape == expr.shape else (Fraction(1), expr)


def build_sum(constant_part: Number, terms: list[tuple[Number, Expr]], dtype: Any) -> Expr:
    """The sum as additions and subtractions, beginning with a positive term if there is one."""
    parts: list[tuple[Number, Expr | None]] = list(terms)
    if constant_part != 0 or not parts:
        parts.append((constant_part, None))
    first = next((i for i, (c, _) in enumerate(parts) if c > 0), None)
    if first is None and len(parts) > 1:
        return build("neg", build_sum(-constant_part, [(-c, x) for c, x in terms], dtype))
    parts.insert(0, parts.pop(first or 0))
    total = scaled(*parts[0], dtype)
    for coefficient, x in parts[1:]:
        op = "add" if coefficient > 0 else "sub"
        total = build(op, total, scaled(abs(coefficient), x, dtype))
    return total


def scaled(coefficient: Number, x: Expr | None, dtype: Any) -> Expr:
    """coefficient * x (a number alone if there is no x)."""
    if x is None:
        return counted(coefficient, dtype)
    if coefficient == 1:
        return x
    product = product_of(x)
    product.coefficient *= coefficient
    return product.build(dtype)


# --- Products


class Product:
    """coefficient * product of base^exponent, bases in order of first appearance."""

    def __init__(self) -> None:
        self.coefficient: Number = Fraction(1)
        self.factors: dict[Any, tuple[Expr, Number]] = {}
        self.merged = False

    def multiply(self, base: Expr, exponent: Number) -> None:
        name = key(base)
        if name not in self.factors and base.op in SUMS and isinstance(exponent, Fraction):
            other = self._negated(base, exponent)
            name = name if other is None else other
        if name in self.factors:
            self.merged = True
            exponent = exponent + self.factors[name][1]
        self.factors[name] = self.factors.get(name, (base, 0))[0], exponent

    def _negated(self, base: Expr, exponent: Fraction) -> int | None:
        """a - b where b - a is a factor already: the same up to its sign."""
        if exponent.denominator != 1 or not any(x.op in SUMS for x, _ in self.factors.values()):
            return None
        found = sum_of(base)
        opposite = build_sum(-found.number, [(-c, x) for c, x in found.kept()], base.dtype)
        name = key(opposite)
        if name not in self.factors:
            return None
        self.coefficient *= -1 if exponent.numerator % 2 else 1
        return name

    def kept(self) -> list[tuple[Expr, Number]]:
        """The factors that did not cancel: numbers and names first, tensors after scalars."""
        found = [(x, e) for x, e in self.factors.values() if e != 0]
        return sorted(found, key=lambda pair: (pair[0].ndim > 0, bool(pair[0].args)))

    def build(self, dtype: Any) -> Expr:
        """The product as one quotient of products."""
        kept = self.kept()
        up = [powered(x, e) for x, e in kept if e > 0]
        down = [powered(x, -e) for x, e in kept if e < 0]
        c = self.coefficient
        if isinstance(c, Fraction):
            top, bottom = Fraction(c.numerator), Fraction(c.denominator)
        else:
            top, bottom = c, Fraction(1)
        negative = top == -1 and bool(up)
        numerator = _times(Fraction(1) if negative else top, up, dtype)
        if bottom != 1 or down:
            numerator = build("div", numerator, _times(bottom, down, dtype))
        return build("neg", numerator) if negative else numerator


def _times(coefficient: Number, factors: list[Expr], dtype: Any) -> Expr:
    if not factors:
        return counted(coefficient, dtype)
    total = factors[0]
    for x in factors[1:]:
        total = build("mul", total, x)
    return total if coefficient == 1 else build("mul", counted(coefficient, dtype), total)


def powered(base: Expr, exponent: Number) -> Expr:
    """base^exponent, with a root where it is one half."""
    if exponent == 1:
        return base
    if exponent == HALF:
        return build("sqrt", base)
    if base.op == "exp":
        return build("exp", scaled_sum(exponent, base.args[0]))
    return build("pow", base, counted(exponent, base.dtype))


def scaled_sum(coefficient: Number, x: Expr) -> Expr:
    """coefficient * x where x may be a sum, kept as one product."""
    return scaled(coefficient, x, x.dtype)


def product_of(expr: Expr) -> Product:
    """An expression as a product: multiplications, quotients, integer powers and roots opened."""
    found = Product()
    stack: list[tuple[Expr, Any]] = [(expr, Fraction(1))]
    while stack:
        x, e = stack.pop()
        assert isinstance(e, Fraction)
        whole = e.denominator == 1
        if is_number(x) and (whole or x.value > 0):
            found.coefficient *= _number_power(number(x.value), e)
        elif whole and x.op == "mul":
            stack += [(x.args[1], e), (x.args[0], e)]
        elif whole and x.op == "div":
            stack += [(x.args[1], -e), (x.args[0], e)]
        elif whole and x.op == "neg":
            found.coefficient *= -1 if e.numerator % 2 else 1
            stack.append((x.args[0], e))
        elif whole and (power := exponent_of(x)) is not None:
            stack.append((x.args[0], e * power))
        else:
            found.multiply(x, e)
    return found


def exponent_of(x: Expr) -> Number | None:
    """The constant exponent of a power or root, if it is one."""
    fixed = {"reciprocal": Fraction(-1), "square": Fraction(2), "sqrt": HALF, "rsqrt": -HALF}
    if x.op == "pow" and is_number(x.args[1]):
        found = number(x.args[1].value)
        return found if isinstance(found, Fraction) else None
    return fixed.get(x.op)


def _number_power(value: Number, e: Number) -> Number:
    if value == 0 and e < 0:
        return float("inf")
    if isinstance(e, Fraction) and e.denominator == 1 and abs(e) < 64:
        return value ** int(e)
    return number(float(value) ** float(e))


def content(found: Sum) -> Number:
    """The common numeric factor of a sum's coefficients; negative if all of them are."""
    numbers = [c for c, _ in found.kept()] + ([found.number] if found.number != 0 else [])
    exact = [c for c in numbers if isinstance(c, Fraction)]
    if not exact or len(exact) < len(numbers):
        return Fraction(1)
    size = Fraction(gcd(*(c.numerator for c in exact)), lcm(*(c.denominator for c in exact)))
    return -size if all(c < 0 for c in exact) else size


# --- Equality up to the order of terms and factors

_NAMES: dict[Any, int] = {}
_KEYS: dict[int, tuple[Expr, int]] = {}


def key(expr: Expr) -> int:
    """A number that equal expressions share, whatever the order of their terms and factors."""
    found = _KEYS.get(id(expr))
    if found is not None:
        return found[1]
    name = _NAMES.setdefault(_structure(expr), len(_NAMES))
    _KEYS[id(expr)] = expr, name
    return name


def forget() -> None:
    """Drop what `key` remembers, once a simplification is over."""
    _NAMES.clear()
    _KEYS.clear()


def _structure(expr: Expr) -> Any:
    if expr.dtype is not None and not isinstance(expr.dtype, tuple) and expr.dtype.kind == "f":
        if expr.op in SUMS:
            found = sum_of(expr)
            return "sum", found.number, frozenset((n, c) for n, (c, _) in found.terms.items()), (
                expr.shape)  # fmt: skip
        if expr.op in PRODUCTS and not (expr.op == "pow" and exponent_of(expr) is None):
            product = product_of(expr)
            factors = frozenset((n, e) for n, (_, e) in product.factors.items())
            return "product", product.coefficient, factors, expr.shape
    if not expr.args:
        return id(expr)
    return expr.op, tuple(key(x) for x in expr.args), repr(expr.params), str(expr.shape)
