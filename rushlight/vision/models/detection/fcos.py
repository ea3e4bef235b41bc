"""FCOS: every place of the maps says how far the sides of its object are."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ..dense import Start, dense_model
from ._utils import BoxLinearCoder
from .anchor_utils import AnchorGenerator
from .faster_rcnn import MEAN, STD, check_backbone, check_parts, residual_backbone
from .one_step import LevelDetector, rows_of_boxes
from .retinanet import draw, further_maps
from .transform import GeneralizedRCNNTransform

F = nn.functional
Norm = Callable[..., nn.Module]


def _tower(in_channels: int, num_convs: int, norm_layer: Norm | None) -> nn.Sequential:
    """Convolutions over each map, each normalised and rectified."""
    norm = norm_layer or partial(nn.GroupNorm, 32)
    parts: list[nn.Module] = []
    for _ in range(num_convs):
        parts += [nn.Conv2d(in_channels, in_channels, 3, padding=1), norm(in_channels), nn.ReLU()]
    return nn.Sequential(*parts)


class FCOSClassificationHead(nn.Module):
    """The scores of each place: (N, K, num_classes) from the maps."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int = 4,
        prior_probability: float = 0.01, norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes, self.num_anchors = num_classes, num_anchors
        self.conv = _tower(in_channels, num_convs, norm_layer)
        draw(self.conv.children())
        self.cls_logits = nn.Conv2d(in_channels, num_anchors * num_classes, 3, padding=1)
        nn.init.normal_(self.cls_logits.weight, std=0.01)
        first = -math.log((1 - prior_probability) / prior_probability)
        nn.init.constant_(self.cls_logits.bias, first)

    def forward(self, x: list[rl.Tensor]) -> rl.Tensor:
        """Logits of all maps."""
        scored = [rows_of_boxes(self.cls_logits(self.conv(one)), self.num_classes) for one in x]
        return rl.cat(scored, dim=1)


class FCOSRegressionHead(nn.Module):
    """The distances of sides (N, K, 4), and how much in the middle each place is (N, K, 1)."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_convs: int = 4,
        norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = _tower(in_channels, num_convs, norm_layer)
        self.bbox_reg = nn.Conv2d(in_channels, num_anchors * 4, 3, padding=1)
        self.bbox_ctrness = nn.Conv2d(in_channels, num_anchors, 3, padding=1)
        draw((self.bbox_reg, self.bbox_ctrness))
        draw(self.conv.children())

    def forward(self, x: list[rl.Tensor]) -> tuple[rl.Tensor, rl.Tensor]:
        """Distances and logits of the middle, of all maps."""
        features = [self.conv(one) for one in x]
        sides = [rows_of_boxes(F.relu(self.bbox_reg(one)), 4) for one in features]
        middle = [rows_of_boxes(self.bbox_ctrness(one), 1) for one in features]
        return rl.cat(sides, dim=1), rl.cat(middle, dim=1)


class FCOSHead(nn.Module):
    """Both heads: {"cls_logits", "bbox_regression", "bbox_ctrness"} from the maps."""

    def __init__(
        self, in_channels: int, num_anchors: int, num_classes: int, num_convs: int = 4
    ) -> None:
        super().__init__()
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.classification_head = FCOSClassificationHead(
            in_channels, num_anchors, num_classes, num_convs
        )
        self.regression_head = FCOSRegressionHead(in_channels, num_anchors, num_convs)

    def compute_loss(
        self, targets: Any, head_outputs: dict[str, rl.Tensor], anchors: Any, matched_idxs: Any
    ) -> dict[str, rl.Tensor]:
        """The losses by name, per place with an object: focal, of overlap, and of the middle."""
        about = rl.stack(matched_idxs)
        labels, boxes = (
            rl.stack([_of_objects(target[name], one) for target, one in zip(targets, matched_idxs)])
            for name in ("labels", "boxes")
        )
        found = about >= 0
        count = max(1, int(found.sum()))
        logits, codes = head_outputs["cls_logits"], head_outputs["bbox_regression"]
        truth = rl.zeros_like(logits)
        truth[found, labels[found]] = 1.0
        seen_from = rl.stack(anchors)
        predicted = self.box_coder.decode(codes, seen_from)
        overlap = ops.generalized_box_iou_loss(predicted[found], boxes[found], reduction="sum")
        middle = self._middle(self.box_coder.encode(seen_from, boxes)[found])
        of_middle = F.binary_cross_entropy_with_logits(
            head_outputs["bbox_ctrness"].squeeze(dim=2)[found], middle, reduction="sum"
        )
        return {
            "classification": ops.sigmoid_focal_loss(logits, truth, reduction="sum") / count,
            "bbox_regression": overlap / count,
            "bbox_ctrness": of_middle / count,
        }

    @staticmethod
    def _middle(sides: rl.Tensor) -> rl.Tensor:
        """How much in the middle of objects places are, from the distances (K, 4) of sides.

        sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)).
        """
        across, down = sides[:, 0::2], sides[:, 1::2]
        if not len(sides):
            return sides.new_zeros((0,))
        ratios = [one.min(dim=-1).values / one.max(dim=-1).values for one in (across, down)]
        return rl.sqrt(ratios[0] * ratios[1])

    def forward(self, x: list[rl.Tensor]) -> dict[str, rl.Tensor]:
        """Logits, distances and logits of the middle."""
        scores = self.classification_head(x)
        sides, middle = self.regression_head(x)
        return {"cls_logits": scores, "bbox_regression": sides, "bbox_ctrness": middle}


def _of_objects(values: rl.Tensor, about: rl.Tensor) -> rl.Tensor:
    """The value of each place's object, some value where there is none."""
    if not len(values):
        return values.new_zeros((len(about), *values.shape[1:]))
    return values[about.clip(min=0)]


