"""The networks of `rushlight train`, fitted to the size of the pictures."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ..vision.models import get_model
from .terminal import Complaint

# Networks of rushlight.vision.models: the smallest side of a picture, the name of their dropout.
LARGE_NETS: dict[str, tuple[int, str | None]] = {
    "alexnet": (63, "dropout"),
    "vgg11": (32, "dropout"),
    "vgg11_bn": (32, "dropout"),
    "vgg16": (32, "dropout"),
    "nin": (67, "dropout"),
    "googlenet": (15, "dropout"),
    "resnet18": (8, None),
    "resnet34": (8, None),
    "resnet50": (8, None),
    "densenet121": (29, "drop_rate"),
    "mobilenet_v2": (8, "dropout"),
    "d2l_alexnet": (63, "dropout"),
    "d2l_vgg11": (32, "dropout"),
    "d2l_resnet18": (8, None),
    "d2l_densenet": (29, None),
}
SIZED = frozenset(("d2l_alexnet", "d2l_vgg11"))  # whose linear layers fit one size of picture
MODELS = ("linear", "softmax", "mlp", "lenet", *LARGE_NETS)
UNDROPPED = frozenset(("linear", "softmax", *(n for n, (_, p) in LARGE_NETS.items() if p is None)))
LARGE = 20  # from this side on LeNet has its original 5x5 windows
SMALLEST = 4

Shape = tuple[int, int, int]


def build(name: str, shape: Shape, classes: int, dropout: float = 0.0) -> nn.Module:
    """The network for pictures of `shape` (channels, height, width)."""
    channels, height, width = shape
    if name in ("linear", "softmax"):
        return _named(flatten=nn.Flatten(), out=nn.Linear(channels * height * width, classes))
    if name == "mlp":
        return _named(
            flatten=nn.Flatten(),
            fc1=nn.Linear(channels * height * width, 256),
            relu1=nn.ReLU(),
            dropout=nn.Dropout(dropout) if dropout else None,
            out=nn.Linear(256, classes),
        )
    if name == "lenet":
        return _lenet(shape, classes, dropout)
    if name in LARGE_NETS:
        return _large(name, shape, classes, dropout)
    raise Complaint(f"there is no model {name!r}; known are {', '.join(MODELS)}", code=2)


def _large(name: str, shape: Shape, classes: int, dropout: float) -> nn.Module:
    """A network of rushlight.vision.models for these pictures, without helping classifiers."""
    channels, height, width = shape
    smallest, dropped = LARGE_NETS[name]
    if min(height, width) < smallest:
        raise Complaint(
            f"{name} needs pictures of {smallest}x{smallest} at least, these are {width}x{height}:"
            " --resize 96 enlarges them"
        )
    given: dict[str, Any] = {"num_classes": classes, "in_channels": channels}
    if dropped is not None:
        given[dropped] = dropout
    if name == "googlenet":
        given["aux_logits"] = False
    if name in SIZED:
        if height != width:
            raise Complaint(f"{name} needs square pictures: --resize 96 makes them so")
        given["image_size"] = height
    return get_model(name, **given)


def _named(**parts: nn.Module | None) -> nn.Module:
    """A Sequential with names; None leaves a part out."""
    return nn.Sequential(OrderedDict((name, part) for name, part in parts.items() if part))


def _lenet(shape: Shape, classes: int, dropout: float) -> nn.Module:
    """Two convolutions with pooling, three linear layers; 3x3 windows for small pictures.

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998,
    with ReLU and maximum pooling in place of the sigmoid and the average.
    """
    channels, height, width = shape
    if min(height, width) < SMALLEST:
        raise Complaint(f"lenet needs pictures of 4x4 at least, these are {width}x{height}")
    large = min(height, width) >= LARGE
    widths, window = ((6, 16), 5) if large else ((16, 32), 3)
    border = 0 if large else 1
    inside = [(side // 2 - (4 if large else 0)) // 2 for side in (height, width)]
    return _named(
        conv1=nn.Conv2d(channels, widths[0], window, padding=window // 2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(widths[0], widths[1], window, padding=border),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        fc1=nn.Linear(widths[1] * inside[0] * inside[1], 120),
        relu3=nn.ReLU(),
        dropout=nn.Dropout(dropout) if dropout else None,
        fc2=nn.Linear(120, 84),
        relu4=nn.ReLU(),
        out=nn.Linear(84, classes),
    )


def criterion(name: str) -> Callable[[rl.Tensor, rl.Tensor], rl.Tensor]:
    """What the network minimises: squared error for `linear`, cross-entropy for the others."""
    return _squared_error if name == "linear" else F.cross_entropy


def _squared_error(scores: rl.Tensor, labels: rl.Tensor) -> rl.Tensor:
    """Linear regression on labels written as rows of zeros and a one."""
    wanted: Any = F.one_hot(labels, scores.shape[1])
    return F.mse_loss(scores, wanted.to(scores.dtype))
