"""Every point that the tables in docs/promises name by `area: name` is as torch recorded it."""

from __future__ import annotations

import json
import re

import pytest

import rushlight
import rushlight.autograd.forward_ad
import rushlight.autograd.functional
import rushlight.func
import rushlight.utils.checkpoint  # before programs ask for them by another name
from tests.parity.program_runner import same_text
from tests.points.points import FOLDER, points, run

ANSWERS = json.loads((FOLDER / "answers.json").read_text())
POINTS = points()


def test_every_point_has_torchs_answer() -> None:
    assert POINTS.keys() == ANSWERS.keys(), "run python -m tests.points.record_points"


def plain(text: str) -> str:
    """Without addresses and the name of the package."""
    return re.sub("0x[0-9a-f]+", "0x", text).replace("rushlight.", "torch.")


def same_error(ours: str, theirs: str) -> bool:
    """The same type and first line; which arguments a function takes may be worded otherwise."""
    arguments = ("invalid combination of arguments", "keyword argument")
    if any(words in theirs for words in arguments):
        return ours.startswith("TypeError:")
    return ours == theirs.replace("module 'torch'", "module 'rushlight'")


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_point(name: str) -> None:
    found, expected = run(POINTS[name], rushlight), ANSWERS[name]
    assert same_error(found["error"], expected["error"]), (found["error"], expected["error"])
    ours, theirs = plain(found["out"]), plain(expected["out"])
    assert same_text(ours, theirs), f"ours:\n{ours}\ntorch:\n{theirs}"
