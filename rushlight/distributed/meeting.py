"""The making of a group: its ranks say who they are, and watch one another while they wait."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence

from .errors import DistAbsent, DistMismatch
from .peers import Peers, Wait
from .store import Store, patience

DOING = "making a process group"


def machine() -> str:
    """What two processes have in common that see each other's memory."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino} {os.getuid()}"
    except (OSError, AttributeError):  # elsewhere than on Linux
        return f"{socket.gethostname()} {os.getpid()}"


class Meeting:
    """What one rank waits for while a group is made: `peers` are those it knows by then.

    A rank that has ended is noticed, rather than waited for: by its process, where that is of
    this machine and has said its number (in a group made before, too), or by the launcher's note.
    """

    def __init__(
        self, store: Store, rank: int, ranks: list[int], seconds: float, known: dict[int, int]
    ) -> None:
        self.store, self.rank, self.ranks = store, rank, ranks
        self.wait = Wait(DOING, seconds)
        self.peers = Peers([known.get(number, 0) for number in ranks], ranks)
        self.machines: list[str] = []

    def roll_call(self) -> None:
        """Say who this is, and hear who the others are."""
        here, me = machine(), os.getpid()
        self.store.set(f"rank/{self.rank}", json.dumps([here, me, self.ranks]))
        for other in range(len(self.ranks)):
            where, pid, ranks = json.loads(self.read(f"rank/{other}", other))
            if ranks != self.ranks:
                raise DistMismatch(
                    f"{DOING}: rank {self.ranks[self.rank]} makes one of the ranks {self.ranks},"
                    f" rank {self.ranks[other]} makes one of {ranks}"
                )
            self.machines.append(where)
            if where == here:
                self.peers.know(other, pid)

    def read(self, key: str, writer: int) -> bytes:
        """What a rank writes to the store under a key.

        Raises: DistPeerDied if it has ended, DistAbsent if it does not write in time.
        """
        pauses = patience()
        while not self.store.check([key]):
            self.look([writer])
            next(pauses)
        return self.store.get(key)

    def look(self, missing: Sequence[int]) -> None:
        """Raise if there is no waiting any more for those ranks of the group that are missing."""
        for rank in range(len(self.ranks)):
            if self.peers.has_died(rank) or (rank in missing and self.peers.has_ended(rank)):
                raise self.peers.death(rank, DOING)
        if self.wait.left() <= 0 and missing:
            numbers = [self.ranks[rank] for rank in missing]
            raise DistAbsent(
                f"{DOING}: {'rank' if len(numbers) == 1 else 'ranks'}"
                f" {', '.join(map(str, numbers))} {'has' if len(numbers) == 1 else 'have'} not"
                f" come within {self.wait.seconds:g} s", tuple(numbers), self.wait.seconds,
            )  # fmt: skip
