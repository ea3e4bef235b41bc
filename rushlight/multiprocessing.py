"""torch.multiprocessing: Python's multiprocessing, which can send tensors, and `spawn`.

Tensors in shared memory (`share_memory_`), and all that are arguments of a process that is
started afresh, are the same memory there as here; others are copied.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403  # pyright: ignore
from multiprocessing import connection
from typing import Any, NoReturn

from .core.arrivals import when_imported
from .core.tensor import EAGER_TYPES
from .functions.sharing import send_shared

__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessException", "ProcessExitedException",  # type: ignore[attr-defined]  # not in its stubs
    "ProcessRaisedException", "SpawnContext", "get_all_sharing_strategies",
    "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip


send_shared(*EAGER_TYPES)
when_imported("rushlight.nn.parameter", lambda: send_shared(*EAGER_TYPES))


class ProcessException(Exception):
    """A process that was started did not end well.

    >>> import rushlight as torch
    >>> import operator
    >>> try:
    ...     torch.multiprocessing.start_processes(operator.truediv, (0,))
    ... except torch.multiprocessing.ProcessException as error:
    ...     print(error.error_index)
    0
    """

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """A process raised: the message holds its traceback.

    >>> import rushlight as torch
    >>> import operator
    >>> try:
    ...     torch.multiprocessing.start_processes(operator.truediv, (0,))
    ... except torch.multiprocessing.ProcessRaisedException as error:
    ...     print(str(error).splitlines()[-1])
    ZeroDivisionError: division by zero
    """


class ProcessExitedException(ProcessException):
    """A process ended by a signal or with a status.

    >>> from rushlight import multiprocessing
    >>> multiprocessing.ProcessExitedException("process 1 ended", 1, 4242, 3).exit_code
    3
    """

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int,
        signal_name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def get_all_sharing_strategies() -> set[str]:
    """The ways tensors travel between processes: their files are the pipes'.

    >>> import rushlight as torch
    >>> "file_system" in torch.multiprocessing.get_all_sharing_strategies()
    True
    """
    return {"file_descriptor", "file_system"} if sys.platform == "linux" else {"file_system"}


_strategy = ["file_descriptor" if sys.platform == "linux" else "file_system"]


def get_sharing_strategy() -> str:
    """The way that was set: "file_descriptor" at first, where there is that.

    >>> import rushlight as torch
    >>> mp = torch.multiprocessing
    >>> mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    True
    """
    return _strategy[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Note the choice; shared memory has one kind of file either way.

    Raises: AssertionError for another than "file_descriptor" and "file_system".

    >>> import rushlight as torch
    >>> before = torch.multiprocessing.get_sharing_strategy()
    >>> torch.multiprocessing.set_sharing_strategy("file_system")
    >>> torch.multiprocessing.get_sharing_strategy()
    'file_system'
    >>> torch.multiprocessing.set_sharing_strategy(before)
    """
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"invalid sharing strategy {new_strategy!r}")
    _strategy[0] = new_strategy


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], said: str) -> None:
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent was stopped, and says so
    except Exception:
        with open(said, "w", encoding="utf-8") as out:
            out.write(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes of one `spawn`: `join` waits for them and raises what the first one raised.

    >>> import rushlight as torch
    >>> import operator
    >>> context = torch.multiprocessing.spawn(operator.add, (1,), nprocs=1, join=False)
    >>> while not context.join():
    ...     pass
    """

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        self.processes, self.error_files = processes, error_files
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The numbers of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Whether all have ended well; one failure ends the others, and is raised."""
        if not self.sentinels:
            return True
        failed = None
        for sentinel in connection.wait(self.sentinels.keys(), timeout=timeout):
            index = self.sentinels.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode:
                failed = index
                break
        if failed is None:
            if not self.sentinels:
                self._forget()
            return not self.sentinels
        self._end(grace_period or 5.0)
        self._raise(failed)

    def _end(self, patience: float) -> None:
        until = time.monotonic() + patience
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        for process in self.processes:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _forget(self) -> None:
        for path in self.error_files:
            with contextlib.suppress(OSError):
                os.remove(path)

    def _raise(self, index: int) -> NoReturn:
        process = self.processes[index]
        with open(self.error_files[index], encoding="utf-8") as said:
            text = said.read()
        self._forget()
        if text:
            message = f"\n\n-- Process {index} terminated with the following error:\n{text}"
            raise ProcessRaisedException(message, index, process.pid)
        code = process.exitcode
        raise ProcessExitedException(
            f"process {index} terminated with exit code {code}", index, process.pid, code
        )


SpawnContext = ProcessContext


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(index, *args)` in `nprocs` processes; wait for them, or return their context.

    Arguments: `args` behind the index; `join`: wait; `daemon`: end with this process;
    `start_method`, "spawn", "fork" or "forkserver". Raises: ProcessRaisedException where one
    raises, ProcessExitedException where one ends otherwise.

    >>> import rushlight as torch
    >>> import operator
    >>> torch.multiprocessing.start_processes(operator.add, (1,), nprocs=1)
    """
    context: Any = multiprocessing.get_context(start_method)
    processes, files = [], []
    for index in range(nprocs):
        with tempfile.NamedTemporaryFile(prefix="rushlight-process-", delete=False) as said:
            files.append(said.name)
        process = context.Process(target=_run, args=(fn, index, args, said.name), daemon=daemon)
        process.start()
        processes.append(process)
    started = ProcessContext(processes, files)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True,
    daemon: bool = False, start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Run `fn(index, *args)` in `nprocs` fresh processes.

    With `join`, wait for all; the first exception ends the others and is raised as
    ProcessRaisedException. Without, return a context whose `join` does that.
    `fn` and `args` travel as pickles, so `fn` must stand in a module.
    Source: https://docs.pytorch.org/docs/stable/multiprocessing.html

    >>> import rushlight as torch
    >>> import time
    >>> torch.multiprocessing.spawn(time.sleep, nprocs=1)  # sleeps 0 seconds
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
