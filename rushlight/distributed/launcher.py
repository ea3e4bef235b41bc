"""Starts the processes of a job, watches them, and leaves none behind.

The first that fails ends all: its traceback alone is printed, the others are asked to end and, if
they do not, killed. With restarts left, all start anew and go on from the program's checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from .errors import how_it_ended
from .launched import FOLDER, PARENT
from .tcp_store import Server

CONSEQUENCES = ("DistPeerDied", "DistTimeoutError", "DistNetworkError", "DistError")
LOCAL_RANK = "--local-rank="  # in a command: the process's number follows
LOOK = 0.01  # seconds between two looks at the processes
KILL = 9  # by number: Windows has no name for it
CONTINUE = getattr(signal, "SIGCONT", 18)


@dataclasses.dataclass
class Plan:
    """What to start: a command, on how many processes here and in all."""

    command: list[str]
    processes: int
    nodes: int = 1
    node: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    restarts: int = 0
    grace: float = 5.0
    name: str = "rushlight launch"
    role: str = "default"
    logs: str = ""  # a folder
    redirects: int = 0  # what goes there: 1 output, 2 errors


def threads_for(processes: int) -> int:
    """Threads for each of so many processes on the cores of this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max((cores or 1) // processes, 1)


def signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and what it has started; on Windows it alone can be ended."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, number)
    elif number != CONTINUE:
        child.terminate()


class Generation:
    """One start of all processes."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.number = plan, number
        self.folder = tempfile.mkdtemp(prefix="rushlight-launch-")
        self.server = Server(plan.port) if plan.node == 0 else None
        self.children: list[subprocess.Popen[bytes]] = []
        self.ended: dict[int, int] = {}

    def start(self) -> None:
        """Start the processes, each the leader of a group of its own."""
        for local in range(self.plan.processes):
            rank = self.plan.node * self.plan.processes + local
            environment = {**os.environ, **self._environment(rank, local)}
            command = [
                f"{part}{local}" if part == LOCAL_RANK else part for part in self.plan.command
            ]
            with contextlib.ExitStack() as stack:
                said: dict[str, Any] = {name: stack.enter_context(open(path, "wb"))
                        for name, path in self._files(local).items()}  # fmt: skip
                child = subprocess.Popen(
                    command, env=environment, process_group=0,
                    stdout=said.get("stdout"), stderr=said.get("stderr"),
                )  # fmt: skip
            self.children.append(child)

    def _files(self, local: int) -> dict[str, str]:
        """Where the output of a process goes instead of to ours."""
        wanted = [name for bit, name in ((1, "stdout"), (2, "stderr")) if self.plan.redirects & bit]
        if not wanted:
            return {}
        top = self.plan.logs or tempfile.mkdtemp(prefix="rushlight-logs-")
        run = os.path.basename(self.folder)
        folder = os.path.join(top, run, f"attempt_{self.number}", str(local))
        os.makedirs(folder, exist_ok=True)
        return {name: os.path.join(folder, f"{name}.log") for name in wanted}

    def _environment(self, rank: int, local: int) -> Mapping[str, str]:
        plan, port = self.plan, self.server.port if self.server else self.plan.port
        size = plan.nodes * plan.processes
        found = {
            "RANK": rank, "LOCAL_RANK": local, "WORLD_SIZE": size, "GROUP_RANK": plan.node,
            "LOCAL_WORLD_SIZE": plan.processes, "GROUP_WORLD_SIZE": plan.nodes,
            "MASTER_ADDR": plan.host, "MASTER_PORT": port,
            "ROLE_NAME": plan.role, "ROLE_RANK": rank, "ROLE_WORLD_SIZE": size,
            "TORCHELASTIC_RUN_ID": os.path.basename(self.folder),
            "TORCHELASTIC_RESTART_COUNT": self.number,
            "TORCHELASTIC_MAX_RESTARTS": plan.restarts, "TORCHELASTIC_USE_AGENT_STORE": True,
            FOLDER: self.folder, PARENT: os.getpid(),
        }  # fmt: skip
        threads = threads_for(plan.processes)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RUSHLIGHT_NUM_THREADS"):
            if name not in os.environ:
                found[name] = threads
        return {name: str(value) for name, value in found.items()}

    def rank(self, local: int) -> int:
        """The number among all of a process here."""
        return self.plan.node * self.plan.processes + local

    def look(self) -> list[int]:
        """Note who has ended since the last look; those that failed."""
        failed = []
        for local, child in enumerate(self.children):
            if local in self.ended or child.poll() is None:
                continue
            self.ended[local] = code = child.returncode
            path = os.path.join(self.folder, f"exit.{self.rank(local)}")
            with open(f"{path}.new", "w", encoding="ascii") as file:
                file.write(str(code))
            os.replace(f"{path}.new", path)
            if code:
                failed.append(local)
        return failed

    def running(self) -> list[int]:
        """Who has not ended."""
        return [local for local in range(len(self.children)) if local not in self.ended]

    def wait_for_others(self, seconds: float) -> list[int]:
        """Give those that are left a time to end; those that failed in it."""
        failed, until = [], time.monotonic() + seconds
        while self.running() and time.monotonic() < until:
            failed += self.look()
            time.sleep(LOOK)
        return failed

    def signal_all(self, number: int) -> None:
        """Send a signal to every process that is left, and to what it has started."""
        for local in self.running():
            with contextlib.suppress(ProcessLookupError):
                signal_group(self.children[local], number)

    def stop(self) -> None:
        """Have all end: asked first, then killed, stopped ones too."""
        for number in (signal.SIGTERM, CONTINUE):
            self.signal_all(number)
        self.wait_for_others(self.plan.grace)
        self.signal_all(KILL)
        self.wait_for_others(self.plan.grace)

    def error_of(self, local: int) -> tuple[str, str]:
        """The type and the traceback of the exception that ended a process, if one did."""
        path = os.path.join(self.folder, f"error.{self.rank(local)}")
        try:
            with open(path, encoding="utf-8") as file:
                kind, _, text = file.read().partition("\n")
                return kind, text
        except OSError:
            return "", ""

    def cause(self, failed: list[int]) -> int:
        """Of those that failed, the one that the others failed for."""

        def order(local: int) -> int:
            if self.ended[local] < 0:
                return 0
            return 2 if self.error_of(local)[0] in CONSEQUENCES else 1

        return min(failed, key=order)

    def close(self) -> None:
        """Leave nothing behind: no process of the groups, no file, no port."""
        for child in self.children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal_group(child, KILL)
        if self.server:
            self.server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Stop(Exception):
    """A signal has come to the launcher itself."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop(number)


def launch(plan: Plan) -> int:
    """Run the job to its end; the exit status (128 + n after signal n)."""
    before = {n: signal.signal(n, _stop) for n in (signal.SIGINT, signal.SIGTERM)}
    generation = None
    try:
        for number in range(plan.restarts + 1):
            generation = Generation(plan, number)
            generation.start()
            code = _watch(generation)
            generation.close()
            if not code or number == plan.restarts:
                return code
            print(
                f"{plan.name}: starting all again ({number + 1} of {plan.restarts})",
                file=sys.stderr,
            )
    except Stop as stop:
        for ignored in before:
            signal.signal(ignored, signal.SIG_DFL)  # the second one ends the launcher at once
        if generation:
            generation.signal_all(stop.args[0])
            generation.wait_for_others(plan.grace)  # they may have something to save
            generation.stop()
            generation.close()
        return 128 + stop.args[0]
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
    return 0


def _watch(generation: Generation) -> int:
    """Wait until all have ended, or one has failed and the rest is gone; the exit status."""
    while generation.running():
        failed = generation.look()
        if failed:
            failed += generation.wait_for_others(0.5)  # who notices, ends by itself
            left = len(generation.running())
            generation.stop()
            return _report(generation, generation.cause(failed), left)
        time.sleep(LOOK)
    return 0


def _report(generation: Generation, local: int, stopped: int) -> int:
    """Print what ended the job; its exit status."""
    code, name = generation.ended[local], generation.plan.name
    print(generation.error_of(local)[1], end="", file=sys.stderr)
    child = generation.children[local]
    others = f"; {stopped} still running were ended" if stopped else ""
    print(
        f"{name}: rank {generation.rank(local)} (process {child.pid}) {how_it_ended(code)}{others}",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    return 128 - code if code < 0 else code
