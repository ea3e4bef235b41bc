"""Collectives between processes of one machine, through memory that they share.

All go the same way. A rank copies a block of what it gives into its slot of the window and moves
its flag on; when all flags have come, it reads from the slots of the others. There are two slots
for each rank and they take turns, so that one round needs one meeting. Sums are made in the order
of the ranks, hence have the same bits everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DistError
from .meeting import Meeting
from .peers import Wait
from .reduce_op import ReduceOp, join
from .ring import Ring
from .transport import Call, Sink, Transport, Wants, explain
from .window import FAILED, Window

HEAD = 4096  # what a rank says of its call: a check sum of 8 bytes, two lengths, the text
SLOT = 1 << 20
RING = 1 << 17


class SharedTransport(Transport):
    """One rank's end of the shared memory."""

    def __init__(self, meeting: Meeting) -> None:
        rank, ranks = meeting.rank, meeting.ranks
        super().__init__(rank, len(ranks), ranks, meeting.wait.seconds)
        size = self.size
        self.step = 0
        self.slots_at = 2 * size * HEAD
        self.sums_at = self.slots_at + 2 * size * SLOT
        self.rings_at = self.sums_at + SLOT
        room = self.rings_at + size * size * (RING + Ring.HEAD)
        self.peers = meeting.peers
        self.window = Window(meeting, room)
        self.slots = [
            [self.window.array(self.slots_at + (2 * r + turn) * SLOT, SLOT) for r in range(size)]
            for turn in (0, 1)
        ]
        self.others = [r for r in range(size) if r != rank]
        self.sums = self.window.array(self.sums_at, SLOT)
        self.heads = [[self._head(r, turn) for r in range(size)] for turn in (0, 1)]
        self.checks = self.window.octets.cast("Q")
        first = self.window.data_at
        self.check_places = [
            [(first + (2 * r + turn) * HEAD) >> 3 for r in self.others] for turn in (0, 1)
        ]
        self.said: list[Call | None] = [None, None]
        self.views: dict[Any, Any] = {}

    def rows(self, dtype: Any) -> Any:
        """The slots as rows of a type, for each turn."""
        found = self.views.get(dtype)
        if found is None:
            found = self.views[dtype] = [[s.view(dtype) for s in row] for row in self.slots]
        return found

    def _head(self, rank: int, turn: int) -> Any:
        return self.window.array((2 * rank + turn) * HEAD, HEAD)

    def _meet(self, spin: bool, wait: Wait) -> None:
        """Move the flag on, and wait for the others'."""
        self.step = step = (self.step + 1) & 0xFFFFFFFF
        self.window.publish(step)
        for rank in self.others:
            self.window.await_flag(rank, step, spin, wait)

    def _say(self, call: Call) -> int:
        """Write of the coming call what the others must agree to; whose turn the slots have."""
        turn = (self.step + 1) & 1
        if self.said[turn] is not call:
            self.heads[turn][self.rank][: len(call.head)] = call.head
            self.said[turn] = call
        return turn

    def _compare(self, call: Call, turn: int) -> None:
        """Raise DistMismatch if a rank has come with another call."""
        mine, words = call.check, self.checks
        for place in self.check_places[turn]:
            if words[place] != mine:
                texts = [self._text(head) for head in self.heads[turn]]
                raise explain(self.count, texts, self.ranks, self.rank)

    def _text(self, head: Any) -> str:
        size = int(head[8:12].view(np.uint32)[0])
        return head[16 : 16 + size].tobytes().decode(errors="replace")

    def details(self, call: Call, detail: list[int], spin: bool) -> list[list[int]]:
        """What each rank adds to the call, after they have agreed on it."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        mine = np.array(detail, np.int64).view(np.uint8)
        lengths = [mine.nbytes] * self.size

        def take(source: int, start: int, view: Any) -> None:
            found[source] += view.view(np.int64).tolist()

        self.move(call, mine, lengths, lambda reader, source: (0, lengths[source]), take, spin)
        return found

    def move(
        self, call: Call, mine: Any, lengths: list[int], wants: Wants, sink: Sink, spin: bool
    ) -> None:
        wait = self.begin(call)
        wanted = [(s, *wants(self.rank, s)) for s in range(self.size)]
        turn = self._say(call)
        total, low = max(lengths), 0
        while True:
            part = mine[low : low + SLOT]
            slots = self.slots[turn]
            slots[self.rank][: part.size] = part
            self._meet(spin, wait)
            if not low:
                self._compare(call, turn)
            for source, start, stop in wanted:
                a, b = max(start, low), min(stop, low + SLOT)
                if a < b:
                    sink(source, a - start, slots[source][a - low : b - low])
            low += SLOT
            turn ^= 1
            if low >= total:
                return

    def reduce(
        self, call: Call, mine: Any, section: tuple[int, int], out: Any, op: ReduceOp, spin: bool
    ) -> None:
        wait = self.begin(call)
        turn, low = self._say(call), 0
        dtype = mine.dtype
        step = SLOT // dtype.itemsize
        start, stop = section
        rows = self.rows(dtype)
        while True:
            part = mine[low : low + step]
            slots = rows[turn]
            slots[self.rank][: part.size] = part
            self._meet(spin, wait)
            if not low:
                self._compare(call, turn)
            a, b = max(start, low), min(stop, low + step)
            if a < b:
                parts = [slot[a - low : b - low] for slot in slots]
                join(op, parts, out[a - start : b - start], self.size)
            low += step
            turn ^= 1
            if low >= mine.size:
                return

    def all_reduce(self, call: Call, flat: Any, op: ReduceOp, spin: bool) -> None:
        """Two ranks each sum everything; more sum a share each, and copy the others' shares."""
        if self.size <= 2 or flat.nbytes <= 16384:
            return self.reduce(call, flat, (0, flat.size), flat, op, spin)
        wait = self.begin(call)
        turn, low = self._say(call), 0
        step = SLOT // flat.dtype.itemsize
        sums, rows = self.sums.view(flat.dtype), self.rows(flat.dtype)
        while low < flat.size:
            part = flat[low : low + step]
            slots = [slot[: part.size] for slot in rows[turn]]
            slots[self.rank][...] = part
            self._meet(spin, wait)
            if not low:
                self._compare(call, turn)
            a = part.size * self.rank // self.size
            b = part.size * (self.rank + 1) // self.size
            if a < b:
                join(op, [slot[a:b] for slot in slots], sums[a:b], self.size)
            self._meet(spin, wait)
            part[...] = sums[: part.size]
            low += step
        return None

    def channel(self, source: int, target: int) -> Ring:
        """The ring that carries messages from one rank to another."""
        at = self.rings_at + (source * self.size + target) * (RING + Ring.HEAD)
        return Ring(self.window, at, RING, source, target)

    def begin(self, call: Call) -> Wait:
        if self.broken is not None:
            raise DistError(f"the process group is broken since: {self.broken}") from self.broken
        return Wait(f"{call.name} #{self.count}", call.seconds or self.seconds)

    def give_up(self, error: BaseException) -> None:
        """After an error in the midst of a call the ranks are out of step for good."""
        self.broken = error
        self.window.set_state(FAILED)

    def close(self) -> None:
        self.window.close()
