"""Between ranks that `mpiexec` started: mpi4py, through calls that never block."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from ..core.errors import fail
from .errors import DistTimeoutError
from .pairwise import PairwiseTransport, Parcels, memory_of
from .peers import Wait

COLLECTIVE, MESSAGE = 1, 2  # tags


def library() -> Any:
    """mpi4py's module, started."""
    try:
        from mpi4py import MPI  # pyright: ignore[reportMissingImports]  # an extra
    except (ImportError, RuntimeError) as error:
        raise fail(
            RuntimeError,
            "Distributed package doesn't have MPI built in. MPI is only included if you build "
            "PyTorch from source on a host that has MPI installed.",
            f"pip install 'rushlight[mpi]', and start with mpiexec ({error})",
        ) from None
    return MPI


def place() -> tuple[int, int]:
    """This process's number among those that mpiexec started, and how many they are."""
    world = library().COMM_WORLD
    _end_all_together(world)
    return world.Get_rank(), world.Get_size()


def _end_all_together(world: Any) -> None:
    """An exception that ends this process ends the others, which would wait for it."""
    before = sys.excepthook

    def report(kind: Any, error: Any, trace: Any) -> None:
        before(kind, error, trace)
        sys.stderr.flush()
        world.Abort(1)

    sys.excepthook = report


def _pauses() -> Iterator[None]:
    """Give way at first, then sleep: a microsecond and more, a millisecond in the end."""
    pause = 1e-6
    while True:
        for _ in range(20):
            time.sleep(0 if pause < 1e-5 else pause)
            yield
        pause = min(2 * pause, 1e-3)


class MpiTransport(PairwiseTransport):
    """One rank's end of MPI, with a communicator of its own."""

    def __init__(self, rank: int, ranks: list[int], seconds: float) -> None:
        super().__init__(rank, len(ranks), ranks, seconds)
        world = library().COMM_WORLD
        self.comm = world.Create_group(world.Get_group().Incl(ranks))

    def exchange(self, sends: Parcels, receives: Parcels, wait: Wait) -> None:
        self.finish(COLLECTIVE, sends, receives, wait)

    def finish(self, tag: int, sends: Parcels, receives: Parcels, wait: Wait) -> None:
        """Start all, and look until they are done or time is up."""
        started = [
            (self.comm.Irecv([data, _octet()], source=rank, tag=tag), rank)
            for rank, data in receives if data.nbytes
        ] + [
            (self.comm.Isend([data, _octet()], dest=rank, tag=tag), rank)
            for rank, data in sends if data.nbytes
        ]  # fmt: skip
        pauses = _pauses()
        while started := [(request, rank) for request, rank in started if not request.Test()]:
            next(pauses)
            if wait.left() <= 0:
                late = self.ranks[started[0][1]]
                raise DistTimeoutError(
                    f"{wait.doing}: rank {late} has not come within {wait.seconds:g} s",
                    (late,), wait.seconds,
                )  # fmt: skip

    def channel(self, source: int, target: int) -> Messages:
        return Messages(self, source if target == self.rank else target)

    def give_up(self, error: BaseException) -> None:
        self.broken = error

    def close(self) -> None:
        """MPI itself ends with the process."""


def _octet() -> Any:
    return library().BYTE


class Messages:
    """A peer's messages, for `Inbox` and `Outbox`."""

    def __init__(self, way: MpiTransport, peer: int) -> None:
        self.way, self.peer = way, peer

    def write(self, data: Any, wait: Wait, spin: bool) -> None:
        """Send all bytes."""
        self.way.finish(MESSAGE, [(self.peer, memory_of(data))], [], wait)

    def read(self, out: Any, wait: Wait, spin: bool) -> None:
        """Fill `out`."""
        self.way.finish(MESSAGE, [], [(self.peer, memory_of(out))], wait)

    def waiting_bytes(self) -> int:
        """Whether something is there to be read."""
        return int(self.way.comm.Iprobe(source=self.peer, tag=MESSAGE))

    def is_closed(self) -> bool:
        """Whether the other side has left; MPI does not tell."""
        return False
