"""torch's functions on shape and memory."""

from __future__ import annotations

from math import prod
from operator import index as as_index
from typing import Any

import numpy as np

from ..core import dtypes, shapes
from ..core.dispatch import named, scalar_type_name
from ..core.errors import ShapeError, fail
from ..core.shapes import also_axis, dimension, dimensions, is_one, required_dim
from ..core.tape import storage_of
from ..core.tensor import Tensor, link_view, wrap
from ..ops import structure as s
from .layouts import in_format

__all__ = [
    "broadcast_to", "clone", "expand", "expand_as", "flatten", "moveaxis", "movedim", "narrow",
    "permute", "ravel", "reshape", "reshape_as", "select", "squeeze", "swapaxes", "swapdims", "t",
    "transpose", "unflatten", "unsqueeze", "view", "view_as",
]  # fmt: skip


def reshape(input: Tensor, *size: Any, shape: Any = None) -> Tensor:
    """The elements under another shape (one size may be -1): a view if strides allow, else a copy.

    Shapes: the sizes, one after another or as one tuple, multiply up to the number of elements; -1
    stands for what is left. The elements keep their order, last dimension fastest.
    Raises: RuntimeError for sizes that do not fit, or for more than one -1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html

    >>> import rushlight as torch
    >>> torch.reshape(torch.arange(4), (2, -1))
    tensor([[0, 1],
            [2, 3]])
    """
    return s.reshape(input, shapes.target(size if shape is None else (shape,), input._array.size))


