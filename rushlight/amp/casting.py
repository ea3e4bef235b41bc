"""`autocast`: matrix products run in bfloat16, what needs precision in float32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.state import STATE
from . import listed
from .cast import CACHE, CHOSEN, clear_autocast_cache

_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "maia", "xla", "meta", "privateuseone")
_FAST = {"cpu": (rl.bfloat16, rl.float16)}


class autocast:
    """Inside it ops run in the data type that is right for them; a context and a decorator.

    On the CPU matrix products, convolutions and attention run in `dtype` (bfloat16, or float16);
    losses, decompositions, Fourier transforms, quantiles and some padding and pooling in float32;
    all others as their operands come. float64 is left alone. Weights are cast once per region
    unless `cache_enabled=False`. `enabled=False` inside another region switches it off.
    Raises: RuntimeError for an unknown device. A dtype that cannot be, and a device that is not
    here, warn and switch it off.
    Source: https://docs.pytorch.org/docs/stable/amp.html

    >>> import rushlight as torch
    >>> a = torch.eye(2)
    >>> with torch.autocast("cpu", dtype=torch.bfloat16):
    ...     (a @ a).dtype, (a + a).dtype, torch.nn.functional.mse_loss(a @ a, a).dtype
    (torch.bfloat16, torch.float32, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: rl.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._enabled = enabled and self._possible()
        self._cache_enabled = CACHE.enabled if cache_enabled is None else cache_enabled
        self._before: list[tuple[Any, bool, Any]] = []

    def _possible(self) -> bool:
        """Whether it can be done here; says why not."""
        if self.device != "cpu":
            if self.device == "cuda":
                _warn("CUDA is not available or torch_xla is imported. Disabling autocast.")
            return False
        if self.fast_dtype not in _FAST["cpu"]:
            _warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtype of torch.bfloat16, torch.float16 currently."
            )
            return False
        return True

    def __enter__(self) -> autocast:
        self._before.append((STATE.autocast, CACHE.enabled, CHOSEN.types.get(self.device)))
        CACHE.depth += 1
        if self.device == "cpu":
            if self._enabled:
                listed.install()
            STATE.autocast = self.fast_dtype if self._enabled else False
        CHOSEN.types[self.device] = self.fast_dtype
        CACHE.enabled = self._cache_enabled
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        STATE.autocast, CACHE.enabled, chosen = self._before.pop()
        CHOSEN.types[self.device] = chosen or rl.float16
        autocast_decrement_nesting()
        return False

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)


def autocast_increment_nesting() -> int:
    """Enter a region by hand; the depth.

    >>> import rushlight as torch
    >>> torch.autocast_increment_nesting(), torch.autocast_decrement_nesting()
    (1, 0)
    """
    CACHE.depth += 1
    return CACHE.depth


def autocast_decrement_nesting() -> int:
    """Leave a region by hand; the outermost forgets the weights that were cast.

    >>> import rushlight as torch
    >>> torch.autocast_increment_nesting(), torch.autocast_decrement_nesting()
    (1, 0)
    """
    CACHE.depth -= 1
    if CACHE.depth == 0:
        clear_autocast_cache()
    return CACHE.depth


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device.

    >>> import rushlight as torch
    >>> torch.amp.is_autocast_available("cpu")
    True
    """
    return device_type in _DEVICES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this thread is inside an enabled region for the device.

    >>> import rushlight as torch
    >>> with torch.autocast("cpu"):
    ...     torch.is_autocast_enabled("cpu")
    True
    """
    return bool(STATE.autocast) if device_type == "cpu" else device_type in CHOSEN.on


def is_autocast_cpu_enabled() -> bool:
    """Whether this thread is inside an enabled region for the CPU.

    >>> import rushlight as torch
    >>> with torch.autocast("cpu"):
    ...     torch.is_autocast_cpu_enabled()
    True
    """
    return bool(STATE.autocast)


def is_autocast_cache_enabled() -> bool:
    """Whether weights are cast once per region.

    >>> import rushlight as torch
    >>> torch.is_autocast_cache_enabled()
    True
    """
    return CACHE.enabled


def get_autocast_dtype(device_type: str) -> rl.dtype:
    """The data type of the fast ops: the region's, else bfloat16 on the CPU.

    >>> import rushlight as torch
    >>> torch.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    if not is_autocast_available(device_type):
        raise fail(
            RuntimeError,
            f"User specified an unsupported autocast device_type '{device_type}'",
            "rushlight computes on 'cpu'",
        )
    return CHOSEN.types.get(device_type, rl.float16)


def get_autocast_cpu_dtype() -> rl.dtype:
    """The data type of the fast ops on the CPU.

    >>> import rushlight as torch
    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    return get_autocast_dtype("cpu")


def custom_fwd(
    fwd: Callable[..., Any] | None = None,
    *,
    device_type: str,
    cast_inputs: rl.dtype | None = None,
) -> Any:
    """Decorate an autograd function's `forward`: with `cast_inputs` it runs outside autocast,
    on inputs of that type.

    >>> import rushlight as torch
    >>> class Half(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    ...     def forward(ctx, x):
    ...         return x / 2
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, grad):
    ...         return grad / 2
    >>> with torch.autocast("cpu"):
    ...     Half.apply(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)
    wrapped: Callable[..., Any] = fwd

    @functools.wraps(wrapped)
    def forward(*args: Any, **kwargs: Any) -> Any:
        args[0]._fwd_used_autocast = is_autocast_enabled(device_type)
        if cast_inputs is None or not is_autocast_enabled(device_type):
            return wrapped(*args, **kwargs)
        with autocast(device_type, enabled=False):
            cast = [listed.converted(one, cast_inputs) for one in args]
            named = {key: listed.converted(one, cast_inputs) for key, one in kwargs.items()}
            return wrapped(*cast, **named)

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorate an autograd function's `backward`: it runs under the `forward`'s autocast.

    >>> import rushlight as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type="cpu")
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> x = torch.ones(1, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)
    wrapped: Callable[..., Any] = bwd

    @functools.wraps(wrapped)
    def backward(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=getattr(args[0], "_fwd_used_autocast", False)):
            return wrapped(*args, **kwargs)

    return backward


def older_name(device: str, old: str, new: str | None = None) -> None:
    """torch's warning for a name of `torch.cuda.amp` or `torch.cpu.amp`."""
    if new is None:
        name, _, rest = old.partition("(")
        new = f"{name}('{device}', {rest}"
    warnings.warn(
        f"`torch.{device}.amp.{old}` is deprecated. Please use `torch.amp.{new}` instead.",
        FutureWarning,
        stacklevel=3,
    )
