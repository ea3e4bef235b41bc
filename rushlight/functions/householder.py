"""torch's functions of Householder reflections: QR as LAPACK leaves it, and the products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import not_implemented, scalar_type_name, whole
from ..core.tensor import Tensor, wrap
from ..ops import contract as c
from ..ops import factor_kernels
from ..ops import linalg as ops
from ..ops import linalg_factors as f
from ..ops import structure as s
from .linear_algebra import by_columns
from .matrix_checks import check, check_dims, check_type
from .reduction import put
from .results import named_result
from .underived import by_formula

Geqrf = named_result("geqrf", ("a", "tau"))


def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """QR as LAPACK leaves it: R above, Householder vectors below, and their factors.

    >>> import rushlight as torch
    >>> r, factors = torch.geqrf(torch.tensor([[3.0], [4.0]]))
    >>> r[0]
    tensor([-5.])
    """
    check_dims("geqrf", input)
    check_type("geqrf", input)
    packed, tau = factor_kernels.reflections(input._array)
    found = Geqrf(wrap(packed), wrap(tau))
    return put(by_formula("geqrf", "GeqrfBackward0", found, input), out)


def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *,
          out: Any = None) -> Tensor:  # fmt: skip
    """`other` multiplied by the square Q of Householder vectors, from one side or the other.

    >>> import rushlight as torch
    >>> a = torch.tensor([[3.0], [4.0]])
    >>> torch.ormqr(*torch.geqrf(a), a, transpose=True)
    tensor([[-5.],
            [ 0.]])
    """
    _check_ormqr(input, tau, other, left)
    m, n = input._array.shape[-2], tau._array.shape[-1]
    input = s.narrow(input, input._array.ndim - 1, 0, n)
    eye = np.zeros((*input._array.shape[:-2], m, m), input._array.dtype)
    dims = input._array.ndim
    padded = s.join((input, wrap(eye[..., : m - n])), dims - 1, (n, m - n)) if m > n else input
    q = householder_product(padded, tau)
    q = ops.adjoint(q) if transpose else q
    y = by_columns(c.matmul(q, other) if left else c.matmul(other, q))
    return put(whole(y, "OrmqrBackward0"), out)


def _check_ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool) -> None:
    shapes = a, t, b = [x._array.shape for x in (input, tau, other)]
    for name, shape in (("input", a), ("other", b)):
        if len(shape) < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    side = -2 if left else -1
    if b[side] != a[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if not t or t[-1] != min(b[side], a[-1]):
        raise RuntimeError(
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    for name, shape, wanted, words in (
        ("tau", t, len(a) - 1, "one dimension less than input"),
        ("other", b, len(a), "the same number of dimensions as input"),
    ):
        if len(shape) != wanted:
            raise RuntimeError(
                f"torch.ormqr: Expected {name} to have {words}, but got {name}.ndim equal to"
                f" {len(shape)} and input.ndim is equal to {len(shapes[0])}"
            )
    for name, x in (("tau", tau), ("other", other)):
        if x.dtype is not input.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has"
                f" dtype{scalar_type_name(input.dtype)} and {name} has dtype"
                f" {scalar_type_name(x.dtype)}"
            )
    if input.dtype.category < dtypes.FLOAT or input.dtype.itemsize == 2:
        raise not_implemented("ormqr_cpu", input.dtype)


def householder_product(A: Tensor, tau: Tensor, *, out: Any = None) -> Tensor:
    """The first columns of the product of Householder reflections (the columns of A).

    Shapes: A (*, m, n) with m >= n and tau (*, k) with n >= k to (*, m, n).
    Raises: RuntimeError for other shapes and for a `tau` of another type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.householder_product.html

    >>> import rushlight as torch
    >>> torch.linalg.householder_product(torch.zeros(3, 2), torch.zeros(2)).diagonal()
    tensor([1., 1.])
    """
    check("torch.linalg.householder_product", A)
    m, n = A._array.shape[-2:]
    k = tau._array.shape[-1]
    if m < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than"
                           " or equal to input.shape[-1]")  # fmt: skip
    if n < k:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-1] must be greater than"
                           " or equal to tau.shape[-1]")  # fmt: skip
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            "torch.linalg.householder_product: tau dtype"
            f" {scalar_type_name(tau.dtype)} does not match input dtype {scalar_type_name(A.dtype)}"
        )
    return put(f.householder_product(A, tau), out)
