"""Sums of squared normal numbers."""

from __future__ import annotations

from typing import Any

from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of df squared standard normal numbers: Gamma(df / 2, 1 / 2).

    Args: df, degrees of freedom, above 0; validate_args, whether arguments and values are checked
    (default: they are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for a df that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#chi2

    >>> import rushlight as torch
    >>> chi2 = torch.distributions.Chi2(torch.tensor(3.0))
    >>> chi2.mean, chi2.variance
    (tensor(3.), tensor(6.))
    """

    arg_constraints: Any = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    df = property(lambda self: self.concentration * 2)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.concentration = self.concentration.expand(new._batch_shape)
        new.rate = self.rate.expand(new._batch_shape)
        return new
