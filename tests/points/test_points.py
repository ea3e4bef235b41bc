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
from tests.points.points import FOLDER, points, run

ANSWERS = json.loads((FOLDER / "answers.json").read_text())
POINTS = points()
NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


def test_every_point_has_torchs_answer() -> None:
    assert POINTS.keys() == ANSWERS.keys(), "run python -m tests.points.record_points"


def plain(text: str) -> str:
    """Without addresses and the name of the package."""
    return re.sub("0x[0-9a-f]+", "0x", text).replace("rushlight.", "torch.")


def same(ours: str, theirs: str) -> bool:
    """Equal text; printed numbers may differ by one unit of the last printed place."""
    if ours == theirs:
        return True
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs))
    return all(abs(float(a) - float(b)) <= 1.01e-4 * max(1.0, abs(float(b))) for a, b in pairs)


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
    assert same(ours, theirs), f"ours:\n{ours}\ntorch:\n{theirs}"
