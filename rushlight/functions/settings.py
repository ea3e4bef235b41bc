"""Process-wide switches of torch that ask for what is always so here, kept for programs."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from ..core import dtypes, memory
from ..core.dtypes import SCALAR_TYPE_NAMES
from ..core.elsewhere import get_default_device, set_default_device
from ..core.errors import fail, warn_always
from ..core.state import STATE, set_default_dtype

__all__ = [
    "are_deterministic_algorithms_enabled", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled", "set_default_device", "set_default_tensor_type",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
    "set_warn_always", "use_deterministic_algorithms",
]  # fmt: skip

_PRECISIONS = ("highest", "high", "medium")
_DEBUG_MODES = ("default", "warn", "error")
_state: dict[str, Any] = {"precision": "highest", "deterministic": 0, "warn_only": False}


def set_default_tensor_type(t: Any) -> None:
    """`set_default_dtype` by the name of an old tensor type, such as `torch.DoubleTensor`.

    >>> import rushlight as torch, warnings
    >>> before = torch.get_default_dtype()
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # that it is deprecated
    ...     torch.set_default_tensor_type(torch.DoubleTensor)
    >>> torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_dtype(before)
    """
    warnings.warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use"
        " torch.set_default_dtype() and torch.set_default_device() as alternatives.",
        UserWarning, stacklevel=2,
    )  # fmt: skip
    name = f"{t.__module__}.{t.__name__}" if isinstance(t, type) else str(t)
    kinds = {f"torch.{text}Tensor": kind for kind, text in SCALAR_TYPE_NAMES.items()}
    if name not in kinds and name.replace("torch.cuda.", "torch.") in kinds:
        raise TypeError(f"type {name} not available. Torch not compiled with CUDA enabled.")
    if name not in kinds:
        raise TypeError(f"invalid type object: {t!r}")
    kind = dtypes.named(kinds[name])
    if kind.category != dtypes.FLOAT:
        raise TypeError("only floating-point types are supported as the default type")
    set_default_dtype(kind)


def set_warn_always(b: bool) -> None:
    """Whether warnings that are given once in a process are given every time.

    >>> import rushlight as torch
    >>> before = torch.is_warn_always_enabled()
    >>> torch.set_warn_always(True)
    >>> torch.is_warn_always_enabled()
    True
    >>> torch.set_warn_always(before)
    """
    if type(b) is not bool:
        raise RuntimeError(f"setWarnOnlyOnce expects a bool, but got {type(b).__name__}")
    warn_always(b)


def is_warn_always_enabled() -> bool:
    """Whether `set_warn_always(True)` was called.

    >>> import rushlight as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return warn_always()


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remember the wish; every operation on the CPU is deterministic here without it.

    `empty` and its kin fill what they make, unless `torch.utils.deterministic` says otherwise.

    >>> import rushlight as torch
    >>> torch.use_deterministic_algorithms(True)
    >>> torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.use_deterministic_algorithms(False)
    """
    _state["deterministic"] = (1 if warn_only else 2) if mode else 0
    _state["warn_only"] = bool(warn_only)
    memory.FILLS[:] = [_strike] if mode else []


def _strike(array: np.ndarray) -> np.ndarray:
    """Fill memory that nobody wrote yet with what strikes the eye, unless a program said no."""
    asked = sys.modules.get("rushlight.utils.deterministic")
    if STATE.tracer is None and getattr(asked, "fill_uninitialized_memory", True):
        whole = array.dtype.kind in "iu"
        array.fill(np.iinfo(array.dtype).max if whole else np.nan)  # which is True too
    return array


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms(True)` was called.

    >>> import rushlight as torch
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    if STATE.tracer is not None:
        STATE.tracer.stop("it asks for a setting, which a program does not know")
    return _state["deterministic"] > 0


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was called with `warn_only=True`.

    >>> import rushlight as torch
    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return _state["warn_only"]


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by number or name: 0 default, 1 warn, 2 error.

    >>> import rushlight as torch
    >>> torch.set_deterministic_debug_mode("warn")
    >>> torch.get_deterministic_debug_mode()
    1
    >>> torch.set_deterministic_debug_mode(0)
    """
    names = {name: number for number, name in enumerate(_DEBUG_MODES)}
    number = names.get(debug_mode) if isinstance(debug_mode, str) else debug_mode
    if number not in (0, 1, 2):
        raise RuntimeError(
            "invalid value of debug_mode, expected `default`, `warn`, `error`, or 0, 1, 2, "
            f"but got {debug_mode}"
        )
    use_deterministic_algorithms(number > 0, warn_only=number == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: default, warn or error.

    >>> import rushlight as torch
    >>> torch.get_deterministic_debug_mode()
    0
    """
    return _state["deterministic"]


def set_float32_matmul_precision(precision: str) -> None:
    """Remember "highest", "high" or "medium"; products are in full float32 here in any case.

    >>> import rushlight as torch
    >>> torch.set_float32_matmul_precision("high")
    >>> torch.get_float32_matmul_precision()
    'high'
    >>> torch.set_float32_matmul_precision("highest")
    """
    if precision not in _PRECISIONS:
        raise fail(
            RuntimeError,
            f"{precision} is not one of 'highest', 'high' and 'medium'",
        )
    _state["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was last set, at first "highest".

    >>> import rushlight as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return _state["precision"]


def set_flush_denormal(mode: bool) -> bool:
    """Ask that tiny numbers become zero; False, with a warning: NumPy has no such switch.

    >>> import rushlight as torch
    >>> torch.set_flush_denormal(False)
    False
    """
    if mode:
        warnings.warn("denormal numbers are kept: NumPy cannot flush them", stacklevel=2)
    return False
