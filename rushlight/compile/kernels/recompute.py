"""Values that are computed again late in a program, rather than kept from when they were made.

What the forward pass stores for the backward pass goes out to memory and comes back: each line is
fetched, written, and fetched once more. Where all that a value is made of stands in memory until
then anyway, and few instructions make it, they are done again instead. What was drawn at random
stands in memory: nothing is drawn twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from itertools import pairwise

from ..middle.graph import Node

FAR = 1 << 18  # elements made between a value and its reader, so that no cache at hand holds it
LEAST = 1 << 12  # elements of a value
LINE = 9  # cycles that moving one line costs, while the core does something else
_CYCLES = {  # per vector, measured; of other ops one
    **dict.fromkeys(("div", "sqrt", "floor_div", "fmod"), 6),
    **dict.fromkeys(("exp", "exp2", "log", "log2", "log10", "rsqrt"), 12),
    **dict.fromkeys(("tanh", "normal_cdf", "log1p"), 25),
    **dict.fromkeys(("sigmoid", "erf", "expm1"), 36),
    **dict.fromkeys(
        "sin cos tan asin acos atan atan2 sinh cosh asinh acosh atanh erfc pow take".split(), 64
    ),
}


class Recomputation:
    """Decides it for one graph.

    `sizes` has every node's elements. `kept` are those that stand in memory, `readers` gives the
    roots whose expressions read a value, and `stands` says whether it is there in its turn.
    """

    def __init__(
        self, sizes: Mapping[Node, int], kept: Container[Node],
        readers: Callable[[Node], Iterable[Node]], stands: Callable[[Node], bool],
    ) -> None:  # fmt: skip
        self.readers, self.stands = readers, stands
        self.found: list[Node] = []  # what is made again
        self.made: dict[Node, int] = {}
        total = 0
        for node, size in sizes.items():
            self.made[node] = total
            if node in kept:
                total += size

    def pays(self, node: Node, asked: Collection[Node], sources: Iterable[Node]) -> bool:
        """Whether the roots that ask for a value had better make it, each kernel for itself."""
        if node.size < LEAST or _CYCLES.get(node.op, 1) > LINE * (1 + len(asked)):
            return False
        places = sorted(self.made[x] for x in asked)
        if places[-1] - self.made[node] <= FAR:
            return False
        apart = 4 * node.size  # roots nearer to each other share a kernel
        kernels = 1 + sum(two - one > apart for one, two in pairwise(places))
        if kernels < 2 or places[0] - self.made[node] > apart:
            return False  # nobody makes it in a register first
        moved = 1 + kernels  # lines fetched and written to store it, and fetched to read it
        for source in sources:
            others = {*self.readers(source)} - {node}
            if max((self.made[x] for x in others), default=0) < places[-1] - FAR:
                return False  # it would be kept for this alone
            moved -= others.isdisjoint(asked) * (kernels - 1)
        pays = self._cycles(node) * (kernels - 1) <= LINE * moved
        self.found += [node] * pays
        return pays

    def _cycles(self, node: Node) -> int:
        """What it takes to make a value from what stands in memory."""
        total, stack, seen = 0, [node], {node}
        while stack:
            one = stack.pop()
            total += _CYCLES.get(one.op, 1)
            fresh = [x for x in one.inputs if x not in seen and not self.stands(x)]
            seen.update(fresh)
            stack += fresh
        return total
