"""Where a compiled step spends its time: `python benchmarks/kernels_of.py CASE [--threads N]`.

Every kernel of the program with its share of the time, GF/s and GB/s. Counters in the code read
the processor's clock, so a kernel's time is wall time: of several runs the least is taken.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import CASES, job
from timing import with_threads

from rushlight.compile.code import llvm

CLOCK = """
declare i64 @llvm.readcyclecounter()
define i64 @now() {
  %n = call i64 @llvm.readcyclecounter()
  ret i64 %n
}
"""


def ticks_per_second() -> float:
    """The rate of the counter that the kernels read."""
    code = llvm.compile(CLOCK)
    now = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("now"))
    first, start = now(), time.perf_counter()
    time.sleep(0.1)
    return (now() - first) / (time.perf_counter() - start)


def least(step: Callable[[], Any], program: Any, runs: int) -> np.ndarray:
    """Ticks per kernel call, the least of all runs."""
    for _ in range(3):
        step()
    program.cycles()
    found = []
    for _ in range(runs):
        step()
        found.append(program.cycles())
    return np.min(found, 0)


def describe(kernel: Any) -> str:
    if not kernel.nodes:
        own = "_parts" in kernel.name or kernel.flops
        return "(sums for the next, whose FLOPs they are)" if own else "(packs for the next)"
    names: dict[str, int] = {}
    for node in kernel.nodes:
        names[node.op] = names.get(node.op, 0) + 1
    ops = " ".join(f"{n}x{op}" if n > 1 else op for op, n in names.items())
    shape = "x".join(map(str, kernel.nodes[-1].shape)) or "0-d"
    lines = dict.fromkeys(node.line.rpartition("/")[2] for node in kernel.nodes if node.line)
    return f"{ops[:60]} -> {shape}  {', '.join(lines)[:70]}"


def table(program: Any, seconds: np.ndarray, most: int) -> list[str]:
    """One line per distinct kernel, the slowest first."""
    groups: dict[str, list[int]] = {}
    for place, kernel in enumerate(program.kernels):
        groups.setdefault(kernel.name, []).append(place)
    total = float(seconds.sum()) or 1.0
    lines = [f"{'kernel':8} {'calls':>5} {'us':>9} {'share':>6} {'GF/s':>7} {'GB/s':>7}"]
    for name, places in sorted(groups.items(), key=lambda pair: -seconds[pair[1]].sum())[:most]:
        spent = float(seconds[places].sum()) or 1e-12
        kernels = [program.kernels[place] for place in places]
        flops = sum(kernel.flops for kernel in kernels) / spent / 1e9
        moved = sum(kernel.read + kernel.written for kernel in kernels) / spent / 1e9
        lines.append(f"{name:8} {len(places):5} {spent * 1e6:9.1f} {spent / total:6.1%}"
                     f" {flops:7.1f} {moved:7.1f}  {describe(kernels[0])}")  # fmt: skip
    if len(groups) > most:
        lines.append(f"and {len(groups) - most} more kinds")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--most", type=int, default=30, help="kinds of kernels shown")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    with_threads(options.threads)
    os.environ["RUSHLIGHT_PROFILE"] = "1"
    found = job("compiled", options.case)
    found()
    rate = ticks_per_second()
    for bound in found.compiled.programs:
        native = getattr(bound.program, "native", None)
        if native is None:
            raise SystemExit(f"no native program\n{found.compiled.explain()}")
        ticks = least(found, native, options.runs) / rate
        start = time.perf_counter()
        for _ in range(options.runs):
            found()
        whole = (time.perf_counter() - start) / options.runs
        print(f"{CASES[options.case].title}: kernels {ticks.sum() * 1e6:.0f} us (the least of each"
              f" call), a step {whole * 1e6:.0f} us (mean), {len(native.kernels)} kernel calls,"
              f" {native.plan.size / 2**20:.1f} MiB of temporaries")  # fmt: skip
        print(*table(native, ticks, options.most), sep="\n")
    what = found.compiled.explain()
    print(*(f"runs eagerly: {reason}" for reason in what.reasons), sep="\n")
    hosts = [text for program in what.programs for text in program["host"]]
    print(*(f"computed by NumPy: {text}" for text in dict.fromkeys(hosts)), sep="\n")
    if options.explain:
        print(what)


if __name__ == "__main__":
    main()
