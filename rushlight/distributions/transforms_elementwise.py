"""Transforms of single numbers."""

from __future__ import annotations

import math
from numbers import Number
from typing import Any

import rushlight as rl

from . import constraints
from .transform import Transform
from .utils import lazy_property, sum_rightmost

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform",
    "PowerTransform", "SigmoidTransform", "SoftplusTransform", "TanhTransform",
]  # fmt: skip


class _Plain(Transform):
    """A transform without parameters: all of a kind are equal."""

    domain = constraints.real
    bijective = True
    sign: Any = 1

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class ExpTransform(_Plain):
    """y = e^x.

    >>> import rushlight as torch
    >>> exp = torch.distributions.ExpTransform()
    >>> x = torch.tensor([0.0, 2.0])
    >>> exp(x), exp.log_abs_det_jacobian(x, exp(x))
    (tensor([1.0000, 7.3891]), tensor([0., 2.]))
    """

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x


def _clipped_sigmoid(x: Any) -> Any:
    """The sigmoid, kept one rounding away from 0 and 1."""
    finfo = rl.finfo(x.dtype)
    return rl.clamp(rl.sigmoid(x), min=finfo.tiny, max=1.0 - finfo.eps)


class SigmoidTransform(_Plain):
    """y = 1 / (1 + e^-x).

    >>> import rushlight as torch
    >>> sigmoid = torch.distributions.SigmoidTransform()
    >>> sigmoid(torch.tensor([0.0])), sigmoid.inv(torch.tensor([0.5]))
    (tensor([0.5000]), tensor([0.]))
    """

    codomain = constraints.unit_interval

    def _call(self, x: Any) -> Any:
        return _clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        finfo = rl.finfo(y.dtype)
        y = y.clamp(min=finfo.tiny, max=1.0 - finfo.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -rl.nn.functional.softplus(-x) - rl.nn.functional.softplus(x)


class SoftplusTransform(_Plain):
    """y = log(1 + e^x).

    >>> import rushlight as torch
    >>> torch.distributions.SoftplusTransform()(torch.tensor([0.0]))
    tensor([0.6931])
    """

    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return rl.nn.functional.softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -rl.nn.functional.softplus(-x)


class TanhTransform(_Plain):
    """y = tanh x.

    >>> import rushlight as torch
    >>> torch.distributions.TanhTransform()(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return rl.atanh(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return 2.0 * (math.log(2.0) - x - rl.nn.functional.softplus(-2.0 * x))


class AbsTransform(Transform):
    """y = |x|.

    Not bijective: its inverse is the positive one, and there is no log-determinant.

    >>> import rushlight as torch
    >>> torch.distributions.AbsTransform()(torch.tensor([-2.0, 1.0]))
    tensor([2., 1.])
    """

    domain, codomain = constraints.real, constraints.positive

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AbsTransform)

    __hash__ = object.__hash__

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class PowerTransform(Transform):
    """y = x^exponent, for positive x.

    >>> import rushlight as torch
    >>> cube = torch.distributions.PowerTransform(torch.tensor(3.0))
    >>> cube(torch.tensor([2.0])), cube.inv(torch.tensor([8.0]))
    (tensor([8.]), tensor([2.]))
    """

    domain = codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.exponent = rl.as_tensor(exponent)

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size)

    @lazy_property
    def sign(self) -> Any:
        """The sign of the exponent."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool(self.exponent.eq(other.exponent).all())

    __hash__ = object.__hash__

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        return rl.broadcast_shapes(shape, self.exponent.shape)

    inverse_shape = forward_shape


class AffineTransform(Transform):
    """y = loc + scale x; `event_dim` is 0 for numbers, 1 for vectors, 2 for matrices.

    >>> import rushlight as torch
    >>> affine = torch.distributions.AffineTransform(loc=1.0, scale=2.0)
    >>> x = torch.tensor([0.0, 3.0])
    >>> affine(x), affine.log_abs_det_jacobian(x, affine(x))
    (tensor([1., 7.]), tensor([0.6931, 0.6931]))
    """

    bijective = True

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    event_dim = property(lambda self: self._event_dim)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self._event_dim, cache_size)

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Any:
        if self._event_dim == 0:
            return constraints.real
        return constraints.independent(constraints.real, self._event_dim)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        return self.domain

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AffineTransform):
            return False
        return _equal(self.loc, other.loc) and _equal(self.scale, other.scale)

    __hash__ = object.__hash__

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Number):
            value = float(self.scale)  # type: ignore[arg-type]  # a real one
            return (value > 0) - (value < 0)
        return self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if isinstance(self.scale, Number):
            slope = rl.full_like(x, math.log(abs(self.scale)))  # type: ignore[arg-type]  # a real one
        else:
            slope = rl.abs(self.scale).log()
        slope = sum_rightmost(slope, self._event_dim)
        return slope.expand(x.shape[: x.dim() - self._event_dim])

    def forward_shape(self, shape: Any) -> Any:
        return rl.broadcast_shapes(
            shape, getattr(self.loc, "shape", ()), getattr(self.scale, "shape", ())
        )

    inverse_shape = forward_shape


def _equal(a: Any, b: Any) -> bool:
    same = a == b
    return bool(same.all()) if isinstance(same, rl.Tensor) else bool(same)


class CumulativeDistributionTransform(Transform):
    """y = the probability of at most x under a distribution.

    >>> import rushlight as torch
    >>> t = torch.distributions
    >>> t.CumulativeDistributionTransform(t.Normal(0.0, 1.0))(torch.tensor([0.0, 1.96]))
    tensor([0.5000, 0.9750])
    """

    bijective = True
    codomain = constraints.unit_interval
    sign: Any = 1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size)
