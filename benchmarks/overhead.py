"""Overhead per operation beside torch's: `python benchmarks/overhead.py` (one thread).

Two times of ours: once a program has recorded 20,000 operations, and (as "at first") before.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from typing import Any

import torch
from timing import interleaved, settle, show

import rushlight


def cases(t: Any) -> dict[str, Callable[[], object]]:
    a, b = t.ones(4, 4, requires_grad=True), t.ones(4, 4, requires_grad=True)
    x = t.ones(4, 4)

    def chain(count: int, multiply: bool) -> Callable[[], object]:
        def run() -> None:
            y = a
            for _ in range(count):
                y = y * b if multiply else y + b
            y.sum().backward()

        return run

    return {
        "add, recorded": lambda: a + b,
        "add, not recorded": lambda: x + x,
        "mul by a number, recorded": lambda: a * 2.0,
        "exp, recorded": lambda: a.exp(),
        "sum, recorded": lambda: a.sum(),
        "matmul, recorded": lambda: a @ b,
        "reshape, recorded": lambda: a.reshape(16),
        "index, recorded": lambda: a[1],
        "100 additions, forward and backward": chain(100, False),
        "100 products, forward and backward": chain(100, True),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    ours, theirs = cases(rushlight), cases(torch)
    first = {
        name: interleaved({"at first": call}, rounds=5, seconds=0.01)
        for name, call in ours.items() if not name.startswith("100")
    }  # fmt: skip
    settle()
    for name in ours:
        found = interleaved({"rushlight": ours[name], "torch": theirs[name]})
        show(name, found | first.get(name, {}))
