"""Reductions and normalisations over the elements that a mask leaves in.

Where the mask is False an element counts as the identity of the reduction. A mask broadcasts to the
input; None keeps all. Source: https://pytorch.org/docs/stable/masked.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functions as f
from .. import linalg
from ..core import dtypes
from ..core.dispatch import named
from ..core.shapes import dimensions
from ..core.tensor import Tensor
from ..ops import structure as s

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp",
    "logsumexp", "mean", "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum",
    "var",
]  # fmt: skip


def _limit(x: Tensor, largest: bool) -> Any:
    """The largest or smallest number of the type."""
    kind = x._array.dtype
    if kind.kind in "fc" or x.dtype is dtypes.bfloat16:
        return float("inf") if largest else float("-inf")
    if kind.kind == "b":
        return largest
    info = np.iinfo(kind)
    return int(info.max if largest else info.min)


def _kept(x: Tensor, mask: Any, identity: Any) -> Tensor:
    """x with the identity where the mask is False."""
    return x if mask is None else f.where(_spread(x, mask), x, identity).to(x.dtype)


def _spread(x: Tensor, mask: Tensor) -> Tensor:
    if mask._array.ndim > x._array.ndim:
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher"
                         " than of the input)")  # fmt: skip
    return s.expand(mask if mask.dtype is dtypes.bool_ else mask != 0, x._array.shape)


def _cast(x: Tensor, dtype: Any) -> Tensor:
    return x if dtype is None or dtype is x.dtype else s.cast(x, dtype)


def _summed(x: Tensor, dtype: Any) -> Tensor:
    """x in the type that its sums have."""
    if dtype is None and x.dtype.category < dtypes.FLOAT:
        dtype = dtypes.int64
    return _cast(x, dtype)


def _count(x: Tensor, mask: Any, dims: Any, keepdim: bool) -> Tensor:
    ones = f.ones(x._array.shape, dtype=dtypes.int64)
    return f.sum(_kept(ones, mask, 0), dims, keepdim)


def sum(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
        mask: Any = None) -> Tensor:  # fmt: skip
    """The sum of the elements left in; 0 where there are none.

    Arguments as of `masked.mean`.

    >>> import rushlight as torch
    >>> torch.masked.sum(torch.tensor([1.0, 2.0]), mask=torch.tensor([True, False]))
    tensor(1.)
    """
    dims = dimensions(dim, input._array.ndim)
    x = _summed(input, dtype)
    return f.sum(_kept(x, mask, 0), dims, keepdim)


def prod(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Any = None) -> Tensor:  # fmt: skip
    """The product of the elements left in; 1 where there are none.

    Arguments as of `masked.mean`.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 3.0]), torch.tensor([True, False, True])
    >>> torch.masked.prod(x, 0, mask=mask)
    tensor(6.)
    """
    x = _kept(_summed(input, dtype), mask, 1)
    for place in sorted(dimensions(dim, input._array.ndim), reverse=True):
        x = f.prod(x, place, keepdim)
    return x


def _extreme(name: str, largest: bool) -> Callable[..., Tensor]:
    def reduce(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
               mask: Any = None) -> Tensor:  # fmt: skip
        x = _cast(input, dtype)
        dims = dimensions(dim, x._array.ndim)
        return getattr(f, name)(_kept(x, mask, _limit(x, not largest)), dims, keepdim)

    reduce.__name__ = reduce.__qualname__ = name
    word = "largest" if largest else "smallest"
    reduce.__doc__ = f"""The {word} of the elements left in; an infinity where there are none.

    Whole numbers: the type's {"smallest" if largest else "largest"} where there are none.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 3.0]), torch.tensor([True, False, True])
    >>> torch.masked.{name}(x, mask=mask)
    tensor({3 if largest else 2}.)
    """
    return reduce


amax, amin = _extreme("amax", True), _extreme("amin", False)


def _place(name: str, largest: bool) -> Callable[..., Tensor]:
    def reduce(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
               mask: Any = None) -> Tensor:  # fmt: skip
        x = _cast(input, dtype)
        found = getattr(f, name)(_kept(x, mask, _limit(x, not largest)), dim, keepdim)
        return _cast(found, x.dtype)

    reduce.__name__ = reduce.__qualname__ = name
    word = "largest" if largest else "smallest"
    reduce.__doc__ = f"""Where the {word} of the elements left in is, in the input's data type.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 3.0]), torch.tensor([True, False, True])
    >>> torch.masked.{name}(x, 0, mask=mask)
    tensor({2 if largest else 0}.)
    """
    return reduce


argmax, argmin = _place("argmax", True), _place("argmin", False)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running sums, the elements left out counting as 0.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 3.0]), torch.tensor([True, False, True])
    >>> torch.masked.cumsum(x, 0, mask=mask)
    tensor([2., 2., 5.])
    """
    return f.cumsum(_kept(_summed(input, dtype), mask, 0), dim)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """Running products, the elements left out counting as 1.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 3.0]), torch.tensor([True, False, True])
    >>> torch.masked.cumprod(x, 0, mask=mask)
    tensor([2., 2., 6.])
    """
    return f.cumprod(_kept(_summed(input, dtype), mask, 1), dim)


