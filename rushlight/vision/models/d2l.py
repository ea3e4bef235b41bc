"""The networks of "Dive into Deep Learning" where they differ from torchvision's.

They take pictures of one channel, draw their weights by Glorot's rule and carry the layer names
of the book's second edition (below its `net`). Source: https://d2l.ai, chapters 7 and 8.
"""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from .initial import xavier
from .listing import model
from .nin import nin_block

VGG11_COURSE = ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
_INCEPTIONS = (
    ((192, 64, (96, 128), (16, 32), 32), (256, 128, (128, 192), (32, 96), 64)),
    (
        (480, 192, (96, 208), (16, 48), 64), (512, 160, (112, 224), (24, 64), 64),
        (512, 128, (128, 256), (24, 64), 64), (512, 112, (144, 288), (32, 64), 64),
        (528, 256, (160, 320), (32, 128), 128),
    ),
    ((832, 256, (160, 320), (32, 128), 128), (832, 384, (192, 384), (48, 128), 128)),
)  # fmt: skip


def _drawn(net: nn.Sequential) -> nn.Sequential:
    net.apply(xavier)
    return net


def _head(inputs: int, num_classes: int, dropout: float) -> list[nn.Module]:
    """Two wide linear layers with dropout, and the last."""
    return [
        nn.Flatten(),
        nn.Linear(inputs, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(4096, num_classes),
    ]  # fmt: skip


def _side(name: str, convolutions: nn.Sequential, channels: int, image_size: int) -> int:
    """The side of what is left of a square picture; ValueError if nothing is."""
    try:
        with rl.no_grad():
            return convolutions(rl.zeros(1, channels, image_size, image_size)).shape[-1]
    except RuntimeError as error:
        raise ValueError(f"{name}: pictures of {image_size}x{image_size} are too small") from error


def _mean_head(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(channels, num_classes)
    )


def _stem(in_channels: int, norm: bool) -> nn.Sequential:
    """A 7x7 convolution and a pooling, each of stride 2."""
    parts: list[nn.Module] = [nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3)]
    if norm:
        parts.append(nn.BatchNorm2d(64))
    return nn.Sequential(*parts, nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))


