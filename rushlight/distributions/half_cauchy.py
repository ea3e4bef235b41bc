"""Sizes of Cauchy numbers."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .cauchy import Cauchy
from .half_normal import Folded

__all__ = ["HalfCauchy"]


class HalfCauchy(Folded):
    """|x| with x from Cauchy(0, scale).

    Args: scale, above 0; validate_args, whether arguments and values are checked (default: they
    are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for a scale that is not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#halfcauchy

    >>> import rushlight as torch
    >>> torch.distributions.HalfCauchy(torch.tensor(1.0)).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    _base = Cauchy

    @property
    def mean(self) -> Any:
        return rl.full(self._extended_shape(), rl.inf, dtype=self.scale.dtype)

    variance = property(lambda self: self.base_dist.variance)
