"""The Weibull distribution."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .utils import EULER, broadcast_all

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """scale e^(1 / concentration), e from Exponential(1).

    Args: scale and concentration, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for arguments that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#weibull

    >>> import rushlight as torch
    >>> torch.distributions.Weibull(torch.tensor(2.0), torch.tensor(1.0)).mean
    tensor(2.)
    """

    arg_constraints: Any = {
        "scale": constraints.positive, "concentration": constraints.positive
    }  # fmt: skip
    support: Any = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(rl.ones_like(self.scale), validate_args=validate_args)
        super().__init__(base, self._steps(), validate_args=validate_args)

    @property
    def concentration_reciprocal(self) -> Any:
        """1 / concentration."""
        return self.concentration.reciprocal()

    def _steps(self) -> list[Any]:
        power = PowerTransform(exponent=self.concentration_reciprocal)
        return [power, AffineTransform(loc=0, scale=self.scale)]

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.transforms = new._steps()
        return new

    def _moment(self, order: int) -> Any:
        return rl.exp(rl.lgamma(1 + order * self.concentration_reciprocal))

    mean = property(lambda self: self.scale * self._moment(1))

    @property
    def mode(self) -> Any:
        k = self.concentration
        return self.scale * ((k - 1) / k) ** k.reciprocal()

    @property
    def variance(self) -> Any:
        return self.scale.pow(2) * (self._moment(2) - self._moment(1) ** 2)

    def entropy(self) -> Any:
        inverse = self.concentration_reciprocal
        return EULER * (1 - inverse) + rl.log(self.scale * inverse) + 1
