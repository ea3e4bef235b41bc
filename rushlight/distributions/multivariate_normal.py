"""Normal vectors with correlated entries."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal

__all__ = ["MultivariateNormal"]


def matrix_vector(matrix: Any, vector: Any) -> Any:
    """A product for each batch entry."""
    return rl.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def mahalanobis(tril: Any, x: Any) -> Any:
    """|L^-1 x|^2, batches broadcast together."""
    n = x.size(-1)
    batch = rl.broadcast_shapes(tril.shape[:-2], x.shape[:-1])
    factor, column = tril.expand(batch + (n, n)), x.expand(batch + (n,)).unsqueeze(-1)
    return rl.linalg.solve_triangular(factor, column, upper=False).pow(2).sum((-2, -1))


def half_log_det(tril: Any) -> Any:
    """The sum of the logarithms of the diagonal."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def precision_to_scale_tril(precision: Any) -> Any:
    """The Cholesky factor of the inverse."""
    flipped = rl.linalg.cholesky(rl.flip(precision, (-2, -1)))
    inverse = rl.flip(flipped, (-2, -1)).mT
    eye = rl.eye(precision.shape[-1], dtype=precision.dtype)
    return rl.linalg.solve_triangular(inverse, eye.expand(inverse.shape), upper=False)


# As programs import them.
_batch_mv, _batch_mahalanobis = matrix_vector, mahalanobis
_precision_to_scale_tril = precision_to_scale_tril


def only_matrix(error: type[Exception], **matrices: Any) -> tuple[str, Any]:
    """The one matrix that was given, with its name; the error where it is not one."""
    given = {name: matrix for name, matrix in matrices.items() if matrix is not None}
    if len(given) != 1:
        raise error(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    ((name, matrix),) = given.items()
    return name, matrix


class CovarianceFactor:
    """A distribution that keeps its covariance as a Cholesky factor; the other forms follow."""

    _unbroadcasted_scale_tril: Any  # without the dimensions that only other parameters have

    def _keep_factor(self, name: str, matrix: Any) -> None:
        """Keep the factor of the matrix that was given under this name."""
        if name == "covariance_matrix":
            matrix = rl.linalg.cholesky(matrix)
        elif name == "precision_matrix":
            matrix = precision_to_scale_tril(matrix)
        self._unbroadcasted_scale_tril = matrix

    def _spread(self, matrix: Any) -> Any:
        """A matrix for every element of the batch."""
        raise NotImplementedError  # where the batch ends, the distribution knows

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance."""
        return self._spread(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        tril = self._unbroadcasted_scale_tril
        return self._spread(rl.matmul(tril, tril.mT))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return self._spread(rl.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(CovarianceFactor, Distribution):
    """A normal vector: mean `loc`, and its covariance, its precision or a Cholesky factor.

    Shapes: loc (..., n), the matrix (..., n, n).
    Raises: ValueError for none or several of them, or one that is not positive definite.
    Source: https://docs.pytorch.org/docs/stable/distributions.html#multivariatenormal

    >>> import rushlight as torch
    >>> torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)).entropy()
    tensor(2.8379)
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector, "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite, "scale_tril": constraints.lower_cholesky,
    }  # fmt: skip
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None,
                 scale_tril: Any = None, validate_args: bool | None = None) -> None:  # fmt: skip
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = only_matrix(
            ValueError, covariance_matrix=covariance_matrix, precision_matrix=precision_matrix,
            scale_tril=scale_tril,
        )  # fmt: skip
        if matrix.dim() < 2:
            said = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(
                f"{said} must be at least two-dimensional, with optional leading batch dimensions"
            )
        batch = rl.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand(batch + matrix.shape[-2:]))
        self.loc = loc.expand(batch + (-1,))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._keep_factor(name, matrix)

    def _spread(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

    mean = mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Any:
        spread = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return spread.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = standard_normal(self._extended_shape(sample_shape), self.loc.dtype)
        return self.loc + matrix_vector(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Any) -> Any:
        self._checked(value)
        distance = mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        half = half_log_det(self._unbroadcasted_scale_tril)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half

    def entropy(self) -> Any:
        half = half_log_det(self._unbroadcasted_scale_tril)
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half
        return entropy if not self._batch_shape else entropy.expand(self._batch_shape)
