"""Casts, copies, views and the ops that place one array inside another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ...core.primitive import REGISTRY
from .value import NotNative, Value


def _cast(s: Any, x: Any, target: Any, source: Any) -> Any:
    return s.cast(x, target.numpy)


def _same(s: Any, x: Any, *_: Any) -> Any:
    return s.wrap(x)


def _squeeze(s: Any, x: Any, dims: Any) -> Any:
    return s.reshape(x, tuple(n for i, n in enumerate(x.shape) if not (i in dims and n == 1)))


def _unsqueeze(s: Any, x: Any, dim: int) -> Any:
    dim %= x.ndim + 1
    return s.reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


def _sum_to(s: Any, x: Any, shape: Any) -> Any:
    extra = x.ndim - len(shape)
    dims = [i for i in range(x.ndim)
            if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1)]  # fmt: skip
    return s.reshape(s.sum(x, dims, True) if dims else x, shape)


# -- views by geometry -------------------------------------------------------------------------


def geometry(shape: Sequence[int], see: Callable[[np.ndarray], np.ndarray]) -> tuple[Any, Any, int]:
    """What a view function shows of a C-order array: shape, strides and offset in elements.

    It is tried on an array without memory behind it, of which nothing is read.
    """
    steps = [prod(shape[i + 1 :]) for i in range(len(shape))]
    whole = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), shape, steps)
    part = see(whole)
    if any(stride < 0 for stride in part.strides):
        raise NotNative("a region read backwards")
    offset = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return part.shape, part.strides, offset if part.size else 0


def _seen(name: str) -> Any:
    """A view op by its geometry."""

    def rule(s: Any, x: Any, *params: Any) -> Any:
        return s.strided(x, *geometry(x.shape, lambda a: REGISTRY[name].eval(a, *params)))

    return rule


def _replacing(name: str) -> Any:
    """The op that overwrites what the view op `name` shows."""

    def rule(s: Any, x: Any, source: Any, *params: Any) -> Any:
        place = geometry(x.shape, lambda a: REGISTRY[name].eval(a, *params))
        return s.replace(x, source, *place)

    return rule


def _strided_view(s: Any, x: Any, shape: Any, strides: Any = None, offset: int = 0) -> Any:
    if strides is None:  # flat indices
        return s.take(s.reshape(x, (x.size,)), shape, 0)
    return s.strided(x, shape, strides, offset)


def _embed_strided(s: Any, g: Any, base: Any, shape: Any, strides: Any = None,
                   offset: int = 0) -> Any:  # fmt: skip
    if strides is None:
        places = s.reshape(s.wrap(shape), (-1,))
    elif _distinct(shape, strides):
        return s.replace(s.zeros(base, g.dtype), g, shape, strides, offset)
    else:
        count = np.arange(prod(base))[offset:]
        steps = tuple(stride * count.itemsize for stride in strides)
        places = np.lib.stride_tricks.as_strided(count, shape, steps).reshape(-1)
    flat = s.zeros((prod(base),), g.dtype)
    return s.reshape(s.scatter_add(flat, places, s.reshape(g, (g.size,)), 0), base)


def _distinct(shape: Any, strides: Any) -> bool:
    """Whether no element of a region is named twice (told from the strides alone)."""
    reach = 0
    for stride, n in sorted(zip(strides, shape)):
        if n > 1:
            if stride <= reach:
                return False
            reach += stride * (n - 1)
    return True


def _replace_region(s: Any, base: Any, value: Any, *place: Any) -> Any:
    if len(place) == 1:
        raise NotNative("a region by indices")
    return s.replace(base, value, *place)


# -- parts -------------------------------------------------------------------------------------


def spelled_out(key: Any, ndim: int) -> list[Any]:
    """A basic index with its Ellipsis written out and a full slice for what it leaves open."""
    key = list(key) if isinstance(key, tuple) else [key]
    for one in key:
        if not (one is None or one is Ellipsis or isinstance(one, (slice, int, np.integer))):
            raise NotNative("an index of arrays")
        if isinstance(one, (bool, np.bool_)):
            raise NotNative("an index by truth")
    used = sum(one is not None and one is not Ellipsis for one in key)
    rest = [slice(None)] * (ndim - used)
    at = next((i for i, one in enumerate(key) if one is Ellipsis), len(key))
    return [*key[:at], *rest, *(one for one in key[at:] if one is not Ellipsis)]


def part(s: Any, x: Any, key: Any) -> Any:
    """A basic-indexed part: a slice, a flip where steps go backwards, a reshape."""
    starts, stops, steps, turned, shape = [], [], [], [], []
    dim = 0
    for one in spelled_out(key, x.ndim):
        if one is None:
            shape.append(1)
            continue
        n = x.shape[dim]
        if isinstance(one, slice):
            run = range(*one.indices(n))
            shape.append(len(run))
            if run.step < 0 and len(run):
                turned.append(dim)
                run = run[::-1]
        else:
            one = int(one) + (n if one < 0 else 0)
            run = range(one, one + 1)
        starts.append(run.start)
        stops.append(max(run.start, run.stop))
        steps.append(abs(run.step))
        dim += 1
    return s.reshape(s.flip(s.slice(x, starts, stops, steps), turned), shape)


def _slice(s: Any, x: Any, dim: int, start: int, length: int) -> Any:
    return s.narrow(x, dim, start, length)


def _select(s: Any, x: Any, dim: int, i: int) -> Any:
    return part(s, x, (*(slice(None),) * dim, i))


def place(s: Any, g: Any, shape: Any, key: Any) -> Any:
    """Zeros with a basic-indexed part filled: a pad where the part is one block."""
    full = spelled_out(key, len(shape))
    region = geometry(shape, lambda a: a[key])
    g = s.expand(g, region[0])
    runs, dim = [], 0
    for one in full:
        if one is None:
            continue
        n = shape[dim]
        i = one if isinstance(one, slice) else slice(one % n, one % n + 1)
        runs.append(range(*i.indices(n)))
        dim += 1
    if any(run.step != 1 for run in runs):
        return s.replace(s.zeros(shape, g.dtype), g, *region)
    g = s.reshape(g, [len(run) for run in runs])
    ends = [n - run.start - len(run) for run, n in zip(runs, shape)]
    return s.pad(g, [run.start for run in runs], ends)


def _split(s: Any, x: Any, dim: int, lengths: Any) -> Any:
    starts = np.cumsum([0, *lengths]).tolist()
    return tuple(s.narrow(x, dim, start, n) for start, n in zip(starts, lengths))


def _unbind(s: Any, x: Any, dim: int) -> Any:
    return tuple(_select(s, x, dim, i) for i in range(x.shape[dim]))


def _stack(s: Any, xs: Any, dim: int) -> Any:
    return s.cat([_unsqueeze(s, x, dim) for x in xs], dim % (xs[0].ndim + 1))


def _roll(s: Any, x: Any, shifts: Any, dims: Any) -> Any:
    if not dims:
        return s.reshape(_roll(s, s.reshape(x, (x.size,)), shifts[:1], (0,)), x.shape)
    for shift, dim in zip(shifts, dims):
        n = x.shape[dim]
        first = -shift % n
        if first:
            x = s.cat([s.narrow(x, dim, first, n - first), s.narrow(x, dim, 0, first)], dim)
    return x


def _rot90(s: Any, x: Any, k: int, dims: Any) -> Any:
    a, b = dims
    turns = {0: x, 1: s.transpose(s.flip(x, b), a, b), 2: s.flip(x, (a, b)),
             3: s.flip(s.transpose(x, a, b), b)}  # fmt: skip
    return turns[k % 4]


def triangle(s: Any, shape: Any, k: int) -> Any:
    """The mask of the lower triangle, up to diagonal k."""
    shape = shape[-2:]
    return s.iota(shape, 0) + k >= s.iota(shape, 1)


def _tril(s: Any, x: Any, k: int) -> Any:
    return s.where(triangle(s, x.shape, k), x, s.constant(0, x.dtype))


def _triu(s: Any, x: Any, k: int) -> Any:
    return s.where(triangle(s, x.shape, k - 1), s.constant(0, x.dtype), x)


def _repeat(s: Any, x: Any, times: Any) -> Any:
    times = tuple(times) if isinstance(times, Sequence) else (times,)
    ndim = max(x.ndim, len(times))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - x.ndim) + x.shape
    split = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for pair in zip(times, shape) for n in pair)
    y = s.expand(s.reshape(x, split), wide)
    return s.reshape(y, tuple(n * size for n, size in zip(times, shape)))


def _constant_pad(s: Any, x: Any, ends: Any, value: Any) -> Any:
    starts = [max(0, -a) for a, _ in ends]
    stops = [n - max(0, -b) for (_, b), n in zip(ends, x.shape)]
    x = s.slice(x, starts, stops)
    return s.pad(x, [max(0, a) for a, _ in ends], [max(0, b) for _, b in ends], value)


_FEW = 16


def _from_windows(s: Any, g: Any, shape: Any, dim: int, size: int, step: int) -> Any:
    """Each window's elements added back: one padded layer for each place of the window."""
    if not shape:
        return s.sum(g)
    if size > _FEW:
        raise NotNative("wide windows")
    total = None
    count = g.shape[dim]
    for offset in range(size):
        layer = s.reshape(s.narrow(g, g.ndim - 1, offset, 1), g.shape[:-1])
        key = slice(offset, offset + (count - 1) * step + 1, step)
        layer = place(s, layer, shape, (*(slice(None),) * dim, key))
        total = layer if total is None else total + layer
    return total


