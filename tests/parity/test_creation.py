"""Creation functions and draws against torch's recorded answers, as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as rl
from tests.parity.creation_cases import CREATIONS, DRAWS, answer

ROWS = json.loads((Path(__file__).parent / "data" / "creation.json").read_text())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("code", "expected"), ROWS, ids=[code for code, _ in ROWS])
def test_answer_is_torchs(code: str, expected: str) -> None:
    assert answer(rl, code) == expected


def test_enough_cases() -> None:
    assert len(ROWS) == len(CREATIONS) + len(DRAWS)
    assert len(set(CREATIONS)) >= 250 and len(set(DRAWS)) >= 150
