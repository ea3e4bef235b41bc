"""Random correlation matrices, as their Cholesky factors."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Cholesky factors L of correlation matrices with density ~ det(L L^T)^(concentration - 1).

    Samples row by row: a beta variable for the length, a direction on the sphere (the onion
    method of Lewandowski, Kurowicka and Joe, 2009).
    Source: https://docs.pytorch.org/docs/stable/distributions.html

    >>> import rushlight as torch
    >>> torch.distributions.LKJCholesky(3, 0.5).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints: Any = {"concentration": constraints.positive}
    support: Any = constraints.corr_cholesky
    has_rsample = False
    _inner = ("_beta",)

    def __init__(self, dim: int, concentration: Any = 1.0,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        marginal = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1)
        offset = rl.arange(dim - 1, dtype=self.concentration.dtype)
        offset = rl.cat([offset.new_zeros(1), offset])
        self._beta = Beta(offset + 0.5, marginal - 0.5 * offset)
        super().__init__(self.concentration.shape, rl.Size((dim, dim)), validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            length = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = rl.randn(self._extended_shape(sample_shape), dtype=length.dtype).tril(-1)
            direction = normal / normal.norm(dim=-1, keepdim=True)
            direction[..., 0, :].fill_(0.0)
            w = length.sqrt() * direction
            tiny = rl.finfo(w.dtype).tiny
            return w + rl.diag_embed(rl.clamp(1 - w.pow(2).sum(-1), min=tiny).sqrt())

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        n, concentration = self.dim, self.concentration
        places = rl.arange(2, n + 1)
        order = 2 * (concentration - 1).unsqueeze(-1) + n - places
        diagonal = value.diagonal(dim1=-2, dim2=-1)[..., 1:]
        alpha = concentration + 0.5 * (n - 1)
        scale = rl.mvlgamma(alpha - 0.5, n - 1) - rl.lgamma(alpha) * (n - 1)
        constant = 0.5 * (n - 1) * math.log(math.pi) + scale
        return (order * diagonal.log()).sum(-1) - constant
