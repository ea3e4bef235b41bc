"""Layers keep `channels_last`: their results have the memory layout of their input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import rushlight as rl

from ..core.gates import surround
from ..functions.layouts import channels_last_array, lies_channels_last

KEEP = (
    "conv2d conv3d conv_transpose2d conv_transpose3d batch_norm group_norm max_pool2d max_pool3d"
    " avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d"
    " interpolate pixel_shuffle pixel_unshuffle local_response_norm pad dropout relu relu6"
    " leaky_relu elu gelu silu hardtanh hardswish"
)
BY_WEIGHT = frozenset(("conv2d", "conv3d", "conv_transpose2d", "conv_transpose3d"))


def _keeping(by_weight: bool) -> Callable[..., Any]:
    """What is done around a function: its result takes the format of its input (or its weight)."""

    def keeps(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = function(*args, **kwargs)
        given = args[: 2 if by_weight else 1] or tuple(kwargs.values())[:1]
        if any(isinstance(x, rl.Tensor) and lies_channels_last(x._array) for x in given):
            for part in result if isinstance(result, tuple) else (result,):
                _lay(part, given)
        return result

    return keeps


def _lay(result: Any, given: Any) -> None:
    """Move a result that nobody else has seen; a view or the input itself stays."""
    if not isinstance(result, rl.Tensor) or any(result is x for x in given):
        return
    array = result._array
    fresh = type(array) is np.ndarray and result._base is None and array.flags.c_contiguous
    if fresh and array.ndim in (4, 5):
        result._array = channels_last_array(array)


def install() -> None:
    """Surround the functions, once; they stay the objects that programs have hold of."""
    functions = {}
    for home in (rl.nn.functional, rl):
        for name in KEEP.split():
            function = getattr(home, name, None)
            if function is not None:
                functions[id(function)] = function, name
    for function, name in functions.values():
        surround(function, _keeping(name in BY_WEIGHT))
