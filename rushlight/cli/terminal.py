"""How the commands speak: one sentence per mistake, and colour where it is wanted."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

BOLD, RED, YELLOW = "1", "31", "33"


class Complaint(Exception):
    """A mistake told in one sentence; `code` is the exit status (2 for wrong arguments)."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def is_terminal(stream: Any) -> bool:
    """Whether somebody watches `stream` on a screen that can move its cursor."""
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: Any) -> bool:
    """NO_COLOR (any non-empty value) forbids, then FORCE_COLOR demands, else a terminal has it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream)


def paint(text: str, code: str, stream: Any) -> str:
    """`text` in a colour, if `stream` is to have colour."""
    return f"\x1b[{code}m{text}\x1b[0m" if wants_colour(stream) else text


def complain(command: str, text: str, notes: list[str] | None = None) -> None:
    """Print an error and what helps, on stderr."""
    print(f"{command}: {paint('error', RED, sys.stderr)}: {text}", file=sys.stderr)
    for note in notes or []:
        print(f"  {note}", file=sys.stderr)


def warn(text: str, stream: TextIO | None = None) -> None:
    """Print a warning on stderr."""
    stream = stream or sys.stderr
    print(f"{paint('warning', YELLOW, stream)}: {text}", file=stream)
