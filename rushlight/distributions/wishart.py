"""Random scatter matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl

from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import CovarianceFactor, half_log_det, only_matrix

__all__ = ["Wishart"]
_LOG_2 = math.log(2)


class Wishart(CovarianceFactor, ExponentialFamily):
    """The law of sum_i x_i x_i^T over `df` normal vectors of the given covariance.

    One of covariance_matrix, precision_matrix and scale_tril, (..., n, n); df (...), above n - 1.
    Samples by Bartlett's decomposition.
    Source: https://en.wikipedia.org/wiki/Wishart_distribution

    >>> import rushlight as torch
    >>> torch.distributions.Wishart(torch.tensor(3.0), torch.eye(2)).mean.diagonal()
    tensor([3., 3.])
    """

    support: Any = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure: Any = 0
    _inner = ("_dist_chi2",)
    arg_constraints: Any = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }  # fmt: skip

    def __init__(self, df: Any, covariance_matrix: Any = None, precision_matrix: Any = None,
                 scale_tril: Any = None, validate_args: bool | None = None) -> None:  # fmt: skip
        name, matrix = only_matrix(
            AssertionError, covariance_matrix=covariance_matrix, precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )  # fmt: skip
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch"
                " dimensions"
            )
        df = df if isinstance(df, rl.Tensor) else rl.tensor(df, dtype=matrix.dtype)
        batch = rl.broadcast_shapes(matrix.shape[:-2], df.shape)
        size = matrix.shape[-1]
        self.df = df.expand(batch)
        _refuse_few(self.df, size)
        setattr(self, name, matrix.expand(batch + (-1, -1)))
        super().__init__(batch, matrix.shape[-2:], validate_args=validate_args)
        self._keep_factor(name, matrix)
        steps = rl.arange(size, dtype=matrix.dtype).expand(batch + (-1,))
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - steps)

    def _spread(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape)

    @property
    def mean(self) -> Any:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Any:
        factor = self.df - self._event_shape[-1] - 1
        factor = rl.where(factor <= 0, rl.full_like(factor, math.nan), factor)
        return factor[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Any:
        v = self.covariance_matrix
        spread = v.diagonal(dim1=-2, dim2=-1)
        return self.df[..., None, None] * (v.pow(2) + spread.unsqueeze(-1) * spread.unsqueeze(-2))

    def _bartlett(self, shape: Any) -> Any:
        n = self._event_shape[-1]
        lengths = self._dist_chi2.rsample(shape).sqrt()
        noise = lengths.clamp(min=rl.finfo(lengths.dtype).eps).diag_embed()
        i, j = rl.tril_indices(n, n, offset=-1)
        own = rl.Size(shape) + self._batch_shape + (n * (n - 1) // 2,)
        noise[..., i, j] = rl.randn(own, dtype=noise.dtype)
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.transpose(-2, -1)

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Any:
        """Draws; matrices are drawn again, up to `max_try_correction` times, until all are regular.

        torch's first check asks for those that are regular, and draws these again; so does this,
        for the same numbers.
        """
        shape = rl.Size(sample_shape)
        sample = self._bartlett(shape)
        again = self._of_batch(self.support.check(sample))
        if again.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if not again.any():
                break
            drawn = self._bartlett((int(again.sum()),))
            place = (again.reshape(-1).cumsum(0) - 1).clamp(min=0)
            spread = drawn[place].reshape(sample.shape)
            sample = rl.where(self._per_draw(again), spread, sample)
            again = again & self._of_batch(~self.support.check(sample))
        return sample

    def _of_batch(self, flags: Any) -> Any:
        return flags.flatten(-len(self._batch_shape)).any(-1) if self._batch_shape else flags

    def _per_draw(self, flags: Any) -> Any:
        own = len(self._batch_shape) + len(self._event_shape)
        return flags.reshape(flags.shape + (1,) * own)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        nu, p, tril = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        return (
            -nu * (p * _LOG_2 / 2 + half_log_det(tril))
            - rl.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * rl.linalg.slogdet(value).logabsdet
            - rl.cholesky_solve(value, tril).diagonal(dim1=-2, dim2=-1).sum(-1) / 2
        )

    def entropy(self) -> Any:
        nu, p = self.df, self._event_shape[-1]
        places = rl.arange(p, dtype=nu.dtype)
        digammas = rl.digamma((nu.unsqueeze(-1) - places) / 2).sum(-1)
        half = p * _LOG_2 / 2 + half_log_det(self._unbroadcasted_scale_tril)
        known = (p + 1) * half + rl.mvlgamma(nu / 2, p=p) + nu * p / 2
        return known - (nu - p - 1) / 2 * digammas

    @property
    def _natural_params(self) -> tuple[Any, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Any:
        p = self._event_shape[-1]
        shape = y + (p + 1) / 2
        return shape * (-rl.linalg.slogdet(-2 * x).logabsdet + _LOG_2 * p) + rl.mvlgamma(shape, p=p)


def _refuse_few(df: Any, size: int) -> None:
    if df.le(size - 1).any():
        raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {size - 1}.")
    if df.lt(size).any():
        warnings.warn(
            "Low df values detected. Singular samples are highly likely to occur for"
            " ndim - 1 < df < ndim.", stacklevel=3,
        )  # fmt: skip
