"""Fusion: which roots share a kernel, and in which order the kernels run.

A kernel is one loop nest. Its variables are kept (they index results) or reduced; a root that
reads a reduction of its own kernel runs in a later phase of the nest, over the same rows. Two
groups of roots merge when their spaces agree, when every value that passes between them is read
exactly where it was made, and when no third group has to run between them.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Mapping, Sequence

from ..middle.graph import Node
from ..records import field, record
from .affine import Coordinates, Index, contiguous, flat, placed, relocated, variable
from .asked import Asked
from .chains import chained
from .normal import IDLE, WRITES, Normal, hosted, storage
from .roots import Root, choose
from .spaces import Form, aligned

MOST_ROOTS = 24  # in one kernel
ALONE = 1 << 15  # elements from which a kernel should have units to share between threads


@functools.cache
def _own(count: int) -> tuple[Index, ...]:
    """The variables of a space as they are."""
    return tuple(map(variable, range(count)))


@record(eq=False)
class Group:
    """Roots that one kernel computes: `place[root]` gives the root's variables by the kernel's."""

    number: int
    kind: str  # nest, gemm, host, empty
    extents: list[int]
    reduced: tuple[int, ...]
    place: dict[Root, tuple[Index, ...]] = field(default_factory=dict)
    phase: dict[Root, int] = field(default_factory=dict)
    stored: dict[Root, None] = field(default_factory=dict)  # in order, the same in every process
    first: int = 0
    done: bool = False  # nothing joins any more
    scratch: Node | None = None  # memory that the kernel needs while it runs
    packs: list[Node] = field(default_factory=list)  # packed operands that it shares with others
    chain: int = 0  # the number of its chain, if it is in one
    pieces: int = 1  # of the chain: how often variable 0 goes round

    @property
    def roots(self) -> list[Root]:
        return list(self.place)

    @property
    def kept(self) -> list[int]:
        return [v for v in range(len(self.extents)) if v not in self.reduced]

    def at(self, root: Root, coordinates: Coordinates) -> Coordinates:
        by = self.place[root]
        return coordinates if by is _own(len(by)) else relocated(coordinates, by)

    def flat(self, root: Root, node: Node, coordinates: Coordinates) -> Index:
        """Which element of `node` a root means, as if the node lay in C order."""
        by = self.place[root]
        if by is _own(len(by)):
            return flat(coordinates, contiguous(node.shape))
        return placed(coordinates, node.shape, by)

    def whole(self, root: Root) -> bool:
        """Whether a root has a value in every round of the loops over reduced variables."""
        return not root.reduced and any(
            v in self.reduced for index in self.place[root] for v, _ in index[1]
        )


@record
class Schedule:
    """The kernels in order; `late` are outputs that must be computed aside and copied in."""

    normal: Normal
    groups: list[Group]
    home: dict[Node, Group]
    roots: dict[Node, Root]
    late: dict[int, Node]
    gemm: frozenset[Node]

    def in_place(self, group: Group, writer: Root, old: Node) -> bool:
        """Whether `writer` may write over `old`, which its kernel reads."""
        return in_place(group, writer, old, self.gemm)


def _draws_first(groups: list[Group]) -> list[Group]:
    """Draws that read nothing run first, in their order: what follows is one native piece.

    Those that come after a draw that reads something keep their place behind it.
    """
    first = []
    for group in groups:
        node = next(iter(group.place)).node if group.kind == "host" else None
        if node is not None and node.op == "draw":
            if node.inputs:
                break
            first.append(group)
    numbers = {group.number for group in first}
    return first + [group for group in groups if group.number not in numbers]


def schedule(
    normal: Normal, gemm: frozenset[Node] = frozenset(), donate: Mapping[int, int] | None = None,
    asked: Asked | None = None,
) -> Schedule:  # fmt: skip
    """Group a graph's nodes into kernels and order them."""
    roots = choose(normal, gemm)
    fusion = _Fusion(normal, roots, gemm, asked or Asked())
    for place, root in enumerate(fusion.asked.sorted(roots.values())):
        fusion.add(root, place)
    late = fusion.overwrite(donate or {})
    groups, outputs = _draws_first(fusion.ordered()), set(normal.outputs)
    for group in groups:
        _phases(group)
        group.done = True
        group.stored = _stored(group, fusion, outputs)
    taken = {
        storage(normal.outputs[k]): normal.inputs[j]
        for k, j in (donate or {}).items() if k not in late
    }  # fmt: skip
    groups = chained(groups, fusion.direct, gemm, taken)
    return Schedule(normal, groups, fusion.home, roots, late, gemm)


