"""From pictures to tensors and back; data types and normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ...io import is_pillow_image, pillow
from .kinds import from_array, max_value

_PILLOW_DTYPES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def to_tensor(pic: Any) -> rl.Tensor:
    """Turn a Pillow image or an (H, W[, C]) array into a tensor (C, H, W).

    Bytes become the default float type in [0, 1]; other types keep their values.
    Raises: TypeError for anything else, ValueError for arrays of other dimensions.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.ToTensor.html

    >>> import numpy as np
    >>> from rushlight.vision.transforms import functional as F
    >>> F.to_tensor(np.zeros((4, 5, 3), np.uint8)).shape
    torch.Size([3, 4, 5])
    """
    if isinstance(pic, np.ndarray):
        tensor = from_array(pic)
    elif is_pillow_image(pic):
        if pic.mode == "1":
            return from_array(np.array(pic, np.uint8)).to(rl.get_default_dtype())
        tensor = from_array(np.array(pic, _PILLOW_DTYPES.get(pic.mode, np.uint8)))
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if tensor.dtype == rl.uint8:
        return tensor.to(rl.get_default_dtype()).div(255)
    return tensor


def pil_to_tensor(pic: Any) -> rl.Tensor:
    """Turn a Pillow image (or a NumPy picture) into a tensor (C, H, W) without scaling.

    The channels of a Pillow image stay together in memory, as in torchvision: only the view turns.

    >>> import numpy as np
    >>> from rushlight.vision.transforms import functional as F
    >>> F.pil_to_tensor(np.array([[0, 255]], np.uint8))
    tensor([[[  0, 255]]], dtype=torch.uint8)
    """
    if isinstance(pic, np.ndarray):
        return from_array(pic)
    if not is_pillow_image(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    array = np.array(pic)
    if array.dtype == np.uint16:
        array = array.astype(np.int32)
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    return rl.from_numpy(array if array.ndim == 3 else array[:, :, None]).permute(2, 0, 1)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Turn a tensor (C, H, W) or an array (H, W[, C]) into a Pillow image.

    Floating tensors are taken as [0, 1]. `mode` names Pillow's mode where the shape and type
    leave a choice.
    Raises: TypeError, ValueError as torchvision; ImportError without Pillow.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.to_pil_image(torch.tensor([[[0.0, 1.0]]])).getpixel((1, 0))
    255
    """
    if isinstance(pic, rl.Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        planes = pic if pic.ndim == 3 else pic[None]
        if planes.shape[0] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {planes.shape[0]} channels.")
        array = planes.detach().numpy().transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        array = pic if pic.ndim == 3 else pic[:, :, None]
        if array.shape[2] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {array.shape[2]} channels.")
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if isinstance(pic, rl.Tensor) and np.issubdtype(array.dtype, np.floating) and mode != "F":
        # by way of int64, since C leaves open what a negative float is as a byte
        array = (array * 255).astype(np.int64).astype(np.uint8)
    return _from_pixels(np.ascontiguousarray(array), mode)


_MODES = {
    1: {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"},
    2: {"uint8": "LA"},
    3: {"uint8": "RGB"},
    4: {"uint8": "RGBA"},
}
_CHOICES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}


def _from_pixels(array: np.ndarray, mode: str | None) -> Any:
    channels = array.shape[2]
    natural = _MODES[channels].get(array.dtype.name)
    if natural is None:
        raise TypeError(f"Input type {array.dtype} is not supported")
    if channels == 1:
        if mode is not None and mode != natural:
            raise ValueError(
                f"Incorrect mode ({mode}) supplied for input type {array.dtype}. "
                f"Should be {natural}"
            )
        pixels = array[:, :, 0]
        return pillow().fromarray(pixels.astype(np.uint16) if natural == "I;16" else pixels)
    if mode is not None and mode not in _CHOICES[channels]:
        raise ValueError(f"Only modes {_CHOICES[channels]} are supported for {channels}D inputs")
    size = array.shape[1::-1]
    return pillow().frombytes(mode or natural, size, array.tobytes())


def convert_image_dtype(image: rl.Tensor, dtype: Any = rl.float32) -> rl.Tensor:
    """Change the type of a picture and its range with it: bytes 0..255, floats 0..1.

    Raises: RuntimeError where an integer type is finer than the float can be.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.convert_image_dtype(torch.tensor([0.0, 0.5, 1.0]), torch.uint8)
    tensor([  0, 127, 255], dtype=torch.uint8)
    """
    if not isinstance(image, rl.Tensor):
        raise TypeError("Input img should be Tensor Image")
    if image.dtype == dtype:
        return image
    floating = dtype.is_floating_point
    if image.is_floating_point():
        if floating:
            return image.to(dtype)
        coarse = (image.dtype == rl.float32 and dtype in (rl.int32, rl.int64)) or (
            image.dtype == rl.float64 and dtype == rl.int64
        )
        if coarse:
            raise RuntimeError(
                f"The cast from {image.dtype} to {dtype} cannot be performed safely."
            )
        # almost max + 1, so that each integer gets an equal share of [0, 1]
        return image.mul(max_value(dtype) + 1.0 - 1e-3).to(dtype)
    if floating:
        return image.to(dtype) / max_value(image.dtype)
    old, new = max_value(image.dtype), max_value(dtype)
    if old > new:
        return rl.div(image, (old + 1) // (new + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new + 1) // (old + 1))


def normalize(
    tensor: rl.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> rl.Tensor:
    """Return (tensor - mean) / std, channel by channel, of a tensor (..., C, H, W).

    Raises: TypeError for integer tensors, ValueError for a zero in `std`.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.normalize(torch.tensor([[[0.0, 0.5, 1.0]]]), mean=[0.5], std=[0.5])
    tensor([[[-1.,  0.,  1.]]])
    """
    if not isinstance(tensor, rl.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). "
            f"Got tensor.size() = {tensor.size()}"
        )
    center = rl.as_tensor(mean, dtype=tensor.dtype)
    spread = rl.as_tensor(std, dtype=tensor.dtype)
    if bool((spread == 0).any()):
        raise ValueError(
            f"std evaluated to zero after conversion to {tensor.dtype}, "
            "leading to division by zero."
        )
    center = center.view(-1, 1, 1) if center.ndim == 1 else center
    spread = spread.view(-1, 1, 1) if spread.ndim == 1 else spread
    if inplace:
        return tensor.sub_(center).div_(spread)
    return (tensor - center) / spread
