"""Record the bits of torch's `linspace` and `arange`: `python tests/parity/record_sequences.py`."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "data" / "sequences.json"
KINDS = ("float32", "float64", "float16", "int64")


def cases() -> list[tuple[str, tuple[Any, ...], str]]:
    """Names, arguments and types."""
    draw = random.Random(0)
    found = []
    for _ in range(150):
        start = draw.choice([0, 0.0, 0.5, -1, 1e-3, draw.uniform(-3, 3)])
        end = start + draw.choice([0.9, 1, 0.3, 30.0, draw.uniform(0.1, 9)])
        count = draw.choice([1, 2, 3, 7, 10, 11, 31, 33, 50, 100, 1000])
        found.append(("linspace", (start, end, count), draw.choice(KINDS)))
        step = draw.choice([0.1, 0.3, 0.01, 0.7, draw.uniform(0.01, 1)])
        found.append(("arange", (start, end, step), draw.choice(KINDS[:3])))
    return found


def answer(torch: Any, name: str, args: tuple[Any, ...], kind: str) -> tuple[int, int]:
    """How many numbers a call gives, and a check of their bits."""
    y = getattr(torch, name)(*args, dtype=getattr(torch, kind)).numpy()
    return y.size, zlib.crc32(y.tobytes())


if __name__ == "__main__":
    import torch

    rows = [[*case, *answer(torch, *case)] for case in cases()]
    TARGET.write_text(json.dumps(rows).replace("], [", "],\n[") + "\n")
    print(f"{len(rows)} answers, {TARGET.stat().st_size} bytes")
