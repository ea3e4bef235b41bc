"""torch's functions between real and complex tensors."""

from __future__ import annotations

import warnings
from typing import Any

from ..core import dtypes
from ..core.dispatch import scalar_type_name, write_out
from ..core.tensor import Tensor
from ..ops import assembly as a
from ..ops import structure as s
from ..ops.transcendental import conj
from .arguments import misfit

__all__ = [
    "adjoint", "complex", "conj_physical", "imag", "polar", "real", "resolve_conj", "resolve_neg",
    "view_as_complex", "view_as_real",
]  # fmt: skip


def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as (real, imaginary) pairs in a new last dimension, as a view.

    Shapes: (*) to (*, 2). Raises: RuntimeError for real numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_real.html

    >>> import rushlight as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return a.as_pairs(input)


def view_as_complex(input: Tensor) -> Tensor:
    """Pairs in the last dimension as complex numbers, as a view.

    Shapes: (*, 2) to (*). Raises: RuntimeError for another last size, and pairs that do not lie
        together.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_complex.html

    >>> import rushlight as torch
    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    array = input._array
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors,"
            f" but got a tensor of scalar type: {scalar_type_name(input.dtype)}"
        )
    if array.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if array.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    steps = [step // array.itemsize for step in array.strides]
    if array.size and steps[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if array.size and any(step % 2 for step, n in zip(steps[:-1], array.shape) if n > 1):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return a.from_pairs(input)


def real(input: Tensor) -> Tensor:
    """The real parts, as a view; a real tensor itself.

    >>> import rushlight as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    if not input.dtype.is_complex:
        return input
    return s.select(a.as_pairs(input), input._array.ndim, 0)


def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view.

    Raises: RuntimeError for real numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.imag.html

    >>> import rushlight as torch
    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return s.select(a.as_pairs(input), input._array.ndim, 1)


def conj_physical(input: Tensor, *, out: Any = None) -> Tensor:
    """The complex conjugate in memory of its own.

    >>> import rushlight as torch
    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    result = a.conj_physical(input) if input.dtype.is_complex else input
    return result if out is None else write_out(result, out)


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugation is never pending here.

    >>> import rushlight as torch
    >>> torch.resolve_conj(torch.tensor([1 + 2j]))
    tensor([1.+2.j])
    """
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation is never pending here.

    >>> import rushlight as torch
    >>> torch.resolve_neg(torch.tensor([1.0]))
    tensor([1.])
    """
    return input


def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of the last two dimensions.

    Shapes: (*, m, n) to (*, n, m), a view of real numbers. Raises: RuntimeError for one dimension.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.adjoint.html

    >>> import rushlight as torch
    >>> torch.adjoint(torch.tensor([[1j, 2.0]])).tolist()
    [[-1j], [(2-0j)]]
    """
    ndim = input._array.ndim
    if not ndim:
        warnings.warn(_NUMBERS_ADJOINT, UserWarning, stacklevel=2)
        return conj(input)
    if ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {ndim}-D"
            " tensor."
        )
    return conj(s.transpose(input, ndim - 2, ndim - 1))


def matrix_adjoint(input: Tensor) -> Tensor:
    """`tensor.H`: the conjugate transpose of a matrix; a number is its own."""
    ndim = input._array.ndim
    if ndim not in (0, 2):
        several = " For batches of matrices, consider using tensor.mH" if ndim > 2 else ""
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {ndim}-D tensor.{several}"
        )
    if not ndim:
        warnings.warn(_NUMBERS_H, UserWarning, stacklevel=2)
        return conj(input)
    return adjoint(input)


_NUMBERS_ADJOINT = "adjoint() is deprecated on 0-D tensors. Consider using x.conj()."
_NUMBERS_H = "Tensor.H is deprecated on 0-D tensors. Consider using x.conj()."


_PART_NAMES = {"complex": ("real", "imag"), "polar": ("abs", "angle")}


def _parts(name: str, first: Tensor, second: Tensor) -> None:
    for place, (label, x) in enumerate(zip(_PART_NAMES[name], (first, second))):
        if not isinstance(x, Tensor):
            raise misfit(name, label, place + 1, "Tensor", x)
    for x in (first, second):
        if x.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
            raise RuntimeError(
                "Expected both inputs to be Half, Float or Double tensors but got"
                f" {scalar_type_name(first.dtype)} and {scalar_type_name(second.dtype)}"
            )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {scalar_type_name(first.dtype)} but got scalar type"
            f" {scalar_type_name(second.dtype)} for second argument"
        )


def complex(real: Tensor, imag: Tensor, *, out: Any = None) -> Tensor:
    """real + i imag, from two tensors of one floating type.

    Shapes: both broadcast. Raises: RuntimeError for operands of two types or of whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.complex.html

    >>> import rushlight as torch
    >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0]))
    tensor([1.+2.j])
    """
    _parts("complex", real, imag)
    return _into(a.from_parts(real, imag), out)


def _into(result: Tensor, out: Any) -> Tensor:
    if out is not None and out.dtype is not result.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {scalar_type_name(result.dtype)} but got scalar type"
            f" {scalar_type_name(out.dtype)} for argument 'out'"
        )
    return result if out is None else write_out(result, out)


def polar(abs: Tensor, angle: Tensor, *, out: Any = None) -> Tensor:
    """abs (cos angle + i sin angle).

    Shapes: both broadcast. Raises: RuntimeError for operands of two types or of whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.polar.html

    >>> import rushlight as torch
    >>> torch.polar(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor([2.+0.j])
    """
    _parts("polar", abs, angle)
    return _into(a.polar(abs, angle), out)
