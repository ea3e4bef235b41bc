"""What compiling costs, in fresh processes: `python benchmarks/compiling.py [PART] [CASES]`.

Parts:
  time    seconds of the first compiled step: with an empty cache, split by phase, and from the disk
          cache; beside jax.jit's first step, and torch.compile's with --slow. All is process time
          of one thread but the line that says how long one waits with one and with two threads
  memory  the most memory that 20 steps need, in all and above what stood before the first step
  busy    seconds per step with two threads while another process keeps a core busy, over the
          seconds without it
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cases import CASES, ROWS, job
from phases import Phases

HERE = Path(__file__).resolve()
PHASES = ("modules", "trace", "digest", "lower", "simplify", "schedule", "write", "generate",
          "keep", "load", "bind")  # fmt: skip
LIMITS = {"a": 0.15, "b": 0.15, "c": 0.15, "d": 0.5, "lenet": 0.5, "e": 1.5}  # others: 0.5


def child(*arguments: str, threads: int = 1, **environment: str) -> Any:
    """What this script prints, as JSON, when it is run anew."""
    wanted = {**os.environ, **environment, **threads_of(threads)}
    command = [sys.executable, str(HERE), *arguments]
    found = subprocess.run(command, env=wanted, capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(found.stderr.strip().splitlines()[-1])
    return json.loads(found.stdout.strip().splitlines()[-1])


def threads_of(count: int) -> dict[str, str]:
    names = "OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS RUSHLIGHT_NUM_THREADS NPROC"
    return dict.fromkeys(names.split(), str(count))


# --- time


def first_step(variant: str, case: str) -> dict[str, float]:
    """Seconds of the first compiled step in this process; for ours, by phase.

    Building the model, and importing jax or torch, is no compiling.
    """
    run = job(variant, case)
    phases = Phases() if variant == "compiled" else None
    start = time.perf_counter(), time.process_time()
    run()
    found = {"total": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}
    if phases is not None:
        found |= phases.seconds
        found["rest"] = found["cpu"] - sum(phases.seconds.values())
    return found


def eager_step(case: str) -> float:
    run = job("rushlight", case)
    run()
    start = time.process_time()
    run()
    return time.process_time() - start


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one.get(key, 0.0) for one in found) for key in found[0]}


def times(cases: list[str], options: argparse.Namespace) -> dict[str, Any]:
    heads = ["step", "ms", "target", *PHASES, "rest"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    results = {}
    for case in cases:
        cold, warm, both = [], [], []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory() as home:
                cold.append(child("first", "compiled", case, RUSHLIGHT_HOME=home))
                warm.append(child("first", "compiled", case, RUSHLIGHT_HOME=home))
            with tempfile.TemporaryDirectory() as home:
                both.append(child("first", "compiled", case, threads=2, RUSHLIGHT_HOME=home))
        found = {"cold": medians(cold), "cached": medians(warm), "both": medians(both),
                 "eager": child("eager", "rushlight", case)}  # fmt: skip
        limit, title = LIMITS.get(case, 0.5), CASES[case].title
        print(time_row(title, found["cold"], limit))
        waited = ", ".join(f"{found[key]['total'] * 1e3:.0f}" for key in ("cold", "both"))
        print(f"| - waited, one thread and two | {waited} |")
        print(time_row("- from the cache", found["cached"], limit / 10), flush=True)
        for peer in ["jax"] + ["torch.compile"] * options.slow:
            try:
                found[peer] = child("first", peer, case, TORCHINDUCTOR_FORCE_DISABLE_CACHES="1")
                spent = found[peer]["cpu" if peer == "jax" else "total"]  # g++ is not this process
                print(f"| - {peer} | {spent * 1e3:.0f} |", flush=True)
            except RuntimeError as error:
                print(f"{case} {peer}: {error}", file=sys.stderr)
        print(f"| - one eager step | {found['eager']['total'] * 1e3:.0f} |", flush=True)
        results[case] = found
    return results


def time_row(title: str, found: dict[str, float], limit: float) -> str:
    made = found["cpu"]
    mark = f"**{made * 1e3:.0f}**" if made < limit else f"{made * 1e3:.0f} (missed)"
    parts = [f"{found.get(phase, 0.0) * 1e3:.0f}" for phase in (*PHASES, "rest")]
    return "| " + " | ".join([title, mark, f"{limit * 1e3:.0f}", *parts]) + " |"


# --- memory


def memory_of(variant: str, case: str) -> dict[str, float]:
    """MiB: the most that was resident, and that above what stood before the first step."""
    run = job(variant, case)
    before = resident("VmRSS")
    steps = 3 if case == "e" else 20
    for _ in range(steps):
        run()
    most = resident("VmHWM")
    return {"peak": most, "above": most - before}


def resident(key: str) -> float:
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(key))
    return int(line.split()[1]) / 1024


def memory(cases: list[str], options: argparse.Namespace) -> dict[str, Any]:
    columns = ("rushlight", "compiled", "torch", "jax")
    heads = ["step", "eager", "compiled, from the cache", "compiled, anew", "torch", "jax"]
    print("Peak MiB (above what stood before the first step)\n\n| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    results: dict[str, Any] = {}
    for case in cases:
        with tempfile.TemporaryDirectory() as home:
            anew = child("memory_of", "compiled", case, RUSHLIGHT_HOME=home)
            found = {c: child("memory_of", c, case, RUSHLIGHT_HOME=home) for c in columns}
        found["anew"] = anew
        order = ("rushlight", "compiled", "anew", "torch", "jax")
        cells = [f"{found[c]['peak']:.0f} ({found[c]['above']:.0f})" for c in order]
        results[case] = found
        print(f"| {CASES[case].title} | " + " | ".join(cells) + " |", flush=True)
    return results


# --- a busy neighbour


class Worker:
    """A contender in a process of its own that times itself when asked."""

    def __init__(self, variant: str, case: str, threads: int) -> None:
        command = [sys.executable, str(HERE), "serve", variant, case]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **threads_of(threads)},
        )  # fmt: skip
        self.ask()

    def ask(self) -> float:
        """Median seconds per step over one second."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("time\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("seconds "):
            if not line:
                raise RuntimeError("the measured process ended")
        return float(line.split()[1])

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def serve(variant: str, case: str) -> None:
    """Time steps whenever a line arrives."""
    run = job(variant, case)
    for _ in range(3):
        run()
    for _ in sys.stdin:
        found: list[float] = []
        end = time.perf_counter() + 1
        while time.perf_counter() < end or len(found) < 3:
            start = time.perf_counter()
            run()
            found.append(time.perf_counter() - start)
        print(f"seconds {statistics.median(found)}", flush=True)


