"""Pictures blurred, sharpened, and their tones spread or reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ...io import is_pillow_image, pillow
from .color import blend, check_channels, enhance
from .convert import pil_to_tensor, to_pil_image
from .kinds import max_value, on_tensor

F = rl.nn.functional


def _bell(size: int, sigma: float, dtype: Any) -> rl.Tensor:
    """A normal density at `size` whole numbers about 0, with sum 1."""
    half = (size - 1) * 0.5
    x = rl.linspace(-half, half, size, dtype=dtype)
    y = rl.exp(-0.5 * (x / sigma).pow(2))
    return y / y.sum()


def _filtered(x: rl.Tensor, kernel: rl.Tensor) -> rl.Tensor:
    """Each channel convolved with a kernel, without borders; whole numbers are rounded."""
    batch = x.reshape(-1, *x.shape[-3:]).to(kernel.dtype)
    channels = batch.shape[1]
    y = F.conv2d(batch, kernel.expand(channels, 1, *kernel.shape), groups=channels)
    y = y if x.is_floating_point() else y.round()
    return y.to(x.dtype).reshape(*x.shape[:-2], *y.shape[-2:])


def gaussian_blur(
    img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Any:
    """Convolve a picture with a normal density of deviation `sigma` (x, y); mirrored at its edges.

    Without sigma: 0.15 of the kernel's size and 0.35. Raises: TypeError, ValueError as torchvision.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.gaussian_blur.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.gaussian_blur(torch.tensor([[[0.0, 0.0, 1.0, 0.0, 0.0]]]), (3, 1), 1.0)
    tensor([[[0.0000, 0.2741, 0.4519, 0.2741, 0.0000]]])
    """
    if not isinstance(kernel_size, int | list | tuple):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        widths = [size * 0.15 + 0.35 for size in sizes]
    elif isinstance(sigma, int | float):
        widths = [float(sigma)] * 2
    elif isinstance(sigma, list | tuple):
        widths = [float(s) for s in sigma] * (2 if len(sigma) == 1 else 1)
        if len(widths) != 2:
            raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(widths)}")
    else:
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    if any(width <= 0 for width in widths):
        raise ValueError(f"sigma should have positive values. Got {widths}")
    if is_pillow_image(img):
        return to_pil_image(_blurred(pil_to_tensor(img), sizes, widths), mode=img.mode)
    return on_tensor(img, lambda x: _blurred(x, sizes, widths))


def _blurred(x: rl.Tensor, sizes: Sequence[int], widths: Sequence[float]) -> rl.Tensor:
    dtype = x.dtype if x.is_floating_point() else rl.float32
    across, down = (_bell(size, width, dtype) for size, width in zip(sizes, widths))
    edges = [sizes[0] // 2, sizes[0] // 2, sizes[1] // 2, sizes[1] // 2]
    wide = F.pad(x.reshape(-1, *x.shape[-3:]).to(dtype), edges, mode="reflect")
    y = _filtered(wide, down[:, None] @ across[None])
    y = y if x.is_floating_point() else y.round()
    return y.to(x.dtype).reshape(x.shape)


def smoothed(x: rl.Tensor) -> rl.Tensor:
    """A picture of which every pixel but those of the edge is a mean of nine, itself five times."""
    kernel = rl.ones(3, 3, dtype=x.dtype if x.is_floating_point() else rl.float32)
    kernel[1, 1] = 5.0
    smooth = x.clone()
    smooth[..., 1:-1, 1:-1] = _filtered(x, kernel / kernel.sum())
    return smooth


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Blur (0), keep (1) or sharpen (2) a picture.

    Raises: ValueError for a negative factor.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.adjust_sharpness(torch.eye(3)[None], 0)[0, 1]
    tensor([0.0000, 0.5385, 0.0000])
    """
    if is_pillow_image(img):
        return enhance(img, "Sharpness", sharpness_factor)
    if sharpness_factor < 0:
        raise ValueError(f"sharpness_factor ({sharpness_factor}) is not non-negative.")

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        if x.shape[-1] <= 2 or x.shape[-2] <= 2:
            return x
        return blend(x, smoothed(x), sharpness_factor)

    return on_tensor(img, change)


def posterize(img: Any, bits: int) -> Any:
    """Keep the highest `bits` bits of each number.

    Raises: TypeError for tensors that are not uint8.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.posterize(torch.tensor([[[63, 100, 255]]], dtype=torch.uint8), 2)
    tensor([[[  0,  64, 192]]], dtype=torch.uint8)
    """
    if is_pillow_image(img):
        return pillow("ImageOps").posterize(img, bits)

    def change(x: rl.Tensor) -> rl.Tensor:
        if x.dtype is not rl.uint8:
            raise TypeError(f"Only torch.uint8 image tensors are supported, but found {x.dtype}")
        check_channels(x)
        return x & (256 - 2 ** (8 - bits))

    return on_tensor(img, change)


def solarize(img: Any, threshold: float) -> Any:
    """Turn the tones from `threshold` on around.

    Raises: TypeError for a threshold above the largest value.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.solarize(torch.tensor([[[0.25, 0.75]]]), 0.5)
    tensor([[[0.2500, 0.2500]]])
    """
    if is_pillow_image(img):
        return pillow("ImageOps").solarize(img, threshold)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        if threshold > max_value(x.dtype):
            raise TypeError("Threshold should be less than bound of img.")
        return rl.where(x >= threshold, max_value(x.dtype) - x, x)

    return on_tensor(img, change)


def autocontrast(img: Any) -> Any:
    """Spread each channel's numbers over the whole range.

    Shapes: (..., 1 or 3, H, W), or a Pillow image. Raises: TypeError for other channels.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.autocontrast(torch.tensor([[[0.4, 0.5, 0.6]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    if is_pillow_image(img):
        return pillow("ImageOps").autocontrast(img)

    def change(x: rl.Tensor) -> rl.Tensor:
        check_channels(x)
        bound = max_value(x.dtype)
        y = x if x.is_floating_point() else x.to(rl.float32)
        low, high = y.amin((-2, -1), keepdim=True), y.amax((-2, -1), keepdim=True)
        scale = bound / (high - low)
        flat = ~rl.isfinite(scale)
        low, scale = low.masked_fill(flat, 0.0), scale.masked_fill(flat, 1.0)
        return ((y - low) * scale).clamp(0, bound).to(x.dtype)

    return on_tensor(img, change)


def _equalised(plane: rl.Tensor) -> rl.Tensor:
    counts = rl.bincount(plane.reshape(-1).long(), minlength=256)
    used = counts[counts != 0]
    step = int(used[:-1].sum()) // 255
    if step == 0:
        return plane
    table = (counts.cumsum(0) + step // 2) // step
    table = F.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[plane.long()].to(rl.uint8)


def equalize(img: Any) -> Any:
    """Make all tones of each channel about equally frequent.

    Raises: TypeError for tensors that are not uint8.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> grey = torch.tensor([100, 101, 102], dtype=torch.uint8).repeat(1, 1, 500)
    >>> F.equalize(grey)[..., :3]
    tensor([[[  0, 167, 255]]], dtype=torch.uint8)
    """
    if is_pillow_image(img):
        return pillow("ImageOps").equalize(img)

    def change(x: rl.Tensor) -> rl.Tensor:
        if x.dtype is not rl.uint8:
            raise TypeError(f"Only torch.uint8 image tensors are supported, but found {x.dtype}")
        check_channels(x)
        planes = x.reshape(-1, *x.shape[-2:])
        return rl.stack([_equalised(plane) for plane in planes]).reshape(x.shape)

    return on_tensor(img, change)
