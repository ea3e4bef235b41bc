"""torch's functions that pick or replace elements along a dimension, by place or in a region."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import numbers, shapes
from ..core.dispatch import scalar_type_name, wrap_array
from ..core.errors import ShapeError, fail
from ..core.inplace import refuse_sharing
from ..core.shapes import also_axis, dimension
from ..core.state import STATE
from ..core.tensor import Tensor
from ..core.values import outside, settled
from ..ops import indexing as ix
from ..ops import placing as p
from ..ops import structure as s
from .diagonals import within_memory
from .indexing import index_array, nonzero
from .reduction import put as _out
from .scattering import gather

__all__ = [
    "argwhere", "as_strided_scatter", "diagonal_scatter", "index_add", "index_copy", "index_fill",
    "index_put", "index_select", "put", "select_scatter", "slice_scatter", "take",
    "take_along_dim", "unravel_index",
]  # fmt: skip


def _rows(name: str, index: Tensor, size: int, dim: int = 0) -> np.ndarray:
    """The index vector of an `index_*` function: one-dimensional integers in range."""
    rows = index._array
    if rows.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {rows.ndim} with"
            f" type: {scalar_type_name(index.dtype)} and size: {list(rows.shape)}"
        )
    if rows.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got:"
                           f" {scalar_type_name(index.dtype)}")  # fmt: skip
    rows = rows.reshape(-1)
    if outside(rows, 0, size):
        given = settled(rows)
        place = int(np.flatnonzero((given < 0) | (given >= size))[0])
        raise fail(
            IndexError,
            f"{name}(): index {given[place]} is out of bounds for dimension {dim} with size {size}"
            if name == "index_copy_" else "index out of range in self",
            f"{name}: index[{place}] is {given[place]}, the dimension has {size} entries",
        )  # fmt: skip
    return rows.astype(np.int64, copy=False)


def _size(input: Tensor, place: int) -> int:
    return input._array.shape[place] if input._array.ndim else 1


@also_axis
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Any = None) -> Tensor:
    """The entries `index` of one dimension, in new memory.

    Raises IndexError, with the entry and the size, for an index outside the dimension.

    >>> import rushlight as torch
    >>> torch.index_select(torch.tensor([5, 6, 7]), 0, torch.tensor([2, 0]))
    tensor([7, 5])
    """
    place = dimension(dim, input._array.ndim)
    if index._array.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    size = _size(input, place)
    if not size and index._array.size and not place:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    if place == 1 and input._array.flags.c_contiguous:  # `_rows` has a program ask it again
        given = settled(index).reshape(-1)
        if not ix.within(given, size):
            bad = given[(given < 0) | (given >= size)][0]
            raise RuntimeError(f"INDICES element is out of DATA bounds, id={bad} axis_dim={size}")
    rows = _rows("index_select", index, size)
    if not input._array.ndim and rows.size != 1:
        raise RuntimeError(
            f"index_select(): Index to scalar can have only 1 value, got {rows.size} value(s)"
        )
    return _out(p.index_select(input, place, rows), out)


def _checked_source(
    name: str, input: Tensor, dim: int, index: Tensor, source: Tensor
) -> tuple[int, np.ndarray]:
    place = dimension(dim, input._array.ndim)
    rows = index._array.reshape(-1) if index._array.ndim <= 1 else index._array
    shape, given = input._array.shape, source._array.shape
    if rows.ndim > 1:
        raise IndexError(f"{name}(): Index should have dimension 1 or 0 (got {rows.ndim})")
    wanted = rows.size
    if given[:place] != shape[:place] or given[place + 1 :] != shape[place + 1 :]:
        raise fail(
            RuntimeError,
            "source tensor shape must match self tensor shape, excluding the specified dimension."
            f" Got self.shape = {list(shape)} source.shape = {list(given)}",
        )
    have = given[place] if given else 1
    if wanted != have:
        raise RuntimeError(
            f"{name}(): Number of indices ({wanted}) should be equal to source.size(dim): ({have}),"
            f" for dim: {place}"
        )
    return place, _rows(name, index, _size(input, place))


@also_axis
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Any = None
) -> Tensor:
    """input with alpha times the entries of `source` added to the entries `index` of a dimension.

    >>> import rushlight as torch
    >>> torch.index_add(torch.zeros(3), 0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"index_add_(): self ({scalar_type_name(input.dtype)}) and source"
            f" ({scalar_type_name(source.dtype)}) must have the same scalar type"
        )
    place, rows = _checked_source("index_add_", input, dim, index, source)
    return _out(p.index_add(input, source, place, rows, alpha), out)


