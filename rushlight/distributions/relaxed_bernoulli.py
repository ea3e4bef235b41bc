"""A smooth stand-in for a yes or no."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import SuccessProbability, broadcast_all, clamp_probs

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(SuccessProbability, Distribution):
    """(logits + logistic noise) / temperature (Maddison and others, 2017).

    >>> import rushlight as torch
    >>> from rushlight.distributions.relaxed_bernoulli import LogitRelaxedBernoulli
    >>> draw = LogitRelaxedBernoulli(torch.tensor(0.5), probs=torch.tensor([0.3, 0.9])).rsample()
    >>> draw.shape
    torch.Size([2])
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.real
    has_rsample = False

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self.temperature = temperature
        super().__init__(self._take(probs, logits), validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(rl.rand(shape, dtype=probs.dtype))
        noise = u.log() - (-u).log1p()
        return (noise + probs.log() - (-probs).log1p()) / self.temperature

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        away = logits - value.mul(self.temperature)
        return rl.as_tensor(self.temperature).log() + away - 2 * away.exp().log1p()


class RelaxedBernoulli(TransformedDistribution):
    """The sigmoid of `LogitRelaxedBernoulli`, in (0, 1).

    Arguments: `temperature`, near 0 for draws near 0 and 1; `probs` or their log-odds `logits`.
    Source: Maddison et al., 2017; Jang et al., 2017.

    >>> import rushlight as torch
    >>> x = torch.distributions.RelaxedBernoulli(torch.tensor(0.5), torch.tensor([0.3])).sample()
    >>> bool((0 < x) & (x < 1))
    True
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.unit_interval
    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    temperature = property(lambda self: self.base_dist.temperature)
    logits = property(lambda self: self.base_dist.logits)
    probs = property(lambda self: self.base_dist.probs)
