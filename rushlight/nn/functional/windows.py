"""Pooling over windows of unequal size: adaptive and fractional."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import rushlight as rl

from ...functions import neural as n
from .averaging import averaged

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices", "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = tuple[int, ...]
MOST = 1 << 63  # what sizes count in, in torch


def _adaptive_sizes(input: Tensor, output_size: Any, dims: int, name: str) -> Sizes:
    given = (output_size,) * dims if isinstance(output_size, int) else tuple(output_size)
    if dims == 1 and len(given) != 1:
        raise RuntimeError(
            f"{name}() argument 'output_size' should contain one int (got {len(given)})"
        )
    if not isinstance(output_size, int) and input.ndim <= len(given) > 1:
        raise ValueError(f"Input dimension should be at least {len(given) + 1}")
    if len(given) != dims:
        if "max" in name:
            raise RuntimeError(f"{name}(): internal error: output_size.size() must be {dims}")
        raise RuntimeError(f"{name}: output_size must be {dims}")
    return tuple(old if new is None else int(new) for old, new in zip(input.shape[-dims:], given))


def _check_adaptive(input: Tensor, dims: int, name: str, colon: str) -> None:
    if input.ndim not in (dims + 1, dims + 2):
        if dims == 1:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument"
                " #1"
                f" 'self' (while checking arguments for {name})"
            )
        raise RuntimeError(
            f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got{colon}"
            f" {list(input.shape)}"
        )
    channels_too = "max" in name or dims == 3
    for dim in range(1 if channels_too else input.ndim - dims, input.ndim):
        if input.shape[dim] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but"
                " input"
                f" has sizes {list(input.shape)} with dimension {dim} being empty"
            )


@lru_cache(256)
def _bounds(size: int, out: int) -> tuple[tuple[int, int], ...]:
    """Where each of `out` windows over `size` elements starts and ends."""
    return tuple((i * size // out, -(-(i + 1) * size // out)) for i in range(out))


@lru_cache(256)
def _averages(size: int, out: int) -> Any:
    """The matrix (out, size) that averages each window."""
    rows = rl.zeros(out, size, dtype=rl.float64)
    for i, (start, end) in enumerate(_bounds(size, out)):
        rows[i, start:end] = 1.0 / (end - start)
    return n.settled(rows).copy()


def _kernel(name: str) -> str:
    """torch's kernel of an adaptive pooling: one dimension is a case of two."""
    return f"{name}_cpu" if name.endswith("3d") else name.replace("1d", "2d")


_PLACES = tuple(tuple(range(-dims, 0)) for dims in range(4))


def _whole(dims: int, input: Tensor, output_size: Any) -> bool:
    """Whether the mean of all places is asked for and no check has something to say."""
    if type(output_size) is not int or output_size != 1:
        return False
    sizes = input._array.shape
    fits = len(sizes) in (dims + 1, dims + 2) and 0 not in sizes[-dims:]
    return fits and input.is_floating_point()


