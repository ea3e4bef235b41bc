"""What is learned and said about proposed regions: class, box, mask and points."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from .keypoints import (
    heatmaps_to_keypoints,
    keypointrcnn_inference,
    keypointrcnn_loss,
    keypoints_to_heatmap,
)
from .masks import (
    expand_boxes,
    expand_masks,
    maskrcnn_inference,
    maskrcnn_loss,
    paste_mask_in_image,
    paste_masks_in_image,
    project_masks_on_boxes,
)

__all__ = [
    "RoIHeads", "expand_boxes", "expand_masks", "fastrcnn_loss", "heatmaps_to_keypoints",
    "keypointrcnn_inference", "keypointrcnn_loss", "keypoints_to_heatmap", "maskrcnn_inference",
    "maskrcnn_loss", "paste_mask_in_image", "paste_masks_in_image", "project_masks_on_boxes",
]  # fmt: skip

F = nn.functional
Target = dict[str, Any]


def fastrcnn_loss(
    class_logits: rl.Tensor, box_regression: rl.Tensor, labels: list[rl.Tensor],
    regression_targets: list[rl.Tensor],
) -> tuple[rl.Tensor, rl.Tensor]:  # fmt: skip
    """The cross-entropy of classes, and the smooth distance of the codes of regions with objects.

    class_logits: (N, C); box_regression: (N, 4 C), of which the true class's four are asked;
    labels, regression_targets: what they should be, per image.
    """
    classes, truth = rl.cat(labels), rl.cat(regression_targets)
    (objects,) = rl.where(classes > 0)
    codes = box_regression.reshape(len(class_logits), -1, 4)[objects, classes[objects]]
    apart = F.smooth_l1_loss(codes, truth[objects], beta=1 / 9, reduction="sum")
    return F.cross_entropy(class_logits, classes), apart / classes.numel()


class RoIHeads(nn.Module):
    """The heads that look at proposed regions, what they learn from, and what they find.

    The pools take features of regions, the heads work on them, the predictors give scores and
    codes, masks, and maps of points; those of masks and of points may be absent.
    fg_iou_thresh, bg_iou_thresh: from which overlap with an object a region is about it, below
    which about none; batch_size_per_image, positive_fraction: how many are learned from, and which
    share of objects. Source: K. He et al., "Mask R-CNN", 2017.
    """

    def __init__(
        self, box_roi_pool: Any, box_head: Any, box_predictor: Any, fg_iou_thresh: float,
        bg_iou_thresh: float, batch_size_per_image: int, positive_fraction: float,
        bbox_reg_weights: Any, score_thresh: float, nms_thresh: float, detections_per_img: int,
        mask_roi_pool: Any = None, mask_head: Any = None, mask_predictor: Any = None,
        keypoint_roi_pool: Any = None, keypoint_head: Any = None, keypoint_predictor: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.box_similarity = ops.box_iou
        self.proposal_matcher = Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False
        )
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self.box_coder = BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool, self.box_head = box_roi_pool, box_head
        self.box_predictor = box_predictor
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img = detections_per_img
        self.mask_roi_pool, self.mask_head = mask_roi_pool, mask_head
        self.mask_predictor = mask_predictor
        self.keypoint_roi_pool, self.keypoint_head = keypoint_roi_pool, keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        """Whether all that masks need is there."""
        return None not in (self.mask_roi_pool, self.mask_head, self.mask_predictor)

    def has_keypoint(self) -> bool:
        """Whether all that points need is there."""
        return None not in (self.keypoint_roi_pool, self.keypoint_head, self.keypoint_predictor)

    def assign_targets_to_proposals(
        self, proposals: list[rl.Tensor], gt_boxes: list[rl.Tensor], gt_labels: list[rl.Tensor]
    ) -> tuple[list[rl.Tensor], list[rl.Tensor]]:
        """Which object each region is about, and its class (0: none, -1: unclear)."""
        about, classes = [], []
        for regions, true, labels in zip(proposals, gt_boxes, gt_labels):
            if true.numel() == 0:
                nothing = rl.zeros((len(regions),), dtype=rl.int64, device=regions.device)
                about.append(nothing)
                classes.append(nothing.clone())
                continue
            matches = self.proposal_matcher(self.box_similarity(true, regions))
            about.append(matches.clamp(min=0))
            own = labels[about[-1]].to(rl.int64)
            own = own.masked_fill(matches == self.proposal_matcher.BELOW_LOW_THRESHOLD, 0)
            classes.append(own.masked_fill(matches == self.proposal_matcher.BETWEEN_THRESHOLDS, -1))
        return about, classes

    def subsample(self, labels: list[rl.Tensor]) -> list[rl.Tensor]:
        """The places of the regions to learn from, per image."""
        drawn = zip(*self.fg_bg_sampler(labels))
        return [rl.where(objects | others)[0] for objects, others in drawn]

    def add_gt_proposals(self, proposals: list[Any], gt_boxes: list[Any]) -> list[rl.Tensor]:
        """The proposed regions and the true boxes."""
        return [rl.cat(pair) for pair in zip(proposals, gt_boxes)]

    def check_targets(self, targets: list[Target] | None) -> None:
        """Raise where targets lack what is learned: ValueError without any, AssertionError."""
        if targets is None:
            raise ValueError("targets should not be None")
        needed = ["boxes", "labels", *(["masks"] if self.has_mask() else [])]
        for name in needed:
            if not all(name in target for target in targets):
                raise AssertionError(f"Every element of targets should have a {name} key")

    def select_training_samples(
        self, proposals: list[rl.Tensor], targets: list[Target] | None
    ) -> tuple[list[rl.Tensor], list[rl.Tensor], list[rl.Tensor], list[rl.Tensor]]:
        """The regions to learn from; which objects they are about; their classes and codes."""
        self.check_targets(targets)
        given = targets or []
        true = [target["boxes"].to(proposals[0].dtype) for target in given]
        proposals = self.add_gt_proposals(proposals, true)
        about, labels = self.assign_targets_to_proposals(
            proposals, true, [target["labels"] for target in given]
        )
        drawn = self.subsample(labels)
        proposals, about, labels = (
            [one[places] for one, places in zip(of_all, drawn)]
            for of_all in (proposals, about, labels)
        )
        boxes = [
            (one if one.numel() else one.new_zeros((1, 4)))[which]
            for one, which in zip(true, about)
        ]
        return proposals, about, labels, list(self.box_coder.encode(boxes, proposals))

    def postprocess_detections(
        self, class_logits: rl.Tensor, box_regression: rl.Tensor, proposals: list[rl.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> tuple[list[rl.Tensor], list[rl.Tensor], list[rl.Tensor]]:  # fmt: skip
        """Boxes, scores and classes of what is found, per image, best first."""
        counts = [len(one) for one in proposals]
        boxes = self.box_coder.decode(box_regression, proposals).split(counts)
        scores = F.softmax(class_logits, -1).split(counts)
        found = [self._found(*one) for one in zip(boxes, scores, image_shapes)]
        per_kind = [list(kind) for kind in zip(*found)]
        return per_kind[0], per_kind[1], per_kind[2]

    def _found(
        self, boxes: rl.Tensor, scores: rl.Tensor, size: tuple[int, int]
    ) -> tuple[rl.Tensor, rl.Tensor, rl.Tensor]:
        """The detections of an image from boxes (n, C, 4) and probabilities (n, C)."""
        boxes = ops.clip_boxes_to_image(boxes, size)[:, 1:].reshape(-1, 4)
        labels = rl.arange(scores.shape[1], device=scores.device).expand_as(scores)
        labels, scores = labels[:, 1:].reshape(-1), scores[:, 1:].reshape(-1)
        (keep,) = rl.where(scores > self.score_thresh)
        keep = keep[ops.remove_small_boxes(boxes[keep], min_size=1e-2)]
        best = ops.batched_nms(boxes[keep], scores[keep], labels[keep], self.nms_thresh)
        keep = keep[best[: self.detections_per_img]]
        return boxes[keep], scores[keep], labels[keep]

    def forward(
        self, features: dict[str, rl.Tensor], proposals: list[rl.Tensor],
        image_shapes: list[tuple[int, int]], targets: list[Target] | None = None,
    ) -> tuple[list[Target], dict[str, rl.Tensor]]:  # fmt: skip
        """What is found in each image, and while training the losses instead."""
        if targets is not None:
            self._check_types(targets)
        about, labels, codes = [], [], []
        if self.training:
            proposals, about, labels, codes = self.select_training_samples(proposals, targets)
        pooled = self.box_roi_pool(features, proposals, image_shapes)
        class_logits, box_regression = self.box_predictor(self.box_head(pooled))
        result: list[Target] = []
        losses: dict[str, rl.Tensor] = {}
        if self.training:
            of_class, of_box = fastrcnn_loss(class_logits, box_regression, labels, codes)
            losses = {"loss_classifier": of_class, "loss_box_reg": of_box}
            objects = [rl.where(one > 0)[0] for one in labels]
            regions = [one[places] for one, places in zip(proposals, objects)]
            about = [one[places] for one, places in zip(about, objects)]
        else:
            found = self.postprocess_detections(
                class_logits, box_regression, proposals, image_shapes
            )
            result = [
                {"boxes": boxes, "labels": classes, "scores": scores}
                for boxes, scores, classes in zip(*found)
            ]
            regions = [one["boxes"] for one in result]
        known = targets or []
        if self.has_mask():
            losses |= self._masks(features, regions, image_shapes, result, about, known)
        if self.has_keypoint():
            losses |= self._keypoints(features, regions, image_shapes, result, about, known)
        return result, losses

    def _masks(
        self, features: Any, regions: Any, sizes: Any, result: list[Target], about: Any,
        targets: list[Target],
    ) -> dict[str, rl.Tensor]:  # fmt: skip
        """The loss of masks; without training none, and the masks in `result`."""
        logits = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, regions, sizes)))
        if self.training:
            masks, labels = ([one[name] for one in targets] for name in ("masks", "labels"))
            return {"loss_mask": maskrcnn_loss(logits, regions, masks, labels, about)}
        masks = maskrcnn_inference(logits, [one["labels"] for one in result])
        for one, mask in zip(result, masks):
            one["masks"] = mask
        return {}

    def _keypoints(
        self, features: Any, regions: Any, sizes: Any, result: list[Target], about: Any,
        targets: list[Target],
    ) -> dict[str, rl.Tensor]:  # fmt: skip
        """The loss of points; without training none, and the points in `result`."""
        pooled = self.keypoint_roi_pool(features, regions, sizes)
        logits = self.keypoint_predictor(self.keypoint_head(pooled))
        if self.training:
            points = [one["keypoints"] for one in targets]
            return {"loss_keypoint": keypointrcnn_loss(logits, regions, points, about)}
        points, scores = keypointrcnn_inference(logits, regions)
        for one, at, score in zip(result, points, scores):
            one["keypoints"], one["keypoints_scores"] = at, score
        return {}

    def _check_types(self, targets: list[Target]) -> None:
        floats = (rl.float, rl.double, rl.half)
        for target in targets:
            if target["boxes"].dtype not in floats:
                raise TypeError(
                    f"target boxes must of float type, instead got {target['boxes'].dtype}"
                )
            if target["labels"].dtype != rl.int64:
                raise TypeError(
                    f"target labels must of int64 type, instead got {target['labels'].dtype}"
                )
            if self.has_keypoint() and target["keypoints"].dtype != rl.float32:
                raise TypeError(
                    f"target keypoints must of float type, instead got {target['keypoints'].dtype}"
                )
