"""Average and power-average pooling over windows of equal size."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

import rushlight as rl

from ...functions import neural as n
from .pooling import (
    check_empty,
    check_numbers,
    check_rank,
    fitting,
    out_sizes,
    sizes_of,
    sound,
    step_of,
    usual,
)

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d"]

Tensor = rl.Tensor
Sizes = tuple[int, ...]
_FEW = 1024  # windows of a form whose numbers of elements are kept


def _counts(size: int, kernel: int, stride: int, padding: int, out: int, pad: bool) -> np.ndarray:
    """How many elements each window of one dimension averages over."""
    starts = np.arange(out) * stride - padding
    ends = np.minimum(starts + kernel, size + padding)
    if not pad:
        starts, ends = np.maximum(starts, 0), np.minimum(ends, size)
    return ends - starts


@lru_cache(512)
def _even(size: Sizes, at: Any, count_include_pad: bool) -> bool:
    """Whether every window averages over the same number of elements."""
    kernel, stride, padding, _, out = at
    return all(
        (o - 1) * s + k <= n + (2 if count_include_pad else 1) * p and (count_include_pad or not p)
        for n, k, s, p, o in zip(size, kernel, stride, padding, out)
    )


def _divisor(size: Sizes, at: Any, count_include_pad: bool) -> Any:
    """The number to divide by: one for all windows, or a tensor where they differ."""
    include = bool(count_include_pad)
    if _even(size, at, include):
        return prod(at[0])
    few = prod(at[4]) <= _FEW
    total = (_total if few else _total.__wrapped__)(size, at, include)
    return total if type(total) is int else rl.from_numpy(total)


@lru_cache(128)
def _total(size: Sizes, at: Any, count_include_pad: bool) -> Any:
    """What each window is divided by, as an array; a number where it is the kernel's size."""
    kernel, stride, padding, _, out = at
    total: Any = np.ones((), np.int64)
    for one in zip(size, kernel, stride, padding, out):
        total = total[..., None] * _counts(*one, count_include_pad)
    first = prod(kernel)
    return first if (total == first).all() else total


def _sums(
    dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool
) -> tuple[Tensor, Any]:
    at = None if dims == 3 else usual(dims, input, kernel_size, stride, padding, 1)
    if at is None:
        at = _sum_numbers(dims, input, kernel_size, stride, padding)
    at = (*at, out_sizes(input, at, ceil_mode))
    whole = input._array.ndim == dims + 2
    y = n.sum_pool(input if whole else input.unsqueeze(0), *at)
    return (y if whole else y.squeeze(0)), at


def _sum_numbers(dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any) -> Any:
    """Kernel, stride, padding and dilation as tuples, checked as torch checks them."""
    name = f"avg_pool{dims}d"
    kernel = sizes_of(kernel_size, dims, name, "kernel_size")
    step = step_of(stride, kernel, dims, name)
    pad = sizes_of(padding, dims, name, "padding")
    ones = (1,) * dims
    check_rank(input, dims, False)
    check_numbers(kernel, step, pad, ones)
    check_empty(input, dims, "avg_pool3d()")
    if dims == 3:
        size = input.shape[-3:]
        if any(k > i for k, i in zip(kernel, size)):  # without what is padded
            raise RuntimeError(
                f"input image (T: {size[0]} H: {size[1]} W: {size[2]}) smaller than kernel size"
                f" (kT: {kernel[0]} kH: {kernel[1]} kW: {kernel[2]})"
            )
    return kernel, step, pad, ones


def _plan(
    dims: int, input: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool
) -> Any:
    """What is asked of plain numbers, and found once for each shape of a batch of images."""
    stride = kernel if stride is None else stride
    if dims == 3 or not type(kernel) is type(stride) is type(padding) is int:
        return None
    return _planned(dims, input._array.shape, kernel, stride, padding, bool(ceil_mode), include)


