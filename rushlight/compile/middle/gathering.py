"""Sums of equal products become one product: the gradients of a weight that many steps share.

A loop over time leaves `a1.T @ b1 + a2.T @ b2 + ...`, each a short sum over a batch. Joined along
the summed axis, all a's by all b's are one product, which rounds in another order but no worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

from .graph import Graph, Node

FEWEST = 4  # products in a sum from which joining their factors pays
SHORT = 512  # terms of one product: longer ones are as quick alone


def gathered(graph: Graph) -> Graph:
    """The graph with such sums as one product each, and sums of the joined factors as one sum."""
    better = _swept(graph, _one_product, {})
    return better if better is graph else _swept(better, _one_sum, _parts(better))


Rule = Callable[[Node, set[Node], dict[Node, int], dict[Node, Node], Any], Node | None]


def _swept(graph: Graph, rule: Rule, joins: dict[Any, Any]) -> Graph:
    """The graph with what a rule makes of each sum of several values."""
    readers = Counter(chain.from_iterable([node.inputs for node in graph.nodes]))
    readers.update((*graph.outputs, *graph.effects))
    adds = {node for node in graph.nodes if node.op == "add" and node.dtype.kind == "f"}
    inner = {x for node in adds for x in node.inputs
             if x in adds and readers[x] == 1 and x.shape == node.shape}  # fmt: skip
    found = _Found()
    for node in graph.nodes:
        if not found.keys().isdisjoint(node.inputs):
            found[node] = node.over([found[x] for x in node.inputs])
        if node in adds and node not in inner and not inner.isdisjoint(node.inputs):
            better = rule(node, inner, readers, found, joins)
            if better is not None:
                found[node] = better
    if not found:
        return graph
    outputs = [found[node] for node in graph.outputs]
    return Graph(graph.inputs, outputs, [found[node] for node in graph.effects])


class _Found(dict[Node, Node]):
    """What stands for nodes that are no longer as they were."""

    def __missing__(self, node: Node) -> Node:
        return node


def _terms(root: Node, inner: set[Node]) -> list[Node]:
    """What a sum adds up, from left to right."""
    stack, found = [root], []
    while stack:
        node = stack.pop()
        if node is root or node in inner:
            stack.extend(reversed(node.inputs))
        else:
            found.append(node)
    return found


def _one_product(
    root: Node, inner: set[Node], readers: dict[Node, int], found: dict[Node, Node],
    joins: dict[tuple[object, ...], Node],
) -> Node | None:  # fmt: skip
    """The sum with its largest set of equal products as one; None if there are too few."""
    sets: dict[object, list[Node]] = {}
    terms = _terms(root, inner)
    for node in terms:
        axes = _summed(node) if readers[node] == 1 and node.shape == root.shape else None
        if axes is not None:
            rest = [_without(x.shape, axis) for x, axis in zip(node.inputs, axes)]
            sets.setdefault((node.params, *rest), []).append(node)
    dots = max(sets.values(), key=len, default=[])
    if len(dots) < FEWEST:
        return None
    dots.sort(key=_made)  # so that sums over the same steps share joins
    axes = _summed(dots[0]) or (0, 0)
    factors = [
        _joined([found[dot.inputs[side]] for dot in dots], axes[side], joins) for side in (0, 1)
    ]
    total, left = dots[-1].over(factors), set(dots)
    for node in terms:
        if node not in left:
            total = root.over((found[node], total))
    return total


def _parts(graph: Graph) -> dict[Node, list[Node]]:
    """The joins that each value is a part of, as it is or permuted."""
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node.op == "cat" and len(node.inputs) >= FEWEST:
            for part in node.inputs:
                found.setdefault(_straight(part), []).append(node)
    return found


def _straight(node: Node) -> Node:
    return node.inputs[0] if node.op == "permute" else node


def _one_sum(
    root: Node, inner: set[Node], readers: dict[Node, int], found: dict[Node, Node],
    joins: dict[Node, list[Node]],
) -> Node | None:  # fmt: skip
    """A sum of sums over values that are joined anyway: one sum over the join."""
    terms = _terms(root, inner)
    sums: dict[Node, list[Node]] = {}
    for node in terms:
        last = _reduced(node)
        if last.op == "reduce_sum" and readers[node] == readers[last] == 1:
            sums.setdefault(last.inputs[0], []).append(node)
    for whole in joins.get(next(iter(sums), root), ()):
        parts = [_straight(part) for part in whole.inputs]
        chosen = [node for part in parts for node in sums.get(part, ())]
        if len(chosen) == len(parts) == len(set(chosen)) and _alike(chosen, root, whole, found):
            total = _over(whole, chosen[0])
            for node in terms:
                if node not in chosen:
                    total = root.over((found[node], total))
            return total
    return None


def _alike(chosen: list[Node], root: Node, whole: Node, found: dict[Node, Node]) -> bool:
    """Whether some sums of parts are over the axis along which these are joined.

    What was rebuilt meanwhile is left alone.
    """
    axis = _axis(whole)
    for node in chosen:
        last = _reduced(node)
        if node.shape != root.shape or last.params != _reduced(chosen[0]).params:
            return False
        if axis not in last.params[0] or found[last.inputs[0]] is not last.inputs[0]:
            return False
    turns = {part.params for part in whole.inputs if part.op == "permute"}
    return len(turns) + any(part.op != "permute" for part in whole.inputs) == 1


def _reduced(node: Node) -> Node:
    return node.inputs[0] if node.op == "reshape" else node


def _axis(whole: Node) -> int:
    """Along which of their own axes the parts of a join follow each other."""
    first, (axis,) = whole.inputs[0], whole.params
    return first.params[0][axis] if first.op == "permute" else axis


def _over(whole: Node, like: Node) -> Node:
    """A sum as `like`, of a whole join."""
    last, first, x = _reduced(like), whole.inputs[0], whole
    if first.op == "permute":
        dims = first.params[0]
        back = tuple(dims.index(dim) for dim in range(len(dims)))
        shape = tuple(whole.shape[dim] for dim in back)
        x = Node("permute", (whole,), (back,), shape, whole.dtype, whole.line, whole.module)
    total = last.over((x,))
    return total if like is last else like.over((total,))


def _made(dot: Node) -> int:
    """When a product's first factor was made, before it was turned for the product."""
    first = dot.inputs[0]
    return (first.inputs[0] if first.op == "permute" else first).index


def _summed(node: Node) -> tuple[int, int] | None:
    """The one axis of each factor that a short product sums over."""
    if node.op != "dot":
        return None
    operands, result = node.params[0].split("->")
    first, second = operands.split(",")
    letters = [c for c in first if c not in result]
    if len(letters) != 1 or first.count(letters[0]) != 1:
        return None
    axes = first.index(letters[0]), second.index(letters[0])
    return axes if node.inputs[0].shape[axes[0]] <= SHORT else None


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _joined(parts: list[Node], axis: int, joins: dict[tuple[object, ...], Node]) -> Node:
    """The parts one after another; equal joins are one."""
    key = axis, *parts
    if key not in joins:
        first = parts[0]
        size = sum(part.shape[axis] for part in parts)
        shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
        joins[key] = Node("cat", parts, (axis,), shape, first.dtype, first.line, first.module)
    return joins[key]
