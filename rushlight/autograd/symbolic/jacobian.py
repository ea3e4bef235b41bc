"""Jacobians as matrix formulas.

Reverse mode gives J^T v for a symbolic v, and that is linear in v; reading off what multiplies v
gives the matrix: `s * v - s (s^T v)` is `(diag(s) - s s^T) v`.
"""

from __future__ import annotations

import numpy as np

from ...core.errors import fail
from .algebra import build, product_of
from .derivative import depending, gradients
from .expressions import Expr, constant, variable
from .simplify import simplified, simplify
from .values import SymbolicError

SEED = "v__"


def jacobian(y: Expr, x: Expr) -> Expr:
    """The matrix of d y_i / d x_j (numerator layout); vectors and scalars as y and as x."""
    if y.ndim > 1 or x.ndim > 1:
        raise fail(
            SymbolicError,
            f"a Jacobian formula takes scalars and vectors, not {list(y.shape)} by {list(x.shape)}",
            "of a matrix ask for the gradient of a scalar (sym.grad), or for numbers:"
            " autograd.matrix_calculus.jacobian",
        )
    if y.ndim == 0:
        (row,) = gradients(y, [x])
        return simplify(build("unsqueeze", row, params=(0,)) if x.ndim else row)
    seed = variable(SEED, y.shape, y.dtype)
    (product,), _ = simplified(gradients(y, [x], seed))
    found = coefficient(product, seed)
    return simplify(build("transpose", found, params=(0, 1)))


def coefficient(expr: Expr, seed: Expr) -> Expr:
    """The matrix that multiplies a vector `seed` in an expression linear in it.

    A vector expression of n elements gives (n, m), a scalar one a row (1, m).
    """
    inside = depending([expr], [seed])
    if expr not in inside:
        return constant(0.0, expr.dtype, (expr.size, seed.size))
    return _coefficient(expr, seed, inside)


def _coefficient(x: Expr, seed: Expr, inside: set[Expr]) -> Expr:
    if x is seed:
        return constant(np.eye(seed.size, dtype=seed.dtype)) if seed.size > 1 else constant(
            1.0, seed.dtype, (1, 1))  # fmt: skip
    if x.ndim > 1:
        raise _unknown(x)
    if x.op in ("add", "sub", "neg"):
        parts = [_or_zero(a, seed, inside, x) for a in x.args]
        return build(x.op, *parts)
    if x.op in ("mul", "div"):
        return _of_product(x, seed, inside)
    if x.op == "matmul":
        return _of_matmul(x, seed, inside)
    inner = _coefficient(x.args[0], seed, inside) if x.args[0] in inside else None
    if inner is not None and x.op == "sum" and x.params[0] is None:
        return build("sum", inner, params=((0,), True))
    if inner is not None and x.op in ("expand", "view") and x.args[0].size in (1, x.size):
        rows = (x.size, seed.size)
        return _rows(inner, rows)
    raise _unknown(x)


def _unknown(x: Expr) -> BaseException:
    shape = f" of shape {list(x.shape)}" if x.ndim > 1 else ""
    return fail(
        SymbolicError,
        f"no matrix is known for {x.op}{shape}, which the Jacobian's formula contains",
        "for numbers: autograd.matrix_calculus.jacobian",
    )  # fmt: skip


def _or_zero(a: Expr, seed: Expr, inside: set[Expr], whole: Expr) -> Expr:
    rows = (whole.size, seed.size)
    if a not in inside:
        return constant(0.0, a.dtype, rows)
    return _rows(_coefficient(a, seed, inside), rows)


def _rows(found: Expr, rows: tuple[int, int]) -> Expr:
    """A row repeated to a matrix: a column of ones times the row."""
    if found.shape == rows:
        return found
    return build("matmul", constant(1.0, found.dtype, (rows[0], 1)), found)


def _of_product(x: Expr, seed: Expr, inside: set[Expr]) -> Expr:
    """rest * L: a diagonal matrix, a column or a number times the matrix of L."""
    found = product_of(x)
    name, linear = next((n, b) for n, (b, _) in found.factors.items() if b in inside)
    del found.factors[name]
    return _scaled(found.build(x.dtype), linear, seed, inside)


def _scaled(rest: Expr, linear: Expr, seed: Expr, inside: set[Expr]) -> Expr:
    if linear.op in ("add", "sub") and rest.ndim:
        return build(linear.op, *(_scaled(rest, a, seed, inside) for a in linear.args))
    if linear not in inside:
        return constant(0.0, rest.dtype, (rest.size, seed.size))
    matrix = _coefficient(linear, seed, inside)
    if rest.ndim == 0:
        return build("mul", rest, matrix)
    if linear.ndim == 0:
        return build("matmul", build("unsqueeze", rest, params=(1,)), matrix)
    size = rest.size
    diagonal = build("embed_diagonal", rest, params=((size, size), 0, 0, 1))
    return build("matmul", diagonal, matrix)


def _of_matmul(x: Expr, seed: Expr, inside: set[Expr]) -> Expr:
    a, b = x.args
    if a in inside and b not in inside and a.ndim == b.ndim == 1:
        a, b = b, a
    if a in inside:
        raise _unknown(x)
    left = a if a.ndim == 2 else build("unsqueeze", a, params=(0,))
    return build("matmul", left, _coefficient(b, seed, inside))


def hessian(y: Expr, x: Expr) -> Expr:
    """The matrix of second derivatives of a scalar by a vector."""
    (slope,), _ = simplified([gradients(y, [x])[0]])
    return jacobian(slope, x)
