"""All-reduce between processes of one machine: rushlight, and torch's gloo, turn by turn.

    python benchmarks/collectives.py [ranks]

Forks the ranks, so neither library is imported twice. Prints, for each size, the best and the
median time of a call over the rounds, and the processor time that one rank spent in it.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from typing import Any

SIZES = ((1 << 10, 300), (1 << 18, 20), (25_000_000, 1))  # numbers of float32, calls in a round
ROUNDS = 7


def rank_of(library: Any, rank: int, ranks: int, where: str, floats: int, calls: int) -> Any:
    """(seconds, processor seconds) of a call in each round."""
    dist = library.distributed
    library.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{where}", rank=rank, world_size=ranks)
    x = library.zeros(floats)
    dist.all_reduce(x)
    rounds = []
    for _ in range(ROUNDS):
        dist.barrier()
        began, used = time.perf_counter(), time.process_time()
        for _ in range(calls):
            dist.all_reduce(x)
        spent = time.perf_counter() - began, time.process_time() - used
        rounds.append([seconds / calls for seconds in spent])
    dist.destroy_process_group()
    return rounds


def measured(library: Any, ranks: int, floats: int, calls: int) -> list[list[float]]:
    """What rank 0 measures."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:

        def one(rank: int) -> None:
            found = rank_of(library, rank, ranks, f"{folder}/met", floats, calls)
            if rank == 0:
                answers.put(found)

        children = [context.Process(target=one, args=(rank,)) for rank in range(ranks)]
        for child in children:
            child.start()
        found = answers.get()
        for child in children:
            child.join()
    return found


def main() -> None:
    import torch

    import rushlight as rl

    ranks = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    for floats, calls in SIZES:
        found: dict[str, list[list[float]]] = {"rushlight": [], "torch gloo": []}
        for _ in range(3):
            found["rushlight"] += measured(rl, ranks, floats, calls)
            found["torch gloo"] += measured(torch, ranks, floats, calls)
        for name, rounds in found.items():
            walls, used = zip(*rounds, strict=True)
            print(
                f"{4 * floats:>11,} bytes  {name:<10}  best {min(walls) * 1e6:>9.1f} us"
                f"  median {statistics.median(walls) * 1e6:>9.1f} us"
                f"  processor {min(used) * 1e6:>8.1f} us",
                flush=True,
            )


if __name__ == "__main__":
    main()
