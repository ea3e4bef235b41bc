"""Rules of school algebra, element by element: sums, products, powers, exponentials, identities."""

from __future__ import annotations

from fractions import Fraction

from .algebra import (
    PRODUCTS,
    SUMS,
    Number,
    Product,
    Sum,
    build,
    build_sum,
    content,
    exponent_of,
    key,
    product_of,
    scaled_sum,
    shaped,
    sum_of,
)
from .expressions import CONSTANT, Expr, constant, count, is_number, order, replaced
from .rules_shape import Found, Rule


def sums(x: Expr) -> Found:
    """Collect like terms, add numbers, drop zeros, one order of terms."""
    if x.op not in SUMS:
        return None
    found = sum_of(x)
    kept = found.kept()
    new = shaped(build_sum(found.number, kept, x.dtype), x)
    if new is x:
        return None
    zeros = any(is_number(a, 0) for a in x.args)
    name = (
        "x - x = 0" if found.merged and len(kept) < len(found.terms)
        else "collect like terms" if found.merged
        else "x + 0 = x" if zeros else "one sum of terms"
    )  # fmt: skip
    return name, new


def products(x: Expr) -> Found:
    """Multiply numbers, collect powers, cancel, join exponentials, one order of factors."""
    if x.op not in PRODUCTS or (x.op == "pow" and exponent_of(x) is None):
        return None
    found = product_of(x)
    if found.coefficient == 0:
        return "0 x = 0", constant(0.0, x.dtype, x.shape)
    cancelled = any(e == 0 for _, e in found.factors.values())
    joined = _join_exponentials(found)
    drawn = _draw_contents(found)
    new = shaped(found.build(x.dtype), x)
    if new is x:
        return None
    name = (
        "cancel" if cancelled else "e^a e^b = e^(a + b)" if joined
        else "collect powers" if found.merged
        else "1 x = x" if any(is_number(a, 1) for a in x.args)
        else "a common number in front" if drawn else "one product of factors"
    )  # fmt: skip
    return name, new


def _join_exponentials(found: Product) -> bool:
    exponentials = [(x, e) for x, e in found.factors.values() if x.op == "exp" and e != 0]
    if len(exponentials) < 2 and all(e == 1 for _, e in exponentials):
        return False
    if len(exponentials) == 1 and exponentials[0][1] < 0:
        return False  # a single one below the line stays there
    total = None
    for x, e in exponentials:
        del found.factors[key(x)]
        part = scaled_sum(e, x.args[0])
        total = part if total is None else build("add", total, part)
    assert total is not None
    found.multiply(build("exp", total), Fraction(1))
    return True


def _draw_contents(found: Product) -> bool:
    """Numbers common to all terms of a sum go in front; b - a for -(a - b)."""
    drawn = False
    for name, (x, e) in list(found.factors.items()):
        if x.op not in SUMS or not isinstance(e, Fraction) or e.denominator != 1:
            continue
        inside = sum_of(x)
        common = content(inside)
        mixed = common > 0 and any(c < 0 for c, _ in [*inside.kept(), (inside.number, x)])
        if mixed and found.coefficient < 0 < e and e.numerator % 2 and not drawn:
            common = -common
        elif common == 1:
            continue
        drawn = True
        terms = [(c / common, term) for c, term in inside.kept()]
        base = shaped(build_sum(inside.number / common, terms, x.dtype), x)
        found.coefficient *= common ** int(e)
        del found.factors[name]
        found.multiply(base, e)
    return drawn


