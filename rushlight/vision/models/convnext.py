"""ConvNeXt in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ..ops.misc import Conv2dNormActivation, Permute, StochasticDepth
from . import initial
from .listing import variant


class LayerNorm2d(nn.LayerNorm):
    """The norm of each pixel over its channels, of pictures (N, C, H, W)."""

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The normalised picture."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7x7 convolution of each channel, then two layers on each pixel; scaled, and x is added."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(4 * dim, dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(rl.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """Features of the same shape."""
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """A stage: its channels, those after it (None for the last stage), its blocks."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels, self.out_channels = input_channels, out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({values})"


class ConvNeXt(nn.Module):
    """Convolutions arranged as in a transformer: patches, wide kernels, layer norms, GELU.

    `forward` takes (N, in_channels, H, W), H and W from 32, and gives (N, num_classes).
    layer_scale: the first scale of what a block adds. stochastic_depth_prob: how often the last
    block is left out in training, those before it less.
    Raises: ValueError without stages, TypeError for what is no list of configurations.
    Source: Z. Liu et al., "A ConvNet for the 2020s", 2022.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.convnext import CNBlockConfig, ConvNeXt
    >>> net = ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=10)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, block_setting: list[CNBlockConfig], stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6, num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None, *, in_channels: int = 3,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        rows: Any = block_setting
        if not rows:
            raise ValueError("The block_setting should not be empty")
        if not (isinstance(rows, Sequence) and all(isinstance(row, CNBlockConfig) for row in rows)):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        block, norm = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        parts: list[nn.Module] = [
            Conv2dNormActivation(in_channels, rows[0].input_channels, kernel_size=4, stride=4,
                                 padding=0, norm_layer=norm, activation_layer=None, bias=True)
        ]  # fmt: skip
        after = sum(row.num_layers for row in rows) - 1.0
        count = 0
        for row in rows:
            wide, drops = row.input_channels, range(count, count + row.num_layers)
            count += row.num_layers
            parts.append(nn.Sequential(*[
                block(wide, layer_scale, stochastic_depth_prob * place / after) for place in drops
            ]))  # fmt: skip
            if row.out_channels is not None:
                halving = nn.Conv2d(wide, row.out_channels, kernel_size=2, stride=2)
                parts.append(nn.Sequential(norm(wide), halving))
        self.features = nn.Sequential(*parts)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = rows[-1].out_channels or rows[-1].input_channels
        self.classifier = nn.Sequential(norm(last), nn.Flatten(1), nn.Linear(last, num_classes))
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.avgpool(self.features(x)))


def _first(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        initial.no_bias(module)


def _built(wide: int, middle: int, drop: float, **kwargs: Any) -> ConvNeXt:
    """Four stages of doubling width; the third has `middle` blocks, the others three."""
    drop = kwargs.pop("stochastic_depth_prob", drop)
    counts = (3, 3, middle, 3)
    rows = [
        CNBlockConfig(wide << i, wide << i + 1 if i < 3 else None, count)
        for i, count in enumerate(counts)
    ]
    return ConvNeXt(rows, stochastic_depth_prob=drop, **kwargs)


def _named(kind: str, count: int, *rows: Any) -> Callable[..., ConvNeXt]:
    doc = f"ConvNeXt {kind}, {{}}; arguments as `ConvNeXt`."
    return variant(_built, f"convnext_{kind}", doc, *rows, count=count)


convnext_tiny = _named("tiny", 28_589_128, 96, 9, 0.1)
convnext_small = _named("small", 50_223_688, 96, 27, 0.4)
convnext_base = _named("base", 88_591_464, 128, 27, 0.5)
convnext_large = _named("large", 197_767_336, 192, 27, 0.5)