def mean(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
         mask: Any = None) -> Tensor:  # fmt: skip
    """The mean of the elements left in; nan where there are none.

    Arguments: `dim`, one, several or None for all; `keepdim`; `dtype` of the result; `mask`, True
    where an element counts, which broadcasts to the input.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.mean(x, 0, mask=mask)
    tensor(3.)
    """
    dims = dimensions(dim, input._array.ndim)
    x = _cast(input, dtype)
    if x.dtype.category < dtypes.FLOAT:
        x = s.cast(x, dtypes.float32)
    return f.sum(_kept(x, mask, 0), dims, keepdim) / _count(x, mask, dims, keepdim)


def median(input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None,
           mask: Any = None) -> Tensor:  # fmt: skip
    """The middle (the lower of two) of the elements left in; nan where there are none.

    Arguments as of `masked.mean`; one dimension, the last if none is given.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.median(x, 0, mask=mask)
    tensor(2.)
    """
    x = _cast(input, dtype)
    if not x._array.ndim:
        x = s.reshape(x, (1,))
        y = s.reshape(f.nanmedian(_kept(x, mask, float("nan")), 0)[0], ())
        return named(y, "NanmedianBackward1")
    return f.nanmedian(_kept(x, mask, float("nan")), dim, keepdim)[0]


def norm(input: Tensor, ord: float = 2.0, dim: Any = None, *, keepdim: bool = False,
         dtype: Any = None, mask: Any = None) -> Tensor:  # fmt: skip
    """The vector norm of the elements left in.

    Arguments as of `masked.mean`; `ord`, the p of the norm.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([3.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.norm(x, 2, 0, mask=mask)
    tensor(5.)
    """
    x = _cast(input, dtype)
    dims = dimensions(dim, x._array.ndim)
    identity = float("inf") if ord == float("-inf") else 0
    return linalg.vector_norm(_kept(x, mask, identity), ord, dims, keepdim)


def _spread_of(
    root: bool, input: Tensor, dim: Any, unbiased: Any, correction: Any, keepdim: bool,
    dtype: Any, mask: Any,
) -> Tensor:  # fmt: skip
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dims = dimensions(dim, input._array.ndim)
    x = _cast(input, dtype)
    if x.dtype.category < dtypes.FLOAT:
        x = s.cast(x, dtypes.float32)
    count = _count(x, mask, dims, True)
    center = f.sum(_kept(x, mask, 0), dims, True) / count
    away = x - center
    squared = f.abs(away) ** 2 if x.dtype.is_complex else away * away
    total = f.sum(_kept(squared, mask, 0), dims, keepdim)
    if not keepdim:
        count = s.reshape(count, total._array.shape)
    y = total / f.clamp(s.cast(count, total.dtype) - correction, min=0)
    y = f.sqrt(y) if root else y
    return named(_cast(y, x.dtype), f"{'Sqrt' if root else 'Div'}Backward0")


