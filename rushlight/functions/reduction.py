"""torch's reductions: dims as a number, a list or all; `keepdim`; named results."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import named, scalar_type_name, write_out
from ..core.errors import fail
from ..core.shapes import dimension, dimensions
from ..core.tensor import Tensor
from ..core.values import together
from ..ops import elementwise as e
from ..ops import reduce as r
from ..ops import structure as s
from ..ops.contract import c_name
from .arguments import combination
from .results import named_result

__all__ = [
    "_is_all_true", "_is_any_true",
    "all", "amax", "amin", "any", "argmax", "argmin", "max", "mean", "min", "named_result", "sum",
]  # fmt: skip


def dims_of(dim: Any, ndim: int) -> Any:
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim % ndim,)
    found = dimensions(dim, ndim)
    return found if ndim else None


def pick(dim: Any, axis: Any, keepdim: bool, keepdims: Any) -> tuple[Any, Any]:
    keep = keepdim if keepdims is None else keepdims
    if keep is not False and keep is not True and not isinstance(keep, np.bool_):
        raise TypeError(f"argument 'keepdim' must be bool, not {type(keep).__name__}")
    return (dim if axis is None else axis), keep


def put(result: Any, out: Any) -> Any:
    """The result, or `out` filled with it."""
    return result if out is None else write_out(result, out)


def same_kind(input: Tensor, *outs: Any) -> None:
    """torch's error for an `out` of another type than the input."""
    for out in outs:
        if out is not None and out.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {c_name(input._array)}, but got"
                f" {c_name(out._array)} instead"
            )


def _matching(input: Tensor, out: Any) -> None:
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(
            "Expected the dtype for input and out to match, but got"
            f" {scalar_type_name(input.dtype)} for input's dtype and {scalar_type_name(out.dtype)}"
            " for out's dtype."
        )


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The sum of all elements, or over the given dimensions; integers sum as int64.

    Args: dtype, to which the input is cast first.
    Shapes: without `dim`, one or several (all by default), which `keepdim` keeps at size 1.
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.sum.html

    >>> import rushlight as torch
    >>> torch.sum(torch.ones(2, 3), dim=1)
    tensor([3., 3.])
    """
    if dim is None and axis is None and dtype is None and out is None and not keepdim:
        return r.sum(input, None, bool(keepdims))
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if out is not None:  # which says the type, as in torch
        dtype = dtype or out.dtype
    if dtype is not None:
        input = s.cast(input, dtype)
    dims = dims_of(dim, input._array.ndim)
    result = r.sum(input, dims, keepdim)
    if dims is None and dim is not None:
        named(result, "SumBackward1")
    return put(result if dtype is None else s.cast(result, dtype), out)


def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The arithmetic mean of all elements, or over the given dimensions.

    Args: dim (or axis), one or several dimensions (all by default); dtype, to which the input is
    cast first.
    Shapes: without `dim`, which `keepdim` (or keepdims) keeps at size 1.
    Raises: RuntimeError for whole numbers and bools (give `dtype`), IndexError for a dimension that
    is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html

    >>> import rushlight as torch
    >>> torch.mean(torch.tensor([[1.0, 3.0], [5.0, 7.0]]), 0)
    tensor([3., 5.])
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if dtype is not None:
        input = s.cast(input, dtype)
    if input._array.dtype.kind in "iub":
        which = "Input" if dtype is None else "Optional"
        raise fail(
            RuntimeError,
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point"
            f" or complex dtype. Got: {e_name(input)}",
            "use x.float().mean()",
        )
    dims = dims_of(dim, input._array.ndim)
    result = r.mean(input, dims, keepdim)
    if dims is None and dim is not None:
        named(result, "MeanBackward1")
    return put(result, out)


def e_name(input: Tensor) -> str:
    return scalar_type_name(input.dtype)


def _not_empty(input: Tensor, dim: Any, name: str) -> None:
    if input._array.size == 0 and (
        dim is None or input._array.shape[dimension(dim, input._array.ndim)] == 0
    ):
        if dim is None and name.startswith("arg"):
            raise IndexError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
            )
        if dim is None:
            raise RuntimeError(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify"
                " the reduction dim with the 'dim' argument."
            )
        raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")


def _all_filled(input: Tensor, dim: Any, name: str) -> None:
    """torch's refusal to take an extremum of nothing."""
    if input._array.size:
        return
    dims = dims_of(dim, input._array.ndim)
    if dims is None:
        _not_empty(input, None, name)
    for place in dims or ():
        if input._array.ndim and input._array.shape[place] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {place} to have non-zero size.")


_max_result = named_result("max", ("values", "indices"))
_min_result = named_result("min", ("values", "indices"))


def _extremum(name: str, reduce: Any, pair: Any, result: Any, doc: str) -> Any:
    def extremum(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
        keepdims: Any = None, out: Any = None, other: Any = None,
    ) -> Any:  # fmt: skip
        if not isinstance(input, Tensor):
            raise combination(name, [x for x in (input, dim) if x is not None], {})
        if isinstance(dim, Tensor) or other is not None:
            return pair(input, dim if other is None else other, out=out)
        dim, keepdim = pick(dim, axis, keepdim, keepdims)
        _not_empty(input, dim, name)
        if dim is None:
            return put(reduce(input), out)
        place = dimension(dim, input._array.ndim)
        both = r.extremum_along(input, place if input._array.ndim else None, keepdim, name)
        return put(tuple.__new__(result, both), out)

    extremum.__name__ = extremum.__qualname__ = name
    extremum.__doc__ = doc
    return extremum


