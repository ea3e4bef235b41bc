"""ResNet with 18 to 152 layers and its wider kin, in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn

from . import initial
from .listing import model

Norm = Callable[[int], nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride, padding=dilation, groups=groups, bias=False,
        dilation=dilation,
    )  # fmt: skip


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))), with two 3x3 convolutions.

    downsample: what brings x to the sum's shape; None where it has it.
    Raises: ValueError for groups or width, NotImplementedError for dilation, as torchvision.
    """

    expansion: int = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A residual block that narrows (1x1), convolves (3x3, with the stride) and widens (1x1).

    Source: K. He et al., "Deep residual learning", 2016, with the stride as in version 1.5.
    """

    expansion: int = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the mean over the picture and a linear layer.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    block: BasicBlock or Bottleneck; layers: blocks of each of the four stages.
    zero_init_residual: start each block as the identity. groups, width_per_group: ResNeXt and Wide
    ResNet. replace_stride_with_dilation: three bools, for dense prediction.
    Raises: ValueError if there are not three of them.
    Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.resnet import BasicBlock, ResNet
    >>> net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10, in_channels=1)
    >>> net(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layers: list[int], num_classes: int = 1000,
        zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None, norm_layer: Norm | None = None,
        *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        dilated = replace_stride_with_dilation or [False, False, False]
        if len(dilated) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got"
                f" {replace_stride_with_dilation}"
            )
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._stage(block, 64, layers[0])
        self.layer2 = self._stage(block, 128, layers[1], 2, dilated[0])
        self.layer3 = self._stage(block, 256, layers[2], 2, dilated[1])
        self.layer4 = self._stage(block, 512, layers[3], 2, dilated[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initial.in_order(self, _first)
        if zero_init_residual:
            initial.in_order(self, _as_identity)

    def _stage(
        self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        """`blocks` residual blocks; the first halves the picture, or dilates what follows it."""
        before = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        wide = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != wide:
            downsample = nn.Sequential(conv1x1(self.inplanes, wide, stride), self._norm_layer(wide))
        widths = (self.groups, self.base_width)
        parts = [
            block(self.inplanes, planes, stride, downsample, *widths, before, self._norm_layer)
        ]
        self.inplanes = wide
        parts += [
            block(wide, planes, 1, None, *widths, self.dilation, self._norm_layer)
            for _ in range(1, blocks)
        ]
        return nn.Sequential(*parts)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(rl.flatten(self.avgpool(x), 1))


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _as_identity(module: nn.Module) -> None:
    last: Any = None
    if isinstance(module, Bottleneck):
        last = module.bn3
    elif isinstance(module, BasicBlock):
        last = module.bn2
    if last is not None and last.weight is not None:
        nn.init.constant_(last.weight, 0)


@model
def resnet18(**kwargs: Any) -> ResNet:
    """ResNet-18, 11.7 million parameters; arguments as `ResNet`.

    weights: a member of `ResNet18_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnet18()
    >>> sum(p.numel() for p in net.parameters())
    11689512
    """
    return ResNet(BasicBlock, [2, 2, 2, 2], **kwargs)


@model
def resnet34(**kwargs: Any) -> ResNet:
    """ResNet-34, 21.8 million parameters.

    weights: a member of `ResNet34_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnet34()
    >>> sum(p.numel() for p in net.parameters())
    21797672
    """
    return ResNet(BasicBlock, [3, 4, 6, 3], **kwargs)


@model
def resnet50(**kwargs: Any) -> ResNet:
    """ResNet-50, 25.6 million parameters.

    weights: a member of `ResNet50_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnet50()
    >>> sum(p.numel() for p in net.parameters())
    25557032
    """
    return ResNet(Bottleneck, [3, 4, 6, 3], **kwargs)


@model
def resnet101(**kwargs: Any) -> ResNet:
    """ResNet-101, 44.5 million parameters; arguments as `ResNet`.

    weights: a member of `ResNet101_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnet101()
    >>> sum(p.numel() for p in net.parameters())
    44549160
    >>> net.fc
    Linear(in_features=2048, out_features=1000, bias=True)
    """
    return ResNet(Bottleneck, [3, 4, 23, 3], **kwargs)


@model
def resnet152(**kwargs: Any) -> ResNet:
    """ResNet-152, 60.2 million parameters; arguments as `ResNet`.

    weights: a member of `ResNet152_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnet152()
    >>> sum(p.numel() for p in net.parameters())
    60192808
    >>> net.layer3[-1].conv2
    Conv2d(256, 256, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    """
    return ResNet(Bottleneck, [3, 8, 36, 3], **kwargs)


@model
def resnext50_32x4d(**kwargs: Any) -> ResNet:
    """ResNeXt-50, 25.0 million parameters: 32 groups of width 4; arguments as `ResNet`.

    Source: S. Xie et al., "Aggregated residual transformations for deep neural networks", 2017.
    weights: a member of `ResNeXt50_32X4D_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnext50_32x4d()
    >>> sum(p.numel() for p in net.parameters())
    25028904
    >>> net.layer1[0].conv2
    Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=32, bias=False)
    """
    return ResNet(Bottleneck, [3, 4, 6, 3], **{"groups": 32, "width_per_group": 4, **kwargs})


@model
def resnext101_32x8d(**kwargs: Any) -> ResNet:
    """ResNeXt-101, 88.8 million parameters: 32 groups of width 8; arguments as `ResNet`.

    Source: S. Xie et al., "Aggregated residual transformations for deep neural networks", 2017.
    weights: a member of `ResNeXt101_32X8D_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnext101_32x8d()
    >>> sum(p.numel() for p in net.parameters())
    88791336
    >>> net.layer1[0].conv2
    Conv2d(256, 256, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=32, bias=False)
    """
    return ResNet(Bottleneck, [3, 4, 23, 3], **{"groups": 32, "width_per_group": 8, **kwargs})


@model
def resnext101_64x4d(**kwargs: Any) -> ResNet:
    """ResNeXt-101, 83.5 million parameters: 64 groups of width 4; arguments as `ResNet`.

    Source: S. Xie et al., "Aggregated residual transformations for deep neural networks", 2017.
    weights: a member of `ResNeXt101_64X4D_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.resnext101_64x4d()
    >>> sum(p.numel() for p in net.parameters())
    83455272
    >>> net.layer1[0].conv2
    Conv2d(256, 256, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=64, bias=False)
    """
    return ResNet(Bottleneck, [3, 4, 23, 3], **{"groups": 64, "width_per_group": 4, **kwargs})


@model
def wide_resnet50_2(**kwargs: Any) -> ResNet:
    """ResNet-50, twice as wide inside its blocks: 68.9 million parameters; arguments as `ResNet`.

    Source: S. Zagoruyko, N. Komodakis, "Wide residual networks", 2016.
    weights: a member of `Wide_ResNet50_2_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.wide_resnet50_2()
    >>> sum(p.numel() for p in net.parameters())
    68883240
    >>> net.layer1[0].conv2
    Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    """
    return ResNet(Bottleneck, [3, 4, 6, 3], **{"width_per_group": 128, **kwargs})


@model
def wide_resnet101_2(**kwargs: Any) -> ResNet:
    """ResNet-101, twice as wide inside its blocks: 126.9 million parameters; arguments as `ResNet`.

    Source: S. Zagoruyko, N. Komodakis, "Wide residual networks", 2016.
    weights: a member of `Wide_ResNet101_2_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.wide_resnet101_2()
    >>> sum(p.numel() for p in net.parameters())
    126886696
    >>> net.layer1[0].conv2
    Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    """
    return ResNet(Bottleneck, [3, 4, 23, 3], **{"width_per_group": 128, **kwargs})
