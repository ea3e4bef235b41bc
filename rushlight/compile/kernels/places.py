"""Values that are made where they are joined, and read from there.

A state of a loop over time is a factor of the next step's products, which read memory, and a part
of the join of all states. Made in its place in the join it is written once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..middle.graph import POINTWISE, REDUCTIONS, Graph, Node
from ..records import record
from .affine import contiguous

MOST = 1 << 17  # bytes: larger values go through chains by pieces
NEVER = 1 << 62
SOURCES = frozenset(["input", "constant"])


@record
class Place:
    """Where in a join a value lies, and from which node on it is read there."""

    whole: Node
    offset: int
    since: int

    def serves(self, reader: Node) -> bool:
        """Whether a node reads the value there.

        What is made before the first product may share a kernel with the value, in registers.
        """
        late = reader.index > self.since
        return late or reader.op in ("cat", "dot", "permute") or reader.op in REDUCTIONS


def places(graph: Graph) -> dict[Node, Place]:
    """The values that can be made in a join."""
    joins = [node for node in graph.nodes if node.op == "cat"]
    found: dict[Node, Place] = {}
    if not joins:
        return found
    users, kept = graph.users(), {*graph.outputs, *graph.effects}
    for node in joins:
        first = {x: _first(users[x]) for x in node.inputs if _simple(x) and x not in kept}
        if all(since is None for since in first.values()):
            continue
        strides, start = contiguous(node.shape), 0
        (dim,) = node.params
        for part in node.inputs:
            alone = sum(user.op == "cat" for user in users[part]) == 1
            if alone and part in first and together(part, strides):
                found[part] = Place(node, start * strides[dim], first[part] or NEVER)
            start += part.shape[dim]
    return found


def _simple(x: Node) -> bool:
    while x.op in ("reshape", "expand"):
        x = x.inputs[0]
    return (x.op in POINTWISE or x.op in SOURCES) and 0 < x.nbytes <= MOST


def _first(users: Sequence[Node]) -> int | None:
    """The first product that reads a value."""
    return min((user.index for user in users if user.op == "dot"), default=None)


def together(part: Node, strides: Sequence[int]) -> bool:
    """Whether a part's elements stay neighbours in the whole: it can be made there at once."""
    own = contiguous(part.shape)
    return all(n == 1 or a == b for n, a, b in zip(part.shape, own, strides))
