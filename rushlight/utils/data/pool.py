"""The worker processes of one DataLoader, seen from the main process."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
import warnings
import weakref
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from . import channel
from .worker import PARENT_ENDS, Job, run

HANG_SECONDS = 30.0
PATIENCE = 0.5  # seconds a worker gets to stop by itself


class Worker:
    """One process, its pipe, and the numbers of the tasks it holds."""

    def __init__(self, context: Any, job: Job) -> None:
        self.id = job.id
        self.active = True
        self.tasks: dict[int, Any] = {}
        self.stack: int | None = None
        self.connection, theirs = context.Pipe()
        PARENT_ENDS.add(self.connection)
        self.process = context.Process(target=run, args=(job, theirs), daemon=True)
        try:
            self.process.start()
        except Exception as error:
            if job.forked:
                raise
            error.add_note(
                "the data set, collate_fn and worker_init_fn are sent to the workers by pickle: "
                "define them at module level (no lambdas, no local functions)"
            )
            raise
        finally:
            theirs.close()

    def ask(self, number: int | None, index: Any) -> None:
        """Hand out a task; a worker that is gone is noticed when its answer is awaited."""
        if number is not None:
            self.tasks[number] = index
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            channel.send(self.connection, (number, index))

    def release(self) -> None:
        """Ask it to stop: a closed pipe ends reading and writing alike."""
        self.connection.close()

    def describe(self) -> list[str]:
        """Notes on how a dead worker ended and what it was doing."""
        code = self.process.exitcode
        notes = [f"worker {self.id} (pid {self.process.pid}) {_ending(code)}"]
        if self.tasks:
            notes.append(f"it was reading the samples {next(iter(self.tasks.values()))}")
        if code == -9 and _memory_kills() > 0:  # SIGKILL, which Windows has no name for
            notes.append("this container's kernel killed processes for memory before (oom_kill)")
        return notes

    def read_stack(self) -> str:
        """Where the worker is right now, as its own traceback; empty if it cannot tell."""
        pid = self.process.pid
        if self.stack is None or pid is None:
            return ""
        path = Path(f"/proc/{pid}/fd/{self.stack}")
        with contextlib.suppress(OSError):
            before = len(path.read_bytes())
            os.kill(pid, signal.SIGUSR1)
            for _ in range(20):
                time.sleep(0.005)
                text = path.read_bytes()[before:]
                if text.endswith(b"\n"):
                    lines = text.decode(errors="replace").splitlines()
                    return "\n".join(itertools.takewhile(_is_users, lines))
        return ""


class WorkerPool:
    """Starts the workers, hands out tasks, collects answers, notices deaths and hangs."""

    def __init__(self, context: Any, jobs: list[Job], timeout: float) -> None:
        self.timeout = timeout
        self.workers: list[Worker] = []
        self._open = True
        self._owner = os.getpid()
        try:
            for job in jobs:
                self.workers.append(Worker(context, job))
        except BaseException:
            self.close()
            raise
        self._turns = itertools.cycle(self.workers)
        self._finalizer = weakref.finalize(self, _close, self.workers, self._owner)

    def next_worker(self) -> Worker | None:
        """The worker whose turn it is among those that still have samples."""
        for worker in itertools.islice(self._turns, len(self.workers)):
            if worker.active:
                return worker
        return None

    def restart_turns(self) -> None:
        """Begin an epoch: everybody active, the first worker first."""
        self._turns = itertools.cycle(self.workers)
        for worker in self.workers:
            worker.active = True
            worker.tasks.clear()

    def answer(self) -> tuple[Worker, int, Any]:
        """The next finished task of any worker.

        Raises RuntimeError when a worker died or `timeout` seconds passed; warns of a hang.
        """
        start = time.monotonic()
        deadline = start + self.timeout if self.timeout > 0 else None
        alarm = start + HANG_SECONDS
        while True:
            now = time.monotonic()
            limit = alarm if deadline is None else min(alarm, deadline)
            ready = set(self._wait(max(0.0, limit - now)))
            for worker in self.workers:
                if worker.connection in ready:
                    message = self._read(worker)
                    if message is not None:
                        return worker, *message
                elif worker.process.sentinel in ready and worker.tasks:
                    raise self._death(worker)
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise self._late()
            if now >= alarm:
                self._warn_of_hang(now - start)
                alarm = now + HANG_SECONDS

    def _wait(self, seconds: float) -> list:
        watched: list[Any] = []
        for worker in self.workers:
            if not worker.connection.closed:
                watched.append(worker.connection)
            if worker.tasks:
                watched.append(worker.process.sentinel)
        return wait(watched, seconds)

    def _read(self, worker: Worker) -> tuple[int, Any] | None:
        try:
            number, result = channel.receive(worker.connection)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            raise self._death(worker) from None
        if number == "ready":
            worker.stack = result
            return None
        if number not in worker.tasks:  # of an epoch that was broken off
            return None
        del worker.tasks[number]
        return number, result

    def _death(self, worker: Worker) -> RuntimeError:
        worker.process.join(1.0)
        pid = worker.process.pid
        error = RuntimeError(f"DataLoader worker (pid(s) {pid}) exited unexpectedly")
        for note in worker.describe():
            error.add_note(note)
        self.close()
        return error

    def _late(self) -> RuntimeError:
        error = RuntimeError(f"DataLoader timed out after {self.timeout} seconds")
        for text in self._busy():
            error.add_note(text)
        return error

    def _warn_of_hang(self, seconds: float) -> None:
        text = "\n".join(self._busy())
        warnings.warn(
            f"DataLoader has waited {seconds:.0f} s for a batch.\n{text}",
            RuntimeWarning,
            stacklevel=5,
        )

    def _busy(self) -> list[str]:
        return [
            f"worker {worker.id} (pid {worker.process.pid}) is reading the samples "
            f"{next(iter(worker.tasks.values()))}\n{worker.read_stack()}".rstrip()
            for worker in self.workers
            if worker.tasks
        ]

    def close(self) -> None:
        """Stop all workers: politely, then by signal; nobody is left behind."""
        if self._open:
            self._open = False
            _close(self.workers, self._owner)


def _close(workers: list[Worker], owner: int) -> None:
    if os.getpid() != owner:  # a forked copy of the pool has no children to stop
        return
    for worker in workers:
        worker.release()
    for act in (None, "terminate", "kill"):
        deadline = time.monotonic() + PATIENCE
        for worker in workers:
            process = worker.process
            if act is not None and process.is_alive():
                getattr(process, act)()
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        if not any(worker.process.is_alive() for worker in workers):
            return


def _is_users(line: str) -> bool:
    return str(Path(__file__).parent) not in line


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its pipe"
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _memory_kills() -> int:
    """How many processes of this control group the kernel killed for memory."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/sys/fs/cgroup/memory.events").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def check_pass(loader: Any) -> None:
    """Refuse what would have a pass over the loader wait for nothing, or give nothing at all."""
    if loader.num_workers == 0 and loader.timeout != 0:
        raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
    if loader.num_workers and loader.prefetch_factor == 0:
        raise AssertionError(
            "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
        )


def start_method(context: Any) -> str:
    """The name of how a context starts processes."""
    return (context or multiprocessing).get_start_method()


def death_owner(method: str) -> int | None:
    """The process whose death the kernel can tell a worker of, if it is this one.

    The signal follows the thread that forked, and under a fork server another process: there a
    thread of the worker waits for the end.
    """
    main = threading.current_thread() is threading.main_thread()
    return os.getpid() if main and method in ("fork", "spawn") else None
