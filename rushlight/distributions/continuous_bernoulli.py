"""The Bernoulli's weights as a density over the unit interval."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily
from .utils import (
    SuccessProbability,
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
    one_of_two,
)

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(SuccessProbability, ExponentialFamily):
    """C(probs) probs^x (1 - probs)^(1 - x) for x in [0, 1].

    Near probs = 1/2, between `lims`, where C is 0/0, series take its place.
    Source: Loaiza-Ganem and Cunningham, 2019, https://arxiv.org/abs/1907.06845

    >>> import rushlight as torch
    >>> torch.distributions.ContinuousBernoulli(torch.tensor([0.1, 0.5])).mean
    tensor([0.3301, 0.5000])
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.unit_interval
    _mean_carrier_measure: Any = 0
    has_rsample = True

    def __init__(self, probs: Any = None, logits: Any = None,
                 lims: tuple[float, float] = (0.499, 0.501),
                 validate_args: bool | None = None) -> None:  # fmt: skip
        one_of_two(probs, logits)
        self._lims = lims
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
            if validate_args is not False and not constraints.unit_interval.check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        else:
            (self.logits,) = broadcast_all(logits)
        super().__init__(self._param.size(), validate_args=validate_args)

    @lazy_property
    def probs(self) -> Any:
        """The weights."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _by_region(self, exact: Any, series: Any) -> Any:
        """`exact(probs)` away from 1/2, else `series(probs - 1/2)`."""
        low, high = self._lims
        clear = (self.probs <= low) | (self.probs > high)
        safe = rl.where(clear, self.probs, low * rl.ones_like(self.probs))
        return rl.where(clear, exact(safe), series(self.probs - 0.5))

    def _log_constant(self) -> Any:
        return self._by_region(
            lambda p: ((rl.log1p(-p) - rl.log(p)) / (1.0 - 2.0 * p)).log(),
            lambda x: math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x.pow(2)) * x.pow(2),
        )

    @property
    def mean(self) -> Any:
        return self._by_region(
            lambda p: p / (2.0 * p - 1.0) + 1.0 / (rl.log1p(-p) - rl.log(p)),
            lambda x: 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x,
        )

    @property
    def variance(self) -> Any:
        return self._by_region(
            lambda p: (
                p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / (rl.log1p(-p) - rl.log(p)).pow(2)
            ),
            lambda x: 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x.pow(2)) * x.pow(2),
        )

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(rl.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        cross = rl.nn.functional.binary_cross_entropy_with_logits
        return -cross(logits, value, reduction="none") + self._log_constant()

    def cdf(self, value: Any) -> Any:
        self._checked(value)
        inside = self._by_region(
            lambda p: (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0),
            lambda x: value,
        )
        low, high = rl.zeros_like(inside), rl.ones_like(inside)
        return rl.where(value <= 0.0, low, rl.where(value >= 1.0, high, inside))

    def icdf(self, value: Any) -> Any:
        return self._by_region(
            lambda p: (
                (rl.log1p(-p + value * (2.0 * p - 1.0)) - rl.log1p(-p)) / (rl.log(p) - rl.log1p(-p))
            ),
            lambda x: value,
        )

    def entropy(self) -> Any:
        zero, one = rl.log1p(-self.probs), rl.log(self.probs)
        return self.mean * (zero - one) - self._log_constant() - zero

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Any:
        low, high = self._lims
        clear = (x <= math.log(low / (1 - low))) | (x > math.log(high / (1 - high)))
        safe = rl.where(clear, x, rl.full_like(x, math.log(low / (1 - low))))
        exact = ((rl.exp(safe) - 1) / safe).abs().log()
        return rl.where(clear, exact, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
