"""Repeating, sliding windows, and the views of complex numbers as pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.families import general, linear, view
from ..core.inplace import Late
from .reduce import sum as sum_of
from .structure import contiguous, reshape
from .transcendental import conj

Shape = Sequence[int]


def _repeat_adjoint(g: Any, x: Any, times: Shape) -> Any:
    shape = (1,) * (len(times) - len(x.shape)) + tuple(x.shape)
    split = tuple(n for pair in zip(times, shape) for n in pair)
    total = sum_of(reshape(g, split), tuple(range(0, 2 * len(times), 2)), False)
    return reshape(total, tuple(x.shape))


repeat = linear("repeat", eval=np.tile, adjoint=_repeat_adjoint,
                doc="The whole tensor several times along each dimension.")  # fmt: skip


def _windows(x: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
    shape, strides = list(x.shape), list(x.strides)
    if not x.ndim:
        return dtypes.laid(x, (size,), (x.itemsize,))
    inner = strides[dim]
    shape[dim] = (shape[dim] - size) // step + 1
    strides[dim] *= step
    return dtypes.laid(x, (*shape, size), (*strides, inner))


def _from_windows(g: np.ndarray, shape: Shape, dim: int, size: int, step: int) -> np.ndarray:
    y = np.zeros(shape, g.dtype)
    if not shape:
        return g.sum(dtype=g.dtype).reshape(())
    target = np.moveaxis(y, dim, -1)
    source = np.moveaxis(g, dim, -1)  # (..., size, count): one window per last index
    count = source.shape[-1]
    for offset in range(size):
        target[..., offset : offset + (count - 1) * step + 1 : step] += source[..., offset, :]
    return y


windows = view("unfold", eval=_windows,
               adjoint=lambda g, x, dim, size, step: from_windows(g, x.shape, dim, size, step),
               doc="All windows of one dimension, as a new last dimension.")  # fmt: skip
from_windows = linear(
    "from_windows", eval=_from_windows, node="UnfoldBackwardBackward0",
    adjoint=lambda g, x, shape, dim, size, step: windows(contiguous(g), dim, size, step),
    doc="Windows added back where they came from.",
)  # fmt: skip


def _as_pairs(x: Any) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.char not in dtypes.COMPLEX_CODES:  # a gradient without imaginary part
        x = x.astype(dtypes.complex_of(x.dtype))
    first, _ = dtypes.parts(x)
    step = first.itemsize
    return np.lib.stride_tricks.as_strided(first, (*x.shape, 2), (*x.strides, step))


def _from_pairs(x: np.ndarray) -> np.ndarray:
    kind = dtypes.complex_of(x.dtype)
    if x.strides[-1] != x.itemsize:
        x = x.copy()
    if x.flags.c_contiguous:
        return x.view(kind).reshape(x.shape[:-1])
    flat = np.lib.stride_tricks.as_strided(x, (2,), (x.itemsize,)).view(kind)
    return dtypes.laid(flat, x.shape[:-1], x.strides[:-1])


as_pairs = view("view_as_real", eval=_as_pairs, adjoint=lambda g, x: from_pairs(contiguous(g)),
                doc="Complex numbers as (real, imaginary) pairs in a last dimension.")  # fmt: skip
from_pairs = view("view_as_complex", eval=_from_pairs, adjoint=lambda g, x: as_pairs(g),
                  doc="Pairs in the last dimension as complex numbers.")  # fmt: skip

Late.as_pairs, Late.from_pairs = as_pairs, from_pairs


def _complex(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    re, im = np.broadcast_arrays(re, im)
    y = np.empty(re.shape, dtypes.complex_of(re.dtype))
    for part, values in zip(dtypes.parts(y), (re, im)):
        part[...] = values
    return y


def _complex_vjp(g: Any, y: Any, re: Any, im: Any) -> tuple[Any, Any]:
    pairs = as_pairs(contiguous(g))
    return pairs[..., 0], pairs[..., 1]


from_parts = general("complex", eval=_complex, arity=2, vjp=_complex_vjp,
                     doc="re + i im.")  # fmt: skip


def _polar(size: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return _complex(size * np.cos(angle), size * np.sin(angle))


def _polar_vjp(g: Any, y: Any, size: Any, angle: Any) -> tuple[Any, Any]:
    from_size = as_pairs(contiguous(conj(g) * polar(size * 0 + 1, angle)))[..., 0]
    return from_size, -as_pairs(contiguous(conj(g) * y))[..., 1]


polar = general("polar", eval=_polar, arity=2, vjp=_polar_vjp, reads="xy",
                doc="The complex number of given size and angle.")  # fmt: skip

conj_physical = general(
    "conj_physical", eval=np.conjugate, vjp=lambda g, y, x: conj(g),
    doc="The complex conjugate, in memory of its own.",
)  # fmt: skip
