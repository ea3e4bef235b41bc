"""Transforms of place, of whole samples: flips, sizes, crops and borders."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from ...io import is_pillow_image
from ...ops import box_iou
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask
from .. import geometry as first
from ..functional.geometry import TWO_SIZES, border_of
from ..functional.kinds import pair
from . import functional as F
from .functional.boxes import to_corners
from .functional.dispatch import is_pure_tensor, plain
from .functional.geometry import Mode
from .transform import (
    Filling,
    RandomSimple,
    RandomTransform,
    Simple,
    Transform,
    get_bounding_boxes,
    has_any,
    query_size,
)


class RandomHorizontalFlip(RandomSimple):
    """Mirror left and right with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomHorizontalFlip(p=1.0)(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 1],
             [4, 3]]])
    """

    functional = F.horizontal_flip


class RandomVerticalFlip(RandomSimple):
    """Mirror top and bottom with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomVerticalFlip(p=1.0)(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[3, 4],
             [1, 2]]])
    """

    functional = F.vertical_flip


class Resize(Simple):
    """Resize to `size` (h, w); one number fits the smaller edge, None the larger to `max_size`.

    Raises: ValueError for sizes of other forms.

    >>> from rushlight.vision.transforms import v2
    >>> v2.Resize(20)
    Resize(size=[20], interpolation=bilinear, antialias=True)
    """

    functional = F.resize
    settings = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Mode = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if size is None:
            if not isinstance(max_size, int):
                raise ValueError(
                    f"max_size must be an integer when size is None, but got {max_size} instead."
                )
        elif not isinstance(size, int) and not (isinstance(size, Sequence) and len(size) in (1, 2)):
            raise ValueError("size can be an integer, a sequence of one or two integers, or None, "
                             f"but got {size} instead.")  # fmt: skip
        self.size = [size] if isinstance(size, int) else None if size is None else list(size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias


class CenterCrop(Simple):
    """Cut out the middle `size`; a smaller picture is padded with black.

    size: (height, width), or one number for both. Masks, boxes and points are cut with pictures.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.CenterCrop(2)(torch.arange(16).view(1, 4, 4))
    tensor([[[ 5,  6],
             [ 9, 10]]])
    """

    functional = F.center_crop

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"output_size": self.size}


class RandomResizedCrop(Simple):
    """Cut out a part of random area and shape and resize it to `size`; draws as the first set.

    Raises: TypeError for ranges of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomResizedCrop(4)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    first = first.RandomResizedCrop
    functional = F.resized_crop
    settings = ("size", "interpolation", "antialias")

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        for name, values in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(values, Sequence) or len(values) != 2:
                raise TypeError(f"{name} should be a sequence of two floats.")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        place = first.draw_part(height, width, self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), place))


class _Crops(Transform):
    """Several pictures of one; boxes and masks are refused, points pass through."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, BoundingBoxes, Mask):
            raise TypeError(
                f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()"
            )

    def _call_kernel(
        self, functional: Callable[..., Any], inpt: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if isinstance(inpt, KeyPoints):
            warnings.warn(
                f"{type(self).__name__}() is currently passing through inputs of type "
                "tv_tensors.KeyPoints. This will likely change in the future.", stacklevel=2
            )  # fmt: skip
        return super()._call_kernel(functional, inpt, *args, **kwargs)


class FiveCrop(_Crops):
    """The four corners and the middle, as a tuple of five pictures.

    size: (height, width), or one number for both. Raises: ValueError for a picture that is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> [int(part) for part in v2.FiveCrop(1)(torch.arange(9).view(1, 3, 3))]
    [0, 2, 6, 8, 4]
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_Crops):
    """FiveCrop of the picture and of its mirror image, as a tuple of ten pictures.

    size: (height, width), or one number for both; `vertical_flip`: mirrored top and bottom instead
    of left and right. Raises: ValueError for a picture that is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> [int(part) for part in v2.TenCrop(1)(torch.arange(9).view(1, 3, 3))]
    [0, 2, 6, 8, 4, 2, 0, 8, 6, 4]
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


def _check_padding(padding: Any) -> None:
    whole = isinstance(padding, int)
    if isinstance(padding, tuple | list):
        whole = len(padding) in (1, 2, 4) and all(isinstance(p, int) for p in padding)
    if not whole:
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}."
        )


def _check_mode(mode: str) -> None:
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")


class Pad(Filling):
    """Add a border of `padding`: one width, (left and right, top and bottom) or (l, t, r, b).

    fill: a number, one per channel, or a dictionary of such by the class of the input.
    Raises: ValueError for another padding or mode, TypeError for another fill.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.Pad([1, 0], fill=9)(torch.tensor([[[1, 2]]]))
    tensor([[[9, 1, 2, 9]]])
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        _check_padding(padding)
        _check_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.pad, inpt, padding=self.padding, fill=self._fill_of(inpt),
                                 padding_mode=self.padding_mode)  # fmt: skip


