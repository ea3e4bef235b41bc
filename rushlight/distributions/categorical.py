"""The distribution over the numbers 0 to K - 1."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import ProbabilityOrLogits, one_of_two

__all__ = ["Categorical"]


class Categorical(ProbabilityOrLogits, Distribution):
    """k with probability p_k, from 0 on.

    Args: probs, weights that are divided by their sum, or logits, of which softmax is taken: one of
    them; validate_args, whether arguments and values are checked (default: they are).
    Shapes: (..., K) gives a batch (...) of distributions over 0 .. K - 1.
    Raises: ValueError for neither or both, or negative weights.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#categorical

    >>> import rushlight as torch
    >>> torch.distributions.Categorical(torch.tensor([1.0, 3.0])).probs
    tensor([0.2500, 0.7500])
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        one_of_two(probs, logits)
        if probs is not None:
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            if logits.dim() < 1:
                raise ValueError("`logits` parameter must be at least one-dimensional.")
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        self._num_events = self._param.size()[-1]
        super().__init__(self._param.size()[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Any:
        return rl.full(self._extended_shape(), rl.nan, dtype=self.probs.dtype)

    variance = property(lambda self: self.mean)
    mode = property(lambda self: self.probs.argmax(dim=-1))

    def sample(self, sample_shape: Any = ()) -> Any:
        sample_shape = rl.Size(sample_shape)
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = rl.multinomial(rows, sample_shape.numel(), True).T
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        value, logits = rl.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Any:
        logits = rl.clamp(self.logits, min=rl.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        values = rl.arange(self._num_events).view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values
