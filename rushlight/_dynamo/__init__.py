"""The names of torch._dynamo that programs call: hints to the tracer, settings, and questions."""

from __future__ import annotations

from typing import Any

from ..compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    reset,
    set_stance,
)
from ..core.names import explain_missing as _explain_missing
from ..core.state import STATE
from ..functions.compilation import compile as _compile
from . import eval_frame as eval_frame
from .backends import list_backends, lookup_backend, register_backend
from .explaining import explain

__all__ = [
    "allow_in_graph", "assume_constant_result", "disable", "disallow_in_graph", "explain",
    "forbid_in_graph", "graph_break", "is_compiling", "list_backends", "lookup_backend",
    "mark_dynamic", "mark_static", "mark_static_address", "maybe_mark_dynamic", "optimize",
    "register_backend", "reset", "run", "set_stance",
]  # fmt: skip


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing: programs take the addresses of tensors anew at every call."""


def mark_dynamic(
    t: Any, index: Any, *, hint_override: Any = None, min: Any = None, max: Any = None,
    specialize_on: Any = None,
) -> None:  # fmt: skip
    """Nothing: a program is made for each size of a dimension, up to the limit of programs."""


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Nothing, as `mark_dynamic`."""


def mark_static(t: Any, index: Any = None) -> None:
    """Nothing: every size is static."""


def graph_break(msg: str = "") -> None:
    """Keep the function that is being traced out of compiled programs; nothing elsewhere.

    With `fullgraph=True` it is an error that names the line.
    """
    text = f"torch._dynamo.graph_break({msg!r})" if msg else "torch._dynamo.graph_break()"
    for one in (STATE.tracer, STATE.follower):
        if one is not None:
            one.stop(text)


def disallow_in_graph(fn: Any) -> Any:
    """`disable` under torch's older name: what calls the function runs eagerly."""
    return disable(fn)


def forbid_in_graph(fn: Any) -> Any:
    """A function that must not be met while tracing: it is not, as `disable` keeps it out."""
    return disable(fn)


def optimize(backend: Any = "inductor", *, nopython: bool = False, **settings: Any) -> Any:
    """`torch.compile` in its older spelling: a decorator. `nopython` is `fullgraph`."""
    return lambda fn: _compile(
        fn, backend=backend, fullgraph=nopython, disable=settings.get("disable", False)
    )


def run(fn: Any = None) -> Any:
    """The function, run with the programs that it has: new kinds of calls run eagerly."""
    return set_stance("eager_on_recompile")(fn)


_MASKS = "_trace_wrapped_higher_order_op"  # what makers of attention masks import
_explain_missing(
    __name__,
    {
        "config": ("rushlight._dynamo.config", None),
        _MASKS: (f"rushlight._dynamo.{_MASKS}", None),
        "OptimizedModule": ("rushlight.nn.module_compiled", "OptimizedModule"),
        "backends": ("rushlight._dynamo.backends", None),
        "exc": ("rushlight._dynamo.exc", None),
    },
)
