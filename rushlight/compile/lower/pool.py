"""Pooling: windows are a strided view of the padded array, and what is done in them a reduction.

The way back is the same with the gradient, spread out by the stride: each element looks at the
windows that saw it.
"""

from __future__ import annotations

from itertools import product
from math import inf, prod
from typing import Any

import numpy as np

from .value import NotNative

Sizes = tuple[int, ...]


def _steps(shape: Any) -> list[int]:
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def _reach(at: Any) -> Sizes:
    """How far the last window of each dimension reaches, from the first padding on."""
    kernel, stride, _, dilation, out = at
    return tuple((o - 1) * s + d * (k - 1) + 1
                 for o, s, d, k in zip(out, stride, dilation, kernel))  # fmt: skip


def _framed(s: Any, x: Any, at: Any, value: Any) -> Any:
    ends = [max(p, r - n - p) for p, r, n in zip(at[2], _reach(at), x.shape[2:])]
    return s.pad(x, (0, 0, *at[2]), (0, 0, *ends), value)


def _seen(s: Any, x: Any, out: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """A view (batch, channels, *out, *kernel) of every place under the kernel."""
    steps = _steps(x.shape)
    strides = (
        *steps[:2],
        *(a * b for a, b in zip(stride, steps[2:])),
        *(a * b for a, b in zip(dilation, steps[2:])),
    )
    return s.strided(x, (*x.shape[:2], *out, *kernel), strides, 0)


def _windows(s: Any, x: Any, at: Any, value: Any) -> Any:
    kernel, stride, _, dilation, out = at
    return _seen(s, _framed(s, x, at, value), out, kernel, stride, dilation)


def _last(count: int, ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim - count, ndim))


def _lowest(x: Any) -> Any:
    return -inf if x.dtype.kind == "f" else int(np.iinfo(x.dtype).min)


def _maxima(s: Any, x: Any, *at: Any) -> Any:
    if x.dtype == bool:
        raise NotNative("extrema of bools")
    seen = _windows(s, x, at, _lowest(x))
    return s.amax(seen, _last(len(at[0]), seen.ndim))


def _places(kernel: Sizes, turned: bool = False) -> np.ndarray:
    """The number of each place of a window, in the shape of its dimensions."""
    numbers = np.arange(prod(kernel)).reshape(kernel)
    return np.flip(numbers).copy() if turned else numbers


def _inside(size: Sizes, at: Any) -> np.ndarray:
    """Which places of each window are not padding: (*out, *kernel)."""
    kernel, stride, padding, dilation, out = at
    mask = np.ones((1,) * (2 * len(size)), bool)
    for axis, (n, k, s, p, d, o) in enumerate(zip(size, kernel, stride, padding, dilation, out)):
        places = np.arange(o)[:, None] * s - p + np.arange(k) * d
        shape = [1] * (2 * len(size))
        shape[axis], shape[len(size) + axis] = o, k
        mask = mask & ((places >= 0) & (places < n)).reshape(shape)
    return mask


def _max_pool(s: Any, x: Any, *at: Any) -> Any:
    """The largest of each window, and its place: the first, but of nans the last."""
    if x.dtype.kind != "f":
        raise NotNative("pooled integers")
    places = prod(at[0])
    kind = np.uint8 if places < 256 else np.int64
    inside = _inside(x.shape[2:], at).reshape(*at[4], places)
    if not inside.any(-1).all():
        raise NotNative("a window of nothing but padding")
    if places > _FEW:
        return _max_of_many(s, x, inside, at)
    parts = list(_parts(s, _framed(s, x, at, -inf), at))
    y, code = parts[0], s.constant(0, kind)
    known = inside[..., 0]
    for k, part in enumerate(parts[1:], 1):
        better = s.compare("gt", part, y) | s.isnan(part)
        if not known.all():  # padding so far: whatever comes is better, but more padding
            better = better | s.constant(~known)
        if not inside[..., k].all():
            better = better & s.constant(inside[..., k])
        y = s.where(better, part, y)
        code = s.where(better, s.constant(k, kind), code)
        known = known | inside[..., k]
    code = s.expand(code, y.shape)
    return y, code if kind == np.uint8 or places > 256 else s.cast(code, np.uint8)


_FEW = 25  # places of a window that are compared one by one


def _parts(s: Any, x: Any, at: Any) -> Any:
    """For each place of the window, the elements that stand there."""
    kernel, stride, _, dilation, out = at
    for place in np.ndindex(*kernel):
        starts = [i * d for i, d in zip(place, dilation)]
        stops = [a + (o - 1) * t + 1 for a, o, t in zip(starts, out, stride)]
        yield s.slice(x, (0, 0, *starts), (*x.shape[:2], *stops), (1, 1, *stride))


