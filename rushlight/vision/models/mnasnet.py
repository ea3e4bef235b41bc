"""MNASNet in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import rushlight as rl
from rushlight import nn

from . import initial
from ._utils import _make_divisible
from .listing import variant

# published for TensorFlow, where it is what stays of the old statistics
_MOMENTUM = 1 - 0.9997
_WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320)
# kernel, stride, expansion, blocks of each stage after the second width
_STAGES = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


def _layer(
    wide: int, after: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True,
    momentum: float = _MOMENTUM,
) -> list[nn.Module]:  # fmt: skip
    """Convolution without bias, batch norm and, but where a block ends, ReLU."""
    conv = nn.Conv2d(wide, after, kernel, padding=kernel // 2, stride=stride, groups=groups,
                     bias=False)  # fmt: skip
    norm = nn.BatchNorm2d(after, momentum=momentum)
    return [conv, norm, *([nn.ReLU(inplace=True)] if act else [])]


class _InvertedResidual(nn.Module):
    """Widen (1x1), convolve each channel, narrow (1x1); the input is added where shapes stay."""

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int,
        bn_momentum: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        if stride not in [1, 2]:
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in [3, 5]:
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        wide = in_ch * expansion_factor
        layer = partial(_layer, momentum=bn_momentum)
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *layer(in_ch, wide, 1), *layer(wide, wide, kernel_size, stride, wide),
            *layer(wide, out_ch, 1, act=False),
        )  # fmt: skip

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        return self.layers(input) + input if self.apply_residual else self.layers(input)


class MNASNet(nn.Module):
    """Inverted residual blocks found by search for fast phones.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    alpha: factor of all widths, which are rounded to multiples of 8.
    Raises: ValueError unless alpha is positive.
    Source: M. Tan et al., "MnasNet: platform-aware neural architecture search for mobile", 2019.

    >>> import rushlight as torch
    >>> torch.vision.models.MNASNet(0.25, 10).eval()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    _version = 2

    def __init__(
        self, alpha: float, num_classes: int = 1000, dropout: float = 0.2, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        stem, wide, *widths = (_make_divisible(width * alpha, 8) for width in _WIDTHS)
        parts = [*_layer(in_channels, stem, 3, 2), *_layer(stem, stem, 3, 1, stem),
                 *_layer(stem, wide, 1, act=False)]  # fmt: skip
        for (kernel, stride, expansion, count), after in zip(_STAGES, widths, strict=True):
            rest = (kernel, stride, expansion, _MOMENTUM)
            blocks = [_InvertedResidual(wide, after, *rest)]
            rest = (kernel, 1, expansion, _MOMENTUM)
            blocks += [_InvertedResidual(after, after, *rest) for _ in range(count - 1)]
            parts.append(nn.Sequential(*blocks))
            wide = after
        self.layers = nn.Sequential(*parts, *_layer(wide, 1280, 1))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.layers(x).mean([2, 3]))


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
        nn.init.zeros_(module.bias)


def _named(size: str, count: int) -> Callable[..., MNASNet]:
    doc = f"MNASNet {size}, {{}}; arguments as `MNASNet` after `alpha`."
    return variant(MNASNet, f"mnasnet{size}", doc, float(size.replace("_", ".")), count=count)


mnasnet0_5 = _named("0_5", 2_218_512)
mnasnet0_75 = _named("0_75", 3_170_208)
mnasnet1_0 = _named("1_0", 4_383_312)
mnasnet1_3 = _named("1_3", 6_282_256)