max = _extremum(
    "max", r.max_all, e.maximum, _max_result,
    """The largest element; with `dim`, the largest along it and where; with a tensor, elementwise.

    >>> import rushlight as torch
    >>> torch.max(torch.tensor([[1, 5], [7, 2]]), dim=1).indices
    tensor([1, 0])
    """,
)  # fmt: skip
min = _extremum(
    "min", r.min_all, e.minimum, _min_result,
    """The smallest element; with `dim`, those along it and where; with a tensor, elementwise.

    >>> import rushlight as torch
    >>> torch.min(torch.tensor([3.0, -1.0]))
    tensor(-1.)
    """,
)  # fmt: skip


def amax(
    input: Tensor,
    dim: Any = (),
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: Any = None,
    out: Any = None,
) -> Tensor:
    """The largest value over dimensions; ties share the gradient.

    Shapes: without `dim`, one or several (all by default), which `keepdim` keeps at size 1.
    Raises: IndexError for a dimension without elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.amax.html

    >>> import rushlight as torch
    >>> torch.amax(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([5., 7.])
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    _all_filled(input, dim, "amax")
    _matching(input, out)
    return put(r.amax(input, dims_of(dim, input._array.ndim), keepdim), out)


def amin(
    input: Tensor,
    dim: Any = (),
    keepdim: bool = False,
    *,
    axis: Any = None,
    keepdims: Any = None,
    out: Any = None,
) -> Tensor:
    """The smallest value over dimensions; ties share the gradient.

    Shapes: without `dim`, one or several (all by default), which `keepdim` keeps at size 1.
    Raises: IndexError for a dimension without elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.amin.html

    >>> import rushlight as torch
    >>> torch.amin(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    tensor([1., 2.])
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    _all_filled(input, dim, "amin")
    _matching(input, out)
    return put(r.amin(input, dims_of(dim, input._array.ndim), keepdim), out)


def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The index of the largest element, in the flattened tensor or along a dimension.

    The first of equal ones; a NaN counts as the largest. `keepdim` keeps `dim` with size 1.
    Raises: IndexError where there is nothing to choose from; RuntimeError for bool and complex.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.argmax.html

    >>> import rushlight as torch
    >>> torch.argmax(torch.tensor([[1, 5], [7, 2]]), dim=1)
    tensor([1, 0])
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    return put(_arg(r.argmax, "argmax", input, dim, keepdim), out)


def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The index of the smallest element, in the flattened tensor or along a dimension.

    The first of equal ones; a NaN counts as the smallest. `keepdim` keeps `dim` with size 1.
    Raises: IndexError where there is nothing to choose from; RuntimeError for bool and complex.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.argmin.html

    >>> import rushlight as torch
    >>> torch.argmin(torch.tensor([3.0, 1.0, 2.0]))
    tensor(1)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    return put(_arg(r.argmin, "argmin", input, dim, keepdim), out)


def _arg(op: Any, name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    _not_empty(input, dim, name)
    if dim is None:
        found = op(input, None, False)
        return s.reshape(found, (1,) * input._array.ndim) if keepdim else found
    return op(input, dimension(dim, input._array.ndim), keepdim)


def all(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Whether every element is nonzero.

    Of no elements it is True. `dim` (or `axis`) is a dimension, several of them, or None for all;
    `keepdim` keeps them with size 1. The result is bool, of uint8 uint8 as in torch.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.all.html

    >>> import rushlight as torch
    >>> torch.all(torch.tensor([True, False]))
    tensor(False)
    """
    return _logical(r.all, input, *pick(dim, axis, keepdim, keepdims), out)


def _is_all_true(input: Tensor) -> Tensor:
    """Whether every element of a bool tensor is true, under `vmap` in all samples together.

    >>> import rushlight as torch
    >>> torch.vmap(lambda x: torch._is_all_true(x > 1))(torch.tensor([1.0, 2.0]))
    tensor([False, False])
    """
    return all(together(input))


def _is_any_true(input: Tensor) -> Tensor:
    """Whether some element of a bool tensor is true, under `vmap` in any sample.

    >>> import rushlight as torch
    >>> torch.vmap(lambda x: torch._is_any_true(x > 1))(torch.tensor([1.0, 2.0]))
    tensor([True, True])
    """
    return any(together(input))


def any(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Whether some element is nonzero.

    Of no elements it is False. `dim` (or `axis`) is a dimension, several of them, or None for all;
    `keepdim` keeps them with size 1. The result is bool, of uint8 uint8 as in torch.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.any.html

    >>> import rushlight as torch
    >>> torch.any(torch.tensor([True, False]))
    tensor(True)
    """
    return _logical(r.any, input, *pick(dim, axis, keepdim, keepdims), out)


def _logical(op: Any, input: Tensor, dim: Any, keepdim: bool, out: Any) -> Tensor:
    told = s.cast(input, dtypes.bool_) if input.dtype is dtypes.complex32 else input
    none = isinstance(dim, (tuple, list)) and not dim  # of them: every element by itself
    result = op(told, () if none else dims_of(dim, input._array.ndim), keepdim)
    return put(s.cast(result, dtypes.uint8) if input.dtype is dtypes.uint8 else result, out)
