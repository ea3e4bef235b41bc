"""Random probabilities."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Density proportional to the product of x_k^(c_k - 1) over the simplex.

    Args: concentration, the c, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: (..., K) gives a batch (...) of distributions over K weights that sum to 1.
    Raises: ValueError for concentrations that are not positive, or a scalar.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#dirichlet

    >>> import rushlight as torch
    >>> dirichlet = torch.distributions.Dirichlet(torch.tensor([1.0, 3.0]))
    >>> dirichlet.mean, dirichlet.sample().sum().round()
    (tensor([0.2500, 0.7500]), tensor(1.))
    """

    arg_constraints: Any = {"concentration": constraints.independent(constraints.positive, 1)}
    support: Any = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return rl._sample_dirichlet(self.concentration.expand(shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        c = self.concentration
        total = rl.lgamma(c.sum(-1)) - rl.lgamma(c).sum(-1)
        return rl.xlogy(c - 1.0, value).sum(-1) + total

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        excess = (self.concentration - 1).clamp(min=0.0)
        mode = excess / excess.sum(-1, True)
        flat = (self.concentration < 1).all(dim=-1)
        corner = rl.nn.functional.one_hot(mode.argmax(dim=-1), excess.shape[-1]).to(mode)
        return rl.where(flat.unsqueeze(-1), corner, mode)

    @property
    def variance(self) -> Any:
        c, total = self.concentration, self.concentration.sum(-1, True)
        return c * (total - c) / (total.pow(2) * (total + 1))

    def entropy(self) -> Any:
        c, total, k = self.concentration, self.concentration.sum(-1), self.concentration.size(-1)
        volume = rl.lgamma(c).sum(-1) - rl.lgamma(total)
        pull = ((c - 1.0) * rl.digamma(c)).sum(-1)
        return volume - (k - total) * rl.digamma(total) - pull

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Any:
        return x.lgamma().sum(-1) - rl.lgamma(x.sum(-1))
