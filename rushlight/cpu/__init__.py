"""torch.cpu: what programs ask of a device, answered for the one that is here."""

from __future__ import annotations

from typing import Any

from . import amp


def is_available() -> bool:
    """True: this is the device on which everything is computed.

    >>> import rushlight as torch
    >>> torch.cpu.is_available()
    True
    """
    return True


def device_count() -> int:
    """1: all cores together are one device; `torch.get_num_threads` says how many are used.

    >>> import rushlight as torch
    >>> torch.cpu.device_count()
    1
    """
    return 1


def current_device() -> str:
    """'cpu'.

    >>> import rushlight as torch
    >>> torch.cpu.current_device()
    'cpu'
    """
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Return at once: operations on the CPU are finished when they return.

    >>> import rushlight as torch
    >>> torch.cpu.synchronize()
    """
