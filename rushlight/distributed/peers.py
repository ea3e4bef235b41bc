"""The other processes of a group on this machine, and how long they are waited for."""

from __future__ import annotations

import os

from . import waiting
from .errors import DistPeerDied, how_it_ended


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


class Peers:
    """The processes of a group on one machine: who lives, who has left, and how who died ended."""

    def __init__(self, pids: list[int], ranks: list[int]) -> None:
        self.pids, self.ranks = [0] * len(pids), ranks  # 0: not known, or of another machine
        self.descriptors = [-1] * len(pids)
        for rank, pid in enumerate(pids):
            self.know(rank, pid)

    def know(self, rank: int, pid: int) -> None:
        """Watch a process of this machine from now on."""
        if pid and pid != self.pids[rank]:
            self.pids[rank] = pid
            self.descriptors[rank] = -1 if pid == os.getpid() else _open_pid(pid)

    def has_died(self, rank: int) -> bool:
        """Whether the process of a group rank has ended."""
        descriptor = self.descriptors[rank]
        if descriptor < 0:
            return self.pids[rank] not in (0, os.getpid())
        return waiting.process_has_ended(descriptor)

    def has_ended(self, rank: int) -> bool:
        """Whether the launcher has noted the end of a rank, of which no more may be known."""
        return _note_of(self.ranks[rank]) is not None

    def death(self, rank: int, doing: str) -> DistPeerDied:
        """The error that says so."""
        number, code = self.ranks[rank], _exit_noted(self.ranks[rank])
        how = "has died" if code is None else how_it_ended(code)
        process = f" (process {self.pids[rank]})" if self.pids[rank] else ""
        return DistPeerDied(
            f"{doing}: rank {number}{process} {how}",
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


def _note_of(rank: int) -> int | None:
    """The status that the launcher has noted for a rank."""
    folder = os.environ.get("RUSHLIGHT_LAUNCH_FOLDER")
    if not folder:
        return None
    try:
        with open(os.path.join(folder, f"exit.{rank}"), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _exit_noted(rank: int) -> int | None:
    """The same; the launcher needs a moment to note it."""
    until = waiting.now() + 0.2
    while (code := _note_of(rank)) is None and waiting.now() < until:
        if "RUSHLIGHT_LAUNCH_FOLDER" not in os.environ:
            return None
        waiting.time.sleep(0.005)
    return code
