"""Transforms of pictures against torchvision's recorded answers (see record_transforms.py)."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from PIL import Image

import rushlight as rl
from rushlight.vision import transforms as T
from rushlight.vision.transforms import InterpolationMode
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms.v2 import functional as F2

from .transform_cases import CASES, PICTURES, answer

RECORDED = json.loads((Path(__file__).parent / "data" / "transforms.json").read_text("utf-8"))
NAMES = {"torch": rl, "InterpolationMode": InterpolationMode, "T": T, "F": F, "F2": F2}


def near(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(near, found, expected))
    if isinstance(expected, float) and isinstance(found, float):
        return found == pytest.approx(expected, rel=3e-5, abs=2e-3)
    return found == expected


def test_every_case_is_recorded():
    assert list(RECORDED["answers"]) == [f"{c} {p}" for c in CASES for p in PICTURES]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_transform(case):
    for name in PICTURES:
        random.seed(3)
        found = json.loads(json.dumps(answer(rl, Image, NAMES, case, name)))
        assert near(found, RECORDED["answers"][f"{case} {name}"]), name
