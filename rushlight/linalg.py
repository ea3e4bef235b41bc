"""torch.linalg: linear algebra on (batches of) matrices.

Source: https://pytorch.org/docs/stable/linalg.html
"""

from .core.gates import publish_all as _publish_all
from .functions.examples import attach_all as _attach_all
from .functions.factorizations import (
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lstsq,
    lu,
    lu_factor,
    lu_factor_ex,
    lu_solve,
    matrix_rank,
    pinv,
    qr,
    svd,
    svdvals,
)
from .functions.householder import householder_product
from .functions.indefinite import ldl_factor, ldl_factor_ex, ldl_solve
from .functions.linear_algebra import (
    LinAlgError,
    cholesky,
    cholesky_ex,
    det,
    inv,
    inv_ex,
    matrix_exp,
    matrix_power,
    multi_dot,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from .functions.matrix_norms import cond, matrix_norm, norm, vecdot, vector_norm
from .functions.matrix_norms import linalg_cross as cross
from .functions.matrix_norms import linalg_diagonal as diagonal
from .functions.matrix_norms import linalg_vander as vander
from .functions.products import matmul

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
    "eigvals", "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex",
    "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex",
    "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot",
    "vector_norm",
]  # fmt: skip

_attach_all("linalg.", globals())
_publish_all(globals(), __all__)
