"""torch.cpu: what programs ask of a device, answered for the one that is here."""

from __future__ import annotations

from typing import Any

from . import amp
from .streams import Event, Stream, StreamContext, current_stream, stream

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count",
    "is_available", "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


def is_initialized() -> bool:
    """True: there is nothing to prepare.

    >>> import rushlight as torch
    >>> torch.cpu.is_initialized()
    True
    """
    return True


def set_device(device: Any) -> None:
    """Nothing: there is one CPU, and it is chosen.

    >>> import rushlight as torch
    >>> torch.cpu.set_device("cpu")
    """


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
