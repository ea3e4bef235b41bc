"""Matrix equations and functions: solve, inverse, determinant, Cholesky, exponential.

All work on the last two dimensions, batch by batch. LAPACK (through NumPy) does the arithmetic.
Derivatives follow Giles, "Collected matrix derivative results" (2008), and Higham, "Functions of
matrices" (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.families import general, plain
from ..core.values import some
from . import matrix_kernels as kernels
from .assembly import as_pairs
from .contract import matmul
from .structure import contiguous, narrow, select, transpose, tril, triu
from .structure import diagonal as diagonal_of
from .transcendental import conj


class _LinAlgError(RuntimeError):
    """What a matrix equation raises when it has no (unique) solution.

    >>> import rushlight as torch
    >>> try:
    ...     torch.linalg.inv(torch.zeros(2, 2))
    ... except torch.linalg.LinAlgError as error:
    ...     print(str(error)[:42])
    linalg.inv: The diagonal element 1 is zero
    """


LinAlgError = _LinAlgError


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(transpose(x, -2, -1))


def raw(x: Any) -> np.ndarray:
    """The array of an array, number or tensor."""
    if isinstance(x, np.ndarray):
        return x
    return np.asarray(x) if isinstance(x, np.generic) else x._array


def real_part(x: Any) -> Any:
    """The real part; a real array is its own."""
    if raw(x).dtype.kind != "c":
        return x
    return select(as_pairs(contiguous(x)), x.ndim, 0)


def diagonal(x: Any) -> Any:
    """The diagonals of the last two dimensions."""
    return diagonal_of(x, 0, x.ndim - 2, x.ndim - 1)


def column(x: Any) -> Any:
    """(..., n) as (..., n, 1)."""
    return x[..., None]


def row(x: Any) -> Any:
    """(..., n) as (..., 1, n)."""
    return x[..., None, :]


def refuse(info: np.ndarray, words: Callable[[str, int], str], *notes: str) -> None:
    """Raise torch's error about the first matrix of a batch whose `info` is not 0."""
    if info.any():
        place = int(np.flatnonzero(info)[0])
        where_ = f"(Batch element {place}): " if info.ndim else ""
        raise fail(LinAlgError, words(where_, int(info.reshape(-1)[place])), *notes)


def decomposed(name: str, function: Any, a: np.ndarray, *how: Any) -> Any:
    """What a function of NumPy gives, with torch's words where it does not converge."""
    try:
        return function(a, *how)
    except np.linalg.LinAlgError:
        bad = np.asarray(~np.isfinite(a).all((-2, -1)))
        why = "is ill-conditioned or has too many repeated values"
        if bad.any() and name == "linalg.svd":
            why = "contained non-finite values"
        refuse(
            np.asarray(bad if bad.any() else True),
            lambda where_, _: (
                f"{name}: {where_}The algorithm failed to converge because the input matrix {why}."
            ),
        )


def unsolvable(name: str) -> Callable[[str, int], str]:
    """torch's words about an equation without a solution."""
    return lambda where_, _: (
        f"{name}: {where_}The solver failed because the input matrix is singular."
    )


def _solve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, info = kernels.solve(a, b)
    refuse(
        info, unsolvable("torch.linalg.solve"),
        "linalg.lstsq or linalg.pinv give the solution of least norm",
    )  # fmt: skip
    return x


def _solve_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    by_b = solve(adjoint(a), g)
    return -matmul(by_b, adjoint(y)), by_b


_FLOATS = "Expected a floating point or complex tensor as input. Got {}"
solve = general("linalg_solve", eval=_solve, arity=2, vjp=_solve_vjp, reads="xy",
                refuses={"half": "lu_cpu", "bool int": f"linalg.solve: {_FLOATS}"},
                node="LinalgSolveExBackward0",
                doc="X with A X = B.")  # fmt: skip


def singular(name: str) -> Callable[[str, int], str]:
    """torch's words about an inverse that does not exist."""
    return lambda where_, at: (
        f"{name}: {where_}The diagonal element {at} is zero, the inversion could not be completed"
        " because the input matrix is singular."
    )