@lru_cache(512)
def _alike(dims: int, shape: Sizes, out: int) -> int | None:
    """The side of the windows of a batch where all are the same cube of more than one place."""
    if out < 1 or len(shape) != dims + 2 or 0 in shape or any(n % out for n in shape[2:]):
        return None
    sides = {n // out for n in shape[2:]}
    return max(sides) if len(sides) == 1 and sides != {1} else None


def _adaptive_avg(dims: int, input: Tensor, output_size: Any) -> Tensor:
    if _whole(dims, input, output_size):
        return input.mean(_PLACES[dims], keepdim=True)
    a = input._array
    if type(output_size) is int and input.is_floating_point() and a.flags.c_contiguous:
        side = _alike(dims, a.shape, output_size)
        if side is not None:
            return n.named(averaged(dims, input, side), f"AdaptiveAvgPool{dims}DBackward0")
    name = f"adaptive_avg_pool{dims}d"
    out = _adaptive_sizes(input, output_size, dims, name)
    if min(out) < 0:
        listed = ", ".join(map(str, out[:2] if dims > 1 else (1, *out)))
        listed += f",{out[2]}" if dims == 3 else ""
        raise RuntimeError(
            f"adaptive_avg_pool{max(dims, 2)}d: elements of output_size must be greater than or"
            f" equal to 0 but received {{{listed}}}"
        )
    _check_adaptive(input, dims, name, "")
    if prod(input.shape[:-dims]) * prod(out) >= MOST:
        raise RuntimeError("numel: integer multiplication overflow")
    if not input.is_floating_point() and not (dims == 2 and out == (1, 1)):
        raise n.not_implemented(_kernel(name), input.dtype)
    size = tuple(input.shape[-dims:])
    node = f"AdaptiveAvgPool{dims}DBackward0"
    if out == (1,) * dims:
        return input.mean(_PLACES[dims], keepdim=True)
    if out == size:
        return n.named(input.clone(), node)
    if min(out) > 0 and input._array.size and all(a % b == 0 for a, b in zip(size, out)):
        kernel = tuple(a // b for a, b in zip(size, out))
        if dims == 3:  # also in half precision, which avg_pool3d refuses
            return n.named(averaged(3, input, kernel), node)
        return n.named(getattr(rl.nn.functional, f"avg_pool{dims}d")(input, kernel), node)
    kind = input.dtype
    y = input.float() if kind.itemsize < 4 else input
    for dim in range(input.ndim - dims, input.ndim):
        rows = out[dim - input.ndim]
        if rows != input.shape[dim]:
            y = n.map_dim(y, dim, _averages(input.shape[dim], rows))
    return n.named(y.to(kind), node)


@n.goes_by("SqueezeBackward1")
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of as many windows as asked for, of (N, C, L).

    Shapes: (N, C, L) or (C, L) to (N, C, output_size).
    Raises: RuntimeError for other dimensions and negative sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_avg_pool1d(torch.arange(6.0)[None], 3)
    tensor([[0.5000, 2.5000, 4.5000]])
    """
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of as many windows as asked for, of (N, C, H, W); None keeps a size.

    Args: output_size, one number or (height, width). Shapes: (N, C, H, W) or (C, H, W) to the same
        with these.
    Raises: RuntimeError for other dimensions and negative sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 1)
    tensor([[[2.5000]]])
    """
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """The means of as many windows as asked for, of (N, C, D, H, W).

    Args: output_size, one number or (depth, height, width). Shapes: (N, C, D, H, W) or (C, D, H,
        W).
    Raises: RuntimeError for other dimensions and negative sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 4, 4, 4), (1, 2, None)).shape
    torch.Size([1, 1, 2, 4])
    """
    return _adaptive_avg(3, input, output_size)


@lru_cache(256)
def _table(bounds: tuple[tuple[int, int], ...]) -> Any:
    """The elements of each window in rows of equal length: short windows repeat their last."""
    longest = max(end - start for start, end in bounds)
    rows = [[min(start + i, end - 1) for i in range(longest)] for start, end in bounds]
    return n.settled(rl.tensor(rows)).copy()


def _maxima(dims: int, input: Tensor, bounds: list[Any], indices: bool) -> Any:
    batch = input if input.ndim == dims + 2 else input.unsqueeze(0)
    places = n.window_argmax(batch.detach(), *(_table(tuple(one)) for one in bounds))
    y = n.take_flat(batch, places)
    if input.ndim == dims + 1:
        y, places = y.squeeze(0), places.squeeze(0)
    return (y, places) if indices else y


def _adaptive_max(dims: int, input: Tensor, output_size: Any, indices: bool) -> Any:
    name = f"adaptive_max_pool{dims}d"
    out = _adaptive_sizes(input, output_size, dims, name)
    _check_adaptive(input, dims, name, ":")
    shape = [*input.shape[:-dims], *(out if dims > 1 else (1, *out))]
    if min(out) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {shape}")
    if prod(shape) * input.element_size() >= MOST:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={shape}")
    if 0 in out:
        y = input[..., :0].reshape(*input.shape[:-dims], *out)
        return (y, rl.zeros(y.shape, dtype=rl.int64)) if indices else y
    n.refuse(input, "bool int uint8 complex", _kernel(name))
    return _maxima(dims, input, [_bounds(a, b) for a, b in zip(input.shape[-dims:], out)], indices)


@n.goes_by("SqueezeBackward1")
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of as many windows as asked for, of (N, C, L).

    Args: return_indices, whether to give the place of each maximum too.
    Shapes: (N, C, L) or (C, L) to (N, C, output_size).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_max_pool1d(torch.arange(6.0)[None], 3)
    tensor([[1., 3., 5.]])
    """
    return _adaptive_max(1, input, output_size, return_indices)


@n.goes_by("AdaptiveMaxPool2DBackward0")
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of as many windows as asked for, of (N, C, H, W).

    Args: output_size, one number or (height, width); return_indices: also places in each flat
        image.
    Shapes: (N, C, H, W) or (C, H, W) to the same with these sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_max_pool2d(torch.zeros(1, 3, 5, 7), (2, 3)).shape
    torch.Size([1, 3, 2, 3])
    """
    return _adaptive_max(2, input, output_size, return_indices)


@n.goes_by("AdaptiveMaxPool3DBackward0")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of as many windows as asked for, of (N, C, D, H, W).

    Args: output_size, one number or three; return_indices: also places in each flat volume.
    Shapes: (N, C, D, H, W) or (C, D, H, W) to the same with these sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 4, 4, 4), 2).shape
    torch.Size([1, 2, 2, 2])
    """
    return _adaptive_max(3, input, output_size, return_indices)


@n.goes_by("SqueezeBackward1")
def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool1d` with the indices.

    >>> import rushlight as torch
    >>> torch.nn.functional.adaptive_max_pool1d_with_indices(torch.tensor([[3.0, 1.0]]), 1)
    (tensor([[3.]]), tensor([[0]]))
    """
    return _adaptive_max(1, input, output_size, True)


