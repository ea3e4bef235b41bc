"""torch.linalg's factorisations: LU, QR, singular values, eigenvalues, pseudo-inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.batched import by_sample
from ..core import dtypes
from ..core.dispatch import scalar_type_name, whole
from ..core.errors import ShapeError, fail
from ..core.tensor import Tensor, wrap
from ..core.values import Value, some
from ..ops import contract as c
from ..ops import elementwise as e
from ..ops import linalg as ops
from ..ops import linalg_factors as f
from ..ops import reduce as r
from ..ops import structure as s
from ..ops.transcendental import conj
from .control import hosted
from .linear_algebra import put
from .matrix_checks import check, check_dims, check_right, check_svd, check_type
from .results import named_result

LU = named_result("linalg_lu", ("P", "L", "U"))
LUFactor = named_result("linalg_lu_factor", ("LU", "pivots"))
LUFactorEx = named_result("linalg_lu_factor_ex", ("LU", "pivots", "info"))
LUWithInfo = named_result("_lu_with_info", ("LU", "pivots", "info"))
Unpacked = named_result("lu_unpack", ("P", "L", "U"))
QR = named_result("linalg_qr", ("Q", "R"))

SVD = named_result("linalg_svd", ("U", "S", "Vh"))
OldSVD = named_result("svd", ("U", "S", "V"))
Eigh = named_result("linalg_eigh", ("eigenvalues", "eigenvectors"))
Eig = named_result("linalg_eig", ("eigenvalues", "eigenvectors"))
Least = named_result("linalg_lstsq", ("solution", "residuals", "rank", "singular_values"))

# --- LU


def _no_pivot(name: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU")


def _check_lu(A: Tensor) -> None:
    if A.dtype.category < dtypes.FLOAT or A.dtype.itemsize == 2:
        kind = scalar_type_name(A.dtype)
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{kind}'")


def _first_zero(packed: Any) -> Any:
    """The place (from 1) of the first zero on U's diagonal, 0 if none, for a batch."""
    if isinstance(packed, Value):  # inside a transform
        found = (wrap(packed).diagonal(0, -2, -1) == 0).int()
        return ((found.argmax(-1) + 1) * found.amax(-1)).int()._array
    zero = np.diagonal(packed, 0, -2, -1) == 0
    if not zero.shape[-1]:
        return np.zeros(zero.shape[:-1], np.int32)
    return np.where(zero.any(-1), zero.argmax(-1) + 1, 0).astype(np.int32)


