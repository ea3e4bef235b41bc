"""Transforms to random sizes, of whole samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F
from .functional.geometry import Mode
from .transform import Simple, query_size


class _Sized(Simple):
    functional = F.resize
    settings = ("interpolation", "antialias")

    def _set(self, interpolation: Mode, antialias: bool | None) -> None:
        self.interpolation, self.antialias = interpolation, antialias


class ScaleJitter(_Sized):
    """Fit into `target_size` (height, width), times a factor drawn from `scale_range`.

    Draws: `rand(1)`. Source: Ghiasi et al., 2021, https://arxiv.org/abs/2012.07177

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.ScaleJitter((8, 8), scale_range=(1.0, 1.0))(torch.rand(3, 4, 4)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size, self.scale_range = target_size, scale_range
        self._set(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        factor = low + rl.rand(1) * (high - low)
        # the target's width by the height, as torchvision has it
        ratio = min(self.target_size[1] / height, self.target_size[0] / width) * factor
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomShortestSize(_Sized):
    """Make the shorter edge one of `min_size` (one `randint`), the longer at most `max_size`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomShortestSize(min_size=[4], max_size=6)(torch.rand(3, 8, 16)).shape
    torch.Size([3, 3, 6])
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self._set(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        ratio = self.min_size[int(rl.randint(len(self.min_size), ()))] / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(_Sized):
    """Make the shorter edge a whole number drawn from min_size..max_size - 1.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomResize(5, 6)(torch.rand(3, 8, 16)).shape
    torch.Size([3, 5, 10])
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self._set(interpolation, antialias)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [int(rl.randint(self.min_size, self.max_size, ()))]}
