"""Where values stand: outputs, constants, and temporaries that share one block of memory.

A temporary lives from the kernel that makes it to the last one that reads it. Temporaries whose
lives do not overlap share bytes; a kernel that reads a dying one only where it writes may write
over it. `check` asserts what the planner promises.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Container, Iterable, Iterator

import numpy as np

from ..middle.graph import Node
from ..records import record
from .normal import IDLE, hosted, storage
from .schedule import Group, Schedule

LINE = 64  # a cache line: every temporary begins on one
WORTH = 1 << 20  # bytes lost between temporaries from which another way to place them is tried
STAGGER = 3 * LINE  # after sizes that would give equal elements of many arrays one place in L1


@record
class Plan:
    """Offsets of temporaries in the arena, its size, and their lives (first, last kernel)."""

    offsets: dict[Node, int]
    lives: dict[Node, tuple[int, int]]
    size: int
    reused: int  # bytes that temporaries would take without sharing


def plan(schedule: Schedule, fixed: set[Node], lasting: Iterable[Node] = ()) -> Plan:
    """Lay out every stored value that is not `fixed` (inputs, outputs, constants).

    What is `lasting` stays from one run to the next.
    """
    exact = used(schedule, fixed)
    exact.update({node: (0, len(schedule.groups)) for node in lasting})
    leaders = _taken(schedule, exact)
    lives = _widened(schedule, exact, leaders)
    born: dict[int, list[Node]] = {}
    dying: dict[int, list[Node]] = {}
    for node, (first, last) in lives.items():
        born.setdefault(first, []).append(node)
        dying.setdefault(last, []).append(node)
    room = Room()
    offsets: dict[Node, int] = {}
    over_old: dict[Node, Node] = {}
    for step, group in enumerate(schedule.groups):
        given = _given(group, schedule, dying.get(step, ()), born.get(step, ()), lives)
        for node in sorted(born.get(step, ()), key=lambda n: -n.nbytes):
            old = given.get(node)
            offsets[node] = room.take(_size(node)) if old is None else offsets[old]
        over_old |= given
        kept = set(given.values())
        for node in dying.get(step, ()):
            if node not in kept:
                room.free(offsets[node], _size(node))
    offsets, size = tighter(offsets, room.size, together(lives, over_old))
    offsets.update({node: offsets[leader] for node, leader in leaders.items()})
    found = Plan(offsets, lives, size, sum(_size(node) for node in exact))
    check(found)
    return found


def together(
    lives: dict[Node, tuple[int, int]], over_old: dict[Node, Node]
) -> dict[Node, tuple[int, int, list[Node]]]:
    """Values that stand in one place one after the other: their whole life, by the first."""
    found: dict[Node, tuple[int, int, list[Node]]] = {}
    first: dict[Node, Node] = {}
    for node, (start, end) in sorted(lives.items(), key=lambda item: item[1]):
        old = over_old.get(node)
        first[node] = begun = node if old is None else first[old]
        start, _, nodes = found.get(begun, (start, end, []))
        found[begun] = start, end, [*nodes, node]
    return found


def tighter(
    offsets: dict[Node, int], size: int, places: dict[Node, tuple[int, int, list[Node]]]
) -> tuple[dict[Node, int], int]:
    """Where all stands, and in how many bytes: another way if much is lost between values.

    Who comes first in time takes what is free then, and a large value may find only pieces. The
    other way lets the largest values choose first, each the lowest place that is free all its life.
    """
    sizes = {node: _size(node) for node in places}
    steps = max((end for _, end, _ in places.values()), default=0) + 2
    change = np.zeros(steps, np.int64)
    for node, (start, end, _) in places.items():
        change[start] += sizes[node]
        change[end + 1] -= sizes[node]
    if size - int(change.cumsum().max()) < WORTH:
        return offsets, size
    found: dict[Node, int] = {}
    taken = np.zeros((4, len(places)), np.int64)  # from, up to, first and last kernel; from low up
    for k, node in enumerate(sorted(places, key=lambda node: (-sizes[node], places[node][0]))):
        start, end, nodes = places[node]
        at = _lowest(taken[:, :k], start, end, sizes[node])
        place = int(taken[0, :k].searchsorted(at))
        taken[:, place + 1 : k + 1] = taken[:, place:k].copy()
        taken[:, place] = at, at + sizes[node], start, end
        found.update(dict.fromkeys(nodes, at))
    least = int(taken[1].max())
    return (found, least) if least < size else (offsets, size)


def _lowest(taken: np.ndarray, start: int, end: int, size: int) -> int:
    """The lowest place with room beside all that is needed at a time."""
    low, high, since, until = taken
    near = ((since <= end) & (until >= start)).nonzero()[0]
    if not near.size:
        return 0
    reached = np.maximum.accumulate(high[near])
    before = np.concatenate(([0], reached[:-1]))
    fits = low[near] - before >= size
    first = int(fits.argmax())
    return int(before[first] if fits[first] else reached[-1])


def _spans(schedule: Schedule) -> list[tuple[int, int]]:
    """Per kernel the first and the last that run at the same time: those of its chain."""
    found: list[tuple[int, int]] = []
    ends: dict[int, tuple[int, int]] = {}
    for step, group in enumerate(schedule.groups):
        ends[group.chain] = (ends.get(group.chain, (step, 0))[0], step)
    for step, group in enumerate(schedule.groups):
        found.append(ends[group.chain] if group.chain else (step, step))
    return found


def _taken(schedule: Schedule, lives: dict[Node, tuple[int, int]]) -> dict[Node, Node]:
    """Temporaries of a chain that take over, piece by piece, the memory of one that is done."""
    spans = _spans(schedule)
    found: dict[Node, Node] = {}
    free: dict[tuple[int, int], list[Node]] = {}
    for node, (first, last) in sorted(lives.items(), key=lambda item: item[1]):
        start, end = spans[first]
        if start == end or node.dtype == np.uint8:
            continue
        waiting = free.setdefault((start, node.nbytes), [])
        for old in waiting:
            if over(schedule, node, old, lives):
                found[node] = found.get(old, old)
                waiting.remove(old)
                break
        if last <= end:
            waiting.append(node)
    return found


def over(schedule: Schedule, node: Node, old: Node, lives: dict[Node, tuple[int, int]]) -> bool:
    """Whether a kernel of a chain may write a value where an old one stands."""
    first, last = lives[node][0], lives[old][1]
    if last != first:
        return last < first
    group, writer = schedule.groups[first], schedule.roots.get(node)
    alike = writer in group.place and group.kind == "nest" and old.shape == node.shape
    return alike and old.dtype == node.dtype and schedule.in_place(group, writer, old)  # type: ignore[arg-type]  # a root of the group


def _widened(
    schedule: Schedule, lives: dict[Node, tuple[int, int]], leaders: dict[Node, Node]
) -> dict[Node, tuple[int, int]]:
    """Lives by what runs at the same time, and of memory together with who takes it over."""
    spans = _spans(schedule)
    found: dict[Node, tuple[int, int]] = {}
    for node, (first, last) in lives.items():
        leader = leaders.get(node, node)
        start, end = spans[first][0], spans[last][1] if last < len(spans) else last
        known = found.get(leader, (start, end))
        found[leader] = min(start, known[0]), max(end, known[1])
    return found


def check(plan: Plan) -> None:
    """No two temporaries share bytes while both are needed (but a write over a dying one)."""
    ordered = sorted(plan.lives.items(), key=lambda item: item[1][0])
    active: list[tuple[int, int, int, Node]] = []  # begin, serial, end, node; by where they lie
    leaving: list[tuple[int, tuple[int, int, int, Node]]] = []
    for serial, (node, (first, last)) in enumerate(ordered):
        while leaving and leaving[0][0] < first:
            gone = heapq.heappop(leaving)[1]
            del active[bisect.bisect_left(active, gone[:2], key=_begin)]
        low = plan.offsets[node]
        fresh = low, serial, low + _size(node), node
        at = bisect.bisect_left(active, fresh[:2], key=_begin)
        for other in _beside(active, at, fresh[2]):
            if other[2] > low:
                in_place = plan.lives[other[3]][1] == first and other[0] == low
                assert in_place, f"{node} and {other[3]} share memory"
        active.insert(at, fresh)
        heapq.heappush(leaving, (last, fresh))


def _begin(one: tuple[int, int, int, Node]) -> tuple[int, int]:
    return one[:2]


def _beside(
    active: list[tuple[int, int, int, Node]], at: int, end: int
) -> Iterator[tuple[int, int, int, Node]]:
    """What may reach into a range of memory: those that begin in it, and the last before it.

    Of what begins at one place only the longest could hide a shorter one, and those are few: a
    value and what is written over it.
    """
    for k in range(at, len(active)):
        if active[k][0] >= end:
            break
        yield active[k]
    for k in range(at - 1, -1, -1):
        yield active[k]
        if active[k][0] < active[at - 1][0]:
            break


def _size(node: Node) -> int:
    return lined(math.prod(node.shape) * node.dtype.itemsize)


def lined(nbytes: int) -> int:
    """Whole lines, so many that what follows lies elsewhere in L1."""
    size = max(-(-nbytes // LINE) * LINE, LINE)
    return size + (STAGGER if size >= 1 << 14 and size % 4096 == 0 else 0)


def used(schedule: Schedule, fixed: Container[Node]) -> dict[Node, tuple[int, int]]:
    """The first and the last kernel that needs each stored value."""
    lives: dict[Node, tuple[int, int]] = {}
    for step, group in enumerate(schedule.groups):
        if group.scratch is not None:
            lives[group.scratch] = (step, step)
        for node in group.packs:
            _touch(lives, node, step, fixed)
        for root in group.place:
            node = root.node
            if root in group.stored and node.op not in IDLE and not isinstance(node.dtype, tuple):
                _touch(lives, storage(root.node), step, fixed)
            for node, _ in root.reads:
                if node in schedule.roots and not isinstance(node.dtype, tuple):
                    owner = schedule.roots[node]
                    if owner in schedule.home[node].stored:
                        _touch(lives, storage(node), step, fixed)
    end = len(schedule.groups)
    for node in schedule.late.values():
        if storage(node) in lives:
            lives[storage(node)] = (lives[storage(node)][0], end)
    return lives


def _touch(
    lives: dict[Node, tuple[int, int]], node: Node, step: int, fixed: Container[Node]
) -> None:
    if node not in fixed:
        lives[node] = (lives[node][0], step) if node in lives else (step, step)


def _given(
    group: Group, schedule: Schedule, dying: Iterable[Node], born: Iterable[Node],
    lives: dict[Node, tuple[int, int]],
) -> dict[Node, Node]:  # fmt: skip
    """Which new values may be written over which dying ones."""
    found: dict[Node, Node] = {}
    if group.kind != "nest":
        return found
    for node in born:
        writer = schedule.roots.get(node)
        if writer is None or writer not in group.place or hosted(node):
            continue
        for old in dying:
            if old.shape != node.shape or old.dtype != node.dtype or old in found.values():
                continue
            if lives[old][0] != lives[old][1] and schedule.in_place(group, writer, old):
                found[node] = old
                break
    return found


class Room:
    """Free stretches of the arena, by where they lie and by how long they are."""

    def __init__(self) -> None:
        self.size = 0
        self._places: list[tuple[int, int]] = []  # (at, size)
        self._sizes: list[tuple[int, int]] = []  # (size, at)

    def take(self, size: int) -> int:
        """The tightest free stretch, or fresh memory at the end."""
        tightest = bisect.bisect_left(self._sizes, (size, 0))
        if tightest < len(self._sizes):
            length, at = self._sizes[tightest]
            self._remove(at, length)
            if length > size:
                self._add(at + size, length - size)
            return at
        at = self.size
        if self._places and sum(self._places[-1]) == self.size:
            at, length = self._places[-1]
            self._remove(at, length)
        self.size = at + size
        return at

    def free(self, at: int, size: int) -> None:
        """Give a stretch back; what is free beside it becomes one with it."""
        place = bisect.bisect(self._places, (at, size))
        beside = self._places[max(place - 1, 0) : place + 1]
        for other, length in beside:
            if other == at + size or other + length == at:
                self._remove(other, length)
                at, size = min(at, other), size + length
        self._add(at, size)

    def _add(self, at: int, size: int) -> None:
        bisect.insort(self._places, (at, size))
        bisect.insort(self._sizes, (size, at))

    def _remove(self, at: int, size: int) -> None:
        del self._places[bisect.bisect_left(self._places, (at, size))]
        del self._sizes[bisect.bisect_left(self._sizes, (size, at))]
