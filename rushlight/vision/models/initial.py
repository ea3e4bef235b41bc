"""First weights, by kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import nn


def norms_to_identity(module: nn.Module) -> None:
    """Scale one and shift zero for a batch or group norm that learns them."""
    if isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)) and module.weight is not None:
        nn.init.constant_(module.weight, 1)
        nn.init.constant_(module.bias, 0)


def no_bias(module: Any) -> None:
    """A bias of zeros, where there is one."""
    if module.bias is not None:
        nn.init.constant_(module.bias, 0)


def in_order(net: nn.Module, first: Callable[[nn.Module], None]) -> None:
    """Call `first` on every module, parents before children, as torchvision walks them."""
    for module in net.modules():
        first(module)


def xavier(module: nn.Module) -> None:
    """The course's `init_cnn`: Glorot's uniform weights for linear and convolution layers."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)


def mobile(module: nn.Module) -> None:
    """MobileNets' weights: normal, by outgoing connections or of deviation 0.01; no biases."""
    norms_to_identity(module)
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        no_bias(module)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        no_bias(module)
