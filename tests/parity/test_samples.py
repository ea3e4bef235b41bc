"""The second set of transforms against torchvision's recorded answers (see record_samples.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import rushlight as rl
from rushlight.vision import tv_tensors
from rushlight.vision.transforms import v2

from .nearness import near
from .sample_cases import answer, asked

RECORDED = json.loads((Path(__file__).parent / "data" / "samples.json").read_text("utf-8"))
CASES = asked(rl, Image, v2, tv_tensors)


def test_every_case_is_recorded():
    assert list(RECORDED["answers"]) == list(CASES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_sample(case):
    found = json.loads(json.dumps(answer(rl, CASES[case])))
    expected = RECORDED["answers"][case]
    assert near(found, expected, 3e-5, 2e-3), (found, expected)
