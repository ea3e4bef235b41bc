"""Exported programs read as torch's: the same operators, names and arguments."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import rushlight

sys.path.insert(0, str(Path(__file__).parent))
from record_export import EXPRESSIONS, LAYERS, TARGET, code

ROWS = json.loads(TARGET.read_text())


def test_every_case_has_an_answer() -> None:
    assert list(ROWS) == [*EXPRESSIONS, *LAYERS]


@pytest.mark.parametrize("case", ROWS)
def test_exported_code_is_torchs(case: str) -> None:
    assert code(rushlight, case) == ROWS[case]
