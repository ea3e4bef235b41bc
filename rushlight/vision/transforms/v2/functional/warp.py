"""Things turned, sheared, projected and bent: pictures, masks, boxes and points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ....tv_tensors import BoundingBoxes
from ... import functional as first
from ...functional import InterpolationMode
from ...functional.warp import coefficients as of_points
from ...functional.warp import expanded, inverse_affine, projected
from .boxes import moved_boxes, moved_points
from .dispatch import by_kind, chosen

Mode = InterpolationMode | int | str
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
ZERO = (0.0, 0.0)


def _moved(
    places: Any, move: Callable[[rl.Tensor], rl.Tensor], size: Any = None, **whole: bool
) -> Any:
    size = places.canvas_size if size is None else size
    if isinstance(places, BoundingBoxes):
        return moved_boxes(places, move, size, **whole)
    return moved_points(places, move, size)


def _projection(rows: np.ndarray) -> Callable[[rl.Tensor], rl.Tensor]:
    """Points (N, 2) by a matrix (3, 3) for (x, y, 1)."""

    def move(points: rl.Tensor) -> rl.Tensor:
        matrix = rl.tensor(rows.tolist(), dtype=points.dtype)
        whole = rl.cat((points, points.new_ones((len(points), 1))), 1) @ matrix.T
        return whole[:, :2] / whole[:, 2:]

    return move


def _forward(rows: Sequence[float]) -> np.ndarray:
    """The matrix from source to result, of the numbers for the way back."""
    back = np.array([*rows, *[0.0, 0.0, 1.0][len(rows) - 6 :]], np.float64).reshape(3, 3)
    ahead = np.linalg.inv(back)
    return ahead / ahead[2, 2]


def _turned_places(
    places: Any,
    angle: float,
    interpolation: Any = None,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    height, width = size = places.canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else center
    rows = inverse_affine(middle, -angle, ZERO, 1.0, ZERO)
    matrix = _forward(rows)
    if expand:
        ends = matrix @ np.array([[0, 0, width, width], [0, height, height, 0], [1, 1, 1, 1]])
        matrix = np.array([[1, 0, -ends[0].min()], [0, 1, -ends[1].min()], [0, 0, 1]]) @ matrix
        # by rows about the middle where pictures go by rows about zero, as in torchvision: the
        # canvas may be a pixel smaller than the picture
        size = expanded(rows, width, height)
    return _moved(places, _projection(matrix), size)


@by_kind(mask=True, boxes=_turned_places, points=_turned_places)
def rotate(
    inpt: Any,
    angle: float,
    interpolation: Mode = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turn by `angle` degrees against the clock about the middle or `center` (x, y).

    expand: make the picture large enough for all of it; fill: what is seen outside.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.rotate(torch.tensor([[[1, 2], [3, 4]]]), 90.0)
    tensor([[[2, 4],
             [1, 3]]])
    """
    return first.rotate(inpt, angle, chosen(interpolation), expand, center, fill)


def _affine_places(
    places: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = None,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    skew = [shear, 0.0] if isinstance(shear, int | float) else list(shear)
    height, width = places.canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else center
    skew = skew * (2 if len(skew) == 1 else 1)
    rows = inverse_affine(middle, angle, translate, scale, skew)
    return _moved(places, _projection(_forward(rows)))


@by_kind(mask=True, boxes=_affine_places, points=_affine_places)
def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Mode = NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Turn by `angle` degrees with the clock, scale, shear (degrees) and move.

    translate: (x, y) in pixels; shear: one angle or (x, y); fill: what is seen outside the picture.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> x = torch.tensor([[[1, 2], [3, 4]]])
    >>> F.affine(x, angle=0.0, translate=[1, 0], scale=1.0, shear=[0.0])
    tensor([[[0, 1],
             [0, 3]]])
    """
    return first.affine(inpt, angle, translate, scale, shear, chosen(interpolation), fill, center)  # type: ignore[arg-type]  # whole moves or not


def _numbers(start: Any, end: Any, given: Sequence[float] | None) -> Sequence[float]:
    if given is None:
        if start is None or end is None:
            raise ValueError("Either the startpoints/endpoints or the coefficients must have non "
                             "`None` values.")  # fmt: skip
        return of_points(start, end)
    if start is not None and end is not None:
        raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined "
                         "concurrently.")  # fmt: skip
    if len(given) != 8:
        raise ValueError("Argument coefficients should have 8 float values")
    return given


def _projected_places(
    places: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = None,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Any:
    numbers = _numbers(startpoints, endpoints, coefficients)
    if numbers[0] * numbers[4] == numbers[1] * numbers[3]:
        raise RuntimeError(
            f"Provided perspective_coeffs {numbers} can not be inverted to transform bounding "
            "boxes. Denominator is zero, denom=0.0"
        )
    return _moved(places, _projection(_forward(numbers)), whole_corners=True)


@by_kind(mask=True, boxes=_projected_places, points=_projected_places)
def perspective(
    inpt: Any,
    startpoints: Sequence[Sequence[int]] | None,
    endpoints: Sequence[Sequence[int]] | None,
    interpolation: Mode = BILINEAR,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Any:
    """Project so that four `startpoints` (x, y) come to lie at the `endpoints`.

    coefficients: in place of the points, the numbers a to h of the way back:
    ((a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1)).
    Raises: ValueError for points and numbers too few or too many.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> F.perspective(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), corners, corners)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    numbers = _numbers(startpoints, endpoints, coefficients)
    return projected(inpt, numbers, chosen(interpolation), fill)


def _bent_places(
    places: Any, displacement: Any, interpolation: Any = None, fill: Any = None
) -> Any:
    height, width = places.canvas_size
    if not isinstance(displacement, rl.Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given "
            f"{displacement.shape}"
        )
    boxes = isinstance(places, BoundingBoxes)

    def move(points: rl.Tensor) -> rl.Tensor:
        sizes = rl.tensor([width, height], dtype=points.dtype)
        whole = (points.ceil() if boxes else points).long()
        x, y = whole[:, 0].clamp(0, width - 1), whole[:, 1].clamp(0, height - 1)
        own = (2 * rl.stack((x, y), -1) + 1) / sizes - 1  # the centre of a pixel, in -1..1
        return (own - displacement[0, y, x].to(points.dtype) + 1) * (0.5 * sizes) - 0.5

    return _moved(places, move, whole_corners=True, whole_hull=True)


@by_kind(mask=True, boxes=_bent_places, points=_bent_places)
def elastic(inpt: Any, displacement: Any, interpolation: Mode = BILINEAR, fill: Any = None) -> Any:
    """Look every pixel up at its own place and a displacement (1, H, W, 2), in units of -1..1.

    Raises: TypeError, ValueError for a displacement of another kind or size.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.elastic(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.zeros(1, 2, 2, 2))
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    return first.elastic_transform(inpt, displacement, chosen(interpolation), fill)
