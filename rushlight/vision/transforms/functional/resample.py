"""Resizing as two products: one matrix of weights per direction, of few numbers side by side.

Every output pixel is a weighted mean of input pixels along its row, then along its column.
With antialiasing the filter widens with the reduction, as in Pillow and in torch's
`interpolate(antialias=True)`. Byte tensors go through floating numbers, as in torchvision; byte
arrays are computed in Pillow's fixed-point arithmetic and agree with Pillow bit for bit, where
Pillow too takes the rows first (version 13 may start with the columns when the height shrinks).
"""

from __future__ import annotations

import functools
import math

import numpy as np

import rushlight as rl

from ....functions import neural as n

# Pillow keeps 8 bits for the value and 2 for over- and undershoot of a 32-bit sum
FIXED_POINT = 1 << 22


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic; a = -0.5 in Pillow, -0.75 in torch without antialiasing."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0))


@functools.lru_cache(maxsize=64)
def weights(size: int, new_size: int, mode: str, antialias: bool) -> np.ndarray:
    """Return the (new_size, size) matrix of weights of one direction, float64; rows sum to 1."""
    if mode == "pillow-nearest":
        # Pillow adds up steps from the first centre, rounding as it goes
        steps = np.full(new_size, size / new_size)
        steps[0] *= 0.5
        matrix = np.eye(size)[np.minimum(np.cumsum(steps).astype(int), size - 1)]
    elif mode in ("nearest", "nearest-exact"):
        matrix = _nearest(size, new_size, 0.5 if mode == "nearest-exact" else 0.0)
    elif antialias:
        matrix = _antialiased(size, new_size, mode)
    else:
        matrix = _pointwise(size, new_size, mode)
    matrix.setflags(write=False)
    return matrix


def _nearest(size: int, new_size: int, shift: float) -> np.ndarray:
    scale = np.float32(size / new_size)
    source = ((np.arange(new_size, dtype=np.float32) + np.float32(shift)) * scale).astype(int)
    return np.eye(size)[np.minimum(source, size - 1)]


def _antialiased(size: int, new_size: int, mode: str) -> np.ndarray:
    scale = size / new_size
    stretch = max(scale, 1.0)
    support = (1.0 if mode == "bilinear" else 2.0) * stretch
    center = (np.arange(new_size)[:, None] + 0.5) * scale
    first = np.maximum(0, (center - support + 0.5).astype(int))
    last = np.minimum(size, (center + support + 0.5).astype(int))
    pixel = first + np.arange((last - first).max(initial=1))
    x = (pixel - center + 0.5) * (1 / stretch)
    values = _triangle(x) if mode == "bilinear" else _cubic(x, -0.5)
    inside = pixel < last
    values = np.where(inside, values, 0)
    matrix = np.zeros((new_size, size))
    rows = np.broadcast_to(np.arange(new_size)[:, None], inside.shape)
    matrix[rows[inside], pixel[inside]] = (values / values.sum(1, keepdims=True))[inside]
    return matrix


def _pointwise(size: int, new_size: int, mode: str) -> np.ndarray:
    """Interpolation at pixel centres only; beyond the edge the edge pixel counts again."""
    source = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    if mode == "bilinear":
        source = np.maximum(source, 0)
    base = np.floor(source).astype(int)
    taps = range(2) if mode == "bilinear" else range(-1, 3)
    matrix = np.zeros((new_size, size))
    for tap in taps:
        x = source - base - tap
        value = _triangle(x) if mode == "bilinear" else _cubic(x, -0.75)
        np.add.at(matrix, (np.arange(new_size), np.clip(base + tap, 0, size - 1)), value)
    return matrix


def resample(
    img: rl.Tensor, size: tuple[int, int], mode: str, antialias: bool, as_pillow: bool = False
) -> rl.Tensor:
    """Resize a tensor (..., H, W) to (..., *size); gradients flow through floating ones.

    Arguments: mode "nearest", "nearest-exact", "pillow-nearest", "bilinear" or "bicubic";
    `as_pillow`, whether bytes are computed in Pillow's arithmetic.
    """
    smooth = mode in ("bilinear", "bicubic")
    if not smooth:
        rows, columns = (
            weights(old, new, mode, False).argmax(1) for old, new in zip(img.shape[-2:], size)
        )
        return img[..., rl.from_numpy(rows)[:, None], rl.from_numpy(columns)[None, :]]
    down = weights(img.shape[-2], size[0], mode, antialias)
    across = weights(img.shape[-1], size[1], mode, antialias)
    if img.dtype == rl.uint8 and as_pillow:
        return rl.from_numpy(_resample_bytes(img.numpy(), down, across))
    work = img if img.is_floating_point() else img.to(rl.float32)
    result = n.map_dim(n.map_dim(work, work.ndim - 1, across), work.ndim - 2, down)
    if img.dtype == rl.uint8 and mode == "bicubic":
        result = result.clamp(0, 255)
    return result if img.is_floating_point() else rl.round(result).to(img.dtype)


def _resample_bytes(img: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Pillow's arithmetic: rows first, rounded to bytes, then columns, rounded again.

    Sums of whole numbers below 2**53 are exact in float64, so BLAS gives the integer result.
    """
    half = FIXED_POINT // 2
    for matrix, swap in ((across, False), (down, True)):
        fixed = np.trunc(matrix * FIXED_POINT + np.copysign(0.5, matrix))
        planes = img.swapaxes(-1, -2) if swap else img
        total = np.floor((planes.astype(np.float64) @ fixed.T + half) / FIXED_POINT)
        result = np.clip(total, 0, 255).astype(np.uint8)
        img = result.swapaxes(-1, -2) if swap else result
    return np.ascontiguousarray(img)


def resized_shape(
    shape: tuple[int, int], size: int | list[int] | tuple[int, ...], max_size: int | None
) -> tuple[int, int]:
    """Return (height, width) after Resize: one number fits the smaller edge, two are taken."""
    if not isinstance(size, int) and len(size) == 2:
        if max_size is not None:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
        return size[0], size[1]
    wanted = size if isinstance(size, int) else size[0]
    short, long = sorted(shape)
    new_short, new_long = wanted, int(wanted * long / short)
    if max_size is not None:
        if max_size <= wanted:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested "
                f"size for the smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = math.floor(max_size * new_short / new_long), max_size
    return (new_short, new_long) if shape[0] <= shape[1] else (new_long, new_short)