def _refuse_zero(name: str, bad: Any) -> None:
    while isinstance(bad, Value):
        bad = bad.core()._array
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        at, where = int(bad.reshape(-1)[place]), f"(Batch element {place}): " if bad.ndim else ""
        raise RuntimeError(
            f"{name}: {where}U[{at},{at}] is zero and using it on lu_solve would"
            " result in a division by zero. If you still want to perform the factorization,"
            " consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
        )


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """L and U of P L U = A packed in one matrix, and the row swaps (counted from 1).

    Shapes: A (*, m, n) to LU of the same and pivots (*, min(m, n)), int32. See `lu_unpack`.
    Raises: RuntimeError for a zero pivot and `pivot=False`, NotImplementedError for whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_factor.html

    >>> import rushlight as torch
    >>> torch.linalg.lu_factor(torch.tensor([[2.0]])).LU
    tensor([[2.]])
    """
    packed, pivots, info = lu_factor_ex(A, pivot=pivot)
    _refuse_zero("torch.linalg.lu_factor", info._array)
    return put(LUFactor(packed, pivots), out)


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False,
                 out: Any = None) -> Any:  # fmt: skip
    """`lu_factor` that reports a zero pivot in `info`.

    Shapes: as those of `lu_factor`; `info` (*), int32: 0, or which pivot (from 1) is zero.
    Raises: RuntimeError for `pivot=False` and, if `check_errors`, a zero pivot.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_factor_ex.html

    >>> import rushlight as torch
    >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    check_dims("torch.lu_factor", A)
    _check_lu(A)
    _no_pivot("linalg.lu_factor", pivot)
    packed, pivots = f.lu_factor(A)
    info = _first_zero(packed._array)
    if check_errors:
        _refuse_zero("torch.linalg.lu_factor_ex", info)
    return put(LUFactorEx(packed, pivots, wrap(info)), out)


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """P, L, U with P L U = A: a permutation, a unit lower and an upper triangle.

    Source: https://pytorch.org/docs/stable/generated/torch.linalg.lu.html

    >>> import rushlight as torch
    >>> torch.linalg.lu(torch.tensor([[1.0, 2.0], [2.0, 2.0]])).U
    tensor([[2., 2.],
            [0., 1.]])
    """
    check_dims("linalg.lu", A)
    _check_lu(A)
    _no_pivot("linalg.lu_factor", pivot)
    low, high, pivots = f.lu(A)
    p = f.permutation_matrix(pivots, A._array.shape[-2], A._array.dtype)
    return put(LU(p, low, high), out)


def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True,
              unpack_pivots: bool = True, *, out: Any = None) -> Any:  # fmt: skip
    """P, L, U of what `lu_factor` packed.

    >>> import rushlight as torch
    >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[0.0, 2.0], [1.0, 3.0]])))
    >>> P @ L @ U
    tensor([[0., 2.],
            [1., 3.]])
    """
    if unpack_pivots and LU_pivots._array.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32"
            " dtype.\nNote: this function is intended to be used with the output produced by"
            " torch.linalg.lu_factor"
        )
    none = wrap(np.empty(0, LU_data._array.dtype))
    m, kind = LU_data._array.shape[-2], LU_data._array.dtype
    if unpack_pivots and (_below(LU_pivots._array, m) or _above(LU_pivots._array, m)):
        raise RuntimeError(
            "pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive."
            "Did you properly pass the result of lu_factor?"
        )
    p = f.permutation_matrix(LU_pivots, m, kind) if unpack_pivots else none
    return put(Unpacked(p, *(f.lu_unpack(LU_data) if unpack_data else (none, none))), out)


def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False,
             out: Any = None) -> Tensor:  # fmt: skip
    """X with A X = B, from `lu_factor(A)`; X A = B unless `left`; A^H unless not `adjoint`.

    Shapes: LU (*, n, n), pivots (*, n), B and X (*, n, k), or (*, k, n) where `left` is False.
    Raises: RuntimeError for other shapes, types that differ, and pivots that are not int32.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.lu_solve.html

    >>> import rushlight as torch
    >>> A = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> torch.linalg.lu_solve(*torch.linalg.lu_factor(A), torch.ones(2, 1))
    tensor([[0.5000],
            [0.2500]])
    """
    check("torch.linalg.lu_solve", LU, square=True)
    _check_factors(LU, pivots, B)
    check_right("linalg.lu_solve", LU, B, left)
    if left:
        return put(f.lu_solve(LU, pivots, B, bool(adjoint)), out)
    x = ops.adjoint(f.lu_solve(LU, pivots, ops.adjoint(B), not adjoint))
    return put(whole(x, "LinalgLuSolveBackward0"), out)


def _below(pivots: Any, n: int) -> bool:
    return type(pivots) is np.ndarray and bool((pivots < 1).any())


def _above(pivots: Any, n: int) -> bool:
    return type(pivots) is np.ndarray and bool((pivots > n).any())


def _check_factors(LU: Tensor, pivots: Tensor, B: Tensor) -> None:
    name = "linalg.lu_solve"
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected LU and B to have the same dtype, but found LU of type"
            f" {scalar_type_name(LU.dtype)} and B of type {scalar_type_name(B.dtype)} instead"
        )
    if pivots._array.dtype != np.int32:
        raise RuntimeError(f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if pivots._array.shape[-1] != LU._array.shape[-1]:
        raise RuntimeError(
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix"
        )
    for wrong, most in (
        (_below, "greater or equal to 1"),
        (_above, "smaller or equal to LU.size(-2)"),
    ):
        if wrong(pivots._array, LU._array.shape[-2]):
            raise RuntimeError(
                f"Pivots given to lu_solve must all be {most}. Did you properly pass the result of"
                " lu_factor?"
            )


# --- QR


def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """Q, R with Q R = A: orthonormal columns and an upper triangle.

    Arguments: `mode`, "reduced", "complete" (a square Q) or "r" (only R).
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.qr.html

    >>> import rushlight as torch
    >>> torch.linalg.qr(torch.ones(3, 2)).R.shape
    torch.Size([2, 2])
    """
    check("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r',"
            " or 'complete'"
        )
    return put(QR(*_qr(A, mode)), out)


def _qr(A: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    m, n = A._array.shape[-2:]
    if mode == "r":
        return wrap(np.empty(0, A._array.dtype)), f.qr_r(A)
    return (f.qr_complete if mode == "complete" and m > n else f.qr)(A)


# --- Singular values


def svd(A: Tensor, full_matrices: bool = True, *, driver: Any = None, out: Any = None) -> Any:
    """U, S, Vh with U diag(S) Vh = A; the singular values descend.

    Shapes: A (*, m, n) gives U (*, m, k), S (*, k), Vh (*, k, n) with k = min(m, n), or square
    U and Vh when `full_matrices`. Raises: RuntimeError for a `driver`, as torch without a GPU.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.svd.html

    >>> import rushlight as torch
    >>> torch.linalg.svd(torch.diag(torch.tensor([3.0, 2.0]))).S
    tensor([3., 2.])
    """
    check_svd(A, driver)
    m, n = A._array.shape[-2:]
    return put(SVD(*(f.svd_full if full_matrices and m != n else f.svd)(A)), out)


def svdvals(A: Tensor, *, driver: Any = None, out: Any = None) -> Tensor:
    """The singular values alone, descending.

    Shapes: (*, m, n) to (*, min(m, n)). Raises: RuntimeError for fewer than two dimensions,
    and for a `driver`: only torch on a GPU has a choice.

    >>> import rushlight as torch
    >>> torch.linalg.svdvals(torch.diag(torch.tensor([3.0, 2.0])))
    tensor([3., 2.])
    """
    check_svd(A, driver)
    return put(f.svdvals(A), out)


def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """U, S, V with U diag(S) V^H = A (`linalg.svd`, which returns V^H).

    >>> import rushlight as torch
    >>> torch.svd(torch.tensor([[3.0, 0.0], [0.0, -4.0]])).S
    tensor([4., 3.])
    """
    if compute_uv:
        u, values, vh = svd(input, not some)
        return put(OldSVD(u, values, ops.adjoint(vh)), out)
    m, n = input._array.shape[-2:]
    u, v = (
        wrap(np.zeros((*input._array.shape[:-2], size, size), input._array.dtype))
        for size in (m, n)
    )
    return put(OldSVD(u, svdvals(input), v), out)


old_svd.__name__ = old_svd.__qualname__ = "svd"


# --- Eigenvalues


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues, ascending, and eigenvectors of a symmetric or Hermitian matrix.

    Arguments: `UPLO`, which triangle to read.
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.eigh.html

    >>> import rushlight as torch
    >>> torch.linalg.eigh(torch.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    _check_eigh(A, UPLO)
    return put(Eigh(*f.eigh(A, UPLO.upper())), out)


def _check_eigh(A: Tensor, UPLO: str) -> None:
    check("linalg.eigh", A, square=True, types=False)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    if A.dtype.category < dtypes.FLOAT or A.dtype.itemsize == 2:
        kind = scalar_type_name(A.dtype)
        raise NotImplementedError(f"\"linalg_eigh_cpu\" not implemented for '{kind}'")


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Tensor:
    """The eigenvalues of a symmetric or Hermitian matrix, ascending.

    Shapes: (*, n, n) to (*, n), real. Only the triangle `UPLO` ("L" or "U") is read.
    Raises: RuntimeError for a matrix that is not square and another `UPLO`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigvalsh.html

    >>> import rushlight as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    _check_eigh(A, UPLO)
    return put(f.eigvalsh(A, UPLO.upper()), out)


