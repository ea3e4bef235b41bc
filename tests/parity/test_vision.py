"""Resizing and random draws against torch's recorded answers (see record_vision.py)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.vision import transforms as T
from rushlight.vision.datasets import FakeData

RECORDED = json.loads((Path(__file__).parent / "data" / "vision.json").read_text("utf-8"))


def ramp(height, width):
    index = np.arange(height * width, dtype=np.float64)
    return np.sin(index * index * 0.37).reshape(1, height, width)


@pytest.mark.parametrize("case", RECORDED["resize"], ids=lambda c: f"{c['mode']} {c['to']}")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_resize(case, dtype):
    x = rl.from_numpy(ramp(*case["from"]).astype(dtype))
    mode = T.InterpolationMode(case["mode"])
    result = T.Resize(case["to"], mode, antialias=case["antialias"])(x)
    assert result.numpy().dtype == dtype and list(result.shape[1:]) == case["to"]
    tolerance = 2e-6 if dtype == "float32" else 1e-8
    assert result.flatten().tolist() == pytest.approx(case["values"], abs=tolerance)


@pytest.mark.parametrize("case", RECORDED["random_crop"])
def test_random_crop(case):
    rl.manual_seed(case["seed"])
    assert list(T.RandomCrop.get_params(rl.zeros(3, 32, 40), (20, 11))) == case["place"]


@pytest.mark.parametrize("case", RECORDED["random_resized_crop"])
def test_random_resized_crop(case):
    rl.manual_seed(case["seed"])
    place = T.RandomResizedCrop.get_params(rl.zeros(3, 24, 50), (0.08, 1.0), (3 / 4, 4 / 3))
    assert list(place) == case["place"]


@pytest.mark.parametrize("case", RECORDED["flip"])
def test_flips(case):
    rl.manual_seed(case["seed"])
    x = rl.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    across, down = T.RandomHorizontalFlip(), T.RandomVerticalFlip()
    changed = [float(step(x)[0, 0, 0]) != 1.0 for step in (across, down, across)]
    assert changed == case["flipped"]


@pytest.mark.parametrize("case", RECORDED["jitter"])
def test_color_jitter(case):
    rl.manual_seed(case["seed"])
    jitter = T.ColorJitter(0.5, 0.2, (0, 3), 0.1)
    order, *factors = jitter.get_params(
        jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue
    )
    assert order.tolist() == case["order"]
    assert factors == pytest.approx(case["factors"], abs=1e-7)


@pytest.mark.parametrize("case", RECORDED["erasing"])
def test_random_erasing(case):
    rl.manual_seed(case["seed"])
    x = rl.full((1, 16, 18), 99.0)
    result = T.RandomErasing(0.9, (0.02, 0.6), value="random")(x)
    changed = (result != x)[0].numpy()
    if case["place"] is None:
        assert not changed.any()
        return
    top, left, h, w = case["place"]
    wanted = np.zeros((16, 18), bool)
    wanted[top : top + h, left : left + w] = True
    assert np.array_equal(changed, wanted)
    assert float(result[0, top, left]) == pytest.approx(case["first"], abs=1e-6)


@pytest.mark.parametrize("case", RECORDED["fake"])
def test_fake_data(case):
    data = FakeData(5, (3, 4, 5), transform=T.PILToTensor())
    pixels, target = data[case["index"]]
    steps = np.abs(pixels.flatten().numpy().astype(int) - np.array(case["pixels"]))
    # a normal number one unit apart in the last place may cross a whole step
    assert np.minimum(steps, 256 - steps).max() <= 1 and target == case["target"]
