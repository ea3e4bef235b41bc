"""Boxes as rows (x1, y1, x2, y2): their areas, overlaps, forms, and the choice among them."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from . import turned

FORMS = ("xyxy", "xywh", "cxcywh")


def wide(x: Any) -> Any:
    """A tensor in a type in which products of its numbers do not overflow."""
    if x.is_floating_point():
        return x if x.dtype in (rl.float32, rl.float64) else x.float()
    return x if x.dtype in (rl.int32, rl.int64) else x.int()


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes (..., 4) from one form into another.

    xyxy: two corners; xywh: a corner, width, height; cxcywh: the centre, width, height. Boxes that
    are turned have xywhr and cxcywhr (..., 5), whose last number is the angle in degrees, and
    xyxyxyxy (..., 8), four corners.
    Raises: ValueError for another form, NotImplementedError between turned and other boxes.

    >>> import rushlight as torch
    >>> box_convert(torch.tensor([[1., 2., 5., 8.]]), "xyxy", "cxcywh")
    tensor([[3., 5., 4., 6.]])
    """
    if in_fmt in turned.FORMS and out_fmt in turned.FORMS:
        return turned.convert(boxes, in_fmt, out_fmt)
    if in_fmt not in FORMS or out_fmt not in FORMS:
        known = in_fmt in (*FORMS, *turned.FORMS) and out_fmt in (*FORMS, *turned.FORMS)
        raise (NotImplementedError if known else ValueError)(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        c, d = a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return rl.stack((a, b, c, d), dim=-1)


def _corners(boxes: Any, fmt: str) -> Any:
    return boxes if fmt == "xyxy" else box_convert(boxes, fmt, "xyxy")


def box_area(boxes: Any, fmt: str = "xyxy") -> Any:
    """The areas (N) of boxes (N, 4): (x2 - x1) (y2 - y1).

    fmt: what a row says, "xyxy" (two corners), "xywh" or "cxcywh". Raises: ValueError for another.

    >>> import rushlight as torch
    >>> box_area(torch.tensor([[1., 2., 5., 8.]]))
    tensor([24.])
    """
    boxes = wide(_corners(boxes, fmt))
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlap(a: Any, b: Any) -> tuple[Any, Any]:
    """The areas of intersection and union of all pairs."""
    low, high = rl.max(a[:, None, :2], b[:, :2]), rl.min(a[:, None, 2:], b[:, 2:])
    sides = wide(high - low).clamp(min=0)
    both = sides[:, :, 0] * sides[:, :, 1]
    return both, box_area(a)[:, None] + box_area(b) - both


def box_iou(boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> Any:
    """Intersection over union (N, M) of all pairs of boxes (N, 4) and (M, 4).

    fmt: what a row says, "xyxy" (two corners), "xywh" or "cxcywh". Raises: ValueError for another.

    >>> import rushlight as torch
    >>> box_iou(torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[1., 0., 3., 2.]]))
    tensor([[0.3333]])
    """
    both, union = _overlap(_corners(boxes1, fmt), _corners(boxes2, fmt))
    return both / union


def _hull(a: Any, b: Any) -> Any:
    """Width and height of the smallest box around both of each pair."""
    low, high = rl.min(a[:, None, :2], b[:, :2]), rl.max(a[:, None, 2:], b[:, 2:])
    return wide(high - low).clamp(min=0)


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """IoU - (hull - union) / hull of all pairs, the hull being the smallest box around both.

    Shapes: boxes (N, 4) and (M, 4) as two corners give (N, M).
    Source: Rezatofighi et al., 2019.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    >>> ops.generalized_box_iou(a, b)
    tensor([[-0.3333]])
    """
    both, union = _overlap(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    hull = sides[:, :, 0] * sides[:, :, 1]
    return both / union - (hull - union) / hull


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """IoU less the squared distance of the centres over the squared diagonal of the hull.

    Source: Zheng et al., 2020.
    Shapes: boxes (N, 4) and (M, 4) as two corners give (N, M).

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    >>> ops.distance_box_iou(a, b)
    tensor([[-0.4000]])
    """
    boxes1, boxes2 = wide(boxes1), wide(boxes2)
    diagonal = (_hull(boxes1, boxes2) ** 2).sum(-1) + eps
    apart = (boxes1[:, None, :2] + boxes1[:, None, 2:] - boxes2[:, :2] - boxes2[:, 2:]) / 2
    return box_iou(boxes1, boxes2) - (apart**2).sum(-1) / diagonal


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """`distance_box_iou` less a term for unequal proportions.

    Source: Zheng et al., 2020.
    Shapes: boxes (N, 4) and (M, 4) as two corners give (N, M).

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> a, b = torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 2.0, 1.0]])
    >>> ops.complete_box_iou(a, b) < ops.distance_box_iou(a, b)
    tensor([[True]])
    """
    boxes1, boxes2 = wide(boxes1), wide(boxes2)
    iou, near = box_iou(boxes1, boxes2), distance_box_iou(boxes1, boxes2, eps)
    (w, h), (u, v) = ((b[:, 2:] - b[:, :2]).unbind(-1) for b in (boxes1, boxes2))
    turn = (4 / np.pi**2) * (rl.atan(w / h)[:, None] - rl.atan(u / v)[None]) ** 2
    with rl.no_grad():
        weight = turn / (1 - iou + turn + eps)
    return near - weight * turn


def clip_boxes_to_image(boxes: Any, size: tuple[int, int]) -> Any:
    """Boxes (..., 4) held inside a picture of `size` (height, width).

    Rows are two corners (x1, y1, x2, y2). A new tensor: the boxes stay as they are.

    >>> import rushlight as torch
    >>> clip_boxes_to_image(torch.tensor([[-1., 2., 9., 8.]]), (5, 6))
    tensor([[0., 2., 6., 5.]])
    """
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return rl.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """The indices of boxes (N, 4) of which both sides are at least `min_size`.

    Rows are two corners (x1, y1, x2, y2), and `min_size` is in their unit.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.remove_small_boxes(torch.tensor([[0.0, 0.0, 9.0, 1.0], [0.0, 0.0, 5.0, 5.0]]), 2.0)
    tensor([1])
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    return rl.where((sides >= min_size).all(1))[0]


def masks_to_boxes(masks: Any) -> Any:
    """The boxes (N, 4) around the true elements of masks (N, H, W).

    Raises: ValueError for a mask without any.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> mask = torch.zeros(1, 6, 8, dtype=torch.bool)
    >>> mask[0, 1:3, 2:7] = True
    >>> ops.masks_to_boxes(mask)
    tensor([[2., 1., 6., 2.]])
    """
    if masks.numel() == 0:
        return rl.zeros((0, 4), dtype=rl.float)
    boxes = rl.zeros((len(masks), 4), dtype=rl.float)
    for box, mask in zip(boxes, masks):
        y, x = rl.where(mask != 0)
        if not len(x):
            raise ValueError("a mask is empty: there is no box around nothing")
        box[:] = rl.stack((x.min(), y.min(), x.max(), y.max()))
    return boxes


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """The indices of the boxes that are left when each best one removes what overlaps it.

    boxes: (N, 4); scores: (N). A box goes where its IoU with a better one is above the threshold.
    Returns the indices by falling score. Raises: RuntimeError for other shapes.

    >>> import rushlight as torch
    >>> boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 5.], [6., 6., 8., 8.]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.1]), 0.5)
    tensor([1, 2])
    """
    if boxes.dim() != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.dim()}D")
    if boxes.size(1) != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.size(1)}")
    if scores.dim() != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.dim()}D")
    if len(boxes) != len(scores):
        raise RuntimeError("boxes and scores should have same number of elements in dimension 0,"
                           f" got {len(boxes)} and {len(scores)}")  # fmt: skip
    order = scores.detach().argsort(descending=True, stable=True).numpy()
    x1, y1, x2, y2 = np.ascontiguousarray(wide(boxes.detach()).numpy()[order].T)
    area, alive, kept = (x2 - x1) * (y2 - y1), np.ones(len(order), bool), []
    with np.errstate(invalid="ignore", divide="ignore"):  # boxes without area
        for k, index in enumerate(order):
            if not alive[k]:
                continue
            kept.append(int(index))
            rest = slice(k + 1, None)
            width = np.minimum(x2[k], x2[rest]) - np.maximum(x1[k], x1[rest])
            height = np.minimum(y2[k], y2[rest]) - np.maximum(y1[k], y1[rest])
            both = np.maximum(width, 0) * np.maximum(height, 0)
            # what is nan stays
            alive[rest] &= ~(both / (area[k] + area[rest] - both) > iou_threshold)
    return rl.tensor(kept, dtype=rl.int64)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """`nms` among the boxes of each class; idxs (N) says which class a box is of.

    Shapes: boxes (N, 4), scores (N). Returns the indices of what is left by falling score.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.ops.batched_nms.html

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]] * 3)
    >>> ops.batched_nms(boxes, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([0, 0, 1]), 0.5)
    tensor([1, 2])
    """
    if not boxes.numel():
        return rl.empty((0,), dtype=rl.int64)
    apart = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)