def eig(A: Tensor, *, out: Any = None) -> Any:
    """Eigenvalues and eigenvectors (columns of length 1) of a square matrix, always complex.

    Source: https://pytorch.org/docs/stable/generated/torch.linalg.eig.html

    >>> import rushlight as torch
    >>> torch.linalg.eig(torch.tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    tensor([2.+0.j, 3.+0.j])
    """
    _check_eig(A)
    return put(Eig(*f.eig(A, not A.dtype.is_complex)), out)


def _check_eig(A: Tensor, name: str = "linalg.eig") -> None:
    check(name, A, square=True, types=False)
    if A.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_type_name(A.dtype)}")
    check_type("linalg.eig", A)
    if not np.isfinite(A._array).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")


def eigvals(A: Tensor, *, out: Any = None) -> Tensor:
    """The eigenvalues of a square matrix, complex.

    Shapes: (*, n, n) to (*, n). In no particular order.
    Raises: RuntimeError for a matrix that is not square, or that holds inf or nan.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigvals.html

    >>> import rushlight as torch
    >>> torch.linalg.eigvals(torch.diag(torch.tensor([2.0])))
    tensor([2.+0.j])
    """
    _check_eig(A, "linalg.eigvals")
    return put(f.eigvals(A, not A.dtype.is_complex), out)


# --- Pseudo-inverse, rank, least squares


