"""Evenly spaced numbers are torch's to the bit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import rushlight

sys.path.insert(0, str(Path(__file__).parent))
from record_sequences import TARGET, answer, cases

ROWS = json.loads(TARGET.read_text())


def test_every_case_has_an_answer() -> None:
    assert [(name, tuple(args), kind) for name, args, kind, *_ in ROWS] == cases()


def test_sequences_have_torchs_bits() -> None:
    wrong = [
        (name, args, kind)
        for name, args, kind, size, bits in ROWS
        if answer(rushlight, name, tuple(args), kind) != (size, bits)
    ]
    assert len(ROWS) == 300 and not wrong
