"""The gamma distribution."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Density rate^c x^(c - 1) e^(-rate x) / Gamma(c) for x >= 0.

    Args: concentration, the c, and rate, above 0; validate_args, whether arguments and values are
    checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for arguments that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#gamma

    >>> import rushlight as torch
    >>> gamma = torch.distributions.Gamma(torch.tensor(2.0), torch.tensor(4.0))
    >>> gamma.mean, gamma.variance
    (tensor(0.5000), tensor(0.1250))
    """

    arg_constraints: Any = {
        "concentration": constraints.positive, "rate": constraints.positive
    }  # fmt: skip
    support: Any = constraints.nonnegative
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.size(), validate_args=validate_args)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.pow(2))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        value = rl._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=rl.finfo(value.dtype).tiny)  # the gradient is not cut
        return value

    def log_prob(self, value: Any) -> Any:
        value = rl.as_tensor(value, dtype=self.rate.dtype)
        self._checked(value)
        c, rate = self.concentration, self.rate
        return rl.xlogy(c, rate) + rl.xlogy(c - 1, value) - rate * value - rl.lgamma(c)

    def entropy(self) -> Any:
        c = self.concentration
        return c - rl.log(self.rate) + rl.lgamma(c) + (1.0 - c) * rl.digamma(c)

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return rl.special.gammainc(self.concentration, self.rate * value)

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return rl.lgamma(x + 1) + (x + 1) * rl.log(-y.reciprocal())
