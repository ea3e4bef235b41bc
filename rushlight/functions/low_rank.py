"""Approximate factors of low rank, by random projections.

Source: Halko, Martinsson, Tropp 2011, https://arxiv.org/abs/0909.4061
"""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops import structure as s
from ..ops.reduce import mean
from ..ops.transcendental import conj
from .drawing import randn
from .factorizations import qr, svd

__all__ = ["pca_lowrank", "svd_lowrank"]

Factors = tuple[Tensor, Tensor, Tensor]


def _turned(x: Tensor) -> Tensor:
    return conj(s.transpose(x, x._array.ndim - 2, x._array.ndim - 1))


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that nearly span the range of A, sharpened by power iterations."""
    found = qr(A @ randn(A._array.shape[-1], q, dtype=A.dtype))[0]
    for _ in range(niter):
        found = qr(_turned(A) @ found)[0]
        found = qr(A @ found)[0]
    return found


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Any = None) -> Factors:
    """U, S, V with A (less M) nearly U diag(S) V^H, of rank q.

    Source: https://pytorch.org/docs/stable/generated/torch.svd_lowrank.html

    >>> import rushlight as torch
    >>> torch.svd_lowrank(torch.eye(5), q=2)[1].shape
    torch.Size([2])
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = A - s.expand(M, A._array.shape)
    wide = A._array.shape[-2] < A._array.shape[-1]
    if wide:
        A = _turned(A)
    basis = _basis(A, q, niter)
    left, values, right = svd(_turned(basis) @ A, full_matrices=False)
    left, right = basis @ left, _turned(right)
    return (right, values, left) if wide else (left, values, right)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Factors:
    """The principal directions of the rows of A: `svd_lowrank` of A less its column means.

    Source: https://pytorch.org/docs/stable/generated/torch.pca_lowrank.html

    >>> import rushlight as torch
    >>> torch.pca_lowrank(torch.rand(6, 3))[2].shape
    torch.Size([3, 3])
    """
    rows, columns = A._array.shape[-2:]
    if q is None:
        q = min(6, rows, columns)
    elif not 0 <= q <= min(rows, columns):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)="
            f"{min(rows, columns)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    if center:
        A = A - mean(A, (A._array.ndim - 2,), True)
    return svd_lowrank(A, q, niter)
