"""Normalisation: to mean 0 and variance 1 over some dimensions, then scaled and shifted.

One op serves batch, layer, group and instance norm: the input is seen as (outer, kept, inner), the
statistics run over outer and inner; weight and bias are broadcast against the input as it is.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...core.families import general
from ...core.tape import PARAMS, SHAPE
from ..reduce import mean
from ..structure import sum_to
from ..transcendental import conj, rsqrt
from .kernels import raw, widened

Sizes = tuple[int, ...]


def _sum(x: np.ndarray, dims: Sizes) -> np.ndarray:
    return np.add.reduce(x, dims, keepdims=True)


def _inner(a: np.ndarray, b: np.ndarray, dims: Sizes) -> np.ndarray:
    """sum(a b) over dims, without the product in memory where the dims are trailing."""
    tail = 0
    while tail < len(dims) and dims[-1 - tail] == a.ndim - 1 - tail:
        tail += 1
    length = prod(a.shape[a.ndim - tail :])
    if not tail or length < 8:
        return _sum(a * b, dims)
    lead = a.shape[: a.ndim - tail]
    both = np.vecdot(a.reshape(*lead, length), b.reshape(*lead, length))
    return _sum(both.reshape(*lead, *(1,) * tail), dims)


_BLOCK = 1 << 16  # elements per round: the passes of a round find them in the cache


def _axis(x: np.ndarray, weight: Any, dims: Sizes) -> int | None:
    """A dimension along which the work can be cut up, or None where it is not worth it."""
    if x.size <= 2 * _BLOCK:
        return None
    if 0 not in dims and dims[-1] == x.ndim - 1 and len(dims) == x.ndim - 1:
        return 0 if weight is None or weight.ndim < x.ndim else None
    return 1 if x.ndim > 2 and 1 not in dims and len(dims) == x.ndim - 1 else None


def _as_rows(x: np.ndarray, weight: Any, dims: Sizes) -> tuple[np.ndarray, Sizes]:
    """Leading dimensions that are all kept, joined into one."""
    lead = x.ndim - len(dims)
    trailing = dims == tuple(range(lead, x.ndim))
    if lead < 2 or not trailing or (weight is not None and weight.ndim > len(dims)):
        return x, dims
    return x.reshape(-1, *x.shape[lead:]), tuple(range(1, len(dims) + 1))


def _cuts(x: np.ndarray, axis: int) -> Any:
    step = max(1, _BLOCK // max(1, x.size // x.shape[axis]))
    for start in range(0, x.shape[axis], step):
        yield (slice(None),) * axis + (slice(start, start + step),)


def _cut(a: Any, part: Any, ndim: int) -> Any:
    """The share of a weight (or bias) in a part of the input."""
    return a[part] if a is not None and a.ndim == ndim else a


def _standardise(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, own = _as_rows(x, weight, dims)
    axis = _axis(rows, weight, own)
    if axis is None:
        return _standardise_part(x, weight, bias, dims, eps)
    y = np.empty(rows.shape, x.dtype)
    kept = tuple(1 if i in own else n for i, n in enumerate(rows.shape))
    center, variance = (np.empty(kept, widened(x[:0]).dtype) for _ in range(2))
    for part in _cuts(rows, axis):
        mine = (_cut(weight, part, rows.ndim), _cut(bias, part, rows.ndim))
        y[part], center[part], variance[part] = _standardise_part(rows[part], *mine, own, eps)
    kept = tuple(1 if i in dims else n for i, n in enumerate(x.shape))
    return y.reshape(x.shape), center.reshape(kept), variance.reshape(kept)


def _standardise_part(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wide = widened(x)
    count = prod(x.shape[i] for i in dims)
    center = _sum(wide, dims)
    center /= count
    y = wide - center
    variance = _inner(y, y, dims)
    variance /= count
    scale = 1 / np.sqrt(variance + wide.dtype.type(eps))
    if weight is not None and weight.size == scale.size and weight.ndim == scale.ndim:
        y *= scale * weight
    else:
        y *= scale
        if weight is not None:
            y *= weight
    if bias is not None:
        y += bias
    return y.astype(x.dtype, copy=False), center, variance


def _standardise_vjp(
    g: Any, y: Any, x: Any, weight: Any, bias: Any, dims: Sizes, eps: float
) -> Any:
    if raw(g[0], x):
        return _back(g, x, y[1], y[2], weight, bias, dims, eps)
    center = mean(x, dims, True)
    shifted = x - center
    scale = rsqrt(mean(shifted * shifted, dims, True) + eps)
    normal = shifted * scale
    count = prod(x.shape[i] for i in dims)
    g, by_mean, by_variance = g
    inward = g if weight is None else g * weight
    dx = scale * (inward - mean(inward, dims, True) - normal * mean(inward * normal, dims, True))
    dx = dx + by_mean / count + by_variance * shifted * (2 / count)
    return (
        dx,
        None if weight is None else sum_to(g * normal, weight.shape),
        None if bias is None else sum_to(g, bias.shape),
    )


def _back(
    gs: Any, x: np.ndarray, center: Any, variance: Any, weight: Any, bias: Any, dims: Sizes,
    eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    rows, own = _as_rows(x, weight, dims)
    axis = _axis(rows, weight, own)
    if axis is None:
        return _back_part(gs, x, center, variance, weight, bias, dims, eps)
    kept = tuple(1 if i in own else n for i, n in enumerate(rows.shape))
    small = [a.reshape(kept) for a in (center, variance, gs[1], gs[2])]
    g = gs[0].reshape(rows.shape)
    dx = np.empty(rows.shape, x.dtype)
    dw, db = (None if a is None else np.zeros(a.shape, a.dtype) for a in (weight, bias))
    for part in _cuts(rows, axis):
        mine = (_cut(weight, part, rows.ndim), _cut(bias, part, rows.ndim))
        c, v, by_mean, by_variance = (a[part] for a in small)
        found = _back_part((g[part], by_mean, by_variance), rows[part], c, v, *mine, own, eps)
        dx[part] = found[0]
        for total, share in zip((dw, db), found[1:]):
            if total is not None:
                whole = _cut(total, part, rows.ndim)
                whole += share
    return dx.reshape(x.shape), dw, db


def _back_part(
    gs: Any, x: np.ndarray, center: Any, variance: Any, weight: Any, bias: Any, dims: Sizes,
    eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    kind = x.dtype
    g, x = widened(gs[0]), widened(x)
    count = prod(x.shape[i] for i in dims)
    scale = 1 / np.sqrt(variance + x.dtype.type(eps))
    normal = x - center
    normal *= scale
    dw = db = None
    if weight is None or weight.shape == scale.shape:  # one weight for all that is averaged
        total, along = _sum(g, dims), _inner(g, normal, dims)
        dw, db = along, total
        factor = scale if weight is None else scale * weight
        inward = g * factor
    else:
        inward = g * normal
        dw = sum_to(inward, weight.shape)
        if np.may_share_memory(dw, inward):  # the memory is written again below
            dw = dw.copy()
        db = None if bias is None else sum_to(g, bias.shape)
        along = _inner(inward, np.broadcast_to(weight, x.shape), dims)
        inward = np.multiply(g, weight, out=inward)
        total = _sum(inward, dims)
        inward *= scale
        factor = scale
    normal *= (factor * along - gs[2] * 2 / scale) / count
    inward -= normal
    inward -= (factor * total - gs[1]) / count
    narrow = lambda one: None if one is None else one.astype(kind, copy=False)
    return narrow(inward), narrow(dw), narrow(db)


def _standardise_node(entry: Any) -> str:
    """torch's name: layer norm has the last dimensions, batch norm leaves out the second."""
    dims, ndim = entry[PARAMS][0], len(entry[SHAPE][0])
    layer = dims[-1] == ndim - 1 and (dims[0] > 0 or len(dims) == ndim)
    return f"Native{'Layer' if layer else 'Batch'}NormBackward0"


