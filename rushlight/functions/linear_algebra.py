"""torch.linalg's equations, inverses, determinants and matrix functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.dispatch import named, scalar_type_name
from ..core.dispatch import whole as one_node
from ..core.errors import ShapeError, fail
from ..core.tensor import Tensor, wrap
from ..ops import contract as c
from ..ops import elementwise as e
from ..ops import linalg as ops
from ..ops import structure as s
from ..ops.linalg import LinAlgError as LinAlgError
from ..ops.transcendental import log
from .arguments import whole
from .matrix_checks import check, check_right, check_type
from .reduction import put
from .results import named_result

Inverse = named_result("linalg_inv_ex", ("inverse", "info"))
Solved = named_result("linalg_solve_ex", ("result", "info"))
Slogdet = named_result("linalg_slogdet", ("sign", "logabsdet"))
OldSlogdet = named_result("slogdet", ("sign", "logabsdet"))
Cholesky = named_result("linalg_cholesky_ex", ("L", "info"))


def identity(A: Tensor) -> Tensor:
    """The identity matrix in A's type and size."""
    return wrap(np.eye(A._array.shape[-1], dtype=A._array.dtype))


# --- Equations


def _vector_right(A: Tensor, B: Tensor) -> bool:
    """Whether B is a (batch of) vectors rather than of matrices."""
    a, b = A._array.shape, B._array.shape
    return len(b) == 1 or (len(a) - 1 == len(b) and b == a[:-1])


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Any = None) -> Tensor:
    """X with A X = B, or with X A = B when `left` is False.

    Shapes: A (*, n, n); B (*, n, k), (*, n) or (n,).
    Raises LinAlgError for a singular matrix.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.solve.html

    >>> import rushlight as torch
    >>> torch.linalg.solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    a, right, vector = _equation(A, B, left)
    return put(_solution(ops.solve(a, right), left, vector), out)


def _equation(A: Tensor, B: Tensor, left: bool) -> tuple[Tensor, Tensor, bool]:
    """A and B of A X = B, matrices both, and whether B was a vector."""
    check("linalg.solve", A, square=True)
    if A.dtype is not B.dtype:
        kinds = f"A of type {scalar_type_name(A.dtype)} and B of type {scalar_type_name(B.dtype)}"
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found {kinds} instead"
        )
    vector = _vector_right(A, B)
    right = s.unsqueeze(B, B._array.ndim) if vector else B
    check_right("linalg.solve", A, right, left)
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not"
                           " supported for left=False. In this case linalg.solve is equivalent to"
                           " B / A.squeeze(-1)")  # fmt: skip
    if left:
        return A, right, vector
    return s.transpose(A, -2, -1), s.transpose(right, -2, -1), vector


def by_columns(x: Tensor) -> Tensor:
    """A copy whose matrices lie column by column, as LAPACK leaves them."""
    return s.transpose(s.contiguous_copy(s.transpose(x, -2, -1)), -2, -1)


def _solution(x: Tensor, left: bool, vector: bool) -> Tensor:
    if left and not vector:
        return x
    if vector:
        x = s.reshape(x, x._array.shape[:-1])
        x = by_columns(x) if x._array.ndim > 1 else x
    return one_node(x if left else s.transpose(x, -2, -1), "LinalgSolveExBackward0")


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False,
             out: Any = None) -> Any:  # fmt: skip
    """`solve` that reports a singular matrix in `info` instead of raising.

    Returns (result, info), info an int32 for each matrix: 0, or the place of the pivot that is 0.
    check_errors: raise LinAlgError all the same.

    >>> import rushlight as torch
    >>> torch.linalg.solve_ex(2 * torch.eye(2), torch.ones(2)).result
    tensor([0.5000, 0.5000])
    """
    a, right, vector = _equation(A, B, left)
    x, info = ops.solve_ex(a, right)
    if check_errors:
        ops.refuse(info._array, ops.unsolvable("torch.linalg.solve_ex"))
    return put(Solved(_solution(x, left, vector), info), out)


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True,
                     unitriangular: bool = False, out: Any = None) -> Tensor:  # fmt: skip
    """X with A X = B (X A = B when `left` is False) for a triangular A, by substitution.

    Shapes: (*, n, n) and (*, n, k), to (*, n, k). upper: which triangle counts, the other is not
    read; unitriangular: the diagonal counts as ones. Raises: RuntimeError for shapes that do not
    fit.

    >>> import rushlight as torch
    >>> torch.linalg.solve_triangular(torch.tensor([[2.0]]), torch.tensor([[4.0]]), upper=True)
    tensor([[2.]])
    """
    check("linalg.solve_triangular", A, square=True)
    if B._array.ndim < 2:
        raise RuntimeError(
            "linalg.solve_triangular: The input tensor B must have at least 2 dimensions."
        )
    check_right("linalg.solve_triangular", A, B, left)
    if left:
        return put(ops.solve_triangular(A, B, bool(upper), bool(unitriangular)), out)
    a, b = s.transpose(A, -2, -1), s.transpose(B, -2, -1)
    x = ops.solve_triangular(a, b, not upper, bool(unitriangular), True)
    x = one_node(s.transpose(x, -2, -1), "LinalgSolveTriangularBackward0")
    return put(x, out)


def inv(A: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of square matrices.

    Raises LinAlgError for a singular matrix.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.inv.html

    >>> import rushlight as torch
    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check("linalg.inv", A, square=True)
    return put(ops.inv(A), out)


def inverse(input: Tensor, *, out: Any = None) -> Tensor:
    """The inverse of square matrices (`linalg.inv`).

    >>> import rushlight as torch
    >>> torch.inverse(torch.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return inv(input, out=out)


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """`inv` that reports a singular matrix in `info` instead of raising.

    Shapes: (*, n, n) to the same and `info` (*), int32: 0, or which pivot (from 1) is zero.
    Raises: RuntimeError for a matrix that is not square; LinAlgError for `info` if `check_errors`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.inv_ex.html

    >>> import rushlight as torch
    >>> torch.linalg.inv_ex(torch.zeros(2, 2)).info  # not zero: there is none
    tensor(1, dtype=torch.int32)
    """
    check("linalg.inv", A, square=True)
    y, info = ops.inv_ex(A)
    if check_errors:
        ops.refuse(info._array, ops.singular("linalg.inv_ex"))
    return put(Inverse(y, info), out)


# --- Determinants


def det(A: Tensor, *, out: Any = None) -> Tensor:
    """The determinant of square matrices.

    Shapes: (*, n, n) to (*).
    Raises: RuntimeError for a matrix that is not square and for whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.det.html

    >>> import rushlight as torch
    >>> torch.linalg.det(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    check("linalg.det", A, square=True, types=A._array.dtype.itemsize != 2)
    if A._array.dtype.itemsize == 2:
        kind = scalar_type_name(A.dtype)
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{kind}'")
    return put(ops.det(A), out)


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """The sign of the determinant and the logarithm of its size.

    Shapes: (*, n, n) to two of (*); of a singular matrix 0 and -inf.
    Raises: RuntimeError for fewer than two dimensions or a matrix that is not square.

    >>> import rushlight as torch
    >>> torch.linalg.slogdet(torch.tensor([[-1.0]])).sign
    tensor(-1.)
    """
    check("linalg.slogdet", A, square=True)
    return put(Slogdet(*ops.slogdet(A)), out)


def old_slogdet(input: Tensor, *, out: Any = None) -> Any:
    """The sign of the determinant and the logarithm of its size (`linalg.slogdet`)."""
    return put(OldSlogdet(*slogdet(input)), out)


old_slogdet.__name__ = old_slogdet.__qualname__ = "slogdet"


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan if that is negative.

    >>> import rushlight as torch
    >>> torch.logdet(2 * torch.eye(3))
    tensor(2.0794)
    """
    check("logdet", input, square=True)
    sign, size = ops.slogdet(input)
    if input.dtype.is_complex:
        return e.add(log(sign), size)
    return e.where(sign == -1, wrap(np.asarray(np.nan, size._array.dtype)), size)


# --- Positive definite matrices


def factor(A: Tensor, upper: bool, name: str) -> Tensor:
    """The triangle of a positive definite matrix, under torch's name of who asks."""
    found = ops.cholesky(A, name, upper)
    node = "CholeskyBackward0" if name == "cholesky" else "LinalgCholeskyExBackward0"
    return one_node(ops.adjoint(found) if upper else found, node)


def cholesky(A: Tensor, *, upper: bool = False, out: Any = None) -> Tensor:
    """The triangular L with L L^H = A (or its conjugate transpose, when `upper`).

    Raises LinAlgError for a matrix that is not positive definite.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.cholesky.html

    >>> import rushlight as torch
    >>> torch.linalg.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    check("linalg.cholesky", A, square=True)
    return put(factor(A, upper, "linalg.cholesky"), out)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False,
                out: Any = None) -> Any:  # fmt: skip
    """`cholesky` that reports a matrix that is not positive definite in `info`.

    Shapes: A (*, n, n) to L (its adjoint if `upper`) and `info` (*), int32: 0 where all is well.
    Raises: RuntimeError for a matrix that is not square; LinAlgError for `info` if `check_errors`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cholesky_ex.html

    >>> import rushlight as torch
    >>> torch.linalg.cholesky_ex(-torch.eye(2)).info  # the first minor that is not positive
    tensor(1, dtype=torch.int32)
    """
    check("linalg.cholesky_ex", A, square=True)
    factor, info = ops.cholesky_ex(A, upper)
    if check_errors:
        ops.refuse(info._array, ops.indefinite("linalg.cholesky_ex"))
    if upper:
        factor = one_node(ops.adjoint(factor), "LinalgCholeskyExBackward0")
    return put(Cholesky(factor, info), out)


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """X with A X = B, from the Cholesky factor of A.

    >>> import rushlight as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), 2 * torch.eye(2))
    tensor([[0.2500],
            [0.2500]])
    """
    for label, x in (("b", B), ("u", L)):
        if x._array.ndim < 2:
            raise RuntimeError(
                f"{label} should have at least 2 dimensions, but has {x.ndim} dimensions instead"
            )
    n, (rows, columns) = L._array.shape[-1], B._array.shape[-2:]
    if L._array.shape[-2] != n or n != rows:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {n} by {n} but each b"
            f" matrix is {rows} by {columns}"
        )
    if L.dtype is not B.dtype:
        raise RuntimeError(
            "Expected b and A to have the same dtype, but found b of type"
            f" {scalar_type_name(B.dtype)} and A of type {scalar_type_name(L.dtype)} instead."
        )
    return put(ops.cholesky_solve(B, L, bool(upper)), out)


def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The inverse of A, from its Cholesky factor.

    >>> import rushlight as torch
    >>> torch.cholesky_inverse(torch.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    check("cholesky_inverse", L, square=True)
    return put(ops.cholesky_inverse(L, bool(upper)), out)


# --- Powers, exponentials, chains


def matrix_power(A: Tensor, n: int, *, out: Any = None) -> Tensor:
    """A multiplied by itself n times; the inverse's power for a negative n.

    Shapes: (*, n, n) to the same; the identity for n = 0.
    Raises: RuntimeError for a matrix that is not square, LinAlgError for one without an inverse.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_power.html

    >>> import rushlight as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    n = whole("linalg_matrix_power", "n", 2, n)
    check("linalg.matrix_power", A, square=True, types=False)
    if n < 0:
        check_type("linalg.inv", A)
    if n == 0:
        return put(s.overwrite(A, s.expand(identity(A), A._array.shape)), out)
    base, n = (ops.inv(A), -n) if n < 0 else (A, n)
    result = None
    while n:
        if n & 1:
            result = base if result is None else c.matmul(result, base)
        n >>= 1
        if n:
            base = c.matmul(base, base)
    return put(s.clone(result) if result is A else result, out)


