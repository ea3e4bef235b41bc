"""Reductions, cumulative sums and differences."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .data_types import UNSIGNED, result_type

__all__ = [
    "all", "any", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std",
    "sum", "var",
]  # fmt: skip


def _axes(x: Any, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        if not -x.ndim <= one < x.ndim:
            raise IndexError(f"axis {one} is out of range for an array of {x.ndim} dimensions")
    return tuple(one % x.ndim for one in axes)


def _reduced(function: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction by a function of one dimension at a time, the last axes first."""
    for one in sorted(_axes(x, axis), reverse=True):
        x = function(x, one, keepdims)
    return x


def _sum_type(x: Any, dtype: Any) -> Any:
    """The type of sums: whole numbers are widened, of either sign kind."""
    if dtype is not None or x.is_floating_point() or x.is_complex():
        return dtype or x.dtype
    return rl.uint64 if x.dtype in UNSIGNED else rl.int64


def _exactly(x: Any, kind: Any) -> Any:
    return x if x.dtype == kind else x.to(kind)


def sum(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes (None: all)."""
    kind, axes = _sum_type(x, dtype), _axes(x, axis)
    if not axes:
        return _exactly(x, kind).clone()
    return _exactly(rl.sum(_wide(x, kind), axes, keepdims), kind)


def prod(x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product over axes (None: all)."""
    kind = _sum_type(x, dtype)
    return _exactly(_reduced(rl.prod, _wide(x, kind), axis, keepdims), kind)


def _wide(x: Any, kind: Any) -> Any:
    """Unsigned sums run in int64, whose bits are the same modulo 2**64."""
    return _exactly(x, rl.int64 if kind == rl.uint64 else kind)


def _extreme(name: str, function: Any) -> Any:
    def wrapped(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
        axes = _axes(x, axis)
        return function(x, axes, keepdims) if axes else x.clone()

    wrapped.__name__ = wrapped.__qualname__ = name
    wrapped.__doc__ = f"The standard's `{name}`."
    return wrapped


max, min = _extreme("max", rl.amax), _extreme("min", rl.amin)
mean = _extreme("mean", rl.mean)


def var(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The variance over axes, of n - correction degrees of freedom."""
    axes = _axes(x, axis)
    if not axes:
        return rl.zeros_like(x) if correction < 1 else rl.full_like(x, rl.nan)
    away = x - rl.mean(x, axes, True)
    count = 1
    for one in axes:
        count *= x.shape[one]
    return rl.sum(away * away, axes, keepdims) / (count - correction)


def std(x: Any, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """The square root of the variance."""
    return rl.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements are true."""
    return _reduced(rl.all, x != 0 if x.dtype != rl.bool else x, axis, keepdims)


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether some element is true."""
    return _reduced(rl.any, x != 0 if x.dtype != rl.bool else x, axis, keepdims)


def _cumulative(x: Any, axis: int | None, dtype: Any, initial: Any, function: Any) -> Any:
    if axis is None:
        if x.ndim != 1:
            raise ValueError("an axis is needed for an array of other than one dimension")
        axis = 0
    kind = _sum_type(x, dtype)
    result = _exactly(function(_wide(x, kind), axis), kind)
    if initial is None:
        return result
    shape = list(x.shape)
    shape[axis] = 1
    return rl.cat([rl.full(shape, initial, dtype=kind), result], axis)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None,
                   include_initial: bool = False) -> Any:  # fmt: skip
    """Running sums, with a leading 0 if asked."""
    return _cumulative(x, axis, dtype, 0 if include_initial else None, rl.cumsum)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None,
                    include_initial: bool = False) -> Any:  # fmt: skip
    """Running products, with a leading 1 if asked."""
    return _cumulative(x, axis, dtype, 1 if include_initial else None, rl.cumprod)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences along an axis."""
    parts = [part for part in (prepend, x, append) if part is not None]
    kind = result_type(*parts)
    return rl.diff(rl.cat([_exactly(part, kind) for part in parts], axis), n, axis)
