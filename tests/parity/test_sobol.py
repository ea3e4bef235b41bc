"""Sobol points are torch's to the bit, scrambled or not, in all dimensions that are kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import rushlight

sys.path.insert(0, str(Path(__file__).parent))
from record_sobol import CALLS, TARGET, answer

ROWS = json.loads(TARGET.read_text())


def test_every_call_has_an_answer() -> None:
    assert [call for call, _ in ROWS] == CALLS


@pytest.mark.parametrize("call, recorded", ROWS, ids=[call for call, _ in ROWS])
def test_points(call: str, recorded: object) -> None:
    assert answer(rushlight, call) == recorded


def test_the_limit_is_named() -> None:
    with pytest.raises(ValueError, match=r"\[1, 1111\]"):
        rushlight.quasirandom.SobolEngine(1112)


def test_the_end_is_refused() -> None:
    engine = rushlight.quasirandom.SobolEngine(2).fast_forward(2**30 - 1)
    engine.draw(1)
    with pytest.raises(RuntimeError, match=r"no more than 2\*\*30 points"):
        engine.draw(1)


def test_every_interval_has_its_share() -> None:
    points = rushlight.quasirandom.SobolEngine(8, True, 1).draw_base2(6)
    counts = [(points[:, k] * 64).long().unique().numel() for k in range(8)]
    assert counts == [64] * 8
