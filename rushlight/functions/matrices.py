"""The linear algebra that stands in the `torch` namespace itself."""

from .factorizations import lu_unpack, pinverse
from .factorizations import old_lu as lu
from .factorizations import old_lu_solve as lu_solve
from .factorizations import old_qr as qr
from .factorizations import old_svd as svd
from .householder import geqrf, ormqr
from .householder import householder_product as orgqr
from .linear_algebra import (
    cholesky_inverse,
    cholesky_solve,
    det,
    inverse,
    logdet,
    matrix_exp,
    matrix_power,
    triangular_solve,
)
from .linear_algebra import old_cholesky as cholesky
from .linear_algebra import old_slogdet as slogdet
from .matrix_norms import cdist, cross

__all__ = [
    "cdist", "cholesky", "cholesky_inverse", "cholesky_solve", "cross", "det", "geqrf", "inverse",
    "logdet", "lu", "lu_solve", "lu_unpack", "matrix_exp", "matrix_power", "orgqr", "ormqr",
    "pinverse", "qr", "slogdet", "svd", "triangular_solve",
]  # fmt: skip