def _inv(a: np.ndarray) -> np.ndarray:
    y, info = kernels.inverse(a)
    refuse(info, singular("linalg.inv"), "linalg.pinv gives the pseudo-inverse")
    return y


def _inv_vjp(g: Any, y: Any, a: Any) -> Any:
    turned = adjoint(y)
    return -matmul(turned, matmul(g, turned))


inv = general("linalg_inv", eval=_inv, vjp=_inv_vjp, reads="y", node="LinalgInvExBackward0",
              refuses={
                  "half": "linalg.inv: Low precision dtypes not supported. Got {}",
                  "bool int": f"linalg.inv: {_FLOATS}",
              },
              doc="The inverse.")  # fmt: skip

inv_ex = general("linalg_inv_ex", eval=kernels.inverse, outputs=2, reads="y",
                 vjp=lambda g, y, a: _inv_vjp(g[0], y[0], a), node="LinalgInvExBackward0",
                 doc="The inverse, and the first zero pivot.")  # fmt: skip


def _solve_ex_vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return _solve_vjp(g[0], y[0], a, b)


solve_ex = general("linalg_solve_ex", eval=kernels.solve, arity=2, vjp=_solve_ex_vjp, reads="xy",
                   outputs=2, node="LinalgSolveExBackward0",
                   doc="X with A X = B, and A's first zero pivot.")  # fmt: skip


def _cofactors(a: np.ndarray) -> np.ndarray:
    """d det / d A by singular values, which need no inverse."""
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1) if n else s
    turn = np.linalg.det(u) * np.linalg.det(vh)
    y = np.matmul(u * (others * np.conj(turn)[..., None])[..., None, :], vh)
    return y.astype(a.dtype, copy=False)


cofactors = plain("cofactors", eval=_cofactors,
                  doc="The (conjugate) gradient of the determinant.")  # fmt: skip


def _det_vjp(g: Any, y: Any, a: Any) -> Any:
    g = g[..., None, None]
    if some(y == 0):
        return g * cofactors(a)
    return g * conj(y)[..., None, None] * adjoint(inv(a))


det = general("linalg_det", eval=np.linalg.det, vjp=_det_vjp, reads="xy",
              node="LinalgDetBackward0", doc="The determinant.")  # fmt: skip


def _slogdet_vjp(g: Any, y: Any, a: Any) -> Any:
    by_sign, by_log = g
    weight = by_log
    if raw(a).dtype.kind == "c":
        turned = by_sign * conj(slogdet(a)[0])
        weight = (turned - conj(turned)) * 0.5 + by_log
    return weight[..., None, None] * adjoint(inv(a))


slogdet = general("linalg_slogdet", eval=np.linalg.slogdet, vjp=_slogdet_vjp, reads="x", outputs=2,
                  node="LinalgSlogdetBackward0",
                  doc="The determinant's sign and the logarithm of its size.")  # fmt: skip

# --- Triangles


def _solve_triangular_vjp(
    g: Any, y: Any, a: Any, b: Any, upper: bool, unit: bool, rows: bool = False
) -> Any:
    by_b = solve_triangular(adjoint(a), g, not upper, unit)
    full = -matmul(by_b, adjoint(y))
    return (triu(full, int(unit)) if upper else tril(full, -int(unit))), by_b


solve_triangular = general(
    "linalg_solve_triangular", eval=kernels.triangular, arity=2, vjp=_solve_triangular_vjp,
    refuses={"bool int half": "triangular_solve_cpu"},
    reads="xy", node="LinalgSolveTriangularBackward0",
    doc="X with A X = B for a triangular A (its other half is not read).",
)  # fmt: skip


def indefinite(name: str) -> Callable[[str, int], str]:
    """torch's words about a matrix without a Cholesky factor."""
    return lambda where_, order: (
        f"{name}: {where_}The factorization could not be completed because the input is not"
        f" positive-definite (the leading minor of order {order} is not positive-definite)."
    )


def _cholesky(a: np.ndarray, name: str, upper: bool = False) -> np.ndarray:
    y, info = kernels.cholesky(np.swapaxes(a, -1, -2).conj() if upper else a)
    refuse(
        info, indefinite(name),
        "a covariance? adding a small multiple of the identity often helps",
    )  # fmt: skip
    return np.ascontiguousarray(y) if upper else y


