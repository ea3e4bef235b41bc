"""Programs that may find out on their way that they are not right for a call.

One output says so (`tracing/required.py`). Whatever it is computed from runs first, and random
numbers are drawn; then the code looks at it, and goes on only if it is true. So nothing is written
over before the answer is known, and a program may still write in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..middle.graph import Node, order
from ..records import field, record
from .normal import Normal, hosted, storage

if TYPE_CHECKING:
    from .roots import Root


@record
class Asked:
    """The truth value of one program, and what waits for it; `node` is None where nothing does."""

    node: Node | None = None
    first: frozenset[Node] = frozenset()  # what runs before it is known
    writers: frozenset[Node] = frozenset()  # what writes over inputs
    donated: dict[int, int] = field(default_factory=dict)  # outputs and the inputs they replace

    def sorted(self, roots: Iterable[Root]) -> list[Root]:
        """The roots in an order that can run, those first that the answer needs."""
        if self.node is None:
            return list(roots)
        return sorted(roots, key=lambda root: root.node not in self.first)

    def waits(self, root: Root) -> bool:
        """Whether a root must not run before the answer is known."""
        return root.node in self.writers

    def apart(self, one: Iterable[Root], two: Iterable[Root]) -> bool:
        """Whether two kernels must stay two: one gives the answer, the other waits for it."""
        if self.node is None:
            return False
        for part, other in ((one, two), (two, one)):
            if any(root.node is self.node for root in part) and any(map(self.waits, other)):
                return True
        return False


def asked(normal: Normal, place: int | None, donated: Mapping[int, int]) -> Asked:
    """What a program asks whose output `place` says whether it is right (None: it always is).

    Outputs that the answer itself depends on get memory of their own, and so do all if no kernel
    of the one native segment gives the answer.
    """
    if place is None:
        return Asked(donated=dict(donated))
    node = normal.outputs[place]
    mixed = any(hosted(x) and (x.op != "draw" or x.inputs) for x in normal.nodes)
    if storage(node) is not node or node.op in ("input", "constant", "empty") or mixed:
        return Asked()
    draws = [x for x in normal.nodes if x.op == "draw"]
    first = frozenset(order([*draws, node]))
    kept = {k: j for k, j in donated.items() if storage(normal.outputs[k]) not in first}
    writers = frozenset(x for k in kept for x in (normal.outputs[k], storage(normal.outputs[k])))
    return Asked(node, first, writers, kept)
