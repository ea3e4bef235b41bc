"""Boxes that are turned: a corner or the centre, sizes and an angle, or four corners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

FORMS = ("xywhr", "cxcywhr", "xyxyxyxy")


def convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Turned boxes of a form in another; whole numbers are rounded."""
    if in_fmt == out_fmt:
        return boxes.clone()
    if in_fmt != "xywhr":
        boxes = _rounded({"cxcywhr": _from_centre, "xyxyxyxy": _from_corners}[in_fmt], boxes)
    if out_fmt != "xywhr":
        boxes = _rounded({"cxcywhr": _to_centre, "xyxyxyxy": _to_corners}[out_fmt], boxes)
    return boxes


def _rounded(change: Callable[..., list[Any]], boxes: Any) -> Any:
    kind = boxes.dtype
    numbers = boxes if kind in (rl.float32, rl.float64) else boxes.float()
    found = rl.stack(change(*numbers.unbind(-1)), dim=-1)
    return (found if kind.is_floating_point else found.round()).to(kind)


def _sides(width: Any, height: Any, angle: Any) -> tuple[Any, Any, Any, Any]:
    """The way along the width and the way along the height; angles turn against the clock."""
    cos, sin = rl.cos(rl.deg2rad(angle)), rl.sin(rl.deg2rad(angle))
    return width * cos, -width * sin, height * sin, height * cos


def _to_centre(x: Any, y: Any, width: Any, height: Any, angle: Any) -> list[Any]:
    across_x, across_y, down_x, down_y = _sides(width, height, angle)
    return [x + (across_x + down_x) / 2, y + (across_y + down_y) / 2, width, height, angle]


def _from_centre(x: Any, y: Any, width: Any, height: Any, angle: Any) -> list[Any]:
    across_x, across_y, down_x, down_y = _sides(width, height, angle)
    return [x - (across_x + down_x) / 2, y - (across_y + down_y) / 2, width, height, angle]


def _to_corners(x: Any, y: Any, width: Any, height: Any, angle: Any) -> list[Any]:
    across_x, across_y, down_x, down_y = _sides(width, height, angle)
    x2, y2 = x + across_x, y + across_y
    return [x, y, x2, y2, x2 + down_x, y2 + down_y, x + down_x, y + down_y]


def _from_corners(*places: Any) -> list[Any]:
    x1, y1, x2, y2, x3, y3, _, _ = places
    angle = rl.rad2deg(rl.atan2(y1 - y2, x2 - x1))
    width, height = ((x2 - x1) ** 2 + (y2 - y1) ** 2), ((x3 - x2) ** 2 + (y3 - y2) ** 2)
    return [x1, y1, width.sqrt(), height.sqrt(), angle]
