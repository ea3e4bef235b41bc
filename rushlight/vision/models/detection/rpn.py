"""The network that proposes regions: which of the boxes laid over a picture hold an object."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ... import ops
from ...ops.misc import Conv2dNormActivation
from ._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from .anchor_utils import AnchorGenerator
from .image_list import ImageList

F = nn.functional


class RPNHead(nn.Module):
    """Convolutions over each map, then a score and four numbers for each box around a pixel.

    conv_depth: how many convolutions. `forward` takes maps and gives lists (N, A, H, W) and
    (N, 4 A, H, W), one of each a map.
    """

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth: int = 1) -> None:
        super().__init__()
        self.conv = nn.Sequential(*[
            Conv2dNormActivation(in_channels, in_channels, kernel_size=3, norm_layer=None)
            for _ in range(conv_depth)
        ])  # fmt: skip
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1)
        self.bbox_pred = nn.Conv2d(in_channels, 4 * num_anchors, kernel_size=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:  # when there was one convolution by itself
            for kind in ("weight", "bias"):
                old = f"{prefix}conv.{kind}"
                if old in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def forward(self, x: list[rl.Tensor]) -> tuple[list[rl.Tensor], list[rl.Tensor]]:
        """Scores and codes of each map."""
        features = [self.conv(one) for one in x]
        scores = [self.cls_logits(one) for one in features]
        return scores, [self.bbox_pred(one) for one in features]


def permute_and_flatten(layer: rl.Tensor, N: int, A: int, C: int, H: int, W: int) -> rl.Tensor:
    """(N, H W A, C) from (N, A C, H, W): the numbers of each box, pixel by pixel."""
    return layer.view(N, A, C, H, W).permute(0, 3, 4, 1, 2).reshape(N, -1, C)


def concat_box_prediction_layers(
    box_cls: list[rl.Tensor], box_regression: list[rl.Tensor]
) -> tuple[rl.Tensor, rl.Tensor]:
    """Scores (K, C) and codes (K, 4) of the boxes of all maps, image by image."""
    scores, codes = [], []
    for scored, coded in zip(box_cls, box_regression):
        count, _, height, width = scored.shape
        around = coded.shape[1] // 4
        classes = scored.shape[1] // around
        scores.append(permute_and_flatten(scored, count, around, classes, height, width))
        codes.append(permute_and_flatten(coded, count, around, 4, height, width))
    return rl.cat(scores, dim=1).flatten(0, -2), rl.cat(codes, dim=1).reshape(-1, 4)


class RegionProposalNetwork(nn.Module):
    """Boxes that may hold objects, the best of each map, and the losses of finding them.

    head: scores and codes of boxes; fg_iou_thresh, bg_iou_thresh: from which overlap with an
    object a box counts as one, below which as none; batch_size_per_image, positive_fraction: how
    many boxes are learned from, and which share of objects; pre_nms_top_n, post_nms_top_n:
    {"training": n, "testing": n}, how many boxes of a map and of an image are kept.
    Source: S. Ren et al., "Faster R-CNN", 2015.
    """

    def __init__(
        self, anchor_generator: AnchorGenerator, head: nn.Module, fg_iou_thresh: float,
        bg_iou_thresh: float, batch_size_per_image: int, positive_fraction: float,
        pre_nms_top_n: dict[str, int], post_nms_top_n: dict[str, int], nms_thresh: float,
        score_thresh: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.box_coder = BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.box_similarity = ops.box_iou
        self.proposal_matcher = Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.fg_bg_sampler = BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self._pre_nms_top_n, self._post_nms_top_n = pre_nms_top_n, post_nms_top_n
        self.nms_thresh, self.score_thresh, self.min_size = nms_thresh, score_thresh, 1e-3

    def pre_nms_top_n(self) -> int:
        """How many boxes of a map are looked at."""
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        """How many boxes of an image are proposed."""
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(
        self, anchors: list[rl.Tensor], targets: list[dict[str, Any]]
    ) -> tuple[list[rl.Tensor], list[rl.Tensor]]:
        """What each box should be: 1, 0 or -1 (not asked), and the true box it is about."""
        labels, truths = [], []
        for boxes, target in zip(anchors, targets):
            true = target["boxes"]
            if true.numel() == 0:
                truths.append(rl.zeros_like(boxes))
                labels.append(rl.zeros((len(boxes),), dtype=rl.float32, device=boxes.device))
                continue
            about = self.proposal_matcher(self.box_similarity(true, boxes))
            truths.append(true[about.clamp(min=0)])
            wanted = (about >= 0).to(rl.float32)
            unclear = about == self.proposal_matcher.BETWEEN_THRESHOLDS
            labels.append(wanted.masked_fill(unclear, -1.0))
        return labels, truths

    def _get_top_n_idx(self, objectness: rl.Tensor, num_anchors_per_level: list[int]) -> rl.Tensor:
        """The places of the best scores of each map, (N, n), from scores (N, K)."""
        found, before = [], 0
        for scores in objectness.split(num_anchors_per_level, 1):
            best = scores.topk(min(self.pre_nms_top_n(), scores.shape[1]), dim=1).indices
            found.append(best + before)
            before += scores.shape[1]
        return rl.cat(found, dim=1)

    def filter_proposals(
        self, proposals: rl.Tensor, objectness: rl.Tensor, image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[rl.Tensor], list[rl.Tensor]]:  # fmt: skip
        """The boxes that are proposed, per image, and their scores.

        proposals: (N, K, 4); objectness: logits of all; image_shapes: (height, width) of each.
        """
        count = len(proposals)
        objectness = objectness.detach().reshape(count, -1)
        sizes = enumerate(num_anchors_per_level)
        levels = rl.cat([rl.full((size,), k, dtype=rl.int64) for k, size in sizes])
        best = self._get_top_n_idx(objectness, num_anchors_per_level)
        images = rl.arange(count)[:, None]
        chosen = (proposals[images, best], objectness[images, best].sigmoid(), levels[best])
        kept = [self._kept(*one) for one in zip(*chosen, image_shapes)]
        return [boxes for boxes, _ in kept], [scores for _, scores in kept]

    def _kept(
        self, boxes: rl.Tensor, scores: rl.Tensor, levels: rl.Tensor, size: tuple[int, int]
    ) -> tuple[rl.Tensor, rl.Tensor]:
        """The boxes of an image that are large and good enough, and do not cover each other."""
        boxes = ops.clip_boxes_to_image(boxes, size)
        keep = ops.remove_small_boxes(boxes, self.min_size)
        keep = keep[scores[keep] >= self.score_thresh]
        boxes, scores, levels = boxes[keep], scores[keep], levels[keep]
        keep = ops.batched_nms(boxes, scores, levels, self.nms_thresh)[: self.post_nms_top_n()]
        return boxes[keep], scores[keep]

    def compute_loss(
        self, objectness: rl.Tensor, pred_bbox_deltas: rl.Tensor, labels: list[rl.Tensor],
        regression_targets: list[rl.Tensor],
    ) -> tuple[rl.Tensor, rl.Tensor]:  # fmt: skip
        """The losses of scores and of codes, over boxes that are drawn from all."""
        positive, negative = (rl.where(rl.cat(masks))[0] for masks in self.fg_bg_sampler(labels))
        drawn = rl.cat((positive, negative))
        codes = F.smooth_l1_loss(
            pred_bbox_deltas[positive], rl.cat(regression_targets)[positive], beta=1 / 9,
            reduction="sum",
        )  # fmt: skip
        scores = objectness.flatten()[drawn]
        truth = rl.cat(labels)[drawn]
        return F.binary_cross_entropy_with_logits(scores, truth), codes / drawn.numel()

    def forward(
        self, images: ImageList, features: dict[str, rl.Tensor],
        targets: list[dict[str, Any]] | None = None,
    ) -> tuple[list[rl.Tensor], dict[str, rl.Tensor]]:  # fmt: skip
        """The proposed boxes of each image, and while training the two losses by name."""
        maps = list(features.values())
        scored, coded = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [one[0].numel() for one in scored]
        objectness, codes = concat_box_prediction_layers(scored, coded)
        # proposals are taken as given by what follows: nothing is learned through them
        found = self.box_coder.decode(codes.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(found, objectness, images.image_sizes, counts)
        if not self.training:
            return boxes, {}
        if targets is None:
            raise ValueError("targets should not be None")
        labels, truths = self.assign_targets_to_anchors(anchors, targets)
        wanted = self.box_coder.encode(truths, anchors)
        of_scores, of_codes = self.compute_loss(objectness, codes, labels, wanted)
        return boxes, {"loss_objectness": of_scores, "loss_rpn_box_reg": of_codes}
