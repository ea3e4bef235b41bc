"""Normalisation: to mean 0 and variance 1 over some dimensions, then scaled and shifted.

One op serves batch, layer, group and instance norm: the input is seen as (outer, kept, inner), the
statistics run over outer and inner; weight and bias are broadcast against the input as it is.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...core.families import general
from ...core.heavy import SWITCH, fitted, heavy
from ...core.numbers import number
from ...core.primitive import BIASED
from ...core.tape import PARAMS, SHAPE, no_gradient
from ..reduce import MANY, SPREAD, mean, ones, squares
from ..reduce import sum as sum_of
from ..structure import row_major, sum_to
from ..transcendental import conj, rsqrt
from . import norm_kernels
from .kernels import half, raw, widened
from .norm_kernels import Channels
from .rounds import unbuffered

Sizes = tuple[int, ...]


_FEW = 4096  # elements up to which the number of calls is what counts
_reduce_add: Any = np.add.reduce  # its arguments in their order: words cost 100 ns


@lru_cache(256)
def _seen(shape: Sizes, dims: Sizes, kind: np.dtype) -> tuple[Any, ...] | None:
    """How sums are taken of a shape that can be seen as (outer, kept, inner); None: it cannot.

    Rows and the ones they are multiplied by, columns and the ones that multiply them (None: there
    is nothing to sum that way), the shape of the result.
    """
    if kind.char not in "fd":
        return None
    lead = next((i for i in range(len(dims)) if dims[i] != i), len(dims))
    middle = len(shape) - len(dims)
    if dims != (*range(lead), *range(lead + middle, len(shape))):
        return None
    sizes = shape[:lead], shape[lead : lead + middle], shape[lead + middle :]
    outer, kept, inner = map(prod, sizes)
    by_inner = ones(inner, kind) if inner > 1 or outer == 1 else None
    by_outer = ones(outer, kind) if outer > 1 else None
    reduced = tuple(1 if i in dims else n for i, n in enumerate(shape))
    return (outer * kept, inner), by_inner, (outer, kept), by_outer, reduced


def _sum(x: np.ndarray, dims: Sizes) -> np.ndarray:
    """Sums, their dimensions of size 1; of few numbers by products with ones."""
    seen = _seen(x.shape, dims, x.dtype) if x.size < _FEW and x.flags.c_contiguous else None
    if seen is None or not x.size:
        return _reduce_add(x, dims, None, None, True)
    rows, by_inner, columns, by_outer, shape = seen
    if by_inner is not None:
        x = x.reshape(rows).dot(by_inner)
    if by_outer is not None:
        x = by_outer.dot(x.reshape(columns))
    return x.reshape(shape)


@lru_cache(256)
def _trailing(shape: Sizes, dims: Sizes) -> tuple[Sizes, Sizes, Sizes] | None:
    """The shape with its trailing dims as one, then with them of size 1, and the dims before.

    None where there are no trailing ones, or too few numbers in them.
    """
    tail = 0
    while tail < len(dims) and dims[-1 - tail] == len(shape) - 1 - tail:
        tail += 1
    lead, length = shape[: len(shape) - tail], prod(shape[len(shape) - tail :])
    if not tail or length < 8:
        return None
    return (*lead, length), (*lead, *(1,) * tail), dims[: len(dims) - tail]


def _inner(a: np.ndarray, b: np.ndarray, dims: Sizes) -> np.ndarray:
    """sum(a b) over dims, without the product in memory where the dims are trailing."""
    if len(dims) == 1 and dims[0] == a.ndim - 1 and a.shape[-1] >= 8:
        return np.vecdot(a, b)[..., None]
    seen = _trailing(a.shape, dims)
    if seen is None:
        return _sum(a * b, dims)
    rows, reduced, rest = seen
    both = np.vecdot(a.reshape(rows), b.reshape(rows)).reshape(reduced)
    return _sum(both, rest) if rest else both


_SHORT = 16  # numbers in a row from which the kernels for whole rows pay


def _row_shape(x: np.ndarray, weight: Any, bias: Any, dims: Sizes) -> Sizes | None:
    """(rows, length) where each row is normalised by itself, its weights lying along it."""
    lead = x.ndim - len(dims)
    length = prod(x.shape[lead:])
    if dims != tuple(range(lead, x.ndim)) or length < _SHORT:
        return None
    if any(one is not None and one.shape != x.shape[lead:] for one in (weight, bias)):
        return None
    return prod(x.shape[:lead]), length


def _channels(x: np.ndarray, weight: Any, bias: Any, dims: Sizes) -> Channels | None:
    """The layout of batch, group and instance norm, whose weights are one number per channel."""
    grouped = dims == (2, 3) and x.ndim == 4
    few = weight if weight is not None else bias
    if x.ndim < 3 or (few is not None and few.ndim != x.ndim):
        return None
    if grouped and (few is None or few.shape[2] == x.shape[2]):
        shape, each = (x.shape[0], x.shape[1] * x.shape[2], x.shape[3]), x.shape[2]
    else:
        shape, each = (*x.shape[:2], prod(x.shape[2:])), int(0 not in dims)
        if dims != (*(() if each else (0,)), *range(2, x.ndim)):
            return None
    fits = all(one is None or one.size == shape[1] for one in (weight, bias))
    return Channels(shape, each) if fits and shape[2] >= _SHORT else None


def _flat(*values: Any) -> Any:
    return [None if one is None else widened(one).reshape(-1) for one in values]


def _of_images(x: np.ndarray) -> np.ndarray:
    """A batch as torch lays out its norm: in order of memory, or channels last if it lies so."""
    if x.flags.c_contiguous:
        return x
    last = x.ndim in (4, 5) and np.moveaxis(x, 1, -1).flags.c_contiguous
    return x if last else row_major(x)


def _standardise(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not x.flags.c_contiguous and dims == tuple(range(x.ndim - len(dims), x.ndim)):
        x = row_major(x)  # a layer's norm; instances keep how channels lie
    elif len(dims) == x.ndim - 1 and dims[:2] != (0, 1):
        x = _of_images(x)
        if half(x) and dims[0] == 0 and (weight is None or half(weight)):
            return _standardise_short(x, weight, bias, dims, eps)
    how = _of_few(x.shape, dims, eps, x.dtype) if x.size < MANY and x.flags.c_contiguous else None
    if how is not None:
        return _standardise_few(x, weight, bias, how)
    if x.size < _FEW or x.dtype.kind == "c":
        return _standardise_part(x, weight, bias, dims, eps)
    shape = _row_shape(x, weight, bias, dims)
    if shape is not None:
        wide = widened(x).reshape(shape)
        flat_weight, flat_bias = _flat(weight, bias)
        with unbuffered(shape[1]):
            found = norm_kernels.rows(wide, flat_weight, flat_bias, eps)
    else:
        layout = _channels(x, weight, bias, dims)
        if layout is None:
            return _standardise_part(x, weight, bias, dims, eps)
        wide = widened(x).reshape(layout.batch, layout.channels, layout.places)
        flat_weight, flat_bias = _flat(weight, bias)
        with unbuffered(layout.places):
            found = layout.forward(wide, flat_weight, flat_bias, eps)
    kept = tuple(1 if i in dims else n for i, n in enumerate(x.shape))
    y = found[0].reshape(x.shape)
    y = fitted(y, x.dtype)
    center, variance = (np.ascontiguousarray(one.reshape(kept)) for one in found[1:])
    return y, center, variance


@lru_cache(256)
def _numbers(shape: Sizes, dims: Sizes, eps: float, kind: np.dtype) -> tuple[np.ndarray, ...]:
    """How many elements are averaged, eps and 1, as arrays."""
    return number(prod([shape[i] for i in dims]), kind), number(eps, kind), number(1, kind)


def _scale_of(variance: np.ndarray, eps: np.ndarray, one: np.ndarray) -> np.ndarray:
    """1 / sqrt(variance + eps)."""
    scale = variance + eps
    np.sqrt(scale, scale)
    return np.divide(one, scale, scale)


@lru_cache(256)
def _of_few(shape: Sizes, dims: Sizes, eps: float, kind: np.dtype) -> tuple[Any, ...] | None:
    """How few numbers are summed so that each has its sum beside it; None: too many, or mixed.

    The matrix that they are, a square of ones, whether it comes after the matrix, where in such a
    sum one number of each stands, the shape of the statistics; how many are averaged, and eps.
    """
    total, count = prod(shape), prod([shape[i] for i in dims])
    last = dims == tuple(range(len(shape) - len(dims), len(shape)))
    if kind.char not in "fd" or not 0 < total < MANY or count > SPREAD:
        return None
    if not last and dims != tuple(range(len(dims))):
        return None
    matrix = (total // count, count) if last else (count, total // count)
    one_each = (slice(None), slice(1)) if last else slice(1)
    reduced = tuple(1 if i in dims else n for i, n in enumerate(shape))
    return (matrix, squares(count, kind), last, one_each, reduced,
            number(count, kind), number(eps, kind))  # fmt: skip


def _standardise_few(
    x: np.ndarray, weight: Any, bias: Any, how: tuple[Any, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of few numbers: no statistic is a column beside a matrix, which costs 0.8 us."""
    matrix, square, last, one_each, reduced, count, small = how
    plain = x.shape == matrix
    rows = x if plain else x.reshape(matrix)
    center = rows.dot(square) if last else square.dot(rows)
    np.divide(center, count, center)
    y = rows - center
    variance = y * y
    variance = variance.dot(square) if last else square.dot(variance)
    np.divide(variance, count, variance)
    scale = variance + small
    np.sqrt(scale, scale)
    np.divide(y, scale, y)
    y = y if plain else y.reshape(x.shape)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    center, variance = center[one_each], variance[one_each]
    if last:  # columns; whoever keeps them expects them in order
        center, variance = center.copy(), variance.copy()
    return (y, center, variance) if plain else (
        y, center.reshape(reduced), variance.reshape(reduced))  # fmt: skip


