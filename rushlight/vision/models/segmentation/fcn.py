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
    """FCN on a dilated ResNet-50; `aux_loss` adds scores of its third stage."""
    return _built(start, num_classes, aux_loss)


@dense_model("resnet101")
def fcn_resnet101(
    start: Start, num_classes: int = 21, aux_loss: bool | None = None, **kwargs: Any
) -> FCN:
    """FCN on a dilated ResNet-101."""
    return _built(start, num_classes, aux_loss)
