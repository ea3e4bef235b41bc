"""`torchvision.transforms.v2.functional`: pictures by the second set of names."""

from __future__ import annotations

import rushlight as torch
from rushlight.vision.transforms import functional as first
from rushlight.vision.transforms import v2


def test_dtypes_with_and_without_scale() -> None:
    picture = torch.tensor([[[0, 51, 255]]], dtype=torch.uint8)
    scaled = v2.functional.to_dtype(picture, torch.float32, scale=True)
    assert [round(x, 4) for x in scaled.flatten().tolist()] == [0.0, 0.2, 1.0]
    assert v2.functional.to_dtype(picture).tolist() == [[[0.0, 51.0, 255.0]]]
    assert v2.functional.to_dtype(scaled, torch.uint8, scale=True).equal(picture)


def test_sizes_and_channels() -> None:
    picture = torch.arange(2 * 3).reshape(1, 2, 3).float()
    assert v2.functional.get_size(picture) == [2, 3]
    assert v2.functional.get_num_channels(picture) == 1
    assert v2.functional.grayscale_to_rgb(picture).tolist() == picture.expand(3, 2, 3).tolist()
    assert v2.functional.horizontal_flip(picture).equal(first.hflip(picture))
