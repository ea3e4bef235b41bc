"""How often each of K outcomes comes up in a number of trials."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """Counts of `total_count` draws from `Categorical(probs)`.

    Arguments: one number `total_count`; `probs` or their logarithms `logits` (..., K), normalised.
    Raises: ValueError for both or neither, NotImplementedError for several counts.
    Source: https://pytorch.org/docs/stable/distributions.html#multinomial

    >>> import rushlight as torch
    >>> torch.distributions.Multinomial(10, torch.ones(2)).sample().sum()
    tensor(10.)
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _inner = ("_categorical", "_binomial")

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(
            self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args
        )

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    logits = property(lambda self: self._categorical.logits)
    probs = property(lambda self: self._categorical.probs)
    param_shape = property(lambda self: self._categorical.param_shape)
    _param = property(lambda self: self._categorical._param)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Any:
        sample_shape = rl.Size(sample_shape)
        drawn = self._categorical.sample(rl.Size((self.total_count,)) + sample_shape).movedim(0, -1)
        counts = rl.zeros(self._extended_shape(sample_shape), dtype=drawn.dtype)
        return counts.scatter_add_(-1, drawn, rl.ones_like(drawn)).type_as(self.probs)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        ways = rl.lgamma(value.sum(-1) + 1) - rl.lgamma(value + 1).sum(-1)
        impossible = (value == 0) & (logits == -rl.inf)
        return ways + (rl.where(impossible, 0.0, logits) * value).sum(-1)

    def entropy(self) -> Any:
        n = rl.tensor(float(self.total_count), dtype=self.probs.dtype)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        weights = rl.exp(self._binomial.log_prob(counts)) * rl.lgamma(counts + 1)
        return n * self._categorical.entropy() - rl.lgamma(n + 1) + weights.sum((0, -1))
