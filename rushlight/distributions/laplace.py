"""The double exponential distribution."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Laplace"]


class Laplace(Distribution):
    """Density e^(-|x - loc| / scale) / (2 scale).

    Args: loc, the mean; scale, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for a scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#laplace

    >>> import rushlight as torch
    >>> laplace = torch.distributions.Laplace(torch.tensor(0.0), torch.tensor(1.0))
    >>> laplace.log_prob(torch.tensor(0.0)).exp(), laplace.variance
    (tensor(0.5000), tensor(2.))
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale.pow(2))
    stddev = property(lambda self: 2**0.5 * self.scale)

    def rsample(self, sample_shape: Any = ()) -> Any:
        u = rl.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        u.uniform_(rl.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * rl.log1p(-u.abs())

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return -rl.log(2 * self.scale) - rl.abs(value - self.loc) / self.scale

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * rl.expm1(-away.abs() / self.scale)

    def icdf(self, value: Any) -> Any:
        away = value - 0.5
        return self.loc - self.scale * away.sign() * rl.log1p(-2 * away.abs())

    def entropy(self) -> Any:
        return 1 + rl.log(2 * self.scale)
