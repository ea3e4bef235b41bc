"""Regions of interest from a pyramid of feature maps, each from the map of its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from .boxes import box_area
from .regions import as_rows, roi_align


def level_of(
    boxes: Any, lowest: int, highest: int, canonical_scale: int = 224, canonical_level: int = 4,
    eps: float = 1e-6,
) -> Any:  # fmt: skip
    """Which map each box (K, 4) is for: level + log2(sqrt(area) / scale), from `lowest` on."""
    size = rl.sqrt(box_area(boxes))
    level = rl.floor(canonical_level + rl.log2(size / canonical_scale) + eps)
    return level.clamp(lowest, highest).long() - lowest


class MultiScaleRoIAlign(rl.nn.Module):
    """`roi_align` of each box from the map among several that suits its size.

    featmap_names: the maps that are used, largest first; a box as large as `canonical_scale` goes
    to level `canonical_level` (level k: a map 2^k times smaller than the pictures). Called with the
    maps by name, boxes (L, 4) per image, and the images' sizes; returns (K, C, h, w).
    Source: Lin et al., 2017, https://arxiv.org/abs/1612.03144

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> pool = ops.MultiScaleRoIAlign(["fine", "coarse"], output_size=3, sampling_ratio=2)
    >>> maps = {"fine": torch.rand(1, 5, 64, 64), "coarse": torch.rand(1, 5, 32, 32)}
    >>> pool(maps, [torch.tensor([[10.0, 6.0, 88.0, 94.0]])], [(256, 256)]).shape
    torch.Size([1, 5, 3, 3])
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: Any,
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.featmap_names, self.output_size = featmap_names, size
        self.sampling_ratio = sampling_ratio
        self.scales: list[float] | None = None
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def _scales(self, maps: list[Any], image_shapes: Sequence[Sequence[int]]) -> list[float]:
        """How much smaller each map is, as powers of two; the first call settles it."""
        if self.scales is None:
            if not image_shapes:
                raise ValueError("images list should not be empty")
            height = max(shape[0] for shape in image_shapes)
            self.scales = [2.0 ** round(math.log2(one.shape[-2] / height)) for one in maps]
        return self.scales

    def forward(
        self, x: dict[str, Any], boxes: list[Any], image_shapes: Sequence[Sequence[int]]
    ) -> Any:
        maps = [one for name, one in x.items() if name in self.featmap_names]
        scales, rows = self._scales(maps, image_shapes), as_rows(boxes)
        if len(maps) == 1:
            return roi_align(maps[0], rows, self.output_size, scales[0], self.sampling_ratio)
        lowest, highest = (int(-math.log2(scale)) for scale in (scales[0], scales[-1]))
        scale, level = self.canonical_scale, self.canonical_level
        levels = level_of(rl.cat(boxes), lowest, highest, scale, level)
        result = rl.zeros((len(rows), maps[0].shape[1], *self.output_size), dtype=maps[0].dtype)
        for k, (one, scale) in enumerate(zip(maps, scales)):
            (members,) = rl.where(levels == k)
            found = roi_align(one, rows[members], self.output_size, scale, self.sampling_ratio)
            result[members] = found.to(result.dtype)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
