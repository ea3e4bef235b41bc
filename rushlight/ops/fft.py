"""Discrete Fourier transforms. Each is linear: its adjoint is the transform with the other sign.

The transforms here scale by a plain number (`scale`); the functions above choose it. They follow
Cooley and Tukey (1965) through NumPy's pocketfft, and keep single precision single.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.families import linear
from .linalg import raw, real_part
from .structure import narrow, place

Dims = Sequence[int]


def _points(x: np.ndarray, dims: Dims) -> int:
    return prod(x.shape[i] for i in dims)


def _over(x: np.ndarray, dims: Dims, work: Any) -> np.ndarray:
    """`work(x, axes)`, laid out as torch does: the transformed dimensions innermost."""
    kept = sorted((i for i in range(x.ndim) if i not in dims), key=lambda i: -x.strides[i])
    order = (*kept, *sorted(dims[:-1], key=lambda i: -x.strides[i]), dims[-1])
    if order == tuple(range(x.ndim)):
        return work(x, dims)
    y = np.ascontiguousarray(work(x.transpose(order), [order.index(dim) for dim in dims]))
    return y.transpose(np.argsort(order))


def _full(x: np.ndarray, dims: Dims, forward: bool, scale: float) -> np.ndarray:
    if x.dtype.kind != "c":
        x = x.astype(np.result_type(x.dtype, np.complex64))
    if forward:
        y = _over(x, dims, lambda x, dims: np.fft.fftn(x, axes=dims))
    else:
        y = _over(x, dims, lambda x, dims: np.fft.ifftn(x, axes=dims))
        scale *= _points(x, dims)
    if scale != 1.0:
        y *= scale
    return y


full = linear("fft_c2c", eval=_full, node="FftC2CBackward0",
              adjoint=lambda g, x, dims, forward, scale: full(g, dims, not forward, scale),
              doc="The complex transform of complex numbers.")  # fmt: skip


def _half(x: np.ndarray, dims: Dims, scale: float) -> np.ndarray:
    y = _over(x, dims, lambda x, dims: np.fft.rfftn(x, axes=dims))
    if scale != 1.0:
        y *= scale
    return y


def _half_adjoint(g: Any, x: Any, dims: Dims, scale: float) -> Any:
    """Zeros for the half that was left out, the inverse transform, the real part."""
    shape = (*g.shape[: dims[-1]], x.shape[dims[-1]], *g.shape[dims[-1] + 1 :])
    key = (slice(None),) * dims[-1] + (slice(0, g.shape[dims[-1]]),)
    return real_part(full(place(g, shape, key), tuple(dims), False, scale))


half = linear("fft_r2c", eval=_half, adjoint=_half_adjoint, node="FftR2CBackward0",
              doc="The transform of real numbers: the half that says all.")  # fmt: skip


def _real(x: np.ndarray, dims: Dims, size: int, scale: float) -> np.ndarray:
    sizes = [x.shape[i] for i in dims[:-1]] + [size]
    y = _over(x, dims, lambda x, dims: np.fft.irfftn(x, s=sizes, axes=dims))
    scale *= prod(sizes)
    if scale != 1.0:
        y *= scale
    return y


def _real_adjoint(g: Any, x: Any, dims: Dims, size: int, scale: float) -> Any:
    """Each number but the first (and the middle of an even size) stands for two."""
    y = half(g, tuple(dims), scale)
    middle = y.shape[dims[-1]]
    weights = np.full(middle, 2, raw(g).dtype)
    weights[0] = 1
    if size % 2 == 0:
        weights[-1] = 1
    shape = [1] * y.ndim
    shape[dims[-1]] = middle
    return y * weights.reshape(shape)


real = linear("fft_c2r", eval=_real, adjoint=_real_adjoint, node="FftC2RBackward0",
              doc="Real numbers from the half of their transform.")  # fmt: skip


def resized(x: Any, dim: int, size: int) -> Any:
    """Cut off or filled up with zeros to a size."""
    have = x.shape[dim]
    if size < have:
        return narrow(x, dim, 0, size)
    if size > have:
        shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
        return place(x, shape, (slice(None),) * dim + (slice(0, have),))
    return x
