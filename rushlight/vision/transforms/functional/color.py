"""What pixels show: brightness, contrast, saturation, hue, grey."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from ....core.errors import fail
from ...io import is_pillow_image, pillow
from .convert import convert_image_dtype
from .kinds import get_dimensions, max_value, on_tensor

GREY = (0.2989, 0.587, 0.114)


def check_channels(x: rl.Tensor, permitted: tuple[int, ...] = (1, 3)) -> None:
    channels = get_dimensions(x)[0]
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, "
            f"but found {channels}"
        )


def _check_factor(name: str, value: float) -> None:
    if value < 0:
        raise ValueError(f"{name} ({value}) is not non-negative.")


def blend(x: rl.Tensor, other: rl.Tensor | float, ratio: float) -> rl.Tensor:
    mixed = float(ratio) * x + (1.0 - float(ratio)) * other
    return mixed.clamp(0, max_value(x.dtype)).to(x.dtype)


def enhance(img: Any, name: str, factor: float) -> Any:
    return getattr(pillow("ImageEnhance"), name)(img).enhance(factor)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Luminance 0.2989 R + 0.587 G + 0.114 B, in one channel or repeated in three.

    Raises: ValueError for other numbers of channels, TypeError for a tensor of fewer than three
    dimensions.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.rgb_to_grayscale(torch.tensor([[[1.0]], [[0.0]], [[0.0]]]))
    tensor([[[0.2989]]])
    """
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    if is_pillow_image(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow().merge("RGB", (grey,) * 3)
    return on_tensor(img, lambda x: _grey(x, num_output_channels))


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The same for PIL pictures alone. Raises: TypeError for tensors.

    >>> from PIL import Image
    >>> from rushlight.vision.transforms import functional as F
    >>> F.to_grayscale(Image.new("RGB", (1, 1), (255, 0, 0))).getpixel((0, 0))
    76
    """
    if isinstance(img, rl.Tensor):
        raise fail(TypeError, "Input should be PIL Image", "tensors: rgb_to_grayscale(img)")
    return rgb_to_grayscale(img, num_output_channels)


def _grey(x: rl.Tensor, channels: int) -> rl.Tensor:
    if x.ndim < 3:
        raise TypeError(f"Input image tensor should have at least 3 dimensions, but found {x.ndim}")
    check_channels(x)
    if x.shape[-3] == 3:
        red, green, blue = x.unbind(-3)
        grey = (GREY[0] * red + GREY[1] * green + GREY[2] * blue).to(x.dtype).unsqueeze(-3)
    else:
        grey = x.clone()
    return grey.expand(*x.shape[:-3], 3, *x.shape[-2:]) if channels == 3 else grey


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Blend with black: 0 is black, 1 the picture, 2 twice as bright.

    Shapes: (..., 1 or 3, H, W), or a Pillow image. Raises: ValueError for a negative factor,
    TypeError for other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_brightness(torch.tensor([[[0.2, 0.8]]]), 2)
    tensor([[[0.4000, 1.0000]]])
    """
    _check_factor("brightness_factor", brightness_factor)
    if is_pillow_image(img):
        return enhance(img, "Brightness", brightness_factor)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        return blend(x, 0.0, brightness_factor)

    return on_tensor(img, change)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Blend with the mean grey: 0 is plain grey, 1 the picture.

    Shapes: (..., 1 or 3, H, W), or a Pillow image. Raises: ValueError for a negative factor,
    TypeError for other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_contrast(torch.tensor([[[0.2, 0.6]]]), 0.5)
    tensor([[[0.3000, 0.5000]]])
    """
    _check_factor("contrast_factor", contrast_factor)
    if is_pillow_image(img):
        return enhance(img, "Contrast", contrast_factor)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        dtype = x.dtype if x.is_floating_point() else rl.float32
        grey = _grey(x, 1) if get_dimensions(x)[0] == 3 else x
        dims = (-3, -2, -1) if x.ndim > 2 else (-2, -1)
        return blend(x, grey.to(dtype).mean(dims, keepdim=True), contrast_factor)

    return on_tensor(img, change)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Blend with the grey picture: 0 is grey, 1 the picture.

    Shapes: (..., 1 or 3, H, W), or a Pillow image. Raises: ValueError for a negative factor,
    TypeError for other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_saturation(torch.tensor([[[1.0]], [[0.0]], [[0.0]]]), 0.5).flatten()
    tensor([0.6495, 0.1495, 0.1495])
    """
    _check_factor("saturation_factor", saturation_factor)
    if is_pillow_image(img):
        return enhance(img, "Color", saturation_factor)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        if get_dimensions(x)[0] == 1:
            return x
        return blend(x, _grey(x, 1), saturation_factor)

    return on_tensor(img, change)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the colour wheel by `hue_factor` of a full turn, -0.5 to 0.5.

    Raises: ValueError for other factors.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_hue(torch.tensor([[[1.0]], [[0.0]], [[0.0]]]), 0.5).flatten()
    tensor([0., 1., 1.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if is_pillow_image(img):
        return _turn_pillow_hue(img, hue_factor)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        if get_dimensions(x)[0] == 1:
            return x
        hue, saturation, value = _rgb_to_hsv(convert_image_dtype(x, rl.float32))
        turned = _hsv_to_rgb((hue + hue_factor) % 1.0, saturation, value)
        return convert_image_dtype(turned, x.dtype)

    return on_tensor(img, change)


def _turn_pillow_hue(img: Any, hue_factor: float) -> Any:
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    # hue is a byte that wraps around
    turn = int(hue_factor * 255) % 256
    turned = pillow().fromarray(np.asarray(hue) + np.uint8(turn))
    return pillow().merge("HSV", (turned, saturation, value)).convert(img.mode)


def _rgb_to_hsv(x: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor, rl.Tensor]:
    """Hue, saturation and value of (..., 3, H, W), each in [0, 1]; grey has hue 0."""
    red, green, blue = x.unbind(-3)
    high, low = x.amax(-3), x.amin(-3)
    spread = high - low
    grey = spread == 0
    saturation = spread / rl.where(grey, 1.0, high)
    safe = rl.where(grey, 1.0, spread)
    # sixths of a turn, measured from the strongest colour
    from_red = (green - blue) / safe
    from_green = 2.0 + (blue - red) / safe
    from_blue = 4.0 + (red - green) / safe
    sixths = rl.where(high == red, from_red, rl.where(high == green, from_green, from_blue))
    return (sixths / 6.0 + 1.0) % 1.0, saturation, high


def _hsv_to_rgb(hue: rl.Tensor, saturation: rl.Tensor, value: rl.Tensor) -> rl.Tensor:
    """Back to (..., 3, H, W): each channel falls off with its distance from the hue."""
    planes = []
    for offset in (5.0, 3.0, 1.0):
        position = (offset + hue * 6.0) % 6.0
        distance = rl.minimum(position, 4.0 - position).clamp(0.0, 1.0)
        planes.append((value - value * saturation * distance).clamp(0.0, 1.0))
    return rl.stack(planes, -3)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """Return gain * img ** gamma, on the scale of 0 to 1.

    Raises: ValueError for a negative gamma.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_gamma(torch.tensor([[[0.25, 1.0]]]), 0.5)
    tensor([[[0.5000, 1.0000]]])
    """
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if is_pillow_image(img):
        table = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
        mode = img.mode
        return img.convert("RGB").point(table * 3).convert(mode)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        scaled = x if x.is_floating_point() else convert_image_dtype(x, rl.float32)
        return convert_image_dtype((gain * scaled**gamma).clamp(0, 1), x.dtype)

    return on_tensor(img, change)


def invert(img: Any) -> Any:
    """White for black: the largest value less each pixel.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.invert(torch.tensor([[[0.0, 0.25]]]))
    tensor([[[1.0000, 0.7500]]])
    """
    if is_pillow_image(img):
        return pillow("ImageOps").invert(img)
    return on_tensor(img, lambda x: max_value(x.dtype) - x)
