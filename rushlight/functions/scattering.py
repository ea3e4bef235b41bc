"""torch's gather and scatter family: one index per element, along one dimension."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..core import numbers
from ..core.dispatch import scalar_type_name, wrap_array
from ..core.errors import fail
from ..core.overlaps import refuse_overlap, refuse_sharing
from ..core.shapes import also_axis, dimension
from ..core.tensor import Tensor
from ..core.values import outside, settled
from ..ops import indexing_along as along
from ..ops import placing as p
from ..ops import scatter_reduce as r
from ..ops.structure import part
from .reduction import put as _out
from .reduction import same_kind

__all__ = [
    "gather", "index_reduce", "scatter", "scatter_add", "scatter_reduce",
]  # fmt: skip


Sizes = tuple[int, ...]


def _rank(shape: Sizes) -> int:
    return max(len(shape), 1)


def _in_range(name: str, places: np.ndarray, dim: int, size: int) -> np.ndarray:
    if outside(places, 0, size):
        given = settled(places)
        bad = (given < 0) | (given >= size)
        raise fail(
            RuntimeError,
            f"index {given[bad][0]} is out of bounds for dimension {dim} with size {size}",
            f"{name}: at position {[int(i) for i in np.argwhere(bad)[0]]} of the index",
        )
    return places


def _differ(x: Tensor, other: Tensor) -> bool:
    """Whether two tensors' types differ; arrays of one type mostly have one object for it."""
    return x._array.dtype is not other._array.dtype and x.dtype is not other.dtype


def _long(name: str, index: Tensor) -> None:
    if index._array.dtype.char not in "liq":
        raise fail(
            RuntimeError,
            f"{name}(): Expected dtype int32/int64 for index",
            f"the index is {index.dtype}: use index.long()",
        )


@lru_cache(256)
def _gathers(shape: Sizes, place: int, wanted: Sizes) -> str:
    """What torch says of an index of these sizes; nothing where they fit."""
    if len(shape) != len(wanted) and _rank(shape) != _rank(wanted):
        return "Index tensor must have the same number of dimensions as input tensor"
    for i, n in enumerate(wanted):
        if i != place and n > (shape[i] if shape else 1):
            return (
                f"Size does not match at dimension {i} expected index {list(wanted)} to be no"
                f" larger than self {list(shape)} apart from dimension {place}"
            )
    return ""


