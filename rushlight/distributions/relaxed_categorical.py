"""A smooth stand-in for one outcome of K."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .categorical import Categorical
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import ExpTransform
from .utils import broadcast_all, clamp_probs

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """log softmax of (logits + Gumbel noise) / temperature (Maddison and others, 2017).

    >>> import rushlight as torch
    >>> from rushlight.distributions.relaxed_categorical import ExpRelaxedCategorical
    >>> draw = ExpRelaxedCategorical(torch.tensor(0.5), probs=torch.tensor([0.2, 0.8])).rsample()
    >>> torch.isclose(draw.exp().sum(), torch.tensor(1.0))
    tensor(True)
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: Any = constraints.real_vector
    has_rsample = True
    _inner = ("_categorical",)

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(
            self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args
        )

    param_shape = property(lambda self: self._categorical.param_shape)
    logits = property(lambda self: self._categorical.logits)
    probs = property(lambda self: self._categorical.probs)

    def rsample(self, sample_shape: Any = ()) -> Any:
        uniform = clamp_probs(rl.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype))
        scores = (self.logits - (-uniform.log()).log()) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        n = self._categorical._num_events
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        volume = rl.lgamma(rl.tensor(float(n), dtype=value.dtype))
        volume = volume + (n - 1) * rl.as_tensor(self.temperature, dtype=value.dtype).log()
        score = logits - value.mul(self.temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + volume


class RelaxedOneHotCategorical(TransformedDistribution):
    """exp of `ExpRelaxedCategorical`: weights that sum to 1.

    Arguments: `temperature`, near 0 for draws near one-hot ones; `probs` or `logits` (..., K).
    Source: Maddison et al., 2017; Jang et al., 2017.

    >>> import rushlight as torch
    >>> p = torch.tensor([0.2, 0.8])
    >>> torch.distributions.RelaxedOneHotCategorical(torch.tensor(0.5), p).sample().sum().round()
    tensor(1.)
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support: Any = constraints.simplex
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    temperature = property(lambda self: self.base_dist.temperature)
    logits = property(lambda self: self.base_dist.logits)
    probs = property(lambda self: self.base_dist.probs)
