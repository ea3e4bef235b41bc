"""Keypoint R-CNN: Faster R-CNN, and the points of each object."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops import MultiScaleRoIAlign
from ..dense import Start, dense_model
from .faster_rcnn import FasterRCNN, check_backbone, check_parts, residual_backbone


class KeypointRCNN(FasterRCNN):
    """A detector that gives points (K, 3), rows (x, y, 1), of each object too.

    Targets need "keypoints" (N, K, 3), rows (x, y, visible). keypoint_roi_pool, keypoint_head,
    keypoint_predictor: the third head; num_keypoints: 17 where neither it nor a predictor is
    given. Other arguments are those of `FasterRCNN`.
    Source: K. He, G. Gkioxari, P. Dollár, R. Girshick, "Mask R-CNN", 2017.

    >>> import rushlight as torch
    >>> backbone = torch.nn.Conv2d(3, 8, 3, stride=16, padding=1)
    >>> backbone.out_channels = 8
    >>> from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
    >>> anchors = AnchorGenerator(((16, 32),), ((1.0,),))
    >>> pools = [torch.vision.ops.MultiScaleRoIAlign(["0"], size, 2) for size in (7, 14)]
    >>> parts = {"box_roi_pool": pools[0], "keypoint_roi_pool": pools[1], "min_size": 64}
    >>> parts["keypoint_head"] = KeypointRCNNHeads(8, (16,))
    >>> parts["keypoint_predictor"] = KeypointRCNNPredictor(16, num_keypoints=5)
    >>> net = KeypointRCNN(backbone, 2, max_size=64, rpn_anchor_generator=anchors, **parts)
    >>> sorted(net.eval()([torch.rand(3, 48, 64)])[0])
    ['boxes', 'keypoints', 'keypoints_scores', 'labels', 'scores']
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, min_size: Any = None, *args: Any,
        keypoint_roi_pool: Any = None, keypoint_head: Any = None, keypoint_predictor: Any = None,
        num_keypoints: int | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        check_parts({"keypoint_roi_pool": (keypoint_roi_pool, MultiScaleRoIAlign)})
        if num_keypoints is not None and keypoint_predictor is not None:
            raise ValueError("num_keypoints should be None when keypoint_predictor is specified")
        check_backbone(backbone)
        pool = keypoint_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        head = keypoint_head or KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        predictor = keypoint_predictor or KeypointRCNNPredictor(512, num_keypoints or 17)
        sizes = (640, 672, 704, 736, 768, 800) if min_size is None else min_size
        super().__init__(backbone, num_classes, sizes, *args, **kwargs)
        self.roi_heads.keypoint_roi_pool = pool
        self.roi_heads.keypoint_head = head
        self.roi_heads.keypoint_predictor = predictor


class KeypointRCNNHeads(nn.Sequential):
    """Convolutions with ReLU over the features of regions, of the widths `layers`."""

    def __init__(self, in_channels: int, layers: Any) -> None:
        parts: list[nn.Module] = []
        for wide in layers:
            parts += [nn.Conv2d(in_channels, wide, 3, stride=1, padding=1), nn.ReLU(inplace=True)]
            in_channels = wide
        super().__init__(*parts)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(layer.bias, 0)


class KeypointRCNNPredictor(nn.Module):
    """A map of logits for each point, four times as large as the features (N, C, h, w)."""

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(
            in_channels, num_keypoints, 4, stride=2, padding=1
        )
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(self.kps_score_lowres.bias, 0)
        self.up_scale = 2
        self.out_channels = num_keypoints

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, num_keypoints, 4 h, 4 w)."""
        return nn.functional.interpolate(
            self.kps_score_lowres(x), scale_factor=float(self.up_scale), mode="bilinear",
            align_corners=False, recompute_scale_factor=False,
        )  # fmt: skip


@dense_model("resnet50")
def keypointrcnn_resnet50_fpn(
    start: Start, num_classes: int = 2, num_keypoints: int = 17,
    trainable_backbone_layers: int | None = None, **kwargs: Any,
) -> KeypointRCNN:  # fmt: skip
    """Keypoint R-CNN on a ResNet-50 with a pyramid; arguments as `KeypointRCNN`.

    num_keypoints: the points of an object, 17 by default.
    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    weights: a member of `KeypointRCNN_ResNet50_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.keypointrcnn_resnet50_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    59190378
    >>> net.roi_heads.keypoint_predictor.kps_score_lowres.out_channels
    17
    """
    backbone = residual_backbone(start, trainable_backbone_layers)
    return KeypointRCNN(backbone, num_classes, num_keypoints=num_keypoints, **kwargs)
