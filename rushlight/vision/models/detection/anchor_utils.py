"""Boxes laid over a picture before anything is known of it, from which true ones are found."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl
from rushlight import nn

from .image_list import ImageList


def _places(height: Any, width: Any) -> tuple[rl.Tensor, rl.Tensor]:
    """x and y of every place of a grid, row by row."""
    y, x = rl.meshgrid(height, width, indexing="ij")
    return x.reshape(-1), y.reshape(-1)


class AnchorGenerator(nn.Module):
    """Boxes of given sizes and proportions around every pixel of the maps.

    sizes: for each map, the lengths of sides in the picture; aspect_ratios: for each map, heights
    over widths. Called with an ImageList and the maps, it gives the boxes (K, 4) of each image.
    Raises: ValueError for maps that are not as many as sizes.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.detection.image_list import ImageList
    >>> anchors = AnchorGenerator(((8,),), ((1.0,),))
    >>> anchors(ImageList(torch.zeros(1, 3, 8, 16), [(8, 16)]), [torch.zeros(1, 5, 1, 2)])[0]
    tensor([[-4., -4.,  4.,  4.],
            [ 4., -4., 12.,  4.]])
    """

    def __init__(
        self, sizes: Any = ((128, 256, 512),), aspect_ratios: Any = ((0.5, 1.0, 2.0),)
    ) -> None:
        super().__init__()
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((one,) for one in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        self.sizes, self.aspect_ratios = sizes, aspect_ratios
        self.cell_anchors = [
            self.generate_anchors(size, ratios) for size, ratios in zip(sizes, aspect_ratios)
        ]

    def generate_anchors(
        self, scales: list[int], aspect_ratios: list[float], dtype: Any = rl.float32,
        device: Any = "cpu",
    ) -> rl.Tensor:  # fmt: skip
        """Boxes (R S, 4) around the origin, of R proportions and S sizes, on whole numbers."""
        sides = rl.as_tensor(scales, dtype=dtype, device=device)
        high = rl.sqrt(rl.as_tensor(aspect_ratios, dtype=dtype, device=device))
        widths = ((1 / high)[:, None] * sides).view(-1)
        heights = (high[:, None] * sides).view(-1)
        return (rl.stack((-widths, -heights, widths, heights), dim=1) / 2).round()

    def set_cell_anchors(self, dtype: Any, device: Any) -> None:
        """Bring the boxes around the origin to a type and a device."""
        self.cell_anchors = [one.to(dtype=dtype, device=device) for one in self.cell_anchors]

    def num_anchors_per_location(self) -> list[int]:
        """How many boxes each map has around a pixel."""
        return [len(size) * len(ratios) for size, ratios in zip(self.sizes, self.aspect_ratios)]

    def grid_anchors(self, grid_sizes: list[Any], strides: list[Any]) -> list[rl.Tensor]:
        """The boxes (h w A, 4) of each map: sizes (h, w) and steps in the picture (down, right)."""
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise ValueError(
                "Anchors should be Tuple[Tuple[int]] because each feature map could potentially"
                " have different sizes and aspect ratios. There needs to be a match between the"
                " number of feature maps passed and the number of sizes / aspect ratios specified."
            )
        found = []
        for (height, width), (down, right), cell in zip(grid_sizes, strides, self.cell_anchors):
            rows = rl.arange(height, dtype=rl.int32, device=cell.device) * down
            columns = rl.arange(width, dtype=rl.int32, device=cell.device) * right
            x, y = _places(rows, columns)
            shifts = rl.stack((x, y, x, y), dim=1)
            found.append((shifts[:, None] + cell).reshape(-1, 4))
        return found

    def forward(self, image_list: ImageList, feature_maps: list[rl.Tensor]) -> list[rl.Tensor]:
        """The boxes of each image, those of the first map first."""
        height, width = image_list.tensors.shape[-2:]
        sizes = [(one.shape[-2], one.shape[-1]) for one in feature_maps]
        strides = [(height // h, width // w) for h, w in sizes]
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        boxes = self.grid_anchors(sizes, strides)
        return [rl.cat(boxes) for _ in image_list.image_sizes]


class DefaultBoxGenerator(nn.Module):
    """The boxes of SSD: two squares and pairs of oblongs around every pixel of the maps.

    aspect_ratios: for each map, the proportions of its oblongs; scales: the sides of squares as
    shares of the picture, one more than maps, evenly from `min_ratio` to `max_ratio` and 1 where
    not given; steps: pixels of the picture to one of each map, by the maps' sizes where not given;
    clip: hold sides to the picture's.
    Raises: ValueError for steps that are not as many as maps.
    Source: W. Liu et al., "SSD: single shot multibox detector", 2016.
    """

    def __init__(
        self, aspect_ratios: list[list[int]], min_ratio: float = 0.15, max_ratio: float = 0.9,
        scales: list[float] | None = None, steps: list[int] | None = None, clip: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if steps is not None and len(aspect_ratios) != len(steps):
            raise ValueError("aspect_ratios and steps should have the same length")
        self.aspect_ratios, self.steps, self.clip = aspect_ratios, steps, clip
        count = len(aspect_ratios)
        if scales is not None:
            self.scales = scales
        elif count > 1:
            across = max_ratio - min_ratio
            self.scales = [min_ratio + across * k / (count - 1.0) for k in range(count)] + [1.0]
        else:
            self.scales = [min_ratio, max_ratio]
        self._wh_pairs = self._generate_wh_pairs(count)

    def _generate_wh_pairs(
        self, num_outputs: int, dtype: Any = rl.float32, device: Any = "cpu"
    ) -> list[rl.Tensor]:
        """Widths and heights (A, 2) of the boxes of each map, as shares of the picture."""
        found = []
        for scale, larger, ratios in zip(self.scales, self.scales[1:], self.aspect_ratios):
            between = math.sqrt(scale * larger)
            pairs = [[scale, scale], [between, between]]
            for ratio in ratios:
                long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
                pairs += [[long, short], [short, long]]
            found.append(rl.as_tensor(pairs, dtype=dtype, device=device))
        return found[:num_outputs]

    def num_anchors_per_location(self) -> list[int]:
        """How many boxes each map has around a pixel."""
        return [2 + 2 * len(ratios) for ratios in self.aspect_ratios]

    def _grid_default_boxes(
        self, grid_sizes: list[Any], image_size: Any, dtype: Any = rl.float32
    ) -> rl.Tensor:
        """Centres and sizes (K, 4), as shares of the picture, of the boxes of all maps."""
        found = []
        for k, (height, width) in enumerate(grid_sizes):
            down, across = height, width
            if self.steps is not None:
                down, across = (length / self.steps[k] for length in image_size)
            sizes = self._wh_pairs[k].clamp(min=0, max=1) if self.clip else self._wh_pairs[k]
            rows = ((rl.arange(height) + 0.5) / down).to(dtype)
            columns = ((rl.arange(width) + 0.5) / across).to(dtype)
            x, y = _places(rows, columns)
            centres = rl.stack((x, y), dim=1).repeat_interleave(len(sizes), dim=0)
            found.append(rl.cat((centres, sizes.repeat(height * width, 1)), dim=1))
        return rl.cat(found)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(aspect_ratios={self.aspect_ratios}, clip={self.clip},"
            f" scales={self.scales}, steps={self.steps})"
        )

    def forward(self, image_list: ImageList, feature_maps: list[rl.Tensor]) -> list[rl.Tensor]:
        """The boxes (K, 4) of each image, as corners in pixels."""
        sizes = [tuple(one.shape[-2:]) for one in feature_maps]
        height, width = image_list.tensors.shape[-2:]
        first = feature_maps[0]
        boxes = self._grid_default_boxes(sizes, (height, width), dtype=first.dtype)
        boxes = boxes.to(first.device)
        centre, half = boxes[:, :2], 0.5 * boxes[:, 2:]
        scale = rl.tensor([width, height, width, height], device=first.device)
        corners = rl.cat((centre - half, centre + half), -1) * scale
        return [corners.clone() for _ in image_list.image_sizes]
