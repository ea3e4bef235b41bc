"""Pooling over windows: the largest value (and where it was), and the average.

Which element of its window was the largest is kept as a small code, the window's places counted
row by row; the gradient goes back by it. Parameters `kernel, stride, padding, dilation, out` are
tuples, one number per spatial dimension.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import isnan, prod
from typing import Any

import numpy as np

from ...core.families import general, linear, multilinear, plain
from ...core.heavy import LEAST, heavy
from ..reduce import ones, row_starts
from .convolution import clipped, padded, position

Sizes = tuple[int, ...]


def lowest(kind: np.dtype) -> Any:
    """The smallest value of a data type."""
    return np.iinfo(kind).min if kind.kind in "iu" else -np.inf


def _framed(x: np.ndarray, at: Any, value: Any) -> np.ndarray:
    """x with its padding, and with what the last windows need beyond it."""
    kernel, stride, padding, dilation, out = at
    y = padded(x, padding, value)
    reach = tuple((o - 1) * s + d * (k - 1) + 1
                  for o, s, d, k in zip(out, stride, dilation, kernel))  # fmt: skip
    missing = tuple(max(0, r - n) for r, n in zip(reach, y.shape[2:]))
    if not any(missing):
        return y
    framed = np.full((*y.shape[:2], *(n + m for n, m in zip(y.shape[2:], missing))), value, y.dtype)
    framed[(..., *(slice(0, n) for n in y.shape[2:]))] = y
    return framed


@lru_cache(256)
def _positions(kernel: Sizes, stride: Sizes, dilation: Sizes, out: Sizes) -> list[Any]:
    """For each place of the window, an index of the elements that stand there."""
    return [position(place, stride, dilation, out) for place in product(*map(range, kernel))]


@lru_cache(256)
def _inside(size: Sizes, *at: Any) -> bool:
    """Whether every window lies in the array as it is."""
    kernel, stride, padding, dilation, out = at
    return not any(padding) and all(
        (o - 1) * s + d * (k - 1) < n
        for o, s, d, k, n in zip(out, stride, dilation, kernel, size)
    )  # fmt: skip


def _parts(x: np.ndarray, at: Any, value: Any) -> Any:
    """For each place of the window, the elements of x that stand there."""
    kernel, stride, _, dilation, out = at
    framed = x if _inside(x.shape[2:], *at) else _framed(x, at, value)
    for index in _positions(kernel, stride, dilation, out):
        yield framed[index]


FEW = 4096  # elements up to which the number of calls is what counts
_TABLE = 1 << 14  # what windows and their places may come to there


@lru_cache(64)
def _table(shape: Sizes, *at: Any) -> tuple[np.ndarray, np.ndarray, Sizes, bool] | None:
    """Which elements of a small array all windows meet: a row for each place of the window.

    The same with a row for each window; the shape of what comes of it; and whether windows reach
    beyond the array: what they meet there has the number after the last element's. None where
    windows are too many.
    """
    kernel, stride, _, dilation, out = at
    if prod(shape[:2]) * prod(out) * prod(kernel) > _TABLE:
        return None
    elements, beyond = np.arange(prod(shape)).reshape(shape), not _inside(shape[2:], *at)
    if beyond:
        elements = _framed(elements, at, prod(shape))
    found = [elements[index].reshape(-1) for index in _positions(kernel, stride, dilation, out)]
    by_place, by_window = np.stack(found), np.stack(found, 1)
    by_place.flags.writeable = by_window.flags.writeable = False
    return by_place, by_window, (*shape[:2], *out), beyond


def _windows(
    x: np.ndarray, at: Any, value: Any, each: bool = False
) -> tuple[np.ndarray, Sizes] | None:
    """The windows of few elements side by side, a row for each of their places; else None.

    With the shape of one number for each. `value` is what they meet beyond the array; with `each`
    there is a row for each window.
    """
    if x.size > FEW or not x.size or not x.flags.c_contiguous:
        return None
    found = _table(x.shape, *at)
    if found is None:
        return None
    by_place, by_window, shape, beyond = found
    if beyond:
        flat = np.empty(x.size + 1, x.dtype)
        flat[:-1] = x.reshape(-1)
        flat[-1] = value
        x = flat
    return x.take(by_window if each else by_place), shape


def _maxima(x: np.ndarray, *at: Any) -> np.ndarray:
    found = _windows(x, at, lowest(x.dtype))
    if found is not None:
        return np.maximum.reduce(found[0], 0).reshape(found[1])
    parts = _parts(x, at, lowest(x.dtype))
    y = next(parts).copy()
    for part in parts:
        np.maximum(y, part, out=y)
    return y


pooled_maxima = plain("pooled_maxima", eval=heavy("pooled_maxima", _maxima, images=True),
                      refuses={
                          "bool complex": lambda x, *_: ("max_pool1d_impl", "max_pool2d",
                                                     "max_pool3d")[x.ndim - 3],
                          "int": lambda x, *_: "max_pool1d_impl" if x.ndim == 3 else "",
                      },
                      doc="The largest value of each window.")  # fmt: skip


_BLOCK = 1 << 16  # elements of the result per round: what a round touches stays in the cache


def rounds(images: int, elements: int) -> Any:
    """Runs of images whose results together fill a block."""
    step = max(1, _BLOCK // max(1, elements // max(1, images)))
    return (slice(start, start + step) for start in range(0, images, step))


def _max_pool(x: np.ndarray, *at: Any) -> tuple[np.ndarray, np.ndarray]:
    places = prod(at[0])
    code_type = np.uint8 if places <= 256 else np.uint16 if places <= 65536 else np.int64
    found = _windows(x, at, lowest(x.dtype), True)
    if found is not None:
        return _few_maxima(x, *found, code_type, at)
    y = np.empty((*x.shape[:2], *at[-1]), x.dtype)
    code = np.zeros(y.shape, code_type)
    for images in rounds(len(x), y.size):
        _maxima_into(x[images], y[images], code[images], at)
    if x.dtype.kind == "f" and np.isnan(y).any():
        _find_nan(x, code, at)
    if any(at[2]) and np.isneginf(y).any():
        _skip_padding(y, code, at)
    return y, code


def _few_maxima(
    x: np.ndarray, windows: np.ndarray, shape: Sizes, code_type: Any, at: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The same of few elements: their windows side by side, and the place of each maximum."""
    code = windows.argmax(1)  # the first one, as by comparing in turn
    y = windows.take(code + row_starts(*windows.shape)).reshape(shape)
    code = code.astype(code_type).reshape(shape)
    if y.dtype.kind == "f" and (top := y.item(y.argmax())) != top:  # nan is the largest of all
        _find_nan(x, code, at)
    if any(at[2]) and np.isneginf(y).any():
        _skip_padding(y, code, at)
    return y, code


