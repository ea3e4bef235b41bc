"""Ratios of two chi-squared numbers."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """(a / df1) / (b / df2), a and b from Chi2(df1) and Chi2(df2).

    Args: df1 and df2, degrees of freedom, above 0; validate_args, whether arguments and values are
    checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for degrees that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#fishersnedecor

    >>> import rushlight as torch
    >>> torch.distributions.FisherSnedecor(torch.tensor(3.0), torch.tensor(4.0)).mean
    tensor(2.)
    """

    arg_constraints: Any = {"df1": constraints.positive, "df2": constraints.positive}
    support: Any = constraints.positive
    has_rsample = True
    _inner = ("_gamma1", "_gamma2")

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2)
        super().__init__(self.df1.size(), validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return rl.where(self.df2 <= 2, rl.nan, self.df2 / (self.df2 - 2))

    @property
    def mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return rl.where(self.df1 <= 2, rl.nan, mode)

    @property
    def variance(self) -> Any:
        a, b = self.df1, self.df2
        spread = 2 * b.pow(2) * (a + b - 2) / (a * (b - 2).pow(2) * (b - 4))
        return rl.where(b <= 4, rl.nan, spread)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        above = self._gamma1.rsample(sample_shape).view(shape)
        below = self._gamma2.rsample(sample_shape).view(shape)
        return above / below.clamp(min=rl.finfo(below.dtype).tiny)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        a, b = self.df1 * 0.5, self.df2 * 0.5
        ratio = self.df1 / self.df2
        volume = (a + b).lgamma() - a.lgamma() - b.lgamma()
        inner = a * ratio.log() + (a - 1) * value.log()
        return volume + inner - (a + b) * rl.log1p(ratio * value)