class FCOS(LevelDetector):
    """A detector without anchors, on any backbone that has `out_channels`.

    num_classes: with the background; center_sampling_radius: how far from the middle of an object,
    in steps of a map, places are about it. Other arguments as of `RetinaNet`.
    Source: Z. Tian, C. Shen, H. Chen, T. He, "FCOS: fully convolutional one-stage object
    detection", 2019.

    >>> import rushlight as torch
    >>> backbone = torch.nn.Conv2d(3, 32, 3, stride=16, padding=1)
    >>> backbone.out_channels = 32
    >>> from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
    >>> anchors = AnchorGenerator(((16,),), ((1.0,),))
    >>> net = FCOS(backbone, 3, 64, 64, anchor_generator=anchors)
    >>> sorted(net.eval()([torch.rand(3, 48, 64)])[0])
    ['boxes', 'labels', 'scores']
    """

    def __init__(
        self, backbone: Any, num_classes: int, min_size: Any = 800, max_size: int = 1333,
        image_mean: Any = None, image_std: Any = None, anchor_generator: Any = None,
        head: Any = None, center_sampling_radius: float = 1.5, score_thresh: float = 0.2,
        nms_thresh: float = 0.6, detections_per_img: int = 100, topk_candidates: int = 1000,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        check_backbone(backbone)
        check_parts({"anchor_generator": (anchor_generator, AnchorGenerator)})
        self.backbone = backbone
        self.anchor_generator = anchor_generator or AnchorGenerator(
            ((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5
        )
        around = self.anchor_generator.num_anchors_per_location()[0]
        if around != 1:
            raise AssertionError(
                f"anchor_generator.num_anchors_per_location()[0] should be 1 instead of {around}"
            )
        self.head = head or FCOSHead(backbone.out_channels, around, num_classes)
        self.box_coder = BoxLinearCoder(normalize_by_size=True)
        self.transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or MEAN, image_std or STD, **kwargs
        )
        self.center_sampling_radius = center_sampling_radius
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates

    def compute_loss(
        self, targets: Any, head_outputs: Any, anchors: Any, num_anchors_per_level: list[int]
    ) -> dict[str, rl.Tensor]:
        """The losses by name, of places that are about the smallest object around them."""
        about = [
            self._about(boxes, target["boxes"], num_anchors_per_level)
            for boxes, target in zip(anchors, targets)
        ]
        return self.head.compute_loss(targets, head_outputs, anchors, about)

    def _about(self, anchors: rl.Tensor, true: rl.Tensor, counts: list[int]) -> rl.Tensor:
        """Which object each place is about (K), -1 where none.

        A place is about an object that it lies in and near the middle of, and that has the size
        of its map; the smallest of several.
        """
        if true.numel() == 0:
            return rl.full((len(anchors),), -1, dtype=rl.int64, device=anchors.device)
        places = (anchors[:, :2] + anchors[:, 2:]) / 2  # (K, 2)
        middles = (true[:, :2] + true[:, 2:]) / 2  # (N, 2)
        steps = anchors[:, 2] - anchors[:, 0]
        away = (places[:, None] - middles).abs().max(dim=2).values
        fits = away < self.center_sampling_radius * steps[:, None]
        low, high = places[:, None] - true[:, :2], true[:, 2:] - places[:, None]
        sides = rl.cat((low, high), dim=2)  # (K, N, 4)
        fits &= sides.min(dim=2).values > 0
        least, most = steps * 4, steps * 8
        least[: counts[0]] = 0
        most[-counts[-1] :] = float("inf")
        reach = sides.max(dim=2).values
        fits &= (reach > least[:, None]) & (reach < most[:, None])
        areas = (true[:, 2] - true[:, 0]) * (true[:, 3] - true[:, 1])
        best, about = (fits.to(rl.float32) * (1e8 - areas)).max(dim=1)
        return about.masked_fill(best < 1e-5, -1)

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: list[int]) -> Any:
        return self.compute_loss(targets, outputs, anchors, counts)

    def _scores(self, outputs: dict[str, list[rl.Tensor]], image: int) -> list[rl.Tensor]:
        pairs = zip(outputs["cls_logits"], outputs["bbox_ctrness"])
        return [
            rl.sqrt(logits[image].sigmoid() * middle[image].sigmoid()) for logits, middle in pairs
        ]

    def _decoded(self, codes: rl.Tensor, anchors: rl.Tensor) -> rl.Tensor:
        return self.box_coder.decode(codes, anchors)


@dense_model("resnet50")
def fcos_resnet50_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FCOS:  # fmt: skip
    """FCOS on a ResNet-50 with a pyramid of its last three stages and two more maps.

    Arguments as `FCOS`.
    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    weights: a member of `FCOS_ResNet50_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.fcos_resnet50_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    32322720
    >>> net.head.classification_head.cls_logits.out_channels  # one score of a class and place
    91
    """
    backbone = residual_backbone(start, trainable_backbone_layers, **further_maps(256))
    return FCOS(backbone, num_classes, **kwargs)
