"""What detectors in two steps share: features, proposals, and heads that look at those."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ._utils import as_dictionary
from .checks import check_boxes, check_targets, sizes_of


class GeneralizedRCNN(nn.Module):
    """A backbone, a network that proposes regions, heads that look at them, and a transform.

    `forward` takes pictures (3, H, W) from 0 to 1, of any sizes. While training it takes a target
    for each, {"boxes": (N, 4), "labels": (N), ...}, and gives losses by name; otherwise it gives
    {"boxes", "labels", "scores", ...} for each.
    Raises: AssertionError for targets that are absent or of another shape, and for flat boxes.
    """

    def __init__(
        self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module
    ) -> None:
        super().__init__()
        self.transform = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads

    def eager_outputs(self, losses: Any, detections: Any) -> Any:
        """The losses while training, what is found otherwise."""
        return losses if self.training else detections

    def forward(self, images: list[rl.Tensor], targets: list[dict[str, Any]] | None = None) -> Any:
        """Losses by name while training, what is found in each picture otherwise."""
        if self.training:
            check_targets(targets)
        given = sizes_of(images)
        batch, targets = self.transform(images, targets)
        check_boxes(targets)
        features = as_dictionary(self.backbone(batch.tensors))
        proposals, of_proposals = self.rpn(batch, features, targets)
        sizes = batch.image_sizes
        detections, of_heads = self.roi_heads(features, proposals, sizes, targets)
        detections = self.transform.postprocess(detections, sizes, given)
        return self.eager_outputs({**of_heads, **of_proposals}, detections)
