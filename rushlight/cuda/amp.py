"""torch.cuda.amp: the older names of mixed precision; without a GPU they warn and do nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import rushlight as rl

from ..amp import GradScaler as _GradScaler
from ..amp import autocast as _autocast
from ..amp import custom_bwd as _custom_bwd
from ..amp import custom_fwd as _custom_fwd
from ..amp.casting import older_name
from ..core.names import explain_missing as _explain_missing

__path__: list[str] = []  # torch's is a package: the alias finds its modules here
_explain_missing(
    __name__, dict.fromkeys(("autocast_mode", "common", "grad_scaler"), (__name__, None))
)


def amp_definitely_not_available() -> bool:
    """Whether there is neither a GPU nor torch_xla, so that no float16 is worth its trouble.

    >>> import rushlight as torch
    >>> torch.cuda.amp.common.amp_definitely_not_available()
    True
    """
    return not (rl.cuda.is_available() or find_spec("torch_xla"))


class autocast(_autocast):
    """`torch.autocast("cuda", ...)`: warns that there is no GPU, and casts nothing.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     region = torch.cuda.amp.autocast()
    >>> with region:
    ...     (torch.eye(2) @ torch.eye(2)).dtype
    torch.float32
    """

    def __init__(
        self, enabled: bool = True, dtype: Any = rl.float16, cache_enabled: bool = True
    ) -> None:
        older_name("cuda", "autocast(args...)")
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(_GradScaler):
    """`torch.amp.GradScaler("cuda", ...)`: warns that there is no GPU, and scales nothing.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     scaler = torch.cuda.amp.GradScaler()
    >>> scaler.is_enabled(), scaler.scale(torch.ones(1))
    (False, tensor([1.]))
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        older_name("cuda", "GradScaler(args...)")
        factors = (init_scale, growth_factor, backoff_factor, growth_interval)
        super().__init__("cuda", *factors, enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: Any = None) -> Any:
    """`torch.amp.custom_fwd(..., device_type="cuda")`: warns that this is its older name.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     forward = torch.cuda.amp.custom_fwd(lambda ctx, x: x * 2)
    >>> callable(forward)
    True
    """
    older_name("cuda", "custom_fwd(args...)", "custom_fwd(args..., device_type='cuda')")
    return _custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any]) -> Any:
    """`torch.amp.custom_bwd(..., device_type="cuda")`: warns that this is its older name.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     backward = torch.cuda.amp.custom_bwd(lambda ctx, g: g * 2)
    >>> callable(backward)
    True
    """
    older_name("cuda", "custom_bwd(args...)", "custom_bwd(args..., device_type='cuda')")
    return _custom_bwd(bwd, device_type="cuda")
