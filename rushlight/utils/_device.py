"""torch.utils._device: blocks and functions in which tensors are made on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from ._contextlib import context_decorator

_explain_missing(__name__)


class DeviceContext:
    """`with DeviceContext(device):` is `with torch.device(device):`.

    >>> import rushlight as torch
    >>> from rushlight.utils._device import DeviceContext
    >>> with DeviceContext("meta"):
    ...     print(torch.zeros(2).device)
    meta
    """

    def __init__(self, device: Any) -> None:
        self.device = rl.device(device)

    def __enter__(self) -> None:
        self.device.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self.device.__exit__(*failure)


def device_decorator(device: Any, func: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose tensors are made on the device."""
    return context_decorator(lambda: device, func)
