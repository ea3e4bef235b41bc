"""What a rule made of one node serves others of the same form: the steps of a loop, equal layers.

A rule sees its operands' shapes and types, the values of constants among them, and parameters.
Where all these agree it makes the same nodes again, so they are copied over the new operands.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from typing import Any

from ..disk.digest import Opaque, params_of
from ..middle.graph import Node
from .value import Value


class Moulds:
    """The moulds of one graph's nodes."""

    def __init__(self, s: Any) -> None:
        self.s = s
        self._known: dict[Any, Any] = {}  # what a mould is made of, then the mould, or None

    def lowered(self, node: Node, xs: Sequence[Any], rule: Callable[..., Any]) -> Any:
        """What `rule(s, node, xs)` gives; from the second time on without calling it."""
        key = _form(node, xs, self.s.wanted)
        if key is None:
            return rule(self.s, node, xs)
        known = self._known.get(key)
        if type(known) is tuple:
            known = self._known[key] = _made(*known)
        if known is not None:
            return known.filled(self.s, xs)
        first = len(self.s.made)
        found = rule(self.s, node, xs)
        self._known.setdefault(key, (self.s.made, first, len(self.s.made), xs, found))
        return found


def _made(made: Sequence[Node], first: int, last: int, xs: Any, found: Any) -> _Mould | None:
    try:
        return _Mould(made[first:last], xs, found)
    except KeyError:  # it reads a node that is neither its own nor an operand
        return None


class _Mould:
    """Nodes over operands: what they read is said by place, in front the operands.

    A constant is shared as it is.
    """

    def __init__(self, made: Sequence[Node], xs: Sequence[Any], found: Any) -> None:
        steps = [node for node in made if node.op != "constant"]
        nodes = [*(x.node for x in xs), *steps]
        places = _Places({node: k for k, node in reversed(list(enumerate(nodes)))})
        self.steps = [
            (node.op, [places[x] for x in node.inputs], node.params, node.shape, node.dtype)
            for node in steps
        ]  # fmt: skip
        self.several = type(found) is tuple
        parts = found if self.several else (found,)
        self.found = [None if one is None else places[one.node] for one in parts]

    def filled(self, s: Any, xs: Sequence[Any]) -> Any:
        """The same over other operands."""
        nodes = [x.node for x in xs]
        line, module = s.line, s.module
        for op, reads, params, shape, dtype in self.steps:
            inputs = [nodes[x] if type(x) is int else x for x in reads]
            nodes.append(Node(op, inputs, params, shape, dtype, line, module))
        found = [
            None if x is None else Value(s, nodes[x] if type(x) is int else x) for x in self.found
        ]
        return tuple(found) if self.several else found[0]


class _Places(dict[Node, Any]):
    def __missing__(self, node: Node) -> Node:
        if node.op != "constant":
            raise KeyError(node)
        return node


def _form(node: Node, xs: Sequence[Any], wanted: Any) -> Any:
    """All that a rule may look at; None where that cannot be said."""
    seen: dict[Node, int] = {}
    operands: list[Any] = []
    for k, x in enumerate(xs):
        if type(x) is not Value:
            return None
        of = x.node
        first = seen.setdefault(of, k)
        if first != k:
            operands.append(first)
        elif of.op == "constant":
            value = of.params[0]
            number = value is not None and not value.ndim and not value.dtype.hasobject
            operands.append((of.dtype, value.tobytes()) if number else of)  # type: ignore[union-attr]  # an array then
        else:
            operands.append((of.shape, of.dtype))
    try:
        params = marshal.dumps(params_of(node), 0) if node.params else b""
    except (Opaque, ValueError):
        return None
    return node.op, params, node.shape, node.dtype, tuple(wanted), *operands
