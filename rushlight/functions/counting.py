"""torch's counts: distinct elements, histograms, places in sorted sequences, membership."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.batched import by_sample
from ..core import dtypes
from ..core.dispatch import not_implemented, refuse, result_type, scalar_type_name, wrap_array
from ..core.errors import fail
from ..core.shapes import dimension
from ..core.state import STATE
from ..core.tensor import Tensor
from ..core.values import outside, settled
from ..ops.contract import c_name
from .arguments import combination
from .control import hosted
from .creation import linspace, ones_like, zeros
from .reduction import put as _out
from .results import named_result
from .underived import by_aten, by_formula

__all__ = [
    "bincount", "bucketize", "histc", "histogram", "isin", "searchsorted", "unique",
    "unique_consecutive",
]  # fmt: skip


def _several(values: Any, inverse: Any, counts: Any) -> Any:
    found = [wrap_array(values)]
    found += [
        wrap_array(np.asarray(extra, np.int64)) for extra in (inverse, counts) if extra is not None
    ]
    return found[0] if len(found) == 1 else tuple(found)


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct elements (or slices along `dim`) in order; on demand their places and counts.

    >>> import rushlight as torch
    >>> torch.unique(torch.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    refuse(input, "complex", "unique")
    x = input._array
    if dim is None:
        values, inverse, counts = np.unique(
            x, return_inverse=True, return_counts=True, equal_nan=False
        )
        inverse = inverse.reshape(x.shape)
    else:
        place = dimension(dim, x.ndim)
        _some(x, place)
        values, inverse, counts = np.unique(
            x, return_inverse=True, return_counts=True, axis=place, equal_nan=False
        )
        inverse = inverse.reshape(-1)
        values = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, place, 0)), 0, place)
    found = _several(values, inverse if return_inverse else None, counts if return_counts else None)
    name, node = ("_unique2", "Unique2") if dim is None else ("unique_dim", "UniqueDim")
    return by_formula(name, f"{node}Backward0", found, input)


def _some(x: np.ndarray, place: int) -> None:
    if x.ndim and x.size == 0 and (x.shape[place] or x.shape.count(0) > 1):
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Runs of equal elements (or slices along `dim`) reduced to one of each.

    >>> import rushlight as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    x = input._array
    if dim is None:
        rows, place = x.reshape(-1), 0
    else:
        place = dimension(dim, x.ndim)
        _some(x, place)
        rows = np.moveaxis(x, place, 0) if x.ndim else x.reshape(1)
    flat = rows.reshape(len(rows), -1) if rows.size else rows.reshape(len(rows), 0)
    starts = np.ones(len(rows), bool)
    starts[1:] = (flat[1:] != flat[:-1]).any(1)
    inverse = np.cumsum(starts) - 1
    counts = np.diff(np.append(np.flatnonzero(starts), len(rows))) if len(rows) else np.zeros(0)
    values = rows[starts] if dim is None or not x.ndim else np.moveaxis(rows[starts], 0, place)
    inverse = inverse.reshape(x.shape) if dim is None else inverse
    found = _several(values, inverse if return_inverse else None, counts if return_counts else None)
    return by_formula("unique_consecutive", "UniqueConsecutiveBackward0", found, input)


@by_sample
def bincount(input: Tensor, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each non-negative integer occurs, or the sum of its weights.

    Shapes: input (n,), weights the same; the result has max(input) + 1 elements, and at least
    `minlength`: int64, with weights float32 or float64.
    Raises: RuntimeError for negative numbers and other shapes; NotImplementedError for other types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.bincount.html

    >>> import rushlight as torch
    >>> torch.bincount(torch.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    x = input._array
    if x.dtype.kind not in "iu":
        raise not_implemented("bincount_cpu", input.dtype)
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if STATE.tracer is not None and weights is None and minlength and x.ndim == 1:
        found = _counted(input, minlength)
        if found is not None:
            return found
    if (x.ndim != 1 and x.size) or (x.size and x.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return wrap_array(np.bincount(x.reshape(-1).astype(np.int64), minlength=minlength))
    if weights._array.shape != x.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    kind = weights._array.dtype if weights.dtype is dtypes.float32 else np.dtype(np.float64)
    total = np.bincount(x, weights._array.astype(np.float64), minlength)
    return by_aten("bincount", wrap_array(total.astype(kind)), weights)


def _counted(input: Tensor, count: int) -> Tensor | None:
    """The counts of numbers below `count`, in a trace: a program asks at every run if they are."""
    given = settled(input)
    known = type(given) is np.ndarray and given.size > 0
    if not known or given.min() < 0 or given.max() >= count:
        return None
    outside(input, 0, count)
    places = input.long()
    return zeros(count, dtype=dtypes.int64).index_add(0, places, ones_like(places))


def _limits(
    x: np.ndarray, low: float, high: float, name: str, margin: float
) -> tuple[float, float]:
    if low == high:
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
        if not (np.isfinite(low) and np.isfinite(high)):
            raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
        if low == high:
            low, high = low - margin, high + margin
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min")
    return low, high


def _check_bins(bins: int) -> None:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")


@by_sample
@hosted
def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Any = None
) -> Tensor:
    """How many elements fall in each of `bins` equal intervals of [min, max].

    Args: min and max, both 0 by default, which stands for the smallest and largest element;
        elements beyond them are not counted. Shapes: (bins,), of the input's type.
    Raises: RuntimeError for bins below 1, a min above max, and limits that are not finite.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.histc.html

    >>> import rushlight as torch
    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = input._array.reshape(-1)
    if input._array.dtype.kind not in "fV":
        raise not_implemented("histogram_cpu", input.dtype)
    bins = int(bins)
    _check_bins(bins)
    low, high = _limits(x, float(min), float(max), "torch.histc", 1.0)
    wide = x.astype(np.float64)
    inside = wide[(wide >= low) & (wide <= high)]
    places = ((inside - low) * bins / (high - low)).astype(np.int64)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return _out(wrap_array(counts.astype(x.dtype)), out)


