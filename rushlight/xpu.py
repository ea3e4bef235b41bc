"""torch.xpu on a machine without Intel's GPUs: questions are answered, requests refused."""

from __future__ import annotations

from typing import Any, NoReturn

from .core.errors import fail
from .core.names import explain_missing as _explain_missing
from .cuda import (
    device_count,
    empty_cache,
    is_available,
    is_bf16_supported,
    is_initialized,
    manual_seed,
    manual_seed_all,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
)  # fmt: skip

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_capability", "get_device_name",
    "get_device_properties", "init", "is_available", "is_bf16_supported", "is_initialized",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_peak_memory_stats", "set_device",
    "synchronize",
]  # fmt: skip


def _refused(*_: Any, **__: Any) -> NoReturn:
    """What only one of Intel's GPUs has or does. Raises: AssertionError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.xpu.synchronize()
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with XPU enabled
    """
    raise fail(
        AssertionError, "Torch not compiled with XPU enabled",
        "rushlight computes on the CPU: the only device is 'cpu'",
    )  # fmt: skip


current_device = get_device_capability = get_device_name = get_device_properties = _refused
init = set_device = synchronize = _refused
_explain_missing(__name__)
