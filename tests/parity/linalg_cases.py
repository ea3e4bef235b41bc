"""Expressions of products, linear algebra and Fourier transforms, and how one is worked out.

A case is (expression, inputs): the inputs are called a, b, c and are drawn by NumPy. What comes out
is independent of the signs and phases that a LAPACK is free to choose.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

Case = tuple[str, tuple[str, ...]]


def made(spec: str, seed: int) -> np.ndarray:
    """An input: sizes as `2x3`; c: complex, p: positive definite, h: well conditioned, i: whole."""
    kind, _, sizes = spec.rpartition(":")
    shape: list[int] = [int(n) for n in sizes.split("x")] if sizes else []
    draws = np.random.RandomState(seed)
    x = draws.standard_normal(shape)
    if "i" in kind:
        return draws.randint(-4, 5, tuple(shape))
    if "c" in kind:
        x = x + 1j * draws.standard_normal(shape)
    if "p" in kind:
        x = x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1])
    if "h" in kind:
        x = 0.3 * x + np.diag(np.arange(shape[-1]) + 1.5)[: shape[-2]]
    return x


def flat(result: Any) -> list[Any]:
    """All tensors of a result."""
    if isinstance(result, (tuple, list)):
        return [one for part in result for one in flat(part)]
    return [result]


def _weights(shape: Any, place: int) -> np.ndarray:
    return np.cos(np.arange(int(np.prod(shape))) * 1.3 + place).reshape(tuple(shape))


def _scalar(torch: Any, outputs: list[Any]) -> Any:
    total = None
    for place, y in enumerate(outputs):
        y = torch.view_as_real(y.resolve_conj().contiguous()) if y.is_complex() else y
        term = (y * torch.from_numpy(_weights(y.shape, place))).sum()
        total = term if total is None else total + term
    return total


def _slopes(torch: Any, outputs: list[Any], inputs: list[Any]) -> list[Any]:
    found = [y for y in outputs if y is not None and y.requires_grad]
    if not found:
        return []
    return list(torch.autograd.grad(_scalar(torch, found), inputs, create_graph=True,
                                    allow_unused=True))  # fmt: skip


def _numbers(x: Any) -> Any:
    if x is None:
        return None
    array = x.detach().resolve_conj().resolve_neg().numpy(force=True)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    digits = array.astype(float).ravel()
    return [float(f"{v:.11g}") for v in digits]


def worked_out(torch: Any, case: Case) -> dict[str, Any]:
    """Values, shapes and types; gradients and gradients of gradients; or the error."""
    code, specs = case
    seed = zlib.crc32(repr(case).encode())
    inputs = [torch.from_numpy(made(spec, (seed + i) % 2**32)) for i, spec in enumerate(specs)]
    leaves = [x.requires_grad_() for x in inputs if x.is_floating_point() or x.is_complex()]
    names = dict(zip("abc", inputs))
    try:
        outputs = flat(eval(code, {"torch": torch, "L": torch.linalg, "F": torch.fft, **names}))
    except Exception as error:
        bases = [kind.__name__ for kind in type(error).__mro__]
        kind = next(name for name in bases if name in KINDS)
        return {"error": kind, "says": str(error).split("\n")[0]}
    tensors = [y for y in outputs if hasattr(y, "shape")]
    answer: dict[str, Any] = {
        "type": [str(y.dtype) for y in tensors], "shape": [list(y.shape) for y in tensors],
        "value": [_numbers(y) for y in tensors],
    }  # fmt: skip
    try:
        first = _slopes(torch, tensors, leaves) if leaves else []
    except RuntimeError as error:
        return {**answer, "no slope": str(error).split("\n")[0]}
    if first:
        answer["slope"] = [_numbers(g) for g in first]
        try:
            answer["curve"] = [_numbers(g) for g in _slopes(torch, first, leaves)]
        except (RuntimeError, NotImplementedError) as error:  # torch has no second derivative
            answer["no curve"] = str(error).split("\n")[0]
    return answer


KINDS = ("LinAlgError", "_LinAlgError", "RuntimeError", "ValueError", "TypeError", "IndexError",
         "NotImplementedError")  # fmt: skip

_PRODUCTS = """
a @ b | 2x3 3x4; 3 3; 3 3x2; 2x3 3; 4x2x3 3x2; 4x2x3 4x3x2; 2x1x2x3 3x3x2; c:2x3 c:3x2; i:2x3 i:3x2
torch.addmm(a, b, c, beta=0.5, alpha=2) | 2x2 2x3 3x2; 2 2x3 3x2; c:2x2 c:2x3 c:3x2
torch.addmv(a, b, c, beta=2) | 2 2x3 3; 1 2x3 3
torch.addr(a, b, c, alpha=3) | 2x3 2 3; 3 2 3
torch.addbmm(a, b, c) | 2x2 3x2x2 3x2x2
torch.baddbmm(a, b, c, beta=0.3) | 3x2x2 3x2x2 3x2x2; 2 3x2x2 3x2x2
torch.outer(a, b) | 2 3; c:2 c:2
torch.inner(a, b) | 3 3; 2x3 4x3; c:2x2 c:2x2; i:2x3 i:3
torch.vdot(a, b) | 3 3; c:3 c:3
torch.dot(a, b) | 3 3; c:3 c:3; i:3 i:3
torch.kron(a, b) | 2x2 2x3; 2 2x2; 2x1x2 2x2; c:2 c:2
torch.tensordot(a, b, dims=2) | 2x3x2 3x2x2
torch.tensordot(a, b, dims=([0, 2], [1, 0])) | 2x3x2 2x2x4
torch.tensordot(a, b, dims=0) | 2 2
torch.addmm(a, b, c, beta=0.2) | i:2x2 i:2x2 i:2x2
torch.addmv(a, b, c, beta=1.7, alpha=2.6) | i:2 i:2x2 i:2
torch.baddbmm(a, b, c, alpha=2.6) | i:3x2x2 i:3x2x2 i:3x2x2
torch.addr(a, b, c, beta=0.2) | i:2x2 i:2 i:2
torch.trace(a) | 3x3; 2x3; c:2x2; i:3x3
torch.chain_matmul(a, b, c) | 2x3 3x2 2x4
L.multi_dot([a, b, c]) | 2x3 3x2 2x4; 3 3x2 2x4; 2x3 3x2 2; 3 3x2 2
torch.cross(a, b, dim=-1) | 2x3 2x3; 3 3; 2x3 1x3; c:3 c:3
torch.cross(a, b, dim=0) | 3x2 3x2
L.cross(a, b) | 2x3 2x3; 4x1x3 2x3
L.vecdot(a, b) | 2x3 2x3; c:2x3 c:2x3; 3 2x3
torch.cdist(a, b) | 3x2 4x2; 2x3x2 4x2; 1x2 1x2
torch.cdist(a, b, p=1) | 3x2 2x2
torch.cdist(a, b, p=3) | 3x2 2x2
torch.cdist(a, b, p=float('inf')) | 3x2 2x2
torch.cdist(a, b, compute_mode='use_mm_for_euclid_dist') | 3x2 4x2
torch.cdist(a, a) | 3x2
a.addmm_(b, c) if not a.requires_grad else a.clone().addmm_(b, c) | 2x2 2x3 3x2
torch.einsum('ij,jk->ik', a, b) | 2x3 3x2; c:2x3 c:3x2; i:2x3 i:3x2
torch.einsum('ij,kj', a, b) | 2x3 4x3
torch.einsum('ii', a) | 3x3
torch.einsum('ii->i', a) | 3x3
torch.einsum('iij->j', a) | 2x2x3
torch.einsum('ij->ji', a) | 2x3
torch.einsum('ij->', a) | 2x3; i:2x3
torch.einsum('ij->j', a) | 2x3
torch.einsum('ba', a) | 2x3
torch.einsum('bA', a) | 2x3
torch.einsum('i,j->ij', a, b) | 2 3
torch.einsum('i,i->', a, b) | 3 3
torch.einsum('ij,ij->ij', a, b) | 2x3 2x3; 1x3 2x3
torch.einsum('ij,j->ij', a, b) | 2x3 3
torch.einsum('bij,bjk->bik', a, b) | 2x2x3 2x3x2
torch.einsum('bij,bik->bjk', a, b) | 2x2x3 2x2x2
torch.einsum('bhqd,bhkd->bhqk', a, b) | 2x2x3x2 2x2x2x2
torch.einsum('...ij,...jk->...ik', a, b) | 2x2x3 3x2; 2x1x2x3 2x3x2; 2x3 3x2
torch.einsum('...i,...i->...', a, b) | 2x3 2x3; 3 2x3
torch.einsum('i...,i...->...', a, b) | 2x3 2x3
torch.einsum('...ij->...ji', a) | 2x2x3
torch.einsum('bn,anm,bm->ba', a, b, c) | 2x3 2x3x2 2x2
torch.einsum('ij,jk,kl->il', a, b, c) | 2x3 3x2 2x3
torch.einsum('ijk,ilk,il->ij', a, b, c) | 2x3x2 2x3x2 2x3
torch.einsum('ab,ba->', a, b) | 2x3 3x2
torch.einsum('i j , j k -> k i', a, b) | 2x3 3x2
torch.einsum('abcd,cd', a, b) | 2x2x2x2 2x2
torch.einsum('ij,ik->jk', a, b) | 1x3 2x3
torch.einsum(a, [0, 1], b, [1, 2], [0, 2]) | 2x3 3x2
torch.einsum(a, [0, 1], b, [1, 2]) | 2x3 3x2
torch.einsum(a, [0, ...], [...]) | 2x3
"""

_LINEAR_ALGEBRA = """
L.solve(a, b) | h:3x3 3x2; h:3x3 3; h:2x3x3 2x3x2; h:2x3x3 3x2; hc:3x3 c:3x2; h:2x3x3 2x3; 0x0 0x2
L.solve(a, b, left=False) | h:3x3 2x3; h:2x3x3 2x2x3
L.solve_ex(a, b).result | h:3x3 3x2
L.solve_triangular(a, b, upper=True) | h:3x3 3x2; h:2x3x3 3x2; hc:3x3 c:3x2
L.solve_triangular(a, b, upper=False, unitriangular=True) | h:4x4 4x2
L.solve_triangular(a, b, upper=False, left=False) | h:3x3 2x3
torch.triangular_solve(a, b) | 3x2 h:3x3
torch.triangular_solve(a, b, upper=False, transpose=True).solution | 3x2 h:3x3
L.inv(a) | h:3x3; h:2x3x3; hc:3x3; 1x1; 0x0
torch.inverse(a) | h:2x2
a.inverse() | h:2x2
L.inv_ex(a) | h:3x3; h:2x2x2
L.det(a) | 3x3; 2x3x3; c:3x3; 1x1; 4x4; 0x0
torch.det(a) | 2x2
a.det() | 2x2
L.slogdet(a) | 3x3; 2x3x3; c:3x3
torch.slogdet(a) | 2x2
torch.logdet(a) | p:3x3; p:2x3x3; pc:2x2
torch.logdet(-a) | h:3x3
L.cholesky(a @ a.mT + torch.eye(3).double()) | 3x3; 2x3x3
L.cholesky((a + a.mT) / 2) | p:3x3
L.cholesky((a + a.mH) / 2) | pc:3x3
L.cholesky((a + a.mT) / 2, upper=True) | p:3x3; p:2x2x2
torch.cholesky((a + a.mT) / 2, True) | p:3x3
L.cholesky_ex((a + a.mT) / 2) | p:3x3
torch.cholesky_solve(a, b) | 3x2 h:3x3; 2x3x2 h:3x3; c:3x2 hc:3x3
torch.cholesky_solve(a, b, upper=True) | 3x2 h:3x3
torch.cholesky_inverse(a) | h:3x3; h:2x3x3
L.matrix_power(a, 3) | 3x3; 2x2x2; c:2x2; i:3x3
L.matrix_power(a, -2) | h:3x3
L.matrix_power(a, 0) | 3x3
L.matrix_power(a, 1) | 3x3
torch.matrix_power(a, 5) | 2x2
L.matrix_exp(a) | 3x3; 2x2x2; c:2x2; 1x1
torch.matrix_exp(a * 4) | 3x3
L.tensorinv(a.reshape(2, 2, 4)) | h:4x4
L.tensorinv(a.reshape(4, 2, 2), ind=1) | h:4x4
L.tensorsolve(a.reshape(2, 2, 4), b) | h:4x4 2x2
L.lu(a) | h:3x3; 4x2; 2x4; 2x3x3; c:3x3
L.lu_factor(a) | 4x4; 2x3x3; 3x2; 2x3
L.lu_factor_ex(a) | 3x3
L.lu_solve(*L.lu_factor(a), b) | 3x3 3x2; 2x3x3 2x3x1; c:2x2 c:2x2
L.lu_solve(*L.lu_factor(a), b, adjoint=True) | 3x3 3x2; c:2x2 c:2x2
L.lu_solve(*L.lu_factor(a), b, left=False) | 3x3 2x3
torch.lu_solve(b, *torch.lu(a)) | 3x3 3x2
torch.lu_unpack(*torch.lu(a)) | 3x3; 4x2
(lambda q, r: (q @ r, r.abs(), q @ q.mH))(*L.qr(a)) | 3x3; 4x2; 2x4; 2x3x2
(lambda q, r: (q.abs(), r.abs()))(*L.qr(a)) | 3x3; 4x2; 2x4
(lambda q, r: (q.abs(), r.abs()))(*L.qr(a, mode='complete')) | 3x3; 2x3
L.qr(a.detach(), mode='complete').Q.abs() | 4x2
L.qr(a.detach(), mode='r').R.abs() | 4x2; 2x3
L.svdvals(a) | 3x3; 4x2; 2x4; 2x3x2; c:3x3; c:2x3
(lambda u, s, v: (u.abs(), s, v.abs()))(*L.svd(a, full_matrices=False)) | 3x3; 4x2; 2x4; 2x3x2
(lambda u, s, v: (u * s.sqrt().unsqueeze(-2)) @ v)(*L.svd(a, full_matrices=False)) | 3x3; 2x4; c:3x2
(lambda u, s, v: (u[..., :2] * s.unsqueeze(-2)) @ v[..., :2, :])(*L.svd(a)) | 2x2; c:2x2
L.svd(a)[1] | 3x2; 2x3
torch.svd(a).S | 3x2
(lambda u, s, v: (u * s) @ v.mH)(*torch.svd(a)) | 3x2; c:2x2
L.eigvalsh((a + a.mT) / 2) | 3x3; 2x3x3
L.eigvalsh((a + a.mH) / 2) | c:3x3
L.eigvalsh((a + a.mT) / 2, UPLO='U') | 3x3
(lambda w, v: (w, v.abs()))(*L.eigh((a + a.mT) / 2)) | 3x3; 2x2x2
(lambda w, v: (v * w.exp().unsqueeze(-2)) @ v.mH)(*L.eigh((a + a.mH) / 2)) | 3x3; c:3x3
L.eigh((a + a.mT) / 2, UPLO='U').eigenvectors.abs() | 3x3
L.eigvals(a + torch.diag(torch.arange(3.0).double() * 6)) | 3x3
L.eig(a + torch.diag(torch.arange(3.0).double() * 6)).eigenvectors.abs() | 3x3
(lambda w, v: (v * w.exp().unsqueeze(-2)) @ L.inv(v))(*L.eig(a)) | 3x3; c:3x3; 2x2x2
L.eigvals(a).abs().sum() | 3x3; c:3x3
L.pinv(a) | 3x3; 4x2; 2x4; 2x3x2; c:3x2
L.pinv((a + a.mT) / 2, hermitian=True) | h:3x3
L.pinv(a[:, :1] @ a[:1]) | 3x3
torch.pinverse(a) | 3x2
L.matrix_rank(a) | 3x3; 2x4; 2x3x3
L.matrix_rank(a[:, :1] @ a[:1]) | 3x3
L.matrix_rank(a, tol=1.0) | 3x3
L.matrix_rank(a, atol=0.5, rtol=0.1) | 3x3
L.matrix_rank(a @ a.mT, hermitian=True) | 3x2
L.lstsq(a, b).solution | 4x2 4x2; 3x3 3x1; 2x4x2 2x4x1; 2x4 2x2
L.lstsq(a, b, driver='gelsd') | 4x2 4x2
L.lstsq(a, b, driver='gels')[:2] | 4x2 4x2
L.lstsq(a, b).rank | 4x2 4x1
L.cond(a) | 3x3; 2x3x3; 3x2
L.cond(a.detach(), 'fro') | h:3x3
L.cond(a.detach(), 1) | h:3x3
L.cond(a, -2) | 3x3
L.cond(a.detach(), float('inf')) | h:2x3x3
L.cond(a.detach(), 'nuc') | h:3x3
L.householder_product(a, b) | 3x2 2; 4x3 2; 2x3x3 2x3
torch.orgqr(a, b) | 3x2 2
L.vander(a) | 3; 2x3; i:3
L.vander(a, N=4) | 2; c:2
L.diagonal(a) | 3x3; 2x2x3
L.diagonal(a, offset=1, dim1=0, dim2=1) | 3x3x2
L.norm(a) | 3; 2x3; c:2x2; 2x2x2
L.norm(a, 3) | 4
L.norm(a, 'fro') | 2x3
L.norm(a, 'nuc') | 2x3
L.norm(a, 2) | 2x3; 3
L.norm(a, -2) | 2x3
L.norm(a, 1) | 2x3; 3
L.norm(a, -1) | 2x3; 3
L.norm(a, float('inf')) | 2x3; 3
L.norm(a, -float('inf')) | 2x3; 3
L.norm(a, 0) | 3
L.norm(a, 2, dim=0) | 2x3
L.norm(a, 2, dim=(0, 2), keepdim=True) | 2x2x3
L.norm(a, dim=(0, 1)) | 2x2x3
L.vector_norm(a, 2.5) | 2x3; c:3
L.vector_norm(a, 0.5, dim=1) | 2x3
L.vector_norm(a, 1, dim=(0, 1), keepdim=True) | 2x3; c:2x2
L.vector_norm(a, float('inf'), dim=0) | 2x3; c:2x2
L.vector_norm(a, -2) | 3
L.vector_norm(a * 0) | 3
L.vector_norm(a * 0, 1) | 3
L.vector_norm(a * 0, 3) | 3
L.vector_norm(a) | 0x3;
L.matrix_norm(a) | 2x3; 2x2x3
L.matrix_norm(a, 'nuc', dim=(0, 2)) | 2x2x3
L.matrix_norm(a, 2, keepdim=True) | 2x2x3; c:2x2
L.matrix_norm(a, -1) | 2x2x3
"""

_FOURIER = """
F.fft(a) | 4; 5; 2x3; c:4; i:4
F.fft(a, n=3) | 5; c:2
F.fft(a, dim=0, norm='ortho') | 3x2; c:3x2
F.ifft(a) | 4; c:5
F.ifft(a, norm='forward') | c:4
F.rfft(a) | 4; 5; 2x3; i:4
F.rfft(a, n=6, norm='ortho') | 4
F.irfft(a) | c:3; 3; c:2x3
F.irfft(a, n=5) | c:3
F.irfft(a, n=4, norm='forward') | c:5
F.hfft(a) | c:3
F.hfft(a, n=5, norm='ortho') | c:3
F.ihfft(a) | 4; 5
F.fft2(a) | 2x3; c:2x2x2
F.ifft2(a, s=(3, 2)) | c:2x3
F.rfft2(a) | 2x4; 2x3x3
F.irfft2(a) | c:2x3
F.irfft2(a, s=(3, 5)) | c:2x3
F.fftn(a) | 2x2x2
F.fftn(a, s=(3,)) | 2x2
F.fftn(a, dim=(0, 2), norm='ortho') | c:2x2x3
F.ifftn(a) | c:2x2
F.rfftn(a, s=(2, 4)) | 2x3
F.irfftn(a, dim=(1, 0)) | c:3x2
F.hfft2(a) | c:2x3
F.hfftn(a, s=(3, 5)) | c:3x3
F.ihfft2(a) | 2x3
F.ihfftn(a, norm='ortho') | 2x4
F.fftshift(a) | 5; 2x3
F.fftshift(a, dim=1) | 2x3
F.ifftshift(a) | 5; 2x3
F.irfft(F.rfft(a), n=5) | 5
F.fftfreq(5) + F.rfftfreq(9, 0.5)[:5] + a | 5
"""

_REFUSALS = """
torch.einsum('ij,jk->ik', a) | 2x2
torch.einsum('ij->ik', a) | 2x2
torch.einsum('ij,jk->ii', a, b) | 2x2 2x2
torch.einsum('i', a) | 2x2
torch.einsum('ij,ij->ij', a, b) | 2x2 2x3
torch.einsum('.i', a) | 2
torch.einsum('....i', a) | 2
torch.einsum('i1,ij', a, b) | 2x2 2x2
torch.einsum('ij->ij->i', a) | 2x2
torch.einsum('i...,j...', a, b) | 2x2 2x3
torch.einsum('ij,jk', a, b) | 2x2 i:2x2
torch.einsum(a, [0, 60]) | 2x2
torch.einsum('ij') | 2
L.inv(a * 0) | 2x2; 3x2x2
L.inv(a) | 2x3; 3; i:2x2
L.solve(a * 0, b) | 2x2 2x2; 2x2x2 2x2x1
L.solve(a, b) | 2x3 2x2; 2x2 3; i:2x2 i:2x2
L.solve_triangular(a, b, upper=True) | 2x3 2x2; 2x2 3x2; 2x2 2
L.det(a) | 2x3; 3; i:2x2
L.slogdet(a) | 2x3
L.cholesky(-a) | p:2x2; p:3x2x2
L.cholesky(a) | 2x3; i:2x2
torch.cholesky(-a) | p:2x2
L.cholesky_ex(-a, check_errors=True) | p:2x2
L.lu_factor(a * 0) | 2x2
L.lu(a, pivot=False) | 2x2
L.lu(a) | 3
L.qr(a, mode='x') | 2x2
L.qr(a) | 3
L.svd(a) | 3; i:2x2
L.eigh(a) | 2x3; i:2x2
L.eigh(a, UPLO='X') | 2x2
L.eig(a) | 2x3; i:2x2
L.pinv(a) | 3; i:2x2
L.matrix_rank(a) | i:2x2
L.lstsq(a, b) | 2x2 3; 2x2 3x2
L.lstsq(a, b, driver='x') | 2x2 2x2
L.matrix_power(a, 2) | 2x3
L.matrix_power(a, 1.5) | 2x2
L.matrix_exp(a) | 2x3; i:2x2
L.multi_dot([a]) | 2x2
L.multi_dot([a, b]) | 2x2 3
L.cond(a, 'x') | 2x2
L.cond(a, 1) | 2x3
L.cross(a, b) | 3 2; 2x2 2x2
torch.cross(a, b) | 2x2 2x2
L.vander(a) |
L.norm(a, 'x') | 2x2
L.norm(a, 3) | 2x2
L.norm(a, 'fro') | 3
L.norm(a, 2) | 2x2x2
L.norm(a) | i:3
L.norm(a, 2, dim=(0, 0)) | 2x2
L.vector_norm(a, float('inf')) | 0
L.vector_norm(a, -1) | 0
L.matrix_norm(a) | 3
L.tensorinv(a) | 2x3
L.tensorinv(a, ind=0) | 2x2
L.householder_product(a, b) | 2x2 3; 2x3 2
L.vecdot(a, b) | 3 2
torch.trace(a) | 3
torch.outer(a, b) | 3 2x2
torch.inner(a, b) | 3 2
torch.vdot(a, b) | 3 2x2; 3 2
torch.dot(a, b) | 3 2
torch.mv(a, b) | 2x2 3
torch.tensordot(a, b, dims=([1], [1])) | 2x2 2x3
torch.tensordot(a, b, dims=-1) | 2x2 2x2
torch.tensordot(a, b, dims=3) | 2x2 2x2
torch.cdist(a, b) | 3 2x2; 2x2 2x3
torch.cdist(a, b, p=-1) | 2x2 2x2
torch.addmm(a, b, c) | 2x2 2x2 2x3; 3 3 2x3; 2 2x2 2x3
torch.addmm(2, a, b) | 2x2 2x2
torch.addmv(a, b, c) | 3 2x2 3; 3 2x3 3
torch.addr(a, b, c) | 2x2 3 3; 2x2 2x2 3
torch.addbmm(a, a, a) | 2x2
torch.baddbmm(a, b, c) | 3 4x2x2 4x2x2
F.fft(a, n=0) | 3
F.fft(a, dim=1) | 3
F.fft(a, norm='x') | 3
F.fft(a) | 0;
F.rfft(a) | c:3
F.irfft(a) | c:1
F.fft2(a) | 3
F.fftn(a, dim=(0, 0)) | 2x2
F.fftn(a, s=(2, 2), dim=(0,)) | 2x2
"""


def cases() -> list[Case]:
    """All of them."""
    found: list[Case] = []
    lines = (_PRODUCTS + _LINEAR_ALGEBRA + _FOURIER + _REFUSALS).splitlines()
    for line in filter(None, lines):
        code, _, variants = line.rpartition(" |")
        for variant in variants.split(";"):
            case = (code.strip(), tuple(variant.split()) or ("",))
            if case not in found:
                found.append(case)
    return found
