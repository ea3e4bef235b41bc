"""GoogLeNet with batch norm, in torchvision's form."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from . import initial
from .listing import model

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ("logits", "aux_logits2", "aux_logits1"))
GoogLeNetOutputs.__doc__ = """What GoogLeNet gives in training: its logits and its two helpers'.

>>> from rushlight.vision.models import GoogLeNetOutputs
>>> GoogLeNetOutputs(1, 2, 3).aux_logits1
3
"""
GoogLeNetOutputs.__annotations__ = {
    "logits": rl.Tensor, "aux_logits2": rl.Tensor | None, "aux_logits1": rl.Tensor | None,
}  # fmt: skip

# in, 1x1, 3x3 (narrowed to, out), 5x5 (narrowed to, out), after the pooling
INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}
# ImageNet's statistics to the (x - 0.5) / 0.5 that the published weights were trained on
_RESCALE = ((0.229, 0.485), (0.224, 0.456), (0.225, 0.406))


class BasicConv2d(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features, not negative."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Four branches side by side (1x1; 3x3; 3x3 in the place of 5x5; pooling), concatenated."""

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
        pool_proj: int, conv_block: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The branches' channels one after the other."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return rl.cat([branch(x) for branch in branches], 1)


class InceptionAux(nn.Module):
    """A classifier half way up, whose loss helps the lower layers in training."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Callable[..., nn.Module] | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Nine inception modules; in training two classifiers half way up beside the last.

    `forward` takes (N, in_channels, H, W), H and W from 15, and gives (N, num_classes); in training
    with `aux_logits` a GoogLeNetOutputs (logits, aux_logits2, aux_logits1).
    transform_input: rescale ImageNet-normalised pictures to [-1, 1] first.
    init_weights: False keeps the layers' own first weights, else a truncated normal's with 0.01.
    blocks: classes in the place of [BasicConv2d, Inception, InceptionAux].
    Source: C. Szegedy et al., "Going deeper with convolutions", 2015.

    >>> import rushlight as torch
    >>> net = torch.vision.models.GoogLeNet(10, aux_logits=False, init_weights=False)
    >>> net.eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool | None = None, blocks: list[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2, dropout_aux: float = 0.7, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        chosen: list[Any] = [BasicConv2d, Inception, InceptionAux] if blocks is None else blocks
        if len(chosen) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(chosen)}")
        conv, inception, aux = chosen
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, widths in INCEPTIONS.items():
            self.add_module(f"inception{name}", inception(*widths))
            if name == "3b":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            elif name == "4e":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is None or init_weights:
            initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> Any:
        """Scores of the classes, in training with those of the helping classifiers."""
        if self.transform_input:
            x = rescaled(x)
        helping = self.training and self.aux_logits
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        first = self.aux1(x) if helping and self.aux1 is not None else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = self.aux2(x) if helping and self.aux2 is not None else None
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, second, first) if helping else x


def rescaled(x: rl.Tensor) -> rl.Tensor:
    parts = [
        x[:, place : place + 1] * (spread / 0.5) + (mean - 0.5) / 0.5
        for place, (spread, mean) in enumerate(_RESCALE)
    ]
    return rl.cat(parts, 1)


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)


@model
def googlenet(**kwargs: Any) -> GoogLeNet:
    """GoogLeNet, 6.6 million parameters and 6.4 million of helpers; arguments as `GoogLeNet`.

    weights: a member of `GoogLeNet_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.get_model("googlenet")
    >>> sum(p.numel() for p in net.parameters())
    13004888
    """
    return GoogLeNet(**kwargs)
