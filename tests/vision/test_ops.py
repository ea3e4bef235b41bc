"""Regions and the choice among boxes against their definitions, pixel by pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.vision import ops


def some_boxes(count: int, seed: int) -> Any:
    rl.manual_seed(seed)
    corner = rl.rand(count, 2) * 10
    return rl.cat([corner, corner + rl.rand(count, 2) * 8], 1)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
def test_nms_keeps_what_no_better_one_covers(threshold: float) -> None:
    boxes, scores = some_boxes(40, 1), rl.rand(40)
    kept = ops.nms(boxes, scores, threshold).tolist()
    overlap = ops.box_iou(boxes, boxes)
    assert kept == sorted(kept, key=lambda k: -float(scores[k]))
    for k in range(40):
        better = [j for j in kept if scores[j] > scores[k]]
        assert (k in kept) == all(overlap[j, k] <= threshold for j in better)


def test_batched_nms_is_nms_of_each_class() -> None:
    boxes, scores, classes = some_boxes(30, 2), rl.rand(30), rl.arange(30) % 3
    kept = ops.batched_nms(boxes, scores, classes, 0.3)
    alone = []
    for c in range(3):
        (members,) = rl.where(classes == c)
        alone += members[ops.nms(boxes[members], scores[members], 0.3)].tolist()
    assert sorted(kept.tolist()) == sorted(alone)
    assert ops.batched_nms(boxes[:0], scores[:0], classes[:0], 0.3).shape == (0,)


def round_half_away(x: float) -> int:
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def pooled(plane: np.ndarray, box: list[float], h: int, w: int, scale: float) -> np.ndarray:
    height, width = plane.shape
    x1, y1, x2, y2 = (round_half_away(float(np.float32(v) * np.float32(scale))) for v in box)
    high, wide = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    found = np.zeros((h, w), plane.dtype)
    for i in range(h):
        for j in range(w):
            rows = range(y1 + i * high // h, y1 - (-(i + 1) * high // h))
            columns = range(x1 + j * wide // w, x1 - (-(j + 1) * wide // w))
            inside = [plane[r, c] for r in rows for c in columns
                      if 0 <= r < height and 0 <= c < width]  # fmt: skip
            found[i, j] = max(inside, default=0)
    return found


@pytest.mark.parametrize("size", [1, 2, (3, 5)])
def test_roi_pool(size: Any) -> None:
    x = rl.randn(2, 3, 9, 11)
    boxes = [some_boxes(4, 3), some_boxes(2, 4) + 9]
    y = ops.roi_pool(x, boxes, size, 0.7)
    h, w = (size, size) if isinstance(size, int) else size
    assert y.shape == (6, 3, h, w)
    places = [(0, box) for box in boxes[0].tolist()] + [(1, box) for box in boxes[1].tolist()]
    for one, (image, box) in zip(y, places):
        for channel in range(3):
            plane = x[image, channel].numpy()
            np.testing.assert_array_equal(one[channel].numpy(), pooled(plane, box, h, w, 0.7))


def sampled(plane: np.ndarray, y: float, x: float) -> float:
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    r, c = int(y), int(x)
    s, d = min(r + 1, height - 1), min(c + 1, width - 1)
    upper = plane[r, c] * (c + 1 - x) + plane[r, d] * (x - c)
    lower = plane[s, c] * (c + 1 - x) + plane[s, d] * (x - c)
    return upper * (r + 1 - y) + lower * (y - r)


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 3])
def test_roi_align(ratio: int, aligned: bool) -> None:
    x = rl.randn(2, 2, 7, 6, dtype=rl.float64)
    rows = rl.cat([rl.tensor([[0.0], [1.0], [1.0]]), some_boxes(3, 5) - 2], 1).double()
    y = ops.roi_align(x, rows, (2, 3), 0.5, ratio, aligned)
    for one, (image, *box) in zip(y, rows.tolist()):
        shift = 0.5 if aligned else 0.0
        left, top = box[0] * 0.5 - shift, box[1] * 0.5 - shift
        wide, high = (box[2] - box[0]) * 0.5, (box[3] - box[1]) * 0.5
        if not aligned:
            wide, high = max(wide, 1.0), max(high, 1.0)
        down = ratio if ratio > 0 else math.ceil(high / 2)
        across = ratio if ratio > 0 else math.ceil(wide / 3)
        for i, j in np.ndindex(2, 3):
            values = [
                sampled(x[int(image), 1].numpy(), top + (i + (a + 0.5) / down) * high / 2,
                        left + (j + (b + 0.5) / across) * wide / 3)
                for a in range(down) for b in range(across)
            ]  # fmt: skip
            assert float(one[1, i, j]) == pytest.approx(sum(values) / len(values), abs=1e-9)


def test_gradients_reach_the_features() -> None:
    x = rl.randn(1, 2, 5, 6, dtype=rl.float64, requires_grad=True)
    rows = rl.tensor([[0.0, 0.3, 0.8, 4.2, 3.9], [0.0, 2.0, 1.0, 5.0, 4.0]]).double()
    assert rl.autograd.gradcheck(lambda x: ops.roi_pool(x, rows, 2), (x,))
    assert rl.autograd.gradcheck(lambda x: ops.roi_align(x, rows, 2, 1.0, 2, True), (x,))


def test_no_regions_and_wrong_shapes() -> None:
    x = rl.randn(1, 2, 5, 6)
    for function in (ops.roi_pool, ops.roi_align):
        assert function(x, rl.zeros(0, 5), 3).shape == (0, 2, 3, 3)
        with pytest.raises(AssertionError, match=r"not correct as Tensor\[K, 5\]"):
            function(x, rl.zeros(2, 4), 3)
    with pytest.raises(RuntimeError, match="boxes should have 4 elements in dimension 1, got 5"):
        ops.nms(rl.zeros(2, 5), rl.zeros(2), 0.5)
    with pytest.raises(RuntimeError, match="same number of elements in dimension 0, got 2 and 3"):
        ops.nms(rl.zeros(2, 4), rl.zeros(3), 0.5)
