"""RegNetX and RegNetY in torchvision's form."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from . import initial
from ._utils import _make_divisible
from .listing import variant

Layer = Callable[..., nn.Module]


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution that halves the picture, its norm and activation."""

    def __init__(
        self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer
    ) -> None:
        layers: Any = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        super().__init__(width_in, width_out, kernel_size=3, stride=2, **layers)


class BottleneckTransform(nn.Sequential):
    """1x1, 3x3 in groups, squeeze and excite if `se_ratio` says so, 1x1 without activation."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer,
        activation_layer: Layer, group_width: int, bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:  # fmt: skip
        wide = round(width_out * bottleneck_multiplier)
        layer = partial(Conv2dNormActivation, norm_layer=norm_layer)
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["a"] = layer(width_in, wide, kernel_size=1, activation_layer=activation_layer)
        parts["b"] = layer(wide, wide, kernel_size=3, stride=stride, groups=wide // group_width,
                           activation_layer=activation_layer)  # fmt: skip
        if se_ratio:
            parts["se"] = SqueezeExcitation(wide, round(se_ratio * width_in), activation_layer)
        parts["c"] = layer(wide, width_out, kernel_size=1, activation_layer=None)
        super().__init__(parts)


class ResBottleneckBlock(nn.Module):
    """activation(project(x) + transform(x)); x is projected where its shape changes."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer,
        activation_layer: Layer, group_width: int = 1, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            layers = {"norm_layer": norm_layer, "activation_layer": None}
            self.proj = Conv2dNormActivation(width_in, width_out, 1, stride, **layers)
        rest = (group_width, bottleneck_multiplier, se_ratio)
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, *rest
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class AnyStage(nn.Sequential):
    """`depth` blocks of one width, the first of which has the stride."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, depth: int, block_constructor: Layer,
        norm_layer: Layer, activation_layer: Layer, group_width: int,
        bottleneck_multiplier: float, se_ratio: float | None = None, stage_index: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        rest = (norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio)
        for place in range(depth):
            first = place == 0
            block = block_constructor(
                width_in if first else width_out, width_out, stride if first else 1, *rest
            )
            self.add_module(f"block{stage_index}-{place}", block)


class BlockParams:
    """The shape of a network stage by stage: blocks, widths, widths of groups, strides."""

    def __init__(
        self, depths: list[int], widths: list[int], group_widths: list[int],
        bottleneck_multipliers: list[float], strides: list[int], se_ratio: float | None = None,
    ) -> None:  # fmt: skip
        self.depths, self.widths, self.group_widths = depths, widths, group_widths
        self.bottleneck_multipliers, self.strides = bottleneck_multipliers, strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int,
        bottleneck_multiplier: float = 1.0, se_ratio: float | None = None, **kwargs: Any,
    ) -> BlockParams:  # fmt: skip
        """Widths w_0 + w_a * block, brought to powers of w_m times w_0 and to multiples of 8.

        Raises: ValueError unless w_a >= 0, w_0 > 0, w_m > 1 and w_0 a multiple of 8.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        powers = [round(math.log((w_0 + w_a * i) / w_0) / math.log(w_m)) for i in range(depth)]
        blocks = [round(w_0 * w_m**power / 8) * 8 for power in powers]
        stages = list(dict.fromkeys(blocks))
        # a width must be a multiple of its groups' width, which is at most as wide as it inside
        inner = [int(width * bottleneck_multiplier) for width in stages]
        groups = [min(group_width, width) for width in inner]
        inner = [_make_divisible(width, group) for width, group in zip(inner, groups, strict=True)]
        return cls(
            depths=[blocks.count(width) for width in stages],
            widths=[int(width / bottleneck_multiplier) for width in inner],
            group_widths=groups,
            bottleneck_multipliers=[bottleneck_multiplier] * len(stages),
            strides=[2] * len(stages),
            se_ratio=se_ratio,
        )

    def _get_expanded_params(self) -> Any:
        """One tuple a stage: width, stride, depth, group width, multiplier."""
        return zip(self.widths, self.strides, self.depths, self.group_widths,
                   self.bottleneck_multipliers)  # fmt: skip


