"""torch's refusals of what is no matrix, or of numbers that a factorization does not take."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.dispatch import not_implemented, scalar_type_name
from ..core.errors import ShapeError, fail
from ..core.tensor import Tensor
from .arguments import misfit


def check_dims(name: str, A: Tensor) -> None:
    """torch's error of the LU functions for what is no matrix."""
    if A._array.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected tensor with 2 or more dimensions. Got size:"
            f" {list(A._array.shape)} instead"
        )


def check(name: str, A: Any, square: bool = False, types: bool = True) -> None:
    """torch's errors for what is no (batch of) floating point matrices."""
    if not isinstance(A, Tensor):
        raise misfit(name.replace(".", "_"), "A", 1, "Tensor", A)
    if A._array.ndim < 2:
        said = "input" if name in _OF_INPUT else "A"
        raise RuntimeError(f"{name}: The input tensor {said} must have at least 2 dimensions.")
    rows, columns = A._array.shape[-2:]
    if square and rows != columns:
        raise fail(
            ShapeError,
            f"{name}: A must be batches of square matrices, but they are {rows} by {columns}"
            " matrices",
        )
    if types:
        check_type(name, A)


# Functions that call their matrix `input` in torch's words.
_OF_INPUT = ("torch.linalg.matrix_rank",)
# Functions that find out late that they do not take half precision, by torch's names of kernels.
_KERNELS = {
    "linalg.solve": "lu_cpu", "linalg.cholesky": "cholesky_cpu", "cholesky": "cholesky_cpu",
    "linalg.cholesky_ex": "cholesky_cpu", "linalg.svd": "linalg_svd_cpu",
    "linalg.svdvals": "linalg_svd_cpu", "linalg.cond": "linalg_svd_cpu",
    "linalg.eig": "linalg_eig_out_cpu", "linalg.qr": "geqrf_cpu",
    "torch.linalg.lu_solve": "linalg.lu_solve_cpu",
    "torch.linalg.householder_product": "orgqr_cpu", "ldl_factor": "ldl_factor_kernel_cpu",
}  # fmt: skip
# The same for whole numbers.
_OF_FLOATS = {
    "linalg.solve_triangular": "triangular_solve_cpu", "geqrf": "geqrf_cpu",
    "cholesky_inverse": "cholesky_inverse_out_cpu",
}  # fmt: skip


def check_svd(A: Any, driver: Any) -> None:
    """Also torch's refusal to choose a routine, which it can on a GPU only."""
    check("linalg.svd", A)
    if driver is not None:
        raise fail(
            RuntimeError,
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with"
            " cuSOLVER backend.",
            "leave it out",
        )


def check_type(name: str, A: Tensor) -> None:
    """torch's errors for integers and half precision."""
    kind = A.dtype
    if name in _OF_FLOATS and (kind.category < dtypes.FLOAT or kind.itemsize == 2):
        raise not_implemented(_OF_FLOATS[name], kind)
    if kind.category < dtypes.FLOAT:
        raise fail(
            RuntimeError,
            f"{name}: Expected a floating point or complex tensor as input. Got"
            f" {scalar_type_name(kind)}",
            "convert it with .float()",
        )
    if kind.itemsize == 2:
        if name in _KERNELS:
            raise not_implemented(_KERNELS[name], kind)
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {scalar_type_name(kind)}"
        )


def check_right(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    """torch's error for sides of an equation that do not fit."""
    n = A._array.shape[-1]
    (rows, columns), equation = B._array.shape[-2:], "AX = B" if left else "XA = B"
    if n != (rows if left else columns):
        raise fail(
            ShapeError,
            f"{name}: Incompatible shapes of A and B for the equation {equation}"
            f" ({n}x{n} and {rows}x{columns})",
        )
