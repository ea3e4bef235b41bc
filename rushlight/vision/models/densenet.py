"""DenseNet with 121 to 201 layers, in torchvision's form."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from . import initial
from .listing import model


class _DenseLayer(nn.Module):
    """Batch norm, ReLU and convolution twice (1x1, 3x3), on all that came before."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        inside = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, inside, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(inside)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(inside, growth_rate, 3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _narrowed(self, *before: rl.Tensor) -> rl.Tensor:
        return self.conv1(self.relu1(self.norm1(rl.cat(before, 1))))

    def forward(self, input: rl.Tensor | list[rl.Tensor]) -> rl.Tensor:
        """`growth_rate` new channels from one tensor, or from a list along the channels."""
        before = [input] if isinstance(input, rl.Tensor) else list(input)
        if self.memory_efficient and any(x.requires_grad for x in before):
            from rushlight.utils.checkpoint import checkpoint

            narrowed = checkpoint(self._narrowed, *before, use_reentrant=False)
        else:
            narrowed = self._narrowed(*before)
        new = self.conv2(self.relu2(self.norm2(narrowed)))
        if self.drop_rate > 0:
            new = F.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """Layers that each see the outputs of all layers before them."""

    def __init__(
        self, num_layers: int, num_input_features: int, bn_size: int, growth_rate: int,
        drop_rate: float, memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        for place in range(num_layers):
            wide = num_input_features + place * growth_rate
            layer = _DenseLayer(wide, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{place + 1}", layer)

    def forward(self, init_features: rl.Tensor) -> rl.Tensor:
        """The input and all layers' outputs along the channels."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return rl.cat(features, 1)


class _Transition(nn.Sequential):
    """Narrows the channels and halves the picture between two blocks."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """A stem, dense blocks with transitions between them, the mean and a linear layer.

    `forward` takes (N, in_channels, H, W), H and W from 29, and gives (N, num_classes).
    growth_rate: channels that each layer adds; block_config: layers of each block;
    bn_size: the width inside a layer over its growth; drop_rate: dropout after each layer.
    memory_efficient: compute the concatenations again in the backward pass.
    Source: G. Huang et al., "Densely connected convolutional networks", 2017.

    >>> import rushlight as torch
    >>> net = torch.vision.models.DenseNet(8, (1, 1, 1, 1), 16, num_classes=10)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, growth_rate: int = 32, block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0,
        num_classes: int = 1000, memory_efficient: bool = False, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        stem = (
            ("conv0", nn.Conv2d(in_channels, num_init_features, 7, 2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(num_init_features)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
        )
        self.features = nn.Sequential(OrderedDict(stem))
        wide = num_init_features
        for number, count in enumerate(block_config, 1):
            block = _DenseBlock(count, wide, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{number}", block)
            wide += count * growth_rate
            if number != len(block_config):
                self.features.add_module(f"transition{number}", _Transition(wide, wide // 2))
                wide //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(wide))
        self.classifier = nn.Linear(wide, num_classes)
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        initial.no_bias(module)


@model
def densenet121(**kwargs: Any) -> DenseNet:
    """DenseNet-121, 8.0 million parameters; arguments as `DenseNet` from `bn_size` on.

    weights: a member of `DenseNet121_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.densenet121()
    >>> sum(p.numel() for p in net.parameters())
    7978856
    """
    return DenseNet(32, (6, 12, 24, 16), 64, **kwargs)


@model
def densenet161(**kwargs: Any) -> DenseNet:
    """DenseNet-161, 28.7 million parameters: growth 48; arguments as `DenseNet` from `bn_size` on.

    weights: a member of `DenseNet161_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.densenet161()
    >>> sum(p.numel() for p in net.parameters())
    28681000
    >>> net.classifier
    Linear(in_features=2208, out_features=1000, bias=True)
    """
    return DenseNet(48, (6, 12, 36, 24), 96, **kwargs)


@model
def densenet169(**kwargs: Any) -> DenseNet:
    """DenseNet-169, 14.1 million parameters: growth 32; arguments as `DenseNet` from `bn_size` on.

    weights: a member of `DenseNet169_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.densenet169()
    >>> sum(p.numel() for p in net.parameters())
    14149480
    >>> net.classifier
    Linear(in_features=1664, out_features=1000, bias=True)
    """
    return DenseNet(32, (6, 12, 32, 32), 64, **kwargs)


@model
def densenet201(**kwargs: Any) -> DenseNet:
    """DenseNet-201, 20.0 million parameters: growth 32; arguments as `DenseNet` from `bn_size` on.

    weights: a member of `DenseNet201_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.densenet201()
    >>> sum(p.numel() for p in net.parameters())
    20013928
    >>> net.classifier
    Linear(in_features=1920, out_features=1000, bias=True)
    """
    return DenseNet(32, (6, 12, 48, 32), 64, **kwargs)
