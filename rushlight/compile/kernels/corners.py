"""Where values stand that a chain makes and uses up within one piece: in a corner of their own.

In memory for the whole batch each piece would write to lines that nobody has at hand. A corner
holds such values for one piece, and the next piece finds it near. There are as many corners as
pieces, of which a run takes the first that no other thread is in: alone, always the same.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

from ..code.emit import I8, I64, PTR, Function, Value
from ..middle.graph import Node
from ..records import record
from . import memory
from .normal import IDLE, storage
from .schedule import Group, Schedule

MOST = 64  # corners that one word can count


@record
class Corner:
    """What each of the `places` of `memory`, `size` bytes large, holds."""

    memory: Node
    size: int
    places: int
    values: dict[Node, tuple[int, int]]  # where, and how many bytes a piece
    at: int = 0  # in the table: the address of `memory`, and behind it who is in which place


class Visit:
    """The code of a chain that takes a place for as long as it runs."""

    def __init__(self, f: Function, corner: Corner, most: int) -> None:
        """`most` is how many operands a kernel of the chain may have."""
        self.f, self.corner, self.table = f, corner, f.arguments[0]
        self.word, self.room = f.at(self.table, corner.at + 1, I64), f.stack(PTR, most)
        search, found, before = f.new_label("search"), f.new_label("found"), f.label
        f.jump(search)
        f.place(search)
        number, later = f.register(I64), f.register(I64)
        f.do(f"{number.name} = phi i64 [0, %{before}], [{later.name}, %{search}]")
        self.bit = f.shl(f.coerce(1, I64), number)
        old = f.emit(I64, f"atomicrmw or {self.word.typed}, {self.bit.typed} acquire")
        more = f.add(number, 1)
        f.do(f"{later.name} = urem {more.typed}, {corner.places}")
        f.jump_if(f.compare("==", f.bit_and(old, self.bit), 0), found, search)
        f.place(found)
        self.place = f.at(f.load(PTR, self.table, corner.at), f.mul(number, corner.size), I8)

    def operands(self, given: Sequence[tuple[Node, int]], first: int, piece: Value) -> Value:
        """The addresses for a kernel: every piece of a corner's value lies in the one place."""
        f, values = self.f, self.corner.values
        table = f.at(self.table, first, PTR)
        if not any(node in values for node, _ in given):
            return table
        for number, (node, offset) in enumerate(given):
            if node in values:
                start, each = values[node]
                address = f.at(self.place, f.sub(start + offset, f.mul(piece, each)), I8)
            else:
                address = f.load(PTR, table, number)
            f.store(address, self.room, number)
        return self.room

    def leave(self) -> None:
        """Give the place back."""
        rest = self.f.bit_xor(self.bit, -1)
        self.f.do(f"atomicrmw and {self.word.typed}, {rest.typed} release")


def corners(schedule: Schedule, fixed: Container[Node]) -> dict[int, Corner]:
    """The corners of all chains by their number."""
    spans: dict[int, list[int]] = {}
    for step, group in enumerate(schedule.groups):
        if group.chain:
            spans.setdefault(group.chain, []).append(step)
    if not spans:
        return {}
    lives = memory.used(schedule, fixed)
    found = {}
    for chain, steps in spans.items():
        groups = [schedule.groups[step] for step in steps]
        pieces = max(group.pieces for group in groups)
        inside = _inside(groups, pieces, lives, steps[0], steps[-1])
        if inside and pieces <= MOST:
            found[chain] = _laid(schedule, inside, pieces, steps[0], steps[-1])
            groups[0].packs.append(found[chain].memory)
    return found


def _inside(
    groups: Sequence[Group],
    pieces: int,
    lives: Mapping[Node, tuple[int, int]],
    start: int,
    end: int,
) -> dict[Node, tuple[int, int]]:
    """The lives of values that only a chain's kernels touch."""
    found = {}
    for group in groups:
        for root in group.stored if group.pieces > 1 else ():
            owner = storage(root.node)
            first, last = lives.get(owner, (start - 1, end))
            whole = owner.nbytes % (pieces * memory.LINE) == 0
            if root.node.op not in IDLE and start <= first and last <= end and whole:
                found[owner] = first, last
    return found


def _laid(
    schedule: Schedule, lives: dict[Node, tuple[int, int]], pieces: int, start: int, end: int
) -> Corner:
    room = memory.Room()
    values: dict[Node, tuple[int, int]] = {}
    for step in range(start, end + 1):
        dying = [node for node, (_, last) in lives.items() if last == step]
        for node in [node for node, (first, _) in lives.items() if first == step]:
            old = next((x for x in dying if memory.over(schedule, node, x, lives)), None)
            if old is None:
                each = node.nbytes // pieces
                values[node] = room.take(memory.lined(each)), each
            else:
                values[node] = values[old]
                dying.remove(old)
        for node in dying:
            room.free(values[node][0], memory.lined(values[node][1]))
    size = memory.lined(room.size)
    return Corner(Node("empty", (), (), (size * pieces,), np.dtype(np.uint8)), size, pieces, values)
