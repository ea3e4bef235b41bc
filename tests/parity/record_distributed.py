"""Ask torch's processes what the programs for two processes come to.

Run: python -m tests.parity.record_distributed (needs torch).
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import torch
import torch.multiprocessing

from tests.distributed.programs import all_cases

DATA = Path(__file__).parent / "data" / "distributed.json"


def one(rank: int, folder: str) -> None:
    """One process: its answers go to a file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/met", world_size=2, rank=rank)
    found = all_cases(torch, rank)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.barrier()


def answers() -> list[dict[str, list[float]]]:
    """The answers of both ranks."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(one, (folder,), nprocs=2, start_method="fork")
        return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(2)]


if __name__ == "__main__":
    short = [
        {name: [float(f"{value:.8g}") for value in values] for name, values in rank.items()}
        for rank in answers()
    ]
    DATA.write_text(json.dumps({"torch": torch.__version__, "ranks": short}) + "\n")
