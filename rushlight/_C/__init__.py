"""The few names of torch._C that Python code reads: types, and questions about what is going on."""

from __future__ import annotations

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from ..core.overrides import MODES, SWITCH, all_disabled, disabled, plain_results
from ..core.state import STATE

Generator = rl.Generator
Size = rl.Size
device = rl.device
dtype = rl.dtype
layout = rl.layout
memory_format = rl.memory_format
TensorBase = rl.Tensor
_TensorMeta = type(rl.Tensor)
_has_cuda = _has_cudnn = _has_mps = _has_xpu = False
has_lapack = has_spectral = True
_disabled_torch_function_impl = plain_results
DisableTorchFunctionSubclass = disabled
DisableTorchFunction = all_disabled


class Value:
    """A value in a graph of TorchScript's: there are none."""


class Node:
    """A step of such a graph."""


class Graph:
    """Such a graph, which annotations name."""


class ScriptObject:
    """An object of a class compiled for TorchScript: there are none."""


def _is_torch_function_enabled() -> bool:
    """Whether subclasses are asked now."""
    return not SWITCH.off


def _is_torch_function_mode_enabled() -> bool:
    """Whether a TorchFunctionMode is active in this thread."""
    return bool(MODES.active)


def _len_torch_function_stack() -> int:
    """How many of them are."""
    return len(MODES.active)


def _set_grad_enabled(mode: bool) -> None:
    """Record gradients from now on in this thread, or do not."""
    rl.set_grad_enabled(mode)


def _are_functorch_transforms_active() -> bool:
    """Whether a transform of torch.func is running."""
    return bool(STATE.transforms)


def _get_tracing_state() -> None:
    """None: nothing is ever traced by torch.jit."""


def _is_tracing() -> bool:
    """False: nothing is ever traced by torch.jit."""
    return False


def _jit_set_profiling_executor(mode: bool) -> bool:
    """True, as if it had been on: TorchScript's executors are not there to be chosen."""
    return True


_jit_set_profiling_mode = _jit_set_profiling_executor


def _log_api_usage_once(event: str) -> None:
    """Nothing: no usage is logged."""


_explain_missing(
    __name__,
    {"_functorch": ("rushlight._C._functorch", None), "_nn": ("rushlight._C._nn", None)},
)
