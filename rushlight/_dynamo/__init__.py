"""The few names of torch._dynamo that model code calls: hints to the tracer, and questions."""

from __future__ import annotations

from typing import Any

from ..compiler import allow_in_graph, assume_constant_result, disable, is_compiling, reset
from ..core.names import explain_missing as _explain_missing
from . import eval_frame as eval_frame

__all__ = [
    "allow_in_graph", "assume_constant_result", "disable", "is_compiling", "mark_static_address",
    "reset",
]  # fmt: skip


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing: programs take the addresses of tensors anew at every call."""


_MASKS = "_trace_wrapped_higher_order_op"  # what makers of attention masks import
_explain_missing(
    __name__,
    {
        _MASKS: (f"rushlight._dynamo.{_MASKS}", None),
        "OptimizedModule": ("rushlight.nn.module", "OptimizedModule"),
        "exc": ("rushlight._dynamo.exc", None),
    },
)
