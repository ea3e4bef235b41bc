"""Distributions whose density is exp(t(x) theta - F(theta) + k(x))."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Base of those distributions: entropy and divergence follow from F by differentiation.

    >>> import rushlight as torch
    >>> poisson = torch.distributions.Poisson(torch.tensor(2.0))
    >>> isinstance(poisson, torch.distributions.ExponentialFamily)
    True
    """

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Any:
        """F(theta) - theta F'(theta) - E[k(x)]."""
        result = -self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*params)
        slopes = rl.autograd.grad(normalizer.sum(), params, create_graph=True)
        result = result + normalizer
        for param, slope in zip(params, slopes):
            result = result - (param * slope).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
