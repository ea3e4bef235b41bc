"""Interleaved timing: every contender runs in turn, many times, and medians are compared."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable


def interleaved(
    contenders: dict[str, Callable[[], object]],
    rounds: int = 15,
    seconds: float = 0.05,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Median seconds per call of each contender; `seconds` is the time of one turn.

    Process time of all threads over one thread's work is immune to preemption, so with one thread
    it is what a quiet machine would show; with several threads wall time is taken.
    """
    counts: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        start = clock()
        call()
        once = max(clock() - start, 1e-7)
        counts[name] = max(1, int(seconds / once))
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in contenders.items():
                count = counts[name]
                start = clock()
                for _ in range(count):
                    call()
                samples[name].append((clock() - start) / count)
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in samples.items()}


def show(title: str, times: dict[str, float]) -> None:
    """One line: each contender's time, and torch's as a multiple of ours."""
    parts = "  ".join(f"{name} {value * 1e6:,.2f} us" for name, value in times.items())
    ratio = ""
    if "rushlight" in times and "torch" in times:
        ours, theirs = times["rushlight"], times["torch"]
        ratio = f"  rushlight/torch {ours / theirs:.2f}  ({theirs / ours:.2f}x)"
    print(f"{title:38} {parts}{ratio}", flush=True)
