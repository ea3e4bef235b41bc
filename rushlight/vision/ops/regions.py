"""Regions of interest: parts of a feature map, resampled to one size."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

nn = rl.nn


def as_rows(boxes: Any) -> Any:
    """Regions as rows (image, x1, y1, x2, y2), from those or from a list of boxes per image.

    Raises: AssertionError for another shape, in torchvision's words.
    """
    if not isinstance(boxes, (list, tuple)):
        if not (isinstance(boxes, rl.Tensor) and boxes.dim() == 2 and boxes.size(1) == 5):
            raise AssertionError("The boxes tensor shape is not correct as Tensor[K, 5]")
        return boxes
    for one in boxes:
        if one.size(1) != 4:
            raise AssertionError(
                "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]"
            )
    return rl.cat([rl.cat((rl.full_like(one[:, :1], k), one), 1) for k, one in enumerate(boxes)])


def pair(size: Any) -> tuple[int, int]:
    """Height and width, of one number for both or of two."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def rounded(x: np.ndarray) -> np.ndarray:
    """To whole numbers, halves away from zero."""
    return np.copysign(np.floor(np.abs(x) + 0.5), x).astype(np.int64)


def edges(low: np.ndarray, high: np.ndarray, parts: int, size: int) -> list[np.ndarray]:
    """Where the parts of each region begin and end along one dimension, (K, parts) each."""
    length = np.maximum(high - low + 1, 1).astype(np.float32)[:, None] / np.float32(parts)
    steps = np.arange(parts, dtype=np.float32)
    begin, end = np.floor(steps * length), np.ceil((steps + 1) * length)
    return [np.clip(x.astype(np.int64) + low[:, None], 0, size) for x in (begin, end)]


