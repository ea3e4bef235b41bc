"""What detectors ask of their targets before they learn from them."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def check_targets(targets: Any) -> None:
    """AssertionError unless there are targets, each with a tensor of boxes (N, 4)."""
    if targets is None:
        raise AssertionError("targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, rl.Tensor):
            raise AssertionError(f"Expected target boxes to be of type Tensor, got {type(boxes)}.")
        if not (boxes.dim() == 2 and boxes.shape[-1] == 4):
            raise AssertionError(
                f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}."
            )


def check_boxes(targets: Any) -> None:
    """AssertionError for a box without height or width."""
    for place, target in enumerate(targets or ()):
        boxes = target["boxes"]
        flat = (boxes[:, 2:] <= boxes[:, :2]).any(dim=1)
        if flat.any():
            box: list[float] = boxes[rl.where(flat)[0][0]].tolist()
            raise AssertionError(
                "All bounding boxes should have positive height and width. Found invalid box"
                f" {box} for target at index {place}."
            )


def sizes_of(images: Any) -> list[tuple[int, int]]:
    """(height, width) of each picture; AssertionError for one without."""
    found = []
    for image in images:
        size = image.shape[-2:]
        if len(size) != 2:
            raise AssertionError(
                "expecting the last two dimensions of the Tensor to be H and W instead got"
                f" {image.shape[-2:]}"
            )
        found.append((size[0], size[1]))
    return found
