"""MobileNetV2 in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ..ops.misc import Conv2dNormActivation
from . import initial
from ._utils import _make_divisible
from .listing import model

# widening inside the block, channels, blocks, stride of the first
_SETTING = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip
_layer = partial(Conv2dNormActivation, activation_layer=nn.ReLU6)


class InvertedResidual(nn.Module):
    """Widen (1x1), convolve each channel (3x3, with the stride), narrow (1x1, no activation).

    The input is added where the shape stays. Raises: ValueError unless stride is 1 or 2.
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        norm = norm_layer or nn.BatchNorm2d
        wide = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        parts: list[nn.Module] = []
        if expand_ratio != 1:
            parts.append(_layer(inp, wide, 1, norm_layer=norm))
        parts += [
            _layer(wide, wide, 3, stride, groups=wide, norm_layer=norm),
            nn.Conv2d(wide, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*parts)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residual blocks on thin layers; small and fast.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    width_mult: factor of all widths, rounded to a multiple of `round_nearest`.
    inverted_residual_setting: rows of (expansion, channels, blocks, stride); ValueError if empty
    or not of four. block: a class in the place of InvertedResidual.
    Source: M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.

    >>> import rushlight as torch
    >>> net = torch.vision.models.MobileNetV2(10, width_mult=0.25)
    >>> net.eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None, round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None, dropout: float = 0.2,
        *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        rows: Any = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if len(rows) == 0 or len(rows[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got"
                f" {inverted_residual_setting}"
            )
        wide = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        parts: list[nn.Module] = [_layer(in_channels, wide, stride=2, norm_layer=norm)]
        for expansion, channels, count, first_stride in rows:
            after = _make_divisible(channels * width_mult, round_nearest)
            for place in range(count):
                stride = 1 if place else first_stride
                parts.append(block(wide, after, stride, expand_ratio=expansion, norm_layer=norm))
                wide = after
        parts.append(_layer(wide, self.last_channel, 1, norm_layer=norm))
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        initial.in_order(self, initial.mobile)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), (1, 1)).flatten(1))


@model
def mobilenet_v2(**kwargs: Any) -> MobileNetV2:
    """MobileNetV2, 3.5 million parameters; arguments as `MobileNetV2`.

    weights: a member of `MobileNet_V2_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.mobilenet_v2()
    >>> sum(p.numel() for p in net.parameters())
    3504872
    """
    return MobileNetV2(**kwargs)
