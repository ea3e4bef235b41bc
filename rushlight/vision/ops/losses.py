"""Losses of detection: focal, and those of boxes that are compared row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .boxes import wide


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n "
        "Supported reduction modes: 'none', 'mean', 'sum'"
    )


def sigmoid_focal_loss(
    inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Any:
    """Binary cross-entropy of logits weighed by (1 - p)^gamma, p the probability of the truth.

    Source: Lin et al., 2017. Raises: ValueError for an alpha outside of 0..1 (but -1: none).

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.sigmoid_focal_loss(torch.tensor([0.0, 4.0]), torch.tensor([1.0, 1.0]))
    tensor([4.3322e-02, 1.4679e-06])
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for"
                         " ignore.")  # fmt: skip
    p = rl.sigmoid(inputs)
    entropy = rl.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = p * targets + (1 - p) * (1 - targets)
    loss = entropy * ((1 - right) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction)


def _sides(low: Any, high: Any) -> tuple[Any, Any]:
    return tuple((high - low).unbind(-1))


def _pairs(a: Any, b: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """IoU and union of row with row, and the sides of the hulls."""
    w, h = _sides(rl.max(a[..., :2], b[..., :2]), rl.min(a[..., 2:], b[..., 2:]))
    both = rl.where((w > 0) & (h > 0), w * h, rl.zeros_like(w))
    (p, q), (r, s) = (_sides(x[..., :2], x[..., 2:]) for x in (a, b))
    union = p * q + r * s - both
    hull = _sides(rl.min(a[..., :2], b[..., :2]), rl.max(a[..., 2:], b[..., 2:]))
    return both / (union + eps), union, *hull


def generalized_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - generalized IoU of boxes (N, 4) with boxes (N, 4), row by row.

    reduction: "none" (N), "mean" or "sum". Raises: ValueError for another.
    Source: Rezatofighi et al., 2019.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    >>> ops.generalized_box_iou_loss(a, b)
    tensor([1.3333])
    """
    iou, union, width, height = _pairs(wide(boxes1), wide(boxes2), eps)
    hull = width * height
    return _reduced(1 - (iou - (hull - union) / (hull + eps)), reduction)


def _distance(a: Any, b: Any, eps: float) -> tuple[Any, Any]:
    iou, _, width, height = _pairs(a, b, eps)
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2) ** 2
    return 1 - iou + apart.sum(-1) / (width**2 + height**2 + eps), iou


def distance_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - distance IoU, row by row.

    Shapes: boxes (N, 4) and (N, 4) as two corners. reduction: "none" (N), "mean" or "sum".
    Raises: ValueError for another.
    Source: Zheng et al., 2020.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> a, b = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]])
    >>> ops.distance_box_iou_loss(a, b)
    tensor([1.4000])
    """
    return _reduced(_distance(wide(boxes1), wide(boxes2), eps)[0], reduction)


def complete_box_iou_loss(
    boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7
) -> Any:
    """1 - complete IoU, row by row.

    Source: Zheng et al., 2020.
    Shapes: boxes (N, 4) and (N, 4) as two corners. reduction: "none" (N), "mean" or "sum".
    Raises: ValueError for another.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> ops.complete_box_iou_loss(box, box).round()
    tensor([0.])
    """
    a, b = wide(boxes1), wide(boxes2)
    loss, iou = _distance(a, b, eps)
    (w, h), (u, v) = (_sides(x[..., :2], x[..., 2:]) for x in (b, a))
    turn = (4 / np.pi**2) * (rl.atan(w / h) - rl.atan(u / v)) ** 2
    with rl.no_grad():
        weight = turn / (1 - iou + turn + eps)
    return _reduced(loss + weight * turn, reduction)