@lru_cache(512)
def _planned(
    dims: int, shape: Sizes, kernel: int, stride: int, padding: int, ceil_mode: bool, include: bool
) -> Any:
    """The numbers of the windows of sums, and what makes means of those.

    None where windows differ in size, a check has something to say, or it is one image alone.
    """
    numbers = sound(dims, kernel, stride, padding, 1)
    if numbers is None or len(shape) != dims + 2 or 0 in shape[1:]:
        return None
    size = shape[2:]
    at = (*numbers, fitting(size, numbers, ceil_mode))
    if min(at[-1]) < 1 or not _even(size, at, bool(include)):
        return None
    return at, 1.0 / prod(numbers[0])


_AVERAGES = {1: "avg_pool2d", 2: "avg_pool2d", 3: "avg_pool3d_out_frame"}  # torch's kernels


def averaged(
    dims: int, input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window, in one to three dimensions."""
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if divisor_override is None and input._array.dtype.char in "fd":
        plan = _plan(dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad)
        if plan is not None:
            at, factor = plan
            return n.sum_pool(input, *at) * factor
    kind = input.dtype
    if not kind.is_floating_point and kind is not rl.int64:
        raise n.not_implemented(_AVERAGES[dims], kind)
    if kind.itemsize < 4:  # half precision is summed in float32 and rounded once
        rest = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
        return averaged(dims, input.float(), *rest).to(kind)
    total, at = _sums(dims, input, kernel_size, stride, padding, ceil_mode)
    divisor = divisor_override
    if divisor is None:
        divisor = _divisor(input._array.shape[-dims:], at, count_include_pad)
    if not total.is_floating_point():
        return rl.div(total, divisor, rounding_mode="trunc")
    if isinstance(divisor, int):
        return total * (1.0 / divisor)
    return total / divisor.to(total.dtype)


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, L).

    Args: stride, the kernel's size by default; padding, zeros on both sides, which count in the
        mean if `count_include_pad`; ceil_mode: the last window may reach beyond the end.
    Shapes: (N, C, L) or (C, L), L to (L + 2 padding - kernel_size) // stride + 1.
    Raises: RuntimeError for a padding of more than half the kernel.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1.0, 3.0, 5.0, 7.0]]), 2)
    tensor([[2., 6.]])
    """
    y = averaged(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)
    return n.named(y, "SqueezeBackward1")


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, H, W).

    Also without N. kernel_size, stride (kernel_size if None) and padding (of zeros, at most half
    the kernel): one number or (high, wide); count_include_pad: the padding counts;
    divisor_override: what sums are divided by. Raises: RuntimeError for a larger padding or a
    divisor of 0.

    >>> import rushlight as torch
    >>> torch.nn.functional.avg_pool2d(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2)
    tensor([[[[2.5000]]]])
    """
    y = averaged(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                 divisor_override)  # fmt: skip
    return n.whole(y, "AvgPool2DBackward0")


@n.goes_by("AvgPool3DBackward0")
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of (N, C, D, H, W).

    Args: as those of `avg_pool1d`, one number or three; divisor_override divides in place of the
        count.
    Shapes: (N, C, D, H, W) or (C, D, H, W), sizes as there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.avg_pool3d(torch.zeros(1, 4, 4, 4), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    n.refuse(input, "float16 bfloat16", _AVERAGES[3])
    return averaged(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)  # fmt: skip


def _lp_pool(
    dims: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    n.refuse(input, "uint8 complex", _AVERAGES[dims])
    powers, at = _sums(dims, input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    # torch averages (over what lies inside) and multiplies by the kernel's size
    divisor = _divisor(tuple(input.shape[-dims:]), at, True)
    if not isinstance(divisor, int):
        powers = powers / divisor.to(powers.dtype) * prod(at[0])
    return (powers.sign() * powers.abs().relu()).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L), without absolute values.

    Args: norm_type, p; stride, the kernel's size by default; ceil_mode: the last window may be
        partial.
    Shapes: (N, C, L) or (C, L), L to (L - kernel_size) // stride + 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool1d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, H, W), without absolute values.

    Args: as those of `lp_pool1d`, sizes one number or two. Shapes: (N, C, H, W) or (C, H, W).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W), without absolute values.

    Args: as those of `lp_pool1d`, sizes one number or three. Shapes: (N, C, D, H, W) or (C, D, H,
        W).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 2, 2, 2), 2, 2)
    tensor([[[[2.8284]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