class RandomZoomOut(RandomTransform, Filling):
    """Put the picture somewhere on a canvas of 1 to 4 times its sides, with probability `p`.

    Draws: `rand(1)` for the factor, `rand(2)` for the place.
    Raises: ValueError for factors below 1.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomZoomOut(p=0.0)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        self._set_fill(fill)
        if not isinstance(side_range, Sequence):
            raise TypeError("side_range should be a sequence of length 2.")
        if len(side_range) != 2:
            raise ValueError("side_range should be a sequence of length 2.")
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        factor = low + rl.rand(1) * (high - low)
        wide, tall = int(width * factor), int(height * factor)
        place = rl.rand(2)
        left, top = int((wide - width) * place[0]), int((tall - height) * place[1])
        return {"padding": [left, top, wide - (left + width), tall - (top + height)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.pad, inpt, **params, fill=self._fill_of(inpt))


class RandomCrop(Filling):
    """Cut out a rectangle of `size` at a random place, after padding.

    Draws: `randint` for the row where rows are cut off, then the same for the column.
    `pad_if_needed` pads both sides by what is missing.
    Raises: ValueError when the picture is smaller than `size`, and for another padding.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomCrop(4, padding=1)(torch.rand(3, 6, 6)).shape
    torch.Size([3, 4, 4])
    """

    first = first.RandomCrop

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        if padding is not None:
            _check_padding(padding)
        if padding is not None or pad_if_needed:
            _check_mode(padding_mode)
        # as (left, right, top, bottom), which is how the text of this transform shows it
        self.padding = [border_of(padding)[edge] for edge in (0, 2, 1, 3)] if padding else None
        self.pad_if_needed = pad_if_needed
        self._set_fill(fill)
        self.padding_mode = padding_mode

    def _padded_to(self, height: int, width: int) -> tuple[list[int], int, int]:
        """The border (l, t, r, b), and the height and width with it."""
        left, right, top, bottom = self.padding or (0, 0, 0, 0)
        height, width = height + top + bottom, width + left + right
        if self.pad_if_needed:
            down, across = max(self.size[0] - height, 0), max(self.size[1] - width, 0)
            left, top, right, bottom = left + across, top + down, right + across, bottom + down
            height, width = height + 2 * down, width + 2 * across
        return [left, top, right, bottom], height, width

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        border, height, width = self._padded_to(*query_size(flat_inputs))
        rows, columns = self.size
        if height < rows or width < columns:
            padded = "padded " if self.padding is not None else ""
            raise ValueError(f"Required crop size {(rows, columns)} is larger than {padded}input "
                             f"image size {(height, width)}.")  # fmt: skip
        top = int(rl.randint(0, height - rows + 1, size=())) if height > rows else 0
        left = int(rl.randint(0, width - columns + 1, size=())) if width > columns else 0
        cut = height > rows or width > columns
        return {"padding": border, "place": (top, left, rows, columns) if cut else None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(params["padding"]):
            fill = self._fill_of(inpt)
            inpt = self._call_kernel(F.pad, inpt, params["padding"], fill, self.padding_mode)
        place = params["place"]
        return inpt if place is None else self._call_kernel(F.crop, inpt, *place)


class RandomIoUCrop(Transform):
    """Cut out a part in which boxes lie that overlap it enough; boxes outside become zeros.

    Draws, until one fits: which of `sampler_options` the overlap must reach (1: leave all as it
    is); up to `trials` times, `rand(2)` for the size and `rand(2)` for the corner.
    Source: Liu et al., 2016, https://arxiv.org/abs/1512.02325

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> box = tv_tensors.BoundingBoxes([[1, 2, 4, 8]], format="XYXY", canvas_size=(10, 10))
    >>> picture, found = v2.RandomIoUCrop()(tv_tensors.Image(torch.rand(3, 10, 10)), box)
    >>> found.shape, found.canvas_size == tuple(picture.shape[-2:])
    (torch.Size([1, 4]), True)
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        pictures = (is_pillow_image, Image, is_pure_tensor)
        if not (has_any(flat_inputs, BoundingBoxes) and has_any(flat_inputs, *pictures)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def _part(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """(top, left, height, width), or None for a shape out of bounds."""
        size = self.min_scale + (self.max_scale - self.min_scale) * rl.rand(2)
        wide, tall = int(width * size[0]), int(height * size[1])
        if not self.min_aspect_ratio <= wide / tall <= self.max_aspect_ratio:
            return None
        place = rl.rand(2)
        left, top = int((width - wide) * place[0]), int((height - tall) * place[1])
        return (top, left, tall, wide) if wide and tall else None

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = to_corners(plain(boxes), boxes.format)
        middle = 0.5 * (corners[:, :2] + corners[:, 2:])
        while True:
            wanted = self.options[int(rl.randint(0, len(self.options), size=(1,)))]
            if wanted >= 1.0:
                return {}
            for _ in range(self.trials):
                part = self._part(height, width)
                if part is None:
                    continue
                top, left, tall, wide = part
                ends = rl.tensor([[left, top, left + wide, top + tall]], dtype=corners.dtype)
                within = ((ends[:, :2] < middle) & (middle < ends[:, 2:])).all(1)
                if within.any() and box_iou(corners[within], ends).max() >= wanted:
                    return {"place": part, "within": within}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        found = self._call_kernel(F.crop, inpt, *params["place"])
        if isinstance(found, BoundingBoxes):
            found[~params["within"]] = 0
        return found
