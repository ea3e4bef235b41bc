"""Programs written for torch print what torch printed, and fail as torch failed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import rushlight
from rushlight.core import errors

sys.path.insert(0, str(Path(__file__).parent))
from program_runner import programs, run, same_text

ANSWERS = json.loads((Path(__file__).parent / "data" / "programs.json").read_text())
PROGRAMS = programs()


class _Everything(set):
    """What has been said before any of the programs, as when torch's answers were recorded."""

    def __contains__(self, text: object) -> bool:
        return True


@pytest.fixture(autouse=True)
def _all_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "GIVEN", _Everything())


def test_every_program_has_torchs_answer() -> None:
    assert PROGRAMS.keys() == ANSWERS.keys(), "run tests/parity/record_programs.py"


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
