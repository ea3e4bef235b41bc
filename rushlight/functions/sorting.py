"""torch's orders: sort, topk, medians, quantiles, modes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import not_implemented, wrap_array
from ..core.dtypes import COMPLEX_CODES
from ..core.errors import fail
from ..core.overlaps import refuse_sharing
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..core.values import noted, refuses, some
from ..ops import elementwise as e
from ..ops import sort as o
from ..ops import structure as s
from ..ops.indexing_along import gather
from .reduction import pick
from .reduction import put as _out
from .results import named_result

__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "nanquantile", "quantile",
    "sort", "topk",
]  # fmt: skip

_PAIR = ("values", "indices")
# results are made by `tuple.__new__`, which looks at nothing: of what users give a class has checks
_sort, _topk, _kthvalue, _mode = (
    named_result(name, _PAIR) for name in ("sort", "topk", "kthvalue", "mode")
)
_median, _nanmedian = named_result("median", _PAIR), named_result("nanmedian", _PAIR)


def _ordered(name: str, input: Tensor) -> None:
    if input._array.dtype.char in COMPLEX_CODES:
        if name in ("Sort", "topk"):
            raise RuntimeError(f" {name} does not support complex dtypes on CPU")
        raise not_implemented(name, input.dtype)


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None, *,
    axis: Any = None, out: Any = None,
) -> Any:  # fmt: skip
    """The elements in order along a dimension, and their indices.

    nan counts as larger than every number. Equal ones keep their order if `stable`; else they stand
    as torch's sort leaves them.
    Source: https://pytorch.org/docs/stable/generated/torch.sort.html

    >>> import rushlight as torch
    >>> torch.sort(torch.tensor([3, 1, 2])).indices
    tensor([1, 2, 0])
    """
    _ordered("Sort", input)
    place = dimension(dim if axis is None else axis, input._array.ndim)
    return _out(tuple.__new__(_sort, o.sort(input, place, bool(descending), stable)), out)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False, *,
    axis: Any = None,
) -> Tensor:  # fmt: skip
    """The indices that put a dimension in order.

    Args: dim, the last by default; descending; stable: equal elements keep their order.
    Shapes: int64, as the input. Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.argsort.html

    >>> import rushlight as torch
    >>> torch.argsort(torch.tensor([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    _ordered("Sort", input)
    place = dimension(dim if axis is None else axis, input._array.ndim)
    return o.argsort(input, place, bool(descending), bool(stable))


def msort(input: Tensor, *, out: Any = None) -> Tensor:
    """The elements in order along the first dimension.

    Shapes: the result has the input's.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.msort.html

    >>> import rushlight as torch
    >>> torch.msort(torch.tensor([[3], [1]]))
    tensor([[1],
            [3]])
    """
    return _out(sort(input, 0).values, out)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *,
    axis: Any = None,
    out: Any = None,
) -> Any:  # fmt: skip
    """The k largest (or smallest) elements along a dimension, in order, and their indices.

    Args: sorted, which may be False: they are in order all the same. Returns: (values, indices).
    Shapes: k along `dim`, the last by default. Raises: RuntimeError for a k beyond the size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.topk.html

    >>> import rushlight as torch
    >>> torch.topk(torch.tensor([1, 5, 3]), 2).values
    tensor([5, 3])
    """
    dim = dim if axis is None else axis
    _ordered("topk", input)
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place] if input._array.ndim else 1
    k = int(k)
    if not 0 <= k <= size:
        raise fail(
            RuntimeError, "selected index k out of range",
            f"k is {k}, the dimension has {size} elements",
        )  # fmt: skip
    return _out(tuple.__new__(_topk, o.topk(input, place, k, bool(largest))), out)


def kthvalue(
    input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Any:  # fmt: skip
    """The k-th smallest element along a dimension (counted from 1), and its index.

    Shapes: `dim` (the last by default) goes, or is kept at size 1. Returns: (values, indices).
    Raises: RuntimeError for a k below 1 or beyond the size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.kthvalue.html

    >>> import rushlight as torch
    >>> torch.kthvalue(torch.tensor([4, 2, 9]), 2).values
    tensor(4)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    place = dimension(dim, input._array.ndim)
    size = input._array.shape[place] if input._array.ndim else 1
    if input._array.ndim and size == 0:
        raise IndexError(f"kthvalue(): Expected reduction dim {place} to have non-zero size.")
    if not 1 <= k <= size:
        raise fail(
            RuntimeError, "kthvalue(): selected number k out of range for dimension"
            f" {place}", f"k is {k}, the dimension has {size} elements",
        )  # fmt: skip
    _ordered("kthvalue_cpu", input)
    refuse_sharing(out and out[0], input)
    return _out(_kthvalue(*o.kthvalue(input, place, keepdim, k)), out)


def _middle(name: str, whole: Any, along: Any, result: Any, doc: str) -> Any:
    def median(
        input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: Any = None,
        keepdims: Any = None, out: Any = None,
    ) -> Any:  # fmt: skip
        dim, keepdim = pick(dim, axis, keepdim, keepdims)
        if dim is None:
            if input._array.size == 0 and input.dtype.category < dtypes.FLOAT:
                return wrap_array(np.full((), np.iinfo(input._array.dtype).min, input._array.dtype))
            return whole(input)
        place = dimension(dim, input._array.ndim)
        if input._array.ndim and input._array.shape[place] == 0:
            raise IndexError(f"median(): Expected reduction dim {place} to have non-zero size.")
        return _out(result(*along(input, place, keepdim)), out)

    median.__name__ = median.__qualname__ = name
    median.__doc__ = doc
    return median


median = _middle(
    "median", o.median_all, o.median_along, _median,
    """The middle element, the lower of two; with `dim`, a pair (values, indices). A nan wins.

    Args: dim (or axis); keepdim (or keepdims).
    Shapes: without `dim`, which `keepdim` keeps at size 1.
    Raises: IndexError for a dimension that is not there, or of size 0.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.median.html

    >>> import rushlight as torch
    >>> torch.median(torch.tensor([4., 1., 3., 2.]))
    tensor(2.)
    """,
)  # fmt: skip
nanmedian = _middle(
    "nanmedian", o.nanmedian_all, o.nanmedian_along, _nanmedian,
    """The middle of the elements that are not nan, the lower of two; as `median` with a `dim`.

    Args: dim (or axis); keepdim (or keepdims). Where all are nan, the result is nan.
    Shapes: without `dim`, which `keepdim` keeps at size 1.
    Raises: IndexError for a dimension that is not there, or of size 0.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanmedian.html

    >>> import rushlight as torch
    >>> torch.nanmedian(torch.tensor([4., torch.nan, 3.]))
    tensor(3.)
    """,
)  # fmt: skip


def mode(
    input: Tensor, dim: int = -1, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None,
    out: Any = None,
) -> Any:  # fmt: skip
    """The most frequent element along a dimension, the smallest of several, and its index.

    Shapes: `dim` (the last by default) goes, or is kept at size 1. Returns: (values, indices).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.mode.html

    >>> import rushlight as torch
    >>> torch.mode(torch.tensor([6, 5, 5, 6, 2])).values
    tensor(5)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    place = dimension(dim, input._array.ndim)
    if input._array.ndim and input._array.shape[place] == 0:
        raise IndexError(f"mode(): Expected reduction dim {place} to have non-zero size.")
    return _out(_mode(*o.mode(input, place, keepdim)), out)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _fractions(name: str, input: Tensor, q: Any, interpolation: str) -> tuple[Tensor, bool]:
    """The fractions as a vector tensor, and whether there was just one number."""
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but"
            f" got {interpolation}"
        )
    if input._array.size == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return wrap_array(np.array([q], input._array.dtype)), True
    if q._array.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if refuses(~((noted(q) >= 0) & (noted(q) <= 1))):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return s.reshape(q, (q._array.size,)), q._array.ndim == 0


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str,
    skip_nan: bool,
) -> Tensor:  # fmt: skip
    fractions, single = _fractions(name, input, q, interpolation)
    ndim = input._array.ndim
    place = 0 if dim is None else dimension(dim, ndim)
    rows = s.reshape(input, (input._array.size,)) if dim is None or not ndim else input
    last = rows._array.ndim - 1
    order = tuple(i for i in range(last + 1) if i != place) + (place,)
    ranked, _ = o.sort(s.permute(rows, order) if last else rows, last, False, None)
    found = _interpolated(ranked, fractions, interpolation, skip_nan)
    if dim is None:
        shape = found._array.shape[-1:]
        found = s.reshape(found, (*(1,) * (ndim if keepdim else 0), *shape))
    elif keepdim and ndim:
        found = s.unsqueeze(found, place)
    turned = found._array.ndim - 1
    if not single:  # the fractions' dimension goes to the front
        found = s.transpose(s.unsqueeze(found, 0), 0, turned + 1)
    return s.squeeze_dim_(found, (found._array.ndim - 1,))


