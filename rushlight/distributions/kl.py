"""Kullback-Leibler divergences: the registry, and those between distributions of one family."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import EULER, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Any]
_KL_REGISTRY: dict[tuple[type, type], Formula] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """Enter the formula of a pair of classes (and of their subclasses); a decorator.

    >>> import rushlight as torch
    >>> class Point(torch.distributions.Normal):
    ...     pass
    >>> @torch.distributions.register_kl(Point, Point)
    ... def between_points(p, q):
    ...     return torch.tensor(7.0)
    >>> torch.distributions.kl_divergence(Point(0.0, 1.0), Point(0.0, 1.0))
    tensor(7.)
    """
    if not isinstance(type_p, type) and issubclass(type_p, Distribution):
        raise TypeError(f"Expected type_p to be a Distribution subclass but got {type_p}")
    if not isinstance(type_q, type) and issubclass(type_q, Distribution):
        raise TypeError(f"Expected type_q to be a Distribution subclass but got {type_q}")

    def enter(formula: Formula) -> Formula:
        _KL_REGISTRY[type_p, type_q] = formula
        _formula.cache_clear()
        return formula

    return enter


@functools.lru_cache(maxsize=512)
def _formula(type_p: type, type_q: type) -> Formula | None:
    """The entry whose classes are nearest above the two."""

    def distance(pair: tuple[type, type]) -> tuple[int, int]:
        return type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])

    fits = [
        pair for pair in _KL_REGISTRY if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])
    ]  # fmt: skip
    return _KL_REGISTRY[min(fits, key=distance)] if fits else None


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """The mean of log p(x) - log q(x) over draws from p, a tensor of the batch shape.

    Raises NotImplementedError where no formula is known.
    Source: https://pytorch.org/docs/stable/distributions.html#module-torch.distributions.kl

    >>> import rushlight as torch
    >>> d = torch.distributions
    >>> d.kl_divergence(d.Normal(0.0, 1.0), d.Normal(1.0, 1.0))
    tensor(0.5000)
    """
    formula = _formula(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            "No KL(p || q) is implemented for p type"
            f" {p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return formula(p, q)


def _same(kind: type) -> Callable[[Formula], Formula]:
    return register_kl(kind, kind)


def infinite_like(tensor: Any) -> Any:
    """inf of that shape."""
    return rl.full_like(tensor, rl.inf)


@_same(Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    softplus = rl.nn.functional.softplus
    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    yes = rl.where(p.probs == 0, 0.0, rl.where(q.probs == 0, rl.inf, yes))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    return yes + rl.where(p.probs == 1, 0.0, rl.where(q.probs == 1, rl.inf, no))


@_same(Beta)
def _beta(p: Any, q: Any) -> Any:
    p_sum, q_sum = (d.concentration1 + d.concentration0 for d in (p, q))
    result = rl.lgamma(p_sum) - rl.lgamma(q_sum)
    for name in ("concentration1", "concentration0"):
        a, b = getattr(p, name), getattr(q, name)
        result = result + rl.lgamma(b) - rl.lgamma(a) + (a - b) * rl.digamma(a)
    return result + (q_sum - p_sum) * rl.digamma(p_sum)


@_same(Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    failures = (-p.probs).log1p() - (-q.probs).log1p()
    result = p.total_count * (p.probs * (p.logits - q.logits) + failures)
    return rl.where(p.total_count > q.total_count, rl.inf, result)


@_same(Categorical)
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    terms = rl.where((q.probs == 0).expand_as(terms), rl.inf, terms)
    return rl.where((p.probs == 0).expand_as(terms), 0.0, terms).sum(-1)


@_same(OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@_same(Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    volume = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return volume + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@_same(Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@_same(ExponentialFamily)
def _bregman(p: Any, q: Any) -> Any:
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot"
            "                             be computed using Bregman divergences"
        )
    params = [x.detach().requires_grad_() for x in p._natural_params]
    others = q._natural_params
    normalizer = p._log_normalizer(*params)
    slopes = rl.autograd.grad(normalizer.sum(), params, create_graph=True)
    result = q._log_normalizer(*others) - normalizer
    for mine, other, slope in zip(params, others, slopes):
        result = result - sum_rightmost((other - mine) * slope, len(q.event_shape))
    return result


@_same(Gamma)
def _gamma(p: Any, q: Any) -> Any:
    volume = q.concentration * (p.rate / q.rate).log()
    volume = volume + rl.lgamma(q.concentration) - rl.lgamma(p.concentration)
    shape = (p.concentration - q.concentration) * rl.digamma(p.concentration)
    return volume + shape + (q.rate - p.rate) * (p.concentration / p.rate)


@_same(Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, q.loc / q.scale
    shift = p.loc / q.scale
    volume = -ratio.log() + shift - away
    return volume + ratio * EULER + rl.exp(away + (1 + ratio).lgamma() - shift) - (1 + EULER)


@_same(Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - rl.log1p(-q.probs) / p.probs - q.logits


@_same(HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@_same(Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + away / q.scale + ratio * rl.exp(-away / p.scale) - 1


@_same(MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with"
            "                          different event shapes cannot be computed"
        )
    mine, other, n = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril, p.event_shape[0]
    batch = rl.broadcast_shapes(mine.shape[:-2], other.shape[:-2])
    factor, right = (tril.expand(batch + (n, n)) for tril in (other, mine))
    trace = rl.linalg.solve_triangular(factor, right, upper=False).pow(2).sum((-2, -1))
    volume = half_log_det(other) - half_log_det(mine)
    return volume + 0.5 * (trace + mahalanobis(other, q.loc - p.loc) - n)


@_same(Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@_same(Pareto)
def _pareto(p: Any, q: Any) -> Any:
    ratio = p.scale / q.scale
    shape = q.alpha / p.alpha
    result = q.alpha * ratio.log() - shape.log() + shape - 1
    return rl.where(p.support.lower_bound < q.support.lower_bound, rl.inf, result)


@_same(Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@_same(TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@_same(Uniform)
def _uniform(p: Any, q: Any) -> Any:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return rl.where((q.low > p.low) | (q.high < p.high), rl.inf, result)


@_same(Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@_same(Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    spread = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return spread - (4 * p.scale * q.scale).log()


def _root(p: Any) -> Any:
    """A matrix whose product with its transpose is the covariance."""
    if isinstance(p, MultivariateNormal):
        return p._unbroadcasted_scale_tril
    factor, each = p._unbroadcasted_cov_factor, rl.diag_embed(p._unbroadcasted_cov_diag.sqrt())
    batch = rl.broadcast_shapes(factor.shape[:-2], each.shape[:-2])
    return rl.cat([part.expand(batch + part.shape[-2:]) for part in (factor, each)], -1)


def _solved(tril: Any, right: Any) -> Any:
    """The sum of squares of tril^-1 right, batches broadcast together."""
    batch = rl.broadcast_shapes(tril.shape[:-2], right.shape[:-2])
    tril, right = (part.expand(batch + part.shape[-2:]) for part in (tril, right))
    return rl.linalg.solve_triangular(tril, right, upper=False).pow(2).sum((-2, -1))


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _low_rank_normal(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes"
            " cannot be computed"
        )
    root, apart = _root(p), p.loc - q.loc
    if isinstance(q, MultivariateNormal):
        tril = q._unbroadcasted_scale_tril
        trace, distance = _solved(tril, root), mahalanobis(tril, apart)
    else:
        diag = q._unbroadcasted_cov_diag
        weighted = rl.matmul(q._unbroadcasted_cov_factor.mT / diag.unsqueeze(-2), root)
        trace = (root.pow(2).sum(-1) / diag).sum(-1) - _solved(q._capacitance_tril, weighted)
        distance = q._distance(apart)
    volume = [
        2 * half_log_det(one._unbroadcasted_scale_tril)
        if isinstance(one, MultivariateNormal)
        else one._log_det()
        for one in (p, q)
    ]
    return 0.5 * (volume[1] - volume[0] + trace + distance - p.event_shape[0])
