"""`make_tensor`: random values of any data type for tests."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl

_DEFAULTS = (-9, 10)  # of integers; floating-point numbers end at 9


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor of values drawn evenly from [low, high).

    By default integers from -9 to 9 (unsigned from 0), floating-point numbers from [-9, 9), both.
    `noncontiguous` leaves gaps in memory; `exclude_zero` puts the smallest positive number, or 1,
    in the place of zeros.
    Raises ValueError for an empty or undefined range, TypeError for other types.
    Source: https://pytorch.org/docs/stable/testing.html

    >>> import rushlight as torch
    >>> torch.testing.make_tensor(2, 3, dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    if not isinstance(dtype, rl.dtype):
        raise TypeError(
            f"The requested dtype '{dtype}' is not supported by torch.testing.make_tensor()."
            " To request support, file an issue at: https://github.com/pytorch/pytorch/issues"
        )
    floating = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not floating:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got"
            f" dtype={dtype}"
        )
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got"
            f" noncontiguous=True and memory_format={memory_format!r}"
        )
    sizes = tuple(shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
    first, last = _range(dtype, low, high, floating)
    result = _draw(sizes, dtype, device, first, last, floating)
    if noncontiguous and result.numel() > 1:
        result = rl.repeat_interleave(result, 2, dim=-1)[..., ::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = rl.finfo(dtype).tiny if floating else 1
    return result.requires_grad_(requires_grad) if requires_grad else result


def _range(dtype: Any, low: Any, high: Any, floating: bool) -> tuple[Any, Any]:
    """The two ends, checked and kept inside what the data type can hold."""
    if dtype is rl.bool:
        least, most = 0, 2
        low, high = 0 if low is None else low, 2 if high is None else high
    else:
        limits = (rl.finfo if floating else rl.iinfo)(dtype)
        least, most = limits.min, limits.max
        low = max(_DEFAULTS[0], least) if low is None else low
        high = min(_DEFAULTS[1] - floating, most) if high is None else high
    if any(isinstance(end, float) and math.isnan(end) for end in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low!r} and high={high!r}")
    if low == high and floating:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is"
            " deprecated since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning, stacklevel=3,
        )  # fmt: skip
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < least or low > most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} only"
            f" supports [{least}, {most})"
        )
    if not floating:
        low, high = math.ceil(low), math.ceil(high)
    return max(low, least), min(high, most)


def _draw(sizes: Any, dtype: Any, device: Any, low: Any, high: Any, floating: bool) -> Any:
    if not floating:
        return rl.randint(low, high, sizes, device=device, dtype=dtype)
    result = rl.empty(sizes, device=device, dtype=dtype)
    (rl.view_as_real(result) if dtype.is_complex else result).uniform_(low, high)
    return result
