"""The store over TCP: a thread of one process holds the table, the others ask it."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from .errors import DistNetworkError
from .store import NUMBER, Fields, Store, Table, pack, patience, unpack

WHOLE = NUMBER  # a message is the length of what follows, then `pack`'s bytes


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    """`count` bytes; ConnectionError if the other side ends before."""
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError("the other side has closed the connection")
        parts += part
    return bytes(parts)


def send_message(connection: socket.socket, fields: Fields) -> None:
    """Send fields as one message."""
    body = pack(fields)
    connection.sendall(WHOLE.pack(len(body)) + body)


def receive_message(connection: socket.socket) -> Fields:
    """The fields of the next message."""
    (size,) = WHOLE.unpack(receive_exactly(connection, WHOLE.size))
    return unpack(receive_exactly(connection, size))[0]


class Server:
    """Answers requests from one thread, in the order in which they come."""

    def __init__(self, port: int, host: str = "") -> None:
        self.socket = _listen(host, port)
        self.port: int = self.socket.getsockname()[1]
        self._table = Table()
        self._pending: dict[socket.socket, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.socket, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="rushlight-store", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return self._end()
                if key.fileobj is self.socket:
                    self._admit()
                else:
                    self._hear(key.fileobj)

    def _admit(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self.socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pending[connection] = bytearray()
            self._selector.register(connection, selectors.EVENT_READ)

    def _hear(self, connection: Any) -> None:
        heard = self._pending[connection]
        try:
            part = connection.recv(1 << 20)
            if not part:
                raise ConnectionResetError
            heard += part
            while len(heard) >= 4 and len(heard) >= 4 + WHOLE.unpack_from(heard)[0]:
                size = 4 + WHOLE.unpack_from(heard)[0]
                request, _ = unpack(bytes(heard[4:size]))
                del heard[:size]
                send_message(connection, self._table.answer(request))
        except (OSError, ValueError, AttributeError, TypeError):  # gone, or no client of ours
            self._selector.unregister(connection)
            del self._pending[connection]
            connection.close()

    def _end(self) -> None:
        for connection in [*self._pending, self.socket, self._wake, self._woken]:
            connection.close()
        self._selector.close()

    def close(self) -> None:
        """Stop answering."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        if threading.current_thread() is not self._thread:
            self._thread.join()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        name = errno.errorcode.get(error.errno or 0, "")
        raise DistNetworkError(
            "The server socket has failed to listen on any local network address. "
            f"port: {port}, useIpv6: false, code: -{error.errno}, name: {name}, "
            f"message: {os.strerror(error.errno or 0).lower()}"
        ) from None
    return listener


def connect(
    host: str, port: int, seconds: float, look: Callable[[], None] = lambda: None
) -> socket.socket:
    """A connection to a server that may still be starting; `look` raises if it has ended."""
    until = time.monotonic() + seconds
    waiting = patience()
    while True:
        try:
            left = max(until - time.monotonic(), 0.05)
            connection = socket.create_connection((host, port), timeout=left)
        except OSError as error:
            if time.monotonic() > until or isinstance(error, socket.gaierror):
                raise DistNetworkError(
                    f"The client socket has timed out after {int(seconds * 1000)}ms while trying"
                    f" to connect to ({host}, {port})."
                ) from error
            look()
            next(waiting)
            continue
        if connection.getsockname() == connection.getpeername():
            connection.close()  # a free port of this machine can meet itself
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(max(seconds, 0.05))
        return connection


class TCPStore(Store):
    """A store whose table is in the process that made it with `is_master=True`.

    `port` 0 has the master choose a free one, which `.port` names.
    Raises: DistNetworkError if the port is taken or nobody answers in time.
    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.TCPStore

    >>> import rushlight.distributed as dist
    >>> store = dist.TCPStore("localhost", 0, is_master=True)  # on a free port
    >>> store.set("name", "value")
    >>> store.get("name")
    b'value'
    >>> store.close()
    """

    def __init__(
        self, host_name: str, port: int, world_size: int | None = None, is_master: bool = False,
        timeout: timedelta = timedelta(seconds=300), wait_for_workers: bool = True,
        multi_tenant: bool = False, master_listen_fd: int | None = None, use_libuv: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self._timeout = timeout
        self.server = Server(port) if is_master else None
        self.host, self.port = host_name, self.server.port if self.server else port
        self._lock = threading.Lock()
        self._connection = connect(host_name, self.port, timeout.total_seconds())
        if world_size and world_size > 0 and wait_for_workers:
            self._await_workers(world_size)

    def _await_workers(self, count: int) -> None:
        if self.add("\0workers", 1) == count:
            self.set("\0all", "1")
        if self.server:
            self.get("\0all")

    def _ask(self, *request: bytes) -> Fields:
        with self._lock:
            try:
                send_message(self._connection, list(request))
                answer = receive_message(self._connection)
            except OSError as error:
                self._connection.close()
                raise DistNetworkError(
                    f"the store at {self.host}:{self.port}, which rank 0 or the launcher holds,"
                    f" does not answer: {error}"
                ) from error
            except BaseException:
                self._connection.close()  # the answer to come would be taken for another's
                raise
        if request[0] == b"keys":
            return [key for key in answer if not key.startswith(b"\0")]
        return answer

    def local_address(self) -> str:
        """This machine, as the server's sees it."""
        return str(self._connection.getsockname()[0])

    def clone(self) -> TCPStore:
        """Another connection to the same table."""
        return TCPStore(self.host, self.port, timeout=self._timeout)

    def close(self) -> None:
        """End the connection, and the table if it is here."""
        self._connection.close()
        if self.server:
            self.server.close()
