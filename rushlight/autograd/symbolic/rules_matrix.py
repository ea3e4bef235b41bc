"""Rules of matrix algebra: transposes, products of matrices and vectors, norms, labels."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from .algebra import (
    SUMS,
    Product,
    build,
    build_sum,
    counted,
    exponent_of,
    key,
    product_of,
    shaped,
    sum_of,
)
from .expressions import CONSTANT, Expr, constant, is_number, order
from .rules_shape import RESHAPES, Found, Rule


def transpose(x: Expr) -> Expr:
    """The transpose of a matrix, as far inside as it goes."""
    if x.op == "transpose" and x.ndim == 2:
        return x.args[0]
    return build("transpose", x, params=(0, 1))


def named_products(x: Expr) -> Found:
    """linear(x, W, b) = x W^T + b; a row times a matrix is the transpose times a column."""
    if x.op == "linear" and x.args[0].ndim <= 2:
        return "linear(x, W) = x W^T", build("matmul", x.args[0], transpose(x.args[1]))
    if x.op == "linear_bias" and x.args[0].ndim <= 2:
        product = build("matmul", x.args[0], transpose(x.args[1]))
        return "linear(x, W, b) = x W^T + b", build("add", product, x.args[2])
    if x.op == "matmul" and x.args[0].ndim == 1 and x.args[1].ndim == 2:
        return "(x^T A)^T = A^T x", build("matmul", transpose(x.args[1]), x.args[0])
    if x.op == "mean_squared_error":
        gap = build("sub", *x.args)
        total = build("sum", build("pow", gap, counted(Fraction(2), x.dtype)),
                      params=(None, False))  # fmt: skip
        size = counted(Fraction(max(gap.size, 1)), x.dtype)
        return "a mean is a sum over n", build("div", total, size)
    return None


def row_products(x: Expr) -> Found:
    """Vectors that were made rows or columns for a product are vectors again."""
    if x.op == "sum" and x.args[0].op in ("unsqueeze", "transpose") and x.params == (None, False):
        return "a sum of all", build("sum", x.args[0].args[0], params=x.params)
    if not x.args or x.args[0].op != "matmul":
        return None
    a, b = x.args[0].args
    if x.op in RESHAPES and x.ndim == 1 and a.ndim == b.ndim == 2:
        if a.op == "unsqueeze" and a.params == (0,) and x.size == b.shape[1]:
            return "(x^T A)^T = A^T x", build("matmul", transpose(b), a.args[0])
        if b.op == "unsqueeze" and b.params == (1,) and x.size == a.shape[0]:
            return "a column is a vector", build("matmul", a, b.args[0])
    if x.op == "unsqueeze" and x.params == (1,) and a.ndim == 2 and b.ndim == 1:
        return "a vector is a column", build("matmul", a, build("unsqueeze", b, params=(1,)))
    return None


def transposes(x: Expr) -> Found:
    """(A B)^T = B^T A^T, (A + B)^T = A^T + B^T, (c A)^T = c A^T, and of a row the column."""
    if x.op != "transpose" or x.ndim != 2:
        return None
    a = x.args[0]
    if a.op == "matmul" and all(b.ndim == 2 for b in a.args):
        left, right = a.args
        return "(A B)^T = B^T A^T", build("matmul", transpose(right), transpose(left))
    if a.op == "unsqueeze" and a.args[0].ndim == 1:
        return "the transpose of a column is a row", build(
            "unsqueeze", a.args[0], params=(1 - a.params[0] % 2,)
        )
    if a.op == "embed_diagonal":
        return "a diagonal matrix is symmetric", a
    if a.op in ("add", "sub") and all(b.shape == a.shape for b in a.args) and any(
        _turns(b) for b in a.args
    ):  # fmt: skip
        return "(A + B)^T = A^T + B^T", build(a.op, *(transpose(b) for b in a.args))
    return None


def _turns(x: Expr) -> bool:
    """Whether the transpose of it is simpler, or no worse."""
    if x.op == "matmul" and x.ndim == 2:
        return _turns(x.args[0]) or _turns(x.args[1])
    return x.op in ("transpose", "embed_diagonal") or is_identity(x)


def is_identity(x: Expr) -> bool:
    """Whether it is the identity matrix."""
    return (
        x.op == CONSTANT and x.ndim == 2 and x.shape[0] == x.shape[1] and not is_number(x)
        and bool((x.value == np.eye(x.shape[0])).all())
    )  # fmt: skip


def identities(x: Expr) -> Found:
    """A I = A, I A = A, I^T = I."""
    if x.op == "matmul":
        a, b = x.args
        if is_identity(a):
            return "I A = A", b
        if is_identity(b):
            return "A I = A", a
    if x.op == "transpose" and is_identity(x.args[0]):
        return "I^T = I", x.args[0]
    return None


def outer_products(x: Expr) -> Found:
    """A column times a row, element by element, is the matrix product u v^T."""
    if x.op not in ("mul", "div") or x.ndim != 2 or 1 in x.shape:
        return None
    found = product_of(x)
    column, row, rest = Product(), Product(), Product()
    rest.coefficient = found.coefficient
    for base, e in found.kept():
        if base.shape == (x.shape[0], 1):
            column.multiply(base, e)
        elif base.shape in ((1, x.shape[1]), (x.shape[1],)):
            row.multiply(base, e)
        elif base.shape == ():
            rest.multiply(base, e)
        else:
            return None
    if not column.factors or not row.factors:
        return None
    right = row.build(x.dtype)
    if right.ndim == 1:
        right = build("unsqueeze", right, params=(0,))
    both = build("matmul", column.build(x.dtype), right)
    rest.multiply(both, Fraction(1))
    return "column * row = u v^T", rest.build(x.dtype)


def numbers_out(x: Expr) -> Found:
    """(c A) B = c (A B): numbers and scalars go in front of a matrix product or a sum."""
    linear = x.op in ("matmul", "transpose", "unsqueeze", "sum", "mean", "nll_loss_back", "expand")
    if not linear and x.op not in RESHAPES:
        return None
    outside = Product()
    args = []
    for a in x.args:
        product = product_of(a) if a.dtype.kind == "f" and a.op != CONSTANT else Product()
        scalars = [(n, b, e) for n, (b, e) in product.factors.items() if b.shape == ()]
        if not product.factors or (product.coefficient == 1 and not scalars) or a.shape == ():
            args.append(a)
            continue
        outside.coefficient *= product.coefficient
        for name, base, e in scalars:
            del product.factors[name]
            outside.multiply(base, e)
        product.coefficient = Fraction(1)
        rest = product.build(a.dtype)
        if rest.shape != a.shape:
            return None
        args.append(rest)
    if outside.coefficient == 1 and not outside.factors:
        return None
    outside.multiply(build(x.op, *args, params=x.params), Fraction(1))
    return "(c A) B = c (A B)", shaped(outside.build(x.dtype), x)


def drawn_from_factors(x: Expr) -> Found:
    """(2 A - 2 B) C = 2 (A - B) C, and (B - A) C = -(A - B) C inside a product with a minus."""
    if x.op not in ("matmul", "sum", "transpose") or x.dtype.kind != "f":
        return None
    for place, a in enumerate(x.args):
        if a.op not in SUMS:
            continue
        drawn = _drawn(a)
        if drawn is not None:
            args = [drawn[1] if i == place else b for i, b in enumerate(x.args)]
            whole = Product()
            whole.coefficient = drawn[0]
            whole.multiply(build(x.op, *args, params=x.params), Fraction(1))
            return "(c A + c B) C = c (A + B) C", whole.build(x.dtype)
    return None


def _drawn(a: Expr) -> tuple[Fraction, Expr] | None:
    from_ = sum_of(a)
    kept = from_.kept()
    numbers = [c for c, _ in kept] + ([from_.number] if from_.number != 0 else [])
    first = numbers[0]
    if not all(isinstance(c, Fraction) and abs(c) == abs(first) for c in numbers):
        return None
    common = first if all(c == first for c in numbers) else abs(first)
    if common == 1 or not isinstance(common, Fraction):
        return None
    terms = [(c / common, t) for c, t in kept]
    base = build_sum(from_.number / common, terms, a.dtype)
    return (common, base) if base.shape == a.shape else None


def minus_into_product(x: Expr) -> Found:
    """-A (b - c) = A (c - b)."""
    if x.op not in ("neg", "mul", "div"):
        return None
    found = product_of(x)
    if found.coefficient >= 0:
        return None
    for name, (base, e) in list(found.factors.items()):
        turned = _with_minus(base) if e == 1 and base.op in ("matmul", "sum") else None
        if turned is not None:
            del found.factors[name]
            found.coefficient = -found.coefficient
            found.multiply(turned, Fraction(1))
            return "-A (b - c) = A (c - b)", shaped(found.build(x.dtype), x)
    return None


def _with_minus(x: Expr) -> Expr | None:
    """-x, the minus inside the first operand that is a sum with a term to subtract."""
    for place, a in enumerate(x.args):
        terms = sum_of(a) if a.op in SUMS else None
        if terms is not None and any(c < 0 for c, _ in terms.kept()):
            turned = build_sum(-terms.number, [(-c, t) for c, t in terms.kept()], a.dtype)
            args = [turned if i == place else b for i, b in enumerate(x.args)]
            return build(x.op, *args, params=x.params)
    return None


# --- Chains of matrix products


def chain(x: Expr) -> list[Expr]:
    """The factors of a product of matrices (and at the end perhaps a vector)."""
    if x.op != "matmul" or x.args[0].ndim != 2 or x.args[1].ndim > 2:
        return [x]
    return [*chain(x.args[0]), *chain(x.args[1])]


def chained(factors: list[Expr]) -> Expr:
    """The product of a chain: from the right if that end is a vector, which is cheaper."""
    if len(factors) == 1:
        return factors[0]
    if factors[-1].ndim == 1 or factors[-1].shape[1] == 1:
        total = factors[-1]
        for x in reversed(factors[:-1]):
            total = build("matmul", x, total)
        return total
    total = factors[0]
    for x in factors[1:]:
        total = build("matmul", total, x)
    return total


def association(x: Expr) -> Found:
    """(A B) x = A (B x): the same value, fewer operations."""
    if x.op != "matmul" or len(factors := chain(x)) < 3:
        return None
    new = chained(factors)
    return None if new is x else ("(A B) x = A (B x)", new)


def common_matrix(x: Expr) -> Found:
    """A x + B x = (A + B) x, and A x + A y = A (x + y)."""
    if x.op not in SUMS:
        return None
    found = sum_of(x)
    terms = [(c, *_split(term)) for c, term in found.kept()]
    for end, text in ((-1, "A x + B x = (A + B) x"), (0, "A x + A y = A (x + y)")):
        places = _sharing([factors for _, _, factors in terms], end)
        if places:
            joined = _joined([terms[i] for i in places], end, x)
            new = [pair for i, pair in enumerate(found.kept()) if i not in places]
            new.insert(places[0], (Fraction(1), joined))
            return text, shaped(build_sum(found.number, new, x.dtype), x)
    return None


def _sharing(chains: list[list[Expr]], end: int) -> list[int]:
    """The first chains that begin (`end` 0) or end (-1) with the same factor; at least two."""
    groups: dict[int, list[int]] = {}
    for place, factors in enumerate(chains):
        if len(factors) > 1:
            groups.setdefault(key(factors[end]), []).append(place)
    return next((places for places in groups.values() if len(places) > 1), [])


def _joined(terms: list[tuple[Any, _Scalars, list[Expr]]], end: int, x: Expr) -> Expr:
    """The sum of what stands before (or after) a common factor, times that factor."""
    inner = []
    for c, scalars, factors in terms:
        rest = scalars.copied()
        rest.multiply(chained(factors[:-1] if end else factors[1:]), Fraction(1))
        inner.append((c, rest.build(x.dtype)))
    inner.sort(key=lambda pair: _turned(pair[1]))  # A + A^T, the plain one first
    total, common = build_sum(Fraction(0), inner, x.dtype), terms[0][2][end]
    return chained([*chain(total), common] if end else [common, *chain(total)])


def _turned(x: Expr) -> int:
    return sum(a.op == "transpose" for a in order([x]))


class _Scalars(Product):
    def copied(self) -> Product:
        other = Product()
        other.coefficient, other.factors = self.coefficient, dict(self.factors)
        return other


def _split(term: Expr) -> tuple[_Scalars, list[Expr]]:
    """A term as scalar factors and one chain (or the term alone)."""
    product = product_of(term)
    tensors = [(n, b) for n, (b, e) in product.factors.items() if b.shape != () and e == 1]
    others = sum(b.shape != () for b, _ in product.factors.values())
    scalars = _Scalars()
    if len(tensors) != 1 or others != 1:
        return scalars, [term]
    name, base = tensors[0]
    scalars.coefficient = product.coefficient
    scalars.factors = {n: pair for n, pair in product.factors.items() if n != name}
    return scalars, chain(base)


# --- Sums over vectors


def dots(x: Expr) -> Found:
    """u . u = ||u||^2, and sum(u v) = u^T v."""
    if x.op == "matmul" and x.args[0].ndim == 1 and x.args[1] is x.args[0]:
        two = counted(Fraction(2), x.dtype)
        squared = build("pow", x.args[0], two)
        return "u^T u = ||u||^2", build("sum", squared, params=(None, False))
    if x.op == "sum" and x.shape == () and x.args[0].ndim == 1 and x.dtype.kind == "f":
        found = product_of(x.args[0])
        whole = [b for b, e in found.kept() if e == 1 and b.shape == x.args[0].shape]
        if len(found.factors) < 2 or not whole or exponent_of(x.args[0]) is not None:
            return None
        first = whole[0]
        del found.factors[key(first)]
        second = found.build(x.dtype)
        if second.shape == first.shape:
            return "sum(u v) = u^T v", build("matmul", first, second)
    return None


def diagonals(x: Expr) -> Found:
    """diag(u) 1 = u, and exp(z - logsumexp(z)) = softmax(z)."""
    if x.op == "matmul" and x.args[0].op == "embed_diagonal" and is_number(x.args[1], 1) and (
        x.args[1].shape[1:] == (1,)
    ):  # fmt: skip
        return "diag(u) 1 = u", build("unsqueeze", x.args[0].args[0], params=(1,))
    if x.op == "exp" and x.args[0].op == "sub":
        z, total = x.args[0].args
        dims = total.params[0] if total.op == "logsumexp" and total.args[0] is z else None
        whole = dims is not None and len(dims) == 1
        if whole and (z.ndim == 1 or total.params[1]):
            return "exp(z - logsumexp(z)) = softmax(z)", build(
                "softmax", z, params=(total.params[0][0] % z.ndim,))  # fmt: skip
    return None


def label_gradients(x: Expr) -> Found:
    """The gradient of picking labels is a one-hot matrix; its rows sum to 1."""
    if x.op == "nll_loss_back":
        g, labels, weight = x.args
        shape, ignore, reduction = x.params
        if weight.value is not None or not is_number(g) or len(shape) != 2:
            return None
        rows = prod(labels.shape) if reduction == "mean" else 1
        if reduction == "none" or (g.value == -1 and reduction == "sum"):
            return None
        one_hot = build("nll_loss_back", counted(Fraction(-1), g.dtype), labels, weight,
                        params=(shape, ignore, "sum"))  # fmt: skip
        scale = counted(Fraction(-g.value) / rows, g.dtype)
        return "the labels as a one-hot matrix", build("mul", scale, one_hot)
    if x.op == "sum" and is_one_hot(x.args[0]) and x.params[0] == (1,):
        return "a one-hot row sums to 1", constant(1.0, x.dtype, x.shape)
    return None


def is_one_hot(x: Expr) -> bool:
    """Whether it is the one-hot matrix of labels (none of them ignored)."""
    return x.op == "nll_loss_back" and is_number(x.args[0], -1) and x.params[2] == "sum"


MATRIX_RULES: list[Rule] = [
    identities, named_products, row_products, transposes, outer_products, numbers_out,
    drawn_from_factors, minus_into_product, association, common_matrix, dots, diagonals,
    label_gradients,
]  # fmt: skip
