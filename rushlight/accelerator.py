"""torch.accelerator on a machine without one: questions are answered, requests refused as there."""

from __future__ import annotations

from typing import Any, NoReturn

from .core.errors import fail
from .core.names import explain_missing as _explain_missing

__all__ = [
    "current_accelerator", "current_device_index", "current_stream", "device_count", "device_index",
    "empty_cache", "get_memory_info", "is_available", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
    "reset_accumulated_memory_stats", "reset_peak_memory_stats", "set_device_index", "set_stream",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: everything is computed on the CPU.

    >>> import rushlight as torch
    >>> torch.accelerator.is_available(), torch.accelerator.current_accelerator()
    (False, None)
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None: there is no accelerator."""


class device_index:
    """A block on another device; for None a block like any other."""

    def __init__(self, device: int | None) -> None:
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None:
            _refuse()

    def __exit__(self, *error: object) -> None:
        """Nothing to undo."""


def _refuse(*_: Any) -> NoReturn:
    """Refuse: RuntimeError."""
    raise fail(
        RuntimeError, "Cannot access accelerator device when none is available.",
        "ask torch.accelerator.is_available() first: this build computes on the CPU",
    )  # fmt: skip


def current_device_index() -> int:
    """Refuse: RuntimeError."""
    _refuse()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Refuse: RuntimeError."""
    _refuse()


def memory_stats(device_index: Any = None, /) -> dict[str, Any]:
    """Refuse: RuntimeError."""
    _refuse()


current_stream = empty_cache = max_memory_allocated = max_memory_reserved = _refuse
memory_allocated = memory_reserved = reset_accumulated_memory_stats = _refuse
reset_peak_memory_stats = set_device_index = set_stream = synchronize = _refuse

_explain_missing(__name__)
