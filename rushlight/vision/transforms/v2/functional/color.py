"""What pixels show: brightness, colours, tones, blur and noise of pictures and videos."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ....io import is_pillow_image, pillow
from ....tv_tensors import Image
from ... import functional as first
from ...functional.color import GREY
from ...functional.convert import pil_to_tensor, to_pil_image
from ...functional.filters import smoothed
from ...functional.kinds import max_value
from .convert import to_dtype
from .dispatch import by_kind


def _blend(x: rl.Tensor, other: rl.Tensor, ratio: float) -> rl.Tensor:
    mixed = x.mul(float(ratio)).add(other, alpha=1.0 - ratio)
    return mixed.clamp(0, max_value(x.dtype)).to(x.dtype)


def _grey(x: rl.Tensor) -> rl.Tensor:
    """Luminance (..., 1, H, W) in floats, cut to whole numbers where the picture has such."""
    if x.shape[-3] == 1:
        return x if x.is_floating_point() else x.float()
    red, green, blue = x.unbind(-3)
    grey = red.mul(GREY[0]).add(green, alpha=GREY[1]).add(blue, alpha=GREY[2]).unsqueeze(-3)
    return grey if x.is_floating_point() else grey.floor()


def _check(x: rl.Tensor, name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")
    if x.shape[-3] not in (1, 3):
        raise TypeError("Input image tensor permitted channel values are 1 or 3, but found "
                        f"{x.shape[-3]}")  # fmt: skip


@by_kind()
def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """Blend with black: 0 is black, 1 the picture, 2 twice as bright.

    inpt: a picture or video (..., 1 or 3, H, W) or a Pillow image. Raises: ValueError below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.adjust_brightness(torch.tensor([[[0.25, 0.75]]]), 2.0)  # nothing is brighter than 1
    tensor([[[0.5000, 1.0000]]])
    """
    return first.adjust_brightness(inpt, brightness_factor)


@by_kind()
def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """Blend with the mean grey: 0 is plain grey, 1 the picture. Raises: ValueError below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.adjust_contrast(torch.tensor([[[0.25, 0.75]]]), 0.5)
    tensor([[[0.3750, 0.6250]]])
    """
    if not isinstance(inpt, rl.Tensor):
        return first.adjust_contrast(inpt, contrast_factor)
    _check(inpt, "contrast_factor", contrast_factor)
    return _blend(inpt, _grey(inpt).mean((-3, -2, -1), keepdim=True), contrast_factor)


@by_kind()
def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """Blend with the grey picture: 0 is grey, 1 the picture. Raises: ValueError below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.adjust_saturation(torch.tensor([[[1.0]], [[0.0]], [[0.0]]]), 0.0).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    if not isinstance(inpt, rl.Tensor):
        return first.adjust_saturation(inpt, saturation_factor)
    _check(inpt, "saturation_factor", saturation_factor)
    return inpt if inpt.shape[-3] == 1 else _blend(inpt, _grey(inpt), saturation_factor)


@by_kind()
def adjust_hue(inpt: Any, hue_factor: float) -> Any:
    """Turn the colour wheel by `hue_factor` of a full turn, -0.5 to 0.5. Raises: ValueError beyond.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> red = torch.tensor([[[1.0]], [[0.0]], [[0.0]]])
    >>> F.adjust_hue(red, 0.5).flatten()  # cyan stands opposite
    tensor([0., 1., 1.])
    """
    if not isinstance(inpt, rl.Tensor) or inpt.dtype == rl.float32:
        return first.adjust_hue(inpt, hue_factor)
    turned = first.adjust_hue(to_dtype(inpt, rl.float32, True), hue_factor)
    return to_dtype(turned, inpt.dtype, True)


@by_kind()
def adjust_gamma(inpt: Any, gamma: float, gain: float = 1) -> Any:
    """gain * x ** gamma, on the scale of 0 to 1. Raises: ValueError for a gamma below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.adjust_gamma(torch.tensor([[[0.25, 0.5]]]), gamma=2.0)
    tensor([[[0.0625, 0.2500]]])
    """
    if not isinstance(inpt, rl.Tensor) or inpt.is_floating_point():
        return first.adjust_gamma(inpt, gamma, gain)
    changed = first.adjust_gamma(to_dtype(inpt, rl.float32, True), gamma, gain)
    return to_dtype(changed, inpt.dtype, True)


