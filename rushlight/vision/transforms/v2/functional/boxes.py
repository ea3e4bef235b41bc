"""Boxes and points: their forms, what holds them inside a picture, and how they move with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ....tv_tensors import (
    BoundingBoxes,
    BoundingBoxFormat,
    KeyPoints,
    is_rotated_bounding_format,
    wrap,
)
from .dispatch import is_pure_tensor, plain

XYXY, XYWH, CXCYWH = BoundingBoxFormat.XYXY, BoundingBoxFormat.XYWH, BoundingBoxFormat.CXCYWH
CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]  # of a box (x1, y1, x2, y2), once around


def _known(format: BoundingBoxFormat | str) -> BoundingBoxFormat:
    format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
    if is_rotated_bounding_format(format):
        raise NotImplementedError(f"boxes that are turned are not supported: {format.value}")
    return format


def to_corners(boxes: rl.Tensor, format: BoundingBoxFormat) -> rl.Tensor:
    """Plain boxes (..., 4) of a form as (x1, y1, x2, y2); halves of whole numbers are cut off."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if _known(format) is XYXY:
        return boxes
    if format is XYWH:
        return rl.cat((first, first + second), -1)
    sides = second if boxes.is_floating_point() else second.float()
    low = first - sides / 2
    return rl.cat((low, low + sides), -1).to(boxes.dtype)


def from_corners(boxes: rl.Tensor, format: BoundingBoxFormat) -> rl.Tensor:
    """Boxes (x1, y1, x2, y2) in another form; halves of whole numbers are cut off."""
    low, sides = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
    if _known(format) is XYXY:
        return boxes
    if format is XYWH:
        return rl.cat((low, sides), -1)
    rounding = None if boxes.is_floating_point() else "floor"
    return rl.cat((rl.div(low * 2 + sides, 2, rounding_mode=rounding), sides), -1)


