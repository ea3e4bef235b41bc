"""Factorisations of matrices: LU, QR, singular and eigenvalues, with their derivatives.

Where two eigenvalues or singular values are equal the vectors have no derivative; what they would
add to the gradient is taken as zero, so gradients of the values alone are always right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.errors import fail
from ..core.families import general, plain
from . import factor_kernels
from . import matrix_kernels as kernels
from .contract import matmul
from .elementwise import where
from .lapack import columns
from .linalg import (
    adjoint,
    column,
    decomposed,
    diagonal,
    pinv,
    pinv_vjp,
    raw,
    real_part,
    row,
    solve,
    solve_triangular,
)
from .structure import cast, embed_diagonal, join, narrow, place, tril, triu
from .transcendental import conj


def on_diagonal(x: Any) -> Any:
    """(..., n) as the diagonal of (..., n, n)."""
    shape = (*x.shape, x.shape[-1])
    return embed_diagonal(x, shape, 0, len(shape) - 2, len(shape) - 1)


def _over_gaps(x: Any, gaps: Any) -> Any:
    """x / gaps, and 0 where the gap is 0 (the diagonal, and equal values)."""
    none = gaps == 0
    return where(none, 0.0, x / where(none, 1.0, gaps))


def typed(g: Any, y: Any) -> tuple[Any, ...]:
    """Gradients in the types of their outputs (zeros for unused ones come in any)."""
    return tuple(cast(one, dtypes.of(raw(like))) for one, like in zip(g, y))


def _gaps(values: Any) -> Any:
    return row(values) - column(values)


# --- LU


def _lu_factor(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    packed, pivots, _ = kernels.lu(a)
    return packed, pivots


def _permutation_matrix(pivots: np.ndarray, m: int, kind: np.dtype) -> np.ndarray:
    order = kernels.permutation(pivots, m)
    y = np.zeros((*order.shape, m), kind)
    np.put_along_axis(y, order[..., None, :], 1, -2)
    return y


permutation_matrix = plain("lu_permutation", eval=_permutation_matrix,
                           doc="P with A = P L U, from LAPACK's pivots.")  # fmt: skip


def unit_lower(packed: Any, k: int) -> Any:
    """L, with its ones, of packed L and U."""
    lower = tril(narrow(packed, packed.ndim - 1, 0, k), -1)
    return lower + np.eye(packed.shape[-2], k, dtype=raw(packed).dtype)


def upper(packed: Any, k: int) -> Any:
    """U of packed L and U."""
    return triu(narrow(packed, packed.ndim - 2, 0, k), 0)


def _lu_vjp(g: Any, y: Any, a: Any) -> Any:
    by, (packed, pivots) = g[0], y
    m, n = packed.shape[-2:]
    k, last = min(m, n), by.ndim - 1
    by_lower = tril(narrow(by, last, 0, k), -1)
    by_upper = triu(narrow(by, last - 1, 0, k), 0)
    p = permutation_matrix(pivots, m, raw(packed).dtype)
    return _lu_pull(by_lower, by_upper, p, unit_lower(packed, k), upper(packed, k))


def _lu_pull(by_lower: Any, by_upper: Any, p: Any, lower: Any, high: Any) -> Any:
    """The gradient of P L U from those of L (below its diagonal) and U."""
    m, n, rows = lower.shape[-2], high.shape[-1], lower.ndim - 2
    k, columns_ = lower.shape[-1], rows + 1
    low1, up1 = narrow(lower, rows, 0, k), narrow(high, columns_, 0, k)
    from_lower = matmul(adjoint(low1), narrow(by_lower, rows, 0, k))
    from_upper = matmul(narrow(by_upper, columns_, 0, k), adjoint(up1))
    parts: list[Any] = []
    if m > k:
        rest = narrow(by_lower, rows, k, m - k)
        from_upper = from_upper - matmul(adjoint(narrow(lower, rows, k, m - k)), rest)
        parts = [_right_divided(rest, up1)]
    if n > k:
        rest = narrow(by_upper, columns_, k, n - k)
        from_lower = from_lower - matmul(rest, adjoint(narrow(high, columns_, k, n - k)))
        parts = [solve_triangular(adjoint(low1), rest, True, True)]
    inner = tril(from_lower, -1) + triu(from_upper, 0)
    first = _right_divided(solve_triangular(adjoint(low1), inner, True, True), up1)
    whole = join((first, *parts), rows if m > k else columns_, _widths(first, parts, m > k))
    return matmul(p, whole)


def _widths(first: Any, parts: list[Any], tall: bool) -> tuple[int, ...]:
    return tuple(x.shape[-2 if tall else -1] for x in (first, *parts))


def _right_divided(x: Any, high: Any) -> Any:
    """x U^-H."""
    return adjoint(solve_triangular(high, adjoint(x), True, False))


lu_factor = general("linalg_lu_factor", eval=_lu_factor, vjp=_lu_vjp, reads="y", outputs=2,
                    node="LinalgLuFactorExBackward0",
                    doc="L and U packed in one matrix, and the row swaps.")  # fmt: skip


def _unpack(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k = min(packed.shape[-2:])
    low, along = np.tril(packed[..., :k], -1), np.arange(k)
    low[..., along, along] = 1
    return low, np.triu(packed[..., :k, :])


def _unpack_vjp(g: Any, y: Any, packed: Any) -> Any:
    k = min(packed.shape[-2:])
    low = place(tril(g[0], -1), packed.shape, (..., slice(None), slice(k)))
    return low + place(triu(g[1], 0), packed.shape, (..., slice(k), slice(None)))


lu_unpack = general("lu_unpack", eval=_unpack, vjp=_unpack_vjp, outputs=2,
                    doc="L, with its ones, and U of what is packed in one matrix.")  # fmt: skip


def _lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    packed, pivots = _lu_factor(a)
    return *_unpack(packed), pivots


def _whole_lu_vjp(g: Any, y: Any, a: Any) -> Any:
    lower, high, pivots = y
    by_lower, by_upper = typed(g[:2], y[:2])
    p = permutation_matrix(pivots, a.shape[-2], raw(lower).dtype)
    return _lu_pull(tril(by_lower, -1), triu(by_upper, 0), p, lower, high)


lu = general("linalg_lu", eval=_lu, vjp=_whole_lu_vjp, reads="y", outputs=3,
             node="LinalgLuBackward0",
             doc="L and U, each in a matrix of its own, and the row swaps.")  # fmt: skip


def _by_factors(by: Any, packed: Any, pivots: Any) -> Any:
    """The gradient of packed L and U from that of their product P L U."""
    n = packed.shape[-1]
    inner = matmul(adjoint(permutation_matrix(pivots, n, raw(packed).dtype)), by)
    lower, high = unit_lower(packed, n), upper(packed, n)
    return tril(matmul(inner, adjoint(high)), -1) + triu(matmul(adjoint(lower), inner), 0)


def _lu_solve_vjp(g: Any, y: Any, packed: Any, pivots: Any, b: Any, turned: bool) -> Any:
    by_b = lu_solve(packed, pivots, g, not turned)
    by = matmul(y, adjoint(by_b)) if turned else matmul(by_b, adjoint(y))
    return -_by_factors(by, packed, pivots), None, by_b


lu_solve = general("linalg_lu_solve", eval=kernels.lu_solve, arity=3, vjp=_lu_solve_vjp, reads="xy",
                   node="LinalgLuSolveBackward0",
                   doc="X with A X = B, or A^H X = B, from A's packed L and U.")  # fmt: skip

# --- QR


def _qr_vjp(g: Any, y: Any, a: Any) -> Any:
    (by_q, by_r), (q, r) = g, y
    k, n = r.shape[-2:]
    if n == k:
        return _square_qr_vjp(by_q, by_r, q, r)
    last = a.ndim - 1  # A = (X Y) = Q (U V), and V = Q^H Y
    by_v, v = narrow(by_r, last, k, n - k), narrow(r, last, k, n - k)
    first = _square_qr_vjp(
        by_q + matmul(matmul(q, v), adjoint(by_v)), narrow(by_r, last, 0, k), q,
        narrow(r, last, 0, k),
    )  # fmt: skip
    return join((first, matmul(q, by_v)), last, (k, n - k))


def _square_qr_vjp(by_q: Any, by_r: Any, q: Any, r: Any) -> Any:
    inner = triu(matmul(by_r, adjoint(r)) - matmul(adjoint(q), by_q), 0)
    both = inner + adjoint(inner)
    halved = both - on_diagonal(diagonal(both)) * 0.5
    return adjoint(solve_triangular(r, adjoint(by_q + matmul(q, halved)), True, False))


qr = general("linalg_qr", eval=lambda a: factor_kernels.qr(a, False), vjp=_qr_vjp, reads="y",
             outputs=2, node="LinalgQrBackward0",
             doc="Q R = A: orthonormal columns, an upper triangle.")  # fmt: skip


def _no_complete_vjp(g: Any, y: Any, a: Any) -> Any:
    raise fail(
        RuntimeError,
        "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.",
    )


qr_complete = general("linalg_qr_complete", eval=lambda a: factor_kernels.qr(a, True),
                      vjp=_no_complete_vjp, outputs=2, node="LinalgQrBackward0",
                      doc="QR with a square Q.")  # fmt: skip


def _no_r_vjp(g: Any, y: Any, a: Any) -> Any:
    raise fail(
        RuntimeError,
        "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use"
        " linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr.",
    )


qr_r = general("linalg_qr_r", eval=factor_kernels.qr_r, vjp=_no_r_vjp,
               node="LinalgQrBackward0", doc="R of QR alone.")  # fmt: skip


def _householder_vjp(g: Any, y: Any, a: Any, tau: Any) -> tuple[Any, Any]:
    """Back through Q = H_1 ... H_k I, with the products H_i ... H_k I made again."""
    (m, n), k, last = a.shape[-2:], tau.shape[-1], a.ndim - 1
    if not k:
        return a * 0.0, tau * 0.0
    low = unit_lower(a, n)
    vs = [narrow(low, last, i, 1) for i in range(k)]
    scales = [narrow(tau, last - 1, i, 1)[..., None] for i in range(k)]
    eye = np.eye(m, n, dtype=raw(a).dtype)
    after = [eye if a.ndim == 2 else matmul(a * 0.0, np.eye(n, dtype=eye.dtype)) + eye]
    for v, scale in zip(vs[:0:-1], scales[:0:-1]):
        after.append(after[-1] - scale * matmul(v, matmul(adjoint(v), after[-1])))
    by_vs: list[Any] = []
    by_tau: list[Any] = []
    for v, scale, product in zip(vs, scales, after[::-1]):
        w = matmul(adjoint(v), product)
        across = matmul(g, adjoint(w))
        by_tau.append(-matmul(adjoint(v), across)[..., 0])
        by_w = -conj(scale) * matmul(adjoint(v), g)
        by_vs.append(matmul(product, adjoint(by_w)) - conj(scale) * across)
        g = g + matmul(v, by_w)
    rest = [narrow(a, last, k, n - k) * 0.0] if n > k else []
    by_a = join((*by_vs, *rest), last, (*(1,) * k, *(n - k,) * len(rest)))
    return tril(by_a, -1), join(tuple(by_tau), last - 1, (1,) * k)


householder_product = general(
    "linalg_householder_product", eval=factor_kernels.orthonormal, arity=2, vjp=_householder_vjp,
    reads="x", doc="The first columns of a product of Householder's reflections.",
)  # fmt: skip


def _least_squares_vjp(g: Any, y: Any, a: Any, b: Any, *how: Any) -> tuple[Any, Any]:
    inverse = pinv(a, None, None, False)
    return pinv_vjp(matmul(g[0], adjoint(b)), inverse, a), matmul(adjoint(inverse), g[0])


lstsq = general("linalg_lstsq", eval=factor_kernels.least_squares, arity=2, outputs=3,
                vjp=_least_squares_vjp, reads="x",
                doc="The X of least norm that makes |A X - B| least, and the rank.")  # fmt: skip

# --- Singular values


def _svd(a: np.ndarray, full: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, vh = decomposed("linalg.svd", np.linalg.svd, a, full)
    return columns(u), s, columns(vh)


def _svdvals(a: np.ndarray) -> np.ndarray:
    return decomposed("linalg.svd", lambda x: np.linalg.svd(x, compute_uv=False), a)


def _svd_vjp(g: Any, y: Any, a: Any) -> Any:
    (by_u, by_s, by_vh), (u, s, vh) = typed(g, y), y
    m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
    by_v = adjoint(by_vh)
    from_u, from_v = matmul(adjoint(u), by_u), matmul(vh, by_v)
    skew_u, skew_v = from_u - adjoint(from_u), from_v - adjoint(from_v)
    gaps = _gaps(s * s)
    inner = _over_gaps(skew_u, gaps) * row(s) + column(s) * _over_gaps(skew_v, gaps)
    inner = inner + on_diagonal(by_s)
    if raw(u).dtype.kind == "c":
        none = raw(s) == 0
        phases = where(none, 0.0, diagonal(skew_u) / where(none, 1.0, 2 * s))
        inner = inner + on_diagonal(phases)
    whole = matmul(u, matmul(inner, vh))
    if m > k:
        whole = whole + matmul((by_u - matmul(u, from_u)) / row(s), vh)
    if n > k:
        rest = by_vh - matmul(adjoint(from_v), vh)
        whole = whole + matmul(u, rest / column(s))
    return whole


svd = general("linalg_svd", eval=_svd, vjp=_svd_vjp, reads="y", outputs=3,
              node="LinalgSvdBackward0",
              doc="U, S, V^H with U diag(S) V^H = A, S descending.")  # fmt: skip


def _svd_full_vjp(g: Any, y: Any, a: Any) -> Any:
    """That of the reduced form: as in torch, the other vectors' gradients are left out."""
    k = y[1].shape[-1]
    by, found = (
        (narrow(u, u.ndim - 1, 0, k), s, narrow(vh, vh.ndim - 2, 0, k)) for u, s, vh in (g, y)
    )
    return _svd_vjp(by, found, a)


