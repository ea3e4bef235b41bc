"""Operations on feature maps against torchvision's recorded answers (see record_vision_ops.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as rl
from rushlight.vision import ops

from .nearness import near
from .vision_ops_cases import CASES, answer

RECORDED = json.loads((Path(__file__).parent / "data" / "vision_ops.json").read_text("utf-8"))


def test_every_case_is_recorded():
    assert list(RECORDED["answers"]) == CASES


@pytest.mark.parametrize("case", CASES)
def test_operation(case):
    found = json.loads(json.dumps(answer(rl, ops, case)))
    expected = RECORDED["answers"][case]
    assert near(found, expected, 5e-5, 5e-5), (found, expected)
