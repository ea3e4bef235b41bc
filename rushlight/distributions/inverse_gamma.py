"""Reciprocals of gamma numbers."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / x with x from Gamma(concentration, rate).

    Args: concentration and rate, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for arguments that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#inversegamma

    >>> import rushlight as torch
    >>> torch.distributions.InverseGamma(torch.tensor(3.0), torch.tensor(4.0)).mean
    tensor(2.)
    """

    arg_constraints: Any = {
        "concentration": constraints.positive, "rate": constraints.positive
    }  # fmt: skip
    support: Any = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        turn = PowerTransform(-rl.ones_like(base.rate))
        super().__init__(base, turn, validate_args=validate_args)

    concentration = property(lambda self: self.base_dist.concentration)
    rate = property(lambda self: self.base_dist.rate)
    mode = property(lambda self: self.rate / (self.concentration + 1))

    @property
    def mean(self) -> Any:
        return rl.where(self.concentration > 1, self.rate / (self.concentration - 1), rl.inf)

    @property
    def variance(self) -> Any:
        c = self.concentration
        finite = self.rate.square() / ((c - 1).square() * (c - 2))
        return rl.where(c > 2, finite, rl.inf)

    def entropy(self) -> Any:
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()
