"""A step that prints its loss, beside one that does not: `python benchmarks/telling.py`.

One thread. A perceptron 64-64-64-10 with 32 rows and SGD; what it prints goes to /dev/null. Eager
and compiled steps and torch's take short turns; of many turns the least counts, since a neighbour
on the machine only adds time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import gc
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import rushlight

Step = Callable[[], Any]
TURNS, STEPS = 60, 20


def training(t: Any, prints: bool, compiled: bool) -> Step:
    """A step on fixed rows, with or without its line of output."""
    t.manual_seed(0)
    nn = t.nn
    net = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = t.optim.SGD(net.parameters(), lr=0.01)
    x, y = t.randn(32, 64), t.arange(32) % 10

    def silent() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def telling() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        print(f"loss {loss.item():.4f}")
        return loss

    step = telling if prints else silent
    return t.compile(step) if compiled else step


KINDS = {
    "compiled, prints": lambda: training(rushlight, True, True),
    "compiled, silent": lambda: training(rushlight, False, True),
    "eager, prints": lambda: training(rushlight, True, False),
    "torch eager, prints": lambda: training(torch, True, False),
}


def main() -> None:
    """Time all kinds in turns and print the least of each."""
    torch.set_num_threads(1)
    least = dict.fromkeys(KINDS, math.inf)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        steps = {name: make() for name, make in KINDS.items()}
        first = {name: step().item() for name, step in steps.items()}
        assert max(first.values()) - min(first.values()) < 1e-4, first
        gc.collect()
        gc.disable()  # after a collection steps wait for memory, whichever comes first
        for _ in range(TURNS):
            for name, step in steps.items():
                step()  # the caches are another's at first
                start = time.perf_counter()
                for _ in range(STEPS):
                    step()
                least[name] = min(least[name], (time.perf_counter() - start) / STEPS)
    assert len(steps["compiled, prints"].programs) == 1
    for name, seconds in least.items():
        sys.stdout.write(f"{name}: {seconds * 1e6:.1f} us\n")


if __name__ == "__main__":
    main()
