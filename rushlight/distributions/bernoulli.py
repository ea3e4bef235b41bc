"""The distribution of a single yes or no."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .exp_family import ExponentialFamily
from .utils import SuccessProbability, broadcast_all

__all__ = ["Bernoulli"]


class Bernoulli(SuccessProbability, ExponentialFamily):
    """1 with probability p, else 0.

    Args: probs, the p, or logits, the log-odds log(p / (1 - p)): one of them; validate_args,
    whether arguments and values are checked (default: they are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for neither or both, or a p outside [0, 1].
    Source: https://docs.pytorch.org/docs/stable/distributions.html#bernoulli

    >>> import rushlight as torch
    >>> torch.distributions.Bernoulli(0.25).variance
    tensor(0.1875)
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @property
    def mode(self) -> Any:
        return rl.where(self.probs == 0.5, rl.nan, (self.probs >= 0.5).to(self.probs.dtype))

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            return rl.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        return -_cross_entropy(logits, value)

    def entropy(self) -> Any:
        return _cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Any:
        values = rl.arange(2, dtype=self._param.dtype).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return (rl.logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Any:
        return rl.log1p(rl.exp(x))


def _cross_entropy(logits: Any, target: Any) -> Any:
    cross = rl.nn.functional.binary_cross_entropy_with_logits
    return cross(logits, target, reduction="none").to(target.dtype)  # torch's type