def exponentials(x: Expr) -> Found:
    """exp(0) = 1, log(1) = 0, exp(log x) = x, log(exp x) = x, log sqrt, sin 0 and their like."""
    if not x.args:
        return None
    a = x.args[0]
    at_zero = {"exp": 1.0, "sin": 0.0, "tan": 0.0, "tanh": 0.0, "cos": 1.0, "expm1": 0.0,
               "log1p": 0.0, "sinh": 0.0, "cosh": 1.0, "asin": 0.0, "atan": 0.0}  # fmt: skip
    if x.op in at_zero and is_number(a, 0):
        return f"{x.op}(0) = {at_zero[x.op]:g}", constant(at_zero[x.op], x.dtype, x.shape)
    if x.op == "log" and is_number(a, 1):
        return "log(1) = 0", constant(0.0, x.dtype, x.shape)
    inverses = {("exp", "log"), ("log", "exp"), ("expm1", "log1p"), ("log1p", "expm1"),
                ("exp2", "log2"), ("log2", "exp2"), ("neg", "neg"), ("tan", "atan"),
                ("sin", "asin"), ("tanh", "atanh"), ("sinh", "asinh")}  # fmt: skip
    if (x.op, a.op) in inverses and a.args[0].dtype == x.dtype:
        return f"{x.op}({a.op}(x)) = x", a.args[0]
    if x.op == "exp" and a.op == "log_softmax":
        return "exp(log_softmax(x)) = softmax(x)", build("softmax", *a.args, params=a.params)
    if x.op == "log" and a.op == "softmax":
        return "log(softmax(x)) = log_softmax(x)", build("log_softmax", *a.args, params=a.params)
    return None


_PAIRS = {("sin", "cos"): 1, ("cosh", "sinh"): -1}


def squares_of_pairs(x: Expr) -> Found:
    """a sin(u)^2 + a cos(u)^2 = a, and a cosh(u)^2 - a sinh(u)^2 = a."""
    if x.op not in SUMS:
        return None
    found = sum_of(x)
    parts = [(name, c, _square_in(term)) for name, (c, term) in found.terms.items()]
    for i, (name, c, square) in enumerate(parts):
        for other_name, d, other in parts[i + 1 :]:
            if square is None or other is None or key(square[1]) != key(other[1]):
                continue
            sign = _PAIRS.get((square[0], other[0])) or _PAIRS.get((other[0], square[0]))
            first = c if (square[0], other[0]) in _PAIRS else d
            if sign is None or c != sign * d or square[2] is not other[2]:
                continue
            del found.terms[name], found.terms[other_name]
            rest = square[2]
            if rest is None:
                found.number += first
            else:
                found.add(first, rest)
            return "sin^2 + cos^2 = 1" if sign == 1 else "cosh^2 - sinh^2 = 1", shaped(
                build_sum(found.number, found.kept(), x.dtype), x
            )
    return None


def _square_in(term: Expr) -> tuple[str, Expr, Expr | None] | None:
    """(function, its operand, the remaining factor) of a term with a squared sin, cos, ..."""
    product = product_of(term)
    for name, (x, e) in list(product.factors.items()):
        if e == 2 and x.op in ("sin", "cos", "sinh", "cosh"):
            del product.factors[name]
            rest = product.build(term.dtype) if product.factors else None
            return x.op, x.args[0], rest
    return None


def common_factors(x: Expr) -> Found:
    """a b + a c = a (b + c), where every term has the factor once and it makes things shorter."""
    if x.op not in SUMS:
        return None
    found = sum_of(x)
    kept = found.kept()
    if found.number != 0 or len(kept) < 2:
        return None
    factored = [product_of(term) for _, term in kept]
    common = [
        (name, base) for name, (base, e) in factored[0].factors.items()
        if e == 1 and all(name in p.factors and p.factors[name][1] == 1 for p in factored)
    ]  # fmt: skip
    if not common:
        return None
    for p in factored:
        for name, _ in common:
            del p.factors[name]
    terms = [(c, p.build(x.dtype)) for (c, _), p in zip(kept, factored)]
    inner = _added(terms, x)
    outer = product_of(inner)
    for _, base in common:
        outer.multiply(base, Fraction(1))
    new = shaped(outer.build(x.dtype), x)
    return ("a b + a c = a (b + c)", new) if count(new) < count(x) else None


