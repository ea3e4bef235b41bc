"""Where things go: flips, sizes, crops and borders, of pictures, masks, boxes and points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ....io import is_pillow_image
from ....tv_tensors import BoundingBoxes
from ... import functional as first
from ...functional import InterpolationMode
from ...functional.geometry import TWO_SIZES, border_of
from ...functional.kinds import pair
from ...functional.resample import resized_shape
from .boxes import mirrored_boxes, mirrored_points, shifted_boxes, shifted_points, stretched
from .dispatch import by_kind, chosen, on_mask

Mode = InterpolationMode | int | str
BILINEAR = InterpolationMode.BILINEAR


@by_kind(mask=True, boxes=lambda x: mirrored_boxes(x, 0), points=lambda x: mirrored_points(x, 0))
def horizontal_flip(inpt: Any) -> Any:
    """Mirror left and right.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.horizontal_flip(tv_tensors.KeyPoints([[0, 1]], canvas_size=(4, 6)))
    KeyPoints([[5, 1]], canvas_size=(4, 6))
    """
    return first.hflip(inpt)


@by_kind(mask=True, boxes=lambda x: mirrored_boxes(x, 1), points=lambda x: mirrored_points(x, 1))
def vertical_flip(inpt: Any) -> Any:
    """Mirror top and bottom.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.vertical_flip(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[3, 4],
             [1, 2]]])
    """
    return first.vflip(inpt)


def new_size(
    old: Sequence[int], size: int | Sequence[int] | None, max_size: int | None
) -> tuple[int, int]:
    """(height, width) after `resize`; without a size the longer edge becomes `max_size`."""
    height, width = old
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} "
                             "instead.")  # fmt: skip
        short, long = min(old), max(old)
        other = int(max_size * short / long)
        return (other, max_size) if height <= width else (max_size, other)
    if not isinstance(size, int) and len(size) not in (1, 2):
        raise ValueError(f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} "
                         "element tuple/list")  # fmt: skip
    return resized_shape((height, width), size if isinstance(size, int) else list(size), max_size)


def _resized_places(
    places: Any, size: Any, interpolation: Any = None, max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    return stretched(places, new_size(places.canvas_size, size, max_size))


def _resized(
    inpt: Any,
    size: int | Sequence[int] | None,
    interpolation: Mode = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    mode, smooth = chosen(interpolation), ("bilinear", "bicubic")
    new = new_size(tuple(first.get_dimensions(inpt)[1:]), size, max_size)
    if not (isinstance(inpt, rl.Tensor) and inpt.dtype == rl.uint8 and mode.value in smooth):
        return first.resize(inpt, new, mode, None, antialias)
    old = tuple(inpt.shape[-2:])
    if new == old or not inpt.numel():
        return first.resize(inpt, new, mode, None, antialias)
    pictures = inpt.reshape(-1, inpt.shape[-3], *old)
    result = rl.nn.functional.interpolate(
        pictures, new, mode=mode.value, align_corners=False, antialias=bool(antialias)
    )
    return result.reshape(*inpt.shape[:-2], *new)


@by_kind(mask=on_mask(_resized, exact=True), boxes=_resized_places, points=_resized_places)
def resize(
    inpt: Any,
    size: int | Sequence[int] | None,
    interpolation: Mode = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """A picture of `size` (h, w); bytes are averaged in whole numbers, by `interpolate`.

    One number fits the smaller edge, None fits the larger edge to `max_size`.
    Raises: ValueError for sizes of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.resize(torch.tensor([[[0, 100, 255]]], dtype=torch.uint8), [1, 2])
    tensor([[[ 38, 197]]], dtype=torch.uint8)
    """
    return _resized(inpt, size, interpolation, max_size, antialias)


def _cropped_boxes(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    return shifted_boxes(boxes, -left, -top, (height, width))


def _cropped_points(points: Any, top: int, left: int, height: int, width: int) -> Any:
    return shifted_points(points, -left, -top, (height, width))


@by_kind(mask=True, boxes=_cropped_boxes, points=_cropped_points)
def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut out a rectangle; what lies outside the picture is black.

    top, left: the corner; height, width: the size.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.crop(torch.arange(1, 10).view(1, 3, 3), top=1, left=1, height=2, width=3)
    tensor([[[5, 6, 0],
             [8, 9, 0]]])
    """
    return first.crop(inpt, top, left, height, width)


def _middle(places: Any, output_size: int | Sequence[int]) -> tuple[int, int, int, int]:
    (height, width), (rows, columns) = pair(output_size, TWO_SIZES), places.canvas_size
    return round((rows - height) / 2.0), round((columns - width) / 2.0), height, width