@model
def d2l_lenet(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> nn.Sequential:
    """The book's LeNet (section 7.6) as one Sequential.

    >>> import rushlight as torch
    >>> torch.vision.models.d2l_lenet()(torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 10])
    """
    side = (image_size // 2 - 4) // 2
    net = nn.Sequential(
        nn.Conv2d(in_channels, 6, kernel_size=5, padding=2), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * side * side, 120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, num_classes),
    )  # fmt: skip
    return _drawn(net)


@model
def d2l_alexnet(
    num_classes: int = 10, in_channels: int = 1, image_size: int = 224, dropout: float = 0.5
) -> nn.Sequential:
    """The book's AlexNet (section 8.1): 96 to 384 channels; the head fits `image_size`.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_alexnet()
    >>> sum(p.numel() for p in net.parameters()), net[-1].out_features
    (46764746, 10)
    """
    convolutions = nn.Sequential(
        nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(96, 256, kernel_size=5, padding=2), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(256, 384, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, kernel_size=3, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )  # fmt: skip
    side = _side("d2l_alexnet", convolutions, in_channels, image_size)
    return _drawn(nn.Sequential(*convolutions, *_head(256 * side * side, num_classes, dropout)))


def vgg_block(num_convs: int, in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolutions with ReLU, then a pooling that halves the picture."""
    parts: list[nn.Module] = []
    for place in range(num_convs):
        before = out_channels if place else in_channels
        parts += [nn.Conv2d(before, out_channels, kernel_size=3, padding=1), nn.ReLU()]
    return nn.Sequential(*parts, nn.MaxPool2d(kernel_size=2, stride=2))


@model
def d2l_vgg11(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int = 224,
    dropout: float = 0.5,
    arch: tuple[tuple[int, int], ...] = VGG11_COURSE,
) -> nn.Sequential:
    """The book's VGG-11 (section 8.2) with a quarter of the channels.

    arch: (convolutions, channels) of each block; image_size: 2 ** len(arch) or more.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_vgg11()
    >>> sum(p.numel() for p in net.parameters()), net[-1].out_features
    (43093322, 10)
    """
    blocks, before = [], in_channels
    for count, width in arch:
        blocks.append(vgg_block(count, before, width))
        before = width
    convolutions = nn.Sequential(*blocks)
    side = _side("d2l_vgg11", convolutions, in_channels, image_size)
    return _drawn(nn.Sequential(*blocks, *_head(before * side * side, num_classes, dropout)))


@model
def d2l_nin(num_classes: int = 10, in_channels: int = 1, dropout: float = 0.5) -> nn.Sequential:
    """The book's network in network (section 8.3) as one Sequential.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_nin()
    >>> sum(p.numel() for p in net.parameters())
    1992166
    """
    net = nn.Sequential(
        nin_block(in_channels, 96, kernel_size=11, stride=4, padding=0),
        nn.MaxPool2d(3, stride=2),
        nin_block(96, 256, kernel_size=5, stride=1, padding=2),
        nn.MaxPool2d(3, stride=2),
        nin_block(256, 384, kernel_size=3, stride=1, padding=1),
        nn.MaxPool2d(3, stride=2),
        nn.Dropout(dropout),
        nin_block(384, num_classes, kernel_size=3, stride=1, padding=1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )
    return _drawn(net)


class InceptionD2L(nn.Module):
    """The book's inception module: 1x1, 3x3, true 5x5 and pooling, without norms."""

    def __init__(
        self, inputs: int, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int
    ) -> None:
        super().__init__()
        self.b1_1 = nn.Conv2d(inputs, c1, kernel_size=1)
        self.b2_1 = nn.Conv2d(inputs, c2[0], kernel_size=1)
        self.b2_2 = nn.Conv2d(c2[0], c2[1], kernel_size=3, padding=1)
        self.b3_1 = nn.Conv2d(inputs, c3[0], kernel_size=1)
        self.b3_2 = nn.Conv2d(c3[0], c3[1], kernel_size=5, padding=2)
        self.b4_1 = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.b4_2 = nn.Conv2d(inputs, c4, kernel_size=1)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The branches' channels one after the other."""
        first = F.relu(self.b1_1(x))
        second = F.relu(self.b2_2(F.relu(self.b2_1(x))))
        third = F.relu(self.b3_2(F.relu(self.b3_1(x))))
        fourth = F.relu(self.b4_2(self.b4_1(x)))
        return rl.cat((first, second, third, fourth), dim=1)


@model
def d2l_googlenet(num_classes: int = 10, in_channels: int = 1) -> nn.Sequential:
    """The book's GoogLeNet (section 8.4), for pictures of 96x96.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_googlenet()
    >>> sum(p.numel() for p in net.parameters())
    5977530
    """
    second = nn.Sequential(
        nn.Conv2d(64, 64, kernel_size=1), nn.ReLU(),
        nn.Conv2d(64, 192, kernel_size=3, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )  # fmt: skip
    stages = []
    for place, rows in enumerate(_INCEPTIONS):
        parts: list[nn.Module] = [InceptionD2L(*row) for row in rows]
        last = place == len(_INCEPTIONS) - 1
        if last:
            parts += [nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()]
        else:
            parts.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        stages.append(nn.Sequential(*parts))
    stem = _stem(in_channels, norm=False)
    return _drawn(nn.Sequential(stem, second, *stages, nn.Linear(1024, num_classes)))


class ResidualD2L(nn.Module):
    """The book's residual block: biased 3x3 convolutions, a 1x1 beside them if asked."""

    def __init__(
        self, inputs: int, num_channels: int, use_1x1conv: bool = False, strides: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        beside = nn.Conv2d(inputs, num_channels, kernel_size=1, stride=strides)
        self.conv3 = beside if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.conv3 is None else self.conv3(x)))


@model
def d2l_resnet18(num_classes: int = 10, in_channels: int = 1) -> nn.Sequential:
    """The book's ResNet-18 (section 8.6), for pictures of 96x96: 11.18 million parameters.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_resnet18()
    >>> sum(p.numel() for p in net.parameters())
    11178378
    """
    net = nn.Sequential(_stem(in_channels, norm=True))
    before = 64
    for number, width in enumerate((64, 128, 256, 512), 2):
        halves = number > 2
        first = ResidualD2L(before, width, use_1x1conv=halves, strides=2 if halves else 1)
        net.add_module(f"b{number}", nn.Sequential(first, ResidualD2L(width, width)))
        before = width
    net.add_module("last", _mean_head(512, num_classes))
    return _drawn(net)


def _norm_relu_conv(inputs: int, outputs: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inputs), nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel_size=kernel_size, padding=kernel_size // 2),
    )  # fmt: skip


class DenseBlockD2L(nn.Module):
    """The book's dense block: each layer adds `growth` channels to what it sees."""

    def __init__(self, count: int, inputs: int, growth: int) -> None:
        super().__init__()
        layers = [_norm_relu_conv(inputs + place * growth, growth, 3) for place in range(count)]
        self.net = nn.Sequential(*layers)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The input and all layers' outputs along the channels."""
        for layer in self.net:
            x = rl.cat((x, layer(x)), dim=1)
        return x


@model
def d2l_densenet(
    num_classes: int = 10,
    in_channels: int = 1,
    growth_rate: int = 32,
    arch: tuple[int, ...] = (4, 4, 4, 4),
) -> nn.Sequential:
    """The book's DenseNet (section 8.7): four dense blocks of four layers, for 96x96.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.d2l_densenet()
    >>> sum(p.numel() for p in net.parameters())
    758226
    """
    net: Any = nn.Sequential(_stem(in_channels, norm=True))
    width = 64
    for number, count in enumerate(arch, 1):
        net.add_module(f"dense_blk{number}", DenseBlockD2L(count, width, growth_rate))
        width += count * growth_rate
        if number < len(arch):
            narrow = nn.Sequential(*_norm_relu_conv(width, width // 2, 1), nn.AvgPool2d(2, 2))
            net.add_module(f"tran_blk{number}", narrow)
            width //= 2
    last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), *_mean_head(width, num_classes))
    net.add_module("last", last)
    return _drawn(net)