@by_kind()
def adjust_sharpness(inpt: Any, sharpness_factor: float) -> Any:
    """Blur (0), keep (1) or sharpen (2); pixels at the edges stay. Raises: ValueError below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> x = torch.zeros(1, 3, 3)
    >>> x[0, 1, 1] = 1.0
    >>> F.adjust_sharpness(x, 0.0)[0, 1]
    tensor([0.0000, 0.3846, 0.0000])
    """
    if not isinstance(inpt, rl.Tensor):
        return first.adjust_sharpness(inpt, sharpness_factor)
    if inpt.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor can have 1 or 3 channels, but found {inpt.shape[-3]}")
    if sharpness_factor < 0:
        raise ValueError(f"sharpness_factor ({sharpness_factor}) is not non-negative.")
    if not inpt.numel() or min(inpt.shape[-2:]) <= 2:
        return inpt
    work = inpt if inpt.is_floating_point() else inpt.float()
    sharp = work.add(smoothed(inpt).to(work.dtype) - work, alpha=1.0 - sharpness_factor)
    return sharp.clamp(0, max_value(inpt.dtype)).to(inpt.dtype)


@by_kind(kinds=(Image,))
def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """Luminance 0.2989 R + 0.587 G + 0.114 B, in one channel or repeated in three.

    num_output_channels: 1 or 3. Raises: ValueError for others.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.rgb_to_grayscale(torch.tensor([[[1.0]], [[0.5]], [[0.0]]]))
    tensor([[[0.5924]]])
    """
    return first.rgb_to_grayscale(inpt, num_output_channels)


@by_kind(kinds=(Image,))
def grayscale_to_rgb(inpt: Any) -> Any:
    """A picture of one channel with three; one that has three is given back.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.grayscale_to_rgb(torch.zeros(1, 4, 5)).shape
    torch.Size([3, 4, 5])
    """
    if not isinstance(inpt, rl.Tensor):
        return inpt.convert("RGB")
    return inpt if inpt.shape[-3] >= 3 else first.rgb_to_grayscale(inpt, num_output_channels=3)


@by_kind()
def permute_channels(inpt: Any, permutation: Sequence[int]) -> Any:
    """The channels in another order.

    Raises: ValueError for an order of another length.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.permute_channels(torch.arange(3).view(3, 1, 1), [2, 0, 1]).flatten()
    tensor([2, 0, 1])
    """
    if is_pillow_image(inpt):
        return to_pil_image(permute_channels(pil_to_tensor(inpt), permutation))
    if len(permutation) != inpt.shape[-3]:
        raise ValueError(f"Length of permutation does not match number of channels: "
                         f"{len(permutation)} != {inpt.shape[-3]}")  # fmt: skip
    return inpt[..., rl.as_tensor(permutation), :, :]


@by_kind()
def invert(inpt: Any) -> Any:
    """White for black: the largest value less each pixel.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.invert(torch.tensor([[[0, 55, 255]]], dtype=torch.uint8))
    tensor([[[255, 200,   0]]], dtype=torch.uint8)
    """
    return first.invert(inpt)


@by_kind()
def posterize(inpt: Any, bits: int) -> Any:
    """Keep the highest `bits` bits of each number; floats fall on as many levels.

    Raises: TypeError for bits outside of 0..8.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.posterize(torch.tensor([[[7, 100, 255]]], dtype=torch.uint8), bits=2)
    tensor([[[  0,  64, 192]]], dtype=torch.uint8)
    """
    if not isinstance(inpt, rl.Tensor) or inpt.dtype == rl.uint8:
        return first.posterize(inpt, bits)
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    if inpt.is_floating_point():
        levels = 1 << bits
        return inpt.mul(levels).floor().clamp(0, levels - 1).mul(1.0 / levels)
    held = max_value(inpt.dtype).bit_length()
    return inpt if bits >= held else inpt & (((1 << bits) - 1) << (held - bits))


@by_kind()
def solarize(inpt: Any, threshold: float) -> Any:
    """Turn the tones from `threshold` on around. Raises: TypeError for one above white.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.solarize(torch.tensor([[[0.25, 0.75]]]), threshold=0.5)
    tensor([[[0.2500, 0.2500]]])
    """
    if isinstance(inpt, rl.Tensor) and threshold > max_value(inpt.dtype):
        raise TypeError("Threshold should be less or equal the maximum value of the dtype, but got "
                        f"{threshold}")  # fmt: skip
    return first.solarize(inpt, threshold)


