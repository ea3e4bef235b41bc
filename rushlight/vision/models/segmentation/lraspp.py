"""LR-ASPP: a light head for MobileNetV3, which joins coarse and fine features."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import rushlight as rl
from rushlight import nn

from ..dense import Start, dense_model
from ._utils import enlarged, mobile_body


class LRASPPHead(nn.Module):
    """Scores of coarse features, weighed by their means, and of fine ones, added."""

    def __init__(
        self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int
    ) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )  # fmt: skip
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, rl.Tensor]) -> rl.Tensor:
        """Scores at the size of the features "low", from those and the coarser "high"."""
        low, high = input["low"], input["high"]
        coarse = enlarged(self.cbr(high) * self.scale(high), low.shape[-2:])
        return self.low_classifier(low) + self.high_classifier(coarse)


class LRASPP(nn.Module):
    """A backbone that gives features "low" and "high", and the light head.

    `forward` takes (N, 3, H, W) and gives {"out": (N, num_classes, H, W)}.
    Source: A. Howard et al., "Searching for MobileNetV3", 2019.

    >>> import rushlight as torch
    >>> class Backbone(torch.nn.Conv2d):
    ...     def forward(self, x):
    ...         low = super().forward(x)
    ...         return {"low": low, "high": low[..., ::2, ::2]}
    >>> net = torch.vision.models.segmentation.LRASPP(Backbone(3, 8, 3, stride=4), 8, 8, 5).eval()
    >>> net(torch.zeros(1, 3, 32, 32))["out"].shape
    torch.Size([1, 5, 32, 32])
    """

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int,
        inter_channels: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: rl.Tensor) -> dict[str, rl.Tensor]:
        """Scores of each pixel."""
        scores = self.classifier(self.backbone(input))
        return OrderedDict(out=enlarged(scores, input.shape[-2:]))


@dense_model("mobilenet_v3_large")
def lraspp_mobilenet_v3_large(start: Start, num_classes: int = 21, **kwargs: Any) -> LRASPP:
    """LR-ASPP on a dilated MobileNetV3, 3.2 million parameters.

    The picture (N, 3, H, W) gives a dictionary: `out`, the scores (N, num_classes, H, W).
    weights: a member of `LRASPP_MobileNet_V3_Large_Weights` or its name
    ("DEFAULT": the best), which is fetched; None: drawn at random.
    weights_backbone: what the backbone begins with, fetched where `weights` is None.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None)
    >>> sum(p.numel() for p in net.parameters())
    3221538
    >>> net.classifier.high_classifier
    Conv2d(128, 21, kernel_size=(1, 1), stride=(1, 1))
    """
    body, (low, high) = mobile_body(start(dilated=True), low=-4, high=-1)
    return LRASPP(body, low, high, num_classes)
