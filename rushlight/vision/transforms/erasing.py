"""Cover a random rectangle."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from ...core.errors import fail
from . import functional as F
from .functional.geometry import ERASES_TENSORS


def draw_patch(
    channels: int,
    height: int,
    width: int,
    scale: Sequence[float],
    ratio: Sequence[float],
    value: Sequence[float] | None,
) -> tuple[int, int, int, int, rl.Tensor] | None:
    """(top, left, height, width, what to put there); None where none fits in ten tries."""
    low, high = rl.log(rl.tensor(ratio)).tolist()
    for _ in range(10):
        area = height * width * float(rl.empty(1).uniform_(scale[0], scale[1]).item())
        aspect = float(rl.exp(rl.empty(1).uniform_(low, high)).item())
        h = round(math.sqrt(area * aspect))
        w = round(math.sqrt(area / aspect))
        if not (h < height and w < width):
            continue
        if value is None:
            patch = rl.empty([channels, h, w], dtype=rl.float32).normal_()
        else:
            patch = rl.tensor(list(value))[:, None, None]
        top = int(rl.randint(0, height - h + 1, size=(1,)).item())
        left = int(rl.randint(0, width - w + 1, size=(1,)).item())
        return top, left, h, w, patch
    return None


class RandomErasing(rl.nn.Module):
    """Cover a random rectangle of a tensor picture with probability `p`.

    Draws: `rand(1)`; then, up to ten times until it fits, the share of the area from `scale`
    and the logarithm of the height-to-width ratio from `ratio`, the noise for
    `value="random"`, the corner.
    `value` is one number, one per channel, or "random" for normal noise.
    Raises: TypeError, ValueError for arguments of other forms.
    Source: Z. Zhong et al., 2017, https://arxiv.org/abs/1708.04896

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> cover = transforms.RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1))
    >>> cover(torch.ones(1, 8, 8)).sum()
    tensor(48.)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, int | float | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if not isinstance(scale, tuple | list):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, tuple | list):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: rl.Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, rl.Tensor]:
        """Draw (top, left, height, width, what to put there)."""
        channels, height, width = F.get_dimensions(img)
        place = draw_patch(channels, height, width, scale, ratio, value)
        return (0, 0, height, width, img) if place is None else place

    def forward(self, img: Any) -> Any:
        if not rl.rand(1) < self.p:
            return img
        if not isinstance(img, rl.Tensor):
            name = type(img).__name__
            raise fail(AttributeError, f"{name!r} object has no attribute 'shape'", ERASES_TENSORS)
        channels = F.get_image_num_channels(img)
        value = None if isinstance(self.value, str) else self.value
        values = [value] if isinstance(value, int | float) else value and list(value)
        if values is not None and len(values) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels)"
            )
        place = self.get_params(img, self.scale, self.ratio, values)
        return F.erase(img, *place, inplace=self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
