"""Training steps beside torch's and jax's: `python benchmarks/training.py [CASES] [--threads N]`.

Rows are those of `cases.py`; columns: rushlight eager, compiled (llvm), compiled (NumPy), torch
eager, torch.compile (where there is a C++ compiler), jax.jit. All run in turn in one process;
before they are timed, their losses and weights after three steps are compared. With one thread the
time is process time, with more it is wall time, of the rounds that no other process disturbed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import shutil
import sys
import time
from typing import Any

import numpy as np
from cases import CASES, ROWS, Case, Job, initial, job, lenet_relu
from timing import measured, settle, with_threads

COLUMNS = ("rushlight", "compiled", "numpy", "torch", "torch.compile", "jax")
lenet_net = lenet_relu


def contenders(wanted: list[str]) -> tuple[list[str], list[str]]:
    """Those that can run here, and sentences about those that cannot."""
    found, missing = [], []
    for name in wanted:
        package = {"jax": "jax", "compiled": "llvmlite"}.get(name, name.partition(".")[0])
        if name not in ("rushlight", "numpy") and importlib.util.find_spec(package) is None:
            missing.append(f"{name}: {package} is not installed")
        elif name == "torch.compile" and shutil.which("g++") is None:
            missing.append("torch.compile: needs g++, which is not here")
        else:
            found.append(name)
    return found, missing


def prepare(name: str, wanted: list[str]) -> tuple[dict[str, Job], list[str]]:
    """The contenders at a case, each after three steps and compared with the first."""
    case = CASES[name]
    start = initial(case)
    jobs: dict[str, Job] = {}
    notes: list[str] = []
    for variant in wanted:
        try:
            jobs[variant] = job(variant, name, start)
            losses = [loss_of(jobs[variant]) for _ in range(3)]
        except Exception as error:
            jobs.pop(variant, None)
            notes.append(f"{name} {variant}: {type(error).__name__}: {str(error)[:200]}")
            continue
        notes += stayed_eager(name, variant, jobs[variant])
        values = jobs[variant].weights()
        if len(jobs) == 1:
            first = losses, [w.copy() for w in values]
        else:
            notes += differences(case, f"{name} {variant}", start, (losses, values), first)
    return jobs, notes


def loss_of(step: Job) -> float:
    loss = step()
    return float(loss.detach() if hasattr(loss, "detach") else loss)


def stayed_eager(name: str, variant: str, found: Job) -> list[str]:
    explain = getattr(found.compiled, "explain", None)
    if explain is None:
        return []
    what = explain()
    notes = [f"{name} {variant}: runs eagerly: {reason}" for reason in what.reasons]
    notes += [f"{name} {variant}: no native code: {reason}" for reason in what.fallbacks]
    host = [text for program in what.programs for text in program["host"]]
    return notes + [f"{name} {variant}: NumPy computes {text}" for text in dict.fromkeys(host)]


def differences(
    case: Case, what: str, start: list[np.ndarray], ours: Any, theirs: Any
) -> list[str]:
    """Sentences where losses or weights after three steps are not those of the first contender."""
    notes = []
    if not np.allclose(ours[0], theirs[0], rtol=1e-2 * case.tolerance, atol=1e-6):
        notes.append(f"{what}: WRONG losses {ours[0]}, not {theirs[0]}")
    most = max(float(np.abs(w - s).max()) for w, s in zip(theirs[1], start))
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours[1], theirs[1]))
    if not apart <= case.tolerance * most + 1e-6:
        notes.append(f"{what}: WRONG weights, {apart:.2e} apart after moving {most:.2e}")
    return notes


def number(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def over(times: dict[str, float], peer: str, target: float | None, ours: str = "compiled") -> str:
    """A peer's time over ours, and whether that reaches the target."""
    if peer not in times or ours not in times:
        return ""
    ratio = times[peer] / times[ours]
    text = f"{ratio:.0f}x" if ratio >= 20 else f"{ratio:.2f}x"
    if target is None:
        return text
    return f"**{text}** ({target:g})" if ratio >= target else f"{text} (missed {target:g})"


def row(name: str, times: dict[str, float]) -> str:
    case = CASES[name]
    cells = [case.title, *(number(times.get(column)) for column in COLUMNS)]
    cells += [over(times, "torch", None, "rushlight"), over(times, "torch", case.over_torch),
              over(times, "torch.compile", None), over(times, "jax", case.over_jax)]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def measure(
    names: list[str], wanted: list[str], options: argparse.Namespace
) -> tuple[dict[str, Any], list[str]]:
    clock = time.process_time if options.threads == 1 else time.perf_counter
    results, notes = {}, []
    heads = ["step", "rushlight eager", "compiled", "compiled, NumPy", *COLUMNS[3:]]
    heads += ["eager over torch", "compiled over torch", "over torch.compile", "over jax"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    for name in names:
        here = [v for v in wanted if v != "torch.compile" or "loop" not in name or options.slow]
        jobs, found = prepare(name, here)
        notes += found
        turn = max(options.seconds, 0.001)
        times, clean = measured(jobs, options.rounds, turn, clock)
        results[name] = {"seconds": times, "clean rounds": clean}
        print(row(name, times), flush=True)
        print(f"{name}: {clean} of {options.rounds} rounds undisturbed", *found, sep="\n  ",
              file=sys.stderr, flush=True)  # fmt: skip
    return results, notes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of {' '.join(CASES)}; all but lenet")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.05, help="of one turn")
    parser.add_argument("--columns", default=" ".join(COLUMNS), help="the contenders, in quotes")
    parser.add_argument("--slow", action="store_true", help="torch.compile of Python loops too")
    parser.add_argument("--json", help="a file for the numbers")
    options = parser.parse_args()
    with_threads(options.threads)
    wanted, notes = contenders(options.columns.split())
    if "torch" in wanted:
        import torch

        torch.set_num_threads(options.threads)
    settle()
    results, more = measure(options.cases or ROWS, wanted, options)
    for note in (notes := notes + more):
        print(f"- {note}")
    if options.json:
        facts = {"threads": options.threads, "rounds": options.rounds, "notes": notes,
                 "machine": platform.processor() or platform.machine(),
                 "python": sys.version.split()[0], "cases": results}  # fmt: skip
        with open(options.json, "w") as file:
            json.dump(facts, file, indent=1)


if __name__ == "__main__":
    main()
