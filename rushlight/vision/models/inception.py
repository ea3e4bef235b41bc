"""Inception v3 in torchvision's form."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from . import initial
from .googlenet import BasicConv2d, rescaled
from .listing import model

InceptionOutputs = namedtuple("InceptionOutputs", ("logits", "aux_logits"))
InceptionOutputs.__doc__ = """What Inception gives in training: its logits and those of its helper.

>>> from rushlight.vision.models import InceptionOutputs
>>> InceptionOutputs(1, 2).aux_logits
2
"""
InceptionOutputs.__annotations__ = {"logits": rl.Tensor, "aux_logits": rl.Tensor | None}

Conv = Callable[..., nn.Module]


class _Mixed(nn.Module):
    """Branches side by side, concatenated; each is a chain of convolutions.

    A link is (name, channels, kernel); an end with two kernels is a pair of convolutions, named a
    and b, whose results are concatenated. What halves has a stride of 2 at the end of each chain.
    """

    halves = False

    def __init__(self, in_channels: int, chains: Any, conv_block: Conv | None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self._chains: list[list[str]] = []
        for chain in chains:
            wide = in_channels
            names: list[str] = []
            for place, (name, after, *kernels) in enumerate(chain):
                halving = self.halves and place == len(chain) - 1
                pair = "ab" if len(kernels) == 2 else ("",)
                for end, kernel in zip(pair, kernels):
                    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
                    how: dict[str, Any] = {"padding": tuple(side // 2 for side in sides)}
                    if halving:
                        how = {"stride": 2}
                    layer = conv(wide, after, kernel_size=kernel, **how)
                    self.add_module(f"branch{name}{end}", layer)
                names.append(" ".join(f"branch{name}{end}" for end in pair))
                wide = after
            self._chains.append(names)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The branches' channels one after the other."""
        results = []
        for chain in self._chains:
            y = F.avg_pool2d(x, 3, stride=1, padding=1) if chain == ["branch_pool"] else x
            for names in chain:
                parts = [getattr(self, name)(y) for name in names.split()]
                y = parts[0] if len(parts) == 1 else rl.cat(parts, 1)
            results.append(y)
        if self.halves:
            results.append(F.max_pool2d(x, kernel_size=3, stride=2))
        return rl.cat(results, 1)


_LOW, _HIGH = (1, 7), (7, 1)


class InceptionA(_Mixed):
    """1x1; 5x5; 3x3 twice; pooling."""

    def __init__(
        self, in_channels: int, pool_features: int, conv_block: Conv | None = None
    ) -> None:
        chains = (
            [("1x1", 64, 1)], [("5x5_1", 48, 1), ("5x5_2", 64, 5)],
            [("3x3dbl_1", 64, 1), ("3x3dbl_2", 96, 3), ("3x3dbl_3", 96, 3)],
            [("_pool", pool_features, 1)],
        )  # fmt: skip
        super().__init__(in_channels, chains, conv_block)


class InceptionB(_Mixed):
    """Half the size: 3x3; 3x3 twice; pooling."""

    halves = True

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        chains = (
            [("3x3", 384, 3)],
            [("3x3dbl_1", 64, 1), ("3x3dbl_2", 96, 3), ("3x3dbl_3", 96, 3)],
        )
        super().__init__(in_channels, chains, conv_block)


