"""Softmax and its logarithm along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.families import general
from ..reduce import sum as sum_of
from ..transcendental import exp
from .kernels import need_float, widened


def _kernel(name: str, x: np.ndarray, dim: int) -> str:
    return f"{name}_lastdim_kernel_impl" if dim >= x.ndim - 1 else f"{name}_kernel_impl"


def _softmax(x: np.ndarray, dim: int) -> np.ndarray:
    need_float(x, _kernel("softmax", x, dim))
    if x.size == 0 or x.ndim == 0:
        return np.ones_like(x)
    wide = widened(x)
    y = wide - np.maximum.reduce(wide, dim, keepdims=True)
    np.exp(y, y)
    y /= np.add.reduce(y, dim, keepdims=True)
    return y.astype(x.dtype, copy=False)


def _softmax_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    share = g * y
    return share - y * (sum_of(share, (dim,), True) if len(y.shape) else share)


softmax = general(
    "softmax", eval=_softmax, vjp=_softmax_vjp, reads="y",
    doc="e^x over its sum along dim.  dx = y (g - sum(g y)).",
)  # fmt: skip


def _log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    need_float(x, _kernel("log_softmax", x, dim))
    if x.size == 0 or x.ndim == 0:
        return np.zeros_like(x)
    wide = widened(x)
    y = wide - np.maximum.reduce(wide, dim, keepdims=True)
    y -= np.log(np.add.reduce(np.exp(y), dim, keepdims=True))
    return y.astype(x.dtype, copy=False)


log_softmax = general(
    "log_softmax", eval=_log_softmax, reads="y",
    vjp=lambda g, y, x, dim: g - exp(y) * (sum_of(g, (dim,), True) if len(y.shape) else g),
    doc="x - log(sum(e^x)) along dim.  dx = g - e^y sum(g).",
)  # fmt: skip
