"""The launcher: what the ranks are told, the one error that is printed, nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rushlight.multiprocessing as mp
from rushlight.distributed import run

PROGRAM = """
import os, signal, sys, torch, torch.distributed as dist
folder, mode = sys.argv[1:]
dist.init_process_group("gloo")
rank = dist.get_rank()
open(f"{folder}/{rank}.{os.environ['TORCHELASTIC_RESTART_COUNT']}", "w").write(str(os.getpid()))
for step in range(30):
    x = torch.ones(3) * rank
    dist.all_reduce(x)
    if step == 10 and rank == 1:
        if mode == "raise":
            raise ValueError("a bad batch")
        if mode == "kill" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
assert os.environ["LOCAL_RANK"] == str(rank) and dist.is_torchelastic_launched()
sys.stdout.write(f"sum {x[0].item()} threads {os.environ['OMP_NUM_THREADS']}\\n")
dist.destroy_process_group()
"""


def started(folder: Path, mode: str, *options: str) -> subprocess.Popen[str]:
    """The launcher on the program above."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-m", "rushlight", "launch", "-n", "2", *options, script, folder, mode],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def gone(folder: Path) -> bool:
    """Whether every process that said its number has ended."""
    pids = [int(path.read_text()) for path in folder.glob("[0-9].[0-9]")]
    assert pids
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_one_traceback_and_its_exit_status(tmp_path: Path) -> None:
    job = started(tmp_path, "raise")
    said = job.communicate(timeout=120)[1]
    assert job.returncode == 1 and said.count("Traceback") == 1
    assert "ValueError: a bad batch" in said and "rank 1 (process" in said
    assert gone(tmp_path)


def test_all_start_again_when_one_was_killed(tmp_path: Path) -> None:
    job = started(tmp_path, "kill", "--max-restarts", "1")
    out, said = job.communicate(timeout=120)
    assert job.returncode == 0, said
    assert "was killed by SIGKILL" in said and "starting all again (1 of 1)" in said
    assert out.count("sum 1.0 threads") == 2 and len(list(tmp_path.glob("*.1"))) == 2
    assert gone(tmp_path)


def stopped(told: Path) -> bool:
    """Whether the process that said its number in a file has been stopped."""
    number = told.read_text() if told.exists() else ""
    state = Path(f"/proc/{number}/stat") if number else None
    return state is not None and state.read_text().rsplit(")", 1)[1].split()[0] == "T"


def test_a_stopped_process_goes_with_the_launcher(tmp_path: Path) -> None:
    job = started(tmp_path, "stop", "--grace", "0.2")
    until = time.monotonic() + 100
    while not stopped(tmp_path / "1.0") and time.monotonic() < until:
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=100)
    assert job.returncode == 128 + signal.SIGTERM and gone(tmp_path)


def test_torchruns_spelling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plans: list[Any] = []
    monkeypatch.setattr(run, "launch", lambda plan: plans.append(plan) or 0)
    script = tmp_path / "train.py"
    script.touch()
    assert run.main(["--nproc_per_node=2", "--standalone", str(script), "--lr", "1"]) == 0
    assert run.main(["--nnodes=2", "--node_rank=1", "--master_addr=a", "--master_port=5",
                     "--nproc-per-node", "1", "-m", "package.train"]) == 0  # fmt: skip
    one, two = plans
    assert one.processes == 2 and one.command[-3:] == [str(script), "--lr", "1"]
    assert (two.nodes, two.node, two.host, two.port) == (2, 1, "a", 5)
    assert two.command[-2:] == ["-m", "package.train"]


def test_torchs_name_of_the_launcher() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "rushlight", "run", "-m", "torch.distributed.run", "--help"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert said.returncode == 0 and "--nproc_per_node" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-n", "0", "x.py"], "expects a number of processes, not '0'"),
        (["--nnodes", "2", __file__], "need --master-addr and --master-port"),
        (["-n", "2", "/nowhere.py"], "there is no file '/nowhere.py'"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], said: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        run.main(arguments)
    assert end.value.code == 2 and said in capsys.readouterr().err


def spawned(rank: int, path: str, size: int) -> None:
    """What a program has `spawn` run."""
    import rushlight as rl

    dist: Any = rl.distributed
    dist.init_process_group("gloo", init_method=f"file://{path}/met", rank=rank, world_size=size)
    x = rl.ones(2) * rank
    dist.all_reduce(x)
    Path(path, str(rank)).write_text(str(x.tolist()))
    dist.destroy_process_group()


def test_processes_started_by_spawn_meet(tmp_path: Path) -> None:
    mp.start_processes(spawned, (str(tmp_path), 2), 2, start_method="fork")
    assert [(tmp_path / str(rank)).read_text() for rank in range(2)] == ["[1.0, 1.0]"] * 2


def test_torchruns_options_and_the_older_spelling(tmp_path: Path) -> None:
    """What the processes are told, and where what they say goes; no Python runs in them."""
    program = tmp_path / "program.sh"
    program.write_text("#!/bin/sh\necho $ROLE_NAME $ROLE_RANK of $ROLE_WORLD_SIZE: $@\n")
    program.chmod(0o755)
    options = ["--nnodes", "1:1", "--role", "trainer", "-r", "1", "--log-dir", str(tmp_path)]
    options += ["--rdzv_id", "7", "--monitor-interval=1", "--start-method", "spawn", "--no-python"]
    done = subprocess.run(
        [sys.executable, "-m", "rushlight.distributed.launch", *options, program, "--epochs", "2"],
        capture_output=True, text=True, env={**os.environ, "PET_NPROC_PER_NODE": "2"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    said = sorted(path.read_text() for path in tmp_path.glob("*/attempt_0/*/stdout.log"))
    assert said == [f"trainer {rank} of 2: --local-rank={rank} --epochs 2\n" for rank in range(2)]
    with pytest.raises(SystemExit):
        run.main(["-r", "7", str(program)])