def matrix_exp(A: Tensor) -> Tensor:
    """The matrix exponential I + A + A^2 / 2 + A^3 / 6 + ...

    Shapes: (*, n, n) to the same.
    Raises: RuntimeError for a matrix that is not square and for whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_exp.html

    >>> import rushlight as torch
    >>> torch.matrix_exp(torch.zeros(1, 1))
    tensor([[1.]])
    """
    check("linalg.matrix_exp", A, square=True)
    return ops.matrix_exp(A)


def multi_dot(tensors: Sequence[Tensor], *, out: Any = None) -> Tensor:
    """The product of several matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.multi_dot.html

    >>> import rushlight as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 1)]).shape
    torch.Size([2, 1])
    """
    terms = list(tensors)
    if len(terms) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(terms)}")
    ends = terms[0]._array.ndim == 1, terms[-1]._array.ndim == 1
    _check_chain(terms)
    if ends[0]:
        terms[0] = s.unsqueeze(terms[0], 0)
    if ends[1]:
        terms[-1] = s.unsqueeze(terms[-1], 1)
    sizes = [x._array.shape[0] for x in terms] + [terms[-1]._array.shape[1]]
    result = _chain(terms, _splits(sizes), 0, len(terms) - 1)
    shape = result._array.shape
    wanted = shape[int(ends[0]) : 2 - int(ends[1])]
    if wanted == shape:
        return put(named(result, "ViewBackward0"), out)
    return put(s.reshape(result, wanted), out)


