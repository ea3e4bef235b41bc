"""A tensor is a good Python object exactly as torch's is: recorded values and errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from protocol_cases import answer, expressions

RECORDED = json.loads((Path(__file__).parent / "data" / "protocol.json").read_text())


def test_the_record_holds_every_expression() -> None:
    assert list(RECORDED) == expressions()


@pytest.mark.parametrize("text", RECORDED)
def test_expression(text: str) -> None:
    assert answer(rl, text) == RECORDED[text]
