"""Residual networks of films, with convolutions over time, without, and split in two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl
from rushlight import nn

from .. import initial
from ..listing import model


class Conv3DSimple(nn.Conv3d):
    """A 3x3x3 convolution without bias; `midplanes` is for those that have inner channels."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1,
        padding: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(in_planes, out_planes, (3, 3, 3), stride, padding, bias=False)

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of what brings a block's input to its output's size."""
        return stride, stride, stride


class Conv2Plus1D(nn.Sequential):
    """A convolution in the picture, then one over time, `midplanes` channels between them."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(
            nn.Conv3d(in_planes, midplanes, (1, 3, 3), (1, stride, stride), (0, padding, padding),
                      bias=False),
            nn.BatchNorm3d(midplanes),
            nn.ReLU(inplace=True),
            nn.Conv3d(midplanes, out_planes, (3, 1, 1), (stride, 1, 1), (padding, 0, 0),
                      bias=False),
        )  # fmt: skip

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of what brings a block's input to its output's size."""
        return stride, stride, stride


class Conv3DNoTemporal(nn.Conv3d):
    """A 3x3 convolution of each picture by itself."""

    def __init__(
        self, in_planes: int, out_planes: int, midplanes: int | None = None, stride: int = 1,
        padding: int = 1,
    ) -> None:  # fmt: skip
        strides, paddings = (1, stride, stride), (0, padding, padding)
        super().__init__(in_planes, out_planes, (1, 3, 3), strides, paddings, bias=False)

    @staticmethod
    def get_downsample_stride(stride: int) -> tuple[int, int, int]:
        """The stride of what brings a block's input to its output's size: time stays."""
        return 1, stride, stride


def _inner(before: int, after: int) -> int:
    """Channels between the two convolutions that leave as many weights as one of 3x3x3 has."""
    return before * after * 27 // (before * 9 + 3 * after)


class BasicBlock(nn.Module):
    """Two convolutions made by `conv_builder`, normalised, and the input added."""

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, conv_builder: Callable[..., nn.Module], stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:  # fmt: skip
        middle = _inner(inplanes, planes)
        super().__init__()
        self.conv1 = nn.Sequential(
            conv_builder(inplanes, planes, middle, stride), nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.conv2 = nn.Sequential(conv_builder(planes, planes, middle), nn.BatchNorm3d(planes))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        out = self.conv2(self.conv1(x))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A block that narrows, convolves with what `conv_builder` makes, and widens."""

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, conv_builder: Callable[..., nn.Module], stride: int = 1,
        downsample: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        wide, middle = planes * self.expansion, _inner(inplanes, planes)
        self.conv1 = nn.Sequential(
            nn.Conv3d(inplanes, planes, 1, bias=False), nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.conv2 = nn.Sequential(
            conv_builder(planes, planes, middle, stride), nn.BatchNorm3d(planes),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.conv3 = nn.Sequential(nn.Conv3d(planes, wide, 1, bias=False), nn.BatchNorm3d(wide))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        out = self.conv3(self.conv2(self.conv1(x)))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class BasicStem(nn.Sequential):
    """A 3x7x7 convolution that halves the pictures."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 64, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False),
            nn.BatchNorm3d(64), nn.ReLU(inplace=True),
        )  # fmt: skip


class R2Plus1dStem(nn.Sequential):
    """A 7x7 convolution that halves the pictures, then one over time."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(45), nn.ReLU(inplace=True),
            nn.Conv3d(45, 64, (3, 1, 1), (1, 1, 1), (1, 0, 0), bias=False),
            nn.BatchNorm3d(64), nn.ReLU(inplace=True),
        )  # fmt: skip


class VideoResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over the film and a linear layer.

    `forward` takes (N, 3, T, H, W) and gives (N, num_classes).
    conv_makers: which convolution each stage is made of; layers: blocks of each stage.
    Source: D. Tran et al., "A closer look at spatiotemporal convolutions for action recognition",
    2018.

    >>> import rushlight as torch
    >>> net = torch.vision.models.video.mc3_18(num_classes=5)
    >>> net.eval()(torch.zeros(1, 3, 2, 16, 16)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], conv_makers: Sequence[Any], layers: list[int],
        stem: Callable[..., nn.Module], num_classes: int = 400, zero_init_residual: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.inplanes = 64
        self.stem = stem()
        self.layer1 = self._stage(block, conv_makers[0], 64, layers[0])
        self.layer2 = self._stage(block, conv_makers[1], 128, layers[1], 2)
        self.layer3 = self._stage(block, conv_makers[2], 256, layers[2], 2)
        self.layer4 = self._stage(block, conv_makers[3], 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initial.in_order(self, _first)
        if zero_init_residual:
            initial.in_order(self, _as_identity)

    def _stage(
        self, block: Any, conv_builder: Any, planes: int, blocks: int, stride: int = 1
    ) -> nn.Sequential:
        """`blocks` residual blocks, of which the first has the stride."""
        wide, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != wide:
            strides = conv_builder.get_downsample_stride(stride)
            conv = nn.Conv3d(self.inplanes, wide, 1, strides, bias=False)
            downsample = nn.Sequential(conv, nn.BatchNorm3d(wide))
        parts = [block(self.inplanes, planes, conv_builder, stride, downsample)]
        self.inplanes = wide
        parts += [block(wide, planes, conv_builder) for _ in range(1, blocks)]
        return nn.Sequential(*parts)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.fc(self.avgpool(x).flatten(1))


def _first(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        initial.no_bias(module)
    elif isinstance(module, nn.BatchNorm3d):
        nn.init.constant_(module.weight, 1)
        nn.init.constant_(module.bias, 0)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.constant_(module.bias, 0)


def _as_identity(module: nn.Module) -> None:
    if isinstance(module, Bottleneck):
        last: Any = module.conv3[1]
        nn.init.constant_(last.weight, 0)


@model
def r3d_18(**kwargs: Any) -> VideoResNet:
    """ResNet-18 of 3x3x3 convolutions, 33.4 million parameters; arguments as `VideoResNet`.

    weights: a member of `R3D_18_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.video.r3d_18()
    >>> sum(p.numel() for p in net.parameters())
    33371472
    >>> net.stem[0]
    Conv3d(3, 64, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
    """
    return VideoResNet(BasicBlock, [Conv3DSimple] * 4, [2, 2, 2, 2], BasicStem, **kwargs)


@model
def mc3_18(**kwargs: Any) -> VideoResNet:
    """ResNet-18 that convolves over time in stem and first stage alone, 11.7 million parameters.

    Arguments as `VideoResNet`.
    weights: a member of `MC3_18_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.video.mc3_18()
    >>> sum(p.numel() for p in net.parameters())
    11695440
    >>> net.layer1[0].conv1[0].kernel_size, net.layer2[0].conv1[0].kernel_size
    ((3, 3, 3), (1, 3, 3))
    """
    makers = [Conv3DSimple, *[Conv3DNoTemporal] * 3]
    return VideoResNet(BasicBlock, makers, [2, 2, 2, 2], BasicStem, **kwargs)


@model
def r2plus1d_18(**kwargs: Any) -> VideoResNet:
    """ResNet-18 of convolutions split into picture and time, 31.5 million parameters.

    Arguments as `VideoResNet`.
    weights: a member of `R2Plus1D_18_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.video.r2plus1d_18()
    >>> sum(p.numel() for p in net.parameters())
    31505325
    >>> [layer.kernel_size for layer in net.layer1[0].conv1[0] if hasattr(layer, "kernel_size")]
    [(1, 3, 3), (3, 1, 1)]
    """
    return VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [2, 2, 2, 2], R2Plus1dStem, **kwargs)