class _Fusion:
    """Groups so far, with what must run before and after each as bit masks."""

    def __init__(
        self, normal: Normal, roots: dict[Node, Root], gemm: frozenset[Node], asked: Asked
    ) -> None:  # fmt: skip
        self.normal, self.roots, self.gemm, self.asked = normal, roots, gemm, asked
        self.home: dict[Node, Group] = {}
        self.groups: dict[int, Group] = {}
        self.before: dict[int, int] = {}
        self.direct: dict[int, set[int]] = {}
        self.following: dict[int, set[int]] = {}
        self.readers: dict[Node, dict[Root, None]] = {}
        self.last: dict[str, Group] = {}  # of what keeps its order

    def add(self, root: Root, place: int) -> None:
        group = self._start(root, place)
        if group.kind in ("host", "empty") or not _joins(root):
            return
        for other in self._neighbours(root):
            if other.number in self.groups and other is not self.home[root.node]:
                self._try(other, self.home[root.node])

    def _start(self, root: Root, place: int) -> Group:
        group = Group(place, _kind(root, self.gemm), list(root.extents), root.reduced, first=place)
        group.place[root] = _own(len(root.extents))
        self.home[root.node] = group
        self.groups[place] = group
        self.before[place] = 0
        self.direct[place], self.following[place] = set(), set()
        home, readers = self.home, self.readers
        for node, _ in root.sinks:
            if node in home:
                self._edge(home[node], group)
        for node, _ in root.reads:
            if node in home:
                self._edge(home[node], group)
            if node in readers:
                readers[node][root] = None
            else:
                readers[node] = {root: None}
        if self.asked.waits(root):
            self._edge(home[self.asked.node], group)  # type: ignore[index]  # somebody waits for it
        kind = {"extern": "host", "numpy_call": "host"}.get(root.node.op, root.node.op)
        if kind in ("host", "draw"):
            if kind in self.last:
                self._edge(self.last[kind], group)
            self.last[kind] = group
        return group

    def _edge(self, first: Group, then: Group) -> None:
        """`first` must run before `then`."""
        a, b = first.number, then.number
        if first is then or a in self.direct[b]:
            return
        self.direct[b].add(a)
        self.following[a].add(b)
        mask = self.before[a] | 1 << a
        if mask & ~self.before[b]:
            self.before[b] |= mask
            if self.following[b]:
                self._spread(b)

    def _spread(self, start: int) -> None:
        """Tell all that follow a group what runs before them."""
        stack = [start]
        while stack:
            n = stack.pop()
            mask = self.before[n] | 1 << n
            for m in self.following[n]:
                if mask & ~self.before[m]:
                    self.before[m] |= mask
                    stack.append(m)

    def _between(self, a: int, b: int) -> bool:
        """Whether a third group must run after one of two and before the other."""
        before = self.before
        for first, last in ((a, b), (b, a)):
            if before[last] >> first & 1:
                for n in self.direct[last]:
                    if n != first and before[n] >> first & 1:
                        return True
        return False

    def _neighbours(self, root: Root) -> list[Group]:
        """Groups worth joining, the latest first: they make what it reads, or read the same."""
        found: dict[int, Group] = {}
        for node, _ in root.reads:
            if node in self.home:
                found[self.home[node].number] = self.home[node]
        for node, _ in root.reads:
            if node.size * 2 > _volume(root.extents):
                for other in itertools.islice(reversed(self.readers[node]), 6):
                    found.setdefault(self.home[other.node].number, self.home[other.node])
        return sorted(found.values(), key=lambda group: -group.first)

    def _try(self, one: Group, two: Group) -> None:
        """Merge two groups if that is right and worth while; `two` holds the newest root."""
        if one.number not in self.groups or two.number not in self.groups:
            return
        if {one.kind, two.kind} - {"nest", "gemm"} or one.kind == two.kind == "gemm":
            return
        if len(one.place) + len(two.place) > MOST_ROOTS:
            return
        a, b = one.number, two.number
        if self._between(a, b) or self.asked.apart(one.place, two.place):
            return
        if self.before[a] >> b & 1:  # the older one depends on the newer one
            one, two, a, b = two, one, b, a
        merged = _union(one, two)
        if merged is None or not self._sound(merged, one, two) or not _worth(one, two, merged):
            return
        if a in self.direct[b] or _reads_alike(merged, one, two):
            self._replace(one, two, merged)

    def _sound(self, group: Group, one: Group, two: Group) -> bool:
        """Whether all that passes between two groups in one is read where it was made."""
        roots, place = self.roots, group.place
        for part, other in ((one.place, two.place), (two.place, one.place)):
            for root in part:
                for node, at in root.reads:
                    source = roots.get(node)
                    if source not in other:
                        continue
                    torn = node.op in WRITES
                    if torn and self._beside(root, source, group):
                        if node is root.node.inputs[0] and not at:  # memory, not what stands there
                            continue
                        torn = not _all(node)
                    if root.node in self.gemm or torn:
                        return False  # factors of a product, parts of a value are done before
                    if at == source.own and place[root] == place[source]:
                        continue
                    if group.flat(root, node, at) != group.flat(source, node, source.own):
                        return False
        return True

    def _beside(self, part: Root, before: Root, group: Group) -> bool:
        """Whether a part of a joined value, made here, is written to a place of its own."""
        if not part.node.op == before.node.op == "put" or storage(part.node).op != "empty":
            return False
        return any(
            self.roots.get(node) in group.place for node, _ in part.reads if node is not before.node
        )

    def _replace(self, one: Group, two: Group, merged: Group) -> None:
        a, b = one.number, two.number
        merged.number = a
        self.groups[a] = merged
        del self.groups[b]
        for root in merged.place:
            self.home[root.node] = merged
        self.before[a] = (self.before[a] | self.before.pop(b)) & ~(1 << a | 1 << b)
        for n in self.direct.pop(b) - {a}:
            self.following[n].discard(b)
            self.following[n].add(a)
            self.direct[a].add(n)
        for n in self.following.pop(b) - {a}:
            self.direct[n].discard(b)
            self.direct[n].add(a)
            self.following[a].add(n)
        self.direct[a].discard(b)
        self.following[a].discard(b)
        self._spread(a)

    def overwrite(self, donate: Mapping[int, int]) -> dict[int, Node]:
        """Order every reader of a donated input before its writer; give what cannot be."""
        late = {}
        for k, j in donate.items():
            node, old = self.normal.outputs[k], self.normal.inputs[j]
            if not self._overwritten(storage(node), node, old):
                late[k] = node
        return late

    def _overwritten(self, first: Node, node: Node, old: Node) -> bool:
        writer = self.home.get(first)
        if writer is None or first is not node or node.op == "empty":
            return False
        readers = [self.home[root.node] for root in self.readers.get(old, ())]
        if readers and node.op == "draw":  # which runs first
            return False
        if any(self.before[group.number] >> writer.number & 1 for group in readers):
            return False
        if writer in readers and not in_place(writer, self.roots[node], old, self.gemm):
            return False
        for group in readers:
            self._edge(group, writer)
        return True

    def ordered(self) -> list[Group]:
        """The groups in an order that can run, near to the graph's own."""
        waiting = {n: len(earlier) for n, earlier in self.direct.items()}
        ready = [(self.groups[n].first, n) for n, count in waiting.items() if not count]
        heapq.heapify(ready)
        found = []
        while ready:
            _, number = heapq.heappop(ready)
            found.append(self.groups[number])
            for n in self.following[number]:
                waiting[n] -= 1
                if not waiting[n]:
                    heapq.heappush(ready, (self.groups[n].first, n))
        assert len(found) == len(self.groups), "kernels depend on each other in a circle"
        return found


