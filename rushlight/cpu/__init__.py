"""torch.cpu: what programs ask of a device, answered for the one that is here."""

from __future__ import annotations

from typing import Any

from . import amp


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """'cpu'."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Return at once: operations on the CPU are finished when they return."""
