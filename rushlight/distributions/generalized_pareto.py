"""Excesses over a threshold."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """P(x > loc + scale z) = (1 + concentration z)^(-1 / concentration), exp(-z) where that is 0.

    Source: https://en.wikipedia.org/wiki/Generalized_Pareto_distribution

    >>> import rushlight as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.25).mean
    tensor(1.3333)
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive,
                            "concentration": constraints.real}  # fmt: skip
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, rl.where(self.concentration < 0, end, math.inf))

    def _shape(self) -> tuple[Any, Any]:
        """Where the shape counts as 0, and a shape that is safe to divide by."""
        zero = rl.isclose(self.concentration, rl.zeros_like(self.concentration))
        return zero, rl.where(zero, rl.ones_like(self.concentration), self.concentration)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(rl.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_survival_function(self, value: Any) -> Any:
        """The logarithm of the probability of more than `value`."""
        self._checked(value)
        zero, shape = self._shape()
        z = (value - self.loc) / self.scale
        return rl.where(zero, -z, -rl.log1p(shape * z) / shape)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        zero, shape = self._shape()
        z = (value - self.loc) / self.scale
        power = 1.0 / shape + rl.ones_like(z)
        falls = rl.where(power == 0, power, power * rl.log1p(shape * z))
        return -self.scale.log() - rl.where(zero, z, falls)

    def log_cdf(self, value: Any) -> Any:
        """The logarithm of the probability of at most `value`."""
        return rl.log1p(-rl.exp(self.log_survival_function(value)))

    def cdf(self, value: Any) -> Any:
        return rl.exp(self.log_cdf(value))

    def icdf(self, value: Any) -> Any:
        zero, shape = self._shape()
        left = rl.log1p(-value)
        curved = self.loc + self.scale / shape * rl.expm1(-shape * left)
        return rl.where(zero, self.loc - self.scale * left, curved)

    @property
    def mean(self) -> Any:
        finite = self.concentration < 1
        shape = rl.where(finite, self.concentration, 0.5)
        return rl.where(finite, self.loc + self.scale / (1 - shape), math.nan)

    @property
    def variance(self) -> Any:
        finite = self.concentration < 0.5
        shape = rl.where(finite, self.concentration, 0.25)
        return rl.where(finite, self.scale**2 / ((1 - shape) ** 2 * (1 - 2 * shape)), math.nan)

    mode = property(lambda self: self.loc)

    def entropy(self) -> Any:
        return (rl.log(self.scale) + self.concentration + 1).broadcast_to(self._batch_shape)
