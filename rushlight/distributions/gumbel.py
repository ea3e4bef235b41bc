"""Largest values."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import EULER, broadcast_all

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """Density exp(-(z + e^-z)) / scale, z = (x - loc) / scale.

    Args: loc, the mode; scale, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for a scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#gumbel

    >>> import rushlight as torch
    >>> torch.distributions.Gumbel(torch.tensor(0.0), torch.tensor(1.0)).mean
    tensor(0.5772)
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        finfo = rl.finfo(self.loc.dtype)
        low, high = rl.full_like(self.loc, finfo.tiny), rl.full_like(self.loc, 1 - finfo.eps)
        base = Uniform(low, high, validate_args=validate_args)
        log = ExpTransform().inv
        steps = [log, AffineTransform(0, -rl.ones_like(self.scale)), log]
        steps.append(AffineTransform(self.loc, -self.scale))
        super().__init__(base, steps, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.transforms = self.transforms[:3] + [AffineTransform(new.loc, -new.scale)]
        return new

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    mean = property(lambda self: self.loc + self.scale * EULER)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: (math.pi / math.sqrt(6)) * self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def entropy(self) -> Any:
        return self.scale.log() + (1 + EULER)