def _value(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x


def _sizes(A: Tensor, hermitian: bool) -> np.ndarray:
    """The sizes of the singular values."""
    if hermitian:
        check("linalg.eigh", A, square=True, types=False)
        return np.abs(np.linalg.eigvalsh(A._array))
    return np.linalg.svd(A._array, compute_uv=False)


def pinv(A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None,
         rtol: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """The Moore-Penrose pseudo-inverse: singular values up to max(atol, rtol * largest) count as 0.

    Source: https://pytorch.org/docs/stable/generated/torch.linalg.pinv.html

    >>> import rushlight as torch
    >>> torch.linalg.pinv(torch.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    if A._array.ndim < 2 or A.dtype.category < dtypes.FLOAT or A.dtype.itemsize == 2:
        raise RuntimeError(
            f"linalg.pinv({scalar_type_name(A.dtype)}{{{list(A._array.shape)}}}): expected a tensor"
            " with 2 or more dimensions of float, double, cfloat or cdouble types"
        )
    relative = _value(rcond if rtol is None else rtol)
    return put(ops.pinv(A, _value(atol), relative, bool(hermitian)), out)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose pseudo-inverse (`linalg.pinv`).

    >>> import rushlight as torch
    >>> torch.pinverse(torch.tensor([[2.0, 0.0]]))
    tensor([[0.5000],
            [0.0000]])
    """
    return pinv(input, rcond)


def _wide(A: Tensor) -> None:
    if A.dtype.category < dtypes.FLOAT or A.dtype.itemsize == 2:
        raise RuntimeError("This function doesn't handle types other than float and double")


@by_sample
@hosted
def matrix_rank(input: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None,
                rtol: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """How many singular values are above max(atol, rtol * largest).

    Shapes: (*, m, n) to (*). rtol: max(m, n) times the eps of the type unless atol is above 0;
    hermitian: by the absolute eigenvalues. Raises: RuntimeError for fewer than two dimensions.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_rank(torch.ones(3, 3))
    tensor(1)
    """
    check("torch.linalg.matrix_rank", input, types=False)
    _wide(input)
    values = _sizes(input, hermitian)
    atol = _value(atol if tol is None else tol)
    limit = ops.cutoff(values, input._array.shape, atol, _value(rtol))
    return put(wrap(np.asarray((values > limit).sum(-1))), out)


def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None,
          out: Any = None) -> Any:  # fmt: skip
    """The X of least norm that makes |A X - B| least.

    Shapes: A (*, m, n), B (*, m, k) or (*, m) give X (*, n, k) or (*, n).
    Source: https://pytorch.org/docs/stable/generated/torch.linalg.lstsq.html

    >>> import rushlight as torch
    >>> torch.linalg.lstsq(torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [3.0]])).solution
    tensor([[2.0000]])
    """
    if A._array.ndim < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    vector = B._array.ndim == 1 or A._array.ndim - 1 == B._array.ndim
    (m, n), rows = A._array.shape[-2:], B._array.shape[-1 if vector else -2]
    if m != rows:
        place = "other.size(-1)" if vector else "other.size(-2)"
        raise fail(ShapeError, f"torch.linalg.lstsq: input.size(-2) should match {place}")
    if A.dtype is not B.dtype:
        raise RuntimeError("torch.linalg.lstsq: input and other tensors should have the same dtype")
    _wide(A)
    right = s.unsqueeze(B, B._array.ndim) if vector else B
    limit = float(np.finfo(A._array.dtype).eps) * max(m, n) if rcond is None else float(rcond)
    driver = driver or "gelsy"
    solution, rank, values = f.lstsq(A, right, limit, driver)
    residuals = _residuals(A, right, solution, driver, rank)
    if vector:
        solution, residuals = solution[..., 0], residuals[..., 0] if residuals.ndim else residuals
    solution, residuals = (whole(x, "LinalgLstsqBackward0") for x in (solution, residuals))
    none = wrap(np.empty(0, values._array.dtype))
    return put(Least(
        solution, residuals, wrap(np.empty(0, np.int64)) if driver == "gels" else rank,
        values.detach() if driver in ("gelsd", "gelss") else none,
    ), out)  # fmt: skip


def _residuals(A: Tensor, right: Tensor, solution: Tensor, driver: str, rank: Tensor) -> Tensor:
    m, n = A._array.shape[-2:]
    if driver != "gelsy" and m > n and (driver == "gels" or not some(rank != n)):
        gap = e.sub(c.matmul(A, solution), right)
        squares = ops.real_part(e.mul(gap, conj(gap)))
        return r.sum(squares, (squares._array.ndim - 2,), False)
    flat = s.reshape(solution, (solution._array.size,))
    return ops.real_part(s.narrow(flat, 0, 0, 0))