def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, *,
        correction: Any = None, keepdim: bool = False, dtype: Any = None,
        mask: Any = None) -> Tensor:  # fmt: skip
    """The variance of the elements left in, over their number less `correction` (1).

    Arguments as of `masked.mean`.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.var(x, 0, mask=mask)
    tensor(2.)
    """
    return _spread_of(False, input, dim, unbiased, correction, keepdim, dtype, mask)


def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, *,
        correction: Any = None, keepdim: bool = False, dtype: Any = None,
        mask: Any = None) -> Tensor:  # fmt: skip
    """The standard deviation of the elements left in.

    Arguments as of `masked.mean`; `correction` (1) is taken off the number of elements.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([2.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.std(x, 0, mask=mask)
    tensor(1.4142)
    """
    return _spread_of(True, input, dim, unbiased, correction, keepdim, dtype, mask)


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """softmax over the elements left in; the others get 0.

    Arguments: `dim`; `dtype` of the result; `mask`, True where an element counts.

    >>> import rushlight as torch
    >>> torch.masked.softmax(torch.zeros(3), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    x = _cast(input, dtype)
    return f.softmax(_kept(x, mask, float("-inf")), dim)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The logarithm of `softmax`.

    Arguments as of `masked.softmax`.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([0.0, 5.0, 0.0]), torch.tensor([True, False, True])
    >>> torch.masked.log_softmax(x, 0, mask=mask)[0]
    tensor(-0.6931)
    """
    x = _cast(input, dtype)
    return f.log_softmax(_kept(x, mask, float("-inf")), dim)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """softmax of the negated elements.

    Arguments as of `masked.softmax`.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([0.0, 5.0, 1.0]), torch.tensor([True, False, True])
    >>> torch.masked.softmin(x, 0, mask=mask)[0]
    tensor(0.7311)
    """
    x = _cast(input, dtype)
    return f.softmax(-_kept(x, mask, float("inf")), dim)


def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None,
              mask: Any = None) -> Tensor:  # fmt: skip
    """The elements left in over their norm (at least `eps`); the others get 0.

    Arguments: `ord`, the p of the norm; `dim`; `mask`, True where an element counts.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([3.0, 5.0, 4.0]), torch.tensor([True, False, True])
    >>> torch.masked.normalize(x, 2, 0, mask=mask)[::2]
    tensor([0.6000, 0.8000])
    """
    x = _cast(input, dtype)
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    floor = f.maximum(size, f.full((), eps, dtype=size.dtype))
    return _kept(x, mask, 0) / floor


def logsumexp(input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None,
              mask: Any = None) -> Tensor:  # fmt: skip
    """log of the sum of e^x over the elements left in.

    Arguments as of `masked.mean`.

    >>> import rushlight as torch
    >>> x, mask = torch.tensor([0.0, 5.0, 0.0]), torch.tensor([True, False, True])
    >>> torch.masked.logsumexp(x, 0, mask=mask)
    tensor(0.6931)
    """
    x = _cast(input, dtype)
    dims = dimensions(dim, x._array.ndim)
    return _cast(f.logsumexp(_kept(x, mask, _limit(x, False)), dims, keepdim), x.dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype: Any = None, input_mask: Any = None,
              other_mask: Any = None) -> Tensor:  # fmt: skip
    """log(e^x + e^y), an element left out counting as -inf.

    >>> import rushlight as torch
    >>> x, all_, none = torch.tensor([1.0]), torch.tensor([True]), torch.tensor([False])
    >>> torch.masked.logaddexp(x, x, input_mask=all_, other_mask=none)
    tensor([1.])
    """
    a, b = _cast(input, dtype), _cast(other, dtype)
    low = float("-inf")
    return f.logaddexp(_kept(a, input_mask, low), _kept(b, other_mask, low))
