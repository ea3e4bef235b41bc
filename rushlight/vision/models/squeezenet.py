"""SqueezeNet 1.0 and 1.1 in torchvision's form."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from . import initial
from .listing import model

# the stem's channels and kernel; then the widths of Fire modules, with 0 where pictures are halved
_VERSIONS = {
    "1_0": ((96, 7), (0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64)),
    "1_1": ((64, 3), (0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64)),
}


class Fire(nn.Module):
    """Few channels (1x1), then many: half of them from a 1x1 convolution, half from a 3x3."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Both kinds of channels, one after the other."""
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        return rl.cat([small, self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Fire modules between poolings; a convolution and the mean of its result give the scores.

    `forward` takes (N, in_channels, H, W), H and W from 21, and gives (N, num_classes).
    Raises: ValueError for a version other than "1_0" and "1_1".
    Source: F. N. Iandola et al., "SqueezeNet", 2016.

    >>> import rushlight as torch
    >>> torch.vision.models.SqueezeNet("1_1", 10).eval()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5, *,
        in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        (wide, kernel), rows = _VERSIONS[version]
        parts: list[nn.Module] = [
            nn.Conv2d(in_channels, wide, kernel, stride=2), nn.ReLU(inplace=True),
        ]  # fmt: skip
        for narrow in rows:
            if narrow:
                parts.append(Fire(wide, narrow, 4 * narrow, 4 * narrow))
                wide = 8 * narrow
            else:
                parts.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        self.features = nn.Sequential(*parts)
        last = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                initial.no_bias(module)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return rl.flatten(self.classifier(self.features(x)), 1)


@model
def squeezenet1_0(**kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.0, 1.2 million parameters; arguments as `SqueezeNet` after the first.

    weights: a member of `SqueezeNet1_0_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.squeezenet1_0()
    >>> sum(p.numel() for p in net.parameters())
    1248424
    """
    return SqueezeNet("1_0", **kwargs)


@model
def squeezenet1_1(**kwargs: Any) -> SqueezeNet:
    """SqueezeNet 1.1, 1.2 million parameters and less than half the work.

    weights: a member of `SqueezeNet1_1_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.squeezenet1_1()
    >>> sum(p.numel() for p in net.parameters())
    1235496
    """
    return SqueezeNet("1_1", **kwargs)
