"""Whole programs written for torch print under `rushlight run` what they print under torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_programs import same_text

HERE = Path(__file__).parent
# with workers as they were where the answers were recorded: from Python 3.14 on others are usual
FORKING = """
import multiprocessing
if "fork" in multiprocessing.get_all_start_methods():
    multiprocessing.set_start_method("fork")
from rushlight.cli.main import main
raise SystemExit(main())
"""
ANSWERS = json.loads((HERE / "data" / "whole.json").read_text())


def test_every_program_has_an_answer() -> None:
    assert {path.stem for path in (HERE / "whole").glob("*.txt")} == ANSWERS.keys()


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_prints_what_torch_prints(name: str) -> None:
    command = [sys.executable, "-c", FORKING, "run", str(HERE / "whole" / f"{name}.txt")]
    paths = [str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    ours = ran.stdout.splitlines()
    assert len(ours) == len(ANSWERS[name])
    for place, (mine, theirs) in enumerate(zip(ours, ANSWERS[name]), 1):
        assert same_text(mine, theirs), f"line {place}: {mine!r}, torch: {theirs!r}"