@by_kind(
    mask=True,
    boxes=lambda x, output_size: _cropped_boxes(x, *_middle(x, output_size)),
    points=lambda x, output_size: _cropped_points(x, *_middle(x, output_size)),
)
def center_crop(inpt: Any, output_size: int | Sequence[int]) -> Any:
    """Cut out the middle; a smaller picture is padded with black first.

    output_size: one side or (height, width).

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.center_crop(torch.arange(16).view(1, 4, 4), [2, 2])
    tensor([[[ 5,  6],
             [ 9, 10]]])
    """
    return first.center_crop(inpt, output_size)


def _resized_crop_of(places: Any, top: int, left: int, height: int, width: int, size: Any,
                     interpolation: Any = None, antialias: bool | None = True) -> Any:  # fmt: skip
    return _resized_places(crop(places, top, left, height, width), size)


@by_kind(mask=True, boxes=_resized_crop_of, points=_resized_crop_of)
def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Mode = BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut out a rectangle and resize it to `size`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.resized_crop(torch.rand(3, 8, 8), top=2, left=2, height=4, width=4, size=[6, 6]).shape
    torch.Size([3, 6, 6])
    """
    part = first.crop(inpt, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def _parse_pad_padding(padding: Any) -> list[int]:
    """A border's widths in the order left, right, top, bottom (anomalib's)."""
    left, top, right, bottom = border_of(padding)
    return [left, right, top, bottom]


def _center_crop_parse_output_size(output_size: int | Sequence[int]) -> list[int]:
    """Both sides of a crop; one number stands for a square."""
    given = list(output_size) if isinstance(output_size, Sequence) else [output_size]
    return given * 2 if len(given) == 1 else given


def _center_crop_compute_padding(
    crop_height: int, crop_width: int, image_height: int, image_width: int
) -> list[int]:
    """What a picture lacks of a crop on the left, above, on the right and below."""
    rows, columns = max(crop_height - image_height, 0), max(crop_width - image_width, 0)
    return [columns // 2, rows // 2, (columns + 1) // 2, (rows + 1) // 2]


def _padded_places(
    places: Any, padding: Any, fill: Any = None, padding_mode: str = "constant"
) -> Any:
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with bounding boxes")
    left, top, right, bottom = border_of(padding)
    rows, columns = places.canvas_size
    size = rows + top + bottom, columns + left + right
    shifted = shifted_boxes if isinstance(places, BoundingBoxes) else shifted_points
    return shifted(places, left, top, size)


def _padded(
    inpt: Any,
    padding: int | Sequence[int],
    fill: float | Sequence[float] | None = None,
    padding_mode: str = "constant",
) -> Any:
    values: list[Any] = list(fill) if isinstance(fill, tuple | list) else [fill or 0]
    if len(values) == 1 or is_pillow_image(inpt):
        return first.pad(inpt, padding, values[0] if len(values) == 1 else values, padding_mode)
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    left, top, right, bottom = border_of(padding)
    colour = rl.tensor(values).to(inpt.dtype).reshape(-1, 1, 1)
    rows, columns = inpt.shape[-2:]
    shape = (*inpt.shape[:-2], rows + top + bottom, columns + left + right)
    canvas = colour.expand(shape).clone()
    canvas[..., top : top + rows, left : left + columns] = inpt
    return canvas


def _padded_mask(mask: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    if isinstance(fill, tuple | list):
        raise ValueError("Non-scalar fill value is not supported")
    return on_mask(_padded)(mask, padding, fill, padding_mode)


@by_kind(mask=_padded_mask, boxes=_padded_places, points=_padded_places)
def pad(
    inpt: Any,
    padding: int | Sequence[int],
    fill: float | Sequence[float] | None = None,
    padding_mode: str = "constant",
) -> Any:
    """Add a border: one width, (left and right, top and bottom), or (l, t, r, b).

    fill: the number there, or one for each channel; padding_mode: "constant", "edge", "reflect" or
    "symmetric". Raises: ValueError for another.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.pad(torch.tensor([[[1, 2]]]), [1, 0], fill=9)
    tensor([[[9, 1, 2, 9]]])
    """
    return _padded(inpt, padding, fill, padding_mode)


@by_kind()
def five_crop(inpt: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (tl, tr, bl, br) and the middle, each of `size`.

    Raises: ValueError where the picture is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> [int(part) for part in F.five_crop(torch.arange(9).view(1, 3, 3), [1, 1])]
    [0, 2, 6, 8, 4]
    """
    return first.five_crop(inpt, size)


@by_kind()
def ten_crop(inpt: Any, size: int | Sequence[int], vertical_flip: bool = False) -> Any:
    """`five_crop` of the picture and of its mirror image (upside down with `vertical_flip`).

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> [int(part) for part in F.ten_crop(torch.arange(9).view(1, 3, 3), [1, 1])]
    [0, 2, 6, 8, 4, 2, 0, 8, 6, 4]
    """
    return first.ten_crop(inpt, size, vertical_flip)
