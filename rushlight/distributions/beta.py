"""Random probabilities of success."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import constraints
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Beta"]


class Beta(ExponentialFamily):
    """Density proportional to x^(a - 1) (1 - x)^(b - 1) on [0, 1].

    Args: concentration1, the a, and concentration0, the b, above 0; validate_args, whether
    arguments and values are checked (default: they are).
    Shapes: the arguments broadcast together, to one distribution for each element.
    Raises: ValueError for concentrations that are not positive.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#beta

    >>> import rushlight as torch
    >>> beta = torch.distributions.Beta(torch.tensor(2.0), torch.tensor(3.0))
    >>> beta.mean, beta.variance
    (tensor(0.4000), tensor(0.0400))
    """

    arg_constraints: Any = {
        "concentration1": constraints.positive, "concentration0": constraints.positive
    }  # fmt: skip
    support: Any = constraints.unit_interval
    has_rsample = True
    _inner = ("_dirichlet",)

    def __init__(self, concentration1: Any, concentration0: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        both = rl.stack(broadcast_all(*map(_float, (concentration1, concentration0))), -1)
        self._dirichlet = Dirichlet(both, validate_args=validate_args)
        super().__init__(self._dirichlet._batch_shape, validate_args=validate_args)

    concentration1 = property(lambda self: self._dirichlet.concentration[..., 0])
    concentration0 = property(lambda self: self._dirichlet.concentration[..., 1])
    mode = property(lambda self: self._dirichlet.mode[..., 0])

    @property
    def mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Any:
        a, b = self.concentration1, self.concentration0
        return a * b / ((a + b).pow(2) * (a + b + 1))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        return self._dirichlet.log_prob(rl.stack([value, 1.0 - value], -1))

    def entropy(self) -> Any:
        return self._dirichlet.entropy()

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return rl.lgamma(x) + rl.lgamma(y) - rl.lgamma(x + y)


def _float(value: Any) -> Any:
    return value if isinstance(value, rl.Tensor) else float(value)