class RegNet(nn.Module):
    """A stem, stages of bottleneck blocks whose widths follow a line, the mean, a linear layer.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    Source: I. Radosavovic et al., "Designing network design spaces", 2020.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.regnet import BlockParams, RegNet
    >>> net = RegNet(BlockParams.from_init_params(3, 8, 8.0, 2.0, 4), num_classes=10)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, block_params: BlockParams, num_classes: int = 1000, stem_width: int = 32,
        stem_type: Layer | None = None, block_type: Layer | None = None,
        norm_layer: Layer | None = None, activation: Layer | None = None,
        *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        block = block_type or ResBottleneckBlock
        layers = (norm_layer or nn.BatchNorm2d, activation or nn.ReLU)
        self.stem = (stem_type or SimpleStemIN)(in_channels, stem_width, *layers)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        before = stem_width
        for number, row in enumerate(block_params._get_expanded_params(), 1):
            width, stride, depth, group, multiplier = row
            stages[f"block{number}"] = AnyStage(
                before, width, stride, depth, block, *layers, group, multiplier,
                block_params.se_ratio, stage_index=number,
            )  # fmt: skip
            before = width
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(before, num_classes)
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(start_dim=1))


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        high, wide = module.kernel_size
        fan_out = high * wide * module.out_channels
        nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, mean=0.0, std=0.01)
        nn.init.zeros_(module.bias)


def _built(shape: tuple[Any, ...], squeezed: float | None, **kwargs: Any) -> RegNet:
    norm = kwargs.pop("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    params = BlockParams.from_init_params(*shape, se_ratio=squeezed)
    return RegNet(params, norm_layer=norm, **kwargs)


def _x(size: str, count: int, *shape: float) -> Callable[..., RegNet]:
    doc = f"RegNetX {size}, {{}}; arguments as `RegNet`."
    return variant(_built, f"regnet_x_{size}", doc, shape, None, count=count)


def _y(size: str, count: int, *shape: float) -> Callable[..., RegNet]:
    doc = f"RegNetY {size}, which squeezes and excites, {{}}; arguments as `RegNet`."
    return variant(_built, f"regnet_y_{size}", doc, shape, 0.25, count=count)


# depth, w_0, w_a, w_m, width of groups
regnet_y_400mf = _y("400mf", 4_344_144, 16, 48, 27.89, 2.09, 8)
regnet_y_800mf = _y("800mf", 6_432_512, 14, 56, 38.84, 2.4, 16)
regnet_y_1_6gf = _y("1_6gf", 11_202_430, 27, 48, 20.71, 2.65, 24)
regnet_y_3_2gf = _y("3_2gf", 19_436_338, 21, 80, 42.63, 2.66, 24)
regnet_y_8gf = _y("8gf", 39_381_472, 17, 192, 76.82, 2.19, 56)
regnet_y_16gf = _y("16gf", 83_590_140, 18, 200, 106.23, 2.48, 112)
regnet_y_32gf = _y("32gf", 145_046_770, 20, 232, 115.89, 2.53, 232)
regnet_y_128gf = _y("128gf", 644_812_894, 27, 456, 160.83, 2.52, 264)
regnet_x_400mf = _x("400mf", 5_495_976, 22, 24, 24.48, 2.54, 16)
regnet_x_800mf = _x("800mf", 7_259_656, 16, 56, 35.73, 2.28, 16)
regnet_x_1_6gf = _x("1_6gf", 9_190_136, 18, 80, 34.01, 2.25, 24)
regnet_x_3_2gf = _x("3_2gf", 15_296_552, 25, 88, 26.31, 2.25, 48)
regnet_x_8gf = _x("8gf", 39_572_648, 23, 80, 49.56, 2.88, 120)
regnet_x_16gf = _x("16gf", 54_278_536, 22, 216, 55.59, 2.1, 128)
regnet_x_32gf = _x("32gf", 107_811_560, 23, 320, 69.86, 2.0, 168)
