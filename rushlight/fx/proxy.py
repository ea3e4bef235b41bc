"""Stand-ins that flow through a function being traced and note what is done to them."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.names import explain_missing as _explain_missing
from .node import Node, map_aggregate

if TYPE_CHECKING:
    from .tracer import Tracer

__all__ = ["Attribute", "Proxy", "TraceError"]


class TraceError(ValueError):
    """The function asks for a value, and there is none while it is traced.

    >>> import rushlight as torch
    >>> try:
    ...     torch.fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x)
    ... except torch.fx.proxy.TraceError:
    ...     print("the way depends on a value")
    the way depends on a value
    """


class Proxy:
    """The result of a node that does not exist yet; every use of it makes another node.

    Operators, methods, attributes and torch's functions are noted. What needs the value itself
    (`if x:`, `for one in x`, `len(x)`) raises TraceError.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Proxy

    >>> import rushlight as torch
    >>> graph = torch.fx.Graph()
    >>> x = torch.fx.Proxy(graph.placeholder("x"))
    >>> y = (x + 1).relu()
    >>> [node.name for node in graph.nodes]
    ['x', 'add', 'relu']
    """

    def __init__(self, node: Node, tracer: Tracer | None = None) -> None:
        self.tracer: Any = node.graph.appending() if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        if (k.startswith("__") and k.endswith("__")) or k in ("node", "tracer"):
            raise AttributeError(k)
        return Attribute(self, k)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = sys._getframe(1)
        count = _unpacked(frame.f_code, frame.f_lasti)
        if count is not None:
            return (self[i] for i in range(count))  # type: ignore[index]  # set below, with the operators
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """What `**x` asks for."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be"
            " recorded, please call torch.fx.wrap('len') at module scope"
        )

    def __contains__(self, other: Any) -> bool:
        raise TraceError("'in' is not supported for values that are being traced")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        proxy = find_proxy((args, kwargs))
        assert proxy is not None
        name = getattr(orig_method, "__name__", "")
        if getattr(orig_method, "__qualname__", "").startswith("Tensor."):
            return proxy.tracer.create_proxy("call_method", name, args, kwargs or {})
        return proxy.tracer.create_proxy("call_function", orig_method, args, kwargs or {})


class Attribute(Proxy):
    """`x.name` before it is known whether it will be called (a method) or used (a value).

    >>> import rushlight as torch
    >>> graph = torch.fx.symbolic_trace(lambda x: x.T + x.relu())
    >>> [node.op for node in graph.graph.nodes]
    ['placeholder', 'call_method', 'call_function', 'call_function', 'output']
    """

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """The node that reads the attribute, made when it is needed."""
        if self._node is None:
            made = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {})
            self._node = made.node
        return self._node  # type: ignore[return-value]  # made on demand

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


def _unpacked(code: Any, place: int) -> int | None:
    """Into how many names the line at `place` unpacks a value; None if it does something else."""
    for one in dis.get_instructions(code):
        if one.offset == place:
            return one.argval if one.opname == "UNPACK_SEQUENCE" else None
    return None


def find_proxy(values: Any) -> Proxy | None:
    """The first Proxy inside nested arguments."""
    found: list[Proxy] = []

    def look(one: Any) -> Any:
        if isinstance(one, Proxy):
            found.append(one)
        return one

    map_aggregate(values, look)
    return found[0] if found else None


_BINARY = (
    "add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "matmul", "lshift", "rshift", "and_",
    "or_", "xor",
)  # fmt: skip
_OTHER = ("lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "invert", "getitem")


def _noted(function: Callable[..., Any]) -> Callable[..., Proxy]:
    def method(self: Proxy, *args: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", function, (self, *args), {})

    return method


def _turned(function: Callable[..., Any]) -> Callable[..., Proxy]:
    def method(self: Proxy, other: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", function, (other, self), {})

    return method


for _name in _BINARY + _OTHER:
    setattr(Proxy, f"__{_name.rstrip('_')}__", _noted(getattr(operator, _name)))
for _name in _BINARY:
    _plain = _name.rstrip("_")
    setattr(Proxy, f"__r{_plain}__", _turned(getattr(operator, _name)))
Proxy.__hash__ = object.__hash__  # == is noted, identity hashes
Proxy.__abs__ = _noted(operator.abs)  # type: ignore[attr-defined]  # as the others


_NOTING = ("GraphAppendingTracer", "TracerBase")
_explain_missing(__name__, {name: ("rushlight.fx.noting", name) for name in _NOTING})
