"""Regions of interest whose parts come from channels of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .regions import as_rows, edges, pair, roi_align, rounded

nn = rl.nn


def _by_part(input: Any, output_size: Any) -> tuple[int, int, int]:
    h, w = pair(output_size)
    if input.shape[1] % (h * w):
        raise RuntimeError("input channels must be a multiple of pooling height * pooling width")
    return input.shape[1] // (h * w), h, w


def ps_roi_align(
    input: Any, boxes: Any, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1
) -> Any:
    """`roi_align` in which part (i, j) of channel c is read from channel (c h + i) w + j.

    input: (N, C h w, H, W). Returns (K, C, h, w). Raises: RuntimeError for other channels.
    Source: Dai et al., 2016, https://arxiv.org/abs/1605.06409

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.rand(1, 8, 6, 6), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    >>> ops.ps_roi_align(x, boxes, 2).shape
    torch.Size([1, 2, 2, 2])
    """
    channels, h, w = _by_part(input, output_size)
    all_parts = roi_align(input, boxes, (h, w), spatial_scale, sampling_ratio, aligned=True)
    by_part = all_parts.reshape(-1, channels, h, w, h, w)
    return by_part.diagonal(0, 2, 4).diagonal(0, 2, 3).contiguous()


def ps_roi_pool(input: Any, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Any:
    """Means of the parts of rounded regions; part (i, j) of channel c from channel (c h + i) w + j.

    As in torchvision, a part that would reach the last row or column of the input stops before it;
    the gradient is that of these values (torchvision's reaches one further).
    Raises: RuntimeError for other channels. Source: Dai et al., 2016.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.rand(1, 8, 6, 6), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    >>> ops.ps_roi_pool(x, boxes, 2).shape
    torch.Size([1, 2, 2, 2])
    """
    (channels, h, w), rows = _by_part(input, output_size), as_rows(boxes)
    numbers = rows.detach().numpy().astype(np.float32)
    x1, y1, x2, y2 = rounded(numbers[:, 1:] * np.float32(spatial_scale)).T
    top, bottom = edges(y1, y2 - 1, h, input.shape[2] - 1)
    left, right = edges(x1, x2 - 1, w, input.shape[3] - 1)
    found = []
    for k, image in enumerate(numbers[:, 0].astype(np.int64)):
        plane = input[int(image)].reshape(channels, h, w, *input.shape[2:])
        for i, j in np.ndindex(h, w):
            part = plane[:, i, j, top[k, i] : bottom[k, i], left[k, j] : right[k, j]].flatten(1)
            found.append(part.mean(1) if part.shape[1] else input.new_zeros(channels))
    if not found:
        return input.new_zeros((0, channels, h, w))
    return rl.stack(found).view(len(rows), h, w, -1).permute(0, 3, 1, 2).contiguous()


class PSRoIAlign(nn.Module):
    """`ps_roi_align` as a layer.

    Arguments and errors are those of `ps_roi_align`; it is called with maps and boxes.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.rand(1, 8, 6, 6), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    >>> ops.PSRoIAlign(2, spatial_scale=1.0, sampling_ratio=2)(x, boxes).shape
    torch.Size([1, 2, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Any, rois: Any) -> Any:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio})"
        )


class PSRoIPool(nn.Module):
    """`ps_roi_pool` as a layer.

    Arguments and errors are those of `ps_roi_pool`; it is called with maps and boxes.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> x, boxes = torch.rand(1, 8, 6, 6), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
    >>> ops.PSRoIPool(2, spatial_scale=1.0)(x, boxes).shape
    torch.Size([1, 2, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
