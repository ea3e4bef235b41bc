"""FCN: a classifier's features, scored pixel by pixel."""

from __future__ import annotations

from typing import Any

from rushlight import nn

from ..dense import Start, dense_model
from ._utils import _SimpleSegmentationModel, residual_body


class FCN(_SimpleSegmentationModel):
    """A backbone and a convolutional head in the place of linear layers.

    Source: J. Long, E. Shelhamer, T. Darrell, "Fully convolutional networks for semantic
    segmentation", 2015.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.segmentation.fcn import FCN, FCNHead
    >>> class Backbone(torch.nn.Conv2d):
    ...     def forward(self, x):
    ...         return {"out": super().forward(x)}
    >>> net = FCN(Backbone(3, 8, 3, stride=4), FCNHead(8, 5)).eval()
    >>> net(torch.zeros(1, 3, 32, 32))["out"].shape
    torch.Size([1, 5, 32, 32])
    """


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, and a 1x1 convolution to the scores."""

    def __init__(self, in_channels: int, channels: int) -> None:
        inner = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner),
            nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(inner, channels, 1),
        )  # fmt: skip


def _built(start: Start, num_classes: int, aux_loss: bool | None) -> FCN:
    net = start(replace_stride_with_dilation=[False, True, True])
    aux = FCNHead(1024, num_classes) if aux_loss else None
    return FCN(residual_body(net, aux_loss), FCNHead(2048, num_classes), aux)


@dense_model("resnet50")
def fcn_resnet50(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> FCN:
    """FCN on a dilated ResNet-50, 33.0 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W), and
    with `aux_loss` also `aux`, scores made of an earlier stage, which help in training.
    weights: a member of `FCN_ResNet50_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.fcn_resnet50(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    32957013
    >>> net.classifier[-1]
    Conv2d(512, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    return _built(start, num_classes, aux_loss)


@dense_model("resnet101")
def fcn_resnet101(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> FCN:
    """FCN on a dilated ResNet-101, 51.9 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W), and
    with `aux_loss` also `aux`, scores made of an earlier stage, which help in training.
    weights: a member of `FCN_ResNet101_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.fcn_resnet101(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    51949141
    >>> net.classifier[-1]
    Conv2d(512, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    return _built(start, num_classes, aux_loss)
