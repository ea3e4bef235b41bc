"""Native passes in a process that has not met bfloat16, which NumPy by itself does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import rushlight as rl
from rushlight.compile.single.pieces import piece
passes = piece("passes")
assert passes is not None and "ml_dtypes" not in sys.modules
x = rl.ones(300, 400)
assert all(x.sum(0).tolist() == [300.0] * 400 for _ in range(3))
"""


def test_they_are_made(tmp_path: Path) -> None:
    pytest.importorskip("llvmlite")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "RUSHLIGHT_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stays with NumPy" not in done.stderr