def _check_chain(terms: Sequence[Tensor]) -> None:
    for place, x in enumerate(terms):
        inner = 0 < place < len(terms) - 1
        if x._array.ndim != 2 and (inner or x._array.ndim != 1):
            wanted = "2D" if inner else "1D or 2D"
            raise RuntimeError(
                f"multi_dot(): tensor {place} must be {wanted} but got {x._array.ndim}D"
            )
        if place:
            before = terms[place - 1]._array.shape
            if before[-1] != x._array.shape[0]:
                raise fail(
                    ShapeError,
                    f"multi_dot(): tensors {place - 1} and {place} with shapes {list(before)} and"
                    f" {list(x._array.shape)} cannot be multiplied",
                )


def _splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each run of factors: the classic dynamic program."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], split[i, j] = min(options)
    return split


def _chain(terms: Sequence[Tensor], split: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return terms[i]
    k = split[i, j]
    return c.matmul(_chain(terms, split, i, k), _chain(terms, split, k + 1, j))


# --- Tensors as matrices


def tensorinv(A: Tensor, ind: int = 2, *, out: Any = None) -> Tensor:
    """The inverse for `tensordot(A, ., ind)`, A seen as a square matrix.

    Shapes: (*a, *b), with `ind` sizes in a and the product of a that of b, to (*b, *a).
    Raises: RuntimeError for other shapes and `ind` below 1, LinAlgError without an inverse.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorinv.html

    >>> import rushlight as torch
    >>> torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6)).shape
    torch.Size([6, 2, 3])
    """
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    shape = A._array.shape
    rows, columns = prod(shape[:ind]), prod(shape[ind:])
    if rows != columns:
        raise fail(
            ShapeError,
            "Expected self to satisfy the requirement prod(self.shape[ind:]) =="
            f" prod(self.shape[:ind]), but got {columns} != {rows}",
        )
    y = s.reshape(ops.inv(s.reshape(A, (rows, rows))), (*shape[ind:], *shape[:ind]))
    return put(y if y._array.flags.c_contiguous else named(y, "ReshapeAliasBackward0"), out)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B.

    Shapes: A (*b, *x) and B (*b) to (*x); the dimensions `dims` of A are moved to its end first.
    Raises: RuntimeError if B has not as many elements as X, LinAlgError where there is no solution.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.tensorsolve.html

    >>> import rushlight as torch
    >>> torch.linalg.tensorsolve(2 * torch.eye(4).reshape(4, 2, 2), torch.ones(4))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if dims is not None:
        moved = [i % A._array.ndim for i in dims]
        A = s.permute(A, (*(i for i in range(A._array.ndim) if i not in moved), *moved))
    shape = A._array.shape[B._array.ndim :]
    n = prod(shape)
    if n != B._array.size:
        raise fail(
            ShapeError,
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) =="
            f" prod(self.shape[:other.ndim]), but got {n} != {B._array.size}",
        )
    x = ops.solve(s.reshape(A, (n, n)), s.reshape(B, (n, 1)))
    return put(s.reshape(x, shape), out)
