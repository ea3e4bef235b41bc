"""One outcome of K, as a vector with a single one."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """The unit vector e_k with probability p_k.

    Args: probs, weights that are divided by their sum, or logits, of which softmax is taken: one of
    them; validate_args, whether arguments and values are checked (default: they are).
    Shapes: (..., K) gives a batch (...) of distributions over vectors of K elements.
    Raises: ValueError for neither or both, or negative weights.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#onehotcategorical

    >>> import rushlight as torch
    >>> one_hot = torch.distributions.OneHotCategorical(torch.tensor([0.0, 1.0, 0.0]))
    >>> one_hot.sample(), one_hot.mode
    (tensor([0., 1., 0.]), tensor([0., 1., 0.]))
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: Any = constraints.one_hot
    has_enumerate_support = True
    _inner = ("_categorical",)

    def __init__(self, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self._categorical = Categorical(probs, logits)
        super().__init__(
            self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args
        )

    _param = property(lambda self: self._categorical._param)
    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = property(lambda self: self._categorical.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    param_shape = property(lambda self: self._categorical.param_shape)

    @property
    def mode(self) -> Any:
        best = self.probs.argmax(dim=-1)
        return rl.nn.functional.one_hot(best, num_classes=self.probs.shape[-1]).to(self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        drawn = self._categorical.sample(sample_shape)
        return rl.nn.functional.one_hot(drawn, self._categorical._num_events).to(self.probs)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> Any:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = rl.eye(n, dtype=self._param.dtype).view(
            (n,) + (1,) * len(self._batch_shape) + (n,)
        )
        return values.expand((n,) + self._batch_shape + (n,)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same draws, whose gradient is that of the probabilities.

    Source: Bengio et al., 2013.

    >>> import rushlight as torch
    >>> p = torch.tensor([0.25, 0.75], requires_grad=True)
    >>> x = torch.distributions.OneHotCategoricalStraightThrough(p).rsample()
    >>> x.detach().sum(), x.requires_grad
    (tensor(1.), True)
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        drawn = self.sample(sample_shape)
        return drawn + (self.probs - self.probs.detach())
