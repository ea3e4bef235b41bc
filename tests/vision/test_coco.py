"""Masks of COCO's outlines are torchvision's (recorded by tests/parity/record_coco.py)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from rushlight.vision import tv_tensors
from rushlight.vision.datasets import CocoCaptions, CocoDetection, wrap_dataset_for_transforms_v2
from rushlight.vision.transforms import ToTensor

Image = pytest.importorskip("PIL.Image")
# pycocotools' arrays speak an older protocol than NumPy 2's
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ANSWER = json.loads((Path(__file__).parents[1] / "parity" / "data" / "coco.json").read_text())


@pytest.fixture
def made(tmp_path):
    """The arguments of a data set of one picture with the notes that were recorded."""
    height, width = ANSWER["size"]
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(tmp_path / "1.png")
    (tmp_path / "notes.json").write_text(json.dumps(ANSWER["notes"]))
    return str(tmp_path), str(tmp_path / "notes.json")


def test_outlines_are_filled_as_torchvision_fills_them(made):
    pytest.importorskip("pycocotools")
    keys = "masks", "boxes", "segmentation"
    _, target = wrap_dataset_for_transforms_v2(CocoDetection(*made), keys)[0]
    masks = target["masks"]
    assert isinstance(masks, tv_tensors.Mask) and str(masks.dtype) == ANSWER["dtype"]
    rows = [["".join(map(str, row)) for row in mask] for mask in masks.tolist()]
    assert rows == ANSWER["masks"]
    assert target["boxes"].tolist() == ANSWER["boxes"]
    notes = ANSWER["notes"]["annotations"]
    assert target["segmentation"] == [note["segmentation"] for note in notes]


@pytest.mark.parametrize("key", ["area", "iscrowd"])
def test_a_key_that_no_note_has_is_refused(made, key):
    assert ANSWER["missing"][key] == repr(key)
    with pytest.raises(KeyError, match=key):
        wrap_dataset_for_transforms_v2(CocoDetection(*made), (key,))[0]


def test_an_outline_of_another_kind_is_refused(made):
    pytest.importorskip("pycocotools")
    notes = json.loads(json.dumps(ANSWER["notes"]))
    notes["annotations"][3]["segmentation"] = "1 2 3"
    Path(made[1]).write_text(json.dumps(notes))
    with pytest.raises(ValueError, match="expected to be a dict or a list"):
        wrap_dataset_for_transforms_v2(CocoDetection(*made), ("masks",))[0]


def test_without_pycocotools_masks_say_what_to_install(made, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    data = CocoDetection(*made)
    with pytest.raises(ImportError) as caught:
        wrap_dataset_for_transforms_v2(data, ("masks",))[0]
    assert "pip install pycocotools" in caught.value.__notes__[0]
    assert len(wrap_dataset_for_transforms_v2(data)[0][1]["boxes"]) == len(ANSWER["boxes"])


def test_captions_stay_as_they_are(made):
    notes = json.loads(json.dumps(ANSWER["notes"]))
    notes["annotations"] = [{"id": 1, "image_id": 1, "caption": "nothing"}]
    Path(made[1]).write_text(json.dumps(notes))
    data = CocoCaptions(*made, transform=ToTensor())
    picture, captions = wrap_dataset_for_transforms_v2(data)[0]
    assert tuple(picture.shape) == (3, *ANSWER["size"]) and captions == ["nothing"]
