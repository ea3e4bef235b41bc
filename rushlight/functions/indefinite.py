"""torch.linalg's LDL factorisation of symmetric and Hermitian matrices that need not be positive.

The algorithm is Bunch and Kaufman's with LAPACK's conventions (`sytrf`, `hetrf`, lower triangle):
blocks of one or two rows on the diagonal of D, L below them, swaps that earlier columns do not
follow; `pivots` counts from 1, and a pair of equal negative numbers marks a block of two.
Source: Bunch & Kaufman, Mathematics of Computation 31 (1977); LAPACK working note 52.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name
from ..core.tensor import Tensor, wrap
from ..ops.factor_kernels import symmetric_factors, symmetric_solve
from ..ops.lapack import columns
from .matrix_checks import check_type
from .reduction import put
from .results import named_result
from .underived import by_aten

Factor = named_result("linalg_ldl_factor", ("LD", "pivots"))
FactorOut = named_result("linalg_ldl_factor_out", ("LD", "pivots"))
FactorEx = named_result("linalg_ldl_factor_ex", ("LD", "pivots", "info"))
FactorExOut = named_result("linalg_ldl_factor_ex_out", ("LD", "pivots", "info"))
_ALPHA = (1 + sqrt(17)) / 8  # bounds the growth of one large and of two small blocks alike


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """L and D of A = P L D L^T P^T (L^H if `hermitian`) packed in one triangle, and the swaps.

    Only the lower triangle of A (..., n, n) is read. Raises RuntimeError when D is singular.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.ldl_factor.html

    >>> import rushlight as torch
    >>> torch.linalg.ldl_factor(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 1.5000]])
    """
    LD, pivots, info = ldl_factor_ex(A, hermitian=hermitian)
    _refuse_singular("torch.linalg.ldl_factor", info)
    return Factor(LD, pivots) if out is None else FactorOut(*put((LD, pivots), out))


def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """`ldl_factor` that reports the first zero on D's diagonal in `info` (0: none).

    Shapes: A (*, n, n) to LD of the same, pivots (*, n) and `info` (*), int32 both.
    Raises: RuntimeError for a matrix that is not square and, if `check_errors`, a zero in D.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_factor_ex.html

    >>> import rushlight as torch
    >>> torch.linalg.ldl_factor_ex(torch.eye(2)).info
    tensor(0, dtype=torch.int32)
    """
    _check(A)
    a, pivots, info = _factors(A._array, hermitian and A._array.dtype.kind == "c")
    LD = by_aten("linalg_ldl_factor_ex", wrap(a), A)
    if check_errors:
        _refuse_singular("torch.linalg.ldl_factor_ex", wrap(info))
    found = LD, wrap(pivots), wrap(info)
    return FactorEx(*found) if out is None else FactorExOut(*put(found, out))


def _factors(x: np.ndarray, conjugate: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = symmetric_factors(x, conjugate)
    if found is not None:
        return found
    a = columns(np.tril(x))
    pivots, info = np.zeros(a.shape[:-1], np.int32), np.zeros(a.shape[:-2], np.int32)
    for place in np.ndindex(info.shape) if a.shape[-1] else ():
        info[place] = _factor(a[place], pivots[place], conjugate)
    return a, pivots, info


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Any = None
) -> Tensor:
    """X with A X = B, from `ldl_factor(A)`; B has shape (..., n, k).

    Shapes: LD (*, n, n), pivots (*, n), B and X (*, n, k).
    Raises: RuntimeError for other shapes, types that differ, and pivots that are not whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.ldl_solve.html

    >>> import rushlight as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[0.0, 2.0], [2.0, 0.0]]))
    >>> torch.linalg.ldl_solve(LD, pivots, torch.tensor([[2.0], [4.0]]))
    tensor([[2.],
            [1.]])
    """
    _check_solve(LD, pivots, B)
    a, b, swaps = LD._array, B._array, pivots._array
    conjugate = hermitian and a.dtype.kind == "c"
    x = symmetric_solve(a, swaps, b, conjugate)
    if x is None:
        x = _solution(a, swaps, b, conjugate)
    return put(by_aten("linalg_ldl_solve", wrap(x), LD, B), out)


def _solution(a: np.ndarray, swaps: np.ndarray, b: np.ndarray, conjugate: bool) -> np.ndarray:
    n, width = b.shape[-2:]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = columns(np.broadcast_to(b, (*lead, n, width)))
    factors, rows = np.broadcast_to(a, (*lead, n, n)), np.broadcast_to(swaps, (*lead, n))
    for place in np.ndindex(lead):
        _solve(factors[place], rows[place].tolist(), x[place], conjugate)
    return x


# --- checks


def _check(A: Tensor) -> None:
    shape = A._array.shape
    if len(shape) < 2:
        raise RuntimeError(
            "torch.linalg.ldl_factor_ex: The input tensor A must have at least 2 dimensions."
        )
    if shape[-1] != shape[-2]:
        raise RuntimeError(
            "torch.linalg.ldl_factor_ex: A must be batches of square matrices, but they are"
            f" {shape[-2]} by {shape[-1]} matrices"
        )
    if A.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "torch.linalg.ldl_factor_ex: Expected a floating point or complex tensor as input. Got"
            f" {scalar_type_name(A.dtype)}"
        )
    check_type("ldl_factor", A)


def _check_solve(LD: Tensor, pivots: Tensor, B: Tensor) -> None:
    a, b, swaps = LD._array, B._array, pivots._array
    if b.ndim < 2:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{b.ndim}, {b.ndim - 1}], but got"
            " -2)"
        )
    if a.shape[-1] != b.shape[-2]:
        raise RuntimeError(
            "Incompatible matrix sizes for torch.linalg.ldl_solve: each A matrix is"
            f" {a.shape[-1]} by {a.shape[-1]} but each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        )
    if swaps.shape != a.shape[:-1]:
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but"
            f" got pivots with shape {list(swaps.shape)} instead"
        )
    if swaps.dtype.kind not in "iu":
        raise RuntimeError(
            "torch.linalg.ldl_solve: Expected pivots to be integers. Got"
            f" {scalar_type_name(pivots.dtype)}"
        )
    if LD.dtype is not B.dtype:
        raise RuntimeError(
            "Expected b and A to have the same dtype, but found b of type"
            f" {scalar_type_name(B.dtype)} and A of type {scalar_type_name(LD.dtype)} instead."
        )


def _refuse_singular(name: str, info: Tensor) -> None:
    bad = info._array[info._array != 0]
    if bad.size:
        raise RuntimeError(
            'false INTERNAL ASSERT FAILED at "/__w/pytorch/pytorch/aten/src/ATen/native/'
            f'BatchLinearAlgebra.cpp":1642, please report a bug to PyTorch. {name}: Unknown error'
            f" code: {int(bad[0])}."
        )


# --- one matrix


def _factor(a: np.ndarray, pivots: np.ndarray, conjugate: bool) -> int:
    """Overwrite a lower triangle by L and D; the place (from 1) of the first zero pivot, or 0."""
    n, k, bad = len(a), 0, 0
    while k < n:
        if conjugate:
            a[k, k] = a[k, k].real
        size, p = _pivot(a, k)
        if size == 0:
            bad, size = bad or k + 1, 1
        else:
            _swap(a, k, k + size - 1, p, conjugate)
            (_one if size == 1 else _two)(a, k, conjugate)
        pivots[k : k + size] = p + 1 if size == 1 else -(p + 1)
        k += size
    return bad


def _pivot(a: np.ndarray, k: int) -> tuple[int, int]:
    """How many rows the next block has (0: a column of zeros), and the row to bring there."""
    own = _size(a[k, k])
    below = _size(a[k + 1 :, k])
    if below.size == 0 or below.max() == 0:
        return (1 if own else 0), k
    r = k + 1 + int(below.argmax())
    largest = below.max()
    if own >= _ALPHA * largest:
        return 1, k
    others = np.concatenate((_size(a[r, k:r]), _size(a[r + 1 :, r]))).max()
    if own >= _ALPHA * largest * (largest / others):
        return 1, k
    return (1, r) if _size(a[r, r]) >= _ALPHA * others else (2, r)


def _size(x: Any) -> Any:
    return np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x)


def _swap(a: np.ndarray, k: int, at: int, p: int, conjugate: bool) -> None:
    """Exchange rows and columns `at` and p of what is left of a lower triangle."""
    if at == p:
        return
    a[p + 1 :, [at, p]] = a[p + 1 :, [p, at]]
    column, row = a[at + 1 : p, at].copy(), a[p, at + 1 : p].copy()
    a[at + 1 : p, at] = row.conj() if conjugate else row
    a[p, at + 1 : p] = column.conj() if conjugate else column
    if conjugate:
        a[p, at] = a[p, at].conj()
    a[at, at], a[p, p] = a[p, p], a[at, at]
    if at > k:
        a[at, k], a[p, k] = a[p, k], a[at, k]


def _one(a: np.ndarray, k: int, conjugate: bool) -> None:
    x = a[k + 1 :, k]
    factors = x / a[k, k]
    a[k + 1 :, k + 1 :] -= np.tril(np.outer(factors, x.conj() if conjugate else x))
    x[...] = factors


def _two(a: np.ndarray, k: int, conjugate: bool) -> None:
    d = _block(a, k, conjugate)
    x = a[k + 2 :, k : k + 2]
    factors = np.linalg.solve(d.T, x.T).T
    a[k + 2 :, k + 2 :] -= np.tril(factors @ (x.conj() if conjugate else x).T)
    x[...] = factors


def _block(a: np.ndarray, k: int, conjugate: bool) -> np.ndarray:
    """The block of two rows at k, both triangles."""
    d = a[k : k + 2, k : k + 2].copy()
    d[0, 1] = d[1, 0].conj() if conjugate else d[1, 0]
    return d


def _solve(a: np.ndarray, pivots: list[int], x: np.ndarray, conjugate: bool) -> None:
    """Overwrite the right-hand sides by the solution: through L, D and L^T in turn."""
    n, k = len(a), 0
    blocks: list[tuple[int, int]] = []
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        p, at, end = abs(pivots[k]) - 1, k + size - 1, k + size
        x[[at, p]] = x[[p, at]]
        x[end:] -= a[end:, k:end] @ x[k:end]
        d = a[k:end, k:end] if size == 1 else _block(a, k, conjugate)
        x[k:end] = np.linalg.solve(d, x[k:end])
        blocks.append((k, size))
        k = end
    for k, size in reversed(blocks):
        p, at, end = abs(pivots[k]) - 1, k + size - 1, k + size
        left = a[end:, k:end]
        x[k:end] -= (left.conj() if conjugate else left).T @ x[end:]
        x[[at, p]] = x[[p, at]]
