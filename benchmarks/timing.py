"""Interleaved timing: every contender runs in turn, many times, and medians are compared."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable

Clock = Callable[[], float]
CLEAN = 0.15  # cores that others may use while a round counts as undisturbed
FEWEST = 5  # undisturbed rounds that are enough to leave out the others


def interleaved(
    contenders: dict[str, Callable[[], object]],
    rounds: int = 15,
    seconds: float = 0.05,
    clock: Clock = time.process_time,
) -> dict[str, float]:
    """Median seconds per call of each contender; `seconds` is the time of one turn.

    Process time of all threads over one thread's work is immune to preemption, so with one thread
    it is what a quiet machine would show; with several threads wall time is taken.
    """
    return measured(contenders, rounds, seconds, clock)[0]


def measured(
    contenders: dict[str, Callable[[], object]], rounds: int, seconds: float, clock: Clock
) -> tuple[dict[str, float], int]:
    """Medians as of `interleaved`, and how many rounds ran undisturbed by other processes.

    Under wall time, medians are those of the undisturbed rounds if there are enough of them.
    """
    counts = {name: _count(call, seconds, clock) for name, call in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    clean: list[int] = []
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            others = Others()
            for name, call in contenders.items():
                count = counts[name]
                start = clock()
                for _ in range(count):
                    call()
                samples[name].append((clock() - start) / count)
            if others.cores() < CLEAN:
                clean.append(number)
    finally:
        gc.enable()
    chosen = range(rounds)
    if clock is not time.process_time and len(clean) >= FEWEST:
        chosen = clean
    medians = {
        name: statistics.median([values[k] for k in chosen]) for name, values in samples.items()
    }
    return medians, len(clean)


def _count(call: Callable[[], object], seconds: float, clock: Clock) -> int:
    """Calls that fill a turn; the first call, which may compile, does not count."""
    call()
    start = clock()
    call()
    return max(1, int(seconds / max(clock() - start, 1e-7)))


class Others:
    """How many cores other processes use, from its making on (0 where Linux does not tell)."""

    def __init__(self) -> None:
        self.start, self.busy, self.own = time.perf_counter(), _busy(), _own()

    def cores(self) -> float:
        elapsed = time.perf_counter() - self.start
        return max(0.0, (_busy() - self.busy) - (_own() - self.own)) / max(elapsed, 1e-3)


def _busy() -> float:
    """Seconds that all cores together have worked."""
    with contextlib.suppress(OSError), open("/proc/stat") as file:
        user, nice, system, _, _, irq, soft = map(int, file.readline().split()[1:8])
        return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _own() -> float:
    return sum(os.times()[:4])


def settle() -> None:
    """Record as many small operations as a program has made once operators are native functions.

    That is within a second of training on small tensors; without llvmlite nothing changes.
    """
    import rushlight as rl

    x = rl.ones(2, requires_grad=True)
    for _ in range(3):
        y = x
        for _ in range(10_000):
            y = y + x
        y.sum().backward()


def show(title: str, times: dict[str, float]) -> None:
    """One line: each contender's time, and torch's as a multiple of ours."""
    parts = "  ".join(f"{name} {value * 1e6:,.2f} us" for name, value in times.items())
    ratio = ""
    if "rushlight" in times and "torch" in times:
        ours, theirs = times["rushlight"], times["torch"]
        ratio = f"  rushlight/torch {ours / theirs:.2f}  ({theirs / ours:.2f}x)"
    print(f"{title:38} {parts}{ratio}", flush=True)


def with_threads(count: int) -> None:
    """Start this script again with every library told to use so many threads."""
    wanted = dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RUSHLIGHT_NUM_THREADS",
         "NPROC"), str(count),
    )  # fmt: skip
    if count == 1:
        wanted["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})
