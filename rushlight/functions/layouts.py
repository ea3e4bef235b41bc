"""Memory formats: tensors whose channels lie next to each other (`torch.channels_last`)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import named, whole
from ..core.tensor import Tensor, wrap
from ..ops import structure

RANK = {dtypes.channels_last: 4, dtypes.channels_last_3d: 5}
# Installed before the first tensor takes such a format: the layers learn to keep it.
_KEEPER = ["rushlight.nn.kept_layout"]


def keep() -> bool:
    """Let the layers keep formats from here on; whether they did not before."""
    late = bool(_KEEPER)
    while _KEEPER:
        importlib.import_module(_KEEPER.pop()).install()
    return late


def lies_channels_last(array: Any) -> bool:
    """Whether a picture's (or volume's) channels are innermost in memory, and not by chance.

    >>> import numpy as np
    >>> lies_channels_last(np.zeros((2, 4, 5, 3)).transpose(0, 3, 1, 2))
    True
    """
    if type(array) is not np.ndarray or array.ndim not in (4, 5) or array.flags.c_contiguous:
        return False
    return np.moveaxis(array, 1, -1).flags.c_contiguous or _steps_channels_last(array)


def _steps_channels_last(array: np.ndarray) -> bool:
    """Whether the steps grow from channels over places to images, as in a part of such images."""
    steps, shape = array.strides, array.shape
    if not steps[1] or not array.size:
        return False
    reach = 0  # how far the dimensions further in go
    for dim in (1, *range(array.ndim - 1, 1, -1), 0):
        if steps[dim] < reach or (dim == 0 and steps[0] == reach == steps[1]):
            return False
        reach = steps[dim] * max(shape[dim], 1)
    return True


def channels_last_array(array: np.ndarray) -> np.ndarray:
    """A copy with the channels innermost."""
    return np.moveaxis(np.moveaxis(array, 1, -1).copy(order="C"), -1, 1)


def in_order(x: Tensor, order: tuple[int, ...]) -> Tensor:
    """A result that nobody else has seen, in memory with these dimensions outermost first."""
    back = tuple([order.index(dim) for dim in range(len(order))])
    array = x._array
    if type(array) is np.ndarray and x._base is None:  # the same numbers: nothing for the tape
        x._array = array.transpose(order).copy(order="C").transpose(back)
        return x
    return structure.contiguous(x.permute(order)).permute(back)


def in_format(
    x: Tensor, memory_format: Any, copy: bool = False, node: str = "CloneBackward0"
) -> Tensor:
    """x in the format, itself if it is so already; gradients flow through.

    Raises: RuntimeError if the rank does not fit.
    """
    if memory_format is dtypes.contiguous_format:
        return named(structure.contiguous_copy(x), node) if copy else structure.contiguous(x)
    rank = RANK.get(memory_format)
    if rank is None:
        return named(structure.clone(x), node) if copy else x
    if x.ndim != rank:
        name = memory_format.name
        raise RuntimeError(f"required rank {rank} tensor to use {name} format")
    keep()
    array = x._array
    if not copy and np.ndarray is type(array) and np.moveaxis(array, 1, -1).flags.c_contiguous:
        return x
    if x._entry is None and type(array) is np.ndarray:
        return wrap(channels_last_array(array))
    inner = structure.contiguous_copy(structure.permute(x, (0, *range(2, rank), 1)))
    return whole(structure.permute(inner, (0, rank - 1, *range(1, rank - 1))), node)
