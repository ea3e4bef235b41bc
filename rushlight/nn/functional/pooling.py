"""Max pooling over windows of equal size, and how many windows fit."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import rushlight as rl

from ...core.shapes import is_one
from ...functions import neural as n

__all__ = [
    "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices",
    "max_pool3d", "max_pool3d_with_indices",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = tuple[int, ...]
_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}
_MAX_NODES = {
    1: "SqueezeBackward1", 2: "MaxPool2DWithIndicesBackward0", 3: "MaxPool3DWithIndicesBackward0",
}  # fmt: skip


def sizes_of(value: Any, dims: int, name: str, argument: str) -> Sizes:
    """One number per dimension, from a number or a sequence of 1 or `dims` numbers."""
    found = (int(value),) if is_one(value) else tuple(int(one) for one in value)
    if len(found) not in (1, dims):
        a = "a tuple of " + _WORDS[dims]
        raise RuntimeError(f"{name}: {argument} must either be a single int, or {a}")
    return found * dims if len(found) == 1 else found


def step_of(stride: Any, kernel: Sizes, dims: int, name: str) -> Sizes:
    """The stride per dimension: the window's size where none is given."""
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return sizes_of(stride, dims, name, "stride")


def pooled_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> int:
    """How many windows fit; with `ceil_mode` the last may overhang, if it starts inside."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def _times(sizes: Any) -> str:
    return "x".join(map(str, sizes))


def _check_line(input: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """The errors of `max_pool1d`, which has texts of its own."""
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for"
            f" input, but got:{list(input.shape)}"
        )
    for name, value in (("kernel_size", kernel), ("stride", stride)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, but got padding="
            f"{padding} and kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")


def check_numbers(kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    if min(stride) <= 0:
        raise RuntimeError("stride should not be zero")
    if min(kernel) <= 0:
        high, wide = (1, *kernel)[-2:]
        raise RuntimeError(
            f"kernel size should be greater than zero, but got kH: {high} kW: {wide}"
        )
    if min(dilation) <= 0:
        dilation = (1, *dilation) if len(dilation) == 1 else dilation
        names = ("dilationT", "dilationH", "dilationW")[-len(dilation) :]
        listed = " ".join(f"{name}: {d}" for name, d in zip(names, dilation))
        raise RuntimeError(f"dilation should be greater than zero, but got {listed}")
    for k, p, d in zip(kernel, padding, dilation):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got pad="
                f"{p}, kernel_size={k} and dilation={d}"
            )


def _check_halves(kernel: Sizes, padding: Sizes) -> None:
    if all(p <= k // 2 for k, p in zip(kernel, padding)):
        return
    if len(kernel) == 3:
        said = "kT: {} kW: {} kH: {} padT: {} padW: {} padH: {}"
        said = said.format(kernel[0], *kernel[:0:-1], padding[0], *padding[:0:-1])
    else:
        high, wide = (1, *kernel)[-2:]
        top, left = (0, *padding)[-2:]
        said = f"padW = {left}, padH = {top}, kW = {wide}, kH = {high}"
    raise RuntimeError(
        f"pad should be smaller than or equal to half of kernel size, but got {said}"
    )


def check_rank(input: Tensor, dims: int, max_pool: bool) -> None:
    if input.ndim in (dims + 1, dims + 2):
        return
    if dims == 1:
        name = "max_pool1d" if max_pool else "avg_pool1d"
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1"
            f" 'self' (while checking arguments for {name})"
        )
    if dims == 2 and not max_pool and input.ndim < 3:
        limit = max(input.ndim, 1)
        raise IndexError(
            f"Dimension out of range (expected to be in range of [-{limit}, {limit - 1}], but got"
            " -3)"
        )
    if dims == 2 and not max_pool:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but"
            f" got:{list(input.shape)}"
        )
    raise RuntimeError(
        f"non-empty {dims + 1}D or {dims + 2}D (batch mode) tensor expected for input"
    )


def check_empty(input: Tensor, dims: int, kernel: str) -> None:
    """Refuse images without channels or places; only a batch may be empty."""
    if 0 not in input.shape[-dims - 1 :]:
        return
    size = list(input.shape)
    if dims == 3:
        raise RuntimeError(
            f"{kernel}: Expected input's non-batch dimensions to have positive length, but input"
            f" has a shape of {size} and non-batch dimension 0 has length zero!"
        )
    if dims == 1:  # an image of one row
        size.insert(-1, 1)
    raise RuntimeError(
        f"Expected {max(dims, 2) + 1}D or {max(dims, 2) + 2}D (batch mode) tensor with optional 0"
        f" dim batch size for input, but got:{size}"
    )


def out_sizes(input: Tensor, at: Any, ceil_mode: bool, line: bool = False) -> Sizes:
    dims = len(at[0])
    size = input._array.shape[-dims:]
    out = fitting(size, at, bool(ceil_mode))
    if min(out) < 1:
        if line:
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}")
        planes = input.shape[-dims - 1]
        if dims == 1:
            planes, size, out = f"{planes}x1", size, out
        raise RuntimeError(
            f"Given input size: ({planes}x{_times(size)}). Calculated output size:"
            f" ({planes}x{_times(out)}). Output size is too small"
        )
    return out


@lru_cache(512)
def fitting(size: Sizes, at: Any, ceil_mode: bool) -> Sizes:
    """How many windows fit in each dimension."""
    return tuple(pooled_size(n, k, s, p, d, ceil_mode) for n, k, s, p, d in zip(size, *at))


@lru_cache(512)
def sound(dims: int, kernel: int, stride: int, padding: int, dilation: int) -> Any:
    """The same numbers for every dimension, as tuples; None where a check has something to say."""
    if min(kernel, stride, dilation) < 1 or not 0 <= padding <= kernel // 2:
        return None
    return (kernel,) * dims, (stride,) * dims, (padding,) * dims, (dilation,) * dims


def usual(
    dims: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:  # fmt: skip
    """What four plain numbers say of an input that suits them, soon found; None elsewhere."""
    stride = kernel if stride is None else stride
    sizes = input._array.shape
    if not type(kernel) is type(stride) is type(padding) is type(dilation) is int:
        return None
    if len(sizes) not in (dims + 1, dims + 2) or 0 in sizes[-dims - 1 :]:
        return None
    return sound(dims, kernel, stride, padding, dilation)


@lru_cache(512)
def _planned(
    dims: int, shape: Sizes, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> Any:
    """The windows' numbers and how many fit, found once; None where a check speaks."""
    numbers = sound(dims, kernel, stride, padding, dilation)
    if numbers is None or len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1 :]:
        return None
    out = fitting(shape[-dims:], numbers, ceil_mode)
    return None if min(out) < 1 else (*numbers, out)


