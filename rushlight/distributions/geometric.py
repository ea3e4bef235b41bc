"""Failures before the first success."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import SuccessProbability, broadcast_all

__all__ = ["Geometric"]


class Geometric(SuccessProbability, Distribution):
    """k failures before the first success with probability p (1 - p)^k.

    Args: probs, the p, or logits, the log-odds: one of them; validate_args, whether arguments and
    values are checked (default: they are).
    Shapes: one distribution for each element of the argument.
    Raises: ValueError for neither or both, or a p that is not in (0, 1].
    Source: https://docs.pytorch.org/docs/stable/distributions.html#geometric

    >>> import rushlight as torch
    >>> geometric = torch.distributions.Geometric(torch.tensor(0.25))
    >>> geometric.mean, geometric.log_prob(torch.tensor(1.0)).exp()
    (tensor(3.), tensor(0.1875))
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        super().__init__(self._take(probs, logits), validate_args=validate_args)
        if self._validate_args and probs is not None and not (self.probs > 0).all():
            value = self.probs
            raise ValueError(
                f"Expected parameter probs ({type(value).__name__} of shape {tuple(value.shape)})"
                f" of distribution {self!r} to be positive but found invalid values:\n"
                f"{value[~(value > 0)]}"
            )

    mean = property(lambda self: 1.0 / self.probs - 1.0)
    mode = property(lambda self: rl.zeros_like(self.probs))
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            u = rl.empty(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            u.uniform_(rl.finfo(u.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        value, probs = broadcast_all(value, self.probs)
        sure = (probs == 1) & (value == 0)
        return value * (-rl.where(sure, 0.0, probs)).log1p() + self.probs.log()

    def entropy(self) -> Any:
        cross = rl.nn.functional.binary_cross_entropy_with_logits
        return cross(self.logits, self.probs, reduction="none") / self.probs
