"""Sampling images at the positions that a grid names."""

from __future__ import annotations

import math
import warnings
from itertools import product
from typing import Any

import rushlight as rl

from ...functions import neural as n

__all__ = [
    "affine_grid", "grid_sample",
]  # fmt: skip

Tensor = rl.Tensor


def _warn_corners() -> None:
    warnings.warn(
        "Default grid_sample and affine_grid behavior has changed to align_corners=False since"
        " 1.3.0."
        " Please specify align_corners=True if the old behavior is desired. See the documentation"
        " of"
        " grid_sample for details.",
        stacklevel=3,
    )


_ONE_PLACE = (
    "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when"
    " align_corners=True. This is not an intended use case of affine_grid. See the documentation of"
    " affine_grid for details."
)


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Where each pixel of an image of `size` comes from under the affine maps theta.

    Shapes: theta (N, 2, 3) and size (N, C, H, W) give (N, H, W, 2); (N, 3, 4) likewise in 3-D.

    >>> import rushlight as torch
    >>> theta = torch.eye(2, 3)[None]
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 4, 5), align_corners=False).shape
    torch.Size([1, 4, 5, 2])
    """
    if align_corners is None:
        _warn_corners()
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    dims = len(size) - 2
    if dims not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms,"
            f" respectively. Got size {size}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size"
            f" {size}. Got {theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warnings.warn(_ONE_PLACE, stacklevel=2)
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    lines = []
    for count in size[2:]:
        line = rl.linspace(-1, 1, count, dtype=theta.dtype)
        if count <= 1:
            line = rl.zeros(count, dtype=theta.dtype)
        lines.append(line if align_corners else line * (count - 1) / count)  # torch's last bit
    places = [*reversed(rl.meshgrid(*lines, indexing="ij")), rl.ones(*size[2:], dtype=theta.dtype)]
    base = rl.stack(places, -1).reshape(1, -1, dims + 1)
    y = (base @ theta.transpose(1, 2)).reshape(size[0], *size[2:], dims)
    return n.whole(y, "AffineGridGeneratorBackward0")


def _check_modes(mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic',"
            " but"
            f" got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or"
            f" 'reflection', but got: '{padding_mode}'"
        )


def _check_sizes(input: Tensor, grid: Tensor, mode: str) -> None:
    sizes = f"input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got {sizes}"
        )
    dims = input.ndim - 2
    if grid.shape[-1] != dims:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {dims} in last dimension, but got grid"
            " with"
            f" sizes {list(grid.shape)}"
        )
    for dim in range(2, input.ndim):
        if input.shape[dim] <= 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input"
                f" has sizes {list(input.shape)} with dimension {dim} being empty"
            )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but"
            f" got {sizes}"
        )
    if mode == "bicubic" and dims == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _reflected(x: Tensor, size: int, align: bool) -> Tensor:
    low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
    span = high - low
    if span <= 0:
        return x * 0.0
    away = (x - low).abs()
    flips = (away.detach() / span).floor()
    rest = away - flips * span
    return rl.where(flips % 2 == 0, rest + low, high - rest)


def _held(x: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """A coordinate brought into the image, by the padding mode."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = _reflected(x, size, align)
    # no gradient from the edge on, where clamp passes it
    return rl.where((x > 0) & (x < size - 1), x, x.detach().clamp(0, size - 1))


def _read(input: Tensor, places: list[Tensor]) -> Tensor:
    """The pixels at whole coordinates (N, P) per dimension; 0 outside."""
    size = input.shape[2:]
    inside: Any = None
    flat: Any = 0
    for place, count in zip(places, size):
        fits = (place >= 0) & (place <= count - 1)
        inside = fits if inside is None else inside & fits
        safe = rl.where(fits, place.detach(), rl.zeros_like(place))
        flat = flat * count + safe.long()
    batch, channels = input.shape[:2]
    flat = flat.unsqueeze(1).expand(batch, channels, flat.shape[1])
    found = input.reshape(batch, channels, math.prod(size)).gather(2, flat)
    return found * inside.unsqueeze(1).to(found.dtype)


def _framed(input: Tensor) -> Tensor:
    """The pixels (N, C, Q) of images with zeros around: one before, two after every line."""
    framed = rl.nn.functional.pad(input, (1, 2) * (input.ndim - 2))
    return framed.reshape(*input.shape[:2], math.prod(framed.shape[2:]))


