"""Single promises as programs: what each prints, or which error it ends in.

A file `<area>.txt` holds lines `name :: expression`, or `name ::` above indented statements. The
point `setup` of a file runs before each of its others.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "parity"))
from program_runner import run  # noqa: E402  (it stands in the folder added above)

POINT = re.compile(r"^(\S.*?) ::(?: (.*))?\n((?:    .*\n|\n(?=\n*    ))*)", re.MULTILINE)


def points() -> dict[str, str]:
    """Every program, by `area: name`."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        setup = ""
        for name, line, block in POINT.findall(path.read_text()):
            source = _printing(line) if line else re.sub(r"^    ", "", block, flags=re.MULTILINE)
            if name == "setup":
                setup = source
                continue
            key = f"{path.stem}: {name}"
            if key in found:
                raise ValueError(f"two points are called {key!r}")
            found[key] = setup + source
    return found


def _printing(line: str) -> str:
    """The line, printing its value where it has one."""
    try:
        ast.parse(line, mode="eval")
    except SyntaxError:
        return line + "\n"
    return f"print({line})\n"


def answers(torch: Any) -> dict[str, dict[str, str]]:
    """What every program prints with this framework."""
    return {name: run(source, torch) for name, source in points().items()}
