"""Record what torch prints for whole programs: `python tests/parity/record_whole.py`.

Programs that import torchvision need it too (0.28 for torch 2.13); without it their old answers
stay.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE / "data" / "whole.json"


def printed(program: Path) -> list[str]:
    """The lines a program prints under torch."""
    command = [sys.executable, "-W", "ignore", str(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    answers = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    for program in sorted((HERE / "whole").glob("*.txt")):
        if "torchvision" in program.read_text() and not importlib.util.find_spec("torchvision"):
            continue
        answers[program.stem] = printed(program)
    TARGET.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")
    print(f"{len(answers)} programs, {TARGET.stat().st_size} bytes")
