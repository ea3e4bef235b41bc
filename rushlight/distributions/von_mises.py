"""Random angles around a direction."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles with density exp(k cos(x - loc)) / (2 pi I0(k)), k being `concentration`.

    Samples by rejection from a wrapped Cauchy distribution (Best and Fisher, 1979), in float64.
    Source: https://docs.pytorch.org/docs/stable/distributions.html

    >>> import rushlight as torch
    >>> d = torch.distributions.VonMises(torch.tensor(0.0), torch.tensor(2.0))
    >>> d.log_prob(torch.tensor(0.0))
    tensor(-0.6619)
    """

    arg_constraints: Any = {"loc": constraints.real, "concentration": constraints.positive}
    support: Any = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = mode = property(lambda self: self.loc)

    @lazy_property
    def variance(self) -> Any:
        """1 - I1(k) / I0(k), the circular variance."""
        return 1 - rl.special.i1e(self.concentration) / rl.special.i0e(self.concentration)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        k = self.concentration
        log_bessel = rl.special.i0e(k).log() + k  # i0e is I0 times exp(-k)
        return k * rl.cos(value - self.loc) - math.log(2 * math.pi) - log_bessel

    def sample(self, sample_shape: Any = ()) -> Any:
        with rl.no_grad():
            loc, k = self.loc.double(), self.concentration.double()
            tau = 1 + (1 + 4 * k**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * k)
            r = rl.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))
            x = rl.empty(self._extended_shape(sample_shape), dtype=loc.dtype)
            return _rejection(loc, k, r, x).to(self.loc.dtype)


def _rejection(loc: Any, k: Any, r: Any, x: Any) -> Any:
    """Fill `x` with angles: all are drawn again until each was accepted once or more."""
    done = rl.zeros(x.shape, dtype=rl.bool)
    while not done.all():
        first, second, third = rl.rand((3, *x.shape), dtype=loc.dtype).unbind()
        z = rl.cos(math.pi * first)
        f = (1 + r * z) / (r + z)
        c = k * (r - f)
        accept = ((c * (2 - c) - second) > 0) | ((c / second).log() + 1 - c >= 0)
        x = rl.where(accept, (third - 0.5).sign() * f.acos(), x)
        done = done | accept
    return (x + math.pi + loc) % (2 * math.pi) - math.pi
