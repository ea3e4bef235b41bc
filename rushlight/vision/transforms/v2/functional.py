"""Transforms of pictures (tensors (..., C, H, W) or PIL) as functions, by the second set of names.

Where the first set has the same function it is the very same; boxes and masks are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ....core.names import explain_missing as _explain_missing
from ..functional import (
    InterpolationMode,
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    affine,
    autocontrast,
    center_crop,
    convert_image_dtype,
    crop,
    equalize,
    five_crop,
    gaussian_blur,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    hflip,
    invert,
    normalize,
    pad,
    perspective,
    pil_to_tensor,
    posterize,
    rgb_to_grayscale,
    rotate,
    solarize,
    ten_crop,
    to_pil_image,
    to_tensor,
    vflip,
)  # fmt: skip
from ..functional import erase as _erase
from ..functional import resize as _resize
from ..functional.kinds import interpolation_mode
from ..functional.resample import resized_shape

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue",
    "adjust_saturation", "adjust_sharpness", "affine", "autocontrast", "center_crop",
    "convert_image_dtype", "crop", "equalize", "erase", "five_crop", "gaussian_blur",
    "get_dimensions", "get_image_num_channels", "get_image_size", "get_num_channels", "get_size",
    "grayscale_to_rgb", "hflip", "horizontal_flip", "invert", "normalize", "pad", "perspective",
    "pil_to_tensor", "posterize", "resize", "resized_crop", "rgb_to_grayscale", "rotate",
    "solarize", "ten_crop", "to_dtype", "to_grayscale", "to_pil_image", "to_tensor",
    "vertical_flip", "vflip",
]  # fmt: skip
horizontal_flip, vertical_flip, get_num_channels = hflip, vflip, get_image_num_channels
to_grayscale = rgb_to_grayscale


def get_size(inpt: Any) -> list[int]:
    """[height, width] of a picture.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.get_size(torch.zeros(3, 4, 5))
    [4, 5]
    """
    return get_dimensions(inpt)[1:]


def resize(
    inpt: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """A picture of `size` (h, w); bytes are averaged in whole numbers, by `interpolate`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.resize(torch.tensor([[[0, 100, 255]]], dtype=torch.uint8), [1, 2])
    tensor([[[ 38, 197]]], dtype=torch.uint8)
    """
    mode, smooth = interpolation_mode(interpolation).value, ("bilinear", "bicubic")
    if not (isinstance(inpt, rl.Tensor) and inpt.dtype == rl.uint8 and mode in smooth):
        return _resize(inpt, size, interpolation, max_size, antialias)
    old = tuple(inpt.shape[-2:])
    new = resized_shape(old, size if isinstance(size, int) else list(size), max_size)
    if new == old or not inpt.numel():
        return _resize(inpt, size, interpolation, max_size, antialias)
    pictures = inpt.reshape(-1, inpt.shape[-3], *old)
    result = rl.nn.functional.interpolate(
        pictures, new, mode=mode, align_corners=False, antialias=bool(antialias)
    )
    return result.reshape(*inpt.shape[:-2], *new)


def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cut out a rectangle and resize it."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def erase(inpt: Any, i: int, j: int, h: int, w: int, v: rl.Tensor, inplace: bool = False) -> Any:
    """Put `v` in the rectangle with corner (i, j) and size (h, w), also of a PIL picture."""
    if isinstance(inpt, rl.Tensor):
        return _erase(inpt, i, j, h, w, v, inplace)
    return to_pil_image(_erase(pil_to_tensor(inpt), i, j, h, w, v, True), mode=inpt.mode)


def to_dtype(inpt: Any, dtype: Any = rl.float32, scale: bool = False) -> Any:
    """A picture in another data type; `scale` maps full brightness to full brightness.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.to_dtype(torch.tensor([[[255]]], dtype=torch.uint8), torch.float32, scale=True)
    tensor([[[1.]]])
    """
    return convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


def grayscale_to_rgb(inpt: Any) -> Any:
    """A picture of one channel with three; one that has three is given back."""
    if not isinstance(inpt, rl.Tensor):
        return inpt.convert("RGB")
    return inpt if inpt.shape[-3] >= 3 else rgb_to_grayscale(inpt, num_output_channels=3)


_explain_missing(__name__)
