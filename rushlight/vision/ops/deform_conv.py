"""Convolutions whose taps lie where a tensor of offsets says."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from .regions import pair

nn = rl.nn


def _taps(offset: Any, kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any) -> Any:
    """Rows and columns (N, groups, taps, h, w) that are read, offsets included."""
    count, (h, w) = kernel[0] * kernel[1], offset.shape[2:]
    moves = offset.reshape(len(offset), -1, count, 2, h, w)
    found = []
    for axis, size in ((0, h), (1, w)):
        steps = rl.arange(size, dtype=offset.dtype) * pair(stride)[axis] - pair(padding)[axis]
        tap = rl.arange(kernel[axis], dtype=offset.dtype) * pair(dilation)[axis]
        tap = tap.repeat_interleave(kernel[1]) if axis == 0 else tap.repeat(kernel[0])
        steps = steps[:, None] if axis == 0 else steps
        found.append(moves[:, :, :, axis] + tap[:, None, None] + steps)
    return found


def _size(input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    """Height and width of a convolution's result."""
    numbers = zip(input.shape[2:], kernel, pair(stride), pair(padding), pair(dilation))
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in numbers)


def deform_conv2d(
    input: Any,
    offset: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    mask: Any = None,
) -> Any:
    """A convolution that reads each tap beside its place, between pixels, zeros outside.

    input: (N, C, H, W); weight: (out, C / groups, kh, kw); offset: (N, 2 G kh kw, h, w), for each
    of G groups of channels and each tap how far down and how far right; mask: (N, G kh kw, h, w),
    by which what is read is multiplied. Returns (N, out, h, w).
    Raises: RuntimeError for offsets of another number.
    Source: Dai et al., 2017; Zhu et al., 2018 (with mask).

    >>> import rushlight as torch
    >>> from rushlight.vision.ops import deform_conv2d
    >>> x, one = torch.arange(4.0).view(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
    >>> right = torch.zeros(1, 2, 2, 2)
    >>> right[:, 1] = 0.5
    >>> deform_conv2d(x, right, one)
    tensor([[[[0.5000, 0.5000],
              [2.5000, 1.5000]]]])
    """
    out, _, *kernel = weight.shape
    batch, channels, height, width = input.shape
    count = kernel[0] * kernel[1]
    if offset.shape[1] < 2 * count or offset.shape[1] % (2 * count):
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple "
            f"of 2 * weight.size[2] * weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, "
            f"while 2 * weight.size[2] * weight.size[3]={2 * count}"
        )
    parts, (h, w) = offset.shape[1] // (2 * count), offset.shape[2:]
    wanted = _size(input, kernel, stride, padding, dilation)
    if (h, w) != wanted:
        raise RuntimeError(f"offset output dims: {(h, w)} - computed output dims: {wanted}")
    y, x = _taps(offset, (kernel[0], kernel[1]), stride, padding, dilation)
    places = rl.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), -1)
    read = nn.functional.grid_sample(
        input.reshape(batch * parts, channels // parts, height, width),
        places.reshape(batch * parts, count * h, w, 2), align_corners=False,
    ).reshape(batch, parts, channels // parts, count, h, w)  # fmt: skip
    if mask is not None:
        read = read * mask.reshape(batch, parts, 1, count, h, w)
    groups = channels // weight.shape[1]
    columns = read.reshape(batch, groups, channels // groups * count, h * w)
    result = weight.reshape(groups, out // groups, -1) @ columns
    result = result.reshape(batch, out, h, w)
    return result if bias is None else result + bias.view(1, -1, 1, 1)


class DeformConv2d(nn.Module):
    """`deform_conv2d` as a layer, which is called with the offsets (and the mask).

    Raises: ValueError where `groups` does not divide the channels.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> layer = ops.DeformConv2d(3, 5, kernel_size=3, padding=1)
    >>> layer(torch.rand(1, 3, 8, 8), torch.zeros(1, 18, 8, 8)).shape
    torch.Size([1, 5, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, channels in (("in", in_channels), ("out", out_channels)):
            if channels % groups:
                raise ValueError(f"{name}_channels must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size), pair(stride)
        self.padding, self.dilation = pair(padding), pair(dilation)
        shape = out_channels, in_channels // groups, *self.kernel_size
        self.weight = nn.Parameter(rl.empty(*shape))
        self.bias = nn.Parameter(rl.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as those of a convolution."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any, offset: Any, mask: Any = None) -> Any:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding,
                             self.dilation, mask)  # fmt: skip

    def __repr__(self) -> str:
        parts = [f"{self.in_channels}", f"{self.out_channels}"]
        parts += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        usual = {"padding": (0, 0), "dilation": (1, 1), "groups": 1}
        parts += [f"{name}={getattr(self, name)}" for name, value in usual.items()
                  if getattr(self, name) != value]  # fmt: skip
        parts += ["bias=False"] if self.bias is None else []
        return f"{type(self).__name__}({', '.join(parts)})"
