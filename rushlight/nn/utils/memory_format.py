"""Weights of convolutions in another memory format."""

from __future__ import annotations

from typing import Any

import rushlight as rl

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _moved(module: Any, kinds: tuple[type, ...], memory_format: Any) -> Any:
    for child in module.modules():
        if isinstance(child, kinds):
            child.weight.data = child.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The module, its weights of Conv2d and ConvTranspose2d laid out as asked; all else stays.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(2, 2))
    >>> same = torch.nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
    >>> same is net, net[0].weight.stride()
    (True, (18, 1, 6, 2))
    """
    return _moved(module, (rl.nn.Conv2d, rl.nn.ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """The module, its weights of Conv3d and ConvTranspose3d laid out as asked; all else stays.

    >>> import rushlight as torch
    >>> net = torch.nn.Conv3d(2, 2, 2)
    >>> _ = torch.nn.utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d)
    >>> net.weight.stride()
    (16, 1, 8, 4, 2)
    """
    return _moved(module, (rl.nn.Conv3d, rl.nn.ConvTranspose3d), memory_format)
