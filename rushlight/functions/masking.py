"""torch's functions that read or write where a mask holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, numbers
from ..core.dispatch import scalar_type_name, write_out
from ..core.overlaps import refuse_sharing
from ..core.shapes import broadcast
from ..core.state import STATE
from ..core.tensor import Tensor
from ..core.values import noted, refuses
from ..ops import placing as p
from ..ops import structure as s
from .assembly import broadcast_tensors

__all__ = [
    "masked_fill", "masked_scatter", "masked_select",
]  # fmt: skip


def _mask(name: str, mask: Tensor) -> np.ndarray:
    if mask.dtype is not dtypes.bool_:
        refused = "only supports boolean masks, but got mask with dtype"
        wanted = {
            "masked_fill": f"masked_fill_ {refused}",
            "masked_scatter": f"masked_scatter_ {refused}",
            "masked_select": "masked_select: expected BoolTensor for mask",
        }[name]
        if name == "masked_select":
            raise RuntimeError(wanted)
        scatters = name == "masked_scatter"
        raise RuntimeError(
            f"{wanted} {scalar_type_name(mask.dtype) if scatters else _c_name(mask)}"
        )
    return mask._array


_C_NAMES = {"Byte": "unsigned char", "Char": "signed char", "Short": "short int", "Int": "int",
            "Long": "long int", "Float": "float", "Double": "double", "Half": "c10::Half",
            "BFloat16": "c10::BFloat16"}  # fmt: skip


def _c_name(x: Tensor) -> str:
    name = scalar_type_name(x.dtype)
    return _C_NAMES.get(name, name)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """A copy of the input with `value` where the mask is True.

    Args: mask, of bools; value, a number or a tensor of no dimension.
    Shapes: input and mask broadcast together.
    Raises: RuntimeError for a mask of other than bools, or shapes that do not broadcast.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html

    >>> import rushlight as torch
    >>> torch.masked_fill(torch.tensor([1, 2]), torch.tensor([True, False]), 0)
    tensor([0, 2])
    """
    where = _mask("masked_fill", mask)
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with"
                f" {value._array.ndim} dimension(s)."
            )
        _same_kind(input, value.dtype)
        return p.masked_fill_tensor(input, s.cast(value, input.dtype), where)
    return p.masked_fill(input, where, numbers.held(value, input._array.dtype))


def _same_kind(input: Tensor, given: dtypes.dtype) -> None:
    if given.is_complex and not input.dtype.is_complex:
        raise RuntimeError(
            f"value cannot be converted to type {_c_name(input).replace('long int', 'int64_t')}"
            " without overflow"
        )


def masked_select(input: Tensor, mask: Tensor, *, out: Any = None) -> Tensor:
    """The elements where the mask holds, as a vector.

    Shapes: both broadcast; the result is (count,). Raises: RuntimeError for a mask that is not of
        bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html

    >>> import rushlight as torch
    >>> torch.masked_select(torch.tensor([1, 2, 3]), torch.tensor([True, False, True]))
    tensor([1, 3])
    """
    where = _mask("masked_select", mask)
    if out is not None:
        if out.dtype is not input.dtype:
            raise RuntimeError("masked_select(): self and result must have the same scalar type")
        refuse_sharing(out, input, mask)
    if STATE.tracer is not None and out is None:  # it may know the mask, and so the shape
        wide, places = broadcast_tensors(input, mask)
        return wide[places]
    result = p.masked_select(input, where)
    return result if out is None else write_out(result, out)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of the input whose elements under the mask are those of `source`, one after another.

    Args: mask, of bools; source, of the input's type, with at least as many elements as the mask
    has True.
    Shapes: input and mask broadcast together.
    Raises: RuntimeError for too few elements or another type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_scatter.html

    >>> import rushlight as torch
    >>> mask = torch.tensor([False, True, True])
    >>> torch.masked_scatter(torch.tensor([0, 0, 0]), mask, torch.tensor([7, 8, 9]))
    tensor([0, 7, 8])
    """
    where = _mask("masked_scatter", mask)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got"
            f"{scalar_type_name(input.dtype)} and {scalar_type_name(source.dtype)}"
        )
    shape = broadcast(where.shape, input._array.shape)
    where = np.broadcast_to(where, shape)
    if refuses(noted(where).sum() > source._array.size):
        raise RuntimeError("Number of elements of source < number of ones in mask")
    wide = input if input._array.shape == shape else s.expand(input, shape)
    return p.masked_scatter(wide, source, where)