svd_full = general("linalg_svd_full", eval=lambda a: _svd(a, True), vjp=_svd_full_vjp,
                   reads="y", outputs=3, node="LinalgSvdBackward0",
                   doc="Singular values with square U and V^H.")  # fmt: skip


def _svdvals_vjp(g: Any, y: Any, a: Any) -> Any:
    u, _, vh = svd(a)
    return matmul(u * row(g), vh)


svdvals = general("linalg_svdvals", eval=_svdvals, vjp=_svdvals_vjp, reads="x",
                  node="LinalgSvdBackward0", doc="The singular values alone.")  # fmt: skip

# --- Eigenvalues


def _eigh(a: np.ndarray, side: Any) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = decomposed("linalg.eigh", np.linalg.eigh, a, side)
    return values, columns(vectors)


def _eigh_vjp(g: Any, y: Any, a: Any, side: str) -> Any:
    (by_values, by_vectors), (values, vectors) = typed(g, y), y
    turned = adjoint(vectors)
    inner = _over_gaps(matmul(turned, by_vectors), _gaps(values)) + on_diagonal(by_values)
    whole = matmul(vectors, matmul(inner, turned))
    return (whole + adjoint(whole)) * 0.5


eigh = general("linalg_eigh", eval=_eigh, vjp=_eigh_vjp, reads="y", outputs=2,
               node="LinalgEighBackward0",
               doc="Eigenvalues, ascending, and vectors of a Hermitian matrix.")  # fmt: skip