def _cholesky_vjp(g: Any, y: Any, a: Any, *how: Any) -> Any:
    turned = adjoint(y)
    inner = matmul(turned, g)
    half = (tril(inner, 0) + adjoint(tril(inner, -1))) * 0.5
    left = solve_triangular(turned, half, True, False)
    return adjoint(solve_triangular(turned, adjoint(left), True, False))


cholesky = general("linalg_cholesky", eval=_cholesky, vjp=_cholesky_vjp, reads="y",
                   node="LinalgCholeskyExBackward0", refuses={"bool int half": "cholesky_cpu"},
                   doc="The lower triangular L with L L^H = A.")  # fmt: skip


def _cholesky_ex(a: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    y, info = kernels.cholesky(np.swapaxes(a, -1, -2).conj() if upper else a)
    return (np.ascontiguousarray(y) if upper else y), info


cholesky_ex = general("linalg_cholesky_ex", eval=_cholesky_ex, outputs=2, reads="y",
                      vjp=lambda g, y, a, upper: _cholesky_vjp(g[0], y[0], a),
                      node="LinalgCholeskyExBackward0", refuses={"bool int half": "cholesky_cpu"},
                      doc="L with L L^H = A, and the first minor that fails.")  # fmt: skip


def _by_factor(common: Any, factor: Any, high: bool) -> Any:
    """The gradient of a factor from that of the product of its two halves."""
    common = common + adjoint(common)
    return -(matmul(factor, common) if high else matmul(common, factor))


def _cholesky_solve_vjp(g: Any, y: Any, b: Any, factor: Any, high: bool) -> tuple[Any, Any]:
    by_b = cholesky_solve(g, factor, high)
    return by_b, _by_factor(matmul(by_b, adjoint(y)), factor, high)


cholesky_solve = general(
    "cholesky_solve", eval=kernels.cholesky_solve, arity=2, vjp=_cholesky_solve_vjp, reads="xy",
    refuses={"bool int half": "cholesky_solve_cpu"},
    doc="X with A X = B, from A's Cholesky factor (of which one triangle is read).",
)  # fmt: skip


def _cholesky_inverse(factor: np.ndarray, high: bool) -> np.ndarray:
    y, info = kernels.cholesky_inverse(factor, high)
    refuse(info, singular("cholesky_inverse"))
    return y


def _cholesky_inverse_vjp(g: Any, y: Any, factor: Any, high: bool) -> Any:
    return _by_factor(matmul(y, matmul(g, y)), factor, high)


cholesky_inverse = general(
    "cholesky_inverse", eval=_cholesky_inverse, vjp=_cholesky_inverse_vjp, reads="xy",
    doc="The inverse of A, from its Cholesky factor (of which one triangle is read).",
)  # fmt: skip

# --- Functions of a matrix

# Padé numerators of exp for degrees 3 to 13, and the 1-norms up to which they are exact enough
# in double precision (Higham 2005, "The scaling and squaring method", table 2.3).
_PADE = {
    3: (1.495585217958292e-2, (120.0, 60.0, 12.0, 1.0)),
    5: (2.539398330063230e-1, (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0)),
    7: (9.504178996162932e-1, (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0,
                               1.0)),
    9: (2.097847961257068, (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0,
                            2162160.0, 110880.0, 3960.0, 90.0, 1.0)),
    13: (5.371920351148152, (64764752532480000.0, 32382376266240000.0, 7771770303897600.0,
                             1187353796428800.0, 129060195264000.0, 10559470521600.0,
                             670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0,
                             16380.0, 182.0, 1.0)),
}  # fmt: skip


def _matrix_exp(a: np.ndarray) -> np.ndarray:
    """Scaling and squaring around a Padé approximant, in double precision."""
    kind = np.result_type(a.dtype, np.float64)
    x = a.astype(kind)
    if not x.size:
        return a.copy()
    size = np.abs(x).sum(-2).max()
    if not np.isfinite(size):
        return np.full_like(a, np.nan)
    degree = next((d for d, (limit, _) in _PADE.items() if size <= limit), 13)
    limit, weights = _PADE[degree]
    squarings = max(0, int(np.ceil(np.log2(size / limit)))) if size > limit else 0
    x /= 2.0**squarings
    square, power = x @ x, np.broadcast_to(np.eye(x.shape[-1], dtype=kind), x.shape)
    even, odd = np.zeros_like(x), np.zeros_like(x)
    for k in range(0, degree + 1, 2):
        even += weights[k] * power
        odd += weights[k + 1] * power
        power = power @ square
    odd = x @ odd
    y = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        y = y @ y
    return y.astype(a.dtype)


def _matrix_exp_vjp(g: Any, y: Any, a: Any) -> Any:
    """The gradient stands in the corner of exp([[A^H, G], [0, A^H]])."""
    n, turned = a.shape[-1], adjoint(a)
    block = _blocks(turned, g)
    return narrow(narrow(matrix_exp(block), block.ndim - 2, 0, n), block.ndim - 1, n, n)


def _stack_blocks(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    n = a.shape[-1]
    y = np.zeros((*a.shape[:-2], 2 * n, 2 * n), np.result_type(a, g))
    y[..., :n, :n] = y[..., n:, n:] = a
    y[..., :n, n:] = g
    return y


def _block(x: Any, i: int, j: int) -> Any:
    n = x.shape[-1] // 2
    return narrow(narrow(x, x.ndim - 2, i * n, n), x.ndim - 1, j * n, n)


_blocks = general(
    "block_triangle", eval=_stack_blocks, arity=2,
    vjp=lambda g, y, a, b: (_block(g, 0, 0) + _block(g, 1, 1), _block(g, 0, 1)),
    doc="[[A, B], [0, A]].",
)  # fmt: skip

matrix_exp = general("linalg_matrix_exp", eval=_matrix_exp, vjp=_matrix_exp_vjp, reads="x",
                     node="LinalgMatrixExpBackward0",
                     doc="The matrix exponential, I + A + A^2 / 2 + ...")  # fmt: skip


def cutoff(s: np.ndarray, shape: tuple[int, ...], atol: Any, rtol: Any) -> np.ndarray:
    """max(atol, rtol * the largest singular value); rtol is eps * max(m, n) unless given."""
    if rtol is None:
        given = atol is not None and np.all(np.asarray(atol) > 0)
        rtol = 0.0 if given else np.finfo(s.dtype).eps * max(shape[-2:])
    largest = s.max(-1) if s.shape[-1] else np.zeros(s.shape[:-1], s.dtype)
    return np.asarray(np.maximum(0.0 if atol is None else atol, rtol * largest))[..., None]


def _pinv(a: np.ndarray, atol: Any, rtol: Any, hermitian: bool) -> np.ndarray:
    """Inverse singular values above the cutoff, 0 below."""
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    if hermitian:
        s, u = decomposed("linalg.eigh", np.linalg.eigh, a)
        v = u
    else:
        u, s, vh = decomposed("linalg.svd", np.linalg.svd, a, False)
        v = np.conj(np.swapaxes(vh, -1, -2))
    keep = np.abs(s) > cutoff(np.abs(s), a.shape, atol, rtol)
    scale = np.where(keep, 1 / np.where(keep, s, 1), 0).astype(s.dtype)
    return np.matmul(v * scale[..., None, :], np.conj(np.swapaxes(u, -1, -2)))


def pinv_vjp(g: Any, y: Any, a: Any, *how: Any) -> Any:
    """The gradient of A from that of its pseudo-inverse y."""
    turned, by = adjoint(y), adjoint(g)
    middle = -matmul(turned, matmul(g, turned))
    left = matmul(by, matmul(y, turned))
    right = matmul(matmul(turned, y), by)
    left = left - matmul(a, matmul(y, left))
    return middle + left + (right - matmul(matmul(right, y), a))


pinv = general("linalg_pinv", eval=_pinv, vjp=pinv_vjp, reads="xy", node="LinalgPinvBackward0",
               doc="The Moore-Penrose pseudo-inverse, small singular values cut off.")  # fmt: skip
