"""torch's functions that build tensors out of tensors: joining, repeating, turning, cutting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import shapes
from ..core.dispatch import refuse, wrap_array
from ..core.errors import ShapeError, fail, warn_once
from ..core.shapes import Size, dimension, dimensions
from ..core.tensor import Tensor
from ..ops import assembly as a
from ..ops import placing
from ..ops import structure as s
from .arguments import misfit
from .joining import cat

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors",
    "column_stack", "dstack", "flip", "fliplr", "flipud", "hstack", "meshgrid",
    "repeat_interleave", "roll", "rot90", "row_stack", "tile", "vstack",
]  # fmt: skip


def _given(tensors: Sequence[Any]) -> tuple[list[Any], bool]:
    """The tensors of `f(a, b)` or `f([a, b])`, and whether there is just the one of `f(a)`."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return list(tensors[0]), False
    return list(tensors), len(tensors) == 1


def _each(tensors: Sequence[Any], change: Any) -> Any:
    found, single = _given(tensors)
    return change(found[0]) if single else tuple(change(x) for x in found)


def _one(x: Tensor) -> Tensor:
    return x if x._array.ndim else s.as_shape(x, (1,))


def _two(x: Tensor) -> Tensor:
    if x._array.ndim >= 2:
        return x
    return s.unsqueeze(x, 0) if x._array.ndim else s.as_shape(x, (1, 1))


def _three(x: Tensor) -> Tensor:
    if x._array.ndim >= 3:
        return x
    if x._array.ndim == 0:
        return s.as_shape(x, (1, 1, 1))
    if x._array.ndim == 1:
        return s.unsqueeze(s.unsqueeze(x, 0), 2)
    return s.unsqueeze(x, 2)


def atleast_1d(*tensors: Any) -> Any:
    """0-d tensors as one-element vectors, others as they are.

    Args: tensors, several or one sequence. Returns: one tensor for one, else a tuple.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_1d.html

    >>> import rushlight as torch
    >>> torch.atleast_1d(torch.tensor(5))
    tensor([5])
    """
    return _each(tensors, _one)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors of fewer than two dimensions as one row.

    Args: tensors, several or one sequence. Returns: one tensor for one, else a tuple.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_2d.html

    >>> import rushlight as torch
    >>> torch.atleast_2d(torch.tensor([5, 6]))
    tensor([[5, 6]])
    """
    return _each(tensors, _two)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors of fewer than three dimensions with size-1 dimensions around theirs.

    Args: tensors, several or one sequence; (n,) becomes (1, n, 1) and (m, n) becomes (m, n, 1).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.atleast_3d.html

    >>> import rushlight as torch
    >>> torch.atleast_3d(torch.zeros(2, 3)).shape
    torch.Size([2, 3, 1])
    """
    return _each(tensors, _three)


def _filled(tensors: Any, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise misfit(name, "tensors", 1, "tuple of Tensors", tensors)
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return tensors


def hstack(tensors: Any, *, out: Any = None) -> Tensor:
    """Side by side: along the second dimension, or the only one.

    Raises: RuntimeError where other sizes differ, and for an empty list.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.hstack.html

    >>> import rushlight as torch
    >>> torch.hstack((torch.tensor([1]), torch.tensor([2, 3])))
    tensor([1, 2, 3])
    """
    found = [_one(x) for x in _filled(tensors, "hstack")]
    return cat(found, 0 if found[0]._array.ndim == 1 else 1, out=out)


def vstack(tensors: Any, *, out: Any = None) -> Tensor:
    """One below the other, vectors as rows.

    Shapes: each is brought to two dimensions first, as by `atleast_2d`.
    Raises: RuntimeError where other sizes than the first differ, and for an empty list.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.vstack.html

    >>> import rushlight as torch
    >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([_two(x) for x in _filled(tensors, "vstack")], 0, out=out)


row_stack = vstack


def dstack(tensors: Any, *, out: Any = None) -> Tensor:
    """One behind the other, along the third dimension.

    Shapes: each is brought to three dimensions first, as by `atleast_3d`.
    Raises: RuntimeError where other sizes than the third differ, and for an empty list.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.dstack.html

    >>> import rushlight as torch
    >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4]))).shape
    torch.Size([1, 2, 2])
    """
    return cat([_three(x) for x in _filled(tensors, "dstack")], 2, out=out)


def column_stack(tensors: Any, *, out: Any = None) -> Tensor:
    """Vectors as the columns of a matrix; matrices side by side.

    Shapes: (n,) or (n, k) each to (n, the sum of all k). Raises: RuntimeError for unequal n and for
        an empty list.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.column_stack.html

    >>> import rushlight as torch
    >>> torch.column_stack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 3],
            [2, 4]])
    """
    found = [
        s.reshape(x, (x._array.size, 1)) if x._array.ndim <= 1 else x
        for x in _filled(tensors, "column_stack")
    ]
    return hstack(found, out=out)


def repeat(input: Tensor, *counts: Any, repeats: Any = None) -> Tensor:
    """The whole tensor so many times along each dimension (the method `x.repeat(2, 3)`).

    More counts than dimensions add dimensions in front. Raises: RuntimeError for fewer.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = shapes.sizes(counts if repeats is None else (repeats,), "repeat repeats")
    if len(times) < input._array.ndim:
        raise fail(
            RuntimeError,
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of"
            " tensor",
            f"{len(times)} repeats for a tensor of {input._array.ndim} dimensions",
        )
    shape = (1,) * (len(times) - input._array.ndim) + input._array.shape
    grown = [count * size for count, size in zip(times, shape)]
    for count in grown:
        if count < 0:
            raise fail(
                RuntimeError, f"Trying to create tensor with negative dimension {count}: {grown}"
            )
    return a.repeat(input, times)


