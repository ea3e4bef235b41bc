"""The partial inverse of max pooling."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions import neural as n
from ...functions.layouts import lies_channels_last
from .pooling import sizes_of

__all__ = [
    "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Tensor = rl.Tensor
Sizes = tuple[int, ...]


def _unpooled_size(
    input: Tensor, kernel: Sizes, stride: Sizes, padding: Sizes, output_size: Any
) -> Sizes:
    dims = len(kernel)
    default = tuple(
        (i - 1) * s + k - 2 * p for i, s, k, p in zip(input.shape[-dims:], stride, kernel, padding)
    )
    if output_size is None:
        return default
    given = tuple(output_size)
    if len(given) == dims + 2:
        given = given[2:]
    if len(given) != dims:
        raise ValueError(
            "output_size should be a sequence containing"
            f" {dims} or {dims + 2} elements, but it has a length of '{len(given)}'"
        )
    for d, (size, usual, s) in enumerate(zip(given, default, stride)):
        if not usual - s < size < usual + s:
            raise ValueError(
                f'invalid output_size "{given}" (dim {d} must be between {usual - s} and'
                f" {usual + s})"
            )
    return given


def _unpool(
    dims: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    name = f"max_unpool{dims}d"
    kernel = sizes_of(kernel_size, dims, name, "kernel_size")
    step = kernel if stride is None else sizes_of(stride, dims, name, "stride")
    size = _unpooled_size(
        input, kernel, step, sizes_of(padding, dims, name, "padding"), output_size
    )
    if indices.dtype is not rl.int64:
        raise RuntimeError(
            f"elements in indices should be type int64 but got: {n.type_name(indices)}"
        )
    if indices.shape != input.shape:
        line = [1] if dims == 1 else []  # torch takes a line for an image
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor"
            f" ({[*input.shape, *line]}) but got indices tensor with shape:"
            f" {[*indices.shape, *line]}"
        )
    volume = 1
    for one in size:
        volume *= one
    if n.outside(indices, 0, volume):
        given = n.settled(indices)
        wrong = (given < 0) | (given >= volume)
        shown = (1, *size) if dims == 1 else size
        raise RuntimeError(
            f"Found an invalid max index: {int(given[wrong][0])} (output volumes are of size"
            f" {'x'.join(map(str, shown))})"
        )
    if input.ndim == dims + 2:
        y = n.put_flat(input, indices, size)
        if dims == 2 and lies_channels_last(input._array):
            return y.contiguous(memory_format=rl.channels_last)
        return y
    return n.put_flat(input.unsqueeze(0), indices.unsqueeze(0), size).squeeze(0)


@n.goes_by("SqueezeBackward1")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of `max_pool1d`: maxima back at their places, zeros elsewhere.

    Args: indices, as `max_pool1d(return_indices=True)` gives them; output_size, where several sizes
        pool to the input's. Shapes: (N, C, L) or (C, L) to (N, C, output_size[-1]).
    Raises: ValueError for a size that does not pool to the input's, RuntimeError for an index
        beyond.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool1d.html

    >>> import rushlight as torch
    >>> torch.nn.functional.max_unpool1d(torch.tensor([[3.0]]), torch.tensor([[1]]), 2)
    tensor([[0., 3.]])
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@n.goes_by("MaxUnpool2DBackward0")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of `max_pool2d`.

    Args: as those of `max_unpool1d`. Shapes: (N, C, H, W) or (C, H, W).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html

    >>> import rushlight as torch
    >>> places = torch.tensor([[[2]]])
    >>> torch.nn.functional.max_unpool2d(torch.tensor([[[4.0]]]), places, 2)
    tensor([[[0., 0.],
             [4., 0.]]])
    """
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@n.goes_by("MaxUnpool3DBackward0")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The partial inverse of `max_pool3d`.

    Args: as those of `max_unpool1d`. Shapes: (N, C, D, H, W) or (C, D, H, W).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool3d.html

    >>> import rushlight as torch
    >>> places = torch.tensor([[[[7]]]])
    >>> torch.nn.functional.max_unpool3d(torch.tensor([[[[4.0]]]]), places, 2).flatten()
    tensor([0., 0., 0., 0., 0., 0., 0., 4.])
    """
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