def _all(node: Node) -> bool:
    """Whether a value that is put somewhere is all that the node gives."""
    return node.op == "put" and node.params == (node.shape, contiguous(node.shape), 0)


def in_place(group: Group, writer: Root, old: Node, gemm: frozenset[Node]) -> bool:
    """Whether a kernel reads the old value only where, and before, it writes the new one."""
    if group.kind == "host":
        return True
    if writer.reduced or old.shape != writer.node.shape or old.dtype != writer.node.dtype:
        return False
    if not any(storage(node) is old for root in group.place for node, _ in root.reads):
        return False
    target = group.flat(writer, old, writer.own)
    for root in group.place:
        places = {group.flat(root, old, at) for node, at in root.reads if storage(node) is old}
        if places and (root.node in gemm or places != {target}):
            return False
    phases = _phases(group)
    last, whole = phases[writer], group.whole(writer)
    return not any(
        phases[root] > last or (phases[root] == last and not whole and _in_loops(root, group))
        for root in _touching(group, old)
    )


def _touching(group: Group, old: Node) -> set[Root]:
    """What reads the old value, itself or through a member that is computed again."""
    members = {root.node: root for root in group.place}
    found: set[Root] = set()
    for root in group.place:
        for node, _ in root.reads:
            source = members.get(node)
            again = source is not None and source in found and not source.reduced
            if again or storage(node) is old:
                found.add(root)
    return found


