"""torch's functions that join tensors: one after another, or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import dtypes
from ..core.dispatch import result_type, scalar_type_name, write_out
from ..core.errors import ShapeError, fail
from ..core.overlaps import refuse_sharing
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..core.values import Value
from ..ops import structure as s

__all__ = ["cat", "concat", "concatenate", "stack"]


def _checked_list(tensors: Any, name: str) -> Sequence[Tensor]:
    if isinstance(tensors, Tensor):
        raise fail(
            TypeError,
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor",
            f"the tensors stand in a list: {name}([a, b])",
        )
    tensors = list(tensors)
    for x in tensors:
        if type(x) is not Tensor and not isinstance(x, Tensor):
            place = next(i for i, one in enumerate(tensors) if one is x)
            raise TypeError(
                f"expected Tensor as element {place} in argument 0, but got {type(x).__name__}"
            )
    return tensors


def cat(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Any = None) -> Tensor:
    """Tensors one after another along a dimension that exists.

    Args: tensors, a list or tuple; dim (or axis), the dimension in which they may differ.
    Shapes: alike but in `dim`, where the result has the sum of their sizes; those of shape (0,) are
    passed over.
    Types: the result's is the one all promote to.
    Raises: ValueError for an empty list, TypeError for a tensor in place of a list, RuntimeError
    for scalars or shapes that do not match.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cat.html

    >>> import rushlight as torch
    >>> torch.cat([torch.zeros(1, 2), torch.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    tensors = _checked_list(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    used, sizes = tensors, [x._array.shape for x in tensors]
    alike = sizes.count(sizes[0]) == len(sizes)
    if not alike and (0,) in sizes:
        kind = result_type(*tensors)  # in which those without elements have a part
        cast = [x if x.dtype is kind else s.cast(x, kind) for x in tensors]
        used = [x for x in cast if x._array.shape != (0,)]
        sizes = [x._array.shape for x in used]
    if not sizes[0]:
        raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
    dim = dim if axis is None else axis
    place = 0 if sizes[0] == (0,) else dimension(dim, len(sizes[0]))
    if not alike:
        _same_but(used, sizes, place)
    if len(used) < len(tensors):  # those without elements have gradients without any
        form = (*sizes[0][:place], 0, *sizes[0][place + 1 :])
        followed = [x for x in cast if x._array.shape == (0,) and _followed(x)]
        used = [*used, *[s.reshape(x, form) for x in followed]]
        sizes = [x._array.shape for x in used]
    if out is not None:
        refuse_sharing(out, *tensors)
        if not all(dtypes.can_cast(x.dtype, out.dtype) for x in tensors):
            raise TypeError(
                "torch.cat(): input types can't be cast to the desired output type"
                f" {scalar_type_name(out.dtype)}"
            )
    result = s.join(used, place, tuple([size[place] for size in sizes]))
    return result if out is None else write_out(result, out)


concat = concatenate = cat


def _followed(x: Tensor) -> bool:
    return x._entry is not None or isinstance(x._array, Value)


def _same_but(tensors: Sequence[Tensor], sizes: Sequence[tuple[int, ...]], dim: int) -> None:
    first = sizes[0]
    ndim, before, behind = len(first), first[:dim], first[dim + 1 :]
    for shape in sizes:
        if shape[:dim] != before or shape[dim + 1 :] != behind or len(shape) != ndim:
            break
    else:
        return
    for place, x in enumerate(tensors):
        shape = x._array.shape
        if len(shape) != len(first):
            raise fail(
                ShapeError,
                f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}",
                f"tensor 0 has shape {first}, tensor {place} has shape {shape}",
            )
        for i, (m, n) in enumerate(zip(first, shape)):
            if i != dim and m != n:
                raise fail(
                    ShapeError,
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {m} but"
                    f" got size {n} for tensor number {place} in the list.",
                    f"tensor 0 has shape {first}, tensor {place} has shape {shape}",
                )


def stack(tensors: Any, dim: int = 0, *, axis: Any = None, out: Any = None) -> Tensor:
    """Tensors of one shape side by side along a new dimension.

    Args: tensors, a list or tuple; dim (or axis), where the new dimension is to stand.
    Shapes: n tensors of (..., k, ...) to (..., n, k, ...).
    Raises: RuntimeError for an empty list or unlike shapes, TypeError for a tensor in place of a
    list, IndexError for a place that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.stack.html

    >>> import rushlight as torch
    >>> torch.stack([torch.zeros(2), torch.ones(2)], 1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    dim = dim if axis is None else axis
    tensors = _checked_list(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0]._array.shape
    for x in tensors:
        if x._array.shape != first:
            place = next(i for i, one in enumerate(tensors) if one is x)
            raise fail(
                ShapeError,
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and"
                f" {list(x._array.shape)} at entry {place}",
            )
    refuse_sharing(out, *tensors)
    result = s.stack(tensors, dimension(dim, len(first) + 1))
    return result if out is None else write_out(result, out)
