"""Collectives made of messages between pairs of ranks, over any kind of connection.

Sums are made in the order of the ranks, by the rank that wants them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from .errors import DistError
from .peers import Wait
from .reduce_op import ReduceOp, join
from .transport import Call, Sink, Transport, Wants, explain

Parcels = list[tuple[int, memoryview]]  # (rank of the group, bytes)


def memory_of(array: Any) -> memoryview:
    """The bytes of an array."""
    return memoryview(array).cast("B") if array.size else memoryview(b"")


class PairwiseTransport(Transport):
    """One rank's end of connections to each of the others."""

    @abstractmethod
    def exchange(self, sends: Parcels, receives: Parcels, wait: Wait) -> None:
        """Send and receive all, in whatever order the network does."""

    def details(self, call: Call, detail: list[int], spin: bool) -> list[list[int]]:
        self._agree(call)
        mine = np.array(detail, np.int64)
        found = np.zeros((self.size, mine.size), np.int64)
        found[self.rank] = mine
        self._tell_all(call, mine, found)
        return found.tolist()

    def _wait(self, call: Call) -> Wait:
        return Wait(f"{call.name} #{self.count}", call.seconds or self.seconds)

    def _tell_all(self, call: Call, mine: Any, found: Any) -> None:
        """Send `mine` to all, and receive theirs in the rows of `found`."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        self.exchange(
            [(rank, memory_of(mine)) for rank in others],
            [(rank, memory_of(found[rank])) for rank in others], self._wait(call),
        )  # fmt: skip

    def _agree(self, call: Call) -> None:
        """Compare the coming call on all ranks: their texts, cut to a fixed length."""
        if self.broken is not None:
            raise DistError(f"the process group is broken since: {self.broken}") from self.broken
        heads = np.zeros((self.size, 512), np.uint8)
        text = np.concatenate([call.head[:8], call.head[16:]])[:512]
        heads[self.rank, : text.size] = text
        self._tell_all(call, heads[self.rank], heads)
        if (heads[:, :8] != heads[self.rank, :8]).any():
            texts = [h[8:].tobytes().rstrip(b"\0").decode(errors="replace") for h in heads]
            raise explain(self.count, texts, self.ranks, self.rank)

    def move(
        self, call: Call, mine: Any, lengths: list[int], wants: Wants, sink: Sink, spin: bool
    ) -> None:
        self._agree(call)
        self._swap(call, mine, wants, sink)

    def _swap(self, call: Call, mine: Any, wants: Wants, sink: Sink) -> None:
        me, found = self.rank, {}
        sends, receives = [], []
        for rank in range(self.size):
            start, stop = wants(me, rank)
            if rank == me:
                found[rank] = mine[start:stop].copy()
                continue
            found[rank] = np.empty(stop - start, np.uint8)
            receives.append((rank, memory_of(found[rank])))
            start, stop = wants(rank, me)
            sends.append((rank, memory_of(mine[start:stop])))
        self.exchange(sends, receives, self._wait(call))
        for source, data in found.items():
            if data.size:
                sink(source, 0, data)

    def reduce(
        self, call: Call, mine: Any, section: tuple[int, int], out: Any, op: ReduceOp, spin: bool
    ) -> None:
        self._reduce(call, mine, self.details(call, list(section), spin), out, op)

    def _reduce(self, call: Call, mine: Any, sections: Any, out: Any, op: ReduceOp) -> None:
        """Reduce to `out` this rank's section, of which all ranks know each other's."""
        size = mine.dtype.itemsize
        parts: list[Any] = []
        self._swap(
            call, mine.view(np.uint8),
            lambda reader, source: (sections[reader][0] * size, sections[reader][1] * size),
            lambda source, start, view: parts.append(view.view(mine.dtype)),
        )  # fmt: skip
        if parts:
            join(op, parts, out, self.size)

    def all_reduce(self, call: Call, flat: Any, op: ReduceOp, spin: bool) -> None:
        """Each rank reduces a share, and sends it to all."""
        self._agree(call)
        edges = [flat.size * r // self.size for r in range(self.size + 1)]
        sections = [(edges[r], edges[r + 1]) for r in range(self.size)]
        start, stop = sections[self.rank]
        mine = np.empty(stop - start, flat.dtype)
        self._reduce(call, flat, sections, mine, op)
        size, octets = flat.dtype.itemsize, flat.view(np.uint8)

        def take(source: int, start: int, view: Any) -> None:
            start += edges[source] * size
            octets[start : start + view.size] = view

        def wants(reader: int, source: int) -> tuple[int, int]:
            return 0, (edges[source + 1] - edges[source]) * size

        self._swap(call, mine.view(np.uint8), wants, take)
