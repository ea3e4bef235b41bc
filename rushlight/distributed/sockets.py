"""Between machines, over TCP: two connections for a pair of ranks, one of them for messages."""

from __future__ import annotations

import functools
import secrets
import select
import socket
from collections.abc import Iterable
from typing import Any

from .errors import DistPeerDied, DistTimeoutError
from .meeting import Meeting
from .pairwise import PairwiseTransport, Parcels, memory_of
from .peers import Wait
from .tcp_store import connect, receive_exactly

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
        ready = _ready(into, out, min(LOOK, wait.left()))
        if not ready and wait.left() <= 0:
            raise next(iter((into or out).values()))[0].late(wait)
        for number, readable, writable in ready:
            if number in out and writable:
                _advance(out, number, out[number][0].send_some(out[number][1], wait))
            if number in into and readable:
                _advance(into, number, into[number][0].receive_some(into[number][1], wait))


def _ready(
    into: Iterable[int], out: Iterable[int], seconds: float
) -> list[tuple[int, bool, bool]]:  # fmt: skip
    """The connections at which there is something to read, or room to write, or an error."""
    if not hasattr(select, "poll"):  # Windows
        reads, writes, _ = select.select(list(into), list(out), [], seconds)
        return [(number, number in reads, number in writes) for number in {*reads, *writes}]
    poll, asked = select.poll(), dict.fromkeys(into, select.POLLIN)
    for number in out:
        asked[number] = asked.get(number, 0) | select.POLLOUT
    for number, events in asked.items():
        poll.register(number, events)
    readable, writable = select.POLLIN | select.POLLHUP | select.POLLERR, select.POLLOUT
    writable |= select.POLLERR
    return [
        (number, bool(event & readable), bool(event & writable))
        for number, event in poll.poll(seconds * 1000)
    ]


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

    def is_closed(self) -> bool:
        """Whether the other side has ended the connection, and all it sent has been read."""
        try:
            return not self.line.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True


class SocketTransport(PairwiseTransport):
    """One rank's connections to the others."""

    def __init__(self, meeting: Meeting, address: str) -> None:
        rank, ranks = meeting.rank, meeting.ranks
        super().__init__(rank, len(ranks), ranks, meeting.wait.seconds)
        self.peers = meeting.peers
        with socket.socket() as listener:
            listener.bind(("", 0))
            listener.listen(2 * self.size)
            port = listener.getsockname()[1]
            meeting.store.set(f"address/{rank}", f"{address}:{port}")
            self.lines = _join(meeting, listener)

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

    def let_go(self) -> None:
        super().let_go()
        _close(self.lines)

    def close(self) -> None:
        _close(self.lines)
        if self.peers is not None:
            self.peers.close()


Lines = list[list[Line | None]]


def _join(meeting: Meeting, listener: socket.socket) -> Lines:
    """Two connections to each other rank: to the lower ones we go, the higher ones come."""
    rank, ranks = meeting.rank, meeting.ranks
    lines: Lines = [[None] * len(ranks), [None] * len(ranks)]
    # Whoever comes first chooses what proves that a connection is one of this job.
    token = meeting.store.compare_set("token", "", secrets.token_hex(16))
    try:
        for other in range(rank):
            host, _, port = meeting.read(f"address/{other}", other).decode().rpartition(":")
            for kind in (0, 1):
                left = meeting.wait.left()
                look = functools.partial(meeting.look, [other])
                connection = connect(host, int(port), left, look)
                connection.sendall(token + bytes([kind]) + rank.to_bytes(4, "little"))
                lines[kind][other] = Line(connection, ranks[other])
        listener.settimeout(LOOK)
        while missing := [
            r for r in range(rank + 1, len(ranks)) if not (lines[0][r] and lines[1][r])
        ]:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                meeting.look(missing)
                continue
            _admit(connection, token, lines, ranks, meeting.wait.left())
    except BaseException:
        _close(lines)
        raise
    return lines


def _admit(
    connection: socket.socket, token: bytes, lines: Lines, ranks: list[int], seconds: float
) -> None:
    """Note who has connected; somebody else than the ranks is sent away."""
    try:
        connection.settimeout(max(min(seconds, 1.0), 0.1))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = receive_exactly(connection, len(token) + 5)
    except OSError:  # a rank that has died since, or nobody who speaks as we do
        said = b""
    kind, other = said[-5:-4], int.from_bytes(said[-4:], "little")
    if said[: len(token)] != token or kind not in (b"\0", b"\1") or other >= len(ranks):
        connection.close()
        return
    lines[kind[0]][other] = Line(connection, ranks[other])


def _close(lines: Lines) -> None:
    for line in (line for row in lines for line in row if line):
        line.socket.close()
