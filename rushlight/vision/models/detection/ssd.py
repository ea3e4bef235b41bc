"""SSD: boxes on maps of several sizes, and the loss of as many hard places as objects allow."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ..dense import Start, dense_model
from ._utils import BoxCoder, SSDMatcher, retrieve_out_channels
from .anchor_utils import DefaultBoxGenerator
from .backbone_utils import _validate_trainable_layers, freeze
from .faster_rcnn import MEAN, STD
from .one_step import OneStepDetector, Target, rows_of_boxes
from .transform import GeneralizedRCNNTransform

F = nn.functional


def _xavier_init(conv: nn.Module) -> None:
    for layer in conv.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)


class SSDScoringHead(nn.Module):
    """A layer for each map, whose results (N, A c, h, w) become rows: (N, K, c) of all maps."""

    def __init__(self, module_list: nn.ModuleList, num_columns: int) -> None:
        super().__init__()
        self.module_list = module_list
        self.num_columns = num_columns

    def forward(self, x: list[rl.Tensor]) -> rl.Tensor:
        """The rows of all boxes."""
        pairs = zip(self.module_list, x)
        return rl.cat([rows_of_boxes(layer(one), self.num_columns) for layer, one in pairs], dim=1)


def _convolutions(in_channels: list[int], num_anchors: list[int], columns: int) -> nn.ModuleList:
    """For each map, a 3x3 convolution to the columns of the boxes around a pixel."""
    layers = nn.ModuleList([
        nn.Conv2d(channels, columns * around, 3, padding=1)
        for channels, around in zip(in_channels, num_anchors)
    ])  # fmt: skip
    _xavier_init(layers)
    return layers


class SSDClassificationHead(SSDScoringHead):
    """The scores (N, K, num_classes) of the boxes of all maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__(_convolutions(in_channels, num_anchors, num_classes), num_classes)


