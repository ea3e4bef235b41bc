"""Mixtures of distributions of one family."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """One of the components, which are the last batch dimension, chosen by a Categorical.

    log p(x) = logsumexp over k of log w_k + log p_k(x). Raises: ValueError for weights of another
    kind or number.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#mixturesamefamily

    >>> import rushlight as torch
    >>> d = torch.distributions
    >>> halves = d.Categorical(torch.tensor([0.5, 0.5]))
    >>> d.MixtureSameFamily(halves, d.Normal(torch.tensor([-1.0, 3.0]), 1.0)).mean
    tensor(1.)
    """

    arg_constraints: Any = {}

    def __init__(self, mixture_distribution: Any, component_distribution: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an "
                " instance of torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution need to be an instance of"
                " torch.distributions.Distribution"
            )
        self._check_shapes()
        self._num_component = component_distribution.batch_shape[-1]
        event = component_distribution.event_shape
        self._event_ndims = len(event)
        super().__init__(component_distribution.batch_shape[:-1], event, validate_args)

    def _check_shapes(self) -> None:
        mixture = self._mixture_distribution.batch_shape
        component = self._component_distribution.batch_shape[:-1]
        for a, b in zip(reversed(mixture), reversed(component)):
            if a != 1 and b != 1 and a != b:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture}) is not compatible with"
                    f" `component_distribution.batch_shape`({component})"
                )
        several = self._mixture_distribution.logits.shape[-1]
        if several != self._component_distribution.batch_shape[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({several}) does not equal"
                " `component_distribution.batch_shape[-1]`"
                f" ({self._component_distribution.batch_shape[-1]})"
            )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        shape = new._batch_shape
        new._component_distribution = self._component_distribution.expand(
            shape + (self._num_component,)
        )
        new._mixture_distribution = self._mixture_distribution.expand(shape)
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)

    def _weights(self) -> Any:
        probs = self.mixture_distribution.probs
        return probs.reshape(probs.shape + (1,) * self._event_ndims)

    @property
    def mean(self) -> Any:
        dim = -1 - self._event_ndims
        return (self._weights() * self.component_distribution.mean).sum(dim)

    @property
    def variance(self) -> Any:
        weights, dim = self._weights(), -1 - self._event_ndims
        within = (weights * self.component_distribution.variance).sum(dim)
        away = (self.component_distribution.mean - self.mean.unsqueeze(dim)).pow(2.0)
        return within + (weights * away).sum(dim)

    def cdf(self, value: Any) -> Any:
        each = self.component_distribution.cdf(value.unsqueeze(-1 - self._event_ndims))
        return (each * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        each = self.component_distribution.log_prob(value.unsqueeze(-1 - self._event_ndims))
        weights = rl.log_softmax(self.mixture_distribution.logits, dim=-1)
        return rl.logsumexp(each + weights, dim=-1)

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            shape = rl.Size(sample_shape)
            dim = len(shape) + len(self._batch_shape)
            chosen = self.mixture_distribution.sample(shape)
            each = self.component_distribution.sample(shape)
            index = chosen.reshape(chosen.shape + (1,) * (self._event_ndims + 1))
            wanted = each.shape[:dim] + (1,) + self._event_shape
            return rl.gather(each, dim, index.expand(wanted)).squeeze(dim)

    def __repr__(self) -> str:
        inside = f"\n  {self.mixture_distribution},\n  {self.component_distribution}"
        return "MixtureSameFamily(" + inside + ")"
