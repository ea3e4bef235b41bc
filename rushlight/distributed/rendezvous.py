"""How the processes of a job find one another: a store, and each one's number."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlparse, urlunparse

from ..core.errors import fail
from .store import FileStore, Store
from .tcp_store import TCPStore

__all__ = ["register_rendezvous_handler", "rendezvous"]


def _missing(scheme: str, what: str) -> BaseException:
    return fail(
        ValueError, f"Error initializing torch.distributed using {scheme}:// rendezvous: {what}",
        "start the program with `rushlight launch -n 2 program.py`, which sets what is needed",
    )  # fmt: skip


def _environment(rank: int, size: int, timeout: timedelta) -> tuple[Store, int, int]:
    """RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say it."""

    def read(name: str, given: int = -1) -> Any:
        if given != -1:
            return given
        value = os.environ.get(name)
        if not value:
            raise _missing("env", f"environment variable {name} expected, but not set")
        return value

    def number(name: str, given: int = -1) -> int:
        value = read(name, given)
        try:
            return int(value)
        except ValueError as error:
            raise fail(ValueError, str(error), f"{name} says so in the environment") from None

    rank, size = number("RANK", rank), number("WORLD_SIZE", size)
    host, port = read("MASTER_ADDR"), number("MASTER_PORT")
    return _tcp_store(host, port, rank, size, timeout), rank, size


def _tcp_store(host: str, port: int, rank: int, size: int, timeout: timedelta) -> Store:
    if not 0 <= port < 65536:
        raise ValueError(f"port must have value from 0 to 65535 but was {port}.")
    _check_place(rank, size)
    held = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return TCPStore(host, port, size, rank == 0 and not held, timeout, wait_for_workers=False)


def _check_place(rank: int, size: int) -> None:
    """Refuse a rank that is none of the job's: it would wait for others that cannot come."""
    if size == 0:
        raise ValueError("TCPStore world size cannot be 0")
    if not 0 <= rank < size:
        raise ValueError(f"rank {rank} is none of 0 to {size - 1}: world_size is {size}")


def _query(url: Any, scheme: str, rank: int, size: int) -> tuple[int, int]:
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    rank = rank if rank != -1 else int(asked.get("rank", -1))
    size = size if size != -1 else int(asked.get("world_size", -1))
    if rank == -1:
        raise _missing(scheme, "rank parameter missing")
    if size == -1:
        raise _missing(scheme, "world size parameter missing")
    return rank, size


Handler = Callable[..., Iterator[tuple[Store, int, int]]]
_handlers: dict[str, Handler] = {}


def register_rendezvous_handler(scheme: str, handler: Handler) -> None:
    """Have addresses that begin with `scheme://` lead to `handler(address, timeout=...)`, which
    yields the store, the rank and the number of processes.

    Raises: RuntimeError if there is a handler for them already.

    >>> import rushlight.distributed as dist
    >>> from rushlight.distributed.rendezvous import rendezvous
    >>> def alone(address, timeout=None):
    ...     yield dist.HashStore(), 0, 1
    >>> dist.register_rendezvous_handler("alone", alone)
    >>> next(rendezvous("alone://"))[1:]
    (0, 1)
    """
    if scheme in ("env", "tcp", "file") or scheme in _handlers:
        raise RuntimeError(f"Rendezvous handler for {scheme}:// already registered")
    _handlers[scheme] = handler


def rendezvous(
    url: str, rank: int = -1, world_size: int = -1, timeout: timedelta = timedelta(seconds=300),
    **kwargs: Any,
) -> Iterator[tuple[Store, int, int]]:  # fmt: skip
    """Yield the store, this process's rank and the number of processes, for env://, tcp://, file://.

    Raises: ValueError if something is missing that the address must say, RuntimeError for
    another kind of address.

    >>> import tempfile
    >>> from rushlight.distributed.rendezvous import rendezvous
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store, rank, size = next(rendezvous(f"file://{folder}/store", rank=0, world_size=1))
    >>> rank, size
    (0, 1)
    """
    parts = urlparse(url)
    if parts.scheme == "env":
        yield _environment(rank, world_size, timeout)
    elif parts.scheme == "tcp":
        if not parts.port:
            raise _missing("tcp", "port number missing")
        rank, size = _query(parts, "tcp", rank, world_size)
        yield _tcp_store(parts.hostname or "localhost", parts.port, rank, size, timeout), rank, size
    elif parts.scheme == "file":
        path = parts.netloc + parts.path
        if os.name == "nt" and re.match("/[A-Za-z]:", path):  # file:///C:/folder/store
            path = path[1:]
        if not path:
            raise _missing("file", "path missing")
        rank, size = _query(parts, "file", rank, world_size)
        _check_place(rank, size)
        store = FileStore(path, size)
        store.set_timeout(timeout)
        yield store, rank, size
    elif parts.scheme in _handlers:
        said = [f"{n}={v}" for n, v in (("rank", rank), ("world_size", world_size)) if v != -1]
        query = "&".join([*filter(None, [parts.query]), *said])
        address = urlunparse(parts._replace(query=query))
        yield from _handlers[parts.scheme](address, timeout=timeout, **kwargs)
    else:
        raise RuntimeError(f"No rendezvous handler for {parts.scheme}://")
