"""The few names of torch._C that Python code reads: types, and questions about what is going on."""

from __future__ import annotations

import rushlight as rl

from .core.names import explain_missing as _explain_missing

Generator = rl.Generator
Size = rl.Size
device = rl.device
dtype = rl.dtype
layout = rl.layout
memory_format = rl.memory_format


def _get_tracing_state() -> None:
    """None: nothing is ever traced by torch.jit."""


def _log_api_usage_once(event: str) -> None:
    """Nothing: no usage is logged."""


_explain_missing(__name__)
