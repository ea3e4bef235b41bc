"""Collectives between machines, over TCP: each rank sends to each what that one wants.

A pair of ranks has a connection for them, and another one for messages. Sums are made in the order
of the ranks.
"""

from __future__ import annotations

import secrets
import select
import socket
from typing import Any

import numpy as np

from .errors import DistError, DistPeerDied, DistTimeoutError
from .reduce_op import ReduceOp, join
from .store import Store
from .tcp_store import connect, receive_exactly
from .transport import Call, Sink, Transport, Wants, explain
from .window import Wait

LOOK = 0.2  # seconds in `poll`, so that Ctrl-C and the time limit are seen


def _room(count: int) -> Any:
    return np.empty(count, np.uint8)


def _bytes(array: Any) -> memoryview:
    return memoryview(array).cast("B") if array.size else memoryview(b"")


class Line:
    """The connection to one peer, which never blocks."""

    def __init__(self, connection: socket.socket, rank: int) -> None:
        connection.setblocking(False)
        self.socket, self.rank = connection, rank

    def send_some(self, data: memoryview, wait: Wait) -> int:
        """Send what fits now; how much that was."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(wait, error) from error

    def receive_some(self, data: memoryview, wait: Wait) -> int:
        """Receive what is there now; how much that was."""
        try:
            count = self.socket.recv_into(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._lost(wait, error) from error
        if not count:
            raise self._lost(wait, "it has closed the connection")
        return count

    def _lost(self, wait: Wait, why: Any) -> DistPeerDied:
        return DistPeerDied(f"{wait.doing}: rank {self.rank} is gone: {why}", self.rank)

    def late(self, wait: Wait) -> DistTimeoutError:
        """The error for a peer that lives and is silent."""
        return DistTimeoutError(
            f"{wait.doing}: rank {self.rank} has not come within {wait.seconds:g} s",
            (self.rank,), wait.seconds,
        )  # fmt: skip


def exchange(
    sends: list[tuple[Line, memoryview]], receives: list[tuple[Line, memoryview]], wait: Wait
) -> None:
    """Send and receive all, in whatever order the network does."""
    out = {line.socket.fileno(): [line, data] for line, data in sends if data.nbytes}
    into = {line.socket.fileno(): [line, data] for line, data in receives if data.nbytes}
    while out or into:
        poll = select.poll()
        for number in {*out, *into}:
            poll.register(
                number, select.POLLIN * (number in into) | select.POLLOUT * (number in out)
            )
        events = poll.poll(min(LOOK, wait.left()) * 1000)
        if not events and wait.left() <= 0:
            raise next(iter((into or out).values()))[0].late(wait)
        for number, event in events:
            if number in out and event & (select.POLLOUT | select.POLLERR):
                _advance(out, number, out[number][0].send_some(out[number][1], wait))
            if number in into and event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                _advance(into, number, into[number][0].receive_some(into[number][1], wait))


def _advance(table: dict[int, list[Any]], number: int, count: int) -> None:
    table[number][1] = table[number][1][count:]
    if not table[number][1].nbytes:
        del table[number]


class Connection:
    """A peer's messages, for `Inbox` and `Outbox`."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def write(self, data: Any, wait: Wait, spin: bool) -> None:
        """Send all bytes."""
        exchange([(self.line, _bytes(data))], [], wait)

    def read(self, out: Any, wait: Wait, spin: bool) -> None:
        """Fill `out`."""
        exchange([], [(self.line, _bytes(out))], wait)

    def waiting_bytes(self) -> int:
        """Whether something is there to be read."""
        try:
            return len(self.line.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return 0


class SocketTransport(Transport):
    """One rank's connections to the others."""

    def __init__(
        self, store: Store, rank: int, ranks: list[int], seconds: float, address: str
    ) -> None:
        super().__init__(rank, len(ranks), ranks, seconds)
        with socket.socket() as listener:
            listener.bind(("", 0))
            listener.listen(2 * self.size)
            store.set(f"address/{rank}", f"{address}:{listener.getsockname()[1]}")
            self.lines = _join(store, listener, rank, ranks, seconds)

    def details(self, call: Call, detail: list[int], spin: bool) -> list[list[int]]:
        self._agree(call)
        mine = np.array(detail, np.int64)
        found = np.zeros((self.size, mine.size), np.int64)
        found[self.rank] = mine
        pairs = [(line, r) for r, line in enumerate(self.lines[0]) if line]
        exchange(
            [(line, _bytes(mine)) for line, _ in pairs],
            [(line, _bytes(found[r])) for line, r in pairs], self._wait(call),
        )  # fmt: skip
        return found.tolist()

    def _wait(self, call: Call) -> Wait:
        return Wait(f"{call.name} #{self.count}", call.seconds or self.seconds)

    def _agree(self, call: Call) -> None:
        """Compare the coming call on all ranks: their texts, cut to a fixed length."""
        if self.broken is not None:
            raise DistError(f"the process group is broken since: {self.broken}") from self.broken
        heads = np.zeros((self.size, 512), np.uint8)
        text = np.concatenate([call.head[:8], call.head[16:]])[:512]
        heads[self.rank, : text.size] = text
        pairs = [(line, r) for r, line in enumerate(self.lines[0]) if line]
        exchange(
            [(line, _bytes(heads[self.rank])) for line, _ in pairs],
            [(line, _bytes(heads[r])) for line, r in pairs], self._wait(call),
        )  # fmt: skip
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
        for rank, line in enumerate(self.lines[0]):
            start, stop = wants(me, rank)
            found[rank] = (
                mine[start:stop].copy() if rank == me else np.empty(stop - start, np.uint8)
            )
            if line is not None:
                start, stop = wants(rank, me)
                sends.append((line, _bytes(mine[start:stop])))
                receives.append((line, _bytes(found[rank])))
        exchange(sends, receives, self._wait(call))
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

    def channel(self, source: int, target: int) -> Connection:
        line = self.lines[1][source if target == self.rank else target]
        assert line is not None
        return Connection(line)

    def give_up(self, error: BaseException) -> None:
        self.broken = error
        self.close()

    def close(self) -> None:
        for line in (line for row in self.lines for line in row if line):
            line.socket.close()


def _join(
    store: Store, listener: socket.socket, rank: int, ranks: list[int], seconds: float
) -> list[list[Line | None]]:
    """Two connections to each other rank: to the lower ones we go, the higher ones come."""
    lines: list[list[Line | None]] = [[None] * len(ranks), [None] * len(ranks)]
    token = store.compare_set("token", "", secrets.token_hex(16))  # whoever comes first
    for other in range(rank):
        host, _, port = store.get(f"address/{other}").decode().rpartition(":")
        for kind in (0, 1):
            connection = connect(host, int(port), seconds)
            connection.sendall(token + bytes([kind]) + rank.to_bytes(4, "little"))
            lines[kind][other] = Line(connection, ranks[other])
    listener.settimeout(seconds)
    while any(line is None for row in lines for line in row[rank + 1 :]):
        try:
            connection, _ = listener.accept()
        except TimeoutError as error:
            missing = tuple(ranks[r] for r in range(rank + 1, len(ranks)) if lines[1][r] is None)
            raise DistTimeoutError(
                f"making a process group: ranks {list(missing)} have not come within"
                f" {seconds:g} s", missing, seconds,
            ) from error  # fmt: skip
        connection.settimeout(seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = receive_exactly(connection, len(token) + 5)
        if said[: len(token)] != token:
            connection.close()  # somebody else
            continue
        other = int.from_bytes(said[-4:], "little")
        lines[said[-5]][other] = Line(connection, ranks[other])
    return lines
