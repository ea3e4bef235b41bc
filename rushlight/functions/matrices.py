"""The linear algebra that stands in the `torch` namespace itself."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.errors import fail
from ..core.tensor import Tensor
from .factorizations import lu_unpack, pinverse
from .factorizations import old_svd as svd
from .householder import geqrf, ormqr
from .householder import householder_product as orgqr
from .linear_algebra import (
    cholesky_inverse,
    cholesky_solve,
    det,
    inverse,
    logdet,
    matrix_exp,
    matrix_power,
)
from .linear_algebra import old_slogdet as slogdet
from .matrix_norms import cdist, cross
from .old_matrices import chain_matmul, cholesky, lu, lu_solve, qr, triangular_solve

__all__ = [
    "cdist", "chain_matmul", "cholesky", "cholesky_inverse", "cholesky_solve", "cross", "det",
    "eig", "geqrf",
    "inverse", "logdet", "lstsq", "lu", "lu_solve", "lu_unpack", "matrix_exp", "matrix_power",
    "matrix_rank", "orgqr", "ormqr", "pinverse", "qr", "slogdet", "solve", "svd", "symeig",
    "triangular_solve",
]  # fmt: skip


def _gone(why: str, now: str) -> NoReturn:
    removed = "This function was deprecated since version 1.9 and is now removed."
    raise fail(RuntimeError, removed + why, f"today: {now}")


def eig(self: Tensor, eigenvectors: bool = False, *, e: Any = None, v: Any = None) -> NoReturn:
    """Raises RuntimeError, as in torch since 1.9: `linalg.eig` stands in its place.

    >>> import rushlight as torch
    >>> try:
    ...     torch.eig(torch.eye(2))
    ... except RuntimeError as error:
    ...     print(str(error)[:66])
    This function was deprecated since version 1.9 and is now removed.
    """
    _gone(
        " `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than"
        " real tensors mimicking complex tensors.",
        "L = torch.linalg.eigvals(A), or L, V = torch.linalg.eig(A)",
    )


def symeig(
    input: Tensor, eigenvectors: bool = False, upper: bool = True, *, out: Any = None
) -> NoReturn:
    """Raises RuntimeError, as in torch since 1.9: `linalg.eigh` stands in its place.

    >>> import rushlight as torch
    >>> try:
    ...     torch.symeig(torch.eye(2))
    ... except RuntimeError as error:
    ...     print(str(error)[:66])
    This function was deprecated since version 1.9 and is now removed.
    """
    _gone(
        " The default behavior has changed from using the upper triangular portion of the matrix"
        " by default to using the lower triangular portion.",
        "torch.linalg.eigvalsh(A, UPLO='U'), or L, V = torch.linalg.eigh(A, UPLO='U')",
    )


def lstsq(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Raises RuntimeError, as in torch since 1.9: `linalg.lstsq` stands in its place.

    >>> import rushlight as torch
    >>> try:
    ...     torch.lstsq(torch.ones(2, 1), torch.eye(2))
    ... except RuntimeError as error:
    ...     print(str(error)[:66])
    This function was deprecated since version 1.9 and is now removed.
    """
    _gone(
        " `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.",
        "X = torch.linalg.lstsq(A, B).solution, with the matrix first",
    )


def solve(input: Tensor, A: Tensor, *, out: Any = None) -> NoReturn:
    """Raises RuntimeError, as in torch since 1.9: `linalg.solve` stands in its place.

    >>> import rushlight as torch
    >>> try:
    ...     torch.solve(torch.ones(2, 1), torch.eye(2))
    ... except RuntimeError as error:
    ...     print(str(error)[:66])
    This function was deprecated since version 1.9 and is now removed.
    """
    _gone(
        " `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has"
        " its arguments reversed and does not return the LU factorization.",
        "X = torch.linalg.solve(A, B)",
    )


def matrix_rank(
    input: Tensor, tol: Any = None, symmetric: bool = False, *, out: Any = None
) -> NoReturn:
    """Raises RuntimeError, as in torch since 1.9: `linalg.matrix_rank` stands in its place.

    >>> import rushlight as torch
    >>> try:
    ...     torch.matrix_rank(torch.eye(2))
    ... except RuntimeError as error:
    ...     print(str(error)[:66])
    This function was deprecated since version 1.9 and is now removed.
    """
    _gone("", "torch.linalg.matrix_rank(A, hermitian=symmetric)")
