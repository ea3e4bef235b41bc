"""Between machines, over TCP: two connections for a pair of ranks, one of them for messages."""

from __future__ import annotations

import secrets
import select
import socket
from typing import Any

from .errors import DistPeerDied, DistTimeoutError
from .pairwise import PairwiseTransport, Parcels, memory_of
from .store import Store
from .tcp_store import connect, receive_exactly
from .window import Wait

LOOK = 0.2  # seconds in `poll`, so that Ctrl-C and the time limit are seen


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
        exchange([(self.line, memory_of(data))], [], wait)

    def read(self, out: Any, wait: Wait, spin: bool) -> None:
        """Fill `out`."""
        exchange([], [(self.line, memory_of(out))], wait)

    def waiting_bytes(self) -> int:
        """Whether something is there to be read."""
        try:
            return len(self.line.socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return 0


class SocketTransport(PairwiseTransport):
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

    def exchange(self, sends: Parcels, receives: Parcels, wait: Wait) -> None:
        lines: Any = self.lines[0]
        exchange(
            [(lines[rank], data) for rank, data in sends],
            [(lines[rank], data) for rank, data in receives], wait,
        )  # fmt: skip

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
