"""What FCN and DeepLabV3 share."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import rushlight as rl
from rushlight import nn

from .._utils import IntermediateLayerGetter, stages


def enlarged(x: rl.Tensor, size: Any) -> rl.Tensor:
    """Scores (N, C, h, w) at `size`, by bilinear interpolation."""
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


class _SimpleSegmentationModel(nn.Module):
    """Features of a backbone, scored by a head, and brought to the size of the picture.

    `forward` takes (N, 3, H, W) and gives {"out": (N, C, H, W)}, and "aux" of earlier features
    where there is an `aux_classifier`.
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: rl.Tensor) -> dict[str, rl.Tensor]:
        """Scores of each pixel, by name."""
        size, features = x.shape[-2:], self.backbone(x)
        found = OrderedDict(out=enlarged(self.classifier(features["out"]), size))
        if self.aux_classifier is not None:
            found["aux"] = enlarged(self.aux_classifier(features["aux"]), size)
        return found


def residual_body(net: Any, aux: bool | None) -> IntermediateLayerGetter:
    """A ResNet up to its last stage, whose result is "out"; that of the third is "aux"."""
    return IntermediateLayerGetter(net, {"layer4": "out", **({"layer3": "aux"} if aux else {})})


def mobile_body(net: Any, **names: int) -> tuple[IntermediateLayerGetter, list[int]]:
    """A MobileNet's features, the results of some of its stages by name, and their channels."""
    blocks = net.features
    places = {name: stages(blocks)[stage] for name, stage in names.items()}
    body = IntermediateLayerGetter(blocks, {str(place): name for name, place in places.items()})
    return body, [blocks[place].out_channels for place in places.values()]
