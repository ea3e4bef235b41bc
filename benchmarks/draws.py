"""A million random numbers beside torch's: `python benchmarks/draws.py` (one thread)."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from typing import Any

import torch
from timing import interleaved

import rushlight

COUNT = 1_000_000


def draws(t: Any) -> dict[str, Callable[[], Any]]:
    """The kinds of numbers that networks draw."""
    ones, halves = t.ones(COUNT), t.full((COUNT,), 0.5)
    return {
        "randn": lambda: t.randn(COUNT),
        "rand": lambda: t.rand(COUNT),
        "randint": lambda: t.randint(10, (COUNT,)),
        "randperm": lambda: t.randperm(COUNT),
        "bernoulli": lambda: t.bernoulli(halves),
        "exponential": lambda: ones.clone().exponential_(),
        "dropout": lambda: t.nn.functional.dropout(ones, 0.5),
    }


def main() -> None:
    """Compare the numbers of one seed, then time the kinds in turn."""
    torch.set_num_threads(1)
    ours, theirs = draws(rushlight), draws(torch)
    print("| draw | rushlight ms | torch ms | ours over torch's | largest difference |")
    print("|---|--:|--:|--:|--:|")
    for name, draw in ours.items():
        rushlight.manual_seed(7)
        torch.manual_seed(7)
        apart = abs(draw().numpy().astype("f8") - theirs[name]().numpy()).max()
        times = interleaved({"rushlight": draw, "torch": theirs[name]}, rounds=9)
        mine, other = times["rushlight"] * 1e3, times["torch"] * 1e3
        print(f"| {name} | {mine:.2f} | {other:.2f} | {mine / other:.2f} | {apart:.1e} |")


if __name__ == "__main__":
    main()
