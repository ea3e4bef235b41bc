"""Calls that the disk has are recalled only in the world that they were traced in.

The cases (`standing_cases.py`) run in a process of their own: what other tests have left in the
package's tables is a world of its own too, in which a call is traced again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).with_name("standing_cases.py")


def test_cases_in_a_world_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", str(CASES)],
        cwd=CASES.parents[2], env=os.environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    summary = done.stdout.splitlines()[-1]
    assert " passed" in summary and "skipped" not in summary
