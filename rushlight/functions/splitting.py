"""torch's functions that cut a tensor into views along a dimension."""

from __future__ import annotations

from operator import index as as_index
from typing import Any

from ..core.dispatch import scalar_type_name
from ..core.shapes import dimension, is_one
from ..core.tensor import Tensor
from ..ops import structure as s
from .arguments import combination

__all__ = [
    "chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind",
    "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "vsplit",
]  # fmt: skip


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of equal (or the given) lengths along a dimension; the last may be shorter.

    Args: split_size_or_sections, one length for all, or all lengths, which sum to the size.
    Raises: RuntimeError for lengths that do not, IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html

    >>> import rushlight as torch
    >>> torch.split(torch.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    given = split_size_or_sections
    if isinstance(given, Tensor) and not given._array.ndim:
        split_size_or_sections = as_index(given)
    by_size = isinstance(split_size_or_sections, int)
    op = s.split if by_size else s.split_with_sizes
    return cut(tensor, split_size_or_sections, dim, op)


def cut(tensor: Tensor, given: Any, dim: int, op: Any) -> tuple[Tensor, ...]:
    """The parts of `split`, each made by the op `op`."""
    if tensor._array.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    place = dimension(dim, tensor._array.ndim)
    size = tensor._array.shape[place]
    if isinstance(given, int):
        if given < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={given}"
            )
        if given == 0 and size:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}"
            )
        whole, rest = divmod(size, given) if given else (0, 0)
        lengths = [*[given] * whole, *([rest] if rest or not whole else ())]
    else:
        lengths = list(given)
        if sum(lengths) != size or min(lengths, default=0) < 0:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's"
                f" size at dimension {dim}), but got split_sizes={lengths}"
            )
    return op(tensor, place, tuple(lengths))


