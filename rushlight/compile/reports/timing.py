"""Times of a program's kernels beside what the machine can do: for `explain(times=True)`.

The program is made once more with counters around its kernels, and without anything that it writes
in place; it runs on arrays like those of the traced call. Draws of random numbers are taken back.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..calls.bound import Bound, frozen
from ..code import llvm
from ..code.emit import F32, PTR, Module
from ..code.instructions import constant
from ..disk.remembered import PROFILE
from ..kernels.runtime import aligned
from ..native import NativeProgram
from ..tracing.sources import example

RUNS = 20
CLOCK = """
declare i64 @llvm.readcyclecounter()
define i64 @now() {
  %n = call i64 @llvm.readcyclecounter()
  ret i64 %n
}
"""


@functools.cache
def ticks_per_second() -> float:
    """The rate of the counter that kernels read."""
    code = llvm.compile(CLOCK)
    now = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("now"))
    first, start = now(), time.perf_counter()
    time.sleep(0.05)
    return (now() - first) / (time.perf_counter() - start)


@functools.cache
def fma_peak() -> float:
    """Floating-point operations per second of one core: a loop of multiply-adds in registers."""
    target = llvm.target()
    lanes, count, rounds = target.lanes(np.float32), 24 if target.registers > 16 else 12, 20_000
    module = Module(target)
    f = module.function("peak", [("data", PTR)])
    x = f.load(F32.wide(lanes), f.arguments[0])
    with f.loop(0, rounds, carry=[constant(0.0, x.type)] * count) as loop:
        loop.next(*(f.fma(x, x, sums) for sums in loop.carried))
    total = loop.results[0]
    for sums in loop.results[1:]:
        total = f.add(total, sums)
    f.store(total, f.arguments[0])
    code, data = llvm.compile(module.text()), aligned(64)
    data[:] = 0
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("peak"))
    return 2 * rounds * count * lanes / _least(lambda: run(data.ctypes.data))


@functools.cache
def bandwidth() -> float:
    """Bytes per second, read and written, of a plain copy that no cache holds."""
    source, target = np.ones(1 << 23), np.ones(1 << 23)
    return 2 * source.nbytes / _least(lambda: np.copyto(target, source))


def _least(call: Any, times: int = 7) -> float:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def timed(bound: Bound) -> list[tuple[str, Any, float]]:
    """The kernel calls of a native program and its backward half: (which half, kernel, seconds).

    Empty for a program that NumPy runs.
    """
    captured = bound.captured
    if getattr(bound.program, "native", None) is None:
        return []
    arrays = list(map(example, captured.sources))
    states = [engine.get_state() for engine in bound.engines]
    try:
        outputs, found = _run(captured.graph, arrays, still=frozen(captured))
        if captured.joint is not None:
            joint = captured.joint
            kept = [arrays[i] if is_input else outputs[i] for is_input, i in joint.kept]
            seeds = [np.ones(x.shape, x.dtype) for x in joint.graph.inputs[: -len(kept) or None]]
            found += _run(joint.graph, [*seeds, *kept], "backward ")[1]
    finally:
        for engine, state in zip(bound.engines, states):
            engine.set_state(state)
    return found


def _run(
    graph: Any, arrays: Sequence[np.ndarray], half: str = "", still: Sequence[int] = ()
) -> tuple[list[np.ndarray], list[Any]]:
    before = os.environ.get(PROFILE)
    os.environ[PROFILE] = "1"
    try:
        program = NativeProgram(graph, [], arrays, still)
    finally:
        if before is None:
            del os.environ[PROFILE]
        else:
            os.environ[PROFILE] = before
    outputs = program.run(arrays)
    program.native.cycles()
    found = []
    for _ in range(RUNS):
        outputs = program.run(arrays)
        found.append(program.native.cycles())
    seconds = np.maximum(np.min(found, 0), 1) / ticks_per_second()  # ARM's ticks are long
    kernels = program.native.kernels
    return outputs, [(half, one, spent) for one, spent in zip(kernels, seconds.tolist())]
