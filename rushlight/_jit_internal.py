"""`torch._jit_internal`: the marks and annotations that code for TorchScript takes from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Dict, Final, List, Optional, Tuple, Union  # noqa: UP035  (as such code says)

from .core.names import explain_missing as _explain_missing
from .futures import Future
from .jit import export, ignore, is_scripting, unused

__all__ = [
    "Any", "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "BroadcastingList4",
    "BroadcastingList5", "BroadcastingList6", "Callable", "Dict", "Final", "Future", "List",
    "Optional", "Tuple", "Union", "boolean_dispatch", "boolean_dispatched", "export", "ignore",
    "is_scripting", "unused",
]  # fmt: skip

boolean_dispatched: dict[Callable[..., Any], dict[str, Any]] = {}


class _BroadcastingList:
    """The annotation of an argument that may be one number or as many as there are dimensions."""

    def __getitem__(self, types: Any) -> None:
        return None


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()
BroadcastingList4 = BroadcastingList5 = BroadcastingList6 = BroadcastingList1


def boolean_dispatch(
    arg_name: str, arg_index: int, default: bool, if_true: Callable[..., Any],
    if_false: Callable[..., Any], module_name: str | None, func_name: str | None,
) -> Callable[..., Any]:  # fmt: skip
    """A function that calls one of two, as its argument of that name or place says.

    >>> from rushlight._jit_internal import boolean_dispatch
    >>> size = boolean_dispatch("long", 1, False, lambda x, long: 9, lambda x: 1, None, "size")
    >>> size(0), size(0, True), size(0, long=True)
    (1, 9, 9)
    """
    first, other = if_true.__doc__, if_false.__doc__
    if first is not None and other is not None:
        raise RuntimeError("only one function can have a docstring")

    def chosen(*args: Any, **kwargs: Any) -> Any:
        given = args[arg_index] if arg_index < len(args) else default
        return (if_true if kwargs.get(arg_name, given) else if_false)(*args, **kwargs)

    if_true.__doc__ = if_false.__doc__ = chosen.__doc__ = first or other
    chosen.__module__ = module_name or chosen.__module__
    chosen.__name__ = func_name or chosen.__name__
    boolean_dispatched[chosen] = {
        "if_true": if_true, "if_false": if_false, "index": arg_index, "default": default,
        "arg_name": arg_name,
    }  # fmt: skip
    return chosen


def _copy_to_script_wrapper(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The method itself: code always runs as Python."""
    return fn


_explain_missing(
    __name__, {name: ("rushlight.jit", name) for name in ("_overload", "_overload_method")}
)
