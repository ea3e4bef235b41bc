"""Faster R-CNN: regions are proposed, then each is given a class and a better box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops import MultiScaleRoIAlign
from ...ops.misc import Conv2dNormActivation, FrozenBatchNorm2d
from ..dense import Start, dense_model
from .anchor_utils import AnchorGenerator
from .backbone_utils import (
    _mobilenet_extractor,
    _resnet_fpn_extractor,
    _validate_trainable_layers,
)
from .generalized_rcnn import GeneralizedRCNN
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import GeneralizedRCNNTransform

F = nn.functional
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def _default_anchorgen() -> AnchorGenerator:
    return AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)


def check_parts(parts: dict[str, tuple[Any, type]]) -> None:
    """TypeError for a part that is neither None nor of its class."""
    for name, (part, kind) in parts.items():
        if part is not None and not isinstance(part, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__} or None instead of {type(part)}"
            )


def check_backbone(backbone: Any) -> None:
    """ValueError for a backbone that does not say how many channels its maps have."""
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output"
            " channels (assumed to be the same for all the levels)"
        )


class FasterRCNN(GeneralizedRCNN):
    """A detector in two steps, on any backbone that has `out_channels`.

    backbone: gives a map, or maps by name; num_classes: with the background, None where a
    `box_predictor` is given; min_size, max_size, image_mean, image_std: of the transform;
    rpn_...: the network that proposes, see `RegionProposalNetwork`; box_...: the heads, see
    `RoIHeads`. Parts that are not given are torchvision's.
    Raises: ValueError for too few or too many of these, TypeError for parts of another class.
    Source: S. Ren, K. He, R. Girshick, J. Sun, "Faster R-CNN", 2015.

    >>> import rushlight as torch
    >>> backbone = torch.nn.Conv2d(3, 8, 3, stride=16, padding=1)
    >>> backbone.out_channels = 8
    >>> from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
    >>> anchors = AnchorGenerator(((16, 32),), ((1.0,),))
    >>> pool = torch.vision.ops.MultiScaleRoIAlign(["0"], 7, 2)
    >>> net = FasterRCNN(backbone, 3, 64, 64, rpn_anchor_generator=anchors, box_roi_pool=pool)
    >>> sorted(net.eval()([torch.rand(3, 48, 64)])[0])
    ['boxes', 'labels', 'scores']
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, min_size: Any = 800,
        max_size: int = 1333, image_mean: Any = None, image_std: Any = None,
        rpn_anchor_generator: Any = None, rpn_head: Any = None,
        rpn_pre_nms_top_n_train: int = 2000, rpn_pre_nms_top_n_test: int = 1000,
        rpn_post_nms_top_n_train: int = 2000, rpn_post_nms_top_n_test: int = 1000,
        rpn_nms_thresh: float = 0.7, rpn_fg_iou_thresh: float = 0.7,
        rpn_bg_iou_thresh: float = 0.3, rpn_batch_size_per_image: int = 256,
        rpn_positive_fraction: float = 0.5, rpn_score_thresh: float = 0.0,
        box_roi_pool: Any = None, box_head: Any = None, box_predictor: Any = None,
        box_score_thresh: float = 0.05, box_nms_thresh: float = 0.5,
        box_detections_per_img: int = 100, box_fg_iou_thresh: float = 0.5,
        box_bg_iou_thresh: float = 0.5, box_batch_size_per_image: int = 512,
        box_positive_fraction: float = 0.25, bbox_reg_weights: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        check_backbone(backbone)
        check_parts({
            "rpn_anchor_generator": (rpn_anchor_generator, AnchorGenerator),
            "box_roi_pool": (box_roi_pool, MultiScaleRoIAlign),
        })  # fmt: skip
        if num_classes is not None and box_predictor is not None:
            raise ValueError("num_classes should be None when box_predictor is specified")
        if num_classes is None and box_predictor is None:
            raise ValueError("num_classes should not be None when box_predictor is not specified")
        channels = backbone.out_channels
        anchors = rpn_anchor_generator or _default_anchorgen()
        head = rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0])
        rpn = RegionProposalNetwork(
            anchors, head, rpn_fg_iou_thresh, rpn_bg_iou_thresh, rpn_batch_size_per_image,
            rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh, score_thresh=rpn_score_thresh,
        )  # fmt: skip
        pool = box_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        box_head = box_head or TwoMLPHead(channels * pool.output_size[0] ** 2, 1024)
        box_predictor = box_predictor or FastRCNNPredictor(1024, num_classes or 0)
        heads = RoIHeads(
            pool, box_head, box_predictor, box_fg_iou_thresh, box_bg_iou_thresh,
            box_batch_size_per_image, box_positive_fraction, bbox_reg_weights, box_score_thresh,
            box_nms_thresh, box_detections_per_img,
        )  # fmt: skip
        transform = GeneralizedRCNNTransform(
            min_size, max_size, image_mean or MEAN, image_std or STD, **kwargs
        )
        super().__init__(backbone, rpn, heads, transform)


