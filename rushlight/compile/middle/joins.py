"""Values that are joined more than once stand in memory once; the other joins are windows of it.

What a loop over time leaves is joined for the gradients of the weights: the states before each
step, which but for one are also the states after, and the gradients of each gate over all steps,
which each step has joined over all gates. As joins of their own they would be written twice.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from .graph import POINTWISE, REDUCTIONS, Graph, Node

FEWEST = 4  # parts from which a join is looked at
_VIEWS = frozenset("reshape permute slice".split())
_READERS = POINTWISE | REDUCTIONS | {"dot"}


def merged(graph: Graph) -> Graph:
    """The graph with such joins made once."""
    for rule in (_turned, _overlapping, _nested):
        if len(joins := [node for node in graph.nodes if _many(node)]) < 2:
            return graph
        graph = _rebuilt(graph, rule(graph, joins))
    return graph


def _many(node: Node) -> bool:
    return node.op == "cat" and len(node.inputs) >= FEWEST


def _new(like: Node, op: str, inputs: Sequence[Node], params: Any, shape: Sequence[int]) -> Node:
    return Node(op, inputs, params, tuple(shape), like.dtype, like.line, like.module)


def _cat(parts: Sequence[Node], axis: int) -> Node:
    first = parts[0]
    size = sum(part.shape[axis] for part in parts)
    shape = (*first.shape[:axis], size, *first.shape[axis + 1 :])
    return _new(first, "cat", parts, (axis,), shape)


def _window(whole: Node, like: Node, axis: int, start: int) -> Node:
    """What stands in a joined value from `start` on, as large as `like`."""
    starts = tuple(start if dim == axis else 0 for dim in range(whole.ndim))
    stops = tuple(low + size for low, size in zip(starts, like.shape))
    return _new(like, "slice", (whole,), (starts, stops, (1,) * whole.ndim), like.shape)


def _turned(graph: Graph, joins: Sequence[Node]) -> dict[Node, Node]:
    """Joins of permuted values: the values are joined as they lie, and the whole is permuted."""
    found = {}
    for node in joins:
        if any(part.op != "permute" for part in node.inputs):
            continue
        params = node.inputs[0].params
        if any(part.params != params for part in node.inputs):
            continue
        whole = _cat([part.inputs[0] for part in node.inputs], params[0][node.params[0]])
        found[node] = _new(node, "permute", (whole,), params, node.shape)
    return found


def _overlapping(graph: Graph, joins: Sequence[Node]) -> dict[Node, Node]:
    """Joins that end with what others begin with."""
    readers = _Readers(graph)
    begun: dict[Node, list[tuple[int, Node]]] = {}
    for k, join in enumerate(joins):
        begun.setdefault(join.inputs[0], []).append((k, join))
    found: dict[Node, Node] = {}
    for one in joins:
        near = (pair for part in dict.fromkeys(one.inputs) for pair in begun.get(part, ()))
        for _, two in sorted(near, key=itemgetter(0)):
            if one is two or one in found or two in found or one.params != two.params:
                continue
            start = _overlap(one.inputs, two.inputs)
            if not start or not (readers.free(one) and readers.free(two)):
                continue
            more = two.inputs[len(one.inputs) - start :]
            if readers.behind((one, two), more):
                continue
            (axis,) = one.params
            whole = _cat((*one.inputs, *more), axis)
            before = sum(part.shape[axis] for part in one.inputs[:start])
            found[one] = _window(whole, one, axis, 0)
            found[two] = _window(whole, two, axis, before)
    return found


def _overlap(one: Sequence[Node], two: Sequence[Node]) -> int:
    """From which part on the first join is how the second begins; 0: from none, or too late."""
    start = one.index(two[0])
    shared = len(one) - start
    enough = 2 * shared >= max(len(one), len(two))
    return start if enough and len(two) >= shared and one[start:] == two[:shared] else 0


def _nested(graph: Graph, joins: Sequence[Node]) -> dict[Node, Node]:
    """Joins over steps of what each step joins with others: columns of a join of those joins."""
    readers = _Readers(graph)
    found: dict[Node, Node] = {}
    for columns, rows in _crossings(joins).items():
        count = len(columns[0].inputs)
        if 2 * len(rows) < count or any(x in found or not readers.free(x) for x in columns):
            continue
        parts = [x for column in columns for x in column.inputs]
        if readers.behind(columns, (*parts, *rows.values())):
            continue
        (axis,) = next(iter(rows.values())).params
        steps = [
            rows.get(step) or _cat([column.inputs[step] for column in columns], axis)
            for step in range(count)
        ]
        whole, start = _cat(steps, 0), 0
        for column in columns:
            found[column] = _window(whole, column, axis, start)
            start += column.shape[axis]
    return found


def _crossings(joins: Sequence[Node]) -> dict[tuple[Node, ...], dict[int, Node]]:
    """Joins along the first dimension by which step of them which other join puts together."""
    places: dict[Node, tuple[Node, int]] = {}
    twice: Counter[Node] = Counter()
    for node in joins:
        if node.params == (0,):
            places.update({part: (node, step) for step, part in enumerate(node.inputs)})
            twice.update(node.inputs)
    found: dict[tuple[Node, ...], dict[int, Node]] = {}
    for node in joins:
        if node.params == (0,) or any(twice[part] != 1 for part in node.inputs):
            continue
        columns, steps = zip(*(places[part] for part in node.inputs))
        sizes = {len(column.inputs) for column in columns}
        if len(set(columns)) == len(columns) and len(set(steps)) == len(sizes) == 1:
            found.setdefault(columns, {})[steps[0]] = node
    return found


class _Readers:
    """Who reads what in a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.kept = graph, {*graph.outputs, *graph.effects}

    @functools.cached_property
    def users(self) -> dict[Node, list[Node]]:
        """Which nodes read each node."""
        return self.graph.users()

    def free(self, node: Node) -> bool:
        """Whether a value is only read by what does not care how it lies in memory."""
        stack = [node]
        while stack:
            x = stack.pop()
            if x in self.kept:
                return False
            for user in self.users[x]:
                if user.op in _VIEWS:
                    stack.append(user)
                elif user.op not in _READERS:
                    return False
        return True

    def behind(self, first: Iterable[Node], parts: Iterable[Node]) -> bool:
        """Whether any of some parts is made from one of the first nodes."""
        return not _downstream(self.graph, first).isdisjoint(parts)


