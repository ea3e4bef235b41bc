"""The shapes of objects: small maps of each box, learned, and laid over the picture."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops import roi_align

F = nn.functional


def maskrcnn_inference(x: rl.Tensor, labels: list[rl.Tensor]) -> list[rl.Tensor]:
    """Each box's map of its own class, as probabilities (n, 1, M, M) per image.

    x: logits (N, C, M, M) of the boxes of all images; labels: the class of each, per image.
    """
    classes = rl.cat(labels)
    chosen = x.sigmoid()[rl.arange(len(classes), device=classes.device), classes][:, None]
    return list(chosen.split([len(one) for one in labels]))


def project_masks_on_boxes(
    gt_masks: rl.Tensor, boxes: rl.Tensor, matched_idxs: rl.Tensor, M: int
) -> rl.Tensor:
    """True masks as each box sees them, (N, M, M).

    gt_masks: (G, H, W); boxes: (N, 4); matched_idxs: which mask each box is about.
    """
    rows = rl.cat((matched_idxs.to(boxes)[:, None], boxes), dim=1)
    return roi_align(gt_masks[:, None].to(rows), rows, (M, M), 1.0)[:, 0]


def maskrcnn_loss(
    mask_logits: rl.Tensor, proposals: list[Any], gt_masks: list[Any], gt_labels: list[Any],
    mask_matched_idxs: list[Any],
) -> rl.Tensor:  # fmt: skip
    """Binary cross-entropy of each box's map of its true class, averaged; 0 without boxes.

    mask_logits: (N, C, M, M); the lists are per image: boxes, true masks, true classes, and which
    object each box is about.
    """
    size = mask_logits.shape[-1]
    labels = rl.cat([one[about] for one, about in zip(gt_labels, mask_matched_idxs)])
    seen = [
        project_masks_on_boxes(masks, boxes, about, size)
        for masks, boxes, about in zip(gt_masks, proposals, mask_matched_idxs)
    ]
    truth = rl.cat(seen)
    if truth.numel() == 0:
        return mask_logits.sum() * 0
    own = mask_logits[rl.arange(len(labels), device=labels.device), labels]
    return F.binary_cross_entropy_with_logits(own, truth)


def expand_boxes(boxes: rl.Tensor, scale: float) -> rl.Tensor:
    """Boxes (N, 4), `scale` times as wide and as high, around the same centres."""
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, half = (high + low) * 0.5, (high - low) * 0.5 * scale
    return rl.cat((centre - half, centre + half), dim=1)


def expand_masks(mask: rl.Tensor, padding: int) -> tuple[rl.Tensor, float]:
    """Maps (..., M, M) with a border of zeros, and how much larger they are."""
    size = mask.shape[-1]
    return F.pad(mask, (padding,) * 4), float(size + 2 * padding) / size


def paste_mask_in_image(mask: rl.Tensor, box: rl.Tensor, im_h: int, im_w: int) -> rl.Tensor:
    """A picture (im_h, im_w) of zeros, with the map (M, M) over the pixels of a whole box (4)."""
    left, top, right, bottom = (int(x) for x in box.tolist())
    size = max(bottom - top + 1, 1), max(right - left + 1, 1)
    drawn = F.interpolate(mask[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    picture = rl.zeros((im_h, im_w), dtype=mask.dtype, device=mask.device)
    x, x_end = max(left, 0), min(right + 1, im_w)
    y, y_end = max(top, 0), min(bottom + 1, im_h)
    picture[y:y_end, x:x_end] = drawn[y - top : y_end - top, x - left : x_end - left]
    return picture


def paste_masks_in_image(
    masks: rl.Tensor, boxes: rl.Tensor, img_shape: tuple[int, int], padding: int = 1
) -> rl.Tensor:
    """Maps (N, 1, M, M) of boxes (N, 4) over pictures (N, 1, height, width)."""
    masks, scale = expand_masks(masks, padding)
    whole = expand_boxes(boxes, scale).to(rl.int64)
    height, width = img_shape
    if not len(masks):
        return masks.new_empty((0, 1, height, width))
    pictures = [paste_mask_in_image(one[0], box, height, width) for one, box in zip(masks, whole)]
    return rl.stack(pictures)[:, None]
