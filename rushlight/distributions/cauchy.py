"""The Cauchy distribution, which has no mean."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """Density 1 / (pi scale (1 + ((x - loc) / scale)^2)).

    Args: loc, the median; scale, half the width at half height, above 0; validate_args, whether
    arguments and values are checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for a scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#cauchy

    >>> import rushlight as torch
    >>> cauchy = torch.distributions.Cauchy(torch.tensor(0.0), torch.tensor(1.0))
    >>> cauchy.log_prob(torch.tensor(0.0)).exp() * torch.pi
    tensor(1.0000)
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.size(), validate_args=validate_args)

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Any:
        return rl.full(self._extended_shape(), rl.nan, dtype=self.loc.dtype)

    @property
    def variance(self) -> Any:
        return rl.full(self._extended_shape(), rl.inf, dtype=self.loc.dtype)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = rl.empty(self._extended_shape(sample_shape), dtype=self.loc.dtype).cauchy_()
        return self.loc + noise * self.scale

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        tail = ((value - self.loc) / self.scale) ** 2
        return -math.log(math.pi) - self.scale.log() - tail.log1p()

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        return rl.atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        return rl.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()
