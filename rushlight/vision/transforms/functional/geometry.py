"""Where pixels go: resize, crop, flip, pad, erase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ....core.errors import fail
from ...io import is_pillow_image, pillow
from .kinds import (
    PILLOW_NUMBERS,
    InterpolationMode,
    get_dimensions,
    interpolation_mode,
    on_tensor,
    pair,
)
from .resample import resample, resized_shape

TWO_SIZES = "Please provide only two dimensions (h, w) for size."
ERASES_TENSORS = "erasing works on tensors: put it behind ToTensor()"
PAD_MODES = ("constant", "edge", "reflect", "symmetric")


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize a picture to `size` (h, w); one number fits the smaller edge.

    Raises: TypeError, ValueError as torchvision.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.resize(torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), (1, 2))
    tensor([[[0.1429, 0.8571]]])
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(size, int) and len(size) not in (1, 2):
        raise ValueError(
            f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element "
            "tuple/list"
        )
    _, height, width = get_dimensions(img)
    new = resized_shape((height, width), size if isinstance(size, int) else list(size), max_size)
    if new == (height, width):
        return img
    if is_pillow_image(img):
        return img.resize(new[::-1], PILLOW_NUMBERS[mode.value.removesuffix("-exact")])
    if mode.value not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        raise ValueError(f"Tensor images can not be resized by {mode.value!r}")
    name = mode.value
    as_pillow = isinstance(img, np.ndarray)
    if as_pillow and name == "nearest":
        name = "pillow-nearest"
    return on_tensor(img, lambda x: resample(x, new, name, bool(antialias), as_pillow))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cut out a rectangle; what lies outside the picture is black.

    Arguments, in pixels: the upper edge and the left edge, height and width of the rectangle.
    Shapes: (..., H, W) to (..., height, width), or a Pillow image. Raises: TypeError for others.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.crop(torch.arange(1, 10).view(1, 3, 3), top=1, left=2, height=2, width=2)
    tensor([[[6, 0],
             [9, 0]]])
    """
    if is_pillow_image(img):
        return img.crop((left, top, left + width, top + height))
    return on_tensor(img, lambda x: _crop(x, top, left, height, width))