def _max_of_many(s: Any, x: Any, inside: np.ndarray, at: Any) -> Any:
    places, dims = prod(at[0]), _last(len(at[0]), x.ndim + len(at[0]))
    seen = _windows(s, x, at, -inf)
    y = s.amax(seen, dims, True)
    number = s.constant(_places(at[0]))
    hit = s.eq(seen, y)
    if not inside.all():
        hit = hit & s.constant(inside.reshape(*at[4], *at[0]))
    first = s.amin(s.where(hit, number, s.constant(places, np.int64)), dims)
    nan = s.amax(s.where(s.isnan(seen), number, s.constant(-1, np.int64)), dims)
    code = s.where(nan >= 0, nan, first)
    kind = np.uint8 if places <= 256 else np.int64
    return s.reshape(y, code.shape), s.cast(code, kind)


def _apart(size: Sizes, at: Any) -> bool:
    """Whether the windows tile the array: every element stands in one of them."""
    kernel, stride, padding, dilation, out = at
    return kernel == stride and not any(padding) and set(dilation) == {1} and all(
        o * k == n for o, k, n in zip(out, kernel, size)
    )  # fmt: skip


def _spread(s: Any, x: Any, kernel: Sizes) -> Any:
    """x (n, c, *out) as (n, c, out, kernel, out, kernel ...): a view of each element's window."""
    shape, wide = list(x.shape[:2]), list(x.shape[:2])
    for o, k in zip(x.shape[2:], kernel):
        shape += [o, 1]
        wide += [o, k]
    return s.expand(s.reshape(x, shape), wide)


def looking_back(s: Any, g: Any, size: Sizes, at: Any, value: Any) -> Any:
    """(batch, channels, *size, *kernel): the windows that saw an element, the last place first."""
    kernel, stride, padding, dilation, _ = at
    for axis, step in enumerate(stride, 2):  # zeros between, so that windows stand where they began
        if step > 1:
            wide = s.reshape(g, (*g.shape[: axis + 1], 1, *g.shape[axis + 1 :]))
            highs = [0] * wide.ndim
            highs[axis + 1] = step - 1
            wide = s.pad(wide, [0] * wide.ndim, highs, value)
            g = s.reshape(wide, (*g.shape[:axis], g.shape[axis] * step, *g.shape[axis + 1 :]))
    lows = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding)]
    highs = [n + p - length for n, p, length in zip(size, padding, g.shape[2:])]
    starts = (0, 0, *(max(0, -low) for low in lows))
    stops = (*g.shape[:2], *(n + min(0, high) for n, high in zip(g.shape[2:], highs)))
    g = s.slice(g, starts, stops)
    g = s.pad(g, (0, 0, *(max(0, low) for low in lows)),
              (0, 0, *(max(0, high) for high in highs)), value)  # fmt: skip
    return _seen(s, g, size, kernel, (1,) * len(size), dilation)


def _strides_over(at: Any) -> bool:
    """Whether windows move by more than an element, and are few enough to be written out."""
    return 1 < prod(at[1]) <= 16 and prod(at[0]) <= _FEW


