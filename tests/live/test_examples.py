"""The examples print the same on torch and on rushlight, to three digits."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.tools import ROOT, environment, rushlight

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)


@pytest.mark.parametrize(
    "name", ["linear_regression_concise", "softmax_regression", "weight_decay"]
)
def test_the_same_script_prints_the_same(name: str, tmp_path: Path) -> None:
    script = str(ROOT / "examples" / f"{name}.py")
    theirs = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment(OMP_NUM_THREADS="1"),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    ours = rushlight("run", script, cwd=tmp_path).stdout
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    numbers = [[float(n) for n in NUMBER.findall(text)] for text in (ours, theirs)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=2e-4)