def _same_slices(input: Tensor, place: int, index: Tensor, source: Tensor) -> None:
    """torch's errors where `index_copy` would not write whole slices."""
    name, shape, given = "index_copy_()", input._array.shape, source._array.shape
    if index._array.ndim > 1:
        raise IndexError(f"{name}: Index should have dimension 1 or 0 (got {index._array.ndim})")
    if shape and given and len(shape) != len(given):
        raise IndexError(
            f"{name}: When source and destination are not scalars, their dimensionality must"
            f" match. Source dimensionality ({len(given)}), destination dimensionality"
            f" ({len(shape)})"
        )
    slices = [(*s[:place], *s[place + 1 :]) for s in (shape, given)]
    if slices[0] != slices[1]:
        raise RuntimeError(
            f"{name}: Source/destination tensor must have same slice shapes. Destination slice"
            f" shape: {' '.join(map(str, slices[0]))} at dimension {place} and source slice shape:"
            f" {' '.join(map(str, slices[1]))} at dimension 0."
        )
    count = given[place] if given else 1
    if index._array.size != count:
        raise IndexError(
            f"{name}: Number of indices ({index._array.size}) should be equal to source.size(dim)"
            f" ({count})"
        )


@also_axis
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Any = None
) -> Tensor:
    """input with the entries `index` of a dimension replaced by those of `source`.

    >>> import rushlight as torch
    >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2]), torch.ones(1))
    tensor([0., 0., 1.])
    """
    place = dimension(dim, input._array.ndim)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self)"
            f" {scalar_type_name(input.dtype)} and (source) {scalar_type_name(source.dtype)}"
        )
    if index._array.dtype != np.int64:
        raise RuntimeError(
            "index_copy_(): Expected a long tensor for index, but got"
            f" {scalar_type_name(index.dtype)}"
        )
    given = source._array.shape
    if not given and index._array.size != 1:
        raise IndexError(
            "index_copy_(): When source is scalar, index should have one element (got"
            f" {index._array.size})"
        )
    _same_slices(input, place, index, source)
    rows = _rows("index_copy_", index, _size(input, place), place)
    return _out(p.index_copy(input, source, place, rows), out)


@also_axis
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """input with one value in the entries `index` of a dimension.

    >>> import rushlight as torch
    >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([0, 2]), 5)
    tensor([5., 0., 5.])
    """
    place = dimension(dim, input._array.ndim)
    if index._array.dtype != np.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index._array.ndim > 1:
        raise IndexError("Index has to be a vector/scalar")
    rows = index._array.reshape(-1)
    size = _size(input, place)
    if outside(rows, -size, size):
        given = settled(rows)
        bad = int(given[(given < -size) | (given >= size)][0])
        raise IndexError(f"index {bad} is out of bounds for dimension {place} with size {size}")
    if not isinstance(value, Tensor):
        if isinstance(value, complex) and not input.dtype.is_complex:
            raise RuntimeError(
                "index_fill_(): Converting complex Scalar to non-complex type is not supported"
            )
        return p.index_fill(input, place, rows, numbers.held(value, input._array.dtype))
    if value._array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with"
            f" {value._array.ndim} dimension(s)."
        )
    return p.index_fill_tensor(
        input, s.cast(value, input.dtype), place, np.unique(rows % (size or 1))
    )


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """input with the values at `input[indices]` replaced, or added to with `accumulate`.

    >>> import rushlight as torch
    >>> torch.index_put(torch.zeros(3), (torch.tensor([1, 1]),), torch.ones(2), True)
    tensor([0., 2., 0.])
    """
    for place, one in enumerate(() if isinstance(indices, Tensor) else indices):
        if one is not None and not isinstance(one, Tensor):
            kind = type(one).__name__
            raise TypeError(f"expected Tensor as element {place} in argument 0, but got {kind}")
    if len(indices) > input._array.ndim and not any(
        i is not None and i._array.dtype.kind == "b" for i in indices
    ):
        raise IndexError(
            f"too many indices for tensor of dimension {input._array.ndim} (got {len(indices)})"
        )
    if values.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got"
            f" {scalar_type_name(input.dtype)} for the destination and"
            f" {scalar_type_name(values.dtype)} for the source."
        )
    key = tuple(slice(None) if i is None else index_array(i) for i in indices)
    try:
        return ix.index_put(input, values, key, accumulate)
    except IndexError as error:
        raise ix.in_torchs_words(error) from None
    except (ValueError, ShapeError):
        target = np.broadcast_to(np.empty(()), input.shape)[key].shape
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to"
            f" indexing result of shape {list(target)}"
        ) from None