def _max_numbers(
    dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    line: bool,
) -> Any:  # fmt: skip
    """Kernel, stride, padding and dilation as tuples, checked as torch checks them."""
    name = f"max_pool{dims}d"
    kernel = sizes_of(kernel_size, dims, name, "kernel_size")
    step = step_of(stride, kernel, dims, name)
    pad = sizes_of(padding, dims, name, "padding")
    spacing = sizes_of(dilation, dims, name, "dilation")
    if line:
        _check_line(input, kernel[0], step[0], pad[0], spacing[0])
    else:
        check_rank(input, dims, True)
        check_numbers(kernel, step, pad, spacing)
        check_empty(input, dims, "max_pool3d_with_indices_out_cpu_template()")
        _check_halves(kernel, pad)
    return kernel, step, pad, spacing


def _max_pool(
    dims: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, indices: bool,
) -> Any:  # fmt: skip
    at, step = None, kernel_size if stride is None else stride
    if type(kernel_size) is type(step) is type(padding) is type(dilation) is int:
        shape = input._array.shape
        at = _planned(dims, shape, kernel_size, step, padding, dilation, bool(ceil_mode))
    if at is None:
        line = dims == 1 and not indices
        at = _max_numbers(dims, input, kernel_size, stride, padding, dilation, line)
        at = (*at, out_sizes(input, at, ceil_mode, line))
    whole = input._array.ndim == dims + 2
    batch = input if whole else input.unsqueeze(0)
    if not indices and not n.has_derivative(input):
        y = n.pooled_maxima(batch, *at)
        return y if whole else n.whole(y.squeeze(0), _MAX_NODES[dims])
    if not indices:
        y = n.max_pool.first(batch, *at)
        if whole and dims == 2:  # the op's own name
            return y
        return n.whole(y if whole else y.squeeze(0), _MAX_NODES[dims])
    y, code = n.max_pool(batch, *at)
    y = n.whole(y if whole else y.squeeze(0), _MAX_NODES[dims])
    places = n.flat_places(code, tuple(input.shape[-dims:]), *at)
    return y, places if whole else places.squeeze(0)


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of each window of (N, C, L).

    Also without N. stride: kernel_size if None; padding: of -inf, at most half the kernel;
    dilation: the step within a window; ceil_mode: windows may reach over the end; return_indices:
    with the places.
    Raises: RuntimeError for a larger padding.

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool1d(torch.tensor([[1.0, 3.0, 2.0]]), 2, stride=1)
    tensor([[3., 3.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of each window of (N, C, H, W); `stride` defaults to the kernel size.

    With `return_indices` also where it was, counted in the flattened (H, W).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool2d(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2)
    tensor([[[[4.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of each window of (N, C, D, H, W).

    Args: stride, the kernel's size by default; return_indices: also places in each flat volume.
    Shapes: (N, C, D, H, W) or (C, D, H, W). Raises: RuntimeError for a padding over half the
        kernel.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool3d(torch.arange(8.0).view(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """`max_pool1d` with the indices.

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool1d_with_indices(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """`max_pool2d` with the indices.

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool2d_with_indices(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """`max_pool3d` with the indices.

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool3d_with_indices(torch.arange(8.0).view(1, 2, 2, 2), 2)[1]
    tensor([[[[7]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)
