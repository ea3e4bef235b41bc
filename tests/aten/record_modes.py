"""Write what torch prints for the programs here: `python tests/aten/record_modes.py`.

Needs torch 2.13 and tabulate, which torch prints its table of work with.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

FOLDER = Path(__file__).with_name("programs")


def printed(source: str, name: str) -> str:
    """What a program prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, name, "exec"), {"__name__": name})
    return out.getvalue()


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.txt")):
        path.with_suffix(".out").write_text(printed(path.read_text(), path.stem))
