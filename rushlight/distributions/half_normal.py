"""Sizes of normal numbers."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform

__all__ = ["HalfNormal"]


class Folded(TransformedDistribution):
    """|x| for a distribution that is symmetric about 0."""

    arg_constraints: Any = {"scale": constraints.positive}
    support: Any = constraints.nonnegative
    has_rsample = True
    _base: Any = None

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = type(self)._base(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    scale = property(lambda self: self.base_dist.scale)
    mode = property(lambda self: rl.zeros_like(self.scale))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        doubled = self.base_dist.log_prob(value) + math.log(2)
        return rl.where(value >= 0, doubled, -rl.inf)

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(Folded):
    """|x| with x from Normal(0, scale).

    Args: scale, above 0; validate_args, whether arguments and values are checked (default: they
    are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for a scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#halfnormal

    >>> import rushlight as torch
    >>> torch.distributions.HalfNormal(torch.tensor(1.0)).mean
    tensor(0.7979)
    """

    _base = Normal
    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale.pow(2) * (1 - 2 / math.pi))
