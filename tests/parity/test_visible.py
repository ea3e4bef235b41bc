"""Results look as torch's: text, `grad_fn`, leaf and view; errors in its words (recorded)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as rl
from tests.parity.visible_cases import answer, expressions

RECORDED = json.loads((Path(__file__).parent / "data" / "visible.json").read_text())


def test_the_record_holds_every_expression() -> None:
    assert list(RECORDED) == expressions()
    assert len(RECORDED) >= 450


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", RECORDED)
def test_expression(text: str) -> None:
    assert answer(rl, text) == RECORDED[text]