def _maxima_into(x: np.ndarray, y: np.ndarray, code: np.ndarray, at: Any) -> None:
    parts = _parts(x, at, lowest(x.dtype))
    np.copyto(y, next(parts))
    part, larger = np.empty_like(y), np.empty(y.shape, bool)
    for place, seen in enumerate(parts, 1):
        np.copyto(part, seen)
        np.greater(part, y, out=larger)
        np.maximum(y, part, out=y)
        step = larger.view(np.uint8).astype(code.dtype, copy=False)
        step *= code.dtype.type(place)
        np.maximum(code, step, out=code)


def _find_nan(x: np.ndarray, code: np.ndarray, at: Any) -> None:
    """Where nan won, the code names the last nan of the window, as in torch."""
    for place, part in enumerate(_parts(x, at, lowest(x.dtype))):
        code[np.isnan(part)] = place


def _skip_padding(y: Any, code: Any, at: Any) -> None:
    """Windows of -inf throughout: their code must name a place inside, not in the padding."""
    kernel, stride, padding, dilation, _ = at
    first = np.zeros(code.shape[2:], code.dtype)
    for axis, (s, p, d) in enumerate(zip(stride, padding, dilation)):
        outside = np.maximum(0, p - np.arange(code.shape[2 + axis]) * s)
        steps = -(-outside // d) * prod(kernel[axis + 1 :])
        first += steps.astype(code.dtype).reshape(-1, *(1,) * (len(kernel) - 1 - axis))
    np.copyto(code, first, where=np.isneginf(y))


max_pool = general(
    "max_pool", outputs=2, reads="z", node="MaxPool2DWithIndicesBackward0",
    refuses={"bool complex": lambda x, *_: "max_pool3d" if x.ndim == 5 else "max_pool2d"},
    eval=heavy("max_pool", _max_pool, images=True),
    vjp=lambda g, y, x, *at: max_pool_back(g[0], y[1], x.shape[2:], *at),
    flat="MaxPool2DWithIndicesBackwardBackward0",
    doc="The largest value of each window, and the code of its place.",
)  # fmt: skip


@lru_cache(256)
def _clips(size: Sizes, *at: Any) -> tuple[bool, list[Any]]:
    """Whether no two windows meet; for each place of the window where it lies, and in which."""
    kernel, stride, padding, dilation, out = at
    apart = all(s >= d * (k - 1) + 1 for s, d, k in zip(stride, dilation, kernel))
    places = product(*map(range, kernel))
    return apart, [clipped(place, size, stride, padding, dilation, out) for place in places]


def _few_back(
    g: np.ndarray, code: np.ndarray, table: np.ndarray, beyond: bool, size: Sizes, at: Any
) -> np.ndarray:
    """The gradients of few maxima, each put where its code says."""
    shape = (*g.shape[:2], *size)
    dx = np.zeros(prod(shape) + beyond, g.dtype)
    count = len(table)
    places = table.take(code.reshape(-1) + row_starts(count, table.shape[1]))
    if _clips(size, *at)[0]:
        dx[places] = g.reshape(-1)
    else:
        np.add.at(dx, places, g.reshape(-1))
    return (dx[:-1].copy() if beyond else dx).reshape(shape)


def _max_pool_back(g: np.ndarray, code: np.ndarray, size: Sizes, *at: Any) -> np.ndarray:
    found = _table((*g.shape[:2], *size), *at) if 0 < g.size <= FEW else None
    if found is not None:
        return _few_back(g, code, found[1], found[3], size, at)
    apart, clips = _clips(size, *at)
    dx = np.zeros((*g.shape[:2], *size), g.dtype)
    for images in rounds(len(g), g.size):
        target, given, codes = dx[images], g[images], code[images]
        for place, (met, used) in enumerate(clips):
            if apart:
                np.multiply(given[used], codes[used] == place, out=target[met])
            else:
                target[met] += given[used] * (codes[used] == place)
    return dx


def _max_pool_read(x: np.ndarray, code: np.ndarray, size: Sizes, *at: Any) -> np.ndarray:
    y = np.zeros(code.shape, x.dtype)
    for place, part in enumerate(_parts(x, at, 0)):
        y += part * (code == place)
    return y


max_pool_back = multilinear(
    "max_pool_back", node="MaxPool2DWithIndicesBackwardBackward0",
    eval=heavy("max_pool_back", _max_pool_back, images=True),
    adjoints=[lambda g, g0, code, *at: max_pool_read(g, code, *at), None],
    doc="Each gradient to the element that its window's maximum came from.",
)  # fmt: skip
max_pool_read = multilinear(
    "max_pool_read", eval=heavy("max_pool_read", _max_pool_read, images=True),
    node="GatherBackward0",
    adjoints=[lambda g, x, code, *at: max_pool_back(g, code, *at), None],
    doc="The elements that the codes name, one per window.",
)  # fmt: skip


@lru_cache(32)
def _flat_parts(size: Sizes, *at: Any) -> tuple[np.ndarray, np.ndarray]:
    """What each code adds to the flat index of its window's first place, and those indices."""
    kernel, stride, padding, dilation, out = at
    within, starts = np.zeros((1,) * len(size), np.int64), np.zeros((1,) * len(size), np.int64)
    for axis, (n, s, p, d) in enumerate(zip(size, stride, padding, dilation)):
        shape = (-1, *(1,) * (len(size) - 1 - axis))
        within = within * n + (np.arange(kernel[axis]) * d).reshape(shape)
        starts = starts * n + (np.arange(out[axis]) * s - p).reshape(shape)
    return within.reshape(-1), starts


def _flat_places(code: np.ndarray, size: Sizes, *at: Any) -> np.ndarray:
    within, starts = _flat_parts(tuple(size), *at)
    return within.take(code) + starts


flat_places = plain("flat_places", eval=_flat_places,
                    doc="Codes as indices into the flattened spatial dimensions.")  # fmt: skip


@lru_cache(256)
def _tiled(size: Sizes, *at: Any) -> bool:
    """Whether the windows lie side by side and cover all."""
    kernel, stride, padding, dilation, out = at
    whole = all(k == s and k * o == n for k, s, o, n in zip(kernel, stride, out, size))
    return whole and not any(padding) and max(dilation) == 1


def _sum_tiles(x: np.ndarray, kernel: Sizes, out: Sizes) -> np.ndarray:
    """The sums of few tiles, a dimension after the other: the last is a product with ones."""
    y = x.reshape(-1, kernel[-1]).dot(ones(kernel[-1], x.dtype))
    for axis in range(len(kernel) - 2, -1, -1):
        parts = y.reshape(-1, kernel[axis], prod(out[axis + 1 :]))
        y = parts[:, 0]
        for place in range(1, kernel[axis]):
            y = y + parts[:, place]
    return y.reshape(*x.shape[:2], *out)


_NEAR = 16  # elements in a window up to which they are added in turn


def _sum_windows(x: np.ndarray, at: Any) -> np.ndarray | None:
    """The sums of large windows of few elements, added in turn as below; None for more of them."""
    found = _windows(x, at, 0)
    if found is None:
        return None
    places, shape = found
    if places.shape[1] > 1:
        return np.add.reduce(places, 0).reshape(shape)
    # of one window alone NumPy would add the elements by eights; and sums begin at 0.0
    return (np.add.accumulate(places, 0)[-1] + x.dtype.type(0.0)).reshape(shape)


def _sum_pool(x: np.ndarray, *at: Any) -> np.ndarray:
    kernel, stride, padding, dilation, out = at
    near = prod(kernel) <= _NEAR
    found = _windows(x, at, 0) if near else None
    if found is not None:
        return np.add.reduce(found[0], 0).reshape(found[1])
    few = 0 < x.size < LEAST and x.dtype.char in "fd" and x.flags.c_contiguous
    if few and _tiled(x.shape[2:], *at):
        return _sum_tiles(x, kernel, out)
    summed = _sum_windows(x, at) if few and not near else None
    if summed is not None:
        return summed
    if _inside(x.shape[2:], *at):
        parts = _parts(x, at, 0)
        first, second = next(parts), next(parts, None)
        y = first.copy() if second is None else np.add(first, second, order="C")
        for part in parts:
            y += part
        return y
    y = np.zeros((*x.shape[:2], *out), x.dtype)
    for place in product(*map(range, kernel)):
        met, used = clipped(place, x.shape[2:], stride, padding, dilation, out)
        y[used] += x[met]
    return y


_LOW = 128  # windows up to which one addition at places is sooner than a call for each place


def _spread_few(g: np.ndarray, shape: Sizes, at: Any) -> np.ndarray | None:
    """The gradients of few windows, added to their elements in turn as below; None for more."""
    found = _table(shape, *at)
    if found is None:
        return None
    by_place, beyond = found[0], found[3]
    dx = np.zeros(prod(shape) + beyond, g.dtype)
    given = np.broadcast_to(g.reshape(-1), by_place.shape).reshape(-1)
    np.add.at(dx, by_place.reshape(-1), given)
    return (dx[:-1].copy() if beyond else dx).reshape(shape)


def _spread_pool(g: np.ndarray, size: Sizes, *at: Any) -> np.ndarray:
    shape = (*g.shape[:2], *size)
    few = prod(at[0]) > _NEAR and 0 < g.size <= _LOW and prod(shape) <= FEW
    found = _spread_few(g, shape, at) if few else None
    if found is not None:
        return found
    apart, clips = _clips(size, *at)
    dx = np.zeros(shape, g.dtype)
    for met, used in clips:
        if apart:
            dx[met] = g[used]
        else:
            dx[met] += g[used]
    return dx


sum_pool = linear("sum_pool", eval=heavy("sum_pool", _sum_pool, images=True),
                  node="AvgPool2DBackward0",
                  adjoint=lambda g, x, *at: spread_pool(g, x.shape[2:], *at),
                  doc="The sum of each window; padding counts as zero.")  # fmt: skip
spread_pool = linear("spread_pool", eval=heavy("spread_pool", _spread_pool, images=True),
                     node="AvgPool2DBackwardBackward0",
                     adjoint=lambda g, x, size, *at: sum_pool(g, *at),
                     doc="The adjoint of `sum_pool`: each value to all of its window.")  # fmt: skip


def _take_flat(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    images, length = prod(x.shape[:2]), prod(x.shape[2:])
    flat = places.reshape(images, prod(places.shape[2:]))
    return x.reshape(-1).take(flat + row_starts(images, length)[:, None]).reshape(places.shape)


def _add_flat(g: np.ndarray, places: np.ndarray, size: Sizes) -> np.ndarray:
    n, c = g.shape[:2]
    flat = places.reshape(n * c, prod(places.shape[2:])) + np.arange(n * c)[:, None] * prod(size)
    kind = g.dtype if g.dtype.itemsize >= 4 else np.dtype(np.float32)
    y = np.zeros(n * c * prod(size), kind)
    np.add.at(y, flat.reshape(-1), g.reshape(-1).astype(kind, copy=False))
    return y.astype(g.dtype, copy=False).reshape(n, c, *size)


take_flat = multilinear(
    "take_flat", eval=_take_flat, node="AdaptiveMaxPool2DBackward0",
    adjoints=[lambda g, x, places: add_flat(g, places, x.shape[2:]), None],
    flat="AdaptiveMaxPool2DBackwardBackward0",
    doc="The elements at indices into the flattened spatial dimensions.",
)  # fmt: skip
add_flat = multilinear(
    "add_flat", eval=_add_flat, node="AdaptiveMaxPool2DBackwardBackward0",
    adjoints=[lambda g, x, places, size: take_flat(g, places), None],
    doc="Zeros with values added at indices into the flattened spatial dimensions.",
)  # fmt: skip


def _put_flat(x: np.ndarray, places: np.ndarray, size: Sizes) -> np.ndarray:
    y = np.zeros((*x.shape[:2], prod(size)), x.dtype)
    n, c = x.shape[:2]
    many = prod(places.shape[2:])
    np.put_along_axis(y, places.reshape(n, c, many), x.reshape(n, c, many), 2)
    return y.reshape(n, c, *size)


put_flat = multilinear(
    "put_flat", eval=_put_flat, node="MaxUnpool2DBackward0",
    adjoints=[lambda g, x, places, size: take_flat(g, places), None],
    doc="Zeros with values set at indices into the flattened spatial dimensions.",
)  # fmt: skip


def _argmax(rows: np.ndarray, troubled: bool) -> np.ndarray:
    """The place of each row's first maximum, or of its last nan, which torch keeps."""
    first = rows.argmax(-1)
    if not troubled:
        return first
    last = rows.shape[-1] - 1 - rows[..., ::-1].argmax(-1)
    return np.where(np.isnan(rows).any(-1), last, first)


def _argmax_each(x: np.ndarray, tables: tuple[np.ndarray, ...], troubled: bool) -> np.ndarray:
    """The same a window at a time, for large ones."""
    found = np.empty((*x.shape[:2], *map(len, tables)), np.int64)
    for place in product(*(range(len(one)) for one in tables)):
        ends = [(int(one[i, 0]), int(one[i, -1]) + 1) for one, i in zip(tables, place)]
        part = x[(..., *(slice(*end) for end in ends))]
        best: Any = _argmax(part.reshape(*x.shape[:2], prod(part.shape[2:])), troubled)
        flat, step = np.zeros_like(best), 1
        for (start, end), n in zip(reversed(ends), reversed(x.shape[2:])):
            best, within = np.divmod(best, end - start)
            flat += (within + start) * step
            step *= n
        found[(..., *place)] = flat
    return found


def _window_argmax(x: np.ndarray, *tables: np.ndarray) -> np.ndarray:
    """For windows listed per dimension (out, k): the flat index of each one's first maximum.

    Where a window has a nan, its last.
    """
    dims, troubled = len(tables), bool(x.size) and isnan(x.max())
    if all(len(one) == 1 and one.size == n for one, n in zip(tables, x.shape[2:])):
        whole = x.reshape(*x.shape[:2], prod(x.shape[2:]))
        return _argmax(whole, troubled).reshape(*x.shape[:2], *(1,) * dims)
    if x.size > 4000 * prod(map(len, tables)):
        return _argmax_each(x, tables, troubled)
    flat: Any = 0
    for axis, table in enumerate(tables):
        shape = [1] * (2 * dims)
        shape[axis], shape[dims + axis] = table.shape
        flat = flat * x.shape[2 + axis] + table.reshape(shape)
    out = tuple(len(one) for one in tables)
    places = prod(out)
    flat = flat.reshape(places, prod(flat.shape[dims:]))  # a row for each window
    images, window = prod(x.shape[:2]), flat.shape[1]
    seen = x.reshape(images, prod(x.shape[2:])).take(flat.reshape(-1), 1)
    best = _argmax(seen.reshape(images, places, window), troubled)
    return flat.take(best + row_starts(places, window)).reshape(*x.shape[:2], *out)


window_argmax = plain("window_argmax", eval=_window_argmax,
                      doc="Where each listed window has its maximum.")  # fmt: skip
