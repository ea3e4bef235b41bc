"""The orthogonal parametrisation: a matrix whose columns (or rows) stay orthonormal."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..module import Module
from .parametrize import register_parametrization

_MAPS = ("matrix_exp", "cayley", "householder")


def _orthonormal(matrix: Any) -> Any:
    """The Q factor of `matrix`, signs chosen so that R's diagonal is positive."""
    q, r = rl.linalg.qr(matrix)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthonormal(q: Any) -> bool:
    columns = q.shape[-1]
    distance = (q.mH @ q - rl.eye(columns, dtype=q.dtype)).abs().max()
    return bool(distance < 10 * columns * rl.finfo(q.dtype).eps)


class _Orthogonal(Module):
    """Maps any matrix X (n, k) to base @ Q(X), Q orthogonal; a wide matrix by its transpose."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.shape[-2] < X.shape[-1]
        x = X.mT if wide else X
        if self.orthogonal_map == "householder":
            q = self._householder(x)
        else:
            q = self._exponential(x)
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if wide else q

    def _exponential(self, x: Any) -> Any:
        """exp(A), or its Cayley approximation, for the skew A = tril(X) - tril(X)^H: (n, k)."""
        n, k = x.shape[-2:]
        low = x.tril()
        if n != k:
            low = rl.cat([low, low.new_zeros((*x.shape[:-1], n - k))], -1)
        skew = low - low.mH
        if self.orthogonal_map == "matrix_exp":
            q = rl.linalg.matrix_exp(skew)
        else:
            one = rl.eye(n, dtype=x.dtype)
            q = rl.linalg.solve(one - skew / 2, one + skew / 2)
        return q if n == k else q[..., :k]

    def _householder(self, x: Any) -> Any:
        """The product of the reflections whose vectors lie below the diagonal of X: (n, k)."""
        low = x.tril(-1)
        tau = 2 / (1 + (low * low).sum(-2))
        q = rl.linalg.householder_product(low, tau)
        return q * x.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)

    def right_inverse(self, Q: Any) -> Any:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        q = Q.mT if wide else Q
        n, k = q.shape[-2:]
        if "base" not in self._buffers:
            return self._reflections(q, wide)
        if n == k:
            self.base = q.clone() if _is_orthonormal(q) else _orthonormal(q)
        else:
            noise = rl.randn(*q.shape[:-1], n - k, dtype=q.dtype)
            self.base = _orthonormal(rl.cat([q, noise], -1))
        minus_one = rl.zeros_like(Q)
        minus_one.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return minus_one

    def _reflections(self, q: Any, wide: bool) -> Any:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        a, tau = rl.geqrf(q)
        diagonal = a.diagonal(dim1=-2, dim2=-1)
        diagonal.sign_()
        diagonal[tau == 0.0] *= -1
        return a.mT if wide else a


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keep parameter `name` orthogonal, or with orthonormal rows or columns; returns the module.

    orthogonal_map: "matrix_exp" (the default for square matrices), "cayley" or "householder".
    Source: Lezcano-Casado, 2019.

    >>> import rushlight as torch
    >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
    >>> torch.allclose(layer.weight @ layer.weight.T, torch.eye(3), atol=1e-5)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, rl.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    skewed = _Orthogonal(weight, orthogonal_map, use_trivialization)
    register_parametrization(module, name, skewed, unsafe=True)
    return module
