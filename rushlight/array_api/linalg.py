"""The linear algebra extension."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from .elementwise import both

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve",
    "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip

det, eigh, eigvalsh = rl.linalg.det, rl.linalg.eigh, rl.linalg.eigvalsh
inv, matrix_power, svdvals = rl.linalg.inv, rl.linalg.matrix_power, rl.linalg.svdvals
slogdet = rl.linalg.slogdet


class QR(NamedTuple):
    """What `qr` gives."""

    Q: Any
    R: Any


class SVD(NamedTuple):
    """What `svd` gives."""

    U: Any
    S: Any
    Vh: Any


def matmul(x1: Any, x2: Any, /) -> Any:
    """The matrix product."""
    return rl.matmul(*both(x1, x2))


def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    return x.mT


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """The sum of products over several axes."""
    return rl.tensordot(*both(x1, x2), dims=axes)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The inner products along an axis, the first vector conjugated."""
    x1, x2 = both(x1, x2)
    return rl.sum(x1.conj() * x2, axis, dtype=x1.dtype)


def outer(x1: Any, x2: Any, /) -> Any:
    """All products of two vectors' elements."""
    return rl.outer(*both(x1, x2))


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross products of vectors of three elements along an axis."""
    return rl.linalg.cross(*both(x1, x2), dim=axis)


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The triangular factor of a positive definite matrix."""
    return rl.linalg.cholesky(x, upper=upper)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """A diagonal of the last two axes."""
    return rl.linalg.diagonal(x, offset=offset)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of a diagonal of the last two axes."""
    return rl.sum(diagonal(x, offset=offset), -1, dtype=dtype)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """A norm of the matrices in the last two axes."""
    return rl.linalg.matrix_norm(x, ord, keepdim=keepdims)


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values exceed rtol times the largest."""
    return rl.linalg.matrix_rank(x, rtol=rtol)


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The pseudo-inverse."""
    return rl.linalg.pinv(x, rtol=rtol)


def qr(x: Any, /, *, mode: str = "reduced") -> QR:
    """An orthogonal and an upper triangular factor."""
    return QR(*rl.linalg.qr(x, mode=mode))


def solve(x1: Any, x2: Any, /) -> Any:
    """x with x1 @ x = x2; x2 is a vector only if it has one dimension."""
    x1, x2 = both(x1, x2)
    if x2.ndim == 1:
        return rl.linalg.solve(x1, x2.unsqueeze(-1)).squeeze(-1)
    batch = rl.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    return rl.linalg.solve(x1.expand(batch + x1.shape[-2:]), x2.expand(batch + x2.shape[-2:]))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVD:
    """Singular vectors and values."""
    return SVD(*rl.linalg.svd(x, full_matrices=full_matrices))


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """A norm of vectors over axes (None: all elements)."""
    if axis == ():
        return rl.abs(x) if ord != 0 else (x != 0).to(rl.abs(x).dtype)
    return rl.linalg.vector_norm(x, ord, axis, keepdims)