def convert_bounding_box_format(
    inpt: Any,
    old_format: BoundingBoxFormat | str | None = None,
    new_format: BoundingBoxFormat | str | None = None,
    inplace: bool = False,
) -> Any:
    """Boxes in another form; plain tensors need `old_format`.

    Raises: TypeError, ValueError for a form too few or too many.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.convert_bounding_box_format(torch.tensor([[1, 2, 4, 6]]), "xyxy", "xywh")
    tensor([[1, 2, 3, 4]])
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = _known(new_format)
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        old = _known(old_format)
        found = inpt if old is new else from_corners(to_corners(inpt, old), new)
        return inpt.copy_(found) if inplace else found
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError("Input can either be a plain tensor or a bounding box tv_tensor, but got "
                        f"{type(inpt)} instead.")  # fmt: skip
    if old_format is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    found = convert_bounding_box_format(plain(inpt), inpt.format, new, inplace)
    return wrap(found, like=inpt, format=new)


def _held(boxes: rl.Tensor, canvas: Any, mode: str | None) -> rl.Tensor:
    """Corners inside a canvas (H, W)."""
    if mode is None:
        return boxes
    x, y = boxes[..., 0::2].clamp(0, canvas[1]), boxes[..., 1::2].clamp(0, canvas[0])
    return rl.stack((x, y), -1).flatten(-2)


def _held_in_form(boxes: rl.Tensor, format: Any, canvas: Any, mode: str | None) -> rl.Tensor:
    if mode is None:
        return boxes.clone()
    values = boxes if boxes.is_floating_point() else boxes.float()
    held = _held(to_corners(values, format), canvas, mode)
    return from_corners(held, format).to(boxes.dtype)


def clamp_bounding_boxes(
    inpt: Any,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: tuple[int, int] | None = None,
    clamping_mode: str | None = "auto",
) -> Any:
    """Boxes cut at the edges of their picture; plain tensors need all arguments.

    Raises: ValueError, TypeError for arguments too few, too many or of other kinds.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> box = tv_tensors.BoundingBoxes([[-1, 2, 12, 7]], format="XYXY", canvas_size=(10, 10))
    >>> F.clamp_bounding_boxes(box).tolist()
    [[0, 2, 10, 7]]
    """
    if clamping_mode not in (None, "soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError("For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` "
                             "have to be passed.")  # fmt: skip
        return _held_in_form(inpt, _known(format), canvas_size, clamping_mode)
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError("Input can either be a plain tensor or a bounding box tv_tensor, but got "
                        f"{type(inpt)} instead.")  # fmt: skip
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not "
                         "be passed.")  # fmt: skip
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    return wrap(_held_in_form(plain(inpt), inpt.format, inpt.canvas_size, mode), like=inpt)


def clamp_keypoints(inpt: Any, canvas_size: tuple[int, int] | None = None) -> Any:
    """Points held at the last pixels of their picture; plain tensors need `canvas_size`.

    Raises: ValueError, TypeError for arguments too few, too many or of other kinds.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.clamp_keypoints(torch.tensor([[-1, 2], [5, 12]]), canvas_size=(10, 10))
    tensor([[0, 2],
            [5, 9]])
    """
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
        x, y = inpt[..., 0].clamp(0, canvas_size[1] - 1), inpt[..., 1].clamp(0, canvas_size[0] - 1)
        return rl.stack((x, y), -1)
    if not isinstance(inpt, KeyPoints):
        raise TypeError("Input can either be a plain tensor or a keypoints tv_tensor, but got "
                        f"{type(inpt)} instead.")  # fmt: skip
    if canvas_size is not None:
        raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
    return wrap(clamp_keypoints(plain(inpt), inpt.canvas_size), like=inpt)


def valid_boxes(boxes: Any, format: Any, canvas_size: Any, min_size: float, min_area: float) -> Any:
    """Which boxes (N, 4) lie within their picture and are large enough: (N,) of bools."""
    corners = to_corners(plain(boxes), format)
    wide, high = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    inside = (corners >= 0).all(-1) & (corners[:, 0::2] <= canvas_size[1]).all(-1)
    inside = inside & (corners[:, 1::2] <= canvas_size[0]).all(-1)
    return inside & (wide >= min_size) & (high >= min_size) & (wide * high >= min_area)


def sanitize_bounding_boxes(
    bounding_boxes: Any,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: tuple[int, int] | None = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, Any]:
    """The boxes that lie within their picture and are large enough, and which those are.

    Raises: ValueError for arguments too few, too many or of other kinds.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> rows = [[1, 1, 5, 5], [2, 2, 2, 9]]  # the second has no width
    >>> boxes = tv_tensors.BoundingBoxes(rows, format="XYXY", canvas_size=(10, 10))
    >>> kept, which = F.sanitize_bounding_boxes(boxes)
    >>> kept.tolist(), which
    ([[1, 1, 5, 5]], tensor([ True, False]))
    """
    given = f"Got format={format} and canvas_size={canvas_size}."
    if is_pure_tensor(bounding_boxes):
        if format is None or canvas_size is None:
            raise ValueError("format and canvas_size cannot be None if bounding_boxes is a pure "
                             f"tensor. {given}")  # fmt: skip
        valid = valid_boxes(bounding_boxes, _known(format), canvas_size, min_size, min_area)
        return bounding_boxes[valid], valid
    if not isinstance(bounding_boxes, BoundingBoxes):
        raise ValueError(
            "bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor."
        )
    if format is not None or canvas_size is not None:
        raise ValueError("format and canvas_size must be None when bounding_boxes is a "
                         f"tv_tensors.BoundingBoxes instance. {given}")  # fmt: skip
    size = bounding_boxes.canvas_size
    valid = valid_boxes(bounding_boxes, bounding_boxes.format, size, min_size, min_area)
    return wrap(plain(bounding_boxes)[valid], like=bounding_boxes), valid


def valid_points(points: Any, canvas_size: Any) -> Any:
    """Which rows of points lie within their picture, all of a row: (N,) of bools."""
    x, y = plain(points)[..., 0], plain(points)[..., 1]
    valid = (x >= 0) & (x < canvas_size[1]) & (y >= 0) & (y < canvas_size[0])
    return valid.flatten(1).all(1) if valid.ndim > 1 else valid


def sanitize_keypoints(
    key_points: Any, canvas_size: tuple[int, int] | None = None
) -> tuple[Any, Any]:
    """The points that lie within their picture, and which those are.

    Raises: ValueError for arguments too few, too many or of other kinds.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> points = tv_tensors.KeyPoints([[1, 1], [20, 1]], canvas_size=(10, 10))
    >>> kept, which = F.sanitize_keypoints(points)
    >>> kept.tolist(), which
    ([[1, 1]], tensor([ True, False]))
    """
    if is_pure_tensor(key_points):
        if canvas_size is None:
            raise ValueError("canvas_size cannot be None if key_points is a pure tensor.")
        valid = valid_points(key_points, canvas_size)
        return key_points[valid], valid
    if not isinstance(key_points, KeyPoints):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    if canvas_size is not None:
        raise ValueError(
            "canvas_size must be None when key_points is a tv_tensors.KeyPoints instance."
            f" Got canvas_size={canvas_size}."
        )
    valid = valid_points(key_points, key_points.canvas_size)
    return wrap(plain(key_points)[valid], like=key_points), valid


def shifted_boxes(boxes: Any, dx: int, dy: int, canvas_size: tuple[int, int]) -> Any:
    """Boxes moved into another canvas, and cut at its edges."""
    both = [dx, dy, dx, dy] if _known(boxes.format) is XYXY else [dx, dy, 0, 0]
    moved = plain(boxes) + rl.tensor(both, dtype=boxes.dtype)
    held = _held_in_form(moved, boxes.format, canvas_size, boxes.clamping_mode)
    return wrap(held, like=boxes, canvas_size=canvas_size)


def shifted_points(points: Any, dx: int, dy: int, canvas_size: tuple[int, int]) -> Any:
    """Points moved into another canvas."""
    moved = plain(points) + rl.tensor([dx, dy], dtype=points.dtype)
    return wrap(moved, like=points, canvas_size=canvas_size)


def mirrored_boxes(boxes: Any, axis: int) -> Any:
    """Boxes in the mirror image along x (0) or y (1)."""
    columns, edge = list(plain(boxes).unbind(-1)), boxes.canvas_size[1 - axis]
    low, high = columns[axis], columns[axis + 2]
    if _known(boxes.format) is XYXY:
        columns[axis], columns[axis + 2] = edge - high, edge - low
    else:
        columns[axis] = edge - (low + high if boxes.format is XYWH else low)
    return wrap(rl.stack(columns, -1), like=boxes)


def mirrored_points(points: Any, axis: int) -> Any:
    """Points in the mirror image along x (0) or y (1): the last pixel comes first."""
    columns = list(plain(points).unbind(-1))
    columns[axis] = points.canvas_size[1 - axis] - 1 - columns[axis]
    return wrap(rl.stack(columns, -1), like=points)


def stretched(places: Any, size: tuple[int, int]) -> Any:
    """Boxes or points of a picture that is resized to `size` (H, W)."""
    old = places.canvas_size
    if tuple(old) == tuple(size):
        return places
    ratios = [size[1] / old[1], size[0] / old[0]] * (places.shape[-1] // 2)
    found = plain(places).mul(rl.tensor(ratios)).to(places.dtype)
    return wrap(found, like=places, canvas_size=tuple(size))


def moved_points(points: Any, move: Callable[[rl.Tensor], rl.Tensor], size: Any) -> Any:
    """Points (..., 2) where `move`, a function of (N, 2), takes them."""
    values = plain(points) if points.is_floating_point() else plain(points).float()
    if values.numel():
        values = move(values.reshape(-1, 2)).reshape(points.shape)
    return wrap(values.to(points.dtype), like=points, canvas_size=tuple(size))


def moved_boxes(
    boxes: Any,
    move: Callable[[rl.Tensor], rl.Tensor],
    size: Any,
    whole_corners: bool = False,
    whole_hull: bool = False,
) -> Any:
    """The smallest boxes around the corners of boxes where `move`, of (N, 2), takes those.

    Of whole numbers, the halves of sides are cut off at the end; with `whole_corners` already in
    the corners that are moved, with `whole_hull` all fractions before the edges of `size` cut.
    """
    floats = boxes.is_floating_point()
    values = plain(boxes) if floats or whole_corners else plain(boxes).float()
    if values.numel():
        corners = to_corners(values, boxes.format)[:, CORNERS]
        ends = move((corners if floats else corners.float()).reshape(-1, 2)).reshape(-1, 4, 2)
        hull = rl.cat((ends.amin(1), ends.amax(1)), 1)
        hull = hull.to(boxes.dtype) if whole_hull else hull
        values = from_corners(_held(hull, size, boxes.clamping_mode), boxes.format)
    return wrap(values.to(boxes.dtype), like=boxes, canvas_size=tuple(size))
