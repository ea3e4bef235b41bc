"""Convolution layers and their transposes in one to three dimensions."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import functional as F
from .layers_linear import reset_like_linear
from .module import Module
from .parameter import Parameter
from .sizes import repeated

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: arguments, weight, bias, their first values, and the repr."""

    __constants__ = [
        "stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels",
        "out_channels", "kernel_size",
    ]  # fmt: skip
    _dims = 1
    transposed = False
    in_channels: int
    out_channels: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple,
        stride: tuple,
        padding: Any,
        dilation: tuple,
        transposed: bool,
        output_padding: tuple,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _padding_for_pad(padding, kernel_size, dilation)
        self.weight = Parameter(rl.empty(self._weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(rl.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        if 0 in self.weight.shape:
            reset_like_linear(self.weight, None)
        else:
            reset_like_linear(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        zeros = (0,) * len(self.kernel_size)
        if self.padding != zeros:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.kernel_size):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


def _check_arguments(
    in_channels: int, out_channels: int, stride: tuple, padding: Any, groups: int, mode: str
) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if mode not in _PADDING_MODES:
        raise ValueError(
            "padding_mode must be one of {'zeros', 'replicate', 'reflect', 'circular'}, but got "
            f"padding_mode={mode!r}"
        )


def _padding_for_pad(padding: Any, kernel_size: tuple, dilation: tuple) -> list[int]:
    """The padding as F.pad takes it: last dimension first, left before right."""
    if padding == "valid":
        return [0] * (2 * len(kernel_size))
    if padding == "same":
        totals = [step * (size - 1) for step, size in zip(dilation, kernel_size)]
        sides = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = [(side, side) for side in padding]
    return [side for pair in reversed(sides) for side in pair]


class _ForwardConv(_ConvNd):
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
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        spread = repeated(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            padding if isinstance(padding, str) else spread(padding),
            spread(dilation),
            False,
            spread(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        convolve = getattr(F, f"conv{self._dims}d")
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dims
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        held = self._parameters
        weight, bias = held.get("weight"), held.get("bias")
        if weight is None or (bias is None and "bias" not in held):
            weight, bias = self.weight, self.bias
        return self._conv_forward(input, weight, bias)


class Conv1d(_ForwardConv):
    """Cross-correlation of (N, C_in, L) with out_channels kernels, plus a bias.

    kernel_size, stride, padding ("same", "valid" or numbers), dilation: one number or one each.
    groups: channels are split into groups that do not mix. Weight (out, in / groups, k).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.Conv1d.html

    >>> import rushlight as torch
    >>> torch.nn.Conv1d(3, 8, kernel_size=3, padding="same")(torch.zeros(2, 3, 16)).shape
    torch.Size([2, 8, 16])
    """


class Conv2d(_ForwardConv):
    """Cross-correlation of (N, C_in, H, W) with out_channels kernels, plus a bias.

    Weight (out_channels, in_channels / groups, kH, kW), from U(-b, b), b = 1 / sqrt(fan_in).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.Conv2d.html

    >>> import rushlight as torch
    >>> torch.nn.Conv2d(1, 6, kernel_size=5, padding=2)(torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 6, 28, 28])
    """

    _dims = 2


class Conv3d(_ForwardConv):
    """Cross-correlation of (N, C_in, D, H, W) with out_channels kernels, plus a bias.

    Also without N. Arguments as Conv2d's; weight (out, in / groups, kD, kH, kW).
    Raises: ValueError where groups do not divide the channels, RuntimeError for other channels.

    >>> import rushlight as torch
    >>> torch.nn.Conv3d(1, 2, kernel_size=3)(torch.zeros(1, 1, 5, 5, 5)).shape
    torch.Size([1, 2, 3, 3, 3])
    """

    _dims = 3


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        spread = repeated(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            spread(kernel_size),
            spread(stride),
            spread(padding),
            spread(dilation),
            True,
            spread(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        if self.padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        output_padding = self._output_padding(input, output_size)
        convolve = getattr(F, f"conv_transpose{self._dims}d")
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`; torch's error if none does."""
        if output_size is None:
            return self.output_padding
        dims = self._dims
        extra = input.dim() - dims
        sizes = list(output_size)
        if len(sizes) == extra + dims:
            sizes = sizes[extra:]
        if len(sizes) != dims:
            raise ValueError(
                f"ConvTranspose{dims}D: for {input.dim()}D input, output_size must have {dims} or "
                f"{extra + dims} elements (got {len(output_size)})"
            )
        low = [
            (input.size(d + extra) - 1) * self.stride[d]
            - 2 * self.padding[d]
            + self.dilation[d] * (self.kernel_size[d] - 1)
            + 1
            for d in range(dims)
        ]
        high = [low[d] + self.stride[d] - 1 for d in range(dims)]
        if any(not low[d] <= sizes[d] <= high[d] for d in range(dims)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {low} to "
                f"{high} (for an input of {input.size()[2:]})"
            )
        return tuple(sizes[d] - low[d] for d in range(dims))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of Conv1d: from (N, C_in, L) to a longer signal. Weight (in, out/groups, k).

    Arguments: as of Conv1d; output_padding, or output_size at the call, chooses among the lengths
    that a stride maps together. Raises: ValueError where groups do not divide the channels, or for
    an output_size that is none of these lengths.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose1d.html

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose1d(4, 2, 2, stride=2)(torch.zeros(1, 4, 8)).shape
    torch.Size([1, 2, 16])
    """


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose (gradient) of Conv2d: from (N, C_in, H, W) to a larger image.

    output_padding, or output_size at the call, chooses among the sizes that a stride maps together.

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose2d(4, 2, 3, stride=2)(torch.zeros(1, 4, 5, 5)).shape
    torch.Size([1, 2, 11, 11])
    """

    _dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of Conv3d.

    Shapes: (N, C_in, D, H, W) or (C_in, D, H, W); weight (in, out / groups, kd, kh, kw).
    Arguments and errors are those of ConvTranspose1d, for three dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose3d.html

    >>> import rushlight as torch
    >>> torch.nn.ConvTranspose3d(2, 1, 2, stride=2)(torch.ones(2, 3, 3, 3)).shape
    torch.Size([1, 6, 6, 6])
    """

    _dims = 3
