"""Where a sequence of nodes repeats itself: the steps of a loop that a trace has written out.

Nodes in the order in which they were captured are *told*: op, form of the parameters, shapes and
types of the result and of what is read. A stretch that is told as the stretch a period before is
perhaps the next step of a loop. It is one if it is also wired alike: what a node reads was made at
the same place of its own step, or of the step before, or stood before the loop began. What the
first step reads in the place of the step before stood before the loop.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..disk.digest import Opaque, plain
from .foreign import Hole
from .graph import Graph, Node

FEWEST = 3  # steps of a loop
LEAST = 6  # nodes that a loop must spare
LONGEST = 4096  # nodes of a step
TRIES = 16  # periods that are looked at closely
_SCALARS = frozenset((float, bool, str, type(None), complex, bytes))


class Period(NamedTuple):
    """`count` steps of `size` nodes each, from place `start` of a sequence on."""

    start: int
    size: int
    count: int

    @property
    def stop(self) -> int:
        """The place behind the last step."""
        return self.start + self.size * self.count

    @property
    def spared(self) -> int:
        """The nodes that need not be written out."""
        return self.size * (self.count - 1)


def repeated(told: Sequence[Hashable]) -> list[Period]:
    """Where a sequence repeats itself, in order."""
    runs = _Runs(told)

    def best(start: int, stop: int) -> Period | None:
        for first, size, run in runs.between(start, stop)[:1]:
            found = Period(first, size, run // size + 1)
            return found if found.spared >= LEAST else None
        return None

    return _all(len(told), best)


def _all(length: int, best: Callable[[int, int], Period | None]) -> list[Period]:
    """The best period of a sequence, then those of what is left before and behind it."""
    found: list[Period] = []
    stretches = [(0, length)]
    while stretches:
        start, stop = stretches.pop()
        one = best(start, stop) if stop - start >= LEAST else None
        if one is not None:
            found.append(one)
            stretches += [(start, one.start), (one.stop, stop)]
    return sorted(found)


class _Runs:
    """Stretches of a sequence that are told as what stands so and so many places before."""

    def __init__(self, told: Sequence[Hashable]) -> None:
        numbers: dict[Hashable, int] = {}
        each = np.array([numbers.setdefault(one, len(numbers)) for one in told], np.int64)
        found = [np.empty((0, 3), np.int64)]
        for size in range(1, min(len(each) // FEWEST, LONGEST) + 1):
            alike = each[size:] == each[:-size]
            if np.count_nonzero(alike) >= (FEWEST - 1) * size:
                within = np.concatenate(([False], alike, [False]))
                pairs = np.flatnonzero(within[1:] != within[:-1]).reshape(-1, 2)
                pairs = pairs[pairs[:, 1] - pairs[:, 0] >= (FEWEST - 1) * size]
                found.append(np.insert(pairs, 2, size, 1))
        # where the first of the repeated stretches begins, the last but one ends, and their size
        self.lows, self.highs, self.sizes = np.concatenate(found).T

    def between(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """(first place, size, length) of those in a part of the sequence, the longest first."""
        lows = np.maximum(self.lows, start)
        lengths = np.minimum(self.highs, stop - self.sizes) - lows
        inside = np.flatnonzero(lengths >= (FEWEST - 1) * self.sizes)
        order = inside[np.lexsort((self.sizes[inside], lows[inside], -lengths[inside]))][:TRIES]
        return list(zip(*(x[order].tolist() for x in (lows, self.sizes, lengths))))


class Course:
    """The nodes of a graph in the order of the trace, but for inputs and constants."""

    def __init__(self, graph: Graph) -> None:
        nodes = sorted(graph.nodes, key=lambda node: node.index)
        self.nodes = [node for node in nodes if node.op not in ("input", "constant")]
        self.places = {node: k for k, node in enumerate(self.nodes)}
        self._known: dict[Any, Node] = {}
        self.same = {node: self._alike(node) for node in nodes if node.op == "constant"}
        self.runs = _Runs([_told(node) for node in self.nodes])

    def _alike(self, node: Node) -> Node:
        """The first constant with the same content."""
        value = node.params[0]
        if not isinstance(value, np.ndarray) or value.size > 64 or value.dtype.hasobject:
            return node
        key = value.tobytes(), value.dtype, node.shape, node.dtype
        return self._known.setdefault(key, node)

    def periods(self) -> list[Period]:
        """The loops, in order."""
        return _all(len(self.nodes), self._best)

    def _best(self, start: int, stop: int) -> Period | None:
        """The loop in a stretch that spares most nodes."""
        best: Period | None = None
        for first, size, run in self.runs.between(start, stop):
            if run < max(LEAST, best.spared if best else 0):
                break
            for one in self._wired(first, size, run):
                if one.spared >= LEAST and (best is None or one.spared > best.spared):
                    best = one
        return best

    # --- wiring

    def _wired(self, first: int, size: int, run: int) -> Iterator[Period]:
        """The loops of a period in a stretch that is told alike."""
        stop = first + size + run
        low = None  # from where on each node is wired as the one a period before
        for place in range(first + size, stop + 1):
            if place < stop and self._follows(place, size, first):
                low = place if low is None else low
                continue
            if low is not None and place - low >= size:
                found = self._begun(max(first, low - 2 * size), size, place)
                if found is not None:
                    yield found
            low = None

    def _follows(self, place: int, size: int, first: int) -> bool:
        """Whether a node reads what the one a period before reads, one period on or for ever."""
        for x, y in zip(self.nodes[place].inputs, self.nodes[place - size].inputs):
            at, before = self.places.get(x, -1), self.places.get(y, -1)
            if x is y or (at < first and before < first):
                continue  # stood before the loop
            if at < 0 or before < 0 or at - before != size:
                return False
        return True

    def _reads_only(self, start: int, size: int) -> bool:
        """Whether a step does nothing but look at one of several results."""
        return all(node.op == "output_of" for node in self.nodes[start : start + size])

    def _begun(self, start: int, size: int, stop: int) -> Period | None:
        """The longest loop that ends before `stop`, once its first step is found."""
        while (stop - start) // size >= FEWEST:
            wrong = self._wrong(start, size)
            if wrong is None:
                found = Period(start, size, (stop - start) // size)
                right = not self._reads_only(start, size) and self.columns(found) is not None
                return found if right else None
            start = wrong + 1
        return None

    def _wrong(self, start: int, size: int) -> int | None:
        """The last place of a first step at which it is not as the second; None if it is."""
        for place in range(start + size - 1, start - 1, -1):
            for x, y in zip(self.nodes[place].inputs, self.nodes[place + size].inputs):
                at, after = self.places.get(x, -1), self.places.get(y, -1)
                earlier = after < start + size  # made before the loop, or by the step before
                if not (at < start if earlier else after - at == size):
                    return place
        return None

    def columns(self, period: Period) -> list[list[tuple[str, Any]]] | None:
        """How each operand of each node of a step is found; None if steps differ in that.

        ("inner", place in the step), ("carried", place in the step before), ("same", node) and
        ("each", one node for each step).
        """
        start, size, count = period
        found = []
        for j in range(size):
            steps = [self.nodes[start + k * size + j] for k in range(count)]
            row = [self._column(operands, period) for operands in zip(*(x.inputs for x in steps))]
            if None in row:
                return None
            found.append(row)
        return found

    def _column(self, operands: Sequence[Node], period: Period) -> tuple[str, Any] | None:
        start, size, _ = period
        at = [self.places.get(x, -1) for x in operands]
        if all(place < start for place in at):
            same = [self.same.get(x, x) for x in operands]
            return ("same", same[0]) if all(x is same[0] for x in same) else ("each", operands)
        ways = {place - start - k * size for k, place in enumerate(at) if k}
        if len(ways) != 1:
            return None
        (way,) = ways
        if 0 <= way < size and at[0] == start + way:
            return "inner", way
        if -size <= way < 0 and at[0] < start:
            return "carried", way + size
        return None


def _told(node: Node) -> Any:
    """All of a node but who it reads, and which whole numbers its parameters hold."""
    reads = tuple([(x.shape, x.dtype) for x in node.inputs])
    return node.op, told(node.params), node.shape, node.dtype, reads


def told(value: Any) -> Any:
    """Parameters as something that can be compared, a whole number as any other."""
    kind = type(value)
    if kind is int:
        return int
    if kind is tuple or kind is list:
        return kind, *[told(part) for part in value]
    if kind is dict:
        return dict, *[(key, told(part)) for key, part in value.items()]
    if kind is slice:
        return slice, told(value.start), told(value.stop), told(value.step)
    if kind is Hole:
        return Hole, value.index
    if kind in _SCALARS:
        return kind, repr(value)
    try:
        return kind, marshal.dumps(plain(value), 0)
    except (Opaque, ValueError):
        return kind, id(value)
