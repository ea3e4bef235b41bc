"""Convolutions that take in_channels from their first input."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .lazy import LazyModuleMixin
from .parameter import UninitializedParameter


class _LazyConvXdMixin(LazyModuleMixin):
    """Starts with no channels and no groups, then fills them in before the first forward."""

    _dims: int
    groups: int
    in_channels: int
    weight: Any
    bias: Any
    reset: Any

    def _begin(self, out_channels: int, groups: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self.groups = groups
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw anew, once there is a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]  # the layer's, after this class

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        owner: Any = self
        if not self.has_uninitialized_params():
            if self.in_channels == 0:
                split = 0 if owner.transposed else 1
                scale = 1 if owner.transposed else self.groups
                self.in_channels = self.weight.shape[split] * scale
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        with rl.no_grad():
            self.weight.materialize(owner._weight_shape())
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()

    def _get_in_channels(self, input: Any) -> int:
        spatial = self._dims
        if input.dim() not in (spatial + 1, spatial + 2):
            raise RuntimeError(
                f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[-spatial - 1]


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, 1, False, padding_mode
        )  # fmt: skip
        self._begin(out_channels, groups, bias, device, dtype)


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, 1, False, dilation, padding_mode
        )
        self._begin(out_channels, groups, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A Conv1d that takes in_channels from its first input.

    Arguments are those of Conv1d. Until then the weight has no shape, and asking for it raises
    RuntimeError; afterwards the module is a Conv1d.

    >>> import rushlight as torch
    >>> torch.nn.LazyConv1d(4, kernel_size=3)(torch.zeros(1, 2, 8)).shape
    torch.Size([1, 4, 6])
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A Conv2d that takes in_channels from its first input.

    Arguments are those of Conv2d; see LazyConv1d.

    >>> import rushlight as torch
    >>> layer = torch.nn.LazyConv2d(6, kernel_size=3)
    >>> _ = layer(torch.zeros(1, 2, 8, 8))
    >>> layer
    Conv2d(2, 6, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A Conv3d that takes in_channels from its first input.

    Arguments are those of Conv3d; see LazyConv1d.

    >>> import rushlight as torch
    >>> conv = torch.nn.LazyConv3d(4, kernel_size=3)
    >>> conv(torch.zeros(1, 5, 4, 4, 4)).shape, conv.weight.shape
    (torch.Size([1, 4, 2, 2, 2]), torch.Size([4, 5, 3, 3, 3]))
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A ConvTranspose1d that takes in_channels from its first input.

    Arguments are those of ConvTranspose1d; see LazyConv1d.

    >>> import rushlight as torch
    >>> conv = torch.nn.LazyConvTranspose1d(4, kernel_size=3)
    >>> conv(torch.zeros(2, 5, 8)).shape, conv.weight.shape
    (torch.Size([2, 4, 10]), torch.Size([5, 4, 3]))
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A ConvTranspose2d that takes in_channels from its first input.

    Arguments are those of ConvTranspose2d; see LazyConv1d.

    >>> import rushlight as torch
    >>> conv = torch.nn.LazyConvTranspose2d(4, kernel_size=2, stride=2)
    >>> conv(torch.zeros(2, 5, 8, 8)).shape, conv.weight.shape
    (torch.Size([2, 4, 16, 16]), torch.Size([5, 4, 2, 2]))
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A ConvTranspose3d that takes in_channels from its first input.

    Arguments are those of ConvTranspose3d; see LazyConv1d.

    >>> import rushlight as torch
    >>> conv = torch.nn.LazyConvTranspose3d(4, kernel_size=2, stride=2)
    >>> conv(torch.zeros(2, 5, 2, 2, 2)).shape
    torch.Size([2, 4, 4, 4, 4])
    """

    cls_to_become = ConvTranspose3d
