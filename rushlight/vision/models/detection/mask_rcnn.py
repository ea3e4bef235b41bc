"""Mask R-CNN: Faster R-CNN, and a mask of each object."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rushlight import nn

from ...ops import MultiScaleRoIAlign
from ...ops.misc import Conv2dNormActivation
from ..dense import Start, dense_model
from .faster_rcnn import (
    FasterRCNN,
    check_backbone,
    check_parts,
    residual_backbone,
    second_version,
)


class MaskRCNN(FasterRCNN):
    """A detector that gives a mask (1, H, W) of probabilities for each object too.

    Targets need "masks" (N, H, W). mask_roi_pool, mask_head, mask_predictor: the third head;
    `num_classes` is None where predictors are given. Other arguments are those of `FasterRCNN`,
    by name.
    Source: K. He, G. Gkioxari, P. Dollár, R. Girshick, "Mask R-CNN", 2017.

    >>> import rushlight as torch
    >>> backbone = torch.nn.Conv2d(3, 8, 3, stride=16, padding=1)
    >>> backbone.out_channels = 8
    >>> from rushlight.vision.models.detection.anchor_utils import AnchorGenerator
    >>> anchors = AnchorGenerator(((16, 32),), ((1.0,),))
    >>> pools = [torch.vision.ops.MultiScaleRoIAlign(["0"], size, 2) for size in (7, 14)]
    >>> parts = {"box_roi_pool": pools[0], "mask_roi_pool": pools[1], "min_size": 64}
    >>> parts["mask_head"] = MaskRCNNHeads(8, (256,), dilation=1)
    >>> net = MaskRCNN(backbone, 3, max_size=64, rpn_anchor_generator=anchors, **parts)
    >>> sorted(net.eval()([torch.rand(3, 48, 64)])[0])
    ['boxes', 'labels', 'masks', 'scores']
    """

    def __init__(
        self, backbone: Any, num_classes: int | None = None, *args: Any, mask_roi_pool: Any = None,
        mask_head: Any = None, mask_predictor: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        check_parts({"mask_roi_pool": (mask_roi_pool, MultiScaleRoIAlign)})
        if num_classes is not None and mask_predictor is not None:
            raise ValueError("num_classes should be None when mask_predictor is specified")
        check_backbone(backbone)
        pool = mask_roi_pool or MultiScaleRoIAlign(["0", "1", "2", "3"], 14, 2)
        head = mask_head or MaskRCNNHeads(backbone.out_channels, (256, 256, 256, 256), 1)
        predictor = mask_predictor or MaskRCNNPredictor(256, 256, num_classes or 0)
        super().__init__(backbone, num_classes, *args, **kwargs)
        self.roi_heads.mask_roi_pool = pool
        self.roi_heads.mask_head = head
        self.roi_heads.mask_predictor = predictor


class MaskRCNNHeads(nn.Sequential):
    """Convolutions over the features of regions, of the widths `layers`."""

    _version = 2

    def __init__(
        self, in_channels: int, layers: Any, dilation: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        parts = []
        for wide in layers:
            parts.append(Conv2dNormActivation(
                in_channels, wide, kernel_size=3, stride=1, padding=dilation, dilation=dilation,
                norm_layer=norm_layer,
            ))  # fmt: skip
            in_channels = wide
        super().__init__(*parts)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:  # when convolutions were counted from 1
            for place in range(len(self)):
                for kind in ("weight", "bias"):
                    old = f"{prefix}mask_fcn{place + 1}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{place}.0.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class MaskRCNNPredictor(nn.Sequential):
    """A map of logits for each class, twice as large as the features (N, in_channels, h, w)."""

    def __init__(self, in_channels: int, dim_reduced: int, num_classes: int) -> None:
        super().__init__(OrderedDict(
            conv5_mask=nn.ConvTranspose2d(in_channels, dim_reduced, 2, 2, 0),
            relu=nn.ReLU(inplace=True),
            mask_fcn_logits=nn.Conv2d(dim_reduced, num_classes, 1, 1, 0),
        ))  # fmt: skip
        for name, weight in self.named_parameters():
            if "weight" in name:
                nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


@dense_model("resnet50")
def maskrcnn_resnet50_fpn(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:  # fmt: skip
    """Mask R-CNN on a ResNet-50 with a pyramid; arguments as `MaskRCNN`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    weights: a member of `MaskRCNN_ResNet50_FPN_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.maskrcnn_resnet50_fpn(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    44454513
    >>> net.roi_heads.mask_predictor.mask_fcn_logits
    Conv2d(256, 91, kernel_size=(1, 1), stride=(1, 1))
    """
    backbone = residual_backbone(start, trainable_backbone_layers)
    return MaskRCNN(backbone, num_classes, **kwargs)


@dense_model("resnet50", None)
def maskrcnn_resnet50_fpn_v2(
    start: Start, num_classes: int = 91, trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> MaskRCNN:  # fmt: skip
    """Mask R-CNN with deeper, normalised heads; arguments as `MaskRCNN`.

    trainable_backbone_layers: how many of the backbone's stages learn: all where nothing in it is
    trained, else 3 of 5 by default.
    Source: Y. Li et al., "Benchmarking detection transfer learning with vision transformers", 2021.
    weights: a member of `MaskRCNN_ResNet50_FPN_V2_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.detection.maskrcnn_resnet50_fpn_v2()
    >>> sum(p.numel() for p in net.parameters())
    46359409
    >>> net.roi_heads.mask_predictor.mask_fcn_logits
    Conv2d(256, 91, kernel_size=(1, 1), stride=(1, 1))
    """
    backbone = residual_backbone(start, trainable_backbone_layers, nn.BatchNorm2d)
    parts = second_version(backbone.out_channels)
    head = MaskRCNNHeads(backbone.out_channels, [256] * 4, 1, norm_layer=nn.BatchNorm2d)
    return MaskRCNN(backbone, num_classes, mask_head=head, **parts, **kwargs)
