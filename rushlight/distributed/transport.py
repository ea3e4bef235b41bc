"""What a transport between ranks must be able to do, and how a call is announced to the others."""

from __future__ import annotations

import functools
import hashlib
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import DistMismatch
from .peers import Peers
from .reduce_op import ReduceOp

Wants = Callable[[int, int], tuple[int, int]]  # (reader, source): which bytes of the source's
Sink = Callable[[int, int, Any], None]  # (source, place in what was wanted, bytes)


class Call:
    """A collective as the ranks must agree on it: its text, and a check sum of that."""

    __slots__ = ("check", "head", "name", "seconds", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.seconds = name, text, 0.0
        data = text.encode()
        digest = hashlib.blake2b(data, digest_size=8).digest()
        self.check = int.from_bytes(digest, sys.byteorder)
        data = data[:4000]
        head = digest + struct.pack("<II", len(data), 0) + data
        self.head = np.frombuffer(head, np.uint8)


@functools.lru_cache(1024)
def call_of(name: str, kind: Any, shape: tuple[int, ...], more: str = "") -> Call:
    """The call `name` on tensors of a type and shape; `more` is the op or the root."""
    return Call(name, f"{name}({f'{more}, ' if more else ''}{str(kind)[6:]} {shape})")


@functools.lru_cache(64)
def plain_call(name: str) -> Call:
    """A call of which the ranks agree on the name alone."""
    return Call(name, name)


def explain(count: int, texts: list[str], ranks: list[int], me: int) -> DistMismatch:
    """The error for ranks that came with different calls."""
    other = next(r for r, text in enumerate(texts) if text != texts[0])
    name = texts[me].partition("(")[0]
    error = DistMismatch(
        f"{name} #{count}: rank {ranks[0]} has {texts[0]}, rank {ranks[other]} has {texts[other]}"
    )
    error.add_note("no data was moved; all ranks must make the same calls in the same order")
    return error


class Transport(ABC):
    """The way between the ranks of a group, seen from one of them."""

    def __init__(self, rank: int, size: int, ranks: list[int], seconds: float) -> None:
        self.rank, self.size, self.ranks, self.seconds = rank, size, ranks, seconds
        self.count = 0
        self.broken: BaseException | None = None
        self.peers: Peers | None = None  # those that can be watched from here

    @abstractmethod
    def move(
        self, call: Call, mine: Any, lengths: list[int], wants: Wants, sink: Sink, spin: bool
    ) -> None:
        """Have each rank read what it wants of the bytes that the others give."""

    @abstractmethod
    def details(self, call: Call, detail: list[int], spin: bool) -> list[list[int]]:
        """As many numbers from each rank."""

    @abstractmethod
    def channel(self, source: int, target: int) -> Any:
        """Carries messages from one rank to another."""

    @abstractmethod
    def give_up(self, error: BaseException) -> None:
        """Take no more calls."""

    @abstractmethod
    def close(self) -> None:
        """Leave."""

    def let_go(self) -> None:
        """In a copy of the process: hold on to nothing by which the others see that the process
        itself lives."""
        self.peers = None

    @abstractmethod
    def reduce(
        self, call: Call, mine: Any, section: tuple[int, int], out: Any, op: ReduceOp, spin: bool
    ) -> None:
        """Write to `out` the reduction over the ranks of a section of what they give."""

    @abstractmethod
    def all_reduce(self, call: Call, flat: Any, op: ReduceOp, spin: bool) -> None:
        """Reduce over the ranks, in place."""