def tile(input: Tensor, *counts: Any, dims: Any = None) -> Tensor:
    """The whole tensor repeated; missing counts in front are ones.

    Args: dims, how often along each dimension; the tensor is given leading ones where they are
        more.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.tile.html

    >>> import rushlight as torch
    >>> torch.tile(torch.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    times = shapes.sizes(counts if dims is None else (dims,), "tile dims")
    return repeat(input, (1,) * (input._array.ndim - len(times)) + times)


def repeat_interleave(
    input: Tensor,
    repeats: Any = None,
    dim: int | None = None,
    *,
    axis: Any = None,
    output_size: int | None = None,
) -> Tensor:
    """Each element (or each slice along `dim`) so many times in a row.

    >>> import rushlight as torch
    >>> torch.repeat_interleave(torch.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    dim = dim if axis is None else axis
    if repeats is None:
        return _repeated_places(input)
    if dim is None:
        input = s.reshape(input, (input._array.size,))
        dim = 0
    ndim = input._array.ndim
    place = dimension(dim, ndim)
    size = input._array.shape[place] if ndim else 1
    if isinstance(repeats, (int, np.integer)) and not isinstance(repeats, bool):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        return _each_repeated(input, place, int(repeats))
    if isinstance(repeats, Tensor):
        refuse(repeats, "bool uint8 float16 bfloat16 float complex", "repeat_interleave_cpu")
    counts = repeats._array if isinstance(repeats, Tensor) else np.asarray(repeats)
    if counts.ndim == 0 or (counts.ndim == 1 and counts.size == 1):
        counts = np.full(size, int(counts.reshape(())))
    elif counts.ndim != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if counts.size != size:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) ="
            f" {counts.size} and input.size({dim}) = {size}"
        )
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    return placing.index_select(input, place, np.repeat(np.arange(size), counts))


def _each_repeated(input: Tensor, place: int, times: int) -> Tensor:
    before, size, after = (
        input._array.shape[:place], input._array.shape[place], input._array.shape[place + 1 :]
    )  # fmt: skip
    wide = s.expand(s.unsqueeze(input, place + 1), (*before, size, times, *after))
    return s.reshape(s.contiguous_copy(wide), (*before, size * times, *after))


def _repeated_places(repeats: Tensor) -> Tensor:
    counts = repeats._array
    if counts.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if counts.dtype not in (np.int64, np.int32):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    return wrap_array(np.repeat(np.arange(counts.size, dtype=counts.dtype), counts))


