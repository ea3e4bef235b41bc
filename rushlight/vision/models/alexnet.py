"""AlexNet in torchvision's form."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from .listing import model


class AlexNet(nn.Module):
    """Five convolutions and three linear layers, in one column.

    `forward` takes pictures (N, in_channels, H, W), H and W from 63, and gives (N, num_classes).
    dropout: the share of units dropped before the first two linear layers.
    Source: A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.

    >>> import rushlight as torch
    >>> net = torch.vision.models.AlexNet(num_classes=10)
    >>> sum(p.numel() for p in net.features.parameters())
    2469696
    """

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.5, *, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@model
def alexnet(**kwargs: Any) -> AlexNet:
    """AlexNet, 61.1 million parameters; arguments as `AlexNet`.

    weights: a member of `AlexNet_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.get_model("alexnet")
    >>> sum(p.numel() for p in net.parameters())
    61100840
    """
    return AlexNet(**kwargs)