standardise = general(
    "standardise", eval=_standardise, vjp=_standardise_vjp, arity=3, outputs=3, reads="xz",
    node=_standardise_node,
    doc="(x - mean) / sqrt(var + eps) * weight + bias, with the mean and variance it used.",
)  # fmt: skip


def _root_mean_square(x: np.ndarray, dims: Sizes, eps: float) -> np.ndarray:
    wide = widened(x)
    if wide.dtype.kind == "c":  # as torch: the mean of z^2, not of |z|^2
        return x * (1 / np.sqrt(np.mean(x * x, dims, keepdims=True) + eps))
    size = _inner(wide, wide, dims) / wide.dtype.type(prod(x.shape[i] for i in dims))
    return (wide * (1 / np.sqrt(size + wide.dtype.type(eps)))).astype(x.dtype, copy=False)


def _root_mean_square_vjp(g: Any, y: Any, x: Any, dims: Sizes, eps: float) -> Any:
    scale = conj(rsqrt(mean(x * x, dims, True) + eps))
    normal = conj(x) * scale
    return scale * (g - normal * mean(g * normal, dims, True))


root_mean_square = general(
    "root_mean_square", eval=_root_mean_square, vjp=_root_mean_square_vjp, reads="x",
    node="FusedRmsNormBackward0", doc="x / sqrt(mean(x^2) + eps) over dims.",
)  # fmt: skip


def _affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    y = x * scale
    y += shift
    return y


affine = general(
    "affine", eval=_affine, arity=3, reads="x", node="NativeBatchNormBackward0",
    vjp=lambda g, y, x, scale, shift: (
        g * scale, sum_to(g * x, scale.shape), sum_to(g, shift.shape)),
    doc="x * scale + shift, both broadcast to x.",
)  # fmt: skip
