"""What each way to a derivative costs: `python benchmarks/differentiation.py [--write]`.

Time (of the process, one thread) and peak memory (`tracemalloc`, in a run of its own) of plain
evaluation, reverse mode, forward mode, reverse mode with √n checkpoints, and central differences.
`--write` puts the tables and plots into docs/costs.md and docs/costs-*.svg.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import gc
import multiprocessing
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import rushlight as rl
from rushlight.autograd import plot
from rushlight.autograd.tables import Table, as_bytes
from rushlight.utils.checkpoint import checkpoint_sequential

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH = 128  # numbers in the vector that a chain works on: a KiB in float64
LENGTHS = (10, 100, 1_000, 10_000, 100_000)
COUNTS = (1, 10, 100, 1_000)
OPERATIONS = 100  # of the programs with many inputs or outputs
SECONDS = 0.1  # of measuring per figure, at least one run
TURN = 0.01  # runs between two collections of garbage, of which one would outlast a short run


# the operations of a chain in turn; each but the product keeps what it reads
STEPS: tuple[Callable[[Any], Any], ...] = (rl.sin, lambda y: y * 1.01, rl.tanh)


def chain(x: Any, length: int) -> Any:
    for place in range(length):
        x = STEPS[place % 3](x)
    return x


def plain(x: Any, length: int) -> None:
    with rl.no_grad():
        chain(x, length).sum()


def reverse(x: Any, length: int) -> None:
    x = x.detach().requires_grad_()
    chain(x, length).sum().backward()


def checkpointed(x: Any, length: int, reentrant: bool) -> None:
    x = x.detach().requires_grad_()
    steps = [STEPS[place % 3] for place in range(length)]
    checkpoint_sequential(
        steps, None, x, use_reentrant=reentrant, preserve_rng_state=False
    ).sum().backward()  # fmt: skip


def forward(x: Any, length: int) -> None:
    rl.func.jvp(lambda x: chain(x, length).sum(), (x,), (rl.ones_like(x),))


def numeric(x: Any, length: int) -> None:
    """One directional derivative; a gradient takes as many of them as there are inputs."""
    with rl.no_grad():
        (chain(x + 1e-6, length).sum() - chain(x - 1e-6, length).sum()) / 2e-6


WAYS: dict[str, Callable[[Any, int], None]] = {
    "plain": plain, "reverse": reverse, "√n, reentrant": lambda x, n: checkpointed(x, n, True),
    "√n, other": lambda x, n: checkpointed(x, n, False), "forward": forward, "numeric": numeric,
}  # fmt: skip


def seconds(run: Callable[[], object]) -> float:
    """The least process time of a run; slow ones run once."""
    best, spent = float("inf"), 0.0
    while spent < SECONDS:
        gc.collect()
        turn = 0.0
        while turn < min(TURN, SECONDS - spent):
            before = time.process_time()
            run()
            took = time.process_time() - before
            best, turn = min(best, took), turn + took
        spent += turn
    return best


def peak(run: Callable[[], object]) -> int:
    """The most bytes that were live at once during a run, beyond those before it."""
    gc.collect()
    tracemalloc.start()
    base = tracemalloc.get_traced_memory()[0]
    run()
    found = tracemalloc.get_traced_memory()[1] - base
    tracemalloc.stop()
    return found


def by_length() -> dict[str, Any]:
    """Time of every way for programs of growing length."""
    times: dict[str, Any] = {name: [] for name in WAYS}
    x = rl.rand(WIDTH, dtype=rl.float64)
    for length in LENGTHS:
        for name, way in WAYS.items():
            times[name].append((length, seconds(lambda way=way, n=length: way(x, n))))
        print(f"{length} operations measured", flush=True)
    return times


def peak_of(name: str, length: int) -> int:
    """The peak memory of one way, in whatever process."""
    x = rl.rand(WIDTH, dtype=rl.float64)
    WAYS[name](x, 10)  # what only a first run takes
    return peak(lambda: WAYS[name](x, length))


def memory_by_length() -> dict[str, Any]:
    """Peak memory of every way, in two processes at once, as counting it is slow; longest first."""
    points = [(name, length) for length in reversed(LENGTHS) for name in reversed(WAYS)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn) as pool:
        found = dict(zip(points, pool.map(peak_of, *zip(*points))))
    return {name: [(length, float(found[name, length])) for length in LENGTHS] for name in WAYS}


def gradient_of(count: int) -> dict[str, Callable[[], object]]:
    """The whole gradient of a function of `count` inputs, in three ways."""
    x = rl.rand(count, dtype=rl.float64)
    basis = rl.eye(count, dtype=rl.float64)

    def f(x: Any) -> Any:
        return chain(x, OPERATIONS).sum()

    def differences() -> None:
        with rl.no_grad():
            for row in basis:
                (f(x + 1e-6 * row) - f(x - 1e-6 * row)) / 2e-6

    return {
        "reverse: 1 sweep": lambda: reverse(x, OPERATIONS),
        "forward: N sweeps": lambda: [rl.func.jvp(f, (x,), (row,)) for row in basis],
        "numeric: 2N evaluations": differences,
    }


def jacobian_of(count: int) -> dict[str, Callable[[], object]]:
    """The derivatives of `count` outputs of a function of one input, in three ways."""
    x = rl.tensor(0.3, dtype=rl.float64)
    ones = rl.ones(count, dtype=rl.float64)
    basis = rl.eye(count, dtype=rl.float64)

    def f(x: Any) -> Any:
        return chain(x * ones, OPERATIONS)

    def rows() -> None:
        leaf = x.detach().requires_grad_()
        y = f(leaf)
        for row in basis:
            rl.autograd.grad(y, leaf, row, retain_graph=True)

    def differences() -> None:
        with rl.no_grad():
            (f(x + 1e-6) - f(x - 1e-6)) / 2e-6

    return {
        "reverse: M sweeps": rows,
        "forward: 1 sweep": lambda: rl.func.jvp(f, (x,), (rl.ones_like(x),)),
        "numeric: 2 evaluations": differences,
    }


def by_count(make: Callable[[int], dict[str, Callable[[], object]]]) -> dict[str, Any]:
    """Time of every way for growing numbers of inputs or outputs."""
    found: dict[str, Any] = {}
    for count in COUNTS:
        for name, run in make(count).items():
            found.setdefault(name, []).append((count, seconds(run)))
        print(f"{count} measured", flush=True)
    return found


def as_time(value: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.0f} ns"


def table(title: str, curves: dict[str, Any], show: Callable[[float], str]) -> Table:
    heads = [f"{int(n):,}" for n, _ in next(iter(curves.values()))]
    rows = [[name, *(show(value) for _, value in curve)] for name, curve in curves.items()]
    return Table([title, *heads], rows, right=set(range(1, len(heads) + 1)))


def write(tables: dict[str, Table], plots: dict[str, str]) -> None:
    """Put each table between its markers in docs/costs.md, and the plots beside it."""
    page = DOCS / "costs.md"
    text = page.read_text()
    for name, found in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}{found.markdown()}\n{end}{rest.split(end, 1)[1]}"
    page.write_text(text)
    for name, drawing in plots.items():
        (DOCS / f"costs-{name}.svg").write_text(drawing + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    times, memory = by_length(), memory_by_length()
    inputs, outputs = by_count(gradient_of), by_count(jacobian_of)
    tables = {
        "time": table("operations", times, as_time),
        "memory": table("operations", memory, as_bytes),
        "inputs": table("inputs N", inputs, as_time),
        "outputs": table("outputs M", outputs, as_time),
    }
    for found in tables.values():
        print(f"\n{found}")
    if chosen.write:
        per = f"of {OPERATIONS} operations"
        write(
            tables,
            {
                "time": plot.lines(times, "time", "operations", "", named=as_time),
                "memory": plot.lines(memory, "peak memory", "operations", "", named=as_bytes),
                "inputs": plot.lines(inputs, f"gradient {per}", "inputs N", "", named=as_time),
                "outputs": plot.lines(outputs, f"Jacobian {per}", "outputs M", "", named=as_time),
            },
        )


if __name__ == "__main__":
    main()
