"""The Kumaraswamy distribution."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import EULER, broadcast_all

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """Density a b x^(a - 1) (1 - x^a)^(b - 1) on [0, 1].

    Args: concentration1, the a, and concentration0, the b, above 0; validate_args, whether
    arguments and values are checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for concentrations that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#kumaraswamy

    >>> import rushlight as torch
    >>> torch.distributions.Kumaraswamy(torch.tensor(1.0), torch.tensor(1.0)).mean
    tensor(0.5000)
    """

    arg_constraints: Any = {
        "concentration1": constraints.positive, "concentration0": constraints.positive
    }  # fmt: skip
    support: Any = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        zero, one = (rl.full_like(self.concentration0, bound) for bound in (0, 1))
        base = Uniform(zero, one, validate_args=validate_args)
        super().__init__(base, self._steps(), validate_args=validate_args)

    def _steps(self) -> list[Any]:
        below = PowerTransform(self.concentration0.reciprocal())
        above = PowerTransform(self.concentration1.reciprocal())
        return [below, AffineTransform(loc=1.0, scale=-1.0), above]

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.transforms = new._steps()
        return new

    def _moment(self, n: int) -> Any:
        b, shift = self.concentration0, 1 + n / self.concentration1
        return rl.exp(b.log() + rl.lgamma(shift) + rl.lgamma(b) - rl.lgamma(shift + b))

    mean = property(lambda self: self._moment(1))
    variance = property(lambda self: self._moment(2) - self._moment(1).pow(2))

    @property
    def mode(self) -> Any:
        a, b = self.concentration1, self.concentration0
        log_mode = a.reciprocal() * (-b).log1p() - (-a * b).log1p()
        return rl.where((a < 1) | (b < 1), rl.nan, log_mode.exp())

    def entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        harmonic = rl.digamma(b + 1) + EULER
        return 1 - b.reciprocal() + (1 - a.reciprocal()) * harmonic - rl.log(a) - rl.log(b)
