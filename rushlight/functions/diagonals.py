"""torch's triangles, diagonals, windows and strided views."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, elsewhere
from ..core.dispatch import not_implemented
from ..core.errors import fail
from ..core.shapes import dimension
from ..core.tape import storage_of
from ..core.tensor import Tensor
from ..ops import assembly as a
from ..ops import placing as p
from ..ops import structure as s
from .from_data import finish
from .reduction import put as _out

__all__ = [
    "as_strided", "diag", "diag_embed", "diagflat", "diagonal", "tril", "tril_indices",
    "triu", "triu_indices",
]  # fmt: skip


def _triangle(name: str, op: Any, doc: str) -> Any:
    def triangle(input: Tensor, diagonal: int = 0, *, out: Any = None) -> Tensor:
        if input._array.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return _out(op(input, diagonal), out)

    triangle.__name__ = triangle.__qualname__ = name
    triangle.__doc__ = doc
    return triangle


tril = _triangle("tril", s.tril, """The lower triangle up to a diagonal, zero above it.

    diagonal: 0 is the main one, positive ones lie above it, negative ones below. Shapes: (*,
    n, m), and the result the same. Raises: RuntimeError for fewer than two dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.tril.html

    >>> import rushlight as torch
    >>> torch.tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """)  # fmt: skip
triu = _triangle("triu", s.triu, """The upper triangle from a diagonal on, zero below it.

    diagonal: 0 is the main one, positive ones lie above it, negative ones below. Shapes: (*,
    n, m), and the result the same. Raises: RuntimeError for fewer than two dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.triu.html

    >>> import rushlight as torch
    >>> torch.triu(torch.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """)  # fmt: skip


_SMALL = 4096  # places of a matrix so few that a mask of them is soon searched


def _triangle_of(lower: bool, row: int, col: int, offset: int, kind: np.dtype) -> np.ndarray:
    """Row numbers and column numbers of the places on one side of a diagonal."""
    if row * col <= _SMALL and -_SMALL < offset < _SMALL:
        ends, columns = np.arange(offset, row + offset)[:, None], np.arange(col)
        mask = columns <= ends if lower else columns >= ends
        return np.array(mask.nonzero(), kind)
    ends = np.clip(np.arange(row) + offset + lower, 0, col)
    counts = ends if lower else col - ends
    first = np.cumsum(counts) - (counts if lower else col)
    places = np.empty((2, int(counts.sum())), kind)
    places[0] = np.repeat(np.arange(row, dtype=kind), counts)
    line = np.arange(places.shape[1])
    line -= np.repeat(first, counts)
    places[1] = line
    return places


def _triangle_places(
    name: str, row: int, col: int, offset: int, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    blank = elsewhere.absent(device)
    for side, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{side} must be non-negative, got{size}")
    kind = dtypes.int64 if dtype is None else dtype
    if kind not in (dtypes.int64, dtypes.int32):
        raise not_implemented(f"{name}_indices", kind)
    places = _triangle_of(name == "tril", row, col, offset, kind.numpy)
    return finish(places, requires_grad, None, blank)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The places of the lower triangle of a row x col matrix: row numbers, then column numbers.

    offset: the last diagonal that counts, 0 for the main one. Shapes: (2, places), in order of
    the rows, of int64 or, by dtype, int32. Raises: RuntimeError for a negative size,
    NotImplementedError for another dtype. pin_memory has no effect.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.tril_indices.html

    >>> import rushlight as torch
    >>> torch.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _triangle_places("tril", row, col, offset, dtype, device, requires_grad)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    layout: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The places of the upper triangle of a row x col matrix: row numbers, then column numbers.

    offset: the first diagonal that counts, 0 for the main one. Shapes: (2, places), in order
    of the rows, of int64 or, by dtype, int32. Raises: RuntimeError for a negative size,
    NotImplementedError for another dtype. pin_memory has no effect.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.triu_indices.html

    >>> import rushlight as torch
    >>> torch.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    if layout is not None:
        dtypes.require_cpu(device, layout)
    return _triangle_places("triu", row, col, offset, dtype, device, requires_grad)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The entries whose indices in two dimensions differ by `offset`, as a view.

    Shapes: dim1 and dim2 disappear, and the diagonal is the last dimension. Writes to it reach
    the input. Raises: RuntimeError if dim1 and dim2 are one dimension, IndexError if one is
    not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.diagonal.html

    >>> import rushlight as torch
    >>> torch.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    ndim = input._array.ndim
    first, second = dimension(dim1, ndim), dimension(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return s.diagonal(input, offset, first, second)


def diag(input: Tensor, diagonal: int = 0, *, out: Any = None) -> Tensor:
    """A vector on the diagonal of a matrix of zeros; or a matrix's diagonal, copied.

    diagonal: 0 is the main one, positive ones lie above it. Shapes: (n,) gives (n +
    |diagonal|, n + |diagonal|); (n, m) gives the length of the diagonal. Raises: RuntimeError
    for other numbers of dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.diag.html

    >>> import rushlight as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input._array.ndim
    if ndim == 1:
        return _out(diag_embed(input, diagonal), out)
    if ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return _out(p.diagonal_copy(input, diagonal, 0, 1), out)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension laid on the diagonal of two new dimensions, zeros elsewhere.

    offset: which diagonal, 0 for the main one; dim1, dim2: where the new dimensions stand.
    Shapes: (*, n) gives (*, n + |offset|, n + |offset|). Raises: RuntimeError if dim1 and dim2
    are one dimension, IndexError if one is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.diag_embed.html

    >>> import rushlight as torch
    >>> torch.diag_embed(torch.tensor([[1, 2]])).tolist()
    [[[1, 0], [0, 2]]]
    """
    ndim = input._array.ndim + 1
    first, second = dimension(dim1, ndim), dimension(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input._array.shape[-1] + abs(offset)
    shape = list(input._array.shape[:-1])
    for place in sorted((first, second)):
        shape.insert(place, size)
    return s.embed_diagonal(input, tuple(shape), offset, first, second)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements, in order, on the diagonal of a matrix of zeros.

    offset: which diagonal, 0 for the main one. Shapes: n elements in any shape give (n +
    |offset|, n + |offset|).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.diagflat.html

    >>> import rushlight as torch
    >>> torch.diagflat(torch.tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag(s.reshape(s.contiguous(input), (input._array.size,)), offset)


def unfold(input: Tensor, dimension_: int, size: int, step: int) -> Tensor:
    """All windows of `size` along a dimension, `step` apart, as a new last dimension (a view).

    >>> import rushlight as torch
    >>> torch.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    ndim = input._array.ndim
    place = dimension(dimension_, ndim)
    length = input._array.shape[place] if ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise fail(
            RuntimeError,
            f"maximum size for tensor at dimension {place} is {length} but size is {size}",
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return a.windows(input, place, size, step)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory with the given sizes, strides and offset (in elements).

    storage_offset counts from the start of the memory; without one the view begins where the
    input does. Places may be seen twice. Raises: RuntimeError for a negative stride or offset,
    for lists of unequal length, and for what lies outside the memory.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.as_strided.html

    >>> import rushlight as torch
    >>> torch.as_strided(torch.arange(4), (2, 2), (1, 1))
    tensor([[0, 1],
            [1, 2]])
    """
    offset, length = _place_in_memory(input, storage_offset)
    shape, steps = within_memory(size, stride, offset, length, input._array.itemsize)
    if not _is_window(input):
        return s.strided_view(input, shape, steps, offset)
    base: Any = input._base
    if input.requires_grad and not base.requires_grad:  # a view that became a leaf
        own = (input._array.shape, input.stride(), _place_in_memory(input, None)[0])
        base = p.as_strided_scatter(base, input, *own)
    return s.strided_view(base, shape, steps, offset)


def within_memory(
    size: Any, stride: Any, offset: int, length: int, width: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes and strides, when they stay inside `length` elements; torch's errors otherwise."""
    shape, steps = tuple(map(int, size)), tuple(map(int, stride))
    if len(shape) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if min(steps, default=0) < 0:
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides:"
            f" {list(steps)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    reach = offset + 1 + sum((n - 1) * step for n, step in zip(shape, steps))
    if all(shape) and reach > length:
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset}, and"
            f" itemsize {width} requiring a storage size of {reach * width} are out of bounds for"
            f" storage of size {length * width}"
        )
    return shape, steps


def _is_window(input: Tensor) -> bool:
    """Whether the memory around a view is reached through its base."""
    base = input._base
    return (
        base is not None
        and base._array.dtype == input._array.dtype
        and (base._array.flags.c_contiguous)
    )


def _place_in_memory(input: Tensor, storage_offset: int | None) -> tuple[int, int]:
    """Where the view begins, counted in the array it is taken from, and that array's length."""
    source = input._base if _is_window(input) else input
    assert source is not None
    array = source._array
    shift = 0
    if array.size and array.base is not None:
        shift = (array.ctypes.data - storage_of(array).ctypes.data) // array.itemsize
    if storage_offset is None:
        offset = 0
        if input is not source and input._array.size:
            offset = (input._array.ctypes.data - array.ctypes.data) // array.itemsize
    else:
        offset = storage_offset - shift
    if array.flags.c_contiguous:
        return offset, array.size
    span = 1 + sum(
        (n - 1) * (step // array.itemsize) for n, step in zip(array.shape, array.strides)
    )
    return offset, span if array.size else 0
