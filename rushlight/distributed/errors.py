"""What goes wrong between processes; all are RuntimeErrors, as in torch."""

from __future__ import annotations

import signal


class DistError(RuntimeError):
    """The parent of all errors here.

    >>> import rushlight.distributed as dist
    >>> issubclass(dist.DistBackendError, dist.DistError), issubclass(dist.DistError, RuntimeError)
    (True, True)
    """


class DistBackendError(DistError):
    """A collective failed.

    >>> import rushlight.distributed as dist
    >>> dist.DistBackendError.__mro__[1].__name__
    'DistError'
    """


class DistNetworkError(DistError):
    """A connection could not be made, or broke.

    >>> import rushlight.distributed as dist
    >>> dist.DistNetworkError.__mro__[1].__name__
    'DistError'
    """


class DistStoreError(DistError):
    """A store did not answer, or has not what was asked for.

    >>> from datetime import timedelta
    >>> import rushlight.distributed as dist
    >>> store = dist.HashStore()
    >>> try:
    ...     store.wait(["never set"], timedelta(milliseconds=1))
    ... except dist.DistStoreError:
    ...     print("not there")
    not there
    """


class QueueEmptyError(DistStoreError):
    """A queue of a store has nothing to give.

    >>> import rushlight.distributed as dist
    >>> dist.QueueEmptyError.__mro__[1].__name__
    'DistStoreError'
    """


class DistMismatch(DistBackendError):
    """The ranks called different collectives, or the same one on different shapes or types.

    >>> from rushlight.distributed.errors import DistMismatch
    >>> issubclass(DistMismatch, RuntimeError)
    True
    """


class DistTimeoutError(DistBackendError):
    """A peer lives but has not come to the collective in time: `ranks`, `operation`, `seconds`.

    >>> from rushlight.distributed.errors import DistTimeoutError
    >>> error = DistTimeoutError("rank 1 has not come", ranks=(1,), seconds=30.0)
    >>> error.ranks, error.seconds
    ((1,), 30.0)
    """

    def __init__(self, text: str, ranks: tuple[int, ...] = (), seconds: float = 0.0) -> None:
        super().__init__(text)
        self.ranks, self.seconds = ranks, seconds


class DistAbsent(DistTimeoutError, DistStoreError):
    """A rank has not come to the making of a group: torch, which asks a store, says it so too."""


class DistPeerDied(DistBackendError):
    """A peer has ended: its `rank`, and the `signal` that killed it (None if it is not known).

    >>> import signal
    >>> from rushlight.distributed.errors import DistPeerDied
    >>> DistPeerDied("rank 1 was killed", rank=1, signal=signal.SIGKILL).rank
    1
    """

    def __init__(self, text: str, rank: int = -1, signal: int | None = None) -> None:
        super().__init__(text)
        self.rank, self.signal = rank, signal


def how_it_ended(code: int) -> str:
    """An exit status in words: negative ones are signals, as in `subprocess`."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
