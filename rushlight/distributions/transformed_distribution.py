"""Distributions of transformed samples."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transform import ComposeTransform, Transform
from .utils import sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of f(x), x drawn from `base_distribution` and f the transforms in turn.

    log p(y) = log p(x) - log |det dy/dx|, x the inverse of y. Raises: ValueError for what is no
    transform. Source:
    https://docs.pytorch.org/docs/stable/distributions.html#transformeddistribution

    >>> import rushlight as torch
    >>> d = torch.distributions
    >>> d.TransformedDistribution(d.Normal(0.0, 1.0), [d.ExpTransform()]).support
    GreaterThan(lower_bound=0.0)
    """

    arg_constraints: Any = {}

    def __init__(self, base_distribution: Any, transforms: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.transforms = _listed(transforms)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        own = len(base_distribution.event_shape)
        f = ComposeTransform(self.transforms)
        if len(shape) < f.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {f.domain.event_dim},"
                f" but got {shape}."
            )
        there = f.forward_shape(shape)
        whole = f.inverse_shape(there)  # with the dimensions that only the transforms bring
        batch = whole[: len(whole) - own]
        if batch != base_distribution.batch_shape:  # else its parameters stay the leaves they are
            base_distribution = base_distribution.expand(batch)
        folded = f.domain.event_dim - own
        if folded > 0:
            base_distribution = Independent(base_distribution, folded)
        self.base_dist = base_distribution
        event_dim = f.codomain.event_dim + max(own - f.domain.event_dim, 0)
        cut = len(there) - event_dim
        super().__init__(there[:cut], there[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        f = ComposeTransform(self.transforms)
        shape = f.inverse_shape(new._batch_shape + self.event_shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return new

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        region, events = self.transforms[-1].codomain, len(self.event_shape)
        if events > region.event_dim:
            region = constraints.independent(region, events - region.event_dim)
        return region

    has_rsample = property(lambda self: self.base_dist.has_rsample)

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            x = self.base_dist.sample(sample_shape)
            for transform in self.transforms:
                x = transform(x)
            return x

    def rsample(self, sample_shape: Any = ()) -> Any:
        x = self.base_dist.rsample(sample_shape)
        for transform in self.transforms:
            x = transform(x)
        return x

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        event_dim, total, y = len(self.event_shape), 0.0, value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            slope = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(slope, event_dim - transform.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + sum_rightmost(base, event_dim - len(self.base_dist.event_shape))

    def _monotonize_cdf(self, value: Any) -> Any:
        """1 - value where the transforms fall."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        value = self.base_dist.icdf(self._monotonize_cdf(value))
        for transform in self.transforms:
            value = transform(value)
        return value


def _listed(transforms: Any) -> list[Any]:
    if isinstance(transforms, Transform):
        return [transforms]
    if not isinstance(transforms, list):
        raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
    if not all(isinstance(t, Transform) for t in transforms):
        raise ValueError("transforms must be a Transform or a list of Transforms")
    return transforms
