"""From one kind and type of picture to another, and how large things are."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from ....io import is_pillow_image
from ....tv_tensors import Image, Video
from ... import functional as first
from ...functional.convert import pil_to_tensor
from ...functional.kinds import max_value
from .dispatch import by_kind


def _with_type(inpt: Any, dtype: Any = rl.float32, scale: bool = False) -> Any:
    return inpt.to(dtype)


@by_kind(mask=_with_type, boxes=_with_type, points=_with_type)
def to_dtype(inpt: Any, dtype: Any = rl.float32, scale: bool = False) -> Any:
    """Another data type; `scale` maps full brightness to full brightness, of pictures alone.

    Raises: RuntimeError where an integer type is finer than the float can be.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.to_dtype(torch.tensor([[[255]]], dtype=torch.uint8), torch.float32, scale=True)
    tensor([[[1.]]])
    """
    if not isinstance(inpt, rl.Tensor):
        raise TypeError(f"Functional F.to_dtype supports tensors, but got {type(inpt)} instead.")
    if inpt.dtype == dtype:
        return inpt
    if not scale:
        return inpt.to(dtype)
    if inpt.is_floating_point() and not dtype.is_floating_point:
        whole = (rl.int64,) if inpt.dtype == rl.float64 else (rl.int32, rl.int64)
        if inpt.dtype in (rl.float32, rl.float64) and dtype in whole:
            raise RuntimeError(
                f"The conversion from {inpt.dtype} to {dtype} cannot be performed safely."
            )
    if dtype.is_floating_point and not inpt.is_floating_point():
        return inpt.to(dtype).mul_(1.0 / max_value(inpt.dtype))
    return first.convert_image_dtype(inpt, dtype)


def convert_image_dtype(image: Any, dtype: Any = rl.float32) -> Any:
    """`to_dtype` with the range that belongs to the type: bytes in 0 to 255, floats in 0 to 1.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.convert_image_dtype(torch.tensor([[[0, 51, 255]]], dtype=torch.uint8))
    tensor([[[0.0000, 0.2000, 1.0000]]])
    """
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Any:
    """A picture of any kind, an array (H, W) or (H, W, C) among them, as tv_tensors.Image.

    Raises: TypeError for what is none.

    >>> import numpy as np
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.to_image(np.zeros((4, 5, 3), np.uint8)).shape
    torch.Size([3, 4, 5])
    """
    if isinstance(inpt, np.ndarray):
        array = np.atleast_3d(inpt).transpose(2, 0, 1)
        return Image(rl.from_numpy(np.ascontiguousarray(array)))
    if not (is_pillow_image(inpt) or isinstance(inpt, rl.Tensor)):
        raise TypeError("Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
                        f"{type(inpt)} instead.")  # fmt: skip
    return Image(pil_to_tensor(inpt) if is_pillow_image(inpt) else inpt)


def _canvas(inpt: Any) -> list[int]:
    return list(inpt.canvas_size)


@by_kind()
def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width] of a picture.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.get_dimensions(torch.zeros(3, 4, 5))
    [3, 4, 5]
    """
    return first.get_dimensions(inpt)


@by_kind()
def get_num_channels(inpt: Any) -> int:
    """How many channels a picture has.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.get_num_channels(torch.zeros(3, 4, 5))
    3
    """
    return first.get_image_num_channels(inpt)


@by_kind(mask=lambda mask: list(mask.shape[-2:]), boxes=_canvas, points=_canvas)
def get_size(inpt: Any) -> list[int]:
    """[height, width] of a picture, or of the one that boxes and points belong to.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.get_size(torch.zeros(3, 4, 5))
    [4, 5]
    """
    return first.get_dimensions(inpt)[1:]


@by_kind(kinds=(Video,))
def get_num_frames(inpt: Any) -> int:
    """How many pictures (..., T, C, H, W) a video has.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.get_num_frames(torch.vision.tv_tensors.Video(torch.zeros(7, 3, 4, 5)))
    7
    """
    return inpt.shape[-4]


@by_kind(kinds=(Video,))
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """`num_samples` pictures of a video (..., T, C, H, W), as evenly apart as may be.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> film = torch.arange(5.0).view(5, 1, 1, 1)
    >>> F.uniform_temporal_subsample(film, 3).flatten()
    tensor([0., 2., 4.])
    """
    places = rl.linspace(0, inpt.shape[-4] - 1, num_samples).long()
    return inpt.index_select(-4, places)
