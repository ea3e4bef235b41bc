"""SSDLite: SSD whose convolutions are split into each channel's own and one across channels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops.misc import Conv2dNormActivation
from .._utils import stages
from ..dense import Start, dense_model
from ._utils import retrieve_out_channels
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import _validate_trainable_layers, freeze
from .retinanet import draw
from .ssd import SSD, SSDScoringHead, warn_of_size

Norm = Callable[..., nn.Module]


def _normal_init(conv: nn.Module) -> None:
    draw(conv.modules(), std=0.03)


def _prediction_block(
    in_channels: int, out_channels: int, kernel_size: int, norm_layer: Norm
) -> nn.Sequential:
    """A convolution of each channel by itself, and a 1x1 convolution."""
    own = Conv2dNormActivation(
        in_channels, in_channels, kernel_size=kernel_size, groups=in_channels,
        norm_layer=norm_layer, activation_layer=nn.ReLU6,
    )  # fmt: skip
    return nn.Sequential(own, nn.Conv2d(in_channels, out_channels, 1))


def _extra_block(in_channels: int, out_channels: int, norm_layer: Norm) -> nn.Sequential:
    """A block that narrows, halves each channel's map by itself, and widens."""
    layer = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.ReLU6)
    inner = out_channels // 2
    return nn.Sequential(
        layer(in_channels, inner, kernel_size=1),
        layer(inner, inner, kernel_size=3, stride=2, groups=inner),
        layer(inner, out_channels, kernel_size=1),
    )


def _blocks(
    in_channels: list[int], num_anchors: list[int], columns: int, norm_layer: Norm
) -> nn.ModuleList:
    """For each map, a block that gives the columns of the boxes around a pixel."""
    layers = nn.ModuleList([
        _prediction_block(channels, columns * around, 3, norm_layer)
        for channels, around in zip(in_channels, num_anchors)
    ])  # fmt: skip
    _normal_init(layers)
    return layers


class SSDLiteClassificationHead(SSDScoringHead):
    """The scores (N, K, num_classes) of the boxes of all maps."""

    def __init__(
        self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm
    ) -> None:
        super().__init__(_blocks(in_channels, num_anchors, num_classes, norm_layer), num_classes)


class SSDLiteRegressionHead(SSDScoringHead):
    """The codes (N, K, 4) of the boxes of all maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], norm_layer: Norm) -> None:
        super().__init__(_blocks(in_channels, num_anchors, 4, norm_layer), 4)


class SSDLiteHead(nn.Module):
    """Both heads: {"bbox_regression": (N, K, 4), "cls_logits": (N, K, C)} from the maps."""

    def __init__(
        self, in_channels: list[int], num_anchors: list[int], num_classes: int, norm_layer: Norm
    ) -> None:
        super().__init__()
        self.classification_head = SSDLiteClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer
        )
        self.regression_head = SSDLiteRegressionHead(in_channels, num_anchors, norm_layer)

    def forward(self, x: list[rl.Tensor]) -> dict[str, rl.Tensor]:
        """Codes and logits."""
        codes = self.regression_head(x)
        return {"bbox_regression": codes, "cls_logits": self.classification_head(x)}


class SSDLiteFeatureExtractorMobileNet(nn.Module):
    """Two maps of a MobileNet, and four smaller ones.

    c4_pos: the block that halves the picture last; the first map is taken inside of it.
    width_mult, min_depth: of the channels of the smaller maps.
    """

    def __init__(
        self, backbone: Any, c4_pos: int, norm_layer: Norm, width_mult: float = 1.0,
        min_depth: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        last = backbone[c4_pos]
        if last.use_res_connect:
            raise AssertionError("backbone[c4_pos].use_res_connect should be False")
        self.features = nn.Sequential(
            nn.Sequential(*backbone[:c4_pos], last.block[0]),
            nn.Sequential(last.block[1:], *backbone[c4_pos + 1 :]),
        )
        widths = [max(min_depth, int(wide * width_mult)) for wide in (512, 256, 256, 128)]
        before = [backbone[-1].out_channels, *widths]
        self.extra = nn.ModuleList(
            [_extra_block(*pair, norm_layer) for pair in zip(before, widths)]
        )
        _normal_init(self.extra)

    def forward(self, x: rl.Tensor) -> dict[str, rl.Tensor]:
        """Maps by number, largest first."""
        found = []
        for block in (*self.features, *self.extra):
            x = block(x)
            found.append(x)
        return OrderedDict((str(place), one) for place, one in enumerate(found))


def _mobilenet_extractor(
    backbone: Any, trainable_layers: int, norm_layer: Norm
) -> SSDLiteFeatureExtractorMobileNet:
    blocks = backbone.features
    begins = stages(blocks)
    freeze(blocks, begins, trainable_layers)
    return SSDLiteFeatureExtractorMobileNet(blocks, begins[-2], norm_layer)


@dense_model("mobilenet_v3_large")
def ssdlite320_mobilenet_v3_large(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    norm_layer: Norm | None = None, **kwargs: Any,
) -> SSD:  # fmt: skip
    """SSDLite for pictures of 320 pixels, on a MobileNetV3; arguments as `SSD`.

    trainable_backbone_layers: how many of the backbone's stages learn: all by default.
    Source: A. Howard et al., "Searching for MobileNetV3", 2019.
    weights: a member of `SSDLite320_MobileNet_V3_Large_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.ssdlite320_mobilenet_v3_large(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    3440060
    >>> net.anchor_generator.num_anchors_per_location()
    [6, 6, 6, 6, 6, 6]
    """
    warn_of_size(kwargs)
    learning = _validate_trainable_layers(start.trained, trainable_backbone_layers, 6, 6)
    norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    untrained = start.weights is None
    net = start(norm_layer=norm, reduced_tail=untrained)
    if untrained:
        _normal_init(net)
    backbone = _mobilenet_extractor(net, learning, norm)
    size = (320, 320)
    boxes = DefaultBoxGenerator([[2, 3] for _ in range(6)], min_ratio=0.2, max_ratio=0.95)
    channels = retrieve_out_channels(backbone, size)
    head = SSDLiteHead(channels, boxes.num_anchors_per_location(), num_classes, norm)
    settings = {
        "score_thresh": 0.001, "nms_thresh": 0.55, "detections_per_img": 300,
        "topk_candidates": 300, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, **kwargs,
    }  # fmt: skip
    return SSD(backbone, boxes, size, num_classes, head=head, **settings)
