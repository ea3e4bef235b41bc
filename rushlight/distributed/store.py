"""Stores: a few keys and values that all processes of a job read and write."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta

from ..core import file_lock
from .errors import DistStoreError, QueueEmptyError

Fields = list[bytes]
CHANGES = frozenset({b"set", b"add", b"swap", b"delete", b"append", b"push", b"pop"})
NUMBER = struct.Struct("<I")


def pack(fields: Sequence[bytes]) -> bytes:
    """Fields as one message: their count, then each with its length before it."""
    parts = [NUMBER.pack(len(fields))]
    for field in fields:
        parts += (NUMBER.pack(len(field)), field)
    return b"".join(parts)


def unpack(data: bytes, at: int = 0) -> tuple[Fields, int]:
    """The fields of the message that starts at `at`, and where it ends."""
    (count,) = NUMBER.unpack_from(data, at)
    at += 4
    fields = []
    for _ in range(count):
        (size,) = NUMBER.unpack_from(data, at)
        fields.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return fields, at


class Table:
    """The values of a store, and one atomic step for each request."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.queues: dict[bytes, deque[bytes]] = {}

    def answer(self, request: Fields) -> Fields:
        """Carry out [name, *arguments]."""
        name, *arguments = request
        return getattr(self, f"_{name.decode()}")(*arguments)

    def _set(self, key: bytes, value: bytes) -> Fields:
        self.values[key] = value
        return []

    def _get(self, key: bytes) -> Fields:
        return [self.values[key]] if key in self.values else []

    def _add(self, key: bytes, amount: bytes) -> Fields:
        self.values[key] = b"%d" % (int(self.values.get(key, b"0")) + int(amount))
        return [self.values[key]]

    def _swap(self, key: bytes, expected: bytes, desired: bytes) -> Fields:
        present = self.values.get(key)
        if present == expected or (present is None and not expected):
            self.values[key] = desired
            return [desired]
        return [expected if present is None else present]

    def _has(self, *keys: bytes) -> Fields:
        return [b"1" if all(k in self.values or self.queues.get(k) for k in keys) else b""]

    def _delete(self, key: bytes) -> Fields:
        return [b"" if self.values.pop(key, None) is None else b"1"]

    def _keys(self) -> Fields:
        return list(self.values)

    def _append(self, key: bytes, value: bytes) -> Fields:
        self.values[key] = self.values.get(key, b"") + value
        return []

    def _push(self, key: bytes, value: bytes) -> Fields:
        self.queues.setdefault(key, deque()).append(value)
        return []

    def _pop(self, key: bytes) -> Fields:
        queue = self.queues.get(key)
        return [queue.popleft()] if queue else []

    def _length(self, key: bytes) -> Fields:
        return [b"%d" % len(self.queues.get(key, ()))]


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def patience() -> Iterator[None]:
    """Sleep between two looks: half a millisecond at first, 20 in the end."""
    pause = 0.0005
    while True:
        time.sleep(pause)
        yield
        pause = min(pause * 1.5, 0.02)


class Store:
    """What all stores can do; each says in `_ask` where its table is.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.Store

    >>> import rushlight.distributed as dist
    >>> store = dist.HashStore()
    >>> store.set("name", "value")
    >>> store.get("name"), store.add("count", 2), store.add("count", 3)
    (b'value', 2, 5)
    """

    def __init__(self) -> None:
        self._timeout = timedelta(seconds=300)

    def _ask(self, *request: bytes) -> Fields:
        raise NotImplementedError

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Choose how long `get` and `wait` wait."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Write a value."""
        self._ask(b"set", _bytes(key), _bytes(value))

    def get(self, key: str) -> bytes:
        """The value, once somebody has written it; DistStoreError if nobody does in time."""
        until = time.monotonic() + self._timeout.total_seconds()
        waiting = patience()
        while not (found := self._ask(b"get", _bytes(key))):
            self._still_time(until, self._timeout, [key])
            next(waiting)
        return found[0]

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        """Return when all keys are there; DistStoreError if they are not in time."""
        allowed = self._timeout if timeout is None else timeout
        until = time.monotonic() + allowed.total_seconds()
        waiting = patience()
        while not self.check(keys):
            self._still_time(until, allowed, keys)
            next(waiting)

    def _still_time(self, until: float, allowed: timedelta, keys: list[str]) -> None:
        if time.monotonic() > until:
            names = ", ".join(keys)
            milliseconds = int(allowed.total_seconds() * 1000)
            raise DistStoreError(f"wait timeout after {milliseconds}ms, keys: /{names}")

    def check(self, keys: list[str]) -> bool:
        """Whether all keys are there."""
        return self._ask(b"has", *map(_bytes, keys)) == [b"1"]

    def add(self, key: str, amount: int) -> int:
        """Add to a counter, which begins at 0; its new value."""
        return int(self._ask(b"add", _bytes(key), b"%d" % amount)[0])

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Write if the value is as expected ("": is not there); what there is now."""
        return self._ask(b"swap", _bytes(key), _bytes(expected_value), _bytes(desired_value))[0]

    def delete_key(self, key: str) -> bool:
        """Take a key away; whether it was there."""
        return self._ask(b"delete", _bytes(key)) == [b"1"]

    def num_keys(self) -> int:
        """How many keys there are."""
        return len(self._ask(b"keys"))

    def list_keys(self) -> list[str]:
        """The keys."""
        return [key.decode() for key in self._ask(b"keys")]

    def append(self, key: str, value: str | bytes) -> None:
        """Write behind what is there."""
        self._ask(b"append", _bytes(key), _bytes(value))

    def multi_set(self, keys: list[str], values: list[str]) -> None:
        """Write several values."""
        for key, value in zip(keys, values):
            self.set(key, value)

    def multi_get(self, keys: list[str]) -> list[bytes]:
        """Several values, once they are there."""
        return [self.get(key) for key in keys]

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        self._ask(b"push", _bytes(key), _bytes(value))

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue; waits for one, or raises QueueEmptyError."""
        until = time.monotonic() + self._timeout.total_seconds()
        waiting = patience()
        while not (found := self._ask(b"pop", _bytes(key))):
            if not block:
                raise QueueEmptyError(f"queue is empty: {key}")
            self._still_time(until, self._timeout, [key])
            next(waiting)
        return found[0]

    def queue_len(self, key: str) -> int:
        """How many values a queue holds."""
        return int(self._ask(b"length", _bytes(key))[0])

    def has_extended_api(self) -> bool:
        """Whether `append` and the `multi_` forms are there: always."""
        return True


