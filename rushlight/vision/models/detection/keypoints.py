"""Points of objects: a map for each, of which the highest place is the point."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import nn

F = nn.functional


def keypoints_to_heatmap(
    keypoints: rl.Tensor, rois: rl.Tensor, heatmap_size: int
) -> tuple[rl.Tensor, rl.Tensor]:
    """The place of each point (N, K) in its box's map, counted row by row, and whether it counts.

    keypoints: (N, K, 3), rows (x, y, visible); rois: the boxes (N, 4). A point that is not seen,
    or outside of its box, does not count.
    """
    low, high = rois[:, None, :2], rois[:, None, 2:]
    at = keypoints[..., :2]
    places = ((at - low) * (heatmap_size / (high - low))).floor().long()
    places = rl.where(at == high, heatmap_size - 1, places)
    inside = ((places >= 0) & (places < heatmap_size)).all(-1)
    counts = (inside & (keypoints[..., 2] > 0)).long()
    return (places[..., 1] * heatmap_size + places[..., 0]) * counts, counts


def heatmaps_to_keypoints(maps: rl.Tensor, rois: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
    """The points (N, K, 3), rows (x, y, 1), and their scores (N, K), from maps (N, K, S, S).

    rois: the boxes (N, 4); each map is enlarged to its box's pixels before its peak is taken.
    """
    count = maps.shape[1]
    points, scores = [], []
    for one, box in zip(maps, rois):
        sizes = (box[2:] - box[:2]).clamp(min=1)
        wide, high = (int(x) for x in sizes.ceil().tolist())
        seen = F.interpolate(one[:, None], size=(high, wide), mode="bicubic", align_corners=False)
        seen = seen[:, 0].flatten(1)
        peak = seen.argmax(dim=1)
        at = rl.stack((peak % wide, peak // wide), dim=1)
        found = (at.float() + 0.5) * (sizes / rl.tensor([wide, high])) + box[:2]
        points.append(rl.cat((found, rl.ones(count, 1)), dim=1))
        scores.append(seen[rl.arange(count), peak])
    if not points:
        return maps.new_zeros((0, count, 3)), maps.new_zeros((0, count))
    return rl.stack(points), rl.stack(scores)


def keypointrcnn_loss(
    keypoint_logits: rl.Tensor, proposals: list[Any], gt_keypoints: list[Any],
    keypoint_matched_idxs: list[Any],
) -> rl.Tensor:  # fmt: skip
    """Cross-entropy of each point's place among all of its map; 0 without points.

    keypoint_logits: (N, K, S, S); the lists are per image: boxes, true points, and which object
    each box is about. Raises: ValueError for maps that are not square.
    """
    count, kinds, height, width = keypoint_logits.shape
    if height != width:
        raise ValueError(
            "keypoint_logits height and width (last two elements of shape) should be equal."
            f" Instead got H = {height} and W = {width}"
        )
    found = [
        keypoints_to_heatmap(points[about], boxes, height)
        for boxes, points, about in zip(proposals, gt_keypoints, keypoint_matched_idxs)
    ]
    places = rl.cat([place.view(-1) for place, _ in found])
    (valid,) = rl.where(rl.cat([counts.view(-1) for _, counts in found]))
    if places.numel() == 0 or len(valid) == 0:
        return keypoint_logits.sum() * 0
    logits = keypoint_logits.view(count * kinds, height * width)
    return F.cross_entropy(logits[valid], places[valid])


def keypointrcnn_inference(
    x: rl.Tensor, boxes: list[rl.Tensor]
) -> tuple[list[rl.Tensor], list[rl.Tensor]]:
    """The points and their scores per image, from maps (N, K, S, S) of the boxes of all images."""
    parts = x.split([len(one) for one in boxes])
    found = [heatmaps_to_keypoints(maps, rois) for maps, rois in zip(parts, boxes)]
    return [points for points, _ in found], [scores for _, scores in found]
