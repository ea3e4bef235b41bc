"""Reductions of segments: stretches of one dimension, by their lengths or where they begin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import not_implemented, whole, wrap_array
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..ops import elementwise as e
from ..ops import scatter_reduce as r
from ..ops.structure import part

__all__ = ["segment_reduce"]

# by torch's name: the name in `scatter_reduce`, and what an empty segment gives
_WAYS = {"sum": ("sum", 0.0), "mean": ("sum", 0.0), "prod": ("prod", 1.0),
         "max": ("amax", -np.inf), "min": ("amin", np.inf)}  # fmt: skip


def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Tensor:  # fmt: skip
    """The sum, mean, prod, max or min of each segment along `axis`, begun with `initial`.

    Shapes: data (*, S, ...) with * the dimensions before `axis`; lengths (*, n) or offsets (*, n+1)
    give (*, n, ...). Without `initial` an empty segment gives 0, nan, 1, -inf or inf. `unsafe`
    does not ask that the lengths add up to S.

    Raises RuntimeError for lengths that do not fit.
    Source: https://pytorch.org/docs/stable/generated/torch.segment_reduce.html

    >>> import rushlight as torch
    >>> torch.segment_reduce(torch.tensor([1.0, 2.0, 3.0]), "sum", lengths=torch.tensor([2, 0, 1]))
    tensor([3., 0., 3.])
    """
    place = dimension(axis, data._array.ndim)
    way, start = _way(data, reduce)
    sizes = _lengths(data, place, lengths, indices, offsets, unsafe)
    shape, count = data._array.shape, sizes.shape[-1]
    places = _places(sizes, shape[place])
    wide = places.reshape(places.shape + (1,) * (len(shape) - place - 1))
    left = int(bool(places.size) and int(places.max()) == count)  # what no segment reaches
    kind = data._array.dtype
    base = np.full((*shape[:place], count + left, *shape[place + 1 :]), start, kind)
    extreme = reduce in ("max", "min")
    if initial is not None and not extreme:
        base[...] = initial
    y = r.scatter_reduce(wrap_array(base), data, place, np.broadcast_to(wide, shape), way, True)
    if left:
        y = part(y, (*[slice(None)] * place, slice(count), ...))
    if initial is not None and extreme:  # which has no part in the gradient, where it is as far too
        nearer = y._array >= initial if reduce == "max" else y._array <= initial
        y = e.where(wrap_array(nearer), y, float(initial))
    if reduce == "mean":
        per = sizes.reshape(sizes.shape + (1,) * (len(shape) - place - 1)).astype(kind)
        per[per == 0] = np.nan if initial is None else 1
        y = e.div(y, wrap_array(per))
    return whole(y, "SegmentReduceBackward0")


def _way(data: Tensor, reduce: str) -> tuple[str, float]:
    if reduce not in _WAYS:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if data.dtype.category != dtypes.FLOAT:
        raise not_implemented("_segment_reduce_cpu", data.dtype)
    return _WAYS[reduce]


def _lengths(
    data: Tensor, place: int, lengths: Tensor | None, indices: Tensor | None,
    offsets: Tensor | None, unsafe: bool,
) -> np.ndarray:  # fmt: skip
    """The lengths of segments, (*, n), checked as torch checks them."""
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    given = offsets if offsets is not None else lengths
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    name = "offsets" if offsets is not None else "lengths"
    if place != given._array.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of {name} but got {place}."
        )
    if given.dtype not in (dtypes.int32, dtypes.int64):
        raise not_implemented(f"_segment_reduce_{name}_cpu_kernel1", given.dtype)
    sizes = np.diff(given._array) if offsets is not None else given._array
    if sizes.size and sizes.min() < 0:
        raise RuntimeError("lengths contains negative value!")
    full = data._array.shape[place]
    if name == "lengths" and not unsafe and not (sizes.sum(-1) == full).all():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to"
            " data.size(lengths.dim()-1) when !unsafe."
        )
    return sizes


def _places(sizes: np.ndarray, full: int) -> np.ndarray:
    """The segment of each entry, (*, S): n for those after the last."""
    ends = np.cumsum(sizes, -1)
    flat = ends.reshape(math.prod(ends.shape[:-1]), ends.shape[-1])
    rows = [np.searchsorted(row, np.arange(full), "right") for row in flat]
    return np.array(rows, np.int64).reshape(*sizes.shape[:-1], full)