@also_axis
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Any = None
) -> Tensor:
    """y[i][j] = input[index[i][j]][j] along dim 0, and so on for other dims.

    Raises RuntimeError for an index outside the dimension or larger than the input in another one.
    Source: https://pytorch.org/docs/stable/generated/torch.gather.html

    >>> import rushlight as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    shape, places = input._array.shape, index._array
    place = dimension(dim, len(shape))
    if out is not None:
        same_kind(input, out)
        refuse_sharing(out, input)
        refuse_overlap(out, (index,))
    if places.size == 0:
        places = places.astype(np.int64)
        return _out(along.gather(input, place, places), out)
    _long("gather", index)
    said = _gathers(shape, place, places.shape)
    if said:
        raise RuntimeError(said)
    _in_range("gather", places, place, shape[place] if shape else 1)
    y = along.gather(input, place, places)
    return y if out is None else _out(y, out)


def _scatter_places(
    name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None
) -> tuple[int, np.ndarray]:
    shape, places = input._array.shape, index._array
    place = dimension(dim, len(shape))
    _long("scatter", index)
    if src is not None and _differ(src, input):
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if places.size == 0:
        return place, places.astype(np.int64)
    said = _scatters(shape, place, places.shape, None if src is None else src._array.shape)
    if said:
        raise RuntimeError(said)
    return place, _in_range(name, places, place, shape[place] if shape else 1)


@lru_cache(256)
def _scatters(shape: Sizes, place: int, wanted: Sizes, given: Sizes | None) -> str:
    """What torch says of an index of these sizes and its source; nothing where they fit."""
    if len(wanted) != len(shape) and _rank(wanted) != _rank(shape):
        return "Index tensor must have the same number of dimensions as self tensor"
    if given is not None and len(wanted) != len(given) and _rank(wanted) != _rank(given):
        return "Index tensor must have the same number of dimensions as src tensor"
    for i, n in enumerate(wanted):
        too_big = i != place and n > (shape[i] if shape else 1)
        if too_big or (given is not None and n > (given[i] if given else 1)):
            also = "" if given is None else f" and to be no larger size than src {list(given)}"
            return (
                f"Expected index {list(wanted)} to be no larger than self {list(shape)} apart"
                f" from dimension {place}{also}"
            )
    return ""


def _reached(src: Tensor, places: np.ndarray) -> Tensor:
    """The corner of a larger source that the places reach; the rest gets no gradient."""
    shape = src._array.shape
    if shape == places.shape or len(shape) != places.ndim:
        return src
    return part(src, tuple(slice(n) for n in places.shape))


@also_axis
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, value: Any = None, *,
    reduce: str | None = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """input with values of `src` (or one number) written to places along a dimension.

    `reduce` may be 'add' or 'multiply' to combine with what is there.

    >>> import rushlight as torch
    >>> torch.scatter(torch.zeros(3), 0, torch.tensor([2]), 5.0)
    tensor([0., 0., 5.])
    """
    given = src if src is not None else value
    source = given if isinstance(given, Tensor) else None
    place, places = _scatter_places("scatter", input, dim, index, source)
    if reduce is not None:
        return _out(_combined(input, place, places, given, reduce), out)
    if source is None:
        given = numbers.held(given, input._array.dtype)
        return _out(p.scatter_value(input, place, places, given), out)
    y = p.scatter(input, source, place, places)
    return y if out is None else _out(y, out)


def _combined(input: Tensor, place: int, places: np.ndarray, given: Any, reduce: str) -> Tensor:
    names = {"add": "sum", "multiply": "prod"}
    if reduce not in names:
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not isinstance(given, Tensor):
        filled = np.full(places.shape, given).astype(input._array.dtype)
        given = wrap_array(filled)
    return r.scatter_reduce(input, given, place, places, names[reduce], True)


@also_axis
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Any = None) -> Tensor:
    """A copy of the input with elements of `src` added at places that `index` gives along `dim`.

    Formula: for two dimensions and dim=0, result[index[i, j], j] += src[i, j].
    Shapes: index is at most as large as src, and as the input in all dimensions but `dim`.
    Types: index of int64 or int32; src of the input's.
    Raises: RuntimeError for another type, an index out of range, or larger shapes.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.scatter_add.html

    >>> import rushlight as torch
    >>> torch.scatter_add(torch.zeros(2), 0, torch.tensor([1, 1]), torch.ones(2))
    tensor([0., 2.])
    """
    place, places = _scatter_places("scatter", input, dim, index, src)
    y = along.scatter_add(input, _reached(src, places), place, places)
    return y if out is None else _out(y, out)


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@also_axis
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """A copy of the input where elements of `src` that `index` sends to one place are made one.

    Args: dim; index; src; reduce, "sum", "prod", "mean", "amax" or "amin"; include_self, whether
    the input's own element takes part.
    Shapes: index is at most as large as src, and as the input in all dimensions but `dim`.
    Raises: RuntimeError for another type of src or an index out of range.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.scatter_reduce.html

    >>> import rushlight as torch
    >>> torch.scatter_reduce(torch.ones(2), 0, torch.tensor([0, 0]), torch.tensor([3., 4.]), "prod")
    tensor([12.,  1.])
    """
    reduce = {"max": "amax", "min": "amin"}.get(reduce, reduce)  # torch takes the short names too
    if reduce not in _REDUCTIONS:
        raise RuntimeError(
            "reduce argument must be either sum, prod, mean, amax or amin, got " + reduce
        )
    place, places = _scatter_places("scatter", input, dim, index, src)
    source = _reached(src, places)
    return _out(r.scatter_reduce(input, source, place, places, reduce, include_self), out)


def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True, out: Any = None,
) -> Tensor:  # fmt: skip
    """A copy of the input where slices of `source` that `index` sends to one place are made one.

    Args: dim; index, a vector; source, a slice for each index; reduce, "prod", "mean", "amax" or
    "amin"; include_self, whether the input's own slice takes part.
    Raises: RuntimeError for another reduction or type, IndexError for an index out of range.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_reduce_.html

    >>> import rushlight as torch
    >>> torch.index_reduce(torch.ones(2), 0, torch.tensor([1, 1]), torch.tensor([3., 4.]), "amax")
    tensor([1., 4.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got"
            f" {reduce}."
        )
    place = dimension(dim, input._array.ndim)
    rows, given = index._array.reshape(-1), source._array.shape
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "index_reduce(): self and source expected to have the same dtype, but got (self)"
            f" {scalar_type_name(input.dtype)} and (source) {scalar_type_name(source.dtype)}"
        )
    have = given[place] if given else 1
    if rows.size != have:
        raise RuntimeError(
            f"index_reduce(): Number of indices ({rows.size}) should be equal to source.size(dim):"
            f" ({have}), for dim: {dim}"
        )
    size = input._array.shape[place] if input._array.ndim else 1
    if outside(rows, 0, size):
        raise IndexError("index out of range in self")
    wide = rows.reshape((-1,) + (1,) * (len(given) - 1 - place)) if given else rows
    places = np.broadcast_to(wide, given or (1,))
    return _out(r.index_reduce(input, source, place, places, reduce, include_self), out)