def flip(input: Tensor, *places: Any, dims: Any = None) -> Tensor:
    """Reversed along the given dimensions, in new memory.

    Args: dims, one or several, counted from the end if negative. Shapes: the result has the
        input's.
    Raises: IndexError for a dimension that is not there, RuntimeError for one given twice.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.flip.html

    >>> import rushlight as torch
    >>> torch.flip(torch.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    chosen = shapes.sizes(places if dims is None else (dims,), "flip dims")
    found = dimensions(chosen, input._array.ndim)
    return s.flip(input, found if input._array.ndim else ())


def fliplr(input: Tensor) -> Tensor:
    """Columns reversed.

    Shapes: two dimensions or more, the second is reversed. Raises: RuntimeError for fewer.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fliplr.html

    >>> import rushlight as torch
    >>> torch.fliplr(torch.tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input._array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return s.flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Rows reversed.

    Shapes: one dimension or more, the first is reversed. Raises: RuntimeError for a number.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.flipud.html

    >>> import rushlight as torch
    >>> torch.flipud(torch.tensor([1, 2]))
    tensor([2, 1])
    """
    if input._array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return s.flip(input, (0,))


def _whole(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, (tuple, list)) else (int(value),)


def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Elements moved on along dimensions, those at the end coming back at the front.

    Args: shifts and dims, a number or as many of each; without dims all elements move as one row.
    Raises: RuntimeError where the two are not as many, IndexError for a dimension that is not
        there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.roll.html

    >>> import rushlight as torch
    >>> torch.roll(torch.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    steps = _whole(shifts)
    places = _whole(() if dims is None else dims)
    if not steps:
        raise RuntimeError("`shifts` required")
    if input._array.size == 0:
        return s.roll(input, (0,), (0,))
    if not places and len(steps) == 1:
        return s.roll(input, steps, ())
    if len(steps) != len(places):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(places)}"
        )
    if input._array.ndim == 0:
        raise IndexError(f"Dimension specified as {places[0]} but tensor has no dimensions")
    found = tuple(dimension(place, input._array.ndim) for place in places)
    return s.roll(input, steps, found)


def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by k right angles in the plane of two dimensions, from the first towards the second.

    Shapes: the sizes of the two dimensions change places for odd k.
    Raises: RuntimeError for other than two dims, or two equal ones.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.rot90.html

    >>> import rushlight as torch
    >>> torch.rot90(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    ndim = input._array.ndim
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    found = tuple(dimension(dim, ndim) for dim in dims)
    if found[0] == found[1]:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    return s.rot90(input, k % 4, found)


def broadcast_shapes(*shapes_given: Any) -> Size:
    """The shape that all the given shapes broadcast to.

    Args: sizes, numbers or tuples of them. Raises: RuntimeError for shapes that do not fit
        together.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.broadcast_shapes.html

    >>> import rushlight as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    tuples = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes_given]
    for shape in tuples:
        for size in shape:
            if size < 0:
                raise RuntimeError(
                    f"Trying to create tensor with negative dimension ({size}): ({size})"
                )
    found = [1] * max(map(len, tuples), default=0)
    for argument, shape in enumerate(tuples):
        for place in range(-1, -1 - len(shape), -1):
            if shape[place] in (1, found[place]):
                continue
            if found[place] != 1:
                raise fail(
                    ShapeError,
                    f"Attempting to broadcast a dimension of length {shape[place]} at {place}!"
                    f" Mismatching argument at index {argument} had {shape}; but expected shape"
                    f" should be broadcastable to {found}",
                )
            found[place] = shape[place]
    return Size(found)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All tensors expanded, without copying, to their common shape.

    Returns: a tuple of views. Raises: RuntimeError for shapes that do not fit together.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.broadcast_tensors.html

    >>> import rushlight as torch
    >>> [x.shape for x in torch.broadcast_tensors(torch.zeros(2, 1), torch.zeros(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    found, _ = _given(tensors)
    shape = shapes.broadcast(*(x._array.shape for x in found))
    return tuple(x if x._array.shape == shape else s.expand(x, shape) for x in found)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid: one expanded view per axis ('ij' rows first, 'xy' columns first).

    >>> import rushlight as torch
    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")[0]
    tensor([[1, 1],
            [2, 2]])
    """
    found, _ = _given(tensors)
    if indexing is None:
        warn_once(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing"
            " argument."
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    if not found:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for x in found:
        if x._array.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: "
                f"{list(x._array.shape)}"
            )
    if len({x.dtype for x in found}) > 1:
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if len({x.device for x in found}) > 1:
        raise RuntimeError("meshgrid expects all tensors to have the same device")
    swap = indexing == "xy" and len(found) >= 2
    if swap:
        found[0], found[1] = found[1], found[0]
    shape = tuple(x._array.size for x in found)
    grids = [
        s.expand(s.as_shape(x, (1,) * i + (n,) + (1,) * (len(shape) - 1 - i)), shape)
        for i, (x, n) in enumerate(zip(found, shape))
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)
