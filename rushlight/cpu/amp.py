"""torch.cpu.amp: the older names of mixed precision on the CPU."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..amp import GradScaler as _GradScaler
from ..amp import autocast as _autocast
from ..amp.casting import older_name


class autocast(_autocast):
    """`torch.autocast("cpu", ...)`.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     region = torch.cpu.amp.autocast()
    >>> with region:
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.bfloat16
    """

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        older_name("cpu", "autocast(args...)")
        super().__init__("cpu", dtype or rl.bfloat16, enabled, cache_enabled)


class GradScaler(_GradScaler):
    """`torch.amp.GradScaler("cpu", ...)`: warns that this is its older name.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     scaler = torch.cpu.amp.GradScaler(init_scale=4.0)
    >>> scaler.scale(torch.ones(1))
    tensor([4.])
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        older_name("cpu", "GradScaler(args...)")
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
