"""S3D in torchvision's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops.misc import Conv3dNormActivation
from ..googlenet import INCEPTIONS
from ..listing import model

Norm = Callable[..., nn.Module]


class TemporalSeparableConv(nn.Sequential):
    """A convolution in the picture, then one over time."""

    def __init__(
        self, in_planes: int, out_planes: int, kernel_size: int, stride: int, padding: int,
        norm_layer: Norm,
    ) -> None:  # fmt: skip
        k, s, p = kernel_size, stride, padding
        layer = partial(Conv3dNormActivation, bias=False, norm_layer=norm_layer)
        super().__init__(
            layer(in_planes, out_planes, (1, k, k), (1, s, s), (0, p, p)),
            layer(out_planes, out_planes, (k, 1, 1), (s, 1, 1), (p, 0, 0)),
        )


class SepInceptionBlock3D(nn.Module):
    """Four branches side by side (1x1; two that are narrowed first; pooling), concatenated."""

    def __init__(
        self, in_planes: int, b0_out: int, b1_mid: int, b1_out: int, b2_mid: int, b2_out: int,
        b3_out: int, norm_layer: Norm,
    ) -> None:  # fmt: skip
        super().__init__()
        single = partial(Conv3dNormActivation, kernel_size=1, stride=1, norm_layer=norm_layer)
        self.branch0 = single(in_planes, b0_out)
        self.branch1 = nn.Sequential(
            single(in_planes, b1_mid), TemporalSeparableConv(b1_mid, b1_out, 3, 1, 1, norm_layer)
        )
        self.branch2 = nn.Sequential(
            single(in_planes, b2_mid), TemporalSeparableConv(b2_mid, b2_out, 3, 1, 1, norm_layer)
        )
        self.branch3 = nn.Sequential(
            nn.MaxPool3d(kernel_size=(3, 3, 3), stride=1, padding=1), single(in_planes, b3_out)
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The branches' channels one after the other."""
        branches = (self.branch0, self.branch1, self.branch2, self.branch3)
        return rl.cat([branch(x) for branch in branches], 1)


class S3D(nn.Module):
    """GoogLeNet for films, its convolutions split into space and time.

    `forward` takes (N, 3, T, H, W), T from 14, H and W from 224, and gives (N, num_classes).
    Source: S. Xie et al., "Rethinking spatiotemporal feature learning", 2018.

    >>> import rushlight as torch
    >>> len(torch.vision.models.video.S3D(num_classes=5).features)
    16
    """

    def __init__(
        self, num_classes: int = 400, dropout: float = 0.2, norm_layer: Norm | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm3d, eps=0.001, momentum=0.001)
        halving = partial(nn.MaxPool3d, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        parts: list[nn.Module] = [
            TemporalSeparableConv(3, 64, 7, 2, 3, norm), halving(),
            Conv3dNormActivation(64, 64, kernel_size=1, stride=1, norm_layer=norm),
            TemporalSeparableConv(64, 192, 3, 1, 1, norm), halving(),
        ]  # fmt: skip
        for name, widths in INCEPTIONS.items():
            parts.append(SepInceptionBlock3D(*widths, norm))
            if name == "3b":
                parts.append(nn.MaxPool3d((3, 3, 3), stride=(2, 2, 2), padding=(1, 1, 1)))
            elif name == "4e":
                parts.append(nn.MaxPool3d((2, 2, 2), stride=(2, 2, 2), padding=(0, 0, 0)))
        self.features = nn.Sequential(*parts)
        self.avgpool = nn.AvgPool3d(kernel_size=(2, 7, 7), stride=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Conv3d(1024, num_classes, kernel_size=1, stride=1, bias=True)
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes, the mean over the places of the film."""
        return self.classifier(self.avgpool(self.features(x))).mean(dim=(2, 3, 4))


@model
def s3d(**kwargs: Any) -> S3D:
    """S3D, 8.3 million parameters; arguments as `S3D`.

    weights: a member of `S3D_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.video.s3d()
    >>> sum(p.numel() for p in net.parameters())
    8320048
    >>> net.classifier[1]
    Conv3d(1024, 400, kernel_size=(1, 1, 1), stride=(1, 1, 1))
    """
    return S3D(**kwargs)