def roi_pool(input: Any, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Any:
    """The largest value of each of `output_size` parts of each region: (K, C, h, w).

    input: (N, C, H, W); boxes: (K, 5) with the image's number first, or a list of (L, 4) per image;
    `spatial_scale` maps their coordinates to the input's. Borders are rounded; an empty part is 0.
    Source: Girshick, 2015.

    >>> import rushlight as torch
    >>> x = torch.arange(16.).view(1, 1, 4, 4)
    >>> roi_pool(x, torch.tensor([[0., 0., 0., 3., 3.]]), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    rows, (h, w) = as_rows(boxes), pair(output_size)
    height, width = input.shape[2:]
    numbers = rows.detach().numpy().astype(np.float32)
    x1, y1, x2, y2 = rounded(numbers[:, 1:] * np.float32(spatial_scale)).T
    top, bottom = edges(y1, y2, h, height)
    left, right = edges(x1, x2, w, width)
    parts = []
    for k, image in enumerate(numbers[:, 0].astype(np.int64)):
        plane = input[int(image)]
        for i, j in np.ndindex(h, w):
            part = plane[:, top[k, i] : bottom[k, i], left[k, j] : right[k, j]].flatten(1)
            parts.append(part.max(1).values if part.shape[1] else input.new_zeros(len(plane)))
    if not parts:
        return input.new_zeros((0, input.shape[1], h, w))
    return rl.stack(parts).view(len(rows), h, w, -1).permute(0, 3, 1, 2).contiguous()


def _weights(start: float, length: float, parts: int, samples: int, size: int) -> np.ndarray:
    """How much each of `size` places counts in the mean over each part, (parts, size)."""
    count = samples if samples > 0 else int(np.ceil(length / parts))
    steps = (np.arange(parts)[:, None] + (np.arange(count) + 0.5) / count) * (length / parts)
    at = start + steps
    inside = (at >= -1) & (at <= size)
    at = np.clip(at, 0, size - 1)
    low = np.minimum(at.astype(np.int64), size - 1)
    high, share = np.minimum(low + 1, size - 1), at - low
    weights = np.zeros((parts, size))
    part = np.arange(parts)[:, None] + np.zeros_like(low)
    np.add.at(weights, (part, low), (1 - share) * inside / max(count, 1))
    np.add.at(weights, (part, high), share * inside / max(count, 1))
    return weights


def roi_align(
    input: Any,
    boxes: Any,
    output_size: Any,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Any:
    """The mean of bilinear samples in each of `output_size` parts of each region: (K, C, h, w).

    `sampling_ratio`: samples a side of a part, by its size where not positive; `aligned`: pixels
    stand for their centres, half a pixel to the left of where they would be without.
    Source: He et al., 2017.

    >>> import rushlight as torch
    >>> x = torch.arange(16.).view(1, 1, 4, 4)
    >>> roi_align(x, torch.tensor([[0., 0., 0., 4., 4.]]), 2, aligned=True)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    rows, size = as_rows(boxes), pair(output_size)
    shift = 0.5 if aligned else 0.0
    numbers = rows.detach().double().numpy()
    corners = numbers[:, 1:] * spatial_scale - shift
    sides = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sides = np.maximum(sides, 1.0)
    samples = []
    for image, (left, top), (wide, high) in zip(numbers[:, 0], corners[:, :2], sides):
        across = _weights(left, wide, size[1], sampling_ratio, input.shape[3])
        down = _weights(top, high, size[0], sampling_ratio, input.shape[2])
        samples.append((int(image), *_touched(down), *_touched(across)))
    return _Align.apply(input, samples, size)


def _touched(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places that have a weight at all, and the weights of those."""
    places = np.flatnonzero(weights.any(0))
    return places, weights[:, places]


class _Align(rl.autograd.Function):
    """For each region, D x A^T of the rows and columns that it touches; linear in the features.

    samples: (image, rows, their weights D, columns, their weights A) of each region.
    """

    @staticmethod
    def forward(ctx: Any, input: Any, samples: Any, size: tuple[int, int]) -> Any:
        ctx.form, ctx.samples, ctx.size = tuple(input.shape), samples, size
        features = np.ascontiguousarray(input.detach().numpy().transpose(0, 2, 3, 1))
        channels, kind = features.shape[3], features.dtype
        found = np.zeros((len(samples), *size, channels), kind)
        for k, (image, rows, down, columns, across) in enumerate(samples):
            part = features[image][rows[:, None], columns]  # (r, c, C)
            lines = down.astype(kind) @ part.reshape(len(rows), len(columns) * channels)
            found[k] = across.astype(kind) @ lines.reshape(size[0], len(columns), channels)
        return rl.from_numpy(np.ascontiguousarray(found.transpose(0, 3, 1, 2)))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Spread.apply(g, ctx.samples, ctx.form), None, None

    @staticmethod
    def jvp(ctx: Any, input: Any, samples: Any, size: Any) -> Any:
        return _Align.apply(input, ctx.samples, ctx.size)


class _Spread(rl.autograd.Function):
    """The adjoint of `_Align`: what each region weighs is added to where it was taken."""

    @staticmethod
    def forward(ctx: Any, g: Any, samples: Any, form: tuple[int, ...]) -> Any:
        ctx.samples, ctx.form = samples, form
        images, channels, height, width = form
        parts = np.ascontiguousarray(g.detach().numpy().transpose(0, 2, 3, 1))
        ctx.size = parts.shape[1:3]
        total = np.zeros((images, height, width, channels), parts.dtype)
        for part, (image, rows, down, columns, across) in zip(parts, samples):
            lines = across.T.astype(part.dtype) @ part  # (h, c, C)
            spread = down.T.astype(part.dtype) @ lines.reshape(len(part), len(columns) * channels)
            where = rows[:, None], columns
            total[image][where] += spread.reshape(len(rows), len(columns), channels)
        return rl.from_numpy(np.ascontiguousarray(total.transpose(0, 3, 1, 2)))

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return _Align.apply(g, ctx.samples, ctx.size), None, None

    @staticmethod
    def jvp(ctx: Any, g: Any, samples: Any, form: Any) -> Any:
        return _Spread.apply(g, ctx.samples, ctx.form)


class RoIPool(nn.Module):
    """`roi_pool` as a layer.

    Arguments and errors are those of `roi_pool`; it is called with maps and boxes.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.arange(16.0).view(1, 1, 4, 4), [torch.tensor([[0.0, 0.0, 3.0, 3.0]])]
    >>> ops.RoIPool(2, spatial_scale=1.0)(x, boxes)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"


class RoIAlign(nn.Module):
    """`roi_align` as a layer.

    Arguments and errors are those of `roi_align`; it is called with maps and boxes.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.arange(16.0).view(1, 1, 4, 4), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    >>> ops.RoIAlign(2, spatial_scale=1.0, sampling_ratio=2, aligned=True)(x, boxes)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """

    def __init__(
        self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Any, rois: Any) -> Any:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio,
                         self.aligned)  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size},"
            f" spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio},"
            f" aligned={self.aligned})"
        )