def _crop(x: rl.Tensor, top: int, left: int, height: int, width: int) -> rl.Tensor:
    rows, columns = x.shape[-2:]
    bottom, right = top + height, left + width
    inner = x[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    # how much of the rectangle lies beyond each edge
    border = [
        max(min(-left, width), 0),
        max(min(-top, height), 0),
        max(min(right - columns, width), 0),
        max(min(bottom - rows, height), 0),
    ]
    return _pad_constant(inner, border, 0.0) if any(border) else inner


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """Cut out the middle; a smaller picture is padded with black first.

    output_size: (height, width), or one number for both.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.center_crop(torch.arange(16).view(1, 4, 4), (2, 2))
    tensor([[[ 5,  6],
             [ 9, 10]]])
    """
    crop_height, crop_width = pair(output_size, TWO_SIZES)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        across, down = max(crop_width - width, 0), max(crop_height - height, 0)
        border = [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2]
        img = pad(img, border, fill=0)
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top = round((height - crop_height) / 2.0)
    left = round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut out a rectangle and resize it.

    Arguments are those of `crop` and of `resize`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.resized_crop(torch.rand(3, 9, 9), top=2, left=1, height=4, width=6, size=(8, 8)).shape
    torch.Size([3, 8, 8])
    """
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Mirror left and right.

    Shapes: (..., H, W), or a Pillow image. Raises: TypeError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.hflip(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 1],
             [4, 3]]])
    """
    if is_pillow_image(img):
        return img.transpose(pillow().Transpose.FLIP_LEFT_RIGHT)
    return on_tensor(img, lambda x: rl.flip(x, (-1,)))


def vflip(img: Any) -> Any:
    """Mirror top and bottom.

    Shapes: (..., H, W), or a Pillow image. Raises: TypeError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.vflip(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[3, 4],
             [1, 2]]])
    """
    if is_pillow_image(img):
        return img.transpose(pillow().Transpose.FLIP_TOP_BOTTOM)
    return on_tensor(img, lambda x: rl.flip(x, (-2,)))


def pad(
    img: Any,
    padding: int | Sequence[int],
    fill: float | Sequence[float] = 0,
    padding_mode: str = "constant",
) -> Any:
    """Add a border: one width, (left and right, top and bottom), or (l, t, r, b).

    Raises: TypeError, ValueError as torchvision.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Pad.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.pad(torch.tensor([[[1, 2, 3]]]), [2, 0], padding_mode="reflect")
    tensor([[[3, 2, 1, 2, 3, 2, 1]]])
    """
    if not isinstance(padding, int | float | tuple | list):
        raise TypeError("Got inappropriate padding arg")
    if not isinstance(fill, int | float | tuple | list | str):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if padding_mode not in PAD_MODES:
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    border = border_of(padding)
    if is_pillow_image(img):
        return _pad_pillow(img, border, fill, padding_mode)
    if padding_mode == "constant":
        value = fill[0] if isinstance(fill, tuple | list) and len(fill) == 1 else fill
        if not isinstance(value, int | float):
            raise TypeError("Got inappropriate fill arg")
        return on_tensor(img, lambda x: _pad_constant(x, border, value))
    return on_tensor(img, lambda x: _pad_from_inside(x, border, padding_mode))


def border_of(padding: Any) -> list[int]:
    """Left, top, right, bottom."""
    values: list[int] = [int(padding)] if isinstance(padding, int | float) else list(padding)
    if len(values) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a "
            f"{len(values)} element tuple"
        )
    return values * (4 // len(values))


def _pad_constant(x: rl.Tensor, border: Sequence[int], fill: float) -> rl.Tensor:
    left, top, right, bottom = border
    x = x[..., max(-top, 0) : x.shape[-2] - max(-bottom, 0), :]
    x = x[..., max(-left, 0) : x.shape[-1] - max(-right, 0)]
    left, top, right, bottom = (max(width, 0) for width in border)
    rows, columns = x.shape[-2:]
    shape = (*x.shape[:-2], rows + top + bottom, columns + left + right)
    result = rl.full(shape, fill, dtype=x.dtype)
    result[..., top : top + rows, left : left + columns] = x
    return result


def _pad_from_inside(x: rl.Tensor, border: Sequence[int], mode: str) -> rl.Tensor:
    """Edge, reflect and symmetric padding are all a choice of rows and of columns."""
    left, top, right, bottom = border
    rows = _source_index(x.shape[-2], top, bottom, mode)
    columns = _source_index(x.shape[-1], left, right, mode)
    return x[..., rl.from_numpy(rows)[:, None], rl.from_numpy(columns)[None, :]]


def _source_index(size: int, before: int, after: int, mode: str) -> np.ndarray:
    index = np.arange(max(-before, 0), size - max(-after, 0))
    return np.pad(index, (max(before, 0), max(after, 0)), mode=mode)  # type: ignore[call-overload]  # a mode of NumPy's


def _pad_pillow(img: Any, border: list[int], fill: Any, mode: str) -> Any:
    if mode == "constant":
        return pillow("ImageOps").expand(img, tuple(border), pillow_fill(img, fill))
    rows, columns = (
        _source_index(size, border[edge], border[edge + 2], mode)
        for size, edge in ((img.height, 1), (img.width, 0))
    )
    pixels = np.asarray(img)[rows][:, columns]
    result = pillow().fromarray(pixels)
    if img.mode == "P":
        result.putpalette(img.getpalette())
    return result


def pillow_fill(img: Any, fill: Any) -> Any:
    """One value for all bands, or one for each."""
    bands = len(img.getbands())
    if isinstance(fill, str):
        return fill
    values = [fill] if isinstance(fill, int | float) else list(fill)
    if len(values) == 1:
        values = values * bands
    if len(values) != bands:
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the "
            f"image ({len(values)} != {bands})"
        )
    if bands == 1:
        return values[0] if img.mode == "F" else int(values[0])
    return tuple(int(value) for value in values)


def erase(img: Any, i: int, j: int, h: int, w: int, v: rl.Tensor, inplace: bool = False) -> Any:
    """Put `v` in the rectangle with corner (i, j) and size (h, w) of a tensor.

    Raises: TypeError for a picture of another kind.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.erase(torch.ones(1, 2, 3), i=0, j=1, h=2, w=2, v=torch.tensor(0.0))
    tensor([[[1., 0., 0.],
             [1., 0., 0.]]])
    """
    if not isinstance(img, rl.Tensor):
        raise fail(TypeError, f"img should be Tensor Image. Got {type(img)}", ERASES_TENSORS)
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (tl, tr, bl, br) and the middle.

    Raises: ValueError for a picture that is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> [int(part) for part in F.five_crop(torch.arange(9).view(1, 3, 3), 1)]
    [0, 2, 6, 8, 4]
    """
    height, width = pair(size, TWO_SIZES)
    _, rows, columns = get_dimensions(img)
    if width > columns or height > rows:
        raise ValueError(
            f"Requested crop size {[height, width]} is bigger than input size {(rows, columns)}"
        )
    down, across = rows - height, columns - width
    corners = [(0, 0), (0, across), (down, 0), (down, across)]
    tl, tr, bl, br = (crop(img, top, left, height, width) for top, left in corners)
    return tl, tr, bl, br, center_crop(img, (height, width))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the picture and of its mirror image.

    Arguments: `size`, (height, width) or one number; `vertical_flip`: mirrored top and bottom
    instead of left and right. Raises: ValueError for a picture that is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> len(F.ten_crop(torch.zeros(3, 8, 8), 4))
    10
    """
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)
