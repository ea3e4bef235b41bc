"""`rushlight launch -n 2 -m rushlight train`: one run, trained by two processes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.cli.tools import rushlight, start

LAUNCH = ("launch", "-n", "2", "-m", "rushlight", "train", "softmax", "--out", "run")


def test_rank_0_prints_and_writes(tmp_path: Path) -> None:
    done = rushlight(*LAUNCH, "--epochs", "3", "--batch-size", "64", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("epoch 3/3") for line in lines) == 1
    assert sum(line.startswith("held-out accuracy") for line in lines) == 1
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["processes"], config["batch_size"]) == (2, 64)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    assert metrics[-1]["step"] == 3 * -(-719 // 32)  # 1437 pictures, half of them each
    assert metrics[-1]["accuracy"] > 0.8
    done = rushlight(*LAUNCH[:-1], "other", "--batch-size", "33", cwd=tmp_path)
    assert done.returncode == 2
    assert "--batch-size 33 cannot be shared out to 2 processes" in done.stderr


def test_an_interrupt_stops_both_after_the_same_step(tmp_path: Path) -> None:
    with start(*LAUNCH, "--epochs", "500", cwd=tmp_path) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and "1/500" not in line:
            pass
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "stopped after step" in error and "Traceback" not in error
    assert (tmp_path / "run" / "last.pt").exists()
