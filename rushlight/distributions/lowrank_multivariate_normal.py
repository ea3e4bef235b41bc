"""Normal vectors whose covariance is a diagonal and a few directions."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .multivariate_normal import half_log_det, mahalanobis, matrix_vector
from .utils import lazy_property, standard_normal

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """A normal vector with covariance W W^T + diag(D): W is `cov_factor`, D is `cov_diag`.

    Everything goes through the small matrix I + W^T D^-1 W (Woodbury's identity, the matrix
    determinant lemma). Shapes: loc (..., n), cov_factor (..., n, rank), cov_diag (..., n).
    Source: https://docs.pytorch.org/docs/stable/distributions.html

    >>> import rushlight as torch
    >>> d = torch.distributions.LowRankMultivariateNormal(
    ...     torch.zeros(2), torch.tensor([[1.0], [0.0]]), torch.ones(2))
    >>> d.variance
    tensor([2., 1.])
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, cov_factor: Any, cov_diag: Any,
                 validate_args: bool | None = None) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch"
                " dimensions"
            )
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        column, spread = loc.unsqueeze(-1), cov_diag.unsqueeze(-1)
        try:
            batch = rl.broadcast_shapes(column.shape[:-2], cov_factor.shape[:-2], spread.shape[:-2])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape},"
                f" cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc.expand(batch + event), cov_diag.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        small = rl.matmul(cov_factor.mT / cov_diag.unsqueeze(-2), cov_factor)
        eye = rl.eye(small.shape[-1], dtype=small.dtype)
        self._capacitance_tril = rl.linalg.cholesky(small + eye)
        super().__init__(batch, event, validate_args=validate_args)

    mean = mode = property(lambda self: self.loc)

    @lazy_property
    def variance(self) -> Any:
        """The diagonal of the covariance."""
        own = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return own.expand(self._batch_shape + self._event_shape)

    def _spread(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        eye = rl.eye(self._event_shape[0], dtype=scaled.dtype)
        return self._spread(root * rl.linalg.cholesky(rl.matmul(scaled, scaled.mT) + eye))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """W W^T + diag(D)."""
        factor = self._unbroadcasted_cov_factor
        low = rl.matmul(factor, factor.mT) + rl.diag_embed(self._unbroadcasted_cov_diag)
        return self._spread(low)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        diag = self._unbroadcasted_cov_diag
        weighted = self._unbroadcasted_cov_factor.mT / diag.unsqueeze(-2)
        half = rl.linalg.solve_triangular(self._capacitance_tril, weighted, upper=False)
        return self._spread(rl.diag_embed(diag.reciprocal()) - rl.matmul(half.mT, half))

    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        along = standard_normal(shape[:-1] + self.cov_factor.shape[-1:], self.loc.dtype)
        each = standard_normal(shape, self.loc.dtype)
        return (
            self.loc
            + matrix_vector(self._unbroadcasted_cov_factor, along)
            + self._unbroadcasted_cov_diag.sqrt() * each
        )

    def _distance(self, diff: Any) -> Any:
        """The squared Mahalanobis length of `diff`."""
        diag = self._unbroadcasted_cov_diag
        weighted = self._unbroadcasted_cov_factor.mT / diag.unsqueeze(-2)
        inside = mahalanobis(self._capacitance_tril, matrix_vector(weighted, diff))
        return (diff.pow(2) / diag).sum(-1) - inside

    def _log_det(self) -> Any:
        own = self._unbroadcasted_cov_diag.log().sum(-1)
        return 2 * half_log_det(self._capacitance_tril) + own

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        length = self._distance(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + length)

    def entropy(self) -> Any:
        entropy = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return entropy if not self._batch_shape else entropy.expand(self._batch_shape)
