"""Turns what proxies report into nodes, and arguments into data that a graph can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import rushlight as rl

from ..core.gates import start_asking
from .node import Node, map_arg
from .proxy import Proxy, TraceError

if TYPE_CHECKING:
    from .graph import Graph

__all__ = ["GraphAppendingTracer", "TracerBase"]

_VALUES = (
    str, int, float, bool, complex, bytes, type(None), type(Ellipsis), rl.dtype, rl.device,
    rl.memory_format, rl.layout,
)  # fmt: skip


class TracerBase:
    """What proxies ask: nodes are made, arguments become data."""

    graph: Graph
    root: Any = None

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, name: str | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Put a node into the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """The stand-in for a node's result."""
        return Proxy(node, self)  # type: ignore[arg-type]  # self is the tracer

    def create_proxy(
        self, kind: str, target: Any, args: Any, kwargs: Any, name: str | None = None,
        type_expr: Any = None, proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:  # fmt: skip
        """A node, and the stand-in for its result."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args, kwargs, name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """An argument as a graph keeps it: nodes for proxies, values as they are.

        Raises: NotImplementedError for what a graph cannot hold.
        """
        if isinstance(a, Proxy):
            return a.node
        own = getattr(type(a), "__fx_create_arg__", None)
        if own is not None:
            return own(a, self)
        if isinstance(a, tuple):
            parts = [self.create_arg(one) for one in a]
            return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
        if isinstance(a, list):
            return [self.create_arg(one) for one in a]
        if isinstance(a, dict):
            return {self._key(key): self.create_arg(one) for key, one in a.items()}
        if isinstance(a, slice):
            return slice(*(self.create_arg(one) for one in (a.start, a.stop, a.step)))
        if isinstance(a, range):
            return range(a.start, a.stop, a.step)
        if is_dataclass(a) and not isinstance(a, type):
            parts = {one.name: self.create_arg(getattr(a, one.name)) for one in fields(a)}
            return self.create_node("call_function", type(a), (), parts)
        if isinstance(a, (*_VALUES, Node)) or callable(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key: Any) -> Any:
        made = self.create_arg(key)

        def refused(node: Node) -> Node:
            raise RuntimeError(
                f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {made}"
            )

        map_arg(made, refused)
        return made

    def to_bool(self, obj: Proxy) -> bool:
        """What `if x:` gives; subclasses may know. Raises: TraceError."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """What `for one in x` goes through; subclasses may know. Raises: TraceError."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a"
            " loop or as a *args or **kwargs function argument. See the torch.fx docs on"
            " pytorch.org for a more detailed explanation of what types of control flow can be"
            " traced, and check out the Proxy docstring for help troubleshooting Proxy iteration"
            " errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """What `**x` goes through."""
        return obj.tracer.create_proxy("call_method", "keys", (obj,), {})


class GraphAppendingTracer(TracerBase):
    """Puts what is done with a Proxy at the end of an existing graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        start_asking()  # a Proxy has what a tensor has: functions must look before they begin
