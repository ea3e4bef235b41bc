"""Factors of products that are cast as they lie in memory, and turned afterwards.

Simplification moves bfloat16 before it is cast, as that is half as much. But a product reads turned
factors as fast as others, while a cast that exchanges rows and columns goes through memory in
steps: that took longer than the product.
"""

from __future__ import annotations

from .graph import BFLOAT16, Graph, Node


def turned_last(graph: Graph) -> Graph:
    """The graph with casts of turned bfloat16 as turned casts, where products read them."""
    if not any(node.op == "dot" and any(map(_source, node.inputs)) for node in graph.nodes):
        return graph
    found: dict[Node, Node] = {node: node for node in graph.inputs}
    casts: dict[Node, Node] = {}  # by what is cast to float32
    for node in graph.nodes:
        if node in found:
            continue
        inputs = [found[x] for x in node.inputs]
        if node.op == "dot":
            inputs = [_as_it_lies(x, casts) for x in inputs]
        if node.op == "cast" and _half(inputs[0]) and node.dtype.char == "f":
            found[node] = casts.setdefault(inputs[0], _again(node, inputs))
        else:
            found[node] = _again(node, inputs)
    outputs, effects = ([found[x] for x in part] for part in (graph.outputs, graph.effects))
    return Graph(graph.inputs, outputs, effects)


def _again(node: Node, inputs: list[Node]) -> Node:
    """A node over other inputs."""
    if all(x is y for x, y in zip(inputs, node.inputs)):
        return node
    return node.over(inputs)


def _half(x: Node) -> bool:
    return type(x.dtype) is not tuple and x.dtype.char == BFLOAT16


def _source(x: Node) -> Node | None:
    """The bfloat16 that a factor was turned and cast from."""
    under = x.inputs[0] if x.op == "cast" else None
    if under is None or under.op != "permute" or not _half(under) or x.dtype.char != "f":
        return None
    return under.inputs[0]


def _as_it_lies(x: Node, casts: dict[Node, Node]) -> Node:
    """The turned cast of what is a cast of something turned."""
    source = _source(x)
    if source is None:
        return x
    like = x.dtype, x.line, x.module
    if source not in casts:
        casts[source] = Node("cast", (source,), (), source.shape, *like)
    return Node("permute", (casts[source],), x.inputs[0].params, x.shape, *like)
