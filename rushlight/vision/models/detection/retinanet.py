"""RetinaNet: every box laid over a picture is scored, and the loss looks at the hard ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ...ops.feature_pyramid_network import LastLevelP6P7
from ...ops.misc import Conv2dNormActivation
from ..dense import Start, dense_model
from ._utils import BoxCoder, Matcher, _box_loss, overwrite_eps
from .anchor_utils import AnchorGenerator
from .faster_rcnn import MEAN, STD, check_backbone, check_parts, residual_backbone
from .one_step import LevelDetector, rows_of_boxes
from .transform import GeneralizedRCNNTransform

__all__ = [
    "RetinaNet", "RetinaNetClassificationHead", "RetinaNetHead", "RetinaNetRegressionHead",
    "overwrite_eps", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
]  # fmt: skip

Norm = Callable[..., nn.Module]


def _default_anchorgen() -> AnchorGenerator:
    """Three sizes, a third of an octave apart, and three proportions, for each map."""
    sizes = tuple(
        (x, int(x * 2 ** (1 / 3)), int(x * 2 ** (2 / 3))) for x in (32, 64, 128, 256, 512)
    )
    return AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * len(sizes))


def draw(layers: Any, std: float = 0.01) -> None:
    """Small normal weights and no bias for every convolution among the layers."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=std)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0)


class _Tower(nn.Module):
    """Four convolutions over each map, which the heads end differently."""

    _version = 2

    def __init__(self, in_channels: int, norm_layer: Norm | None) -> None:
        super().__init__()
        self.conv = nn.Sequential(*[
            Conv2dNormActivation(in_channels, in_channels, norm_layer=norm_layer)
            for _ in range(4)
        ])  # fmt: skip

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:  # when convolutions and ReLUs took turns
            for place in range(4):
                for kind in ("weight", "bias"):
                    old = f"{prefix}conv.{2 * place}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}conv.{place}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class RetinaNetClassificationHead(_Tower):
    """The scores of the boxes around each pixel: (N, K, num_classes) from the maps.

    prior_probability: what the scores begin with.
    """

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int,
        prior_probability: float = 0.01, norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, norm_layer)
        draw(self.conv.modules())
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, 3, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        first = -math.log((1 - prior_probability) / prior_probability)
        nn.init.constant_(self.cls_logits.bias, first)
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.BETWEEN_THRESHOLDS = Matcher.BETWEEN_THRESHOLDS

    def compute_loss(self, targets: Any, head_outputs: Any, matched_idxs: Any) -> rl.Tensor:
        """The focal loss of all boxes but unclear ones, per box with an object, averaged."""
        losses = []
        for target, logits, about in zip(targets, head_outputs["cls_logits"], matched_idxs):
            found = about >= 0
            truth = rl.zeros_like(logits)
            truth[found, target["labels"][about[found]]] = 1.0
            clear = about != self.BETWEEN_THRESHOLDS
            loss = ops.sigmoid_focal_loss(logits[clear], truth[clear], reduction="sum")
            losses.append(loss / found.sum().clamp(min=1))
        return sum(losses[1:], losses[0]) / len(targets)

    def forward(self, x: list[rl.Tensor]) -> rl.Tensor:
        """Logits of all maps."""
        scored = [rows_of_boxes(self.cls_logits(self.conv(one)), self.num_classes) for one in x]
        return rl.cat(scored, dim=1)


class RetinaNetRegressionHead(_Tower):
    """The codes of the boxes around each pixel: (N, K, 4) from the maps."""

    def __init__(self, in_channels: int, num_anchors: int, norm_layer: Norm | None = None) -> None:
        super().__init__(in_channels, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, 3, padding=1)
        nn.init.normal_(self.bbox_reg.weight, std=0.01)
        nn.init.zeros_(self.bbox_reg.bias)
        draw(self.conv.modules())
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self._loss_type = "l1"

    def compute_loss(
        self, targets: Any, head_outputs: Any, anchors: Any, matched_idxs: Any
    ) -> rl.Tensor:
        """How far boxes with objects are from those, per box, averaged over images."""
        losses = []
        codes = head_outputs["bbox_regression"]
        for target, coded, boxes, about in zip(targets, codes, anchors, matched_idxs):
            (found,) = rl.where(about >= 0)
            true = target["boxes"][about[found]]
            loss = _box_loss(self._loss_type, self.box_coder, boxes[found], true, coded[found])
            losses.append(loss / max(1, found.numel()))
        return sum(losses[1:], losses[0]) / max(1, len(targets))

    def forward(self, x: list[rl.Tensor]) -> rl.Tensor:
        """Codes of all maps."""
        return rl.cat([rows_of_boxes(self.bbox_reg(self.conv(one)), 4) for one in x], dim=1)


