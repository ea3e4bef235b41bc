"""Pictures for people: batches as one picture, files, boxes and masks drawn in; torchvision's."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

import rushlight as rl

from .io import pillow

__all__ = [
    "draw_bounding_boxes", "draw_segmentation_masks", "flow_to_image", "make_grid", "save_image",
]  # fmt: skip


def _log_api_usage_once(obj: Any) -> None:
    """Nothing: no usage is logged."""


def _make_ntuple(x: Any, n: int) -> tuple[Any, ...]:
    """`n` times `x`; something iterable as it is, as a tuple.

    >>> _make_ntuple(3, 2), _make_ntuple([1, 2, 3], 2)
    ((3, 3), (1, 2, 3))
    """
    return tuple(x) if isinstance(x, Iterable) else (x,) * n


def _batch(tensor: Any) -> Any:
    """One tensor (B, C, H, W) of three channels, or as many as there are."""
    if not isinstance(tensor, rl.Tensor):
        if not (isinstance(tensor, list) and all(isinstance(x, rl.Tensor) for x in tensor)):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        tensor = rl.stack(tensor, dim=0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        if tensor.size(0) == 1:
            tensor = tensor.expand(3, -1, -1)
        tensor = tensor.unsqueeze(0)
    return tensor.expand(-1, 3, -1, -1) if tensor.size(1) == 1 else tensor


def _normalised(x: Any, between: tuple[float, float] | None) -> Any:
    low, high = (float(x.min()), float(x.max())) if between is None else between
    return x.clamp(low, high).sub(low).div(max(high - low, 1e-5))


@rl.no_grad()
def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """A batch of pictures (B, C, H, W), or a list, as one picture (C, height, width).

    nrow: pictures in a row; `normalize`: numbers moved to 0..1, from `value_range` or their own,
    each picture by itself with `scale_each`. Raises: TypeError for what is no tensor.

    >>> import rushlight as torch
    >>> make_grid(torch.zeros(5, 3, 4, 6), nrow=3, padding=1).shape
    torch.Size([3, 11, 22])
    """
    batch = _batch(tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers"
            )
        parts = batch if scale_each else [batch]
        scaled = [_normalised(part, value_range) for part in parts]
        batch = rl.stack(scaled) if scale_each else scaled[0]
    count = batch.size(0)
    if count == 1:
        return batch.squeeze(0)
    across = min(nrow, count)
    down = math.ceil(count / across)
    height, width = batch.size(2) + padding, batch.size(3) + padding
    size = batch.size(1), height * down + padding, width * across + padding
    grid = batch.new_full(size, pad_value)
    for k, picture in enumerate(batch):
        top, left = k // across * height + padding, k % across * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = picture
    return grid


@rl.no_grad()
def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write pictures with numbers in 0..1 to a file or file object, several as a grid.

    `kwargs` go to `make_grid`. Raises: ImportError without Pillow, OSError as usual.

    >>> import rushlight as torch
    >>> import io
    >>> from rushlight.vision.utils import save_image
    >>> file = io.BytesIO()
    >>> save_image(torch.rand(4, 3, 8, 8), file, format="png")
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to(rl.uint8).numpy()
    fp = os.fspath(fp) if isinstance(fp, os.PathLike) else fp
    pillow().fromarray(np.ascontiguousarray(pixels)).save(fp, format=format)


def _colors(colors: Any, count: int) -> list[tuple[int, int, int]]:
    if colors is None:
        step = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])
        return [tuple((k * step % 255).tolist()) for k in range(count)]
    if isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, but got"
                f" {len(colors)} < {count}."
            )
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(
            f"colors must be a tuple or a string, or a list thereof, but got {colors}."
        )
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * count
    named = pillow("ImageColor").getrgb
    return [named(one) if isinstance(one, str) else one for one in colors]


def _check_image(image: Any) -> None:
    if not isinstance(image, rl.Tensor):
        raise TypeError(f"Tensor expected, got {type(image)}")
    if not (image.dtype is rl.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")


@rl.no_grad()
def draw_bounding_boxes(
    image: Any,
    boxes: Any,
    labels: list[str] | None = None,
    colors: Any = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
) -> Any:
    """A picture (C, H, W) with boxes (N, 4) of corners, and labels, drawn in: (3, H, W).

    colors: one (a name or RGB) or a list. Raises: ValueError for boxes the other way around or a
    picture of another kind, ImportError without Pillow.

    >>> import rushlight as torch
    >>> from rushlight.vision.utils import draw_bounding_boxes
    >>> picture, boxes = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.tensor([[1, 1, 5, 5]])
    >>> draw_bounding_boxes(picture, boxes, colors="red")[:, 1, 1]
    tensor([255,   0,   0], dtype=torch.uint8)
    """
    _check_image(image)
    if image.size(0) not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")
    if (boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any():
        raise ValueError("Boxes need to be in (xmin, ymin, xmax, ymax) format. Use"
                         " torchvision.ops.box_convert to convert them")  # fmt: skip
    if not len(boxes):
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != len(boxes):
        raise ValueError(f"Number of boxes ({len(boxes)}) and labels ({len(labels)}) mismatch."
                         " Please specify labels for each box.")  # fmt: skip
    whole = image.dtype is rl.uint8
    pixels = (image if whole else (image * 255).round()).to(rl.uint8).expand(3, -1, -1)
    canvas = pillow().fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    pen = pillow("ImageDraw").Draw(canvas, "RGBA" if fill else None)
    letters = None if font is None else pillow("ImageFont").truetype(font, font_size or 10)
    for k, (box, color) in enumerate(zip(boxes.to(rl.int64).tolist(), _colors(colors, len(boxes)))):
        pen.rectangle(box, width=width, outline=color, fill=(*color, 100) if fill else None)
        if labels is not None and labels[k] is not None:
            pen.text((box[0] + width + 1, box[1] + width + 1), labels[k], color, letters)
    drawn = rl.from_numpy(np.array(canvas)).permute(2, 0, 1)
    return drawn if whole else drawn.to(image.dtype) / 255


@rl.no_grad()
def draw_segmentation_masks(image: Any, masks: Any, alpha: float = 0.8, colors: Any = None) -> Any:
    """A picture (3, H, W) with masks (N, H, W) laid over it in colours, `alpha` of them.

    Where masks overlap it is black.
    Raises: ValueError for masks of another type or size.

    >>> import rushlight as torch
    >>> from rushlight.vision.utils import draw_segmentation_masks
    >>> picture, mask = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.eye(2, dtype=torch.bool)
    >>> draw_segmentation_masks(picture, mask, alpha=1.0, colors="blue")[2]
    tensor([[255,   0],
            [  0, 255]], dtype=torch.uint8)
    """
    _check_image(image)
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    masks = masks[None] if masks.dim() == 2 else masks
    if masks.dim() != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype is not rl.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    drawn, top = image.clone(), 255 if image.dtype is rl.uint8 else 1.0
    for mask, color in zip(masks, _colors(colors, len(masks))):
        drawn[:, mask] = rl.tensor(color)[:, None].mul(top / 255).to(image.dtype)
    drawn[:, masks.sum(0) > 1] = 0
    return (image * (1 - alpha) + drawn * alpha).to(image.dtype)


@rl.no_grad()
def draw_keypoints(
    image: Any, keypoints: Any, connectivity: list[tuple[int, int]] | None = None,
    colors: Any = None, radius: int = 2, width: int = 3, visibility: Any = None,
) -> Any:  # fmt: skip
    """A picture (3, H, W) with points (N, K, 2), given as (x, y), drawn as discs of `radius`.

    colors: one for all. connectivity: pairs of points that a line joins. visibility: (N, K), which
    points are drawn. Raises: TypeError and ValueError for what does not fit.

    >>> import rushlight as torch
    >>> from rushlight.vision.utils import draw_keypoints
    >>> picture = torch.zeros(3, 9, 9, dtype=torch.uint8)
    >>> draw_keypoints(picture, torch.tensor([[[4, 4]]]), colors="red", radius=1)[0, 4, 4]
    tensor(255, dtype=torch.uint8)
    """
    if not isinstance(image, rl.Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    _check_image(image)
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    if keypoints.dim() != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    shown = rl.ones(keypoints.shape[:-1]) if visibility is None else visibility
    shown = shown[..., 0] if shown.dim() == 3 else shown
    if shown.shape != keypoints.shape[:-1]:
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K."
            f" Got visibility.shape={shown.shape} and keypoints.shape={keypoints.shape}"
        )
    whole = image.dtype is rl.uint8
    pixels = image if whole else (image * 255).round().to(rl.uint8)
    canvas = pillow().fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    pen = pillow("ImageDraw").Draw(canvas)
    places = keypoints.to(rl.int64).tolist()
    for points, seen in zip(places, shown.bool().tolist()):
        for (x, y), visible in zip(points, seen):
            if visible:
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, width=0)
        for start, end in connectivity or ():
            if seen[start] and seen[end]:
                pen.line((*points[start], *points[end]), width=width)
    drawn = rl.from_numpy(np.array(canvas)).permute(2, 0, 1)
    return drawn if whole else drawn.to(image.dtype) / 255


# how many shades lie between red, yellow, green, cyan, blue, magenta and red again
_SHADES = (15, 6, 4, 11, 13, 6)
_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))


def _wheel() -> Any:
    """The colours of directions, (55, 3): from each corner to the next one channel changes."""
    rows = []
    for count, start, end in zip(_SHADES, _CORNERS, _CORNERS[1:]):
        rise = np.floor(255 * np.arange(count) / count)[:, None]
        a, b = np.array(start), np.array(end)
        rows.append(255 * a + (b - a) * rise)
    return rl.from_numpy(np.concatenate(rows).astype(np.float32))


@rl.no_grad()
def flow_to_image(flow: Any) -> Any:
    """A flow (2, H, W) or (N, 2, H, W) as pictures of bytes: directions as colours, lengths as
    strengths, the longest of all as the strongest.

    Raises: ValueError for another type than float32, or another shape.
    Source: S. Baker et al., "A database and evaluation methodology for optical flow", 2011.

    >>> import rushlight as torch
    >>> flow_to_image(torch.tensor([[[1.0, -1.0]], [[0.0, 0.0]]])).flatten(1)
    tensor([[255,   0],
            [  0, 209],
            [  0, 255]], dtype=torch.uint8)
    """
    if flow.dtype != rl.float:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(
            f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {flow.shape}."
        )
    longest = (flow**2).sum(-3).sqrt().max()
    flow = flow / (longest + rl.finfo(rl.float).eps)
    length, wheel = (flow**2).sum(-3).sqrt(), _wheel().to(flow.device)
    x, y = flow.unbind(-3)
    place = (rl.atan2(-y, -x) / math.pi + 1) / 2 * (len(wheel) - 1)
    before = place.floor().long()
    part = (place - before).unsqueeze(-1)
    colour = (1 - part) * (wheel[before] / 255) + part * (wheel[(before + 1) % len(wheel)] / 255)
    colour = 1 - length.unsqueeze(-1) * (1 - colour)
    return (255 * colour).floor().to(rl.uint8).movedim(-1, -3)
