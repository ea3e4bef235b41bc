"""DeepLabV3: features seen at several dilations at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl
from rushlight import nn

from ..dense import Start, dense_model
from ._utils import _SimpleSegmentationModel, enlarged, mobile_body, residual_body
from .fcn import FCNHead


class DeepLabV3(_SimpleSegmentationModel):
    """A backbone and a pyramid of dilated convolutions.

    Source: L.-C. Chen et al., "Rethinking atrous convolution for semantic image segmentation",
    2017.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
    >>> class Backbone(torch.nn.Conv2d):
    ...     def forward(self, x):
    ...         return {"out": super().forward(x)}
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = DeepLabV3(Backbone(3, 8, 3, stride=4), DeepLabHead(8, 5)).eval()
    ...     y = net(torch.zeros(1, 3, 32, 32))["out"]
    >>> y.shape
    torch.Size([1, 5, 32, 32])
    """


def _point_layers(in_channels: int, out_channels: int) -> list[nn.Module]:
    """A 1x1 convolution, normalised and rectified."""
    conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU()]


class ASPPConv(nn.Sequential):
    """A dilated 3x3 convolution, normalised and rectified."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        conv = nn.Conv2d(
            in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
        )
        super().__init__(conv, nn.BatchNorm2d(out_channels), nn.ReLU())


class ASPPPooling(nn.Sequential):
    """The mean of the picture, through a 1x1 convolution, at every pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_point_layers(in_channels, out_channels))

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, out_channels, H, W) from (N, in_channels, H, W)."""
        return enlarged(super().forward(x), x.shape[-2:])


class ASPP(nn.Module):
    """A 1x1 convolution, one for each dilation, and the mean, beside each other and joined."""

    def __init__(
        self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList([
            nn.Sequential(*_point_layers(in_channels, out_channels)),
            *[ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates],
            ASPPPooling(in_channels, out_channels),
        ])  # fmt: skip
        joined = len(self.convs) * out_channels
        self.project = nn.Sequential(*_point_layers(joined, out_channels), nn.Dropout(0.5))

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, out_channels, H, W) from (N, in_channels, H, W)."""
        return self.project(rl.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabHead(nn.Sequential):
    """The pyramid of dilations, a 3x3 convolution, and a 1x1 convolution to the scores."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__(
            ASPP(in_channels, atrous_rates), nn.Conv2d(256, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256), nn.ReLU(), nn.Conv2d(256, num_classes, 1),
        )  # fmt: skip


def _built(start: Start, num_classes: int, aux_loss: bool | None) -> DeepLabV3:
    net = start(replace_stride_with_dilation=[False, True, True])
    aux = FCNHead(1024, num_classes) if aux_loss else None
    return DeepLabV3(residual_body(net, aux_loss), DeepLabHead(2048, num_classes), aux)


@dense_model("resnet50")
def deeplabv3_resnet50(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> DeepLabV3:
    """DeepLabV3 on a dilated ResNet-50, 39.6 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W), and
    with `aux_loss` also `aux`, scores made of an earlier stage, which help in training.
    weights: a member of `DeepLabV3_ResNet50_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.deeplabv3_resnet50(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    39638869
    >>> net.classifier[-1]
    Conv2d(256, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    return _built(start, num_classes, aux_loss)


@dense_model("resnet101")
def deeplabv3_resnet101(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> DeepLabV3:
    """DeepLabV3 on a dilated ResNet-101, 58.6 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W), and
    with `aux_loss` also `aux`, scores made of an earlier stage, which help in training.
    weights: a member of `DeepLabV3_ResNet101_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.deeplabv3_resnet101(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    58630997
    >>> net.classifier[-1]
    Conv2d(256, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    return _built(start, num_classes, aux_loss)


@dense_model("mobilenet_v3_large")
def deeplabv3_mobilenet_v3_large(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> DeepLabV3:
    """DeepLabV3 on a dilated MobileNetV3, 11.0 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W), and
    with `aux_loss` also `aux`, scores made of an earlier stage, which help in training.
    weights: a member of `DeepLabV3_MobileNet_V3_Large_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.deeplabv3_mobilenet_v3_large(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    11025477
    >>> net.classifier[-1]
    Conv2d(256, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    names = {"out": -1, **({"aux": -4} if aux_loss else {})}
    body, channels = mobile_body(start(dilated=True), **names)
    aux = FCNHead(channels[1], num_classes) if aux_loss else None
    return DeepLabV3(body, DeepLabHead(channels[0], num_classes), aux)
