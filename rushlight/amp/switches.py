"""What `autocast` switches, by hand: for code that keeps the state of a region and restores it."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.state import STATE
from . import listed
from .cast import CACHE, CHOSEN


def _checked(name: str, enabled: Any, position: int) -> None:
    if not isinstance(enabled, bool):
        raise TypeError(
            f"{name}(): argument 'enabled' (position {position}) must be bool, not"
            f" {type(enabled).__name__}"
        )


def set_autocast_enabled(device_type: Any, enabled: Any = None) -> None:
    """Switch this thread's autocast on or off for a device; a bool alone means CUDA.

    Raises: TypeError for what is no bool, RuntimeError for a device that torch does not know.

    >>> import rushlight as torch
    >>> torch.set_autocast_enabled("cpu", True)
    >>> (torch.eye(2) @ torch.eye(2)).dtype
    torch.bfloat16
    >>> torch.set_autocast_enabled("cpu", False)
    """
    if enabled is None:
        _checked("set_autocast_enabled", device_type, 1)
        device_type, enabled = "cuda", device_type
    _checked("set_autocast_enabled", enabled, 2)
    device = rl.device(device_type).type
    if device != "cpu":
        (CHOSEN.on.add if enabled else CHOSEN.on.discard)(device)
        return
    if enabled:
        listed.install()
    STATE.autocast = CHOSEN.types["cpu"] if enabled else False


def set_autocast_dtype(device_type: str, dtype: rl.dtype) -> None:
    """Choose the data type of a device's fast ops.

    >>> import rushlight as torch
    >>> torch.set_autocast_dtype("cpu", torch.float16)
    >>> with torch.autocast("cpu"):
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.float16
    >>> torch.set_autocast_dtype("cpu", torch.bfloat16)
    """
    if not isinstance(dtype, rl.dtype):
        raise TypeError(
            "set_autocast_dtype(): argument 'dtype' (position 2) must be torch.dtype, not"
            f" {type(dtype).__name__}"
        )
    device = rl.device(device_type).type
    CHOSEN.types[device] = dtype
    if device == "cpu" and STATE.autocast:
        STATE.autocast = dtype


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """The older form of `set_autocast_enabled("cpu", enabled)`.

    >>> import rushlight as torch
    >>> torch.set_autocast_cpu_enabled(False)
    """
    _plain_bool(enabled)
    set_autocast_enabled("cpu", enabled)


def set_autocast_cpu_dtype(dtype: rl.dtype) -> None:
    """The older form of `set_autocast_dtype("cpu", dtype)`.

    >>> import rushlight as torch
    >>> torch.set_autocast_cpu_dtype(torch.bfloat16)
    """
    _set_type("cpu", dtype)


def set_autocast_gpu_dtype(dtype: rl.dtype) -> None:
    """The older form of `set_autocast_dtype("cuda", dtype)`.

    >>> import rushlight as torch
    >>> torch.set_autocast_gpu_dtype(torch.float16)
    """
    _set_type("cuda", dtype)


def _set_type(device: str, dtype: Any) -> None:
    if not isinstance(dtype, rl.dtype):
        raise TypeError(f"dtype must be a torch.dtype (got {type(dtype).__name__})")
    set_autocast_dtype(device, dtype)


def _plain_bool(enabled: Any) -> None:
    if not isinstance(enabled, bool):
        raise TypeError(f"enabled must be a bool (got {type(enabled).__name__})")


def get_autocast_gpu_dtype() -> rl.dtype:
    """The older form of `get_autocast_dtype("cuda")`.

    >>> import rushlight as torch
    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    return CHOSEN.types.get("cuda", rl.float16)


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Choose whether weights are cast once per region.

    >>> import rushlight as torch
    >>> torch.set_autocast_cache_enabled(False)
    >>> torch.is_autocast_cache_enabled()
    False
    >>> torch.set_autocast_cache_enabled(True)
    """
    _plain_bool(enabled)
    CACHE.enabled = enabled