def _standardise_part(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wide = widened(x)
    count, small, one = _numbers(x.shape, dims, eps, wide.dtype)
    center = _sum(wide, dims)
    np.divide(center, count, center)
    y = wide - center
    variance = _inner(y, y, dims)
    np.divide(variance, count, variance)
    scale = _scale_of(variance, small, one)
    if weight is not None and weight.size == scale.size and weight.ndim == scale.ndim:
        y *= scale * weight
    else:
        y *= scale
        if weight is not None:
            y *= weight
    if bias is not None:
        y += bias
    return (y if wide is x else fitted(y, x.dtype)), center, variance


def _standardise_short(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch's norm as torch makes it of numbers of 16 bits: x times a factor, plus a shift."""
    wide = widened(x)
    _, center, variance = _large(wide, None, None, dims, eps)
    middle, kept = _as_kept(x, center, variance, weight, eps)
    factor = 1 / np.sqrt(kept + np.float32(eps))
    factor = factor if weight is None else factor * widened(weight)
    shift = -middle * factor if bias is None else widened(bias) - middle * factor
    return fitted(wide * factor + shift, x.dtype), center, variance


def _as_kept(x: np.ndarray, center: Any, variance: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The statistics of which torch keeps the mean and 1 / deviation in the type of the weights."""
    if weight is not None and not half(weight):
        return center, variance
    scale = widened((1 / np.sqrt(widened(variance) + np.float32(eps))).astype(x.dtype))
    return widened(center.astype(x.dtype)), 1 / (scale * scale) - np.float32(eps)


def _standardise_vjp(
    g: Any, y: Any, x: Any, weight: Any, bias: Any, dims: Sizes, eps: float
) -> Any:
    if raw(g[0], x):
        kept = _as_kept(x, y[1], y[2], weight, eps) if half(x) else y[1:]
        return _back_once(x, g, kept[0], kept[1], weight, bias, dims, eps)
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


def _back_formula(
    x: Any, g: Any, by_mean: Any, by_variance: Any, center: Any, variance: Any, weight: Any,
    bias: Any, dims: Sizes, eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The gradients of x, weight and bias in ops, from the statistics at hand."""
    scale, count = rsqrt(variance + eps), prod(x.shape[i] for i in dims)
    normal = (x - center) * scale
    along, total = sum_of(g * normal, dims, True), sum_of(g, dims, True)
    dw = None if weight is None else along
    db = None if bias is None else total
    if weight is None or weight.shape == scale.shape:  # one weight for all that is averaged
        factor, inward = scale if weight is None else scale * weight, g
    else:
        factor, inward = scale, g * weight
        few = [d for d in dims if len(weight.shape) == len(x.shape) and weight.shape[d] == 1]
        if few:  # summed where the weight is one, before anything else: a group's channels
            dw, db = (sum_of(one, tuple(few), True) for one in (g * normal, g))
            along, total = (sum_of(one * weight, dims, True) for one in (dw, db))
            dw, db = sum_to(dw, weight.shape), None if bias is None else sum_to(db, bias.shape)
        else:
            dw = sum_to(g * normal, weight.shape)
            db = None if bias is None else sum_to(g, bias.shape)
            along, total = sum_of(inward * normal, dims, True), sum_of(inward, dims, True)
    along = (factor * along - by_variance * 2 / scale) / count
    return inward * factor - normal * along - (factor * total - by_mean) / count, dw, db


def _back(
    x: np.ndarray, g: Any, by_mean: Any, by_variance: Any, center: Any, variance: Any,
    weight: Any, bias: Any, dims: Sizes, eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    gs = g, by_mean, by_variance
    if x.size < _FEW or x.dtype.kind == "c":
        return _back_part(gs, x, center, variance, weight, bias, dims, eps)
    shape: Sizes | None = _row_shape(x, weight, bias, dims)
    back: Any = norm_kernels.rows_back
    if shape is None:
        layout = _channels(x, weight, bias, dims)
        if layout is None:
            return _back_part(gs, x, center, variance, weight, bias, dims, eps)
        shape, back = (layout.batch, layout.channels, layout.places), layout.backward
    wide = (widened(gs[0]).reshape(shape), *_flat(gs[1], gs[2]))
    small = (*_flat(center, variance), *_flat(weight), eps)
    with unbuffered(shape[-1]):
        dx, dw, db = back(wide, widened(x).reshape(shape), *small)
    like = lambda a, one: None if one is None else fitted(a.reshape(one.shape), one.dtype)
    return like(dx, x), like(dw, weight), like(db, bias)


_large_back = heavy("standardise_back", _back, _back_formula)


def _back_once(
    x: np.ndarray, g: Any, center: Any, variance: Any, weight: Any, bias: Any, dims: Sizes,
    eps: float,
) -> Any:  # fmt: skip
    """The gradients of what may have 16 bits, in float32 and rounded at the end."""
    if x.size < SWITCH.least or not half(x):
        return _large_back(x, *g, center, variance, weight, bias, dims, eps)
    wide = [None if one is None else widened(one) for one in (*g, center, variance, weight, bias)]
    found = _large_back(widened(x), *wide, dims, eps)
    return tuple(
        None if one is None or like is None else fitted(one, like.dtype)
        for one, like in zip(found, (x, weight, bias))
    )


def _back_part(
    gs: Any, x: np.ndarray, center: Any, variance: Any, weight: Any, bias: Any, dims: Sizes,
    eps: float,
) -> tuple[Any, Any, Any]:  # fmt: skip
    kind = x.dtype
    g, x = widened(gs[0]), widened(x)
    count, small, one = _numbers(x.shape, dims, eps, x.dtype)
    scale = _scale_of(variance, small, one)
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
        if dw.base is not None and np.may_share_memory(dw, inward):  # which is written again below
            dw = dw.copy()
        db = None if bias is None else sum_to(g, bias.shape)
        inward = np.multiply(g, weight, out=inward)
        total, along = _sum(inward, dims), _inner(inward, normal, dims)
        inward *= scale
        factor = scale
    along, total = factor * along, factor * total
    if not no_gradient(gs[2]):
        along -= gs[2] * 2 / scale
    if not no_gradient(gs[1]):
        total -= gs[1]
    np.divide(along, count, along)
    np.divide(total, count, total)
    normal *= along
    inward -= normal
    inward -= total
    # beside images of half precision there may be weights of float32, and so are their gradients
    kinds = (kind, *(kind if one is None else one.dtype for one in (weight, bias)))
    narrow = lambda one, kind: one if one is None else fitted(one, kind)
    dx, dw, db = map(narrow, (inward, dw, db), kinds)
    return dx, dw, db


def _standardise_node(entry: Any) -> str:
    """torch's name: layer norm has the last dimensions, batch norm leaves out the second."""
    dims, ndim = entry[PARAMS][0], len(entry[SHAPE][0])
    layer = dims[-1] == ndim - 1 and (dims[0] > 0 or len(dims) == ndim)
    return f"Native{'Layer' if layer else 'Batch'}NormBackward0"


_large = heavy("standardise", _standardise)


def _standardise_once(
    x: np.ndarray, weight: Any, bias: Any, dims: Sizes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of numbers of 16 bits in float32, rounded at the end, but for a batch's norm."""
    if x.size < SWITCH.least or not half(x) or (dims[0] == 0 and len(dims) == x.ndim - 1):
        return _large(x, weight, bias, dims, eps)
    y, center, variance = _large(*(a if a is None else widened(a) for a in (x, weight, bias)),
                                 dims, eps)  # fmt: skip
    return fitted(y, x.dtype), center, variance


def _kernel(x: Any, w: Any, b: Any, dims: Sizes = (), eps: float = 0.0) -> str:
    """torch's kernel for statistics over these dimensions."""
    return "LayerNormKernelImpl" if dims and dims[0] and dims[-1] == x.ndim - 1 else "batch_norm"


standardise = general(
    "standardise", refuses={"bool int complex": _kernel},
    vjp=_standardise_vjp, arity=3, outputs=3, reads="xz", node=_standardise_node,
    eval=_standardise_once,
    doc="(x - mean) / sqrt(var + eps) * weight + bias, with the mean and variance it used.",
)  # fmt: skip


def _root_mean_square(x: np.ndarray, dims: Sizes, eps: float) -> np.ndarray:
    x = _of_images(x)
    wide = widened(x)
    if wide.dtype.kind == "c":  # as torch: the mean of z^2, not of |z|^2
        return x * (1 / np.sqrt(np.mean(x * x, dims, keepdims=True) + eps))
    size = _inner(wide, wide, dims) / wide.dtype.type(prod(x.shape[i] for i in dims))
    return fitted(wide * (1 / np.sqrt(size + wide.dtype.type(eps))), x.dtype)


def _root_mean_square_vjp(g: Any, y: Any, x: Any, dims: Sizes, eps: float) -> Any:
    scale = conj(rsqrt(mean(x * x, dims, True) + eps))
    normal = conj(x) * scale
    return scale * (g - normal * mean(g * normal, dims, True))


root_mean_square = general(
    "root_mean_square", eval=_root_mean_square, vjp=_root_mean_square_vjp, reads="x",
    refuses={"bool int": "rms_norm"},
    node="FusedRmsNormBackward0", doc="x / sqrt(mean(x^2) + eps) over dims.",
)  # fmt: skip


def _affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    y = _of_images(x) * scale
    y += shift
    return y


affine = general(
    "affine", eval=heavy("affine", _affine, light=True), arity=3, reads=BIASED,
    refuses={"bool int complex": "batch_norm"},
    node="NativeBatchNormBackward0",
    vjp=lambda g, y, x, scale, shift: (
        g * scale, sum_to(g * x, scale.shape), sum_to(g, shift.shape)),
    doc="x * scale + shift, both broadcast to x.",
)  # fmt: skip
