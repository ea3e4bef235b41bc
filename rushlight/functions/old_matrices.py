"""Factorisations under their older names, of which torch warns once in a process."""

from __future__ import annotations

from typing import Any

from ..core.dispatch import whole as one_node
from ..core.errors import ShapeError, warn_once
from ..core.tensor import Tensor
from ..ops import linalg as ops
from ..ops import structure as s
from .arguments import refuse_unsolvable
from .factorizations import LUWithInfo, lu_factor_ex
from .factorizations import lu_solve as solve_factored
from .factorizations import qr as qr_of
from .linear_algebra import by_columns, factor, multi_dot
from .matrix_checks import check
from .reduction import put
from .results import named_result

__all__ = ["chain_matmul", "cholesky", "lu", "lu_solve", "qr", "triangular_solve"]

QR = named_result("qr", ("Q", "R"))
Triangular = named_result("triangular_solve", ("solution", "cloned_coefficient"))
_LATER = "will be removed in a future PyTorch release."


def _of_old(name: str, today: str, *lines: str, glue: str = " ") -> None:
    """torch's warning that a name is old, with what to write in its place."""
    first = f"torch.{name} is deprecated in favor of torch.linalg.{today}{glue}and {_LATER}"
    warn_once("\n".join((first, *lines)))


def cholesky(input: Tensor, upper: bool = False, *, out: Any = None) -> Tensor:
    """The triangular L with L L^H = A (`linalg.cholesky`).

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.cholesky(torch.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    _of_old(
        "cholesky", "cholesky", "L = torch.cholesky(A)", "should be replaced with",
        "L = torch.linalg.cholesky(A)", "and", "U = torch.cholesky(A, upper=True)",
        "should be replaced with", "U = torch.linalg.cholesky(A).mH",
        "This transform will produce equivalent results for all valid (symmetric positive definite)"
        " inputs.",
    )  # fmt: skip
    check("cholesky", input, square=True)
    return put(factor(input, upper, "cholesky"), out)


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """Q, R with Q R = A (`linalg.qr`).

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.qr(torch.tensor([[2.0]]))
    torch.return_types.qr(
    Q=tensor([[1.]]),
    R=tensor([[2.]]))
    """
    _of_old(
        "qr", "qr",
        "The boolean parameter 'some' has been replaced with a string parameter 'mode'.",
        "Q, R = torch.qr(A, some)", "should be replaced with",
        "Q, R = torch.linalg.qr(A, 'reduced' if some else 'complete')",
    )  # fmt: skip
    return put(QR(*qr_of(input, "reduced" if some else "complete")), out)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """L and U packed, the row swaps and, if asked for, the info (`linalg.lu_factor_ex`).

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.lu(torch.tensor([[0.0, 2.0], [1.0, 3.0]]))
    (tensor([[1., 3.],
            [0., 2.]]), tensor([2, 2], dtype=torch.int32))
    """
    _of_old(
        "lu", "lu_factor / torch.linalg.lu_factor_ex", "LU, pivots = torch.lu(A, compute_pivots)",
        "should be replaced with", "LU, pivots = torch.linalg.lu_factor(A, compute_pivots)", "and",
        "LU, pivots, info = torch.lu(A, compute_pivots, get_infos=True)", "should be replaced with",
        "LU, pivots, info = torch.linalg.lu_factor_ex(A, compute_pivots)",
    )  # fmt: skip
    packed, pivots, info = lu_factor_ex(A, pivot=pivot)
    return put(LUWithInfo(packed, pivots, info) if get_infos else (packed, pivots), out)


def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Any = None) -> Tensor:
    """X with A X = b, from A's LU factors (`linalg.lu_solve`).

    >>> import rushlight as torch
    >>> a, b = torch.tensor([[0.0, 2.0], [1.0, 3.0]]), torch.tensor([[2.0], [5.0]])
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.lu_solve(b, *torch.linalg.lu_factor(a))
    tensor([[2.],
            [1.]])
    """
    _of_old(
        "lu_solve", "lu_solve", "Note that torch.linalg.lu_solve has its arguments reversed.",
        "X = torch.lu_solve(B, LU, pivots)", "should be replaced with",
        "X = torch.linalg.lu_solve(LU, pivots, B)", glue="",
    )  # fmt: skip
    return solve_factored(LU_data, LU_pivots, b, out=out)


def triangular_solve(b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
                     unitriangular: bool = False, *, out: Any = None) -> Any:  # fmt: skip
    """The older name of `linalg.solve_triangular`, with the operands in the other order.

    >>> import rushlight as torch
    >>> a, b = torch.tensor([[2.0, 1.0], [0.0, 4.0]]), torch.tensor([[4.0], [8.0]])
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.triangular_solve(b, a).solution
    tensor([[1.],
            [2.]])
    """
    _of_old(
        "triangular_solve", "solve_triangular",
        "torch.linalg.solve_triangular has its arguments reversed and does not return a copy of one"
        " of the inputs.", "X = torch.triangular_solve(B, A).solution", "should be replaced with",
        "X = torch.linalg.solve_triangular(A, B).", glue="",
    )  # fmt: skip
    refuse_unsolvable("triangular_solve", A, b)
    a = s.transpose(A, -2, -1) if transpose else A
    x = ops.solve_triangular(a, b, upper != transpose, unitriangular)
    pair = x, by_columns(s.expand(A, (*x._array.shape[:-2], *A._array.shape[-2:])))
    x, copy = (one_node(one, "TriangularSolveBackward0") for one in pair)
    return put(Triangular(x, copy), out)


def chain_matmul(*matrices: Tensor, out: Any = None) -> Tensor:
    """The product of several matrices (deprecated in torch for `linalg.multi_dot`).

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 1))
    tensor([[12.],
            [12.]])
    """
    warn_once(
        f"torch.chain_matmul is deprecated and {_LATER} Use torch.linalg.multi_dot instead, which"
        " accepts a list of two or more tensors rather than multiple parameters."
    )
    for matrix in matrices:
        if matrix._array.ndim != 2:
            raise ShapeError(f"Tensor dimension is {matrix._array.ndim}, expected 2 instead.")
    if len(matrices) == 1:
        return matrices[0]
    return multi_dot(matrices, out=out)
