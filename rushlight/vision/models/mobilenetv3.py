"""MobileNetV3, large and small, in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from . import initial
from ._utils import _make_divisible
from .listing import model

# kernel, widened to, channels out, squeezed, activation, stride; rows that end with a "tail" belong
# to the last stage, which may be dilated and narrowed
_LARGE = (
    (3, 16, 16, False, "RE", 1), (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1), (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1), (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2), (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1), (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1), (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2, "tail"), (5, 960, 160, True, "HS", 1, "tail"),
    (5, 960, 160, True, "HS", 1, "tail"),
)  # fmt: skip
_SMALL = (
    (3, 16, 16, True, "RE", 2), (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1), (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1), (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1), (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2, "tail"), (5, 576, 96, True, "HS", 1, "tail"),
    (5, 576, 96, True, "HS", 1, "tail"),
)  # fmt: skip


_squeezed = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """What a block is made with; channels are multiplied by `width_mult` and rounded to eighths.

    use_se: squeeze and excite; activation: "RE" for ReLU, "HS" for Hardswish.
    """

    def __init__(
        self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int,
        use_se: bool, activation: str, stride: int, dilation: int, width_mult: float,
    ) -> None:  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se, self.use_hs = use_se, activation == "HS"
        self.stride, self.dilation = stride, dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """`channels` times `width_mult`, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Widen (1x1), convolve each channel, squeeze and excite, narrow (1x1, no activation).

    The input is added where the shape stays. Raises: ValueError unless the stride is 1 or 2.
    """

    def __init__(
        self, cnf: InvertedResidualConfig, norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = _squeezed,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        wide = cnf.expanded_channels
        layer = partial(Conv2dNormActivation, norm_layer=norm_layer,
                        activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU)  # fmt: skip
        parts: list[nn.Module] = []
        if wide != cnf.input_channels:
            parts.append(layer(cnf.input_channels, wide, kernel_size=1))
        # where it is dilated, the picture keeps its size
        stride = 1 if cnf.dilation > 1 else cnf.stride
        parts.append(layer(wide, wide, kernel_size=cnf.kernel, stride=stride,
                           dilation=cnf.dilation, groups=wide))  # fmt: skip
        if cnf.use_se:
            parts.append(se_layer(wide, _make_divisible(wide // 4, 8)))
        parts.append(layer(wide, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*parts)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """Inverted residual blocks found by search, with squeezing and hard swishes.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    inverted_residual_setting: the blocks; last_channel: the width of the hidden layer at the end.
    Raises: ValueError without blocks, TypeError for what is no list of configurations.
    Source: A. Howard et al., "Searching for MobileNetV3", 2019.

    >>> import rushlight as torch
    >>> net = torch.vision.models.mobilenet_v3_small(num_classes=10, width_mult=0.25)
    >>> net.eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, inverted_residual_setting: list[InvertedResidualConfig], last_channel: int,
        num_classes: int = 1000, block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None, dropout: float = 0.2,
        *, in_channels: int = 3, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        rows = inverted_residual_setting
        if not rows:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not all(isinstance(row, InvertedResidualConfig) for row in rows):
            raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")
        block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        layer = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        last = rows[-1].out_channels
        self.features = nn.Sequential(
            layer(in_channels, rows[0].input_channels, kernel_size=3, stride=2),
            *[block(row, norm) for row in rows],
            layer(last, 6 * last, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel), nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last_channel, num_classes),
        )  # fmt: skip
        initial.in_order(self, initial.mobile)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(rl.flatten(self.avgpool(self.features(x)), 1))


def _built(
    rows: Any, last: int, *, width_mult: float = 1.0, reduced_tail: bool = False,
    dilated: bool = False, **kwargs: Any,
) -> MobileNetV3:  # fmt: skip
    """The network of a table: `reduced_tail` halves the last stage, `dilated` keeps its size."""
    part, dilation = (2 if reduced_tail else 1), (2 if dilated else 1)
    setting: list[InvertedResidualConfig] = []
    before = 16
    for kernel, wide, out, squeezed, activation, stride, *tail in rows:
        if tail:
            out //= part
            wide //= 1 if stride > 1 else part  # the stage's first block widens what came before
        config = (before, kernel, wide, out, squeezed, activation, stride)
        setting.append(InvertedResidualConfig(*config, dilation if tail else 1, width_mult))
        before = out
    hidden = InvertedResidualConfig.adjust_channels(last // part, width_mult)
    return MobileNetV3(setting, hidden, **kwargs)


@model
def mobilenet_v3_large(**kwargs: Any) -> MobileNetV3:
    """MobileNetV3 large, 5.5 million parameters; arguments as `MobileNetV3`, and `width_mult`.

    weights: a member of `MobileNet_V3_Large_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.mobilenet_v3_large()
    >>> sum(p.numel() for p in net.parameters())
    5483032
    >>> net.classifier[-1]
    Linear(in_features=1280, out_features=1000, bias=True)
    """
    return _built(_LARGE, 1280, **kwargs)


@model
def mobilenet_v3_small(**kwargs: Any) -> MobileNetV3:
    """MobileNetV3 small, 2.5 million parameters.

    weights: a member of `MobileNet_V3_Small_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.mobilenet_v3_small()
    >>> sum(p.numel() for p in net.parameters())
    2542856
    """
    return _built(_SMALL, 1024, **kwargs)