class TwoMLPHead(nn.Module):
    """Two linear layers with ReLU over the features (N, C, h, w) of regions."""

    def __init__(self, in_channels: int, representation_size: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, representation_size)."""
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(start_dim=1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions, then linear layers, over the features of regions.

    input_size: (C, h, w) of the features; conv_layers, fc_layers: the widths.
    """

    def __init__(
        self, input_size: tuple[int, int, int], conv_layers: list[int], fc_layers: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        channels, height, width = input_size
        parts: list[nn.Module] = []
        for wide in conv_layers:
            parts.append(Conv2dNormActivation(channels, wide, norm_layer=norm_layer))
            channels = wide
        parts.append(nn.Flatten())
        channels *= height * width
        for wide in fc_layers:
            parts += [nn.Linear(channels, wide), nn.ReLU(inplace=True)]
            channels = wide
        super().__init__(*parts)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class FastRCNNPredictor(nn.Module):
    """The scores (N, num_classes) and the codes (N, 4 num_classes) of regions."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        """Scores and codes, from (N, in_channels) or (N, in_channels, 1, 1)."""
        if x.dim() == 4 and list(x.shape[2:]) != [1, 1]:
            raise AssertionError(
                "x has the wrong shape, expecting the last two dimensions to be [1,1] instead of"
                f" {list(x.shape[2:])}"
            )
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)


def residual_backbone(
    start: Start, trainable_backbone_layers: int | None, norm_layer: Any = None,
    returned_layers: list[int] | None = None, extra_blocks: Callable[[], Any] | None = None,
) -> Any:  # fmt: skip
    """A ResNet with a pyramid: its norms are fixed where it is trained, or made by `norm_layer`.

    extra_blocks: makes what adds further maps, after the ResNet has drawn its weights.
    """
    learning = _validate_trainable_layers(start.trained, trainable_backbone_layers, 5, 3)
    fixed = FrozenBatchNorm2d if start.trained else nn.BatchNorm2d
    net = start(norm_layer=fixed) if norm_layer is None else start()
    more = None if extra_blocks is None else extra_blocks()
    return _resnet_fpn_extractor(net, learning, returned_layers, more, norm_layer)


def second_version(channels: int) -> dict[str, Any]:
    """The anchors and heads of the detectors of 2021: deeper, and normalised."""
    anchors = _default_anchorgen()
    head = RPNHead(channels, anchors.num_anchors_per_location()[0], conv_depth=2)
    box_head = FastRCNNConvFCHead(
        (channels, 7, 7), [256, 256, 256, 256], [1024], norm_layer=nn.BatchNorm2d
    )
    return {"rpn_anchor_generator": anchors, "rpn_head": head, "box_head": box_head}


@dense_model("resnet50")
def fasterrcnn_resnet50_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN on a ResNet-50 with a pyramid; arguments as `FasterRCNN`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    weights: a member of `FasterRCNN_ResNet50_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.fasterrcnn_resnet50_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    41808406
    >>> net.roi_heads.box_predictor.cls_score
    Linear(in_features=1024, out_features=91, bias=True)
    """
    backbone = residual_backbone(start, trainable_backbone_layers)
    return FasterRCNN(backbone, num_classes, **kwargs)


@dense_model("resnet50", None)
def fasterrcnn_resnet50_fpn_v2(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN with deeper, normalised heads; arguments as `FasterRCNN`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    Source: Y. Li et al., "Benchmarking detection transfer learning with vision transformers", 2021.
    weights: a member of `FasterRCNN_ResNet50_FPN_V2_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.fasterrcnn_resnet50_fpn_v2()
    >>> sum(p.numel() for p in net.parameters())
    43712278
    >>> net.roi_heads.box_predictor.cls_score
    Linear(in_features=1024, out_features=91, bias=True)
    """
    backbone = residual_backbone(start, trainable_backbone_layers, nn.BatchNorm2d)
    parts = second_version(backbone.out_channels)
    return FasterRCNN(backbone, num_classes, **parts, **kwargs)


def _on_mobilenet(
    start: Start, num_classes: int, trainable_backbone_layers: int | None, settings: Any
) -> FasterRCNN:
    learning = _validate_trainable_layers(start.trained, trainable_backbone_layers, 6, 3)
    net = start(norm_layer=FrozenBatchNorm2d if start.trained else nn.BatchNorm2d)
    backbone = _mobilenet_extractor(net, True, learning)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    return FasterRCNN(backbone, num_classes, rpn_anchor_generator=anchors, **settings)


@dense_model("mobilenet_v3_large")
def fasterrcnn_mobilenet_v3_large_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN on a MobileNetV3 with a pyramid; arguments as `FasterRCNN`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 6 by default.
    weights: a member of `FasterRCNN_MobileNet_V3_Large_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.fasterrcnn_mobilenet_v3_large_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    19410754
    >>> net.transform.min_size
    (800,)
    """
    settings = {"rpn_score_thresh": 0.05, **kwargs}
    return _on_mobilenet(start, num_classes, trainable_backbone_layers, settings)


@dense_model("mobilenet_v3_large")
def fasterrcnn_mobilenet_v3_large_320_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:  # fmt: skip
    """Faster R-CNN on a MobileNetV3, for small pictures and few proposals.

    Arguments as `FasterRCNN`.
    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 6 by default.
    weights: a member of `FasterRCNN_MobileNet_V3_Large_320_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    19410754
    >>> net.transform.min_size
    (320,)
    """
    settings = {
        "min_size": 320, "max_size": 640, "rpn_pre_nms_top_n_test": 150,
        "rpn_post_nms_top_n_test": 150, "rpn_score_thresh": 0.05, **kwargs,
    }  # fmt: skip
    return _on_mobilenet(start, num_classes, trainable_backbone_layers, settings)
