"""Joins graphs of one model at several sizes: numbers that depend on the sizes become nodes."""

from __future__ import annotations

import operator
from typing import Any

import rushlight as rl

from .._dynamo.exc import UserError, UserErrorType
from .._ops import aten
from ..core.size_formulas import Dynamic, Polynomial
from ..fx.graph import Graph
from ..fx.node import Node
from .tracing import Recorder


class Join:
    """The recorder of the example's sizes, its graph made to hold at all sizes."""

    def __init__(
        self, recorders: list[Recorder], sizes: Dynamic, homes: dict[str, tuple[Node, int]]
    ):
        self.graphs = [rec.graph for rec in recorders]
        self.sizes, self.homes = sizes, homes
        self.graph: Graph = self.graphs[0]
        self.made: dict[Any, Node] = {}
        self.first = next(node for node in self.graph.nodes if node.op != "placeholder")
        self.shown: dict[Node, list[Any]] = {}

    def run(self) -> None:
        """Put the nodes in. Raises: UserError where the model does other things at other sizes."""
        rows = [list(graph.nodes) for graph in self.graphs]
        if len({len(row) for row in rows}) > 1:
            raise self._differs("it makes other calls")
        for nodes in list(zip(*rows)):
            if len({(node.op, str(node.target)) for node in nodes}) > 1:
                raise self._differs(f"{nodes[0].target} against {nodes[1].target}")
            node = nodes[0]
            if node.op != "placeholder":
                args = [self.joined(values, node) for values in zip(*[n.args for n in nodes])]
                node.args = tuple(args)
                node.kwargs = {
                    key: self.joined([n.kwargs.get(key) for n in nodes], node)
                    for key in node.kwargs
                }
            shapes = [getattr(n.meta.get("val"), "shape", None) for n in nodes]
            if shapes[0] is not None:
                self.shown[node] = [self._text(one) for one in zip(*shapes)]

    def _differs(self, why: str) -> UserError:
        return UserError(
            UserErrorType.CONSTRAINT_VIOLATION,
            f"Constraints violated: at other sizes the model does other things: {why}. Mark the"
            " dimension Dim.STATIC, or write the model without the sizes' values.",
        )

    def joined(self, values: Any, node: Node) -> Any:
        """One argument of the same call at all sizes."""
        first = values[0]
        if isinstance(first, Node):
            return first
        if isinstance(first, (tuple, list)):
            if len({len(one) for one in values}) > 1:
                raise self._differs("other numbers of arguments")
            return type(first)(self.joined(one, node) for one in zip(*values))
        if all(one == first and type(one) is type(first) for one in values):
            return first
        if not all(type(one) is int for one in values):
            raise self._differs(f"{node.target} is given {first} and {values[1]}")
        found = self.sizes.fitted(values)
        if found is None:
            raise self._differs(f"{node.target} is given {', '.join(map(str, values))}")
        return self._number(found, node)

    def _size(self, symbol: str) -> Node:
        if symbol not in self.made:
            owner, dim = self.homes[symbol]
            with self.graph.inserting_before(self.first):
                made = self.graph.call_function(
                    aten.sym_size.int, (owner, dim), name=f"sym_size_int_{len(self.made) + 1}"
                )
            made.meta["sym"] = symbol
            self.made[symbol] = made
        return self.made[symbol]

    def _number(self, formula: Polynomial, node: Node) -> Any:
        """The nodes of a formula in the sizes, put in front of the node that needs it."""
        total: Any = None
        for names, factor in sorted(formula.items(), reverse=True):
            term: Any = factor if factor != 1 or not names else None
            for name in names:
                size = self._size(name)
                both = (term, size) if isinstance(term, Node) else (size, term)
                term = size if term is None else self._step(operator.mul, *both, node)
            total = term if total is None else self._step(operator.add, total, term, node)
        return total

    def _step(self, function: Any, one: Any, other: Any, node: Node) -> Node:
        key = (function, one, other)
        if key not in self.made:
            with self.graph.inserting_before(node):
                self.made[key] = self.graph.call_function(function, (one, other))
            sign = "*" if function is operator.mul else " + "
            both = (other, one) if type(other) is int else (one, other)
            texts = [x.meta["sym"] if isinstance(x, Node) else str(x) for x in both]
            self.made[key].meta["sym"] = sign.join(texts)
        return self.made[key]

    def _text(self, sizes: Any) -> Any:
        """A dimension as it is printed: a number, or a formula."""
        found = self.sizes.fitted(list(sizes))
        if not found or set(found) == {()}:
            return sizes[0]
        parts = ["*".join([*([str(f)] if f != 1 or not names else []), *names])
                 for names, f in sorted(found.items(), reverse=True)]  # fmt: skip
        return " + ".join(parts)


def resized(tensor: Any, dim: int, size: int) -> Any:
    """The tensor with another size in one dimension: cut, or with its last part repeated."""
    if size == tensor.shape[dim]:
        return tensor
    places = rl.arange(size).clamp(max=tensor.shape[dim] - 1)
    made = tensor.detach().index_select(dim, places)
    return made.requires_grad_(tensor.requires_grad)