def _by_phases(s: Any, xs: Any, size: Sizes, at: Any, term: Any) -> Any:
    """For each element the sum of `term(place in the window, *xs there)` over windows that saw it.

    Elements whose places agree modulo the stride are seen from the same places of windows.
    """
    kernel, stride, padding, dilation, out = at
    counts = [-(-n // t) for n, t in zip(size, stride)]
    seen = [
        [_seers(residue, *axis) for residue in range(axis[1])]
        for axis in zip(kernel, stride, padding, dilation)
    ]
    shifts = [[shift for phase in axis for _, shift in phase] or [0] for axis in seen]
    lows = [max(0, -min(axis)) for axis in shifts]
    highs = [max(0, m + max(axis) - o) for m, axis, o in zip(counts, shifts, out)]
    xs = [s.pad(x, (0, 0, *lows), (0, 0, *highs), 0) for x in xs]

    def phase(parts: Any) -> Any:
        found = s.zeros((*xs[0].shape[:2], *counts), xs[0].dtype)
        for first, places in enumerate(product(*parts)):
            number = int(np.ravel_multi_index([k for k, _ in places], kernel))
            starts = (0, 0, *(low + shift for low, (_, shift) in zip(lows, places)))
            stops = (*xs[0].shape[:2], *(a + m for a, m in zip(starts[2:], counts)))
            one = term(number, *[s.slice(x, starts, stops) for x in xs])
            found = found + one if first else one
        return found

    pieces = [phase(parts) for parts in product(*seen)]
    return _interleaved(s, pieces, counts, stride, size)


def _seers(residue: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Any]:
    """Which windows see elements of a residue along a dimension: (place in the window, shift)."""
    found = []
    for k in range(kernel):
        shift, rest = divmod(residue + padding - k * dilation, stride)
        if not rest:
            found.append((k, shift))
    return found


def _interleaved(s: Any, pieces: Any, counts: Any, stride: Sizes, size: Sizes) -> Any:
    """Elements dealt out by residues of the stride, back in their order."""
    lead, dims = pieces[0].shape[:2], len(stride)
    pieces = [s.reshape(x, (*lead, *(n for m in counts for n in (m, 1)))) for x in pieces]
    for axis in range(dims - 1, -1, -1):
        t = stride[axis]
        pieces = [s.cat(pieces[i : i + t], 3 + 2 * axis) for i in range(0, len(pieces), t)]
    whole = s.reshape(pieces[0], (*lead, *(m * t for m, t in zip(counts, stride))))
    return s.slice(whole, (0,) * (2 + dims), (*lead, *size))


def _max_pool_back(s: Any, g: Any, code: Any, size: Any, *at: Any) -> Any:
    if _apart(tuple(size), at):
        kernel, dims = at[0], len(at[0])
        number = _places(kernel).astype(code.dtype)
        number = s.constant(number.reshape([n for k in kernel for n in (1, k)]))
        hit = s.eq(_spread(s, code, kernel), number)
        found = s.where(hit, _spread(s, g, kernel), s.constant(0, g.dtype))
        return s.reshape(found, (*g.shape[:2], *size[:dims]))
    zero = s.constant(0, g.dtype)
    if _strides_over(at):
        return _by_phases(s, (g, code), tuple(size), at, lambda number, given, codes: s.where(
            s.eq(codes, s.constant(number, code.dtype)), given, zero))  # fmt: skip
    number = s.constant(_places(at[0], True))
    given = looking_back(s, g, tuple(size), at, 0)
    codes = looking_back(s, s.cast(code, np.int32), tuple(size), at, -1)
    hit = s.eq(s.cast(codes, np.int64), number)
    dims = _last(len(at[0]), given.ndim)
    return s.sum(s.where(hit, given, zero), dims)


def _max_pool_read(s: Any, x: Any, code: Any, size: Any, *at: Any) -> Any:
    dims = _last(len(at[0]), x.ndim + len(at[0]))
    wide = s.reshape(s.cast(code, np.int64), (*code.shape, *(1,) * len(at[0])))
    hit = s.eq(wide, s.constant(_places(at[0])))
    seen = _windows(s, x, at, 0)
    return s.sum(s.where(hit, seen, s.constant(0, x.dtype)), dims)


def _sum_pool(s: Any, x: Any, *at: Any) -> Any:
    seen = _windows(s, x, at, 0)
    return s.sum(seen, _last(len(at[0]), seen.ndim))


def _spread_pool(s: Any, g: Any, size: Any, *at: Any) -> Any:
    if _apart(tuple(size), at):
        return s.reshape(_spread(s, g, at[0]), (*g.shape[:2], *size))
    if _strides_over(at):
        return _by_phases(s, (g,), tuple(size), at, lambda number, given: given)
    seen = looking_back(s, g, tuple(size), at, 0)
    return s.sum(seen, _last(len(at[0]), seen.ndim))


def _im2col(s: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Each patch as a column."""
    out = tuple((n + 2 * p - d * (k - 1) - 1) // t + 1 for n, k, t, p, d in
                zip(x.shape[2:], kernel, stride, padding, dilation))  # fmt: skip
    seen = _windows(s, x, (kernel, stride, padding, dilation, out), 0)
    n = len(kernel)
    order = (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    shape = (x.shape[0], x.shape[1] * prod(kernel), prod(out))
    return s.reshape(s.permute(seen, order), shape)


TABLE: dict[str, Any] = {
    "pooled_maxima": _maxima, "max_pool": _max_pool, "max_pool_back": _max_pool_back,
    "max_pool_read": _max_pool_read, "sum_pool": _sum_pool, "spread_pool": _spread_pool,
    "im2col": _im2col,
}  # fmt: skip
