"""Numbers put on a grid of few levels; their gradients pass as if nothing had happened to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import elementwise
from .elementwise import round
from .fused.kernels import widened


def _level(x: Any, scale: Any, zero_point: Any, whole: bool) -> Any:
    """Which level a number is nearest to, counted from `zero_point`; halves go to even ones."""
    steps = x * (1 / scale)
    # a zero point between two levels moves the number, a whole one its level; no level is -0
    return round(steps, 0) + zero_point if whole else round(steps + zero_point, 0) + 0.0


def _fake_quantize(
    x: Any, scale: Any, zero_point: Any, low: int, high: int, whole: bool
) -> np.ndarray:
    level = _level(widened(x), scale, zero_point, whole)
    held = np.fmin(np.fmax(level, low), high)  # nan goes to the lowest level
    return ((held - zero_point).astype(np.float32) * scale).astype(x.dtype, copy=False)


def _on_grid(y: Any, x: Any, scale: Any, zero_point: Any, low: int, high: int, whole: bool) -> Any:
    level = _level(x, scale, zero_point, whole)
    return ((level >= low) & (level <= high)) * 1.0  # a factor in torch: 0 * inf is nan


def _declared(name: str, kernel: str, node: str) -> Any:
    return elementwise(
        name, eval=_fake_quantize, dtype="first", reads="x", partials=[_on_grid, 0.0, 0.0],
        refuses={"bool int uint8 complex": kernel}, node=node,
        doc="x at the nearest of the levels low..high of `scale`; the gradient passes on the grid.",
    )  # fmt: skip


_OF_TENSOR = "fake_quantize_tensor_cachemask_kernel_type_handling"
by_numbers = _declared(
    "fake_quantize_by_numbers", _OF_TENSOR, "FakeQuantizePerTensorAffineCachemaskBackward0"
)
by_tensors = _declared(
    "fake_quantize_by_tensors", _OF_TENSOR,
    "FakeQuantizePerTensorAffineCachemaskTensorQparamsBackward0",
)  # fmt: skip
by_channel = _declared(
    "fake_quantize_by_channel", "fake_quantize_channel_cachemask_cpu_type_handling",
    "FakeQuantizePerChannelAffineCachemaskBackward0",
)  # fmt: skip