class RetinaNetHead(nn.Module):
    """Both heads: {"cls_logits": (N, K, C), "bbox_regression": (N, K, 4)} from the maps."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, norm_layer: Norm | None = None
    ) -> None:
        super().__init__()
        self.classification_head = RetinaNetClassificationHead(
            in_channels, num_anchors, num_classes, norm_layer=norm_layer
        )
        self.regression_head = RetinaNetRegressionHead(
            in_channels, num_anchors, norm_layer=norm_layer
        )

    def compute_loss(
        self, targets: Any, head_outputs: Any, anchors: Any, matched_idxs: Any
    ) -> dict[str, rl.Tensor]:
        """The losses by name."""
        scored, coded = self.classification_head, self.regression_head
        return {
            "classification": scored.compute_loss(targets, head_outputs, matched_idxs),
            "bbox_regression": coded.compute_loss(targets, head_outputs, anchors, matched_idxs),
        }

    def forward(self, x: list[rl.Tensor]) -> dict[str, rl.Tensor]:
        """Logits and codes."""
        scores = self.classification_head(x)
        return {"cls_logits": scores, "bbox_regression": self.regression_head(x)}


class RetinaNet(LevelDetector):
    """A detector in one step with the focal loss, on any backbone that has `out_channels`.

    num_classes: with the background; head, anchor_generator, proposal_matcher: torchvision's where
    not given; topk_candidates: how many boxes of a map are looked at.
    Source: T.-Y. Lin et al., "Focal loss for dense object detection", 2017.

    >>> import rushlight as torch
    >>> backbone = torch.nn.Conv2d(3, 8, 3, stride=16, padding=1)
    >>> backbone.out_channels = 8
    >>> from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
    >>> anchors = AnchorGenerator(((16, 32),), ((1.0,),))
    >>> net = RetinaNet(backbone, 3, 64, 64, anchor_generator=anchors)
    >>> sorted(net.eval()([torch.rand(3, 48, 64)])[0])
    ['boxes', 'labels', 'scores']
    """

    def __init__(
        self, backbone: Any, num_classes: int, min_size: Any = 800, max_size: int = 1333,
        image_mean: Any = None, image_std: Any = None, anchor_generator: Any = None,
        head: Any = None, proposal_matcher: Any = None, score_thresh: float = 0.05,
        nms_thresh: float = 0.5, detections_per_img: int = 300, fg_iou_thresh: float = 0.5,
        bg_iou_thresh: float = 0.4, topk_candidates: int = 1000, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_backbone(backbone)
        check_parts({"anchor_generator": (anchor_generator, AnchorGenerator)})
        self.backbone = backbone
        self.anchor_generator = anchor_generator or _default_anchorgen()
        around = self.anchor_generator.num_anchors_per_location()[0]
        self.head = head or RetinaNetHead(backbone.out_channels, around, num_classes)
        self.proposal_matcher = proposal_matcher or Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or MEAN, image_std or STD, **kwargs
        )
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def compute_loss(self, targets: Any, head_outputs: Any, anchors: Any) -> dict[str, rl.Tensor]:
        """The losses by name, of boxes that are about the objects they overlap most."""
        about = []
        for boxes, target in zip(anchors, targets):
            if target["boxes"].numel() == 0:
                about.append(rl.full((len(boxes),), -1, dtype=rl.int64, device=boxes.device))
            else:
                about.append(self.proposal_matcher(ops.box_iou(target["boxes"], boxes)))
        return self.head.compute_loss(targets, head_outputs, anchors, about)

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: list[int]) -> Any:
        return self.compute_loss(targets, outputs, anchors)

    def _scores(self, outputs: dict[str, list[rl.Tensor]], image: int) -> list[rl.Tensor]:
        return [logits[image].sigmoid() for logits in outputs["cls_logits"]]

    def _decoded(self, codes: rl.Tensor, anchors: rl.Tensor) -> rl.Tensor:
        return self.box_coder.decode_single(codes, anchors)


def further_maps(channels: int) -> dict[str, Any]:
    """A pyramid of the last three stages, and two more maps from one of `channels`."""
    return {"returned_layers": [2, 3, 4], "extra_blocks": partial(LastLevelP6P7, channels, 256)}


@dense_model("resnet50")
def retinanet_resnet50_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:  # fmt: skip
    """RetinaNet on a ResNet-50 with a pyramid of its last three stages and two more maps.

    Arguments as `RetinaNet`.
    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    weights: a member of `RetinaNet_ResNet50_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.retinanet_resnet50_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    34068119
    >>> net.head.classification_head.cls_logits.out_channels  # 9 anchors of 91 classes
    819
    """
    backbone = residual_backbone(start, trainable_backbone_layers, **further_maps(256))
    return RetinaNet(backbone, num_classes, **kwargs)


@dense_model("resnet50", None)
def retinanet_resnet50_fpn_v2(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> RetinaNet:  # fmt: skip
    """RetinaNet with normalised heads that learn the overlap of boxes; arguments as `RetinaNet`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    Source: S. Zhang et al., "Bridging the gap between anchor-based and anchor-free detection",
    2020.
    weights: a member of `RetinaNet_ResNet50_FPN_V2_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.retinanet_resnet50_fpn_v2()
    >>> sum(p.numel() for p in net.parameters())
    38198935
    >>> net.head.regression_head.bbox_reg.out_channels  # 9 anchors of 4 numbers
    36
    """
    backbone = residual_backbone(start, trainable_backbone_layers, **further_maps(2048))
    anchors = _default_anchorgen()
    around, norm = anchors.num_anchors_per_location()[0], partial(nn.GroupNorm, 32)
    head = RetinaNetHead(backbone.out_channels, around, num_classes, norm_layer=norm)
    head.regression_head._loss_type = "giou"
    return RetinaNet(backbone, num_classes, anchor_generator=anchors, head=head, **kwargs)
