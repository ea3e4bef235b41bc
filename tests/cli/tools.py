"""Running the command line in a process of its own, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DROPPED = ("RUSHLIGHT_", "NO_COLOR", "FORCE_COLOR", "TQDM_DISABLE")


def environment(**extra: str) -> dict[str, str]:
    """The environment without what would change the output, and with the package on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    return kept | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"} | extra


def start(*arguments: str, cwd: Path, **extra: str) -> subprocess.Popen[str]:
    """Start `rushlight ARGUMENTS` in `cwd`."""
    return subprocess.Popen(
        [sys.executable, "-m", "rushlight", *arguments], cwd=cwd, env=environment(**extra),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def rushlight(*arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `rushlight ARGUMENTS` to its end."""
    with start(*arguments, cwd=cwd, **extra) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)
