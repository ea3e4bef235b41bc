"""How long imports take: `python benchmarks/importing.py` (fresh processes in turn, wall time)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

TURNS = 15
STATEMENTS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "rushlight": "import rushlight",
    "rushlight and a layer": "import rushlight; rushlight.nn.Linear(2, 2)",
    "torch": "import torch",
    "torch and a layer": "import torch; torch.nn.Linear(2, 2)",
}


def seconds(statement: str) -> float:
    """One process that runs the statement and ends, in wall time."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians, less what Python alone takes."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for turn in range(TURNS + 1):
        for name, statement in STATEMENTS.items():
            taken = seconds(statement)
            if turn:  # the first reads the files from disk and writes bytecode
                times[name].append(taken)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    alone = medians.pop("nothing")
    print("| import | s |\n|---|--:|")
    for name, median in medians.items():
        print(f"| {name} | {median - alone:.3f} |")


if __name__ == "__main__":
    main()
