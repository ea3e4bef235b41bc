"""Lengths and distances: the norms of vectors, and all distances between two sets of points."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtypes import COMPLEX_CODES
from ..core.families import general
from .contract import matmul
from .elementwise import abs as absolute
from .elementwise import pow as power
from .elementwise import sgn, where
from .reduce import Dims, kept
from .reduce import sum as sum_of
from .structure import expand, reshape, row_major, transpose


def _vector_norm(x: np.ndarray, order: float, dims: Dims, keep: bool) -> Any:
    if order == 2 and x.dtype.kind == "f" and x.dtype.itemsize > 2:
        along = x.reshape(-1) if dims is None else x if dims == (x.ndim - 1,) else None
        if along is not None and not keep and x.size >= 1024 and x.flags.c_contiguous:
            return np.sqrt(np.vecdot(along, along))
        return np.sqrt(row_major(np.add.reduce(x * x, dims, keepdims=keep)))
    size = np.abs(x.astype(np.float32) if x.dtype.itemsize == 2 else x)
    kind = x.dtype if x.dtype.char not in COMPLEX_CODES else size.dtype
    if order in (np.inf, -np.inf):
        reduce = np.maximum.reduce if order > 0 else np.minimum.reduce
        y = reduce(size, dims, keepdims=keep)
    elif order == 0:
        y = np.add.reduce(size != 0, dims, keepdims=keep)
    elif order == 1:
        y = np.add.reduce(size, dims, keepdims=keep)
    elif order == 2:
        y = np.sqrt(np.add.reduce(size * size, dims, keepdims=keep))
    else:
        y = np.power(np.add.reduce(np.power(size, order), dims, keepdims=keep), 1.0 / order)
    return row_major(np.asarray(y)).astype(kind, copy=False)


def _vector_norm_vjp(g: Any, y: Any, x: Any, order: float, dims: Dims, keep: bool) -> Any:
    shape = kept(x.shape, dims)
    g, y = (expand(reshape(one, shape), x.shape) for one in (g, y))
    if order == 0:
        return g * (x - x)  # zeros of x's type
    if order == 1:
        return g * sgn(x)
    if order in (np.inf, -np.inf):
        hit = absolute(x) == y
        ties = sum_of(where(hit, power(absolute(x), 0.0), 0.0), dims, True)
        return where(hit, g / ties, 0.0) * sgn(x)
    zero = y == 0
    safe = where(zero, 1.0, y)
    if order == 2:
        return where(zero, 0.0, g / safe) * x
    if order < 2:
        zero = zero | (x == 0)
    scale = where(zero, 0.0, g * power(safe, 1.0 - order))
    return scale * sgn(x) * power(where(zero, 1.0, absolute(x)), order - 1.0)


vector_norm = general(
    "linalg_vector_norm", eval=_vector_norm, vjp=_vector_norm_vjp, reads="xy",
    node="LinalgVectorNormBackward0",
    doc="(sum |x|^p)^(1/p) over dimensions; the largest |x| for p = inf; the gradient at 0 is 0.",
)  # fmt: skip

# Above so many points a matrix product is faster than the differences themselves.
_FEW = 25


def _distances(a: np.ndarray, b: np.ndarray, by_product: bool) -> np.ndarray:
    if not by_product:
        gap = a[..., :, None, :] - b[..., None, :, :]
        return np.sqrt(np.add.reduce(gap * gap, -1))
    squares = np.add.reduce(a * a, -1)[..., :, None] + np.add.reduce(b * b, -1)[..., None, :]
    return np.sqrt(np.maximum(squares - 2 * (a @ np.swapaxes(b, -1, -2)), 0))


def _distances_vjp(g: Any, y: Any, a: Any, b: Any, by_product: bool) -> tuple[Any, Any]:
    zero = y == 0
    weights = where(zero, 0.0, g / where(zero, 1.0, y))
    back = transpose(weights, -2, -1)
    last = weights.ndim - 1
    by_a = sum_of(weights, (last,), True) * a - matmul(weights, b)
    return by_a, sum_of(back, (last,), True) * b - matmul(back, a)


distances = general(
    "cdist", eval=_distances, arity=2, vjp=_distances_vjp, reads="xy", node="CdistBackward0",
    doc="The Euclidean distances between all rows of a and all rows of b.",
)  # fmt: skip


def use_product(mode: str, rows: int, columns: int) -> bool:
    """Whether torch's `compute_mode` asks for the product form for so many points."""
    if mode == "use_mm_for_euclid_dist":
        return True
    return mode == "use_mm_for_euclid_dist_if_necessary" and (rows > _FEW or columns > _FEW)