def _flat_places(name: str, input: Tensor, index: Tensor) -> np.ndarray:
    places, size = index._array, input._array.size
    if places.dtype != np.int64:
        raise RuntimeError(
            f"{name}(): Expected a long tensor for index, but got {scalar_type_name(index.dtype)}"
        )
    if size == 0 and places.size:
        raise IndexError(f"{name}(): tried to take from an empty tensor")
    if outside(places, -size, size):
        given = settled(places)
        bad = given[(given < -size) | (given >= size)][0]
        raise fail(
            IndexError, "out of range: tried to access index"
            f" {bad} on a tensor of {size} elements.",
        )  # fmt: skip
    return places


def take(input: Tensor, index: Tensor, *, out: Any = None) -> Tensor:
    """The elements at places of the flattened tensor, in the shape of `index`.

    Shapes: as `index`, which counts through all elements in order. Raises: IndexError beyond them.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.take.html

    >>> import rushlight as torch
    >>> torch.take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 3]))
    tensor([1, 4])
    """
    if out is not None:
        if out.dtype is not input.dtype:
            raise RuntimeError(
                "take(): self and out expected to have the same dtype, but got self.dtype ="
                f" {scalar_type_name(input.dtype)} and out.dtype = {scalar_type_name(out.dtype)}"
            )
        refuse_sharing(out, input, index)
    return _out(p.take(input, _flat_places("take", input, index)), out)


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """input with the elements at places of the flattened tensor replaced (or added to).

    Arguments: `index`, int64, counts from the end where it is negative; `source` has as many
    elements; `accumulate` adds, also where a place is named twice.
    Raises: RuntimeError for other types; IndexError beyond the end and for other numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.put_.html

    >>> import rushlight as torch
    >>> torch.put(torch.zeros(2, 2), torch.tensor([3]), torch.ones(1))
    tensor([[0., 0.],
            [0., 1.]])
    """
    if index._array.dtype != np.int64:
        raise RuntimeError(
            f"put_(): Expected a long tensor for index, but got {scalar_type_name(index.dtype)}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype ="
            f" {scalar_type_name(input.dtype)} and source.dtype = {scalar_type_name(source.dtype)}"
        )
    if index._array.size != source._array.size:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got"
            f" source.numel() = {source._array.size}, index.numel() = {index._array.size}"
        )
    return p.put(input, source, _flat_places("put_", input, index), accumulate)


def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, axis: Any = None, out: Any = None
) -> Tensor:
    """The elements at indices along a dimension, both tensors broadcast in the others.

    >>> import rushlight as torch
    >>> x = torch.tensor([[3, 1], [2, 4]])
    >>> torch.take_along_dim(x, x.argmax(1, keepdim=True), 1)
    tensor([[3],
            [4]])
    """
    dim = dim if axis is None else axis
    if indices._array.dtype != np.int64:
        raise RuntimeError(
            "torch.take_along_dim(): dtype of indices should be Long but got"
            f" {scalar_type_name(indices.dtype)}"
        )
    if dim is None:
        flat = s.reshape(input, (input._array.size,))
        return _out(_gathered(flat, 0, indices._array.reshape(-1)), out)
    ndim = input._array.ndim
    if indices._array.ndim != ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions,"
            f" but got {ndim} dimensions for input, and {indices._array.ndim} dimensions for"
            " indices"
        )
    place = dimension(dim, ndim)
    have, want = input._array.shape, indices._array.shape
    shape = list(shapes.broadcast(
        have[:place] + (1,) + have[place + 1 :], want[:place] + (1,) + want[place + 1 :]
    )) if ndim else []  # fmt: skip
    if ndim:
        wide = s.expand(input, (*shape[:place], have[place], *shape[place + 1 :]))
        places = np.broadcast_to(indices._array, (*shape[:place], want[place], *shape[place + 1 :]))
        return _out(_gathered(wide, place, places), out)
    return _out(_gathered(input, 0, indices._array), out)


