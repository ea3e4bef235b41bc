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
from .errors import DistPeerDied, DistTimeoutError
from .meeting import Meeting
from .peers import Wait

FLAG, STATE, SLEEPERS = 0, 4, 64
ALIVE, LEFT, FAILED = 0, 1, 2
HALF, WHOLE = 1 << 31, (1 << 32) - 1
SLICE = 0.02  # seconds asleep between two looks at the peers


def reached(word: int, target: int) -> bool:
    """Whether a counter of 32 bits, which may have gone round, has come to `target`."""
    return (word - target) & WHOLE < HALF


class Window:
    """The shared memory of one group, seen from one rank."""

    def __init__(self, meeting: Meeting, room: int) -> None:
        self.rank, self.peers = meeting.rank, meeting.peers
        self.size = len(meeting.ranks)
        self.line = SLEEPERS + -(-self.size // 64) * 64
        self.data_at = -(-self.line * self.size // 4096) * 4096
        self.memory = self._map(meeting, self.data_at + room)
        self.octets = memoryview(self.memory)
        self.words = self.octets.cast("I")
        self.bytes = np.frombuffer(self.memory, np.uint8)
        self.address = self.bytes.ctypes.data
        self.spin = waiting.spin_budget(self.size)
        self.quiet = bytes(self.size)

    def _map(self, meeting: Meeting, size: int) -> mmap.mmap:
        """Make the memory (rank 0), or open it; rank 0's descriptor closes when all have."""
        store = meeting.store
        if self.rank:
            path = meeting.read("window", 0).decode()
            try:
                descriptor = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                meeting.look([])  # rank 0 has ended
                raise
            try:
                return mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
                store.set(f"mapped/{self.rank}", "1")
        descriptor = os.memfd_create("rushlight", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            store.set("window", f"/proc/{os.getpid()}/fd/{descriptor}")
            memory = mmap.mmap(descriptor, size)
            for rank in range(1, self.size):
                meeting.read(f"mapped/{rank}", rank)
            return memory
        finally:
            os.close(descriptor)

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