@n.goes_by("AdaptiveMaxPool2DBackward0")
def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool2d` with the indices.

    >>> import rushlight as torch
    >>> F = torch.nn.functional
    >>> F.adaptive_max_pool2d_with_indices(torch.tensor([[[3.0, 1.0]]]), 1)
    (tensor([[[3.]]]), tensor([[[0]]]))
    """
    return _adaptive_max(2, input, output_size, True)


@n.goes_by("AdaptiveMaxPool3DBackward0")
def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    """`adaptive_max_pool3d` with the indices.

    >>> import rushlight as torch
    >>> F = torch.nn.functional
    >>> F.adaptive_max_pool3d_with_indices(torch.tensor([[[[3.0, 1.0]]]]), 1)[1]
    tensor([[[[0]]]])
    """
    return _adaptive_max(3, input, output_size, True)


def _starts(size: int, kernel: int, out: int, sample: Tensor) -> list[tuple[int, int]]:
    """Windows of one length at uneven steps, moved by the random sample (in its precision)."""
    if out <= 1:
        return [(size - kernel, size)][:out]
    alpha = sample.new_tensor((size - kernel) / (out - 1))
    steps = (rl.arange(out - 1, dtype=sample.dtype) + sample) * alpha
    starts = (steps.long() - (sample * alpha).long()).tolist()
    return [(start, start + kernel) for start in (*starts, size - kernel)]


def _fraction_of(value: Any, dims: int, name: str, argument: str) -> Sizes:
    """One number per dimension, with torch's error for another number of them."""
    found = (value,) * dims if isinstance(value, int) else tuple(int(one) for one in value)
    if len(found) != dims:
        three = "three " if dims == 3 else ""
        raise RuntimeError(
            f"{name}: {argument} must either be a single Int or tuple of {three}Ints"
        )
    return found


def _fractional_sizes(
    dims: int, name: str, size: tuple[int, ...], output_size: Any, output_ratio: Any
) -> tuple[int, ...]:
    """The sizes of the result, given as such or as shares of the input's."""
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is not None:
        return _fraction_of(output_size, dims, name, "output_size")
    number = isinstance(output_ratio, (int, float))
    ratio = (output_ratio,) * dims if number else tuple(output_ratio)
    if len(ratio) != dims:
        raise ValueError(
            f"{name} requires output_ratio to either be a single Int or tuple of Ints."
        )
    return tuple(int(a * b) for a, b in zip(size, ratio))


def _check_fractional(input: Tensor, dims: int, name: str, kernel: Sizes, out: Sizes) -> None:
    shape, name = list(input.shape), f"{name}_out()" if dims == 3 else f"{name}()"
    if len(shape) not in (dims + 1, dims + 2):
        raise RuntimeError(f"{name}: Expected {dims + 1}D or {dims + 2}D tensor, but got: {shape}")
    for dim in range(1, len(shape)):
        if not shape[dim]:
            raise RuntimeError(
                f"{name}: Expected input to have non-zero size for non-batch dimensions, but got"
                f"{shape} with dimension {dim} being empty."
            )
    spare = dims - 2  # in three dimensions torch wants one place more than the windows take
    for label, a, k, o in zip(("time", "height", "width")[-dims:], shape[-dims:], kernel, out):
        if o + k - 1 + spare > a:
            raise RuntimeError(f"{name}: pool {label} {k} too large relative to input {label} {a}")
    if min(out) < 0:
        whole = [*shape[:-dims], *out]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {whole}")


def _check_samples(samples: Tensor, batch: Tensor, dims: int) -> None:
    """Refuse random numbers that are not (N, C, dims) of the input's type."""
    if samples.dtype is not batch.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    count, channels, places = samples.shape
    if count < batch.shape[0]:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if channels != batch.shape[1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if places != dims:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {dims}; got {places}.")


def _fractional(
    dims: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    indices: bool, samples: Any,
) -> Any:  # fmt: skip
    name = f"fractional_max_pool{dims}d"
    size = tuple(input.shape[-dims:])
    out = _fractional_sizes(dims, name, size, output_size, output_ratio)
    kernel = _fraction_of(kernel_size, dims, name, "kernel_size")
    _check_fractional(input, dims, name, kernel, out)
    batch = input if input.ndim == dims + 2 else input.unsqueeze(0)
    if samples is None:
        samples = rl.rand(*batch.shape[:2], dims, dtype=input.dtype)
    _check_samples(samples, batch, dims)
    shape = (*input.shape[:-dims], *out)
    if not batch.shape[0] or 0 in out:
        y = input.new_zeros(shape) + input.sum()
        return (y, y.long()) if indices else y
    rows = []
    for image, image_samples in zip(batch, samples):
        for plane, sample in zip(image, image_samples):
            # the samples stand in the order width, height; in 3-D time, height, width
            turned = reversed(list(sample)) if dims == 2 else sample
            bounds = [_starts(*one) for one in zip(size, kernel, out, turned)]
            rows.append(_maxima(dims, plane.unsqueeze(0).unsqueeze(0), bounds, True))
    y = rl.cat([row[0] for row in rows]).reshape(shape)
    return (y, rl.cat([row[1] for row in rows]).reshape(shape)) if indices else y


@n.goes_by("FractionalMaxPool2DBackward0")
def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:  # fmt: skip
    """Maxima of windows at random uneven steps, of (N, C, H, W).

    Arguments: the size of windows; `output_size`, or `output_ratio` of the input's; return_indices:
    also places in each flat image. Raises: ValueError for neither, RuntimeError for too many
    windows.
    Source: Graham 2014, https://arxiv.org/abs/1412.6071

    >>> import rushlight as torch
    >>> torch.nn.functional.fractional_max_pool2d(torch.rand(1, 8, 8), 2, output_size=3).shape
    torch.Size([1, 3, 3])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices,
                       _random_samples)  # fmt: skip


@n.goes_by("FractionalMaxPool3DBackward0")
def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:  # fmt: skip
    """Maxima of windows at random uneven steps, of (N, C, D, H, W).

    Args: kernel_size, one number or three; output_size, or output_ratio, its part of the input's;
        return_indices: also places in each flat volume.
    Raises: ValueError where neither size nor ratio is given.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.fractional_max_pool3d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.fractional_max_pool3d(torch.rand(1, 8, 8, 8), 2, output_size=3).shape
    torch.Size([1, 3, 3, 3])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices,
                       _random_samples)  # fmt: skip


@n.goes_by("FractionalMaxPool2DBackward0")
def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:  # fmt: skip
    """`fractional_max_pool2d` with the indices.

    >>> import rushlight as torch
    >>> F = torch.nn.functional
    >>> y, places = F.fractional_max_pool2d_with_indices(torch.rand(1, 8, 8), 2, output_size=3)
    >>> places.dtype
    torch.int64
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


@n.goes_by("FractionalMaxPool3DBackward0")
def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Any = None,
) -> Any:  # fmt: skip
    """`fractional_max_pool3d` with the indices.

    >>> import rushlight as torch
    >>> F = torch.nn.functional
    >>> y, places = F.fractional_max_pool3d_with_indices(torch.rand(1, 8, 8, 8), 2, output_size=3)
    >>> places.shape
    torch.Size([1, 3, 3, 3])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