def _gathered(input: Tensor, place: int, places: np.ndarray) -> Tensor:
    size = _size(input, place)
    return gather(input, place, wrap_array(np.where(places < 0, places + size, places)))


def argwhere(input: Tensor) -> Tensor:
    """The places of the nonzero elements, one row each.

    Shapes: int64 (count, dimensions), a row of indices for each.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.argwhere.html

    >>> import rushlight as torch
    >>> torch.argwhere(torch.tensor([0, 7]))
    tensor([[1]])
    """
    return nonzero(input)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Places in the flattened tensor as one index tensor per dimension of `shape`.

    >>> import rushlight as torch
    >>> torch.unravel_index(torch.tensor([3, 4]), (2, 3))
    (tensor([1, 1]), tensor([0, 1]))
    """
    if not isinstance(indices, Tensor):
        raise TypeError(f"expected 'indices' to be a Tensor; got {type(indices).__name__}")
    if indices._array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype!r}")
    if not isinstance(shape, (int, list, tuple)):
        kind = type(shape) if not isinstance(shape, Tensor) else "<class 'torch.Tensor'>"
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {kind}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    for size in sizes:
        if not isinstance(size, (int, np.integer)):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(size)}")
    if any(size < 0 for size in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    flat = indices._array
    if STATE.tracer is not None:
        flat, parts = indices, []
        for size in reversed(sizes):
            parts.insert(0, flat % size)
            flat = flat // size
        return tuple(parts)
    found = np.empty((*flat.shape, len(sizes)), flat.dtype)
    for place in range(len(sizes) - 1, -1, -1):
        found[..., place] = flat % sizes[place]
        flat = flat // sizes[place]
    return tuple(wrap_array(found[..., place]) for place in range(len(sizes)))


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """input with `input.select(dim, index)` replaced.

    >>> import rushlight as torch
    >>> torch.select_scatter(torch.zeros(2, 2), torch.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at"
            f" dimension {place}"
        )
    wanted = (*input._array.shape[:place], *input._array.shape[place + 1 :])
    _expect_shape(wanted, src)
    return p.select_scatter(input, s.cast(src, input.dtype), place, index % size)


def _expect_shape(wanted: tuple[int, ...], src: Tensor) -> None:
    if src._array.shape != wanted:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size ="
            f" {list(src._array.shape)}, slice size = {list(wanted)}"
        )


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1, *,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """input with `input[start:end:step]` along a dimension replaced.

    >>> import rushlight as torch
    >>> torch.slice_scatter(torch.zeros(4), torch.ones(2), start=2)
    tensor([0., 0., 1., 1.])
    """
    place = dimension(dim, input._array.ndim)
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    key = p.along(place, slice(start, end, step))
    _expect_shape(input._array[key].shape, src)
    return _out(p.slice_scatter(input, s.cast(src, input.dtype), key), out)


def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """input with `input.diagonal(offset, dim1, dim2)` replaced.

    >>> import rushlight as torch
    >>> torch.diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    first, second = (dimension(dim, input._array.ndim) for dim in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    sizes = input._array.shape
    rows, columns = sizes[first] + min(offset, 0), sizes[second] - max(offset, 0)
    rest = tuple(size for dim, size in enumerate(sizes) if dim not in (first, second))
    _expect_shape((*rest, max(0, min(rows, columns))), src)
    return p.diagonal_scatter(input, s.cast(src, input.dtype), offset, first, second)


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """input with `input.as_strided(size, stride, storage_offset)` replaced.

    >>> import rushlight as torch
    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    offset, array = storage_offset or 0, input._array
    shape, steps = within_memory(size, stride, offset, array.size, array.itemsize)
    _expect_shape(shape, src)
    return p.as_strided_scatter(s.contiguous(input), s.cast(src, input.dtype), shape, steps, offset)