def _eig(a: np.ndarray, real: bool) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eig(a)
    kind = np.result_type(a.dtype, np.complex64)
    return values.astype(kind, copy=False), columns(vectors.astype(kind, copy=False))


def _eig_vjp(g: Any, y: Any, a: Any, real: bool) -> Any:
    (by_values, by_vectors), (values, vectors) = g, y
    turned = adjoint(vectors)
    inner = matmul(turned, by_vectors)
    lengths = real_part(diagonal(inner))
    inner = inner - matmul(turned, vectors) * row(lengths)
    inner = _over_gaps(inner, conj(_gaps(values))) + on_diagonal(by_values)
    whole = solve(turned, matmul(inner, turned))
    return real_part(whole) if real else whole


eig = general("linalg_eig", eval=_eig, vjp=_eig_vjp, reads="y", outputs=2,
              node="LinalgEigBackward0",
              doc="Eigenvalues and eigenvectors of length 1, complex.")  # fmt: skip


def _eigvalsh_vjp(g: Any, y: Any, a: Any, side: str) -> Any:
    _, vectors = eigh(a, side)
    return matmul(vectors * row(g), adjoint(vectors))


eigvalsh = general(
    "linalg_eigvalsh", vjp=_eigvalsh_vjp, reads="x", node="LinalgEighBackward0",
    eval=lambda a, side: decomposed("linalg.eigh", np.linalg.eigvalsh, a, side),
    doc="The eigenvalues of a Hermitian matrix alone.",
)  # fmt: skip


def _eigvals(a: np.ndarray, real: bool) -> np.ndarray:
    return np.linalg.eigvals(a).astype(np.result_type(a.dtype, np.complex64), copy=False)


def _eigvals_vjp(g: Any, y: Any, a: Any, real: bool) -> Any:
    _, vectors = eig(a, real)
    turned = adjoint(vectors)
    whole = solve(turned, column(g) * turned)
    return real_part(whole) if real else whole


eigvals = general("linalg_eigvals", eval=_eigvals, vjp=_eigvals_vjp, reads="x",
                  node="LinalgEigBackward0", doc="The eigenvalues alone, complex.")  # fmt: skip
