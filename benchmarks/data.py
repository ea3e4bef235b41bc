"""Examples per second of DataLoader over a TensorDataset beside torch's (one thread)."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from typing import Any

import torch
from timing import interleaved, show

import rushlight

EXAMPLES = 8192


def epoch(t: Any, batch: int, shuffle: bool, *shape: int) -> Callable[[], object]:
    data = t.utils.data
    dataset = data.TensorDataset(t.randn(EXAMPLES, *shape), t.randint(0, 10, (EXAMPLES,)))
    loader = data.DataLoader(dataset, batch_size=batch, shuffle=shuffle)

    def run() -> None:
        for _ in loader:
            pass

    return run


if __name__ == "__main__":
    torch.set_num_threads(1)
    for batch, shuffle, shape in (
        (32, True, (20,)),
        (256, True, (784,)),
        (256, False, (784,)),
        (64, True, (1, 28, 28)),
    ):
        ours, theirs = (
            epoch(rushlight, batch, shuffle, *shape),
            epoch(torch, batch, shuffle, *shape),
        )
        times = interleaved({"rushlight": ours, "torch": theirs}, rounds=7)
        show(f"batch {batch}, shape {shape}, shuffle={shuffle}", times)
        print(
            "    examples per second: "
            + ", ".join(f"{k} {EXAMPLES / v:,.0f}" for k, v in times.items())
        )
