"""The rows of bad input: programs, and how one ends under a framework."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent


class Row(NamedTuple):
    """A program, and pieces of text that our notes must hold."""

    source: str
    notes: tuple[str, ...]


def rows() -> dict[str, Row]:
    """Every row by its title."""
    parts = re.split(r"^--- (.*)\n", (FOLDER / "rows.txt").read_text(), flags=re.MULTILINE)[1:]
    found: dict[str, Row] = {}
    for head, source in zip(parts[::2], parts[1::2]):
        title, _, notes = head.partition("|")
        wanted = tuple(note.strip() for note in notes.split(";") if note.strip())
        found[title.strip()] = Row(source, wanted)
    return found


def failure(source: str, torch: Any) -> BaseException:
    """The exception a program ends in."""
    names: dict[str, Any] = {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "__name__": "program",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(source, "program", "exec"), names)
        except Exception as error:
            return error
    raise AssertionError("the program ran to its end")


def head(error: BaseException) -> tuple[str, str]:
    """The nearest built-in class of an exception, and its first line."""
    kind = next(one for one in type(error).__mro__ if one.__module__ == "builtins")
    return kind.__name__, str(error).partition("\n")[0]
