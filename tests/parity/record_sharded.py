"""Ask torch's processes what the programs with tensors in parts come to.

Run: python -m tests.parity.record_sharded (needs torch).
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing

from tests.distributed.sharded_programs import all_cases

DATA = Path(__file__).parent / "data" / "sharded.json"


def one(rank: int, folder: str, size: int) -> None:
    """One process: its answers go to a file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/met", world_size=size, rank=rank)
    found = all_cases(torch, rank)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.barrier()


def answers(size: int = 2) -> list[dict[str, Any]]:
    """The answers of all ranks."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(one, (folder, size), nprocs=size, start_method="fork")
        return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(size)]


def short(value: Any) -> Any:
    """Numbers with six digits."""
    if isinstance(value, list):
        return [short(one) for one in value]
    if isinstance(value, dict):
        return {key: short(one) for key, one in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    DATA.write_text(json.dumps({"torch": torch.__version__, "ranks": short(answers())}) + "\n")