def chunk(input: Tensor, chunks: int, dim: int = 0, *, axis: Any = None) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal length along a dimension.

    Shapes: views of ceil(size / chunks), the last may be shorter, and there may be fewer of them.
    Raises: RuntimeError for chunks below 1, IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.chunk.html

    >>> import rushlight as torch
    >>> torch.chunk(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    dim = dim if axis is None else axis
    return chunked(input, chunks, dim, s.split)


def chunked(input: Tensor, chunks: int, dim: int, op: Any) -> tuple[Tensor, ...]:
    """The parts of `chunk`, each made by the op `op`."""
    if input._array.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place]
    if size:
        length = -(-size // chunks)
        if size % length == 0:
            return op(input, place, (length,) * (size // length))
        return cut(input, length, dim, op)
    return cut(input, [0] * chunks, dim, op)


def unbind(input: Tensor, dim: int = 0, *, axis: Any = None) -> tuple[Tensor, ...]:
    """All slices along a dimension, without it.

    Returns: a tuple of views. Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.unbind.html

    >>> import rushlight as torch
    >>> torch.unbind(torch.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    dim = dim if axis is None else axis
    if input._array.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    place = dimension(dim, input._array.ndim)
    return s.unbind(input, place)


def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given sizes along a dimension, one after another.

    Args: split_sizes, which add up to the dimension's size; dim.
    Raises: RuntimeError for sizes that do not add up to it, or negative ones; IndexError for a
    dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html

    >>> import rushlight as torch
    >>> torch.split_with_sizes(torch.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return cut(input, list(split_sizes), dim, s.split_with_sizes)


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split`, for callers that promise not to write to both the parts and the whole."""
    return cut(tensor, split_size, dim, s.unsafe_split)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk`, for callers that promise not to write to both the parts and the whole.

    >>> import rushlight as torch
    >>> torch.unsafe_chunk(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return chunked(input, chunks, dim, s.unsafe_split)


def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes`, for callers that promise not to write to both the parts and the whole.

    >>> import rushlight as torch
    >>> torch.unsafe_split_with_sizes(torch.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return cut(input, list(split_sizes), dim, s.unsafe_split_with_sizes)


def _cuts(given: Any) -> list[int] | None:
    """The places to cut at, if a sequence or a vector was given."""
    if isinstance(given, Tensor):
        array = given._array
        if array.ndim > 1 or array.dtype.name != "int64":
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or"
                f" one-dimensional tensor, but got a tensor with {array.ndim} dims"
                if array.ndim > 1
                else "tensor_split expected tensor_indices_or_sections to have dtype of long, but"
                f" got {scalar_type_name(given.dtype)}"
            )
        return None if array.ndim == 0 else [int(cut) for cut in array]
    return list(map(int, given)) if isinstance(given, (tuple, list)) else None


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *,
    axis: Any = None, indices: Any = None,
    sections: Any = None, tensor_indices_or_sections: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Views of a tensor cut along a dimension: into n nearly equal parts, or before given places.

    Args: indices_or_sections, the number of parts (the first ones have one more where it does not
    go even), or a list, tuple or vector of places; dim (or axis).
    Raises: RuntimeError for a number of parts below 1, or a scalar; IndexError for a dimension that
    is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.tensor_split.html

    >>> import rushlight as torch
    >>> torch.tensor_split(torch.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    dim = dim if axis is None else axis
    for given in (indices, sections, tensor_indices_or_sections):
        if given is not None:
            indices_or_sections = given
    if input._array.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place]
    cuts = _cuts(indices_or_sections)
    if cuts is None:
        count = int(indices_or_sections)
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        step, extra = divmod(size, count)
        lengths = [step + (i < extra) for i in range(count)]
        cuts = [sum(lengths[:i]) for i in range(1, count)]
    parts, start = [], 0
    for end in [*cuts, size]:
        first, last = (min(max(at + size if at < 0 else at, 0), size) for at in (start, end))
        parts.append(s.narrow(input, place, first, max(last - first, 0)))
        start = end
    return tuple(parts)


def _split_at(name: str, input: Tensor, given: Any, dim: int, at_least: int) -> tuple[Tensor, ...]:
    if not (is_one(given) or isinstance(given, (tuple, list, Tensor))):
        raise combination(name, (input, given), {})
    ndim = input._array.ndim
    if ndim < at_least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {at_least} dimension,"
            f" but got a tensor with {ndim} dimensions!"
        )
    size = input._array.shape[dim]
    if isinstance(given, int) and (given <= 0 or size % given):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension"
            f" {size} is not divisible by the split_size {given}!"
        )
    return tensor_split(input, given, dim)


def _given(either: Any, indices: Any, sections: Any) -> Any:
    """What is given under one of three names."""
    return next((one for one in (either, indices, sections) if one is not None), None)


def hsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut across the columns (or a vector's elements).

    Args: a number of equal parts, or the indices to cut at. Returns: a tuple of views.
    Raises: RuntimeError for a 0-d tensor and where the parts would not be equal.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.hsplit.html

    >>> import rushlight as torch
    >>> torch.hsplit(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _split_at(
        "hsplit", input, _given(indices_or_sections, indices, sections),
        0 if input._array.ndim == 1 else 1, 1,
    )  # fmt: skip


def vsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut across the rows.

    Args: a number of equal parts, or the indices to cut at. Returns: a tuple of views.
    Raises: RuntimeError for fewer than two dimensions and where the parts would not be equal.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.vsplit.html

    >>> import rushlight as torch
    >>> [x.shape for x in torch.vsplit(torch.zeros(4, 1), 2)]
    [torch.Size([2, 1]), torch.Size([2, 1])]
    """
    return _split_at("vsplit", input, _given(indices_or_sections, indices, sections), 0, 2)


def dsplit(
    input: Tensor, indices_or_sections: Any = None, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Cut across the third dimension.

    Args: a number of equal parts, or the indices to cut at. Returns: a tuple of views.
    Raises: RuntimeError for fewer than three dimensions and where the parts would not be equal.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.dsplit.html

    >>> import rushlight as torch
    >>> [x.shape for x in torch.dsplit(torch.zeros(1, 1, 4), [1])]
    [torch.Size([1, 1, 1]), torch.Size([1, 1, 3])]
    """
    return _split_at("dsplit", input, _given(indices_or_sections, indices, sections), 2, 3)