def _interpolated(ranked: Tensor, q: Tensor, interpolation: str, skip_nan: bool) -> Tensor:
    """The values at fractions q of the last, sorted dimension."""
    array = ranked._array
    size, last = array.shape[-1], array.ndim - 1
    missing = np.isnan(array).sum(-1, keepdims=True)
    if skip_nan:
        top = np.where(missing < size, size - missing - 1, 0).astype(array.dtype)
        ranks = e.mul(q, wrap_array(top))
    else:
        ranks = e.mul(q, wrap_array(np.full((*array.shape[:-1], 1), size - 1, array.dtype)))
        if some(missing):  # one nan makes every quantile of its row nan: point past the numbers
            top = wrap_array(np.asarray(size - 1.0, array.dtype))
            ranks = e.where(wrap_array(missing > 0), top, ranks)
    at = ranks._array
    if interpolation in ("lower", "higher", "nearest"):
        rounded = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[interpolation](at)
        return gather(ranked, last, rounded.astype(np.int64))
    low = at.astype(np.int64)
    values = gather(ranked, last, low)
    weight = (wrap_array(np.full_like(at, 0.5)) if interpolation == "midpoint"
              else e.sub(ranks, wrap_array(low.astype(at.dtype))))  # fmt: skip
    above = gather(ranked, last, np.ceil(at).astype(np.int64))
    return e.lerp(values, above, weight)


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    axis: Any = None, keepdims: Any = None,
    interpolation: str = "linear", out: Any = None,
) -> Tensor:  # fmt: skip
    """The values below which the fractions q of the elements lie, interpolated between neighbours.

    Args: q, in 0..1, a number or a vector, whose size comes first in the result's; interpolation,
        "linear", "lower", "higher", "midpoint" or "nearest".
    Raises: RuntimeError for another q, whole numbers, and q of another type.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.quantile.html

    >>> import rushlight as torch
    >>> torch.quantile(torch.tensor([1.0, 2.0, 3.0]), 0.25)
    tensor(1.5000)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    return _out(_quantile("quantile", input, q, dim, keepdim, interpolation, False), out)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    axis: Any = None, keepdims: Any = None,
    interpolation: str = "linear", out: Any = None,
) -> Tensor:  # fmt: skip
    """Quantiles without nans: the number below which a share q of the others lies.

    Args: q, a number or a vector of shares in [0, 1]; dim (or axis; all elements by default);
    interpolation between two elements: "linear", "lower", "higher", "midpoint" or "nearest".
    Shapes: without `dim`, which `keepdim` (or keepdims) keeps at size 1; for a vector q, (len(q),
    ...).
    Raises: RuntimeError for a share outside [0, 1], another interpolation, or other than float32
    and float64, IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanquantile.html

    >>> import rushlight as torch
    >>> torch.nanquantile(torch.tensor([1.0, torch.nan, 3.0]), 0.5)
    tensor(2.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    return _out(_quantile("nanquantile", input, q, dim, keepdim, interpolation, True), out)
