"""Network in network, as in "Dive into Deep Learning"."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from .listing import model


def nin_block(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int
) -> nn.Sequential:
    """A convolution and two 1x1 convolutions, each with a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
    )


class NiN(nn.Module):
    """Convolutions with small networks inside, no linear layer: the last channels are the classes.

    `forward` takes (N, in_channels, H, W), H and W from 67, and gives (N, num_classes).
    Source: M. Lin, Q. Chen, S. Yan, "Network in network", 2014; AlexNet's windows as in the course.

    >>> import rushlight as torch
    >>> net = torch.vision.models.NiN()
    >>> net.eval()(torch.zeros(1, 1, 67, 67)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self, num_classes: int = 10, dropout: float = 0.5, *, in_channels: int = 1
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nin_block(in_channels, 96, kernel_size=11, stride=4, padding=0),
            nn.MaxPool2d(3, stride=2),
            nin_block(96, 256, kernel_size=5, stride=1, padding=2),
            nn.MaxPool2d(3, stride=2),
            nin_block(256, 384, kernel_size=3, stride=1, padding=1),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nin_block(384, num_classes, kernel_size=3, stride=1, padding=1),
            nn.AdaptiveAvgPool2d((1, 1)),
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.features(x)).flatten(1)


@model
def nin(**kwargs: Any) -> NiN:
    """Network in network for pictures of one channel; arguments as `NiN`.

    >>> import rushlight as torch
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = torch.vision.models.nin()
    >>> sum(p.numel() for p in net.parameters())
    1992166
    """
    return NiN(**kwargs)