def view(input: Tensor, *shape: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """The same memory under another shape (or, given a dtype, as another type of its bits).

    Shapes: as `reshape` has them; with a dtype of another width, the last size changes with it.
    Raises: RuntimeError where strides do not allow it (`reshape` copies then), or sizes do not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html

    >>> import rushlight as torch
    >>> x = torch.arange(4)
    >>> x.view(2, -1)
    tensor([[0, 1],
            [2, 3]])
    >>> torch.tensor([1.0]).view(torch.int32)
    tensor([1065353216], dtype=torch.int32)
    """
    if size is not None or dtype is not None:
        shape = (size if dtype is None else dtype,)
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        return _view_as_type(input, shape[0])
    return s.as_shape(input, shapes.target(shape, input._array.size))


def _view_as_type(input: Tensor, kind: dtypes.dtype) -> Tensor:
    array = input._array
    names = f"{scalar_type_name(input.dtype)} as {scalar_type_name(kind)}"
    try:
        seen = array.view(kind.numpy)
    except ValueError:  # NumPy's, of the last dimension
        raise shapes.other_width(array, names, kind.itemsize) from None
    if kind.itemsize > array.itemsize and type(array) is np.ndarray:
        shapes.refuse_uneven(array, storage_of(array).ctypes.data, names, kind.itemsize)
    return link_view(wrap(seen), input)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view with the shape of another tensor: `view(other.shape)`.

    Raises: RuntimeError as `view` does.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view_as.html

    >>> import rushlight as torch
    >>> torch.arange(4).view_as(torch.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return view(input, other._array.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The elements under the shape of another tensor: `reshape(other.shape)`.

    Raises: RuntimeError as `reshape` does.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.reshape_as.html

    >>> import rushlight as torch
    >>> torch.arange(4).reshape_as(torch.zeros(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return reshape(input, other._array.shape)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped, as a view.

    Args: dim0 and dim1, the dimensions, counted from the end where negative.
    Shapes: (..., m, ..., n, ...) to (..., n, ..., m, ...).
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.transpose.html

    >>> import rushlight as torch
    >>> torch.transpose(torch.zeros(2, 3), 0, 1).shape
    torch.Size([3, 2])
    """
    ndim = input._array.ndim
    a, b = dimension(dim0, ndim), dimension(dim1, ndim)
    return s.transpose(input, a, b) if ndim else named(s.as_shape(input, ()), "TransposeBackward0")


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix, as a view (vectors and scalars stay as they are).

    Shapes: (m, n) to (n, m).
    Raises: RuntimeError for a tensor of more than two dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.t.html

    >>> import rushlight as torch
    >>> torch.t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    if input._array.ndim > 2:
        raise fail(
            RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D"
        )
    return s.t(input)


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order, as a view.

    Args: dims, where each dimension of the result comes from: all of them, each once.
    Shapes: size i of the result is size dims[i] of the input.
    Raises: RuntimeError for too few, too many or repeated dimensions, IndexError for one that is
    not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html

    >>> import rushlight as torch
    >>> torch.permute(torch.zeros(2, 3, 5), (2, 0, 1)).shape
    torch.Size([5, 2, 3])
    """
    found = shapes.sizes(order if dims is None else (dims,), "permute dims")
    ndim = input._array.ndim
    if len(found) != ndim:
        raise fail(
            RuntimeError,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the"
            f" length of the desired ordering of dimensions i.e. input.dim() = {ndim} is not equal"
            f" to len(dims) = {len(found)}",
        )
    for dim in found:
        if type(dim) is not int or not 0 <= dim < ndim:
            found = tuple([dimension(dim, ndim) for dim in found])
            break
    if len(set(found)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return s.permute(input, found)


def _listed(dims: Any) -> list[int]:
    return [dims] if isinstance(dims, int) else list(dims)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Some dimensions moved to new positions, the others in their order, as a view.

    Args: source and destination, numbers or tuples of the same length.
    Raises: RuntimeError for unlike lengths or a repeated dimension, IndexError for one that is not
    there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.movedim.html

    >>> import rushlight as torch
    >>> torch.moveaxis(torch.zeros(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    ndim = input._array.ndim
    sources, targets = (
        tuple(dimension(one, ndim) for one in ((as_index(given),) if is_one(given) else given))
        for given in (source, destination)
    )
    if len(sources) != len(targets):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source"
            f" ({_listed(source)} dims) should contain the same number of dims as destination"
            f" ({_listed(destination)} dims)"
        )
    for name, given, found in (("source", source, sources), ("destination", destination, targets)):
        if len(set(found)) != len(found):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    order = [i for i in range(ndim) if i not in sources]
    for target, origin in sorted(zip(targets, sources)):
        order.insert(target, origin)
    return s.permute(input, tuple(order) if ndim else ())


moveaxis = movedim


def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Size-1 dimensions repeated as a view, without copying; -1 keeps a size.

    Shapes: the sizes stand against the input's from the last on; where they differ, the input's is
    1 or absent.
    Raises: RuntimeError for fewer sizes than dimensions, or a size that neither fits nor meets a 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html

    >>> import rushlight as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    shape = shapes.sizes(sizes if size is None else (size,), "expand size")
    old = input._array.shape
    extra = len(shape) - len(old)
    if extra < 0:
        raise fail(
            ShapeError,
            f"expand(torch.{_tensor_type(input)}{{{list(old)}}}, size={list(shape)}): the number of"
            f" sizes provided ({len(shape)}) must be greater or equal to the number of dimensions"
            f" in the tensor ({len(old)})",
        )
    for have, wanted in zip(old, shape):
        if have != wanted and (have != 1 or wanted < 0):
            break
    else:
        if not extra:  # nothing to be said, nor -1 to be filled in
            return s.expand(input, shape)
    return s.expand(input, _expanded(input, shape, extra))


def _expanded(input: Tensor, shape: tuple[int, ...], extra: int) -> tuple[int, ...]:
    """The sizes that `expand` is to give, -1 filled in; torch's errors for what does not fit."""
    old, target = input._array.shape, []
    for place in range(len(shape) - 1, -1, -1):  # the last first, as torch speaks of them
        wanted = shape[place]
        have = old[place - extra] if place >= extra else None
        if wanted == -1 and have is None:
            raise fail(
                ShapeError,
                f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing"
                f" dimension {place}",
            )
        size_here = have if wanted == -1 else wanted
        if have is not None and have not in (1, size_here):
            raise fail(
                ShapeError,
                f"The expanded size of the tensor ({wanted}) must match the existing size ({have})"
                f" at non-singleton dimension {place}.  Target sizes: {list(shape)}.  Tensor sizes:"
                f" {list(old)}",
            )
        target.append(size_here)
    return tuple(target[::-1])


def _tensor_type(input: Tensor) -> str:
    return f"{scalar_type_name(input.dtype)}Tensor"


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of another tensor: `expand(other.shape)`.

    Raises: RuntimeError as `expand` does.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand_as.html

    >>> import rushlight as torch
    >>> torch.tensor([[1], [2]]).expand_as(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    return expand(input, other._array.shape)


broadcast_to = expand


def squeeze(input: Tensor, dim: Any = None, *, axis: Any = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those given.

    Args: dim, a number or a tuple; a dimension of another size stays as it is.
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html

    >>> import rushlight as torch
    >>> torch.squeeze(torch.zeros(1, 2, 1), 0).shape
    torch.Size([2, 1])
    """
    dim = dim if axis is None else axis
    op = s.squeeze_all if dim is None else s.squeeze if isinstance(dim, int) else s.squeeze_many
    return op(input, dimensions(dim, input._array.ndim))


def unsqueeze(input: Tensor, dim: Any = None, *, axis: Any = None) -> Tensor:
    """A view with a new dimension of size 1 at `dim`.

    Args: dim, from -ndim - 1 to ndim: negative ones count from the end of the result.
    Raises: IndexError for a place that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.unsqueeze.html

    >>> import rushlight as torch
    >>> torch.unsqueeze(torch.zeros(2), 0).shape
    torch.Size([1, 2])
    """
    dim = required_dim("unsqueeze", dim, axis)
    return s.unsqueeze(input, dimension(dim, input._array.ndim + 1))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """A run of dimensions joined into one, a view where strides allow.

    Args: start_dim and end_dim, the first and last of the run (default: all dimensions).
    Shapes: (..., a, b, ..., z, ...) to (..., a * b * ... * z, ...); a scalar to (1,).
    Raises: RuntimeError where the run ends before it starts, IndexError for a dimension that is not
    there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html

    >>> import rushlight as torch
    >>> torch.flatten(torch.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    shape = input._array.shape
    if not shape:
        return s.as_shape(input, (1,))
    first, last = dimension(start_dim, len(shape)), dimension(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    return s.reshape(input, (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """The elements as a vector, last dimension fastest, without a copy where possible.

    Shapes: any to (number of elements,).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.ravel.html

    >>> import rushlight as torch
    >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return s.reshape(s.contiguous(input), (input._array.size,))


@also_axis
def unflatten(input: Tensor, dim: Any, sizes: Any) -> Tensor:
    """One dimension split into several, as a view.

    Args: dim, the dimension; sizes, what it becomes, of which one may be -1.
    Raises: RuntimeError for no sizes or sizes that do not multiply up to the dimension's.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.unflatten.html

    >>> import rushlight as torch
    >>> torch.unflatten(torch.zeros(4, 6), 1, (2, 3)).shape
    torch.Size([4, 2, 3])
    """
    shape = input._array.shape
    place = dimension(dim, len(shape))
    sizes = tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if -1 not in sizes and prod(sizes) != shape[place]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {place}"
            f" ({shape[place]}) in the input tensor"
        )
    return view(input, (*shape[:place], *shapes.infer(sizes, shape[place]), *shape[place + 1 :]))


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy with memory of its own; gradients flow through it.

    Args: memory_format, the order of the copy in memory (default: the input's own, where it has no
    gaps or overlaps).
    Shapes: the copy has the input's shape and type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.clone.html

    >>> import rushlight as torch
    >>> torch.clone(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    return s.clone(input) if memory_format is None else in_format(input, memory_format, copy=True)


@also_axis
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` indices of one dimension from `start` on, as a view.

    Args: dim, the dimension; start, where to begin, counted from the end where negative (a number
    or a tensor of one); length, how many.
    Raises: RuntimeError for a negative length, one that runs past the end, or a scalar, IndexError
    for a start that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.narrow.html

    >>> import rushlight as torch
    >>> torch.narrow(torch.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    if not input._array.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place]
    if isinstance(start, Tensor) and (start._array.ndim or start._array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = int(start)
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return s.narrow(input, place, start, length)


@also_axis
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One index of one dimension, as a view without that dimension.

    Args: dim, the dimension; index, the place in it, counted from the end where negative.
    Raises: IndexError for a dimension or an index that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.select.html

    >>> import rushlight as torch
    >>> torch.select(torch.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at"
            f" dimension {dim}"
        )
    return s.select(input, place, index % size)