class HashStore(Store):
    """A store of one process, for its threads.

    Keys are text, values bytes; `get` waits for a key. Source:
    https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.HashStore

    >>> import rushlight.distributed as dist
    >>> store = dist.HashStore()
    >>> store.set("name", "value")
    >>> store.get("name"), store.add("count", 3)
    (b'value', 3)
    """

    def __init__(self) -> None:
        super().__init__()
        self._table, self._lock = Table(), threading.Lock()

    def _ask(self, *request: bytes) -> Fields:
        with self._lock:
            return self._table.answer(list(request))

    def clone(self) -> HashStore:
        """Another view of the same values."""
        twin = HashStore()
        twin._table, twin._lock = self._table, self._lock
        return twin


class PrefixStore(Store):
    """A store in another: its keys have `prefix/` before them.

    So groups that share a store do not meet each other's keys. Source:
    https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.PrefixStore

    >>> import rushlight.distributed as dist
    >>> store = dist.HashStore()
    >>> dist.PrefixStore("a", store).set("name", "value")
    >>> store.get("a/name")
    b'value'
    """

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self._prefix, self.underlying_store = prefix, store
        self._timeout = store.timeout

    def _ask(self, *request: bytes) -> Fields:
        name, *rest = request
        head = f"{self._prefix}/".encode()
        if name == b"keys":
            return [k[len(head) :] for k in self.underlying_store._ask(name) if k.startswith(head)]
        keys = len(rest) if name == b"has" else 1
        return self.underlying_store._ask(name, *(head + k for k in rest[:keys]), *rest[keys:])

    def clone(self) -> PrefixStore:
        """Another view of the same values."""
        return PrefixStore(self._prefix, self.underlying_store)


def _append(file: int, change: bytes, at: int) -> int:
    """Write a change wholly or not at all; how many bytes it has."""
    done = 0
    os.lseek(file, at, os.SEEK_SET)
    try:
        while done < len(change):
            done += os.write(file, change[done:])
    except OSError:
        os.ftruncate(file, at)
        raise
    return done


class FileStore(Store):
    """A store in a file that all processes can lock: a list of the changes made so far.

    The last of `world_size` users to end takes the file away.

    >>> import os, tempfile
    >>> import rushlight.distributed as dist
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = dist.FileStore(os.path.join(folder, "store"), 1)
    ...     store.set("name", "value")
    ...     print(store.get("name"))
    ...     del store
    b'value'
    """

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self.path, self._users = os.fspath(file_name), world_size
        self._table, self._read = Table(), 0
        self._add_user(1)

    def _add_user(self, amount: int) -> int:
        return int(self._ask(b"add", b"\0users", b"%d" % amount)[0])

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            self._await_lock(file)
            try:
                yield file
            finally:
                file_lock.give(file)
        finally:
            os.close(file)

    def _await_lock(self, file: int) -> None:
        until = time.monotonic() + self._timeout.total_seconds()
        while not file_lock.take(file):
            if time.monotonic() > until:
                raise DistStoreError(
                    f"the store {self.path} is locked by a process that does not go on"
                )
            time.sleep(0.0002)

    def _ask(self, *request: bytes) -> Fields:
        with self._locked() as file:
            size = os.fstat(file).st_size
            if size < self._read:  # taken away and begun anew
                self._table, self._read = Table(), 0
            os.lseek(file, self._read, os.SEEK_SET)
            news, at = os.read(file, size - self._read), 0
            while at < len(news):
                change, at = unpack(news, at)
                self._table.answer(change)
            if request[0] in CHANGES:
                size += _append(file, pack(request), size)
            self._read = size
            answer = self._table.answer(list(request))
            if request[0] == b"keys":
                return [key for key in answer if not key.startswith(b"\0")]
            return answer

    def close(self) -> None:
        """Say that this process is done with the file; the last one removes it."""
        if os.path.exists(self.path) and self._add_user(-1) == 0 and self._users > 0:
            with contextlib.suppress(OSError):
                os.remove(self.path)
