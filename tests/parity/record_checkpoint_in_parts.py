"""Have torch's two processes write a checkpoint in parts, for rushlight to read.

Run: python -m tests.parity.record_checkpoint_in_parts (needs torch).
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint
import torch.multiprocessing
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

_package: Any = torch
DATA = Path(__file__).parent / "data" / "checkpoint_in_parts"


def one(rank: int, folder: str) -> None:
    """One process: a tensor in uneven parts, a whole one, and values that are no tensors."""
    warnings.simplefilter("ignore")
    torch.distributed.init_process_group("gloo", f"file://{folder}/met", world_size=2, rank=rank)
    mesh = init_device_mesh("cpu", (2,))
    rows = distribute_tensor(torch.arange(15.0).reshape(5, 3), mesh, [Shard(0)])
    state = {
        "net": {"rows": rows, "whole": torch.tensor([1, 2])},
        "epoch": 3, "rates": [0.1, {"last": torch.tensor(0.5, dtype=torch.bfloat16)}],
    }  # fmt: skip
    _package.distributed.checkpoint.save(state, checkpoint_id=DATA)
    torch.distributed.barrier()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        _package.multiprocessing.start_processes(one, (place,), nprocs=2, start_method="fork")
