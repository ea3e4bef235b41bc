"""Random probabilities from normal numbers."""

from __future__ import annotations

from typing import Any

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import StickBreakingTransform

__all__ = ["LogisticNormal"]


class LogisticNormal(TransformedDistribution):
    """The stick-breaking transform of a normal vector.

    Shapes: loc and scale (..., K - 1), samples (..., K) that sum to 1.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#logisticnormal

    >>> import rushlight as torch
    >>> normal = torch.distributions.LogisticNormal(torch.zeros(2), torch.ones(2))
    >>> normal.sample().shape, normal.sample().sum().round()
    (torch.Size([3]), tensor(1.))
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    loc = property(lambda self: self.base_dist.base_dist.loc)
    scale = property(lambda self: self.base_dist.base_dist.scale)
