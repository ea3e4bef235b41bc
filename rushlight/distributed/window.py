"""The memory that the ranks of one machine share: a row of words per rank, and room for data.

It is a file without a name (memfd): rank 0 makes it, the others open it through /proc, and it is
gone with the last process that has it, however that process ends.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np

from . import waiting
from .errors import DistPeerDied, DistTimeoutError, how_it_ended
from .store import Store

FLAG, STATE, SLEEPERS = 0, 4, 64
ALIVE, LEFT, FAILED = 0, 1, 2
HALF, WHOLE = 1 << 31, (1 << 32) - 1
SLICE = 0.02  # seconds asleep between two looks at the peers


def reached(word: int, target: int) -> bool:
    """Whether a counter of 32 bits, which may have gone round, has come to `target`."""
    return (word - target) & WHOLE < HALF


class Peers:
    """The processes of a group on one machine: who lives, who has left, and how who died ended."""

    def __init__(self, pids: list[int], ranks: list[int]) -> None:
        self.pids, self.ranks = pids, ranks
        self.descriptors = [-1 if pid == os.getpid() else _open_pid(pid) for pid in pids]

    def has_died(self, rank: int) -> bool:
        """Whether the process of a group rank has ended."""
        descriptor = self.descriptors[rank]
        if descriptor < 0:
            return self.pids[rank] != os.getpid()
        return waiting.process_has_ended(descriptor)

    def death(self, rank: int, doing: str) -> DistPeerDied:
        """The error that says so."""
        number, code = self.ranks[rank], _exit_noted(self.ranks[rank])
        how = "has died" if code is None else how_it_ended(code)
        return DistPeerDied(
            f"{doing}: rank {number} (process {self.pids[rank]}) {how}",
            number, -code if code is not None and code < 0 else None,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the processes."""
        for descriptor in self.descriptors:
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptors = [-1] * len(self.pids)


