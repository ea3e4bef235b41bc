"""Successes before a number of failures."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import SuccessProbability, lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(SuccessProbability, Distribution):
    """Successes of probability p before `total_count` failures.

    Arguments: `probs` p or their log-odds `logits`. The mean is total_count p / (1 - p).
    Raises: ValueError for both or neither.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#negativebinomial

    >>> import rushlight as torch
    >>> torch.distributions.NegativeBinomial(3, torch.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints: Any = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0), "logits": constraints.real,
    }  # fmt: skip
    support: Any = constraints.nonnegative_integer

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        shape = self._take(probs, logits, total_count)
        super().__init__(shape, validate_args=validate_args)

    mean = property(lambda self: self.total_count * rl.exp(self.logits))
    variance = property(lambda self: self.mean / rl.sigmoid(-self.logits))

    @property
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @lazy_property
    def _gamma(self) -> Any:
        return Gamma(self.total_count, rl.exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            return rl.poisson(self._gamma.sample(sample_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new.__dict__.pop("_gamma", None)
        return new

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        n, log = self.total_count, rl.nn.functional.logsigmoid
        inner = n * log(-self.logits) + value * log(self.logits)
        volume = rl.lgamma(1.0 + value) + rl.lgamma(n) - rl.lgamma(n + value)
        return inner - rl.where(n + value == 0.0, 0.0, volume)
