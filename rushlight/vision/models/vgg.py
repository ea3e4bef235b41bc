"""VGG with 11, 13, 16 and 19 layers, with and without batch norm, in torchvision's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl
from rushlight import nn

from . import initial
from .listing import model

# Convolutions of each stage; a pooling ends it. Widths double up to 512.
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Stages of 3x3 convolutions (`features`), then three linear layers.

    `forward` takes (N, C, H, W) and gives (N, num_classes); `features` must end with 512 channels.
    init_weights: draw the convolutions by He's rule, the linear layers from N(0, 0.01^2).
    Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks", 2015.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.vgg import stages
    >>> stages(11)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 512, 1, 1])
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        initial.no_bias(module)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        initial.no_bias(module)


def stages(depth: int, batch_norm: bool = False, in_channels: int = 3) -> nn.Sequential:
    """The convolutional part of VGG with `depth` layers: 11, 13, 16 or 19."""
    plan: list[int | str] = []
    for count, width in zip(_DEPTHS[depth], _WIDTHS):
        plan += [*[width] * count, "M"]
    return make_layers(plan, batch_norm, in_channels)


def make_layers(
    cfg: Sequence[int | str], batch_norm: bool = False, in_channels: int = 3
) -> nn.Sequential:
    """Convolutions of the widths of a plan with their activations, and poolings where it says "M".

    >>> import rushlight as torch
    >>> make_layers([4, "M"])(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 4, 4, 4])
    """
    layers: list[nn.Module] = []
    for width in cfg:
        if not isinstance(width, int):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(in_channels, width, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        in_channels = width
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, *, in_channels: int = 3, **kwargs: Any) -> VGG:
    return VGG(stages(depth, batch_norm, in_channels), **kwargs)


@model
def vgg11(**kwargs: Any) -> VGG:
    """VGG-11, 132.9 million parameters; arguments as `VGG`, and `in_channels`.

    weights: a member of `VGG11_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg11()
    >>> sum(p.numel() for p in net.parameters())
    132863336
    """
    return _vgg(11, False, **kwargs)


@model
def vgg11_bn(**kwargs: Any) -> VGG:
    """VGG-11 with batch norm, 132.9 million parameters; arguments as `VGG`.

    weights: a member of `VGG11_BN_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg11_bn()
    >>> sum(p.numel() for p in net.parameters())
    132868840
    >>> net.features[1]
    BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    return _vgg(11, True, **kwargs)


@model
def vgg13(**kwargs: Any) -> VGG:
    """VGG-13, 133.0 million parameters; arguments as `VGG`.

    weights: a member of `VGG13_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg13()
    >>> sum(p.numel() for p in net.parameters())
    133047848
    >>> net.classifier[0]
    Linear(in_features=25088, out_features=4096, bias=True)
    """
    return _vgg(13, False, **kwargs)


@model
def vgg13_bn(**kwargs: Any) -> VGG:
    """VGG-13 with batch norm, 133.1 million parameters; arguments as `VGG`.

    weights: a member of `VGG13_BN_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg13_bn()
    >>> sum(p.numel() for p in net.parameters())
    133053736
    >>> net.features[1]
    BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    return _vgg(13, True, **kwargs)


@model
def vgg16(**kwargs: Any) -> VGG:
    """VGG-16, 138.4 million parameters.

    weights: a member of `VGG16_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg16()
    >>> sum(p.numel() for p in net.parameters())
    138357544
    """
    return _vgg(16, False, **kwargs)


@model
def vgg16_bn(**kwargs: Any) -> VGG:
    """VGG-16 with batch norm, 138.4 million parameters; arguments as `VGG`.

    weights: a member of `VGG16_BN_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg16_bn()
    >>> sum(p.numel() for p in net.parameters())
    138365992
    >>> net.features[1]
    BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    return _vgg(16, True, **kwargs)


@model
def vgg19(**kwargs: Any) -> VGG:
    """VGG-19, 143.7 million parameters; `features` serves style transfer.

    weights: a member of `VGG19_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg19()
    >>> sum(p.numel() for p in net.parameters())
    143667240
    """
    return _vgg(19, False, **kwargs)


@model
def vgg19_bn(**kwargs: Any) -> VGG:
    """VGG-19 with batch norm, 143.7 million parameters; arguments as `VGG`.

    weights: a member of `VGG19_BN_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.vgg19_bn()
    >>> sum(p.numel() for p in net.parameters())
    143678248
    >>> net.features[1]
    BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """
    return _vgg(19, True, **kwargs)
