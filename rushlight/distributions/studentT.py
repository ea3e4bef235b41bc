"""Student's t-distribution."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import broadcast_all, standard_normal

__all__ = ["StudentT"]


class StudentT(Distribution):
    """loc + scale z / sqrt(c / df), z normal and c from Chi2(df).

    Args: df, degrees of freedom, above 0; loc; scale, above 0; validate_args, whether arguments and
    values are checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for a df or scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#studentt

    >>> import rushlight as torch
    >>> torch.distributions.StudentT(torch.tensor(5.0)).variance
    tensor(1.6667)
    """

    arg_constraints: Any = {
        "df": constraints.positive, "loc": constraints.real, "scale": constraints.positive
    }  # fmt: skip
    support: Any = constraints.real
    has_rsample = True
    _inner = ("_chi2",)

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    mode = property(lambda self: self.loc)

    @property
    def mean(self) -> Any:
        return rl.where(self.df <= 1, rl.nan, self.loc)

    @property
    def variance(self) -> Any:
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        return rl.where(self.df > 2, finite, rl.where(self.df > 1, rl.inf, rl.nan))

    def rsample(self, sample_shape: Any = ()) -> Any:
        normal = standard_normal(self._extended_shape(sample_shape), self.df.dtype)
        y = normal * rl.rsqrt(self._chi2.rsample(sample_shape) / self.df)
        return self.loc + self.scale * y

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        y, df = (value - self.loc) / self.scale, self.df
        volume = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi)
        volume = volume + rl.lgamma(0.5 * df) - rl.lgamma(0.5 * (df + 1.0))
        return -0.5 * (df + 1.0) * rl.log1p(y**2.0 / df) - volume

    def entropy(self) -> Any:
        half, df = 0.5 * (self.df + 1), self.df
        beta = rl.lgamma(0.5 * df) + math.lgamma(0.5) - rl.lgamma(half)
        slope = half * (rl.digamma(half) - rl.digamma(0.5 * df))
        return self.scale.log() + slope + 0.5 * df.log() + beta