def _in_loops(root: Root, group: Group) -> bool:
    return bool(root.reduced) or group.whole(root)


def _reads_alike(merged: Group, one: Group, two: Group) -> bool:
    """Whether both parts of a group read some value at the same places."""
    known = {(node, merged.flat(root, node, at)) for root in one.place for node, at in root.reads}
    return any(
        (node, merged.flat(root, node, at)) in known
        for root in two.place for node, at in root.reads if node.size > 1
    )  # fmt: skip


def _volume(extents: Sequence[int]) -> int:
    size = 1
    for n in extents:
        size *= n
    return size


def _kind(root: Root, gemm: frozenset[Node]) -> str:
    if root.node.op in IDLE:
        return "empty"
    if hosted(root.node):
        return "host"
    return "gemm" if root.node in gemm else "nest"


def _joins(root: Root) -> bool:
    """Whether a root may share its kernel with others."""
    node = root.node
    if node.op == "conv" and node.params[0].endswith("->gocij"):
        return False  # a weight's gradient: its parts are added up by a kernel of its own
    return node.op != "scatter" and 0 not in root.extents


def _union(one: Group, two: Group) -> Group | None:
    """Both groups in one space; None if they have none in common."""
    for group in (one, two):
        if len(group.place) == 1 and not all(map(_joins, group.place)):
            return None  # what does not join is alone
    found = aligned(_form(one), _form(two))
    if found is None:
        return None
    extents, reduced, maps = found
    kind = "gemm" if "gemm" in (one.kind, two.kind) else "nest"
    place: dict[Root, tuple[Index, ...]] = {}
    group = Group(one.number, kind, list(extents), reduced, place, first=min(one.first, two.first))
    for part, by in zip((one, two), maps):
        if by == _own(len(part.extents)):
            place.update(part.place)
        else:
            place.update({root: relocated(at, by) for root, at in part.place.items()})
    return group if kind == "nest" or all(_lanes_whole(root, group) for root in place) else None


def _lanes_whole(root: Root, group: Group) -> bool:
    """Whether the last dimension of a convolution's result, along which lanes run, is one loop."""
    if root.node.op != "conv":
        return True
    pieces = group.at(root, root.own[-1:])[0][1]
    return len(pieces) == 1 and pieces[0][1] == 1


def _form(group: Group) -> Form:
    return Form(group.kind == "gemm", tuple(group.extents), group.reduced)


def _worth(one: Group, two: Group, merged: Group) -> bool:
    """Whether one kernel is better than two."""
    if merged.kind == "gemm":
        return True
    units = _volume([merged.extents[v] for v in merged.kept])
    if units < 16 and _volume(merged.extents) > ALONE and merged.reduced:
        # few rows: stores over the whole space would all be one thread's work
        return not any(merged.whole(root) for root in merged.place)
    return True


def _phases(group: Group) -> dict[Root, int]:
    """Phase of each root: one after the last reduction of this kernel that it reads."""
    if group.done:
        return group.phase
    if len(group.place) == 1:
        group.phase = dict.fromkeys(group.place, 0)
        return group.phase
    members = {root.node: root for root in group.place}
    group.phase = {}
    for root in sorted(group.place, key=lambda root: root.node.index):
        _phase(root, group, members)
    order = sorted(group.place, key=lambda root: (group.phase[root], root.node.index))
    group.place = {root: group.place[root] for root in order}
    return group.phase


def _phase(root: Root, group: Group, members: Mapping[Node, Root]) -> int:
    known = group.phase.get(root)
    if known is None:
        known = 0
        for node, _ in root.reads:
            source = members.get(node)
            if source is not None and source is not root:
                known = max(known, _phase(source, group, members) + bool(source.reduced))
        group.phase[root] = known
    return known


def _stored(group: Group, fusion: _Fusion, outputs: set[Node]) -> dict[Root, None]:
    """The roots whose values someone outside of the kernel reads."""
    found: dict[Root, None] = {}
    for root in group.place:
        outside = root.node in outputs or group.kind in ("host", "empty")
        if outside or root.node.op in WRITES or root.node.op == "copy":
            found[root] = None
            continue
        if any(fusion.home[user.node] is not group for user in fusion.readers.get(root.node, ())):
            found[root] = None
    return found