def common_numbers(x: Expr) -> Found:
    """a / n - b / n = (a - b) / n for tensors; for whole sums only, so it comes last."""
    if x.op not in SUMS or not x.ndim:
        return None
    found = sum_of(x)
    kept = found.kept()
    first = kept[0][0] if kept else 1
    if found.number != 0 or len(kept) < 2 or abs(first) == 1:
        return None
    if not all(isinstance(c, Fraction) and abs(c) == abs(first) for c, _ in kept):
        return None
    inner = Product()
    inner.coefficient = common = abs(first)
    base = build_sum(Fraction(0), [(c / common, term) for c, term in kept], x.dtype)
    inner.multiply(base, Fraction(1))
    return "c a + c b = c (a + b)", shaped(inner.build(x.dtype), x)


def _added(terms: list[tuple[Number, Expr]], x: Expr) -> Expr:
    total = Sum()
    for c, term in terms:
        inner = sum_of(term)
        total.number += c * inner.number
        for d, one in inner.kept():
            total.add(c * d, one)
    return build_sum(total.number, total.kept(), x.dtype)


_POINT = "a guard of the single point 0 is dropped"


def guards(x: Expr) -> Found:
    """Drop what a rule of `pow` guards against at single points.

    where(p == 0, 0, p x) = p x, where((x == 0) & (p >= 0), 0, y log(x)) -> y log(x), and
    x + (x == 0) -> x.
    """
    if x.op == "add":
        whole, mask = x.args
        mask = mask.args[0] if mask.op == "cast" else mask
        return (_POINT, shaped(whole, x)) if _is_zero_of(mask) is whole else None
    if x.op != "where" or not is_number(x.args[1], 0):
        return None
    condition, _, rest = x.args
    if (guarded := _is_zero_of(condition)) is not None:
        return _without_zero(x, guarded)
    if condition.op == "bitwise_and" and not condition.ndim and condition.args[0].op == "eq":
        base = condition.args[0].args[0]
        if any(b.op == "log" and b.args[0] is base for b, _ in product_of(rest).factors.values()):
            return _POINT, shaped(rest, x)
    return None


def _is_zero_of(x: Expr) -> Expr | None:
    """The p of p == 0."""
    return x.args[0] if x.op == "eq" and is_number(x.args[1], 0) else None


def _without_zero(x: Expr, guarded: Expr) -> Found:
    """where(p == 0, 0, rest), where the rest is 0 there anyhow or asks the same again."""
    condition, _, rest = x.args
    if not condition.shape:  # in a tensor some elements may be zero at every point: a diagonal
        inner = [a for a in order([rest]) if a.op == "where" and a.args[0] is condition]
        if inner:
            return _POINT, shaped(replaced(rest, {a: shaped(a.args[2], a) for a in inner}), x)
    if key(guarded) in product_of(rest).factors:
        return "where(p == 0, 0, p x) = p x", shaped(rest, x)
    return None


def powers(x: Expr) -> Found:
    """x^1 = x, x^0 = 1, 1^p = 1, x^p x^q = x^(p + q) with a variable exponent."""
    if x.op != "pow":
        return None
    base, exponent = x.args
    if is_number(exponent, 1):
        return "x^1 = x", shaped(base, x)
    if is_number(exponent, 0) or is_number(base, 1):
        return "x^0 = 1", constant(1.0, x.dtype, x.shape)
    if base.op == "exp" and exponent.op != CONSTANT:
        return "(e^a)^b = e^(a b)", build("exp", build("mul", base.args[0], exponent))
    return None


def sigmoids(x: Expr) -> Found:
    """relu, abs and sign of what is plainly of one sign; sigmoid of a log-odds."""
    if x.op in ("abs", "relu") and x.args[0].op in ("exp", "sigmoid", "softmax", "relu", "square"):
        return f"{x.op} of what is not negative", x.args[0]
    if x.op == "sign" and x.args[0].op in ("exp", "sigmoid", "softmax"):
        return "the sign of what is positive", constant(1.0, x.dtype, x.shape)
    return None


SCALAR_RULES: list[Rule] = [
    powers, exponentials, sums, products, squares_of_pairs, common_factors, guards, sigmoids,
]  # fmt: skip
