"""Dropout of whole squares and cubes of a feature map."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

F = rl.nn.functional


def _dropped(
    input: Any, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int
) -> Any:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    sizes = input.shape[2:]
    block = min(block_size, *sizes)
    if block % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block} which is even.")
    places = [size - block + 1 for size in sizes]
    chance = p * math.prod(sizes) / (block**dims * math.prod(places))
    middles = rl.empty(*input.shape[:2], *places, dtype=input.dtype).bernoulli_(chance)
    middles = F.pad(middles, [block // 2] * (2 * dims))
    pool = F.max_pool2d if dims == 2 else F.max_pool3d
    kept = 1 - pool(middles, block, 1, block // 2)
    scale = kept.numel() / (eps + kept.sum())
    return input.mul_(kept).mul_(scale) if inplace else input * kept * scale


def drop_block2d(
    input: Any, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6,
    training: bool = True,
) -> Any:  # fmt: skip
    """Zero squares of `block_size` in (N, C, H, W), about a share `p` in all; scale up the rest.

    Draws: `bernoulli_` of the squares' middles. Raises: ValueError for another p, shape, even size.
    Source: Ghiasi et al., 2018, https://arxiv.org/abs/1810.12890

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.drop_block2d(torch.ones(1, 1, 4, 4), p=0.5, block_size=2, training=False).sum()
    tensor(16.)
    """
    return _dropped(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Any, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6,
    training: bool = True,
) -> Any:  # fmt: skip
    """`drop_block2d` with cubes of (N, C, D, H, W).

    Arguments are those of `drop_block2d`. Raises: ValueError for other dimensions, or a `p` outside
    [0, 1].

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.drop_block3d(torch.ones(1, 1, 4, 4, 4), p=0.3, block_size=3).shape
    torch.Size([1, 1, 4, 4, 4])
    """
    return _dropped(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(rl.nn.Module):
    """`drop_block2d` as a layer.

    Arguments and errors are those of `drop_block2d`; in evaluation nothing is dropped.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.DropBlock2d(p=0.5, block_size=2).eval()(torch.ones(1, 1, 4, 4)).sum()
    tensor(16.)
    """

    dims = 2

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-6) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Any) -> Any:
        settings = self.p, self.block_size, self.inplace, self.eps
        return _dropped(input, *settings, self.training, self.dims)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, "
            f"inplace={self.inplace})"
        )


class DropBlock3d(DropBlock2d):
    """`drop_block3d` as a layer.

    Arguments and errors are those of `drop_block3d`; in evaluation nothing is dropped.

    >>> import rushlight as torch
    >>> from rushlight.vision import ops
    >>> ops.DropBlock3d(p=0.5, block_size=2).eval()(torch.ones(1, 1, 2, 2, 2)).sum()
    tensor(8.)
    """

    dims = 3
