"""LeNet-5, as in "Dive into Deep Learning"."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from .listing import model


class LeNet(nn.Module):
    """Two convolutions with sigmoids and average pooling, three linear layers.

    `forward` takes (N, in_channels, image_size, image_size) and gives (N, num_classes).
    Raises: ValueError for an image_size below 12, of which nothing would be left.
    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> import rushlight as torch
    >>> net = torch.vision.models.LeNet()
    >>> sum(p.numel() for p in net.parameters())
    61706
    """

    def __init__(
        self, num_classes: int = 10, *, in_channels: int = 1, image_size: int = 28
    ) -> None:
        super().__init__()
        side = (image_size // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"LeNet needs pictures of 12x12 at least, got image_size={image_size}")
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * side * side, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.features(x).flatten(1))


@model
def lenet(**kwargs: Any) -> LeNet:
    """LeNet-5 for 28x28 pictures of one channel, 61,706 parameters; arguments as `LeNet`.

    >>> import rushlight as torch
    >>> net = torch.vision.models.lenet()
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    return LeNet(**kwargs)
