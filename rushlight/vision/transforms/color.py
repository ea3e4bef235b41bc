"""Transforms of colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F

Range = tuple[float, float]


def _range(
    name: str,
    value: float | Sequence[float],
    center: float = 1,
    bound: Range = (0, float("inf")),
    clip: bool = True,
) -> Range | None:
    """Spell out an amount as (low, high); None when it changes nothing."""
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - float(value), center + float(value)
        low = max(low, 0.0) if clip else low
    elif isinstance(value, tuple | list) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {[low, high]}.")
    return None if low == high == center else (low, high)


def draw(amount: Range | None) -> float | None:
    return None if amount is None else float(rl.empty(1).uniform_(*amount))


class ColorJitter(rl.nn.Module):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Draws: `randperm(4)` for the order, then one number for each that is not None.
    Each argument is an amount (factors from 1 - amount to 1 + amount; for hue, plus or minus
    the amount, at most 0.5) or a pair (low, high).

    >>> from rushlight.vision import transforms
    >>> transforms.ColorJitter(brightness=0.4, hue=(0, 0.1))
    ColorJitter(brightness=(0.6, 1.4), contrast=None, saturation=None, hue=(0.0, 0.1))
    """

    def __init__(
        self,
        brightness: float | Range = 0,
        contrast: float | Range = 0,
        saturation: float | Range = 0,
        hue: float | Range = 0,
    ) -> None:
        super().__init__()
        self.brightness = _range("brightness", brightness)
        self.contrast = _range("contrast", contrast)
        self.saturation = _range("saturation", saturation)
        self.hue = _range("hue", hue, center=0, bound=(-0.5, 0.5), clip=False)

    @staticmethod
    def get_params(
        brightness: Range | None,
        contrast: Range | None,
        saturation: Range | None,
        hue: Range | None,
    ) -> tuple[rl.Tensor, float | None, float | None, float | None, float | None]:
        """Draw the order and the four factors."""
        order = rl.randperm(4)
        return order, draw(brightness), draw(contrast), draw(saturation), draw(hue)

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for number in order.tolist():
            factor = factors[number]
            if factor is not None:
                img = changes[number](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(rl.nn.Module):
    """Turn to grey, in one channel or three equal ones.

    Raises: ValueError for other numbers of channels, TypeError for a tensor of other channels than
    1 and 3.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.Grayscale()(torch.ones(3, 2, 2)).shape
    torch.Size([1, 2, 2])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(rl.nn.Module):
    """Turn to grey with probability `p` (one `rand(1)`), keeping the number of channels.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomGrayscale(p=1)(torch.tensor([[[1.0]], [[0.0]], [[0.0]]])).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        channels = F.get_image_num_channels(img)
        return F.rgb_to_grayscale(img, channels) if rl.rand(1) < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomInvert(rl.nn.Module):
    """White for black with probability `p` (one `rand(1)`).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomInvert(p=1)(torch.tensor([[[0, 200]]], dtype=torch.uint8))
    tensor([[[255,  55]]], dtype=torch.uint8)
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.invert(img) if rl.rand(1).item() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"