def _block_diagonal(s: Any, xs: Any, corners: Any, shape: Any) -> Any:
    y = s.zeros(shape, xs[0].dtype)
    for x, (row, column) in zip(xs, corners):
        height, width = x.shape
        if x.size:
            y = s.replace(y, x, (height, width), (shape[1], 1), row * shape[1] + column)
    return y


def _view(s: Any, x: Any, shape: Any) -> Any:
    return s.reshape(x, shape)


def _fill(s: Any, x: Any, value: Value) -> Any:
    return s.expand(s.cast(value, x.dtype), x.shape)


TABLE: dict[str, Any] = {
    "cast": _cast, "cast_to_integer": _cast, "clone": _same, "kept_gradient": _same,
    "contiguous_copy": _same, "view": _view, "unsafe_view": _view,
    "permute": lambda s, x, order: s.permute(x, order),
    **dict.fromkeys(("transpose", "transpose_"), lambda s, x, a, b: s.transpose(x, a, b)),
    **dict.fromkeys(("t", "t_"), lambda s, x: s.permute(x, tuple(range(x.ndim))[::-1])),
    "expand": lambda s, x, shape: s.expand(x, shape), "sum_to": _sum_to,
    **dict.fromkeys(("squeeze", "squeeze_all", "squeeze_many", "squeeze_all_", "squeeze_dim_",
                     "squeeze_many_"), _squeeze),
    **dict.fromkeys(("unsqueeze", "unsqueeze_"), _unsqueeze),
    **dict.fromkeys(("diagonal", "diagonal_copy"), _seen("diagonal")), "unfold": _seen("unfold"),
    "embed_diagonal": lambda s, g, shape, *at: _replacing("diagonal")(
        s, s.zeros(shape, g.dtype), g, *at),
    "strided_view": _strided_view, "embed_strided": _embed_strided,
    "replace_region": _replace_region, "zero": lambda s, x: s.zeros(x.shape, x.dtype),
    "fill": _fill, "copy": _fill,
    "cat": lambda s, xs, dim, widths: s.cat(xs, dim), "stack": _stack,
    "slice": _slice, "select": _select, "part": part, "place": place,
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes"),
                    _split),
    "unbind": _unbind, "flip": lambda s, x, dims: s.flip(x, dims), "roll": _roll, "rot90": _rot90,
    "tril": _tril, "triu": _triu, "repeat": _repeat, "constant_pad_nd": _constant_pad,
    "from_windows": _from_windows, "block_diag": _block_diagonal,
    "select_scatter": _replacing("select"), "slice_scatter": _replacing("part"),
    "diagonal_scatter": _replacing("diagonal"), "as_strided_scatter": _replace_region,
}  # fmt: skip
