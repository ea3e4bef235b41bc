"""Transforms of type: picture to tensor, bytes to floats, floats to standard units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F


class ToTensor:
    """Turn a Pillow image or an (H, W[, C]) array into a tensor (C, H, W); bytes into [0, 1].

    Raises: TypeError for anything else.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html

    >>> import numpy as np
    >>> from rushlight.vision.transforms import ToTensor
    >>> ToTensor()(np.array([[0, 255]], np.uint8)).tolist()
    [[[0.0, 1.0]]]
    """

    def __call__(self, pic: Any) -> rl.Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """Turn a Pillow image into a tensor (C, H, W) of its own type, without scaling.

    Raises: TypeError for anything else.

    >>> from PIL import Image
    >>> from rushlight.vision.transforms import PILToTensor
    >>> PILToTensor()(Image.new("RGB", (4, 2))).shape
    torch.Size([3, 2, 4])
    """

    def __call__(self, pic: Any) -> rl.Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """Turn a tensor (C, H, W) or an array (H, W[, C]) into a Pillow image of `mode`.

    Floats are taken as [0, 1]. Raises: TypeError, ValueError for other forms; ImportError without
    Pillow.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import ToPILImage
    >>> picture = ToPILImage()(torch.rand(3, 2, 4))
    >>> picture.size, picture.mode
    ((4, 2), 'RGB')
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class ConvertImageDtype(rl.nn.Module):
    """Change the type of a tensor picture and its range with it.

    Floats count from 0 to 1, whole numbers up to the largest of their type.
    Raises: RuntimeError for types that cannot hold the values (float32 to int64).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> to_float = transforms.ConvertImageDtype(torch.float32)
    >>> to_float(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        if not isinstance(dtype, rl.dtype):
            raise TypeError(f"Argument dtype should be a dtype, got {type(dtype).__name__}")
        self.dtype = dtype

    def forward(self, image: rl.Tensor) -> rl.Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(rl.nn.Module):
    """Return (x - mean) / std, channel by channel, of a float tensor (..., C, H, W).

    Raises: TypeError for integer tensors, ValueError for a zero in `std`.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.Normalize(mean=[0.5], std=[0.25])(torch.tensor([[[0.0, 0.5, 1.0]]]))
    tensor([[[-2.,  0.,  2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: rl.Tensor) -> rl.Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
