"""Pictures turned, sheared, moved and bent: every result pixel is looked up where it came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as rl

from ...io import is_pillow_image, pillow
from .convert import pil_to_tensor, to_pil_image
from .geometry import pillow_fill
from .kinds import (
    PILLOW_NUMBERS,
    InterpolationMode,
    get_dimensions,
    interpolation_mode,
    on_tensor,
)

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
F = rl.nn.functional


def inverse_affine(
    center: Sequence[float], angle: float, move: Sequence[float], scale: float,
    shear: Sequence[float],
) -> list[float]:  # fmt: skip
    """The first two rows of (M C R S C^-1)^-1: from result to source.

    M moves, C moves the centre to the origin, R turns by `angle` degrees, S scales and shears.
    """
    turn, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    rows = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    (cx, cy), (tx, ty) = center, move
    rows[2] = rows[0] * (-cx - tx) + rows[1] * (-cy - ty) + cx
    rows[5] = rows[3] * (-cx - tx) + rows[4] * (-cy - ty) + cy
    return rows


def _looked_up(x: rl.Tensor, grid: rl.Tensor, mode: str, fill: Any) -> rl.Tensor:
    """A picture sampled at a grid (1, H, W, 2) of places in -1..1; outside it is `fill`."""
    batch = x if x.ndim == 4 else x.reshape(-1, *x.shape[-3:])
    exact = batch.dtype if batch.is_floating_point() else rl.float32
    values = batch.to(exact)
    if fill is not None:
        values = rl.cat((values, values.new_ones((len(values), 1, *values.shape[-2:]))), 1)
    grid = grid.to(exact).expand(len(values), -1, -1, -1)
    y = F.grid_sample(values, grid, mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        y, inside = y[:, :-1], y[:, -1:]
        color = rl.tensor(fill if isinstance(fill, Sequence) else [float(fill)], dtype=exact)
        color = color.view(1, -1, 1, 1)
        y = (
            rl.where(inside < 0.5, color, y) if mode == "nearest"
            else y * inside + (1.0 - inside) * color
        )  # fmt: skip
    y = y if x.is_floating_point() else y.round()
    return y.to(x.dtype).reshape(*x.shape[:-2], *y.shape[-2:])


def _affine_grid(rows: Sequence[float], size: tuple[int, int], into: tuple[int, int]) -> rl.Tensor:
    """The places in a picture of `size` that a result of size `into` is looked up at."""
    (h, w), (high, wide) = size, into
    theta = rl.tensor(rows, dtype=rl.float32).view(2, 3)
    x = rl.linspace(-wide * 0.5 + 0.5, wide * 0.5 + 0.5 - 1, wide)
    y = rl.linspace(-high * 0.5 + 0.5, high * 0.5 + 0.5 - 1, high)
    places = rl.stack(
        (x.expand(high, wide), y[:, None].expand(high, wide), rl.ones(high, wide)), -1
    )
    scaled = theta.T / rl.tensor([0.5 * w, 0.5 * h])
    return (places.view(1, -1, 3) @ scaled).view(1, high, wide, 2)


def _checked(mode: InterpolationMode) -> str:
    if mode.value not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode.value}' is unsupported with Tensor input")
    return mode.value


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turn a picture by `angle` degrees against the clock about its middle or `center` (x, y).

    `expand`: the result is large enough to hold all of it; `fill`: what it shows outside.
    Raises: TypeError for arguments of other kinds.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.rotate.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.rotate(torch.tensor([[[1, 2], [3, 4]]]), 90)
    tensor([[[2, 4],
             [1, 3]]])
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, list | tuple):
        raise TypeError("Argument center should be a sequence")
    if is_pillow_image(img):
        return img.rotate(angle, PILLOW_NUMBERS[mode.value], expand, center,
                          fillcolor=pillow_fill(img, 0 if fill is None else fill))  # fmt: skip
    _, height, width = get_dimensions(img)
    middle = (
        [0.0, 0.0] if center is None else [c - 0.5 * n for c, n in zip(center, (width, height))]
    )
    rows = inverse_affine(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    into = expanded(rows, width, height) if expand else (height, width)
    grid = _affine_grid(rows, (height, width), into)
    return on_tensor(img, lambda x: _looked_up(x, grid, _checked(mode), fill))


def expanded(rows: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """The height and width that hold a whole turned picture."""
    corners = rl.tensor([[x * 0.5 * width, y * 0.5 * height, 1.0]
                         for x, y in ((-1, -1), (-1, 1), (1, 1), (1, -1))])  # fmt: skip
    turned = corners @ rl.tensor(rows, dtype=rl.float32).view(2, 3).T
    low, high = turned.min(0).values, turned.max(0).values
    middle = rl.tensor([width * 0.5, height * 0.5])
    low, high = low + middle, high + middle
    edges = ((high * 1e4).trunc() * 1e-4).ceil() - ((low * 1e4).trunc() * 1e-4).floor()
    return int(edges[1]), int(edges[0])


def affine(
    img: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Turn by `angle` degrees with the clock, scale, shear (degrees) and move a picture.

    Raises: TypeError, ValueError for arguments of other kinds.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.affine.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.affine(torch.tensor([[[1.0, 2.0, 3.0]]]), 0, translate=(1, 0), scale=1.0, shear=0)
    tensor([[[0., 1., 2.]]])
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, list | tuple):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, int | float | list | tuple):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    skew = [shear, 0.0] if isinstance(shear, int | float) else list(shear)
    skew = skew * 2 if len(skew) == 1 else skew
    if len(skew) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    _, height, width = get_dimensions(img)
    if is_pillow_image(img):
        middle = [width * 0.5, height * 0.5] if center is None else center
        rows = inverse_affine(middle, angle, translate, scale, skew)
        return img.transform(
            (width, height), pillow().Transform.AFFINE, rows, PILLOW_NUMBERS[mode.value],
            fillcolor=pillow_fill(img, 0 if fill is None else fill),
        )  # fmt: skip
    sizes = width, height
    middle = [0.0, 0.0] if center is None else [c - 0.5 * n for c, n in zip(center, sizes)]
    rows = inverse_affine(middle, angle, [1.0 * t for t in translate], scale, skew)
    grid = _affine_grid(rows, (height, width), (height, width))
    return on_tensor(img, lambda x: _looked_up(x, grid, _checked(mode), fill))


def coefficients(start: Sequence[Any], end: Sequence[Any]) -> list[float]:
    """The eight numbers of the projection that takes each end point to its start point."""
    rows = []
    for (x, y), (u, v) in zip(end, start):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    known = np.array(start, np.float64).reshape(-1)
    found = np.linalg.lstsq(np.array(rows, np.float64), known, rcond=None)[0]
    return found.astype(np.float32).tolist()


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode | int = BILINEAR,
    fill: Any = None,
) -> Any:
    """Project a picture so that its four `startpoints` (x, y) come to lie at the `endpoints`.

    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.perspective.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> moved = [[1, 0], [2, 0], [2, 1], [1, 1]]
    >>> F.perspective(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), corners, moved).round()
    tensor([[[0., 1.],
             [0., 3.]]])
    """
    mode = interpolation_mode(interpolation)
    return projected(img, coefficients(startpoints, endpoints), mode, fill)


def projected(img: Any, numbers: Sequence[float], mode: InterpolationMode, fill: Any) -> Any:
    """A picture whose pixel (x, y) is found at (a x + b y + c, d x + e y + f) / (g x + h y + 1)."""
    _, height, width = get_dimensions(img)
    if is_pillow_image(img):
        return img.transform(
            (width, height), pillow().Transform.PERSPECTIVE, numbers, PILLOW_NUMBERS[mode.value],
            fillcolor=pillow_fill(img, 0 if fill is None else fill),
        )  # fmt: skip
    x = rl.linspace(0.5, width - 0.5, width).expand(height, width)
    y = rl.linspace(0.5, height - 0.5, height)[:, None].expand(height, width)
    places = rl.stack((x, y, rl.ones(height, width)), -1).view(1, -1, 3)
    top = rl.tensor([numbers[:3], numbers[3:6]])
    scaled = top.T / rl.tensor([0.5 * width, 0.5 * height])
    below = rl.tensor([[*numbers[6:], 1.0]] * 2)
    grid = (places @ scaled / (places @ below.T) - 1.0).view(1, height, width, 2)
    return on_tensor(img, lambda x: _looked_up(x, grid, _checked(mode), fill))


def elastic_transform(
    img: Any,
    displacement: rl.Tensor,
    interpolation: InterpolationMode | int = BILINEAR,
    fill: Any = None,
) -> Any:
    """Look every pixel up at its own place and a displacement (1, H, W, 2), in units of -1..1.

    Raises: TypeError, ValueError for a displacement of another kind or size.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.functional.elastic_transform.html

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import functional as F
    >>> F.elastic_transform(torch.eye(3)[None], torch.zeros(1, 3, 3, 2))
    tensor([[[1., 0., 0.],
             [0., 1., 0.],
             [0., 0., 1.]]])
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(displacement, rl.Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if is_pillow_image(img):
        found = elastic_transform(pil_to_tensor(img), displacement, mode, fill)
        return to_pil_image(found, mode=img.mode)
    _, height, width = get_dimensions(img)
    if tuple(displacement.shape) != (1, height, width, 2):
        wanted = rl.Size((1, height, width, 2))
        raise ValueError(
            f"Argument displacement shape should be {wanted}, but given {displacement.shape}"
        )
    x = rl.linspace((1 - width) / width, (width - 1) / width, width).expand(height, width)
    y = rl.linspace((1 - height) / height, (height - 1) / height, height)[:, None]
    own = rl.stack((x, y.expand(height, width)), -1)[None]
    return on_tensor(img, lambda z: _looked_up(z, own + displacement, _checked(mode), fill))