class SSDRegressionHead(SSDScoringHead):
    """The codes (N, K, 4) of the boxes of all maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int]) -> None:
        super().__init__(_convolutions(in_channels, num_anchors, 4), 4)


class SSDHead(nn.Module):
    """Both heads: {"bbox_regression": (N, K, 4), "cls_logits": (N, K, C)} from the maps."""

    def __init__(self, in_channels: list[int], num_anchors: list[int], num_classes: int) -> None:
        super().__init__()
        self.classification_head = SSDClassificationHead(in_channels, num_anchors, num_classes)
        self.regression_head = SSDRegressionHead(in_channels, num_anchors)

    def forward(self, x: list[rl.Tensor]) -> dict[str, rl.Tensor]:
        """Codes and logits."""
        codes = self.regression_head(x)
        return {"bbox_regression": codes, "cls_logits": self.classification_head(x)}


class SSD(OneStepDetector):
    """A detector in one step for pictures of one size.

    backbone: gives maps by name; anchor_generator: the boxes laid over them; size: (width, height)
    that pictures are brought to; num_classes: with the background; head: torchvision's where not
    given; positive_fraction: the share of boxes with objects among those learned from.
    Source: W. Liu et al., "SSD: single shot multibox detector", 2016.
    """

    def __init__(
        self, backbone: Any, anchor_generator: DefaultBoxGenerator, size: tuple[int, int],
        num_classes: int, image_mean: Any = None, image_std: Any = None, head: Any = None,
        score_thresh: float = 0.01, nms_thresh: float = 0.45, detections_per_img: int = 200,
        iou_thresh: float = 0.5, topk_candidates: int = 400, positive_fraction: float = 0.25,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.anchor_generator = anchor_generator
        self.box_coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
        if head is None:
            channels = getattr(backbone, "out_channels", None)
            channels = retrieve_out_channels(backbone, size) if channels is None else channels
            kinds = len(anchor_generator.aspect_ratios)
            if len(channels) != kinds:
                raise AssertionError(
                    f"The length of the output channels from the backbone ({len(channels)}) do not"
                    f" match the length of the anchor generator aspect ratios ({kinds})"
                )
            head = SSDHead(channels, anchor_generator.num_anchors_per_location(), num_classes)
        self.head = head
        self.proposal_matcher = SSDMatcher(iou_thresh)
        self.transform = GeneralizedRCNNTransform(
            min(size), max(size), image_mean or MEAN, image_std or STD, size_divisible=1,
            fixed_size=size, **kwargs,
        )  # fmt: skip
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img, self.topk_candidates = detections_per_img, topk_candidates
        self.neg_to_pos_ratio = (1.0 - positive_fraction) / positive_fraction

    def _losses(self, targets: Any, outputs: Any, anchors: Any, counts: list[int]) -> Any:
        about = []
        for boxes, target in zip(anchors, targets):
            if target["boxes"].numel() == 0:
                about.append(rl.full((len(boxes),), -1, dtype=rl.int64, device=boxes.device))
            else:
                about.append(self.proposal_matcher(ops.box_iou(target["boxes"], boxes)))
        return self.compute_loss(targets, outputs, anchors, about)

    def compute_loss(
        self, targets: Any, head_outputs: dict[str, rl.Tensor], anchors: Any, matched_idxs: Any
    ) -> dict[str, rl.Tensor]:
        """The losses by name, per box with an object: of codes, and of classes.

        Of boxes without objects only the worst count, `neg_to_pos_ratio` times as many as there
        are with objects in an image.
        """
        codes, logits = head_outputs["bbox_regression"], head_outputs["cls_logits"]
        apart, labels = [], []
        for target, coded, boxes, about in zip(targets, codes, anchors, matched_idxs):
            (found,) = rl.where(about >= 0)
            wanted = self.box_coder.encode_single(target["boxes"][about[found]], boxes[found])
            apart.append(F.smooth_l1_loss(coded[found], wanted, reduction="sum"))
            own = rl.zeros((len(boxes),), dtype=rl.int64, device=boxes.device)
            own[found] = target["labels"][about[found]]
            labels.append(own)
        truth = rl.stack(labels)
        loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
        loss = loss.view(truth.shape)
        found = truth > 0
        hard = loss.masked_fill(found, -float("inf"))  # a loss with an object is none to choose
        rank = hard.argsort(1, descending=True).argsort(1)
        hardest = rank < self.neg_to_pos_ratio * found.sum(1, keepdim=True)
        count = max(1, sum(int((about >= 0).sum()) for about in matched_idxs))
        return {
            "bbox_regression": rl.stack(apart).sum() / count,
            "classification": (loss[found].sum() + loss[hardest].sum()) / count,
        }

    def _detections(self, outputs: Any, anchors: Any, sizes: Any, counts: list[int]) -> Any:
        return self.postprocess_detections(outputs, anchors, sizes)

    def postprocess_detections(
        self, head_outputs: dict[str, rl.Tensor], image_anchors: list[rl.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> list[Target]:  # fmt: skip
        """What is found in each image, best first: the best boxes of each class."""
        found = []
        scored = F.softmax(head_outputs["cls_logits"], dim=-1)
        coded = head_outputs["bbox_regression"]
        for codes, of_all, anchors, size in zip(coded, scored, image_anchors, image_shapes):
            boxes = self.box_coder.decode_single(codes, anchors)
            boxes = ops.clip_boxes_to_image(boxes, size)
            places, scores, labels = (
                rl.cat(parts)
                for parts in zip(*[self._best(one, k) for k, one in enumerate(of_all.T) if k])
            )
            keep = ops.batched_nms(boxes[places], scores, labels, self.nms_thresh)
            keep = keep[: self.detections_per_img]
            best = boxes[places[keep]]
            found.append({"boxes": best, "scores": scores[keep], "labels": labels[keep]})
        return found

    def _best(self, scores: rl.Tensor, label: int) -> tuple[rl.Tensor, rl.Tensor, rl.Tensor]:
        """Places, scores and class of the boxes that score best for a class."""
        (places,) = rl.where(scores > self.score_thresh)
        scores, best = scores[places].topk(min(len(places), self.topk_candidates))
        return places[best], scores, rl.full_like(scores, label, dtype=rl.int64)


class SSDFeatureExtractorVGG(nn.Module):
    """The maps of a VGG, with its linear layers as convolutions, and four or five smaller ones.

    highres: one more, for pictures of 512 pixels.
    """

    def __init__(self, backbone: Any, highres: bool) -> None:
        super().__init__()
        pools = [k for k, layer in enumerate(backbone) if isinstance(layer, nn.MaxPool2d)]
        third, fourth = pools[2:4]
        backbone[third].ceil_mode = True  # 75 pixels become 38
        self.scale_weight = nn.Parameter(rl.ones(512) * 20)
        self.features = nn.Sequential(*backbone[:fourth])
        extra = nn.ModuleList([
            _shrunk(1024, 256, 512, stride=2, padding=1),
            _shrunk(512, 128, 256, stride=2, padding=1),
            _shrunk(256, 128, 256),
            _shrunk(256, 128, 256),
            *([_shrunk(256, 128, 256, kernel=4)] if highres else []),
        ])  # fmt: skip
        _xavier_init(extra)
        as_convolutions = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=False),
            nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(inplace=True),
            nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        _xavier_init(as_convolutions)
        extra.insert(0, nn.Sequential(*backbone[fourth:-1], as_convolutions))
        self.extra = extra

    def forward(self, x: rl.Tensor) -> dict[str, rl.Tensor]:
        """Maps by number, largest first; the first is normalised and scaled."""
        x = self.features(x)
        found = [self.scale_weight.view(1, -1, 1, 1) * F.normalize(x)]
        for block in self.extra:
            x = block(x)
            found.append(x)
        return OrderedDict((str(place), one) for place, one in enumerate(found))


def _shrunk(before: int, inner: int, after: int, kernel: int = 3, **how: Any) -> nn.Sequential:
    """A 1x1 convolution and one that makes the map smaller."""
    return nn.Sequential(
        nn.Conv2d(before, inner, 1), nn.ReLU(inplace=True),
        nn.Conv2d(inner, after, kernel, **how), nn.ReLU(inplace=True),
    )  # fmt: skip


def _vgg_extractor(backbone: Any, highres: bool, trainable_layers: int) -> SSDFeatureExtractorVGG:
    blocks = backbone.features
    pools = [k for k, layer in enumerate(blocks) if isinstance(layer, nn.MaxPool2d)]
    freeze(blocks, [0, *pools[:-1]], trainable_layers)
    return SSDFeatureExtractorVGG(blocks, highres)


def warn_of_size(kwargs: dict[str, Any]) -> None:
    """Take a `size` away, with torchvision's warning: it belongs to the network."""
    if kwargs.pop("size", None) is not None:
        warnings.warn("The size of the model is already fixed; ignoring the parameter.",
                      stacklevel=3)  # fmt: skip


@dense_model("vgg16", "IMAGENET1K_FEATURES")
def ssd300_vgg16(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> SSD:  # fmt: skip
    """SSD for pictures of 300 pixels, on a VGG-16; arguments as `SSD`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 4 of 5 by default.
    weights: a member of `SSD300_VGG16_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.ssd300_vgg16(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    35641826
    >>> net.anchor_generator.num_anchors_per_location()
    [4, 6, 6, 6, 4, 4]
    """
    warn_of_size(kwargs)
    learning = _validate_trainable_layers(start.trained, trainable_backbone_layers, 5, 4)
    backbone = _vgg_extractor(start(), False, learning)
    boxes = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2], [2]], scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
        steps=[8, 16, 32, 64, 100, 300],
    )  # fmt: skip
    settings = {
        "image_mean": [0.48235, 0.45882, 0.40784], "image_std": [1.0 / 255.0] * 3, **kwargs
    }  # fmt: skip
    return SSD(backbone, boxes, (300, 300), num_classes, **settings)
