"""EfficientNet b0 to b7 and the second version's s, m and l, in torchvision's form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from . import initial
from ._utils import _make_divisible
from .listing import variant


@dataclass
class _MBConvConfig:
    """What a stage is made of: `num_layers` blocks, the first of which has the stride."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """`channels` times `width_mult`, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of inverted residual blocks, wider and deeper by two factors."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, width_mult: float = 1.0, depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        before, after = (
            self.adjust_channels(c, width_mult) for c in (input_channels, out_channels)
        )
        deep = self.adjust_depth(num_layers, depth_mult)
        super().__init__(expand_ratio, kernel, stride, before, after, deep, block or MBConv)

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """`num_layers` times `depth_mult`, rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of blocks that widen and convolve in one step."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        rest = (input_channels, out_channels, num_layers, block or FusedMBConv)
        super().__init__(expand_ratio, kernel, stride, *rest)


class _Residual(nn.Module):
    """A block whose input is added where the shape stays, when depth does not drop it."""

    def __init__(
        self, cnf: _MBConvConfig, parts: list[nn.Module], stochastic_depth_prob: float
    ) -> None:
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*parts)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


def _layers(cnf: _MBConvConfig, norm_layer: Any) -> tuple[Any, int]:
    """What makes a convolution with its norm, and how wide the block is inside."""
    if not 1 <= cnf.stride <= 2:
        raise ValueError("illegal stride value")
    layer = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
    return layer, cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)


class MBConv(_Residual):
    """Widen (1x1), convolve each channel, squeeze and excite, narrow (1x1, no activation).

    Raises: ValueError unless the stride is 1 or 2.
    """

    def __init__(
        self, cnf: MBConvConfig, stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:  # fmt: skip
        layer, wide = _layers(cnf, norm_layer)
        parts: list[nn.Module] = []
        if wide != cnf.input_channels:
            parts.append(layer(cnf.input_channels, wide, kernel_size=1))
        parts += [
            layer(wide, wide, kernel_size=cnf.kernel, stride=cnf.stride, groups=wide),
            se_layer(wide, max(1, cnf.input_channels // 4),
                     activation=partial(nn.SiLU, inplace=True)),
            layer(wide, cnf.out_channels, kernel_size=1, activation_layer=None),
        ]  # fmt: skip
        super().__init__(cnf, parts, stochastic_depth_prob)


class FusedMBConv(_Residual):
    """Widen with a full convolution, narrow (1x1, no activation); one convolution if not wider."""

    def __init__(
        self, cnf: FusedMBConvConfig, stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module],
    ) -> None:  # fmt: skip
        layer, wide = _layers(cnf, norm_layer)
        full = partial(layer, kernel_size=cnf.kernel, stride=cnf.stride)
        if wide != cnf.input_channels:
            narrow = layer(wide, cnf.out_channels, kernel_size=1, activation_layer=None)
            parts = [full(cnf.input_channels, wide), narrow]
        else:
            parts = [full(cnf.input_channels, cnf.out_channels)]
        super().__init__(cnf, parts, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Inverted residual blocks found by search, wider and deeper together.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    inverted_residual_setting: the stages; stochastic_depth_prob: how often the last block is left
    out in training, those before it less; last_channel: the width before the mean, four times the
    last stage's if None.
    Raises: ValueError without stages, TypeError for what is no list of configurations.
    Source: M. Tan, Q. V. Le, "EfficientNet", 2019, and "EfficientNetV2", 2021.

    >>> import rushlight as torch
    >>> net = torch.vision.models.efficientnet_b0(num_classes=10)
    >>> net.eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float, stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
        norm_layer: Callable[..., nn.Module] | None = None, last_channel: int | None = None,
        *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        rows: Any = inverted_residual_setting
        if not rows:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (isinstance(rows, Sequence) and all(isinstance(row, _MBConvConfig) for row in rows)):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        layer = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        parts: list[nn.Module] = [
            layer(in_channels, rows[0].input_channels, kernel_size=3, stride=2)
        ]
        total = sum(row.num_layers for row in rows)
        count = 0
        for row in rows:
            stage = []
            for place in range(row.num_layers):
                cnf = _inside(row) if place else row
                drop = stochastic_depth_prob * float(count) / total
                stage.append(row.block(cnf, drop, norm))
                count += 1
            parts.append(nn.Sequential(*stage))
        last = rows[-1].out_channels
        wide = last_channel if last_channel is not None else 4 * last
        parts.append(layer(last, wide, kernel_size=1))
        self.features = nn.Sequential(*parts)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(wide, num_classes)
        )
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(rl.flatten(self.avgpool(self.features(x)), 1))


def _inside(row: _MBConvConfig) -> _MBConvConfig:
    """The blocks of a stage after its first."""
    wide = row.out_channels
    return _MBConvConfig(row.expand_ratio, row.kernel, 1, wide, wide, row.num_layers, row.block)


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        initial.no_bias(module)
    elif isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)


# expansion, kernel, stride, channels in and out, blocks
_FIRST_VERSION = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip
# of the second version the first three stages are fused: (stride, channels out, blocks) of each,
# after the channels of the stem
_SECOND_VERSION = {
    "s": (24, (1, 24, 2), (2, 48, 4), (2, 64, 4), (2, 128, 6), (1, 160, 9), (2, 256, 15)),
    "m": (24, (1, 24, 3), (2, 48, 5), (2, 80, 5), (2, 160, 7), (1, 176, 14), (2, 304, 18),
          (1, 512, 5)),
    "l": (32, (1, 32, 4), (2, 64, 7), (2, 96, 7), (2, 192, 10), (1, 224, 19), (2, 384, 25),
          (1, 640, 7)),
}  # fmt: skip
_small_eps = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


def _scaled(
    width_mult: float, depth_mult: float, drop: float, norm: Any = None, **kwargs: Any
) -> EfficientNet:
    rows = [MBConvConfig(*row, width_mult, depth_mult) for row in _FIRST_VERSION]
    return EfficientNet(rows, **{"dropout": drop, "norm_layer": norm, **kwargs})


def _second(kind: str, drop: float, **kwargs: Any) -> EfficientNet:
    before, *stages = _SECOND_VERSION[kind]
    rows: list[MBConvConfig | FusedMBConvConfig] = []
    for place, (stride, after, count) in enumerate(stages):
        ratio = (1, 4, 4, 4)[place] if place < 4 else 6
        make = FusedMBConvConfig if place < 3 else MBConvConfig
        rows.append(make(ratio, 3, stride, before, after, count))
        before = after
    norm = partial(nn.BatchNorm2d, eps=1e-03)
    return EfficientNet(rows, **{"dropout": drop, "norm_layer": norm, "last_channel": 1280,
                                 **kwargs})  # fmt: skip


def _b(number: int, count: int, *rows: Any) -> Callable[..., EfficientNet]:
    doc = f"EfficientNet-B{number}, {{}}; arguments as `EfficientNet`."
    return variant(_scaled, f"efficientnet_b{number}", doc, *rows, count=count)


def _v2(kind: str, count: int, drop: float) -> Callable[..., EfficientNet]:
    doc = f"EfficientNetV2-{kind.upper()}, {{}}; arguments as `EfficientNet`."
    return variant(_second, f"efficientnet_v2_{kind}", doc, kind, drop, count=count)


efficientnet_b0 = _b(0, 5_288_548, 1.0, 1.0, 0.2)
efficientnet_b1 = _b(1, 7_794_184, 1.0, 1.1, 0.2)
efficientnet_b2 = _b(2, 9_109_994, 1.1, 1.2, 0.3)
efficientnet_b3 = _b(3, 12_233_232, 1.2, 1.4, 0.3)
efficientnet_b4 = _b(4, 19_341_616, 1.4, 1.8, 0.4)
efficientnet_b5 = _b(5, 30_389_784, 1.6, 2.2, 0.4, _small_eps)
efficientnet_b6 = _b(6, 43_040_704, 1.8, 2.6, 0.5, _small_eps)
efficientnet_b7 = _b(7, 66_347_960, 2.0, 3.1, 0.5, _small_eps)
efficientnet_v2_s = _v2("s", 21_458_488, 0.2)
efficientnet_v2_m = _v2("m", 54_139_356, 0.3)
efficientnet_v2_l = _v2("l", 118_515_272, 0.4)
