"""What a worker process of a DataLoader does."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import rushlight as rl

from . import channel
from .fetch import Exhausted

PARENT_ENDS: weakref.WeakSet[Connection] = weakref.WeakSet()
"""This process's ends of its workers' pipes: forked workers close their copies, so that a pipe
breaks as soon as its one true owner is gone."""

_info: WorkerInfo | None = None


@dataclass(frozen=True, repr=False)
class WorkerInfo:
    """Who a worker is: `id`, `num_workers`, `seed`, and its copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any

    def __repr__(self) -> str:
        names = ("id", "num_workers", "seed", "dataset")
        return f"WorkerInfo({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


def get_worker_info() -> WorkerInfo | None:
    """In a DataLoader's worker process its `WorkerInfo`, in the main process None.

    The info has `id`, `num_workers`, `seed` and `dataset`, the worker's own copy, which an
    IterableDataset needs in order to give each worker another part.
    Source: https://docs.pytorch.org/docs/stable/data.html

    >>> import rushlight as torch
    >>> torch.utils.data.get_worker_info() is None
    True
    """
    return _info


@dataclass
class Job:
    """All a worker needs to know."""

    id: int
    num_workers: int
    base_seed: int
    make_fetcher: Callable[[], Any]
    dataset: Any
    init_fn: Callable[[int], None] | None
    parent: int | None  # the process to die with; None where the kernel's signal would mislead
    forked: bool


class Failure:
    """An exception on its way from a worker to the main process."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind = type(error)
        # the package's own kinds of RuntimeError are told as what they are to those who catch them
        own = self.kind.__module__.partition(".")[0] == __name__.partition(".")[0]
        self.name = "RuntimeError" if own and self.kind.__base__ is RuntimeError else (
            self.kind.__name__)  # fmt: skip
        told = traceback.TracebackException.from_exception(error)
        told.__notes__ = None  # they travel as notes
        self.text = "".join(told.format())
        self.where = where
        self.notes = list(getattr(error, "__notes__", ()))

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        module = sys.modules.get(self.kind.__module__)
        if getattr(module, self.kind.__name__, None) is not self.kind:
            state["kind"] = RuntimeError  # a local class cannot travel
        return state

    def reraise(self) -> None:
        """Raise the same type of exception, with the worker's traceback as its text."""
        message = f"Caught {self.name} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            message = _Verbatim(message)
        try:
            error = self.kind(message)
        except Exception:  # its constructor wants something else
            error = RuntimeError(message)
        for note in self.notes:
            error.add_note(note)
        try:
            raise error
        finally:
            del error  # else its traceback keeps the workers alive


class _Verbatim(str):
    """Text that KeyError, which prints its argument's repr, leaves legible."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def numpy_seed(base_seed: int, worker: int) -> list[int]:
    """Four words that seed NumPy in a worker: those torch takes, by NumPy's own mixing."""
    entropy = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(entropy).generate_state(4).tolist()


_generate_state = numpy_seed  # torch's name for it


def run(job: Job, connection: Connection) -> None:
    """Serve batches until told to stop or the main process is gone."""
    _settle(job)
    fetcher: Any = None
    failure: Failure | None = None
    try:
        seed = job.base_seed + job.id
        random.seed(seed)
        rl.manual_seed(seed)
        np.random.seed(numpy_seed(job.base_seed, job.id))
        global _info
        _info = WorkerInfo(job.id, job.num_workers, seed, job.dataset)
        if job.init_fn is not None:
            job.init_fn(job.id)
        fetcher = job.make_fetcher()
    except Exception as error:
        failure = Failure(error, f"in DataLoader worker process {job.id}")
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        channel.send(connection, ("ready", _watch_stack()))
        _serve(job, connection, fetcher, failure)
    connection.close()


def _serve(job: Job, connection: Connection, fetcher: Any, failure: Failure | None) -> None:
    while True:
        task = channel.receive(connection)
        if task is None:
            return
        number, index = task
        if number is None:  # a new epoch for persistent workers
            failure = None
            try:
                fetcher = job.make_fetcher()
            except Exception as error:
                failure = Failure(error, f"in DataLoader worker process {job.id}")
            continue
        result, failure = failure, None
        if result is None:
            result = _fetch(job, fetcher, index)
        try:
            channel.send(connection, (number, result))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # the batch cannot be pickled
            where = f"in DataLoader worker process {job.id}"
            channel.send(connection, (number, Failure(error, where)))


def _fetch(job: Job, fetcher: Any, index: Any) -> Any:
    try:
        return fetcher.fetch(index)
    except Exhausted as error:
        return error
    except Exception as error:
        return Failure(error, f"in DataLoader worker process {job.id}")


def _settle(job: Job) -> None:
    """Leave Ctrl-C to the main process, die with it, drop what the fork copied."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if job.forked:
        for end in list(PARENT_ENDS):
            end.close()
    if job.parent is not None and sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
        if os.getppid() != job.parent:  # it died before we asked
            os._exit(1)
    else:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(rl, "set_num_threads"):
        rl.set_num_threads(1)


def _end_with_parent() -> None:
    """End this process, in the middle of a sample too, when the one that wanted it has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _watch_stack() -> int | None:
    """Let SIGUSR1 write this process's stack to a memory file; its number here, if possible."""
    if not hasattr(os, "memfd_create"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.memfd_create("rushlight-stack")
        faulthandler.register(signal.SIGUSR1, file=descriptor, all_threads=False)
        return descriptor
    return None
