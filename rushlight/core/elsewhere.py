"""Where a factory puts its result: here, or on the meta device, whose tensors hold no values."""

from __future__ import annotations

import importlib
from typing import Any

from . import dtypes
from .dispatch import write_out
from .state import STATE
from .tensor import Tensor, set_requires_grad

CHOSEN = [0]  # whether a default device was ever chosen, by a block or for good
_MADE: list[Any] = []  # the module of meta tensors, once there are any


def meta() -> Any:
    """The module that makes tensors without values, loaded when the first one is made."""
    if not _MADE:
        _MADE.append(importlib.import_module("rushlight.core.meta"))
    return _MADE[0]


def sparse(layout: Any) -> bool:
    """Whether a layout is one that keeps some values alone."""
    return layout not in (None, dtypes.strided, dtypes.jagged)


def without_values(*asked: Any) -> Tensor:
    """`functions.sparse.without_values`, loaded when it is first asked for."""
    return importlib.import_module("rushlight.functions.sparse").without_values(*asked)


def absent(device: Any, layout: Any = None) -> bool:
    """Whether a factory asked for this device makes a tensor without values.

    Raises torch's errors for devices and layouts that are not there.
    """
    if layout is not None and layout is not dtypes.strided:
        dtypes.require_cpu(None, layout)
    if device is None:
        if not CHOSEN[0]:
            return False
        device = STATE.devices[-1] if STATE.devices else STATE.device
        if device is None:
            return False
    if device is dtypes.CPU or (type(device) is str and device == "cpu"):
        return False
    found = device if type(device) is dtypes.device else dtypes.device(device)
    if found.type == "meta":
        return True
    dtypes.require_cpu(found)
    return False


def finished(shape: Any, kind: Any, requires_grad: bool = False, out: Any = None,
             strides: Any = None) -> Any:  # fmt: skip
    """A new tensor without values, a leaf if it shall require grad; or `out`, for its shape."""
    result = meta().blank(shape, kind, strides)
    if out is not None:
        return write_out(result, out)
    if requires_grad:
        set_requires_grad(result, True)
    return result


def alike(like: Tensor, kind: Any, requires_grad: bool, memory_format: Any = None) -> Any:
    """A new tensor without values that looks like another."""
    form = meta().fresh(meta().form_of(like), kind)
    result = finished(form.shape, form.dtype, False, None, form.strides)
    if memory_format is not None:
        result = result.to(memory_format=memory_format)
    if requires_grad:
        set_requires_grad(result, True)
    return result


def _enter(device: dtypes.device) -> None:
    absent(device)
    STATE.devices = (*STATE.devices, device)
    CHOSEN[0] = 1


def _leave() -> None:
    STATE.devices = STATE.devices[:-1]


dtypes.DEFAULTS_OF_BLOCKS[:] = [_enter, _leave]


def set_default_device(device: Any) -> None:
    """Choose where tensors are made that are not told: the CPU, "meta", or None for the CPU.

    Raises torch's error for devices that are not there.

    >>> import rushlight as torch
    >>> with torch.device("meta"): torch.zeros(2)
    tensor(..., device='meta', size=(2,))
    """
    if device is not None:
        absent(device)
        device = dtypes.device(device)
    STATE.device = device
    CHOSEN[0] = 1


def get_default_device() -> dtypes.device:
    """Where tensors are made that are not told.

    >>> import rushlight as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    found = STATE.devices[-1] if STATE.devices else STATE.device
    return dtypes.CPU if found is None else found
