"""Chains: kernels that all do one piece of the batch, while it is at hand, before the next piece.

A kernel after the other, each over a whole batch, every value goes out to memory and comes back.
In a chain each kernel's outermost loop is cut into the same number of pieces, and all kernels do
a piece before any does the next. That is right where every value that a kernel of the chain
writes is written and read by pieces: piece p of a loop touches piece p of the value's memory and
nothing else of it. Threads share the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..middle.graph import Node
from ..records import field, record
from .affine import Index, contiguous, flat, substituted, variable
from .normal import IDLE, WRITES, shift, storage

if TYPE_CHECKING:
    from .roots import Root
    from .schedule import Group

SEED = 1 << 18  # bytes that the first kernel of a chain writes
LEAST = 3 << 19  # bytes that go from kernel to kernel: less stays at hand anyway
PIECE = 5 << 18  # bytes that a kernel may touch in a piece
PIECES = 16  # at least, so that threads share them and the values of one stay near
ROWS = 64  # of a matrix in a piece: fewer make slow products
PATIENCE = 40  # kernels in a row that do not fit before the search ends


@record
class _Use:
    """What one group does to memory: the variable whose pieces it can do, and what it touches."""

    cut: int
    writes: dict[Node, int] = field(default_factory=dict)  # bytes
    reads: dict[Node, bool] = field(default_factory=dict)  # whether by pieces


def chained(
    groups: Sequence[Group], before: Mapping[int, set[int]], gemm: frozenset[Node],
    same: Mapping[Node, Node],
) -> list[Group]:  # fmt: skip
    """The groups in a new order, those of a chain behind each other and cut into pieces.

    `before` has per group the numbers of groups that must precede it; `same` names the memory
    that an output takes over.
    """
    done: list[Group] = []
    run: list[Group] = []
    for group in groups:
        if group.kind == "host":
            done += [*_Search(before, gemm, same, len(done)).order(run), group]
            run = []
        else:
            run.append(group)
    return done + _Search(before, gemm, same, len(done)).order(run)


class _Search:
    """Looks for chains among groups between which NumPy computes nothing."""

    def __init__(
        self, before: Mapping[int, set[int]], gemm: frozenset[Node], same: Mapping[Node, Node],
        number: int,
    ) -> None:  # fmt: skip
        self.before, self.gemm, self.same, self.number = before, gemm, same, number
        self.known: dict[Group, _Use | None] = {}

    def order(self, groups: list[Group]) -> list[Group]:
        done: list[Group] = []
        while groups:
            first = next((k for k, group in enumerate(groups) if self._seed(group)), len(groups))
            done += groups[:first]
            if first == len(groups):
                break
            early, chain, late = self._grown(groups[first:])
            pieces = self._pieces(chain)
            if not pieces:
                done.append(groups[first])
                groups = groups[first + 1 :]
                continue
            self.number += 1
            for group in chain:
                use = self.known[group]
                group.chain = self.number
                if use is not None:
                    _cut(group, use.cut, pieces)
            done += early + chain
            groups = late
        return done

    def _seed(self, group: Group) -> bool:
        """Whether a chain may begin here."""
        if group.kind not in ("nest", "gemm") or _written(group) < SEED:
            return False
        return self._use(group) is not None

    def _use(self, group: Group) -> _Use | None:
        if group not in self.known:
            self.known[group] = _use(group, self.same) if group.kind != "empty" else None
        return self.known[group]

    def _grown(self, groups: list[Group]) -> tuple[list[Group], list[Group], list[Group]]:
        """What must run before, in, and after a chain that begins with the first group."""
        early: list[Group] = []
        late: list[Group] = []
        after: set[int] = set()
        chain, missed = _Chain(), 0
        for place, group in enumerate(groups):
            if missed > PATIENCE:
                late += groups[place:]
                break
            needs = self.before[group.number]
            if not needs & after and chain.take(group, self._use(group), needs):
                missed = 0
            elif needs & (chain.inside | after):
                late.append(group)
                after.add(group.number)
                missed += 1
            else:
                early.append(group)
        return early, self._eager(chain.groups), late

    def _eager(self, groups: list[Group]) -> list[Group]:
        """Sums of what the chain makes are taken right after it is made, while it is at hand."""
        done: list[Group] = []
        for group in groups:
            place, use = len(done), self.known[group]
            if use is not None and group.reduced and 8 * sum(use.writes.values()) <= _read(use):
                needs = self.before[group.number]
                place = max((k + 1 for k, one in enumerate(done) if one.number in needs), default=0)
                place = place or len(done)
            done.insert(place, group)
        return done

    def _pieces(self, chain: list[Group]) -> int:
        """How many pieces a chain is worth; 0: none."""
        uses = [(group, use) for group in chain if (use := self.known[group]) is not None]
        made: dict[Node, int] = {}
        passed: set[Node] = set()
        most = 1
        for _, use in uses:
            passed.update(node for node in use.reads if node in made)
            made.update(use.writes)
            near = {node: node.nbytes for node, pieces in use.reads.items() if pieces}
            most = max(most, sum({**near, **use.writes}.values()))
        if sum(made[node] for node in passed) < LEAST:
            return 0
        common = math.gcd(*(group.extents[use.cut] for group, use in uses))
        limit = min([_rows(group, use.cut, self.gemm) // ROWS for group, use in uses])
        wanted = max(most / PIECE, PIECES)
        good = [n for n in range(2, min(common, limit) + 1) if common % n == 0]
        if not good or most / good[-1] > 2 * PIECE:
            return 0
        return next((n for n in good if n >= wanted), good[-1])


@record
class _Chain:
    """Groups that can do the same pieces, and what memory they touch."""

    groups: list[Group] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)  # their numbers
    written: set[Node] = field(default_factory=set)
    whole: set[Node] = field(default_factory=set)  # read otherwise than by pieces
    count: int = 0  # the pieces are a divisor of this

    def take(self, group: Group, use: _Use | None, needs: set[int]) -> bool:
        """Add a group if it can join."""
        if use is None:
            fits = group.kind == "empty" and bool(needs & self.inside)
        else:
            count = math.gcd(self.count, group.extents[use.cut])
            fits = count >= 4 and self._joins(use)
            if fits:
                self.count = count
                self.written.update(use.writes)
                self.whole.update(node for node, pieces in use.reads.items() if not pieces)
        if fits:
            self.groups.append(group)
            self.inside.add(group.number)
        return fits

    def _joins(self, use: _Use) -> bool:
        """Whether a group reads, by pieces, what the chain wrote, and writes over nothing of it."""
        if not self.written:
            return True
        touched = [pieces for node, pieces in use.reads.items() if node in self.written]
        return bool(touched) and all(touched) and not self.whole.intersection(use.writes)


def _read(use: _Use) -> int:
    return sum(node.nbytes for node in use.reads)


def _written(group: Group) -> int:
    return max((root.node.nbytes for root in group.stored), default=0)


def _use(group: Group, same: Mapping[Node, Node]) -> _Use | None:
    """What a group touches, if its stores can be done by pieces."""
    cut = -1
    writes: dict[Node, int] = {}
    members = {root.node for root in group.place}
    if any(node.op in ("scatter", "conv") for node in members):
        return None
    for root in group.stored:
        if root.node.op in IDLE:
            continue
        owner = storage(root.node)
        found = _outermost(_target(group, root), group.extents, owner.size)
        if found is None or found in group.reduced or cut not in (-1, found):
            return None
        cut = found
        owner = same.get(owner, owner)
        writes[owner] = owner.nbytes
    if cut < 0 or group.extents[cut] < 4:
        return None
    use = _Use(cut, writes)
    for root in group.place:
        for node, at in root.reads:
            if node in members or (root.node.op in WRITES and not at) or node.size == 1:
                continue
            owner = storage(node)
            index = substituted(flat(at, contiguous(node.shape), shift(node)), group.place[root])
            pieces = _outermost(index, group.extents, owner.size) == cut
            owner = same.get(owner, owner)
            use.reads[owner] = pieces and use.reads.get(owner, True)
    return None if any(not use.reads.get(node, True) for node in writes) else use


def _target(group: Group, root: Root) -> Index:
    """The place in its memory of what a root writes."""
    node = root.node
    if node.op == "put":
        _, strides, offset = node.params
        index = flat(root.own, strides, offset + shift(node))
    else:
        index = flat(root.own, contiguous(node.shape), shift(node))
    return substituted(index, group.place[root])


def _outermost(index: Index, extents: Sequence[int], size: int) -> int | None:
    """The variable whose rounds walk through some memory from its beginning to its end."""
    constant, terms = index
    if any(v < 0 or v >= len(extents) for v, _ in terms):
        return None
    for v, step in terms:
        if step * extents[v] != size:
            continue
        others = [(c, extents[u]) for u, c in terms if u != v]
        low = constant + sum(c * (n - 1) for c, n in others if c < 0)
        high = constant + sum(c * (n - 1) for c, n in others if c > 0)
        return v if low >= 0 and high < step else None
    return None


def _rows(group: Group, cut: int, gemm: frozenset[Node]) -> int:
    """Rows of a product that its outermost loop walks through; many where it walks matrices."""
    for root in group.place:
        if root.node not in gemm:
            continue
        left, right = (
            {v for index in group.at(root, at) for v, _ in index[1]} for _, at in root.sinks
        )
        if cut in left and cut in right:
            break
        own, other = (left, right) if cut in left else (right, left)
        return math.prod(group.extents[v] for v in group.kept if v in own and v not in other)
    return 1 << 30


def _cut(group: Group, v: int, pieces: int) -> None:
    """Cut a loop in two, the outer one as the group's first variable."""
    size = group.extents[v] // pieces
    extents, by = [pieces], []
    for u, n in enumerate(group.extents):
        if u == v and size == 1:
            by.append(variable(0))
            continue
        here = len(extents)
        by.append((0, ((0, size), (here, 1))) if u == v else variable(here))
        extents.append(size if u == v else n)
    group.reduced = tuple(by[u][1][0][0] for u in group.reduced)
    group.place = {
        root: tuple(substituted(x, by) for x in place) for root, place in group.place.items()
    }
    group.extents, group.pieces = extents, pieces
