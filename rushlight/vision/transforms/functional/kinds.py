"""The three kinds of picture a transform accepts, and the way from one to another.

A picture is a Pillow image, a tensor (..., channels, height, width), or, where Pillow is not
installed, a NumPy array (height, width) or (height, width, channels). Arrays are turned into
tensors, transformed, and turned back.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ...io import is_pillow_image


class InterpolationMode(enum.Enum):
    """Ways to find values between pixels; box, hamming and lanczos work on Pillow images.

    >>> from rushlight.vision.transforms import InterpolationMode
    >>> InterpolationMode("bilinear")
    <InterpolationMode.BILINEAR: 'bilinear'>
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# the numbers Pillow gives its filters
PILLOW_NUMBERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def interpolation_mode(value: InterpolationMode | int) -> InterpolationMode:
    """Accept Pillow's number for a mode, as torchvision does."""
    if isinstance(value, InterpolationMode):
        return value
    for name, number in PILLOW_NUMBERS.items():
        if type(value) is int and value == number:
            return InterpolationMode(name)
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding "
        "Pillow integer constant"
    )


def on_tensor(img: Any, change: Callable[[rl.Tensor], rl.Tensor]) -> Any:
    """Apply `change` to a tensor, or to an array by way of a tensor."""
    if isinstance(img, rl.Tensor):
        if img.ndim < 2:
            raise TypeError("Tensor is not a torch image.")
        return change(img)
    if isinstance(img, np.ndarray):
        return to_array(change(from_array(img)), img.ndim)
    raise TypeError(
        f"img should be PIL Image, Tensor or ndarray. Got {type(img)}. "
        "Try transforms.ToTensor() before this step"
    )


def from_array(array: np.ndarray) -> rl.Tensor:
    """(H, W) or (H, W, C) array to a tensor (C, H, W)."""
    if array.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return rl.from_numpy(np.array(planes, order="C"))


def to_array(tensor: rl.Tensor, ndim: int) -> np.ndarray:
    """Tensor (C, H, W) to an array (H, W, C), or (H, W) when it came from one."""
    array = tensor.numpy()
    if ndim == 2 and array.shape[0] == 1:
        return np.ascontiguousarray(array[0])
    return np.ascontiguousarray(array.transpose(1, 2, 0))


def get_dimensions(img: Any) -> list[int]:
    """Return [channels, height, width] of a picture.

    Raises: TypeError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_dimensions(torch.zeros(3, 10, 20))
    [3, 10, 20]
    """
    if is_pillow_image(img):
        return [len(img.getbands()), img.height, img.width]
    if isinstance(img, np.ndarray):
        return [img.shape[2] if img.ndim == 3 else 1, *img.shape[:2]]
    if isinstance(img, rl.Tensor) and img.ndim >= 2:
        return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]
    raise TypeError(f"Unexpected type {type(img)}")


def get_image_size(img: Any) -> list[int]:
    """Return [width, height] of a picture.

    Raises: TypeError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_image_size(torch.zeros(3, 10, 20))
    [20, 10]
    """
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """Return the number of channels of a picture.

    Raises: TypeError for anything else.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.get_image_num_channels(torch.zeros(3, 10, 20))
    3
    """
    return get_dimensions(img)[0]


def pair(size: int | Sequence[int], error_msg: str) -> tuple[int, int]:
    """Spell out a size: one number means a square."""
    if isinstance(size, int | float):
        return int(size), int(size)
    if len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(error_msg)
    return size[0], size[1]


def max_value(dtype: Any) -> int:
    """The value that means white in pictures of `dtype`."""
    whole = {
        rl.uint8: 255,
        rl.int8: 127,
        rl.int16: 32767,
        rl.uint16: 65535,
        rl.int32: 2147483647,
        rl.int64: 9223372036854775807,
    }
    return whole.get(dtype, 1)