_histogram = named_result("histogram", ("hist", "bin_edges"))


@hosted
def histogram(
    input: Tensor, bins: Any = 100, *, range: Any = None, weight: Any = None,
    density: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """Counts (or weights) of the elements per bin, and the bins' edges; `density` integrates to 1.

    >>> import rushlight as torch
    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=3, range=(0.0, 3.0)).hist
    tensor([0., 2., 1.])
    """
    x = input._array.reshape(-1)
    kind = x.dtype
    if kind not in (np.float32, np.float64):
        raise not_implemented("histogram_cpu", input.dtype)
    if isinstance(bins, Tensor):
        if bins.dtype is not input.dtype:
            raise RuntimeError(
                "torch.histogram(): input tensor and bins tensors should have the same"
                f" dtype, but got input with dtype {scalar_type_name(input.dtype)} and"
                f" bins with dtype {scalar_type_name(bins.dtype)}"
            )
        edges = bins._array
    else:
        _check_bins(bins)
        low, high = ((0.0, 0.0) if x.size else (0.0, 1.0)) if range is None else range
        low, high = _limits(x, float(low), float(high), "torch.histogramdd()", 0.5)
        edges = linspace(low, high, bins + 1, dtype=input.dtype)._array
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should"
            f" have the same dtype, but got input({c_name(x)}), and"
            f" weight({c_name(weight._array)})"
        )
    weights = None if weight is None else weight._array.reshape(-1).astype(np.float64)
    counts, _ = np.histogram(x.astype(np.float64), edges.astype(np.float64), weights=weights)
    counts = counts.astype(np.float64)
    if density:
        counts = counts / (counts.sum() * np.diff(edges.astype(np.float64)))
    found = _histogram(wrap_array(counts.astype(kind)), wrap_array(edges.copy()))
    return _out(by_aten("histogram", found, input), out)


