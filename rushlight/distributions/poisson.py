"""Counts of events of a given rate."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """k with probability rate^k e^-rate / k!.

    Args: rate, the mean, at least 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for a negative rate.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#poisson

    >>> import rushlight as torch
    >>> torch.distributions.Poisson(torch.tensor(2.0)).log_prob(torch.tensor(1.0)).exp()
    tensor(0.2707)
    """

    arg_constraints: Any = {"rate": constraints.nonnegative}
    support: Any = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.size(), validate_args=validate_args)

    mean = variance = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            return rl.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (rl.log(self.rate),)

    def _log_normalizer(self, x: Any) -> Any:
        return rl.exp(x)
