"""Work in progress, and the lanes in which it is done in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import rushlight as rl
from rushlight.futures import Future


class Work:
    """A collective that has been started: `wait()` for it.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.Work

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.ones(2)
    >>> work = dist.all_reduce(x, async_op=True)
    >>> work.wait(), work.is_completed()
    (True, True)
    >>> dist.destroy_process_group()
    """

    def __init__(self, result: list[rl.Tensor] | None = None, source: int = -1) -> None:
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self._result = result or []
        self._source = source
        self._future: Any = None
        self._lock = threading.Lock()

    def finish(self, error: BaseException | None = None) -> None:
        """Note the end, and tell who waits."""
        with self._lock:
            self._error = error
            self._finished.set()
            future = self._future
        if future is not None:
            self._tell(future)

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Return True when it is done; raises what went wrong."""
        limit = None if timeout is None else timeout.total_seconds()
        if not self._finished.wait(limit or None):
            raise RuntimeError("Work wait timeout")
        if self._error is not None:
            raise self._error
        return True

    synchronize = wait

    def is_completed(self) -> bool:
        """Whether it has ended, well or not."""
        return self._finished.is_set()

    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self._finished.is_set() and self._error is None

    def exception(self) -> BaseException | None:
        """What went wrong."""
        return self._error

    def result(self) -> list[rl.Tensor]:
        """The tensors that were written."""
        return self._result

    def source_rank(self) -> int:
        """The rank that a received tensor came from."""
        return self._source

    def get_future(self) -> Any:
        """A Future of the list of tensors that are written."""
        with self._lock:
            if self._future is None:
                self._future = Future()
                if self._finished.is_set():
                    self._tell(self._future)
            return self._future

    def _tell(self, future: Any) -> None:
        if self._error is None:
            future.set_result(self._result)
        else:
            future.set_exception(self._error)


class Lane:
    """Does jobs in the order in which they come: in the caller's thread if nothing is under way.

    A job is called with whether it may look for its peers before it sleeps: a thread beside the
    main one may not, as it would keep the interpreter from it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._jobs: deque[tuple[Callable[[bool], Any], Work]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._pending = 0

    def run(self, job: Callable[[bool], Any]) -> None:
        """Do a job now, after those under way."""
        with self._changed:
            free = not self._pending
            if free:
                self._pending = 1
        if not free:
            self.submit(job, Work()).wait()
            return
        try:
            job(True)
        finally:
            with self._changed:
                self._pending -= 1
                if self._jobs:
                    self._changed.notify_all()

    def submit(self, job: Callable[[bool], Any], work: Work) -> Work:
        """Have a job done by the lane's thread."""
        with self._changed:
            self._jobs.append((job, work))
            self._pending += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return work

    def _ready(self) -> bool:
        """Whether there are jobs, and nobody does one in a thread of his own."""
        return bool(self._jobs) and self._pending == len(self._jobs)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._changed.wait_for(self._ready, 1.0):
                    if not self._pending:
                        self._thread = None
                        return
                job, work = self._jobs.popleft()
            error: BaseException | None = None
            try:
                job(False)
            except BaseException as raised:
                error = raised
            with self._changed:
                self._pending -= 1
            work.finish(error)
            del job, work, error
