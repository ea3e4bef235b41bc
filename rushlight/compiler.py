"""torch.compiler: what code may ask of, and tell, the compiler that traces it.

Source: https://pytorch.org/docs/stable/torch.compiler_api.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .core.names import explain_missing as _explain_missing
from .core.state import STATE
from .functions.compilation import compile

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable",
    "is_compiling", "is_dynamo_compiling", "is_exporting",
]  # fmt: skip


def is_compiling() -> bool:
    """Whether the running line is being traced by `torch.compile`.

    >>> import rushlight as torch
    >>> torch.compiler.is_compiling()
    False
    """
    return STATE.tracer is not None


def is_dynamo_compiling() -> bool:
    """The same: there is one tracer."""
    return is_compiling()


def is_exporting() -> bool:
    """Whether a model is being exported: never, as there is no torch.export here."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Keep a function out of compiled programs: a call that reaches it goes on eagerly from there.

    >>> import rushlight as torch
    >>> @torch.compiler.disable
    ... def twice(x): return 2 * x
    >>> twice(torch.ones(1))
    tensor([2.])
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)

    @functools.wraps(fn)
    def eager(*args: Any, **kwargs: Any) -> Any:
        if STATE.tracer is not None:
            name = getattr(fn, "__qualname__", repr(fn))
            STATE.tracer.stop(reason or f"{name} is not to be compiled (torch.compiler.disable)")
        return fn(*args, **kwargs)

    return eager


def allow_in_graph(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: whatever it does on tensors is traced."""
    return fn


def assume_constant_result(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: numbers of Python's are constants of the program that meets them."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Nothing: there are no CUDA graphs whose memory a new step could take over."""


_explain_missing(__name__)
