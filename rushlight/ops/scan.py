"""Running sums, products and extrema, and the product of all elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as product_of
from typing import Any

import numpy as np

from ..core import heavy
from ..core.families import general, linear
from ..core.tape import PARAMS
from ..core.values import some
from .elementwise import where
from .indexing_along import spread_along
from .placing import kind_of
from .reduce import short_rows, spread
from .structure import flip, narrow, reshape, roll, row_major
from .transcendental import exp, log

Shape = Sequence[int]


def _summing(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int64) if x.dtype.kind in "iub" else x


_NATIVE = {np.add: "running_sums", np.multiply: "running_products"}


def _running(ufunc: Any, x: np.ndarray, dim: int) -> np.ndarray:
    if not x.ndim:
        return x.copy()
    if x.dtype.itemsize == 2 and x.dtype.kind in "fV":
        return row_major(ufunc.accumulate(x.astype(np.float32), dim)).astype(x.dtype)
    native = heavy.along(_NATIVE[ufunc], x, dim) if ufunc in _NATIVE else None
    if native is not None:
        return native[0]
    if not short_rows(x, (dim,), 16):
        return row_major(ufunc.accumulate(x, dim))
    y = np.empty_like(x)
    y[..., 0] = x[..., 0]
    for place in range(1, x.shape[-1]):
        ufunc(y[..., place - 1], x[..., place], out=y[..., place])
    return y


def backwards(x: Any, dim: int) -> Any:
    """Running sums from the end."""
    if not x.ndim:
        return x
    return flip(cumsum(flip(x, (dim,)), dim), (dim,))


cumsum = linear("cumsum", eval=lambda x, dim: _running(np.add, _summing(x), dim),
                adjoint=lambda g, x, dim: backwards(g, dim), doc="Running sums.")  # fmt: skip


scaled = linear("scaled", eval=lambda x, factor: (x * factor).astype(x.dtype, copy=False),
                dtype="float", node="MulBackward1",
                adjoint=lambda g, x, factor: g * factor, doc="x times a number.")  # fmt: skip
halved = linear("halved", eval=lambda x: (x / 2).astype(x.dtype, copy=False),
                dtype="float", node="DivBackward1",
                adjoint=lambda g, x: g / 2, doc="x / 2.")  # fmt: skip


def _cumprod_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return g
    zero = x == 0
    if not isinstance(x, np.ndarray):
        if some(zero):
            return _without_each(g, x, dim)
    elif not some(zero):
        return backwards(g * y.conj(), dim) / x.conj()
    before = cumsum(zero, dim)
    first = zero & (before == 1)
    plain = backwards(g * y.conj(), dim) / where(zero, 1.0, x).conj()
    at_first = backwards(g * cumprod(where(first, 1.0, x), dim).conj(), dim)
    return where(before == 0, plain, where(first, at_first, 0.0))


def _without_each(g: Any, x: Any, dim: int) -> Any:
    """The same gradient one element at a time: slow, but differentiable where x is 0."""
    size = x.shape[dim]
    result = x * 0
    for place in range(size):
        here = _only(x.shape, dim, place)
        rest = cumprod(where(here, 1.0, x), dim)
        length = size - place
        total = narrow(g, dim, place, length) * narrow(rest, dim, place, length).conj()
        result = where(here, narrow(backwards(total, dim), dim, 0, 1), result)
    return result


def _only(shape: Shape, dim: int, place: int) -> np.ndarray:
    """A mask of one entry of one dimension."""
    mask = np.zeros(shape[dim], bool)
    mask[place] = True
    return mask.reshape((-1,) + (1,) * (len(shape) - 1 - dim))


cumprod = general("cumprod", eval=lambda x, dim: _running(np.multiply, _summing(x), dim),
                  vjp=_cumprod_vjp, reads="xy", doc="Running products.")  # fmt: skip


def _by_halves(x: np.ndarray) -> np.ndarray:
    """Products along the last dimension: NumPy multiplies one number after the other."""
    native = heavy.pass_over("products", x)
    if native is not None:
        y, scratch = np.empty(x.shape[:-1], x.dtype), np.empty(x.shape[-1], x.dtype)
        native(x.ctypes.data, y.ctypes.data, scratch.ctypes.data, y.size, x.shape[-1])
        return y[()]
    while (size := x.shape[-1]) > 8:
        half = size // 2
        y = x[..., :half] * x[..., half : 2 * half]
        if size % 2:
            y[..., 0] *= x[..., -1]
        x = y
    return np.multiply.reduce(x, -1)


def _prod(x: np.ndarray, dim: int | None, keep: bool) -> Any:
    x = _summing(x)
    if x.size >= 1024 and x.flags.c_contiguous and x.dtype.char in "fd" and (
        dim is None or dim == x.ndim - 1
    ):  # fmt: skip
        y = _by_halves(x.reshape(-1) if dim is None else x)
        return y.reshape(*y.shape, *(1,) * (x.ndim - y.ndim)) if keep else y
    if x.dtype.itemsize == 2:
        if dim is None or not x.shape[dim]:
            return np.multiply.reduce(x, dim, keepdims=keep)
        y = np.multiply.accumulate(x, dim).take(-1, dim)  # each product is rounded
        return np.expand_dims(y, dim) if keep else y
    return row_major(np.multiply.reduce(x, dim, keepdims=keep))


def _prod_vjp(g: Any, y: Any, x: Any, dim: int | None, keep: bool) -> Any:
    dims = None if dim is None else (dim,)
    wide = spread(g, x, dims)
    zero = x == 0
    if not some(zero):
        return wide * spread(y, x, dims).conj() / x.conj()
    flat = x if dim is not None else reshape(x, (product_of(x.shape),))
    place = 0 if dim is None else dim
    others = _shifted_products(flat, place) * flip(
        _shifted_products(flip(flat, (place,)), place), (place,)
    )
    return wide * reshape(others, x.shape).conj()


def _shifted_products(x: Any, dim: int) -> Any:
    """The product of all elements before each one."""
    moved = where(_only(x.shape, dim, 0), 1.0, roll(x, (1,), (dim,)))
    return cumprod(moved, dim)


prod = general("prod", eval=_prod, vjp=_prod_vjp, reads="xy",
               node=lambda e: f"ProdBackward{int(e[PARAMS][0] is not None)}",
               doc="The product of all elements, or along a dimension.")  # fmt: skip


def _running_extremum(name: str, ufunc: Any) -> Any:
    def evaluate(x: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
        if not x.ndim:
            return x.copy(), np.zeros((), np.int64)
        native = heavy.along(name, x, dim)
        if native is not None:
            return native
        y = ufunc.accumulate(x, dim)
        here = np.arange(x.shape[dim]).reshape((-1,) + (1,) * (x.ndim - 1 - dim))
        hit = x == y
        if x.dtype.kind in "fV":
            hit |= np.isnan(x)
        places = np.maximum.accumulate(np.where(hit, here, 0), dim)
        return row_major(y), row_major(places)

    def vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
        if not x.shape:
            return g[0]
        places = y[1] if isinstance(y[1], np.ndarray) else y[1]._array
        return spread_along(g[0], x.shape, dim, places)

    return general(name, eval=evaluate, vjp=vjp, reads="z", outputs=2,
                   doc=f"The {name[3:]}imum so far, and where it stands.")  # fmt: skip


cummax = _running_extremum("cummax", np.maximum)
cummin = _running_extremum("cummin", np.minimum)


def _logcumsumexp(x: Any, dim: int) -> np.ndarray:
    if not x.ndim:
        return x.copy()
    if x.dtype.kind != "c":
        return _running(np.logaddexp, x, dim)
    y = np.moveaxis(x.astype(np.complex128), dim, 0)
    for i in range(1, len(y)):  # step by step: the turns of the angle add up, as in torch
        y[i] = _log_of_two(y[i - 1], y[i])
    return row_major(np.moveaxis(y, 0, dim)).astype(x.dtype)


def _log_of_two(a: Any, b: Any) -> Any:
    """log(e^a + e^b) of complex numbers, in the branch of the larger one."""
    less = (a.real < b.real) | np.isnan(a)
    low, high = np.where(less, a, b), np.where(less, b, a)
    with np.errstate(invalid="ignore"):
        y = np.log1p(np.exp(low - high)) + high
    both = (low.real == high.real) & np.isinf(high.real)
    above = both & (low.real > 0)
    y = np.where(both, low, y)
    if above.any():
        y = np.where(above, np.log(np.exp(low) + np.exp(high)), y)
    return np.where(np.isnan(low), complex(np.nan, np.nan), y)


def _logcumsumexp_vjp(g: Any, y: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return g
    if kind_of(g).is_complex:
        weight = log(g.conj()) - y
        return exp(flip(logcumsumexp(flip(weight, (dim,)), dim), (dim,)) + x).conj()
    positive = _log_weighted(g, y, x, dim)
    return positive - _log_weighted(-g, y, x, dim)


def _log_weighted(g: Any, y: Any, x: Any, dim: int) -> Any:
    """exp(x) times the sum of g exp(-y) from each place on, over the positive g, in logarithms."""
    some = g > 0
    weight = where(some, log(where(some, g, 1.0)) - y, float("-inf"))
    total = flip(logcumsumexp(flip(weight, (dim,)), dim), (dim,))
    return exp(total + x)


logcumsumexp = general("logcumsumexp", eval=_logcumsumexp, vjp=_logcumsumexp_vjp, reads="xy",
                       doc="The logarithm of running sums of exponentials.")  # fmt: skip
