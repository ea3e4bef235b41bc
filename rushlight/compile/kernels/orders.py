"""Values made in the order in which they are wanted, instead of put in order by a copy.

A product whose result is only read with its dimensions in another order may as well be written in
that order, and so may a value joined out of such results. The user's permute is then no work.
"""

from __future__ import annotations

from ..middle.graph import POINTWISE, Graph, Node


def ordered(graph: Graph) -> Graph:
    """The graph with permutes moved into the products and joins that they alone read."""
    if not any(node.op == "permute" for node in graph.nodes):
        return graph
    move = _Move(graph)
    found: dict[Node, Node] = {}
    for node in graph.nodes:
        fresh = [found[x] for x in node.inputs]
        better = move.permuted(node) if node.op == "permute" else None
        if better is not None:
            found[node] = _renewed(better, found)
        elif all(a is b for a, b in zip(fresh, node.inputs)):
            found[node] = node
        else:
            found[node] = node.over(fresh)
    outputs = [found[node] for node in graph.outputs]
    return Graph(graph.inputs, outputs, [found[node] for node in graph.effects])


def _renewed(node: Node, found: dict[Node, Node]) -> Node:
    """A new piece of graph over nodes that may have been replaced."""
    if node in found:
        return found[node]
    return node.over([_renewed(x, found) for x in node.inputs])


def _turned(x: Node, dims: tuple[int, ...]) -> Node:
    shape = tuple(x.shape[dim] for dim in dims)
    return Node("permute", (x,), (dims,), shape, x.dtype, x.line, x.module)


class _Move:
    def __init__(self, graph: Graph) -> None:
        self.users = graph.users()
        self.kept = {*graph.outputs, *graph.effects}

    def permuted(self, node: Node) -> Node | None:
        """What gives a permute's value without it, if somebody needs its elements in order."""
        if all(user.op == "dot" for user in self.users[node]) and node not in self.kept:
            return None  # products read their operands in any order
        return self._moved(node.inputs[0], node.params[0], node)

    def _moved(self, x: Node, dims: tuple[int, ...], like: Node) -> Node | None:
        """`x` with its dimensions in another order, made in that order."""
        if x in self.kept or len(self.users[x]) != 1:
            return None
        if x.op in POINTWISE:
            return self._pointwise(x, dims, like)
        if x.op == "permute":
            return self._moved(x.inputs[0], tuple(x.params[0][dim] for dim in dims), like)
        rule = {"dot": self._dot, "reshape": self._reshape, "cat": self._cat}.get(x.op)
        return rule(x, dims, like) if rule else None

    def _dot(self, x: Node, dims: tuple[int, ...], like: Node) -> Node:
        operands, result = x.params[0].split("->")
        spec = f"{operands}->{''.join(result[dim] for dim in dims)}"
        shape = tuple(x.shape[dim] for dim in dims)
        return Node("dot", x.inputs, (spec,), shape, x.dtype, like.line, like.module)

    def _reshape(self, x: Node, dims: tuple[int, ...], like: Node) -> Node | None:
        """A reshape that only adds or drops dimensions of one."""
        (inner,) = x.inputs
        outer = [dim for dim in range(x.ndim) if x.shape[dim] != 1]
        own = [dim for dim in range(inner.ndim) if inner.shape[dim] != 1]
        if [x.shape[dim] for dim in outer] != [inner.shape[dim] for dim in own]:
            return None
        same = dict(zip(outer, own))
        ones = [dim for dim in range(inner.ndim) if inner.shape[dim] == 1]
        order = (*ones, *(same[dim] for dim in dims if dim in same))
        found = self._moved(inner, order, like)
        shape = tuple(x.shape[dim] for dim in dims)
        return found and Node("reshape", (found,), (shape,), shape, x.dtype, like.line, like.module)

    def _pointwise(self, x: Node, dims: tuple[int, ...], like: Node) -> Node | None:
        """An operation on something that can be moved."""
        parts, moved = [], False
        for part in x.inputs:
            if part.size == 1:
                parts.append(part)
                continue
            better = self._moved(part, dims, like) if part.shape == x.shape else None
            moved |= better is not None
            if better is None and part.ndim < x.ndim:
                wide = (*[1] * (x.ndim - part.ndim), *part.shape)
                part = Node("reshape", (part,), (wide,), wide, part.dtype, part.line, part.module)
            parts.append(better or _turned(part, dims))
        shape = tuple(x.shape[dim] for dim in dims)
        return Node(x.op, parts, x.params, shape, x.dtype, x.line, x.module) if moved else None

    def _cat(self, x: Node, dims: tuple[int, ...], like: Node) -> Node:
        parts = [self._moved(part, dims, like) or _turned(part, dims) for part in x.inputs]
        shape = tuple(x.shape[dim] for dim in dims)
        where = (dims.index(x.params[0]),)
        return Node("cat", parts, where, shape, x.dtype, like.line, like.module)