@by_sample
def searchsorted(
    sorted_sequence: Tensor, input: Any = None, *, out_int32: bool = False, right: Any = None,
    side: str | None = None, sorter: Any = None, out: Any = None, self: Any = None,
) -> Tensor:  # fmt: skip
    """Where each value would go into a sorted sequence (the last dimension), keeping it sorted.

    `right` puts a value behind equal ones; `sorter` are the indices that sort the sequence.

    >>> import rushlight as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    input = self if input is None else input
    kind = result_type(sorted_sequence, input)
    if kind.category in (dtypes.BOOL, dtypes.COMPLEX) and sorted_sequence.numel():
        raise not_implemented("searchsorted_out_cpu", kind)
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while"
            " right was True"
        )
    steps, values = (
        sorted_sequence._array,
        input._array if isinstance(input, Tensor) else np.asarray(input),
    )
    if steps.ndim == 0:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should have positive dimension")
    _check_boundaries(input, steps, values)
    if sorter is not None:
        if sorter._array.shape != steps.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but"
                f" got boundary tensor {list(steps.shape)}and got sorter tensor"
                f" {list(sorter._array.shape)}"
            )
        steps = np.take_along_axis(steps, sorter._array, -1)
    which = "right" if right or side == "right" else "left"
    kind = np.int32 if out_int32 else np.int64
    if steps.ndim == 1:
        found = np.searchsorted(steps, values, which)
    elif not (steps.size and values.size):
        found = np.zeros(values.shape, kind)
    else:
        rows, each = steps.reshape(-1, steps.shape[-1]), values.reshape(-1, values.shape[-1])
        found = np.stack([np.searchsorted(a, b, which) for a, b in zip(rows, each)])
        found = found.reshape(values.shape)
    return _out(wrap_array(found.astype(kind, copy=False)), out)


def _check_boundaries(given: Any, steps: np.ndarray, values: np.ndarray) -> None:
    if not isinstance(given, Tensor):
        if steps.ndim != 1:
            raise RuntimeError(
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor"
                " dimension is 1, but we got boundaries tensor"
                f" dim({steps.ndim}) and input value's dim(0) numel(1)"
            )
    elif steps.ndim != 1 and (steps.ndim != values.ndim or steps.shape[:-1] != values.shape[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1"
            " dimensions of boundaries tensor and input value tensor must match, but we got"
            f" boundaries tensor {list(steps.shape)} and input value tensor {list(values.shape)}"
        )


@by_sample
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Any = None
) -> Tensor:
    """The number of the bucket, between sorted boundaries, that each value falls in.

    Args: boundaries, a sorted vector; right: a value equal to one belongs in the bucket above it.
    Shapes: int64 (int32 if `out_int32`), as the input.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.bucketize.html

    >>> import rushlight as torch
    >>> torch.bucketize(torch.tensor([2, 4]), torch.tensor([1, 3, 5]))
    tensor([1, 2])
    """
    if boundaries._array.ndim != 1:
        raise RuntimeError("boundaries tensor must be 1 dimension, but got dim"
                           f"({boundaries._array.ndim})")  # fmt: skip
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@by_sample
def isin(
    elements: Any,
    test_elements: Any,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Any = None,
) -> Tensor:
    """Where an element occurs among the test elements.

    Args: one of the two may be a number; invert: where it does not occur. Shapes: bools, as
        elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.isin.html

    >>> import rushlight as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 3]))
    tensor([False,  True,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise combination("isin", (elements, test_elements), {})
    a, b = (x._array if isinstance(x, Tensor) else np.asarray(x) for x in (elements, test_elements))
    for name, x in (("elements", a), ("test_elements", b)):
        if x.dtype.kind in "bc":
            raise fail(RuntimeError, f"Unsupported input type encountered for isin(): "
                       f"{scalar_type_name(dtypes.of(x))}", f"{name} has that type")  # fmt: skip
    return _out(wrap_array(np.isin(a, b, invert=invert)), out)
