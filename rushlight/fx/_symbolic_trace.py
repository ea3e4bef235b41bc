"""What libraries that bring a `trace` of their own take of torch.fx._symbolic_trace."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from .graph import Graph
from .graph_module import GraphModule, symbolic_trace
from .noting import TracerBase
from .patches import Patches, wrap
from .proxy import Proxy
from .tracer import Tracer

__all__ = [
    "FunctionType", "Graph", "GraphModule", "Proxy", "ScriptObject", "Tracer", "TracerBase",
    "compatibility", "functools", "symbolic_trace", "wrap",
]  # fmt: skip

_orig_module_call = rl.nn.Module.__call__
_orig_module_getattr = rl.nn.Module.__getattr__

_explain_missing(__name__)


class ScriptObject:
    """What TorchScript's own objects are instances of: there are none."""


def compatibility(is_backward_compatible: bool) -> Callable[[Any], Any]:
    """A mark of torch's on functions whose arguments will stay; nothing is done with it.

    >>> import rushlight as torch
    >>> from rushlight.fx._symbolic_trace import compatibility
    >>> compatibility(is_backward_compatible=True)(len)([1, 2])
    2
    """
    return lambda function: function


class _Patcher(Patches):
    """Assignments to classes and dictionaries that are undone at the end of a block."""

    def patch_method(
        self, cls: type, name: str, new_fn: Callable[..., Any], deduplicate: bool = True
    ) -> None:
        self.attribute(cls, name, new_fn)

    def patch(
        self, frame_dict: dict[str, Any], name: str, new_fn: Any, deduplicate: bool = True
    ) -> None:
        self.entry(frame_dict, name, new_fn)


def _patch_wrapped_functions(patcher: Patches) -> None:
    """Let the functions of torch, and those that `wrap` was called for, be noted."""
    patcher.wrapped()
    patcher.search_all(iter(()))


def _autowrap_check(
    patcher: Patches, frame_dict: dict[str, Any], function_ids: Iterable[int] = ()
) -> None:
    """Let the functions of torch that a module's names stand for be noted."""
    patcher.search(frame_dict)