def _steps(x: Tensor, count: int) -> Tensor:
    """Whole coordinates, in the frame where they are in none of the pixels."""
    held = x.clamp(-1, count)
    return rl.where(held == held, held, -1.0).long() + 1


def _places(steps: list[Tensor], size: Any, corners: bool) -> Tensor:
    """Where pixels stand in a framed image, (N, P) or, of all corners in turn, (N, 2^d P)."""
    flat: Any = 0
    offsets = [0]
    for step, count in zip(steps, size):
        flat = flat * (count + 3) + step
        offsets = [
            at * (count + 3) + one for at in offsets for one in ((0, 1) if corners else (0,))
        ]
    return rl.cat([flat + offset for offset in offsets], 1) if corners else flat


def _gathered(input: Tensor, places: Tensor) -> Tensor:
    places = places.unsqueeze(1).expand(places.shape[0], input.shape[1], places.shape[1])
    return _framed(input).gather(2, places)


def _nearest(input: Tensor, at: list[Tensor]) -> Tensor:
    size = input.shape[2:]
    steps = [_steps(x.detach().round(), count) for x, count in zip(at, size)]
    return _gathered(input, _places(steps, size, False))


def _between(input: Tensor, at: list[Tensor]) -> Tensor:
    """Linear between the corners around each place."""
    size = input.shape[2:]
    steps, weights = [], None
    for x, count in zip(at, size):
        x = x.clamp(-1, count)
        low = x.detach().floor()
        steps.append(_steps(low, count))
        part = x - low
        pair = rl.stack((1 - part, part), 1)
        if weights is not None:
            pair = (weights.unsqueeze(2) * pair.unsqueeze(1)).flatten(1, 2)
        weights = pair
    assert weights is not None
    pixels = _gathered(input, _places(steps, size, True))
    pixels = pixels.reshape(*input.shape[:2], *weights.shape[1:])
    return (pixels * weights.unsqueeze(1)).sum(2)


def _by_cubics(input: Tensor, at: list[Tensor], padding_mode: str, align: bool) -> Tensor:
    lows = [x.detach().floor() for x in at]
    weights: list[Any] = [n.cubic(x - low, -0.75) for x, low in zip(at, lows)]  # pyright: ignore  # tensors
    total: Any = 0
    for steps in product(range(4), repeat=len(at)):
        places = [
            _held(low + (step - 1), size, padding_mode, align)
            for low, step, size in zip(lows, steps, input.shape[2:])
        ]
        weight: Any = 1
        for step, own in zip(steps, weights):
            weight = weight * own[step]
        total = total + _read(input, places) * weight.unsqueeze(1)
    return total


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Images read at the places of a grid: x and y (and z) in -1..1 across the image.

    Shapes: input (N, C, H, W), grid (N, H', W', 2), result (N, C, H', W'); likewise in 3-D.

    >>> import rushlight as torch
    >>> image, middle = torch.arange(4.0).reshape(1, 1, 2, 2), torch.zeros(1, 1, 1, 2)
    >>> torch.nn.functional.grid_sample(image, middle, align_corners=False).item()
    1.5
    """
    _check_modes(mode, padding_mode)
    if align_corners is None:
        _warn_corners()
        align_corners = False
    _check_sizes(input, grid, mode)
    batch, dims = input.shape[0], input.ndim - 2
    kernel = "grid_sampler_3d_cpu" if dims == 3 else "grid_sampler_2d_cpu_kernel_impl"
    n.refuse(input, "bool int uint8 complex", kernel)
    if grid.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {n.type_name(input)} but found {n.type_name(grid)}"
        )
    if input.dtype in (rl.float32, rl.float64) and input.numel() and grid.numel():
        return n.grid_read(input, grid, mode, padding_mode, bool(align_corners), (0,) * dims)
    at = []
    for place, size in enumerate(input.shape[2:]):
        x = grid[..., dims - 1 - place].reshape(batch, math.prod(grid.shape[1:-1]))
        scaled = (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2
        at.append(scaled if mode == "bicubic" else _held(scaled, size, padding_mode, align_corners))
    if mode == "nearest":
        y = _nearest(input, at)
        if grid.requires_grad:  # whose gradient is zero, not absent
            for x in at:
                y = y + rl.where(x > math.inf, x, 0.0).unsqueeze(1)
    elif mode == "bicubic":
        y = _by_cubics(input, at, padding_mode, align_corners)
    else:
        y = _between(input, at)
    y = y.reshape(batch, input.shape[1], *grid.shape[1:-1])
    return n.whole(y, f"GridSampler{dims}DBackward0")
