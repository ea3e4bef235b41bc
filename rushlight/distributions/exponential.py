"""Waiting times of a given rate."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """Density rate e^(-rate x) for x >= 0.

    Args: rate, 1 / mean, above 0; validate_args, whether arguments and values are checked (default:
    they are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for a rate that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#exponential

    >>> import rushlight as torch
    >>> exponential = torch.distributions.Exponential(torch.tensor(0.5))
    >>> exponential.mean, exponential.log_prob(torch.tensor(0.0)).exp()
    (tensor(2.), tensor(0.5000))
    """

    arg_constraints: Any = {"rate": constraints.positive}
    support: Any = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    mean = stddev = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: rl.zeros_like(self.rate))
    variance = property(lambda self: self.rate.pow(-2))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return rl.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return 1 - rl.exp(-self.rate * value)

    def icdf(self, value: Any) -> Any:
        return -rl.log1p(-value) / self.rate

    def entropy(self) -> Any:
        return 1.0 - rl.log(self.rate)

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (-self.rate,)

    def _log_normalizer(self, x: Any) -> Any:
        return -rl.log(-x)