def _downstream(graph: Graph, first: Iterable[Node]) -> set[Node]:
    """Some nodes and all that is made from them."""
    found = set(first)
    for node in graph.nodes:
        if not found.isdisjoint(node.inputs):
            found.add(node)
    return found


def _rebuilt(graph: Graph, better: Mapping[Node, Node]) -> Graph:
    """The graph with some nodes replaced by pieces of graph over the old ones."""
    if not better:
        return graph
    touched = _downstream(graph, better)
    found = {node: node for node in graph.nodes if node not in touched}
    ends = [*graph.effects, *graph.outputs]
    stack = [(node, False) for node in reversed(ends)]
    while stack:
        node, ready = stack.pop()
        if node in found:
            continue
        reads = (better[node],) if node in better else node.inputs
        if not ready:
            stack.append((node, True))
            stack.extend((x, False) for x in reversed(reads))
            continue
        fresh = [found[x] for x in reads]
        if node in better:
            found[node] = fresh[0]
        elif all(a is b for a, b in zip(fresh, node.inputs)):
            found[node] = node
        else:
            found[node] = _new(node, node.op, fresh, node.params, node.shape)
    inputs = [found.get(node, node) for node in graph.inputs]
    return Graph(inputs, [found[x] for x in graph.outputs], [found[x] for x in graph.effects])
