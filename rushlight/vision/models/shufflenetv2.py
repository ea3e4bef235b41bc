"""ShuffleNetV2 in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn

from .listing import variant


def channel_shuffle(x: rl.Tensor, groups: int) -> rl.Tensor:
    """The channels of `groups` groups in turns: the first of each, the second of each, ...

    >>> import rushlight as torch
    >>> channel_shuffle(torch.arange(4).reshape(1, 4, 1, 1), 2).flatten().tolist()
    [0, 2, 1, 3]
    """
    n, channels, height, width = x.size()
    x = x.view(n, groups, channels // groups, height, width).transpose(1, 2).contiguous()
    return x.view(n, channels, height, width)


def _normed(conv: nn.Module, wide: int, act: bool = True) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(wide), *([nn.ReLU(inplace=True)] if act else [])]


class InvertedResidual(nn.Module):
    """Half of the channels pass (1x1, 3x3 by channel, 1x1), half stay; then both are shuffled.

    With stride 2 all pass both branches. Raises: ValueError for other strides, or where stride 1
    and the widths do not fit.
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride = stride
        wide = oup // 2
        if stride == 1 and inp != wide << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If stride"
                " == 1 then inp should be equal to oup // 2 << 1."
            )
        conv = self.depthwise_conv
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                *_normed(conv(inp, inp, 3, stride, 1), inp, act=False),
                *_normed(nn.Conv2d(inp, wide, 1, 1, 0, bias=False), wide),
            )
        into = inp if stride > 1 else wide
        self.branch2 = nn.Sequential(
            *_normed(nn.Conv2d(into, wide, 1, 1, 0, bias=False), wide),
            *_normed(conv(wide, wide, 3, stride, 1), wide, act=False),
            *_normed(nn.Conv2d(wide, wide, 1, 1, 0, bias=False), wide),
        )

    @staticmethod
    def depthwise_conv(
        i: int, o: int, kernel_size: int, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> nn.Conv2d:
        """A convolution of each channel by itself."""
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        if self.stride == 1:
            kept, passed = x.chunk(2, dim=1)
        else:
            kept, passed = self.branch1(x), x
        return channel_shuffle(rl.cat((kept, self.branch2(passed)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of blocks that convolve half of their channels and mix them by shuffling.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    stages_repeats: blocks of each stage; stages_out_channels: the stem's, the stages' and the last
    layer's widths. Raises: ValueError unless there are three of the first and five of the second.
    Source: N. Ma et al., "ShuffleNet V2", 2018.

    >>> import rushlight as torch
    >>> net = torch.vision.models.ShuffleNetV2([1, 1, 1], [8, 16, 16, 16, 32], num_classes=10)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, stages_repeats: list[int], stages_out_channels: list[int], num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        wide, *middle, last = stages_out_channels
        self.conv1 = nn.Sequential(
            *_normed(nn.Conv2d(in_channels, wide, 3, 2, 1, bias=False), wide)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        for number, (count, after) in enumerate(zip(stages_repeats, middle, strict=True), 2):
            blocks = [inverted_residual(wide, after, 2)]
            blocks += [inverted_residual(after, after, 1) for _ in range(count - 1)]
            self.add_module(f"stage{number}", nn.Sequential(*blocks))
            wide = after
        self.conv5 = nn.Sequential(*_normed(nn.Conv2d(wide, last, 1, 1, 0, bias=False), last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _built(stages: tuple[int, ...], *args: Any, **kwargs: Any) -> ShuffleNetV2:
    return ShuffleNetV2([4, 8, 4], list(stages), *args, **kwargs)


def _named(size: str, count: int, *stages: int) -> Callable[..., ShuffleNetV2]:
    doc = f"ShuffleNetV2 {size}, {{}}; arguments as `ShuffleNetV2`."
    return variant(_built, f"shufflenet_v2_x{size}", doc, stages, count=count)


shufflenet_v2_x0_5 = _named("0_5", 1_366_792, 24, 48, 96, 192, 1024)
shufflenet_v2_x1_0 = _named("1_0", 2_278_604, 24, 116, 232, 464, 1024)
shufflenet_v2_x1_5 = _named("1_5", 3_503_624, 24, 176, 352, 704, 1024)
shufflenet_v2_x2_0 = _named("2_0", 7_393_996, 24, 244, 488, 976, 2048)