@by_kind()
def autocontrast(inpt: Any) -> Any:
    """Spread each channel's numbers over the whole range; a channel of one tone stays.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.autocontrast(torch.tensor([[[0.25, 0.5, 0.75]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    return first.autocontrast(inpt)


@by_kind()
def equalize(inpt: Any) -> Any:
    """Make all tones of each channel about equally frequent, in steps of 1/256.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.equalize(torch.tensor([[[10, 20, 30, 40]]], dtype=torch.uint8))
    tensor([[[10, 20, 30, 40]]], dtype=torch.uint8)
    """
    if not isinstance(inpt, rl.Tensor) or inpt.dtype == rl.uint8:
        return first.equalize(inpt)
    return to_dtype(first.equalize(to_dtype(inpt, rl.uint8, True)), inpt.dtype, True)


@by_kind()
def gaussian_blur(inpt: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """Convolve with a normal density of deviation `sigma` (x, y); mirrored at the edges.

    kernel_size: odd, one number or (x, y); sigma: 0.15 kernel_size + 0.35 without it.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.gaussian_blur(torch.tensor([[[0.0, 1.0, 0.0]]]).expand(1, 3, 3), 3, 1.0)[0, 0]
    tensor([0.5481, 0.4519, 0.5481])
    """
    return first.gaussian_blur(inpt, kernel_size, sigma)


@by_kind()
def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """Add normal noise, in shares of white; `clip` holds the sum between black and white.

    Raises: ValueError for pictures that are neither floats nor bytes, or a deviation below 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.gaussian_noise(torch.zeros(3, 2, 2), mean=0.5, sigma=0.0).unique()
    tensor([0.5000])
    """
    if not isinstance(inpt, rl.Tensor):
        raise ValueError("Gaussian Noise is not implemented for PIL images.")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if inpt.is_floating_point():
        noisy = inpt + (mean + rl.randn_like(inpt) * sigma)
        return noisy.clamp(0, 1) if clip else noisy
    if inpt.dtype != rl.uint8:
        raise ValueError("Input tensor is expected to be in uint8 or float dtype, got "
                         f"dtype={inpt.dtype}")  # fmt: skip
    noise = mean * 255 + rl.randn_like(inpt, dtype=rl.float32) * (sigma * 255)
    noisy = inpt + noise.to(rl.int16)
    return (noisy.clamp(0, 255) if clip else noisy).to(rl.uint8)


@by_kind()
def normalize(inpt: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """(x - mean) / std, channel by channel, of a float picture.

    mean, std: a number for each channel. Raises: TypeError for whole numbers, ValueError for a
    deviation of 0.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.normalize(torch.tensor([[[0.5, 1.0]]]), mean=[0.5], std=[0.25])
    tensor([[[0., 2.]]])
    """
    return first.normalize(inpt, mean, std, inplace)


@by_kind()
def erase(inpt: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Put `v` in the rectangle with corner (i, j) and size (h, w), also of a PIL picture.

    inplace: write into the tensor that is given.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms.v2 import functional as F
    >>> F.erase(torch.zeros(1, 2, 3), i=0, j=1, h=1, w=2, v=torch.tensor(7.0))
    tensor([[[0., 7., 7.],
             [0., 0., 0.]]])
    """
    if isinstance(inpt, rl.Tensor):
        return first.erase(inpt, i, j, h, w, v, inplace)
    return to_pil_image(first.erase(pil_to_tensor(inpt), i, j, h, w, v, True), mode=inpt.mode)


@by_kind()
def jpeg(inpt: Any, quality: int) -> Any:
    """A picture of bytes as JPEG of a quality (1 to 100) brings it back, by Pillow.

    Raises: RuntimeError for tensors of another type.
    """
    if is_pillow_image(inpt):
        file = io.BytesIO()
        inpt.save(file, format="JPEG", quality=quality)
        return pillow().open(file).copy()
    if inpt.dtype != rl.uint8:
        raise RuntimeError("Input tensor dtype should be uint8")
    pictures = inpt.reshape(-1, *inpt.shape[-3:])
    found = [pil_to_tensor(jpeg(to_pil_image(one), quality)) for one in pictures]
    return rl.stack(found).reshape(inpt.shape) if found else inpt.clone()