class InceptionC(_Mixed):
    """1x1; 7x7 as 1x7 and 7x1, once and twice; pooling."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Conv | None = None) -> None:
        c = channels_7x7
        chains = (
            [("1x1", 192, 1)],
            [("7x7_1", c, 1), ("7x7_2", c, _LOW), ("7x7_3", 192, _HIGH)],
            [("7x7dbl_1", c, 1), ("7x7dbl_2", c, _HIGH), ("7x7dbl_3", c, _LOW),
             ("7x7dbl_4", c, _HIGH), ("7x7dbl_5", 192, _LOW)],
            [("_pool", 192, 1)],
        )  # fmt: skip
        super().__init__(in_channels, chains, conv_block)


class InceptionD(_Mixed):
    """Half the size: 3x3; 7x7 and 3x3; pooling."""

    halves = True

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        chains = (
            [("3x3_1", 192, 1), ("3x3_2", 320, 3)],
            [("7x7x3_1", 192, 1), ("7x7x3_2", 192, _LOW), ("7x7x3_3", 192, _HIGH),
             ("7x7x3_4", 192, 3)],
        )  # fmt: skip
        super().__init__(in_channels, chains, conv_block)


class InceptionE(_Mixed):
    """1x1; 1x3 beside 3x1; the same after a 3x3; pooling."""

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        pair = ((1, 3), (3, 1))
        chains = (
            [("1x1", 320, 1)], [("3x3_1", 384, 1), ("3x3_2", 384, *pair)],
            [("3x3dbl_1", 448, 1), ("3x3dbl_2", 384, 3), ("3x3dbl_3", 384, *pair)],
            [("_pool", 192, 1)],
        )  # fmt: skip
        super().__init__(in_channels, chains, conv_block)


class InceptionAux(nn.Module):
    """A classifier further down, whose loss helps the lower layers in training."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        last: Any = self.fc
        last.stddev = 0.001  # of the first weights

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(rl.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """Inception modules with factorised convolutions; in training a second classifier.

    `forward` takes (N, in_channels, H, W), H and W from 75, and gives (N, num_classes); in training
    with `aux_logits` InceptionOutputs (logits, aux_logits).
    transform_input: rescale ImageNet-normalised pictures to [-1, 1] first.
    inception_blocks: classes in the place of [BasicConv2d, InceptionA, ..., E, InceptionAux].
    init_weights: False keeps the layers' own first weights, else a truncated normal's with 0.1.
    Raises: ValueError unless there are seven blocks.
    Source: C. Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.

    >>> import rushlight as torch
    >>> net = torch.vision.models.Inception3(10, aux_logits=False, init_weights=False)
    >>> net.eval()(torch.zeros(1, 3, 75, 75)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: list[Conv] | None = None, init_weights: bool | None = None,
        dropout: float = 0.5, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        blocks: list[Any] = [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD,
                             InceptionE, InceptionAux]  # fmt: skip
        if inception_blocks is not None:
            blocks = list(inception_blocks)
        if len(blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(blocks)}")
        conv, a, b, c, d, e, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(in_channels, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        for name, kind, *shape in (
            ("5b", a, 192, 32), ("5c", a, 256, 64), ("5d", a, 288, 64), ("6a", b, 288),
            ("6b", c, 768, 128), ("6c", c, 768, 160), ("6d", c, 768, 160), ("6e", c, 768, 192),
        ):  # fmt: skip
            self.add_module(f"Mixed_{name}", kind(*shape))
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        for name, kind, wide in (("7a", d, 768), ("7b", e, 1280), ("7c", e, 2048)):
            self.add_module(f"Mixed_{name}", kind(wide))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> Any:
        """Scores of the classes, in training with those of the helping classifier."""
        if self.transform_input:
            x = rescaled(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        helping = self.training and self.aux_logits
        aux = self.AuxLogits(x) if helping and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(rl.flatten(self.dropout(self.avgpool(x)), 1))
        return InceptionOutputs(x, aux) if helping else x


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        spread = float(getattr(module, "stddev", 0.1))
        nn.init.trunc_normal_(module.weight, mean=0.0, std=spread, a=-2, b=2)


@model
def inception_v3(**kwargs: Any) -> Inception3:
    """Inception v3, 27.2 million parameters with the helper; arguments as `Inception3`.

    weights: a member of `Inception_V3_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.inception_v3()
    >>> sum(p.numel() for p in net.parameters())
    27161264
    >>> net.AuxLogits.fc
    Linear(in_features=768, out_features=1000, bias=True)
    """
    return Inception3(**kwargs)
