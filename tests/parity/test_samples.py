"""The second set of transforms against torchvision's recorded answers (see record_samples.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import rushlight as rl
from rushlight.vision import tv_tensors
from rushlight.vision.transforms import v2

from .sample_cases import answer, asked

RECORDED = json.loads((Path(__file__).parent / "data" / "samples.json").read_text("utf-8"))
CASES = asked(rl, Image, v2, tv_tensors)


def near(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(near, found, expected))
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(near(found[k], expected[k]) for k in expected)
    if isinstance(expected, float) and isinstance(found, float):
        return found == pytest.approx(expected, rel=3e-5, abs=2e-3)
    return found == expected


def test_every_case_is_recorded():
    assert list(RECORDED["answers"]) == list(CASES)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_sample(case):
    found = json.loads(json.dumps(answer(rl, CASES[case])))
    assert near(found, RECORDED["answers"][case]), (found, RECORDED["answers"][case])