def busy(cases: list[str], options: argparse.Namespace) -> dict[str, Any]:
    print(f"ms per step with {options.threads} threads: quiet, with a busy neighbour, slowdown\n")
    columns = options.columns.split()
    print("| step | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1), flush=True)
    results = {}
    for case in cases:
        workers = {c: Worker(c, case, options.threads) for c in columns}
        quiet: dict[str, list[float]] = {c: [] for c in columns}
        loud: dict[str, list[float]] = {c: [] for c in columns}
        for _ in range(options.repeats):
            for c, worker in workers.items():
                quiet[c].append(worker.ask())
            neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                for c, worker in workers.items():
                    loud[c].append(worker.ask())
            finally:
                neighbour.kill()
                neighbour.wait()
        for worker in workers.values():
            worker.close()
        pairs = {c: (statistics.median(quiet[c]), statistics.median(loud[c])) for c in columns}
        results[case] = pairs
        cells = [f"{q * 1e3:.3f}, {b * 1e3:.3f}, {b / q:.1f}x" for q, b in pairs.values()]
        print(f"| {CASES[case].title} | " + " | ".join(cells) + " |", flush=True)
    return results


# ---

INSIDE = {
    "first": first_step, "memory_of": memory_of,
    "eager": lambda _, case: {"total": eager_step(case)},
}  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        return serve(*sys.argv[2:4])
    if sys.argv[1:2] and sys.argv[1] in INSIDE:
        return print(json.dumps(INSIDE[sys.argv[1]](*sys.argv[2:4])))
    parts = {"time": times, "memory": memory, "busy": busy}
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("part", nargs="?", default="time", choices=list(parts))
    parser.add_argument("cases", nargs="*", help=f"of {' '.join(CASES)}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="for busy")
    parser.add_argument("--columns", default="compiled torch jax", help="for busy, in quotes")
    parser.add_argument("--slow", action="store_true", help="torch.compile's time too")
    parser.add_argument("--json", help="a file for the numbers")
    options = parser.parse_args()
    found = parts[options.part](options.cases or ROWS, options)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