def _open_pid(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


def _exit_noted(rank: int) -> int | None:
    """The status that the launcher has noted for a rank; it needs a moment to do so."""
    folder = os.environ.get("RUSHLIGHT_LAUNCH_FOLDER")
    if not folder:
        return None
    until = waiting.now() + 0.2
    path = os.path.join(folder, f"exit.{rank}")
    while waiting.now() < until:
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            waiting.time.sleep(0.005)
    return None


class Window:
    """The shared memory of one group, seen from one rank."""

    def __init__(self, store: Store, rank: int, peers: Peers, room: int) -> None:
        self.rank, self.peers, self.size = rank, peers, len(peers.pids)
        self.line = SLEEPERS + -(-self.size // 64) * 64
        self.data_at = -(-self.line * self.size // 4096) * 4096
        self.memory = self._map(store, self.data_at + room)
        self.octets = memoryview(self.memory)
        self.words = self.octets.cast("I")
        self.bytes = np.frombuffer(self.memory, np.uint8)
        self.address = self.bytes.ctypes.data
        self.spin = waiting.spin_budget(self.size)
        self.quiet = bytes(self.size)

    def _map(self, store: Store, size: int) -> mmap.mmap:
        """Make the memory (rank 0), or open it; rank 0's descriptor closes when all have."""
        if self.rank:
            path = store.get("window").decode()
            descriptor = os.open(path, os.O_RDWR)
            try:
                return mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
                store.add("mapped", 1)
        descriptor = os.memfd_create("rushlight", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            store.set("window", f"/proc/{os.getpid()}/fd/{descriptor}")
            memory = mmap.mmap(descriptor, size)
            self._await_mapped(store)
            return memory
        finally:
            os.close(descriptor)

    def _await_mapped(self, store: Store) -> None:
        until = waiting.now() + store.timeout.total_seconds()
        while store.add("mapped", 0) < self.size - 1:
            dead = [rank for rank in range(self.size) if self.peers.has_died(rank)]
            if dead:
                raise self.peers.death(dead[0], "making a process group")
            if waiting.now() > until:
                raise DistTimeoutError("making a process group: not all ranks came in time")
            waiting.time.sleep(0.0005)

    def set_word(self, at: int, value: int) -> None:
        """Store a word, after everything stored before it."""
        waiting.fence(self.address)
        self.words[at >> 2] = value & WHOLE

    def wake_sleepers(self, at: int, sleepers: int, count: int) -> None:
        """Wake who sleeps on the word at `at`, if one of the `count` bytes at `sleepers` is set."""
        if self.octets[sleepers : sleepers + count] != self.quiet[:count]:
            waiting.wake(self.address + at)

    def publish(self, value: int) -> None:
        """Set this rank's flag."""
        at = self.rank * self.line
        self.set_word(at + FLAG, value)
        self.wake_sleepers(at, at + SLEEPERS, self.size)

    def set_state(self, value: int) -> None:
        """Say that this rank has left, or failed."""
        at = self.rank * self.line
        self.set_word(at + STATE, value)
        waiting.wake(self.address + at)

    def state(self, rank: int) -> int:
        """What a rank has said of itself."""
        return self.words[(rank * self.line + STATE) >> 2]

    def await_flag(self, rank: int, target: int, spin: bool, wait: Wait) -> None:
        """Return when a rank's flag has come to `target`."""
        at = rank * self.line
        index = at >> 2
        words = self.words
        if (words[index] - target) & WHOLE < HALF:
            return
        self.await_word(at, target, rank, at + SLEEPERS + self.rank, spin, wait)

    def await_word(
        self, at: int, target: int, rank: int, sleeper: int, spin: bool, wait: Wait
    ) -> None:
        """Return when the counter at `at`, which `rank` moves, has come to `target`."""
        words, index = self.words, at >> 2
        if spin and self.spin:
            until = waiting.time.perf_counter() + self.spin
            while waiting.time.perf_counter() < until:
                for _ in range(20):
                    if (words[index] - target) & WHOLE < HALF:
                        return
        self.octets[sleeper] = 1
        try:
            pause = 0.001
            while not reached(seen := words[index], target):
                waiting.sleep_on(self.address + at, seen, min(pause, wait.left()))
                pause = min(2 * pause, SLICE)
                if not reached(words[index], target):
                    self._look_at(rank, at, target, wait)
        finally:
            self.octets[sleeper] = 0
        waiting.fence(self.address)

    def _look_at(self, rank: int, at: int, target: int, wait: Wait) -> None:
        """Raise if there is nothing to wait for any more."""
        died, state = self.peers.has_died(rank), self.state(rank)
        if reached(self.words[at >> 2], target):
            return  # its last word
        number = self.peers.ranks[rank]
        if died:
            raise self.peers.death(rank, wait.doing)
        if state == LEFT:
            raise DistPeerDied(
                f"{wait.doing}: rank {number} has left the group: it has ended, or destroyed it",
                number,
            )
        if state == FAILED:
            raise DistPeerDied(f"{wait.doing}: rank {number} has failed before", number)
        if wait.left() <= 0:
            raise DistTimeoutError(
                f"{wait.doing}: rank {number} (process {self.peers.pids[rank]}) has not come"
                f" within {wait.seconds:g} s", (number,), wait.seconds,
            )  # fmt: skip

    def array(self, at: int, nbytes: int) -> Any:
        """The bytes from `at` in the room for data."""
        at += self.data_at
        return self.bytes[at : at + nbytes]

    def close(self) -> None:
        """Say goodbye; the memory goes when nothing looks at it any more."""
        if self.state(self.rank) == ALIVE:
            self.set_state(LEFT)
        self.peers.close()


class Wait:
    """What is waited for, in words, and until when."""

    __slots__ = ("doing", "seconds", "until")

    def __init__(self, doing: str, seconds: float) -> None:
        self.doing, self.seconds = doing, seconds
        self.until = 0.0

    def left(self) -> float:
        """Seconds that are left; the clock starts at the first question."""
        if not self.until:
            self.until = waiting.now() + self.seconds
        return max(self.until - waiting.now(), 0.0)
