"""Programs written for torch print what torch printed, and fail as torch failed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import rushlight

sys.path.insert(0, str(Path(__file__).parent))
from program_runner import programs, run

ANSWERS = json.loads((Path(__file__).parent / "data" / "programs.json").read_text())
PROGRAMS = programs()


def test_every_program_has_torchs_answer() -> None:
    assert PROGRAMS.keys() == ANSWERS.keys(), "run tests/parity/record_programs.py"


NUMBER = re.compile(r"-?\d+\.\d*(?:e[+-]?\d+)?")


def same_text(ours: str, theirs: str) -> bool:
    """Equal text; printed numbers may differ by one unit of the last printed place."""
    if ours == theirs:
        return True
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs))
    return all(abs(float(a) - float(b)) <= 1.01e-4 * max(1.0, abs(float(b))) for a, b in pairs)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_programs_print_what_torch_prints(name: str) -> None:
    found, expected = run(PROGRAMS[name], rushlight), ANSWERS[name]
    wanted = expected["error"].replace("module 'torch'", "module 'rushlight'")
    assert found["error"] == wanted, PROGRAMS[name]
    assert same_text(found["out"], expected["out"]), (
        f"{PROGRAMS[name]}\nours:\n{found['out']}\ntorch:\n{expected['out']}"
    )
    theirs = re.sub(r" \(Triggered internally at .*", "", expected.get("warnings", ""))
    assert found.get("warnings", "") == theirs, PROGRAMS[name]
