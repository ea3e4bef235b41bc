"""Kullback-Leibler divergences between distributions of different families."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import infinite_like, register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import EULER

LOG_2PI = math.log(2 * math.pi)
# Where p puts mass outside q's support the divergence is infinite.
for _p, _qs, _shape in (
    (Bernoulli, (), ""), (Beta, (Pareto,), "concentration1"),
    (ContinuousBernoulli, (Pareto,), "probs"),
    (Exponential, (Beta, ContinuousBernoulli, Pareto, Uniform), "rate"),
    (Gamma, (Beta, ContinuousBernoulli, Pareto, Uniform), "concentration"),
    (Gumbel, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform), "loc"),
    (Laplace, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform), "loc"),
    (Normal, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform), "loc"),
    (Pareto, (Beta, ContinuousBernoulli, Uniform), "scale"),
    (Poisson, (Bernoulli, Binomial), "rate"),
):  # fmt: skip
    for _q in _qs:
        register_kl(_p, _q)(lambda p, q, name=_shape: infinite_like(getattr(p, name)))


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Exponential)
def _beta_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


def _mean_log(p: Any) -> Any:
    """E[log x] under a beta distribution."""
    return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Any:
    volume = q.concentration.lgamma() - q.concentration * q.rate.log()
    return -p.entropy() + volume - (q.concentration - 1) * _mean_log(p) + q.rate * p.mean


def _to_normal(p: Any, q: Any) -> Any:
    """-H(p) - E[log q], which needs only p's mean and variance."""
    square = p.variance + (p.mean - q.loc).pow(2)
    return -p.entropy() + 0.5 * (LOG_2PI + square / q.scale.pow(2)) + q.scale.log()


for _p in (Beta, Exponential, Gamma, Gumbel, Laplace, Uniform):
    register_kl(_p, Normal)(_to_normal)


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Any:
    return rl.where(p.alpha <= 2, rl.inf, _to_normal(p, q))


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Any:
    result = -p.entropy() + (q.high - q.low).log()
    return rl.where((q.low > 0.0) | (q.high < 1.0), rl.inf, result)


def _log_of_steady(q: Any) -> Any:
    """The part of a continuous Bernoulli's log density that the value does not change."""
    return (-q.probs).log1p() + q._log_constant()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    return p.mean * (p.logits - q.logits) + _log_of_steady(p) - _log_of_steady(q)


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - _log_of_steady(q)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Any:
    result = _beta_continuous_bernoulli(p, q)
    return rl.where((p.high > 1) | (p.low < 0), rl.inf, result)


@register_kl(ContinuousBernoulli, Exponential)
def _continuous_bernoulli_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(ContinuousBernoulli, Normal)
def _continuous_bernoulli_normal(p: Any, q: Any) -> Any:
    volume = 0.5 * (LOG_2PI + (q.loc / q.scale).pow(2)) + q.scale.log()
    moments = p.variance + p.mean.pow(2) - 2.0 * q.loc * p.mean
    return -p.entropy() + volume + moments / (2.0 * q.scale.pow(2))


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: Any, q: Any) -> Any:
    result = -p.entropy() + (q.high - q.low).log()
    return rl.where((q.low > 0) | (q.high < 1), rl.inf, result)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    volume = -q.concentration * ratio.log() + ratio + q.concentration.lgamma()
    return volume + q.concentration * EULER - (1 + EULER)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Any, q: Any) -> Any:
    pull = p.rate * q.scale
    away = q.loc / q.scale
    return pull.log() - 1 + away.exp() * pull / (pull + 1) - away + pull.reciprocal()


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Any, q: Any) -> Any:
    pull = p.rate * q.scale
    away = q.loc / q.scale
    tail = away.exp() * (1 + pull.reciprocal()).pow(-p.concentration)
    return -p.entropy() + q.scale.log() + p.concentration / pull - away + tail


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Any:
    away = (p.loc - q.loc) / q.scale
    tail = rl.exp(-away + 0.5 * (p.scale / q.scale).pow(2))
    return -p.entropy() + q.scale.log() + away + tail


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    away = p.loc - q.loc
    steps = away / p.scale
    size = math.sqrt(2 / math.pi) * p.scale * rl.exp(-0.5 * steps.pow(2))
    size = size + away * rl.erf(math.sqrt(0.5) * steps)
    return -p.entropy() + (2 * q.scale).log() + size / q.scale


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Any:
    result = -p.entropy() - q.rate.log() + q.rate * p.mean
    return rl.where(p.alpha <= 1, rl.inf, result)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Any:
    log_mean = p.scale.log() + p.alpha.reciprocal()
    volume = q.concentration.lgamma() - q.concentration * q.rate.log()
    result = -p.entropy() + volume + (1 - q.concentration) * log_mean + q.rate * p.mean
    return rl.where(p.alpha <= 1, rl.inf, result)


def _x_log_x(x: Any) -> Any:
    return x * x.clamp(min=rl.finfo(x.dtype).tiny).log()


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    width = p.high - p.low
    low = (q.concentration1 - 1) * ((_x_log_x(p.high) - _x_log_x(p.low)) / width - 1)
    high = (q.concentration0 - 1) * ((_x_log_x(1 - p.high) - _x_log_x(1 - p.low)) / -width - 1)
    volume = q.concentration1.lgamma() + q.concentration0.lgamma()
    volume = volume - (q.concentration1 + q.concentration0).lgamma()
    outside = (p.high > 1) | (p.low < 0)
    return rl.where(outside, rl.inf, volume - width.log() - low - high)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Any:
    result = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return rl.where(p.low < 0, rl.inf, result)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Any:
    width = p.high - p.low
    log_mean = (_x_log_x(p.high) - _x_log_x(p.low)) / width - 1
    volume = q.concentration.lgamma() - q.concentration * q.rate.log() - width.log()
    result = volume + (1 - q.concentration) * log_mean + q.rate * (p.high + p.low) / 2
    return rl.where(p.low < 0, rl.inf, result)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Any, q: Any) -> Any:
    low, high = ((bound - q.loc) / q.scale for bound in (p.low, p.high))
    result = ((high - low) ** -1).log() + 0.5 * (high + low)
    return result - (rl.exp(-high) - rl.exp(-low)) / (high - low)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    width = p.high - p.low
    log_mean = (_x_log_x(p.high) - _x_log_x(p.low)) / width - 1
    volume = -(q.alpha * q.scale.pow(q.alpha) * width).log()
    result = volume + (q.alpha + 1) * log_mean
    return rl.where(p.low < q.scale, rl.inf, result)
