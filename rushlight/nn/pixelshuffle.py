"""Moving elements between channels and space: PixelShuffle, PixelUnshuffle, ChannelShuffle."""

from __future__ import annotations

from typing import Any

from . import functional as F
from .module import Module


class PixelShuffle(Module):
    """Channels to pixels: each r x r block is made of r^2 channels.

    Args: upscale_factor, the r.
    Shapes: (*, C r^2, H, W) to (*, C, H r, W r).
    Raises: RuntimeError where r^2 does not divide the channels.
    Source: Shi et al., 2016 (arXiv:1609.05158).

    >>> import rushlight as torch
    >>> torch.nn.PixelShuffle(2)(torch.zeros(1, 8, 3, 3)).shape
    torch.Size([1, 2, 6, 6])
    """

    __constants__ = ["upscale_factor"]

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels to channels: each r x r block becomes r^2 channels, as PixelShuffle's inverse.

    Args: downscale_factor, the r.
    Shapes: (*, C, H r, W r) to (*, C r^2, H, W).
    Raises: RuntimeError where r does not divide height and width.
    Source: Shi et al., 2016 (arXiv:1609.05158).

    >>> import rushlight as torch
    >>> torch.nn.PixelUnshuffle(2)(torch.zeros(1, 2, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """

    __constants__ = ["downscale_factor"]

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Any:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Interleave the channels of `groups` groups: the first of each, the second of each, ...

    Args: groups, which divide the channels.
    Shapes: (N, C, ...), and the same.
    Raises: RuntimeError where they do not.
    Source: Zhang et al., ShuffleNet, 2017 (arXiv:1707.01083).

    >>> import rushlight as torch
    >>> torch.nn.ChannelShuffle(2)(torch.arange(4.0).reshape(1, 4, 1)).flatten()
    tensor([0., 2., 1., 3.])
    """

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
