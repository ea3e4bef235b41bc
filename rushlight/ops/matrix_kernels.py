"""Evaluations of linear algebra on arrays: LAPACK's routines, or NumPy's functions without them.

Results lie column by column, as torch's do. `info` counts as LAPACK's: the place (from 1) of the
first pivot or minor that fails, 0 if none.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .lapack import (
    BY_COLUMNS,
    BY_ROWS,
    columns,
    each,
    empty_columns,
    lead,
    room,
    routine,
    whole_type,
)

SHORT = 48  # up to this size NumPy's functions are faster, which loop over matrices themselves
Info = np.ndarray
ndarray = np.ndarray


def short(a: ndarray) -> bool:
    """Whether NumPy's function is faster than the routines."""
    return max(a.shape[-2:]) <= SHORT


def infos(found: Any, batch: tuple[int, ...]) -> Info:
    """The numbers that routines returned, for a batch."""
    return np.array(found, np.int32).reshape(batch)


def _many_short(a: ndarray, count: int = 0) -> bool:
    """Whether NumPy on all matrices at once is faster than a call for each."""
    return (count or prod(a.shape[:-2])) > 40 * max(a.shape[-2:])


# --- LU


def lu(a: ndarray) -> tuple[ndarray, ndarray, Info]:
    """L and U packed in one matrix, the row swaps (from 1), and the first zero pivot."""
    *batch, m, n = a.shape
    factorise, size = routine("getrf", a.dtype.char), min(m, n)
    if factorise is None or not a.size or _many_short(a):
        return _lu_by_halves(a)
    packed, pivots = columns(a), np.empty((*batch, size), whole_type())
    found = each(factorise, prod(batch), m, n, packed, m, pivots)
    return packed, pivots.astype(np.int32, copy=False), infos(found, tuple(batch))


def lu_solve(packed: ndarray, pivots: ndarray, b: ndarray, turned: bool) -> ndarray:
    """X with A X = B, or A^H X = B, from the factors of A."""
    batch, count = lead(packed, b)
    (n, width), kind = b.shape[-2:], np.result_type(packed, b)
    solver = routine("getrs", kind.char)
    x = columns(np.broadcast_to(b, (*batch, n, width)).astype(kind, copy=False))
    if not x.size:
        return x
    if solver is None or _many_short(packed, count):
        return _lu_solve(packed, pivots, x, turned)
    factors = _shared(packed.astype(kind, copy=False), batch)
    order = np.clip(pivots, 1, n).astype(whole_type(), copy=False)  # others would write elsewhere
    if type(factors) is tuple:
        swaps: Any = (np.ascontiguousarray(order),)
    else:
        swaps = np.ascontiguousarray(np.broadcast_to(order, (*batch, n)))
    how = b"C" if turned else b"N"
    each(solver, count, how, n, width, factors, n, swaps, x, n)
    return x


def _shared(a: ndarray, batch: tuple[int, ...]) -> Any:
    """Matrices column by column for `each`: a single one for all in a tuple."""
    if prod(a.shape[:-2]) == 1:
        return (a if a.swapaxes(-1, -2).flags.c_contiguous else columns(a),)
    if a.shape[:-2] == batch and a.swapaxes(-1, -2).flags.c_contiguous:
        return a
    return columns(np.broadcast_to(a, (*batch, *a.shape[-2:])))


def solve(a: ndarray, b: ndarray) -> tuple[ndarray, Info]:
    """X with A X = B."""
    batch, count = lead(a, b)
    if short(a) and count == prod(a.shape[:-2]) and a.dtype == b.dtype:
        try:
            return columns(np.linalg.solve(a, b)), np.zeros(batch, np.int32)
        except np.linalg.LinAlgError:
            pass
    packed, pivots, info = lu(a)
    return lu_solve(packed, pivots, b, False), np.broadcast_to(info, batch)


def inverse(a: ndarray) -> tuple[ndarray, Info]:
    """The inverse; what belongs to a singular matrix is not finite."""
    batch, n, kind = a.shape[:-2], a.shape[-1], a.dtype
    if not a.size:
        return empty_columns(batch, n, n, kind), np.zeros(batch, np.int32)
    invert = routine("getri", kind.char)
    if short(a) or invert is None:
        try:
            return columns(np.linalg.inv(a)), np.zeros(batch, np.int32)
        except np.linalg.LinAlgError:
            pass
    packed, pivots, info = lu(a)
    if info.any() or invert is None:  # getri leaves U where it finds a zero
        with np.errstate(all="ignore"):
            return lu_solve(packed, pivots, np.eye(n, dtype=kind), False), info
    work, length = room(n, kind)
    each(invert, prod(batch), n, packed, n, pivots.astype(whole_type(), copy=False), work, length)
    return packed, info


def determinant(a: ndarray) -> tuple[ndarray, ndarray]:
    """The diagonal of U, and how often rows were swapped."""
    packed, pivots, _ = lu(a)
    swaps = (pivots != np.arange(1, a.shape[-1] + 1)).sum(-1)
    return np.diagonal(packed, 0, -2, -1), swaps


# --- Triangles


def triangular(a: ndarray, b: ndarray, upper: bool, unit: bool, rows: bool = False) -> ndarray:
    """X with A X = B for a triangular A; it lies row by row if `rows`."""
    batch, count = lead(a, b)
    n, width = b.shape[-2:]
    wide = np.broadcast_to(b, (*batch, n, width))
    solver = routine("trsm", a.dtype.char)
    x = wide.copy() if rows else columns(wide)
    if solver is None or not x.size or _many_short(a, count):
        return _substituted(a, x, upper, unit)
    if a.ndim == 2 and a.flags.c_contiguous:
        factor, upper, turned = (a,), not upper, True  # column by column that is the transpose
    else:
        factor, turned = _shared(a, batch), False
    if rows:  # in that order both are transposed
        if turned:
            upper, turned = not upper, False
        else:
            upper, turned = not upper, True
    return _trsm(solver, count, factor, x, (upper, turned, unit, rows))


def _trsm(solver: Any, count: int, factor: Any, x: ndarray, how: tuple[bool, ...]) -> ndarray:
    upper, turned, unit, rows = how
    n, width = x.shape[-2:]
    one = np.ones(1, x.dtype)
    each(
        solver, count, 141, 121 if upper else 122, 112 if turned else 111, 132 if unit else 131,
        n, width, (one,) if x.dtype.kind == "c" else 1.0, factor, n, x, width if rows else n,
        order=BY_ROWS if rows else BY_COLUMNS,
    )  # fmt: skip
    return x


def cholesky(a: ndarray) -> tuple[ndarray, Info]:
    """The lower triangular L with L L^H = A, as far as it exists."""
    batch, n = a.shape[:-2], a.shape[-1]
    factorise = routine("potrf", a.dtype.char)
    if factorise is None or not a.size or short(a):
        try:
            y, found = columns(np.linalg.cholesky(a)), np.zeros(batch, np.int32)
            return y, _without_nan(y, found)
        except np.linalg.LinAlgError:
            if factorise is None:
                return _cholesky_by_minors(a)
    y = columns(a)
    found = infos(each(factorise, prod(batch), b"L", n, y, n), batch)
    for j in range(1, n):
        y[..., :j, j] = 0
    return y, _without_nan(y, found)


def _without_nan(y: ndarray, found: Info) -> Info:
    """LAPACK stops at what is no number; OpenBLAS goes on."""
    bad = np.isnan(np.diagonal(y, 0, -2, -1))
    if not bad.any():
        return found
    first = np.where(bad.any(-1), bad.argmax(-1) + 1, 0).astype(np.int32)
    return np.where((first > 0) & ((found == 0) | (first < found)), first, found)


def cholesky_solve(b: ndarray, factor: ndarray, high: bool) -> ndarray:
    """X with A X = B, from A's Cholesky factor."""
    solver, kind = routine("potrs", b.dtype.char), b.dtype
    batch, count = lead(factor, b)
    n, width = b.shape[-2:]
    x = columns(np.broadcast_to(b, (*batch, n, width)))
    if not x.size:
        return x
    if solver is None or factor.dtype != kind or _many_short(factor, count):
        turned = np.conj(np.swapaxes(factor, -1, -2))
        lower, upper = (turned, factor) if high else (factor, turned)
        return _substituted(upper, _substituted(lower, x, False, False), True, False)
    each(solver, count, b"U" if high else b"L", n, width, _shared(factor, batch), n, x, n)
    return x


def cholesky_inverse(factor: ndarray, high: bool) -> tuple[ndarray, Info]:
    """The inverse of A, from its Cholesky factor."""
    invert, batch, n = routine("potri", factor.dtype.char), factor.shape[:-2], factor.shape[-1]
    zeros = np.diagonal(factor, 0, -2, -1) == 0
    info = np.where(zeros.any(-1), zeros.argmax(-1) + 1, 0) if n else np.zeros(batch)
    if invert is None or not factor.size or info.any():
        with np.errstate(all="ignore"):
            y = cholesky_solve(np.eye(n, dtype=factor.dtype), factor, high)
        return y, info.astype(np.int32)
    y = columns(factor)
    each(invert, prod(batch), b"U" if high else b"L", n, y, n)
    half, along = np.triu(y, 1) if high else np.tril(y, -1), np.arange(n)
    whole = columns(half + np.conj(half.swapaxes(-1, -2)))
    whole[..., along, along] = y[..., along, along]
    return whole, info.astype(np.int32)


# --- Without LAPACK


def pivot_size(x: ndarray) -> ndarray:
    """What LAPACK compares to choose a pivot: for complex numbers |re| + |im|."""
    return np.abs(np.real(x)) + np.abs(np.imag(x)) if x.dtype.kind == "c" else np.abs(x)


def _lu_by_halves(a: ndarray) -> tuple[ndarray, ndarray, Info]:
    packed = np.array(a, order="C")
    *batch, m, n = a.shape
    k, count = min(m, n), prod(batch)
    pivots = np.empty((*batch, k), np.int32)
    if packed.size:
        several = (count,) if count > 1 else ()
        flat = packed.reshape(*several, m, n)
        _factor(flat, 0, k, pivots.reshape(*several, k))
        if n > m:
            _lower_solve(flat[..., :m], flat[..., m:])
    zero = np.diagonal(packed, 0, -2, -1) == 0
    first = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if k else np.zeros(batch)
    return columns(packed), pivots, np.asarray(first, np.int32)


def _factor(a: ndarray, start: int, stop: int, pivots: ndarray) -> None:
    """Columns start..stop of one matrix, or of many (B, m, n), by halves; pivots count from 1."""
    if stop - start == 1:
        at = start + pivot_size(a[..., start:, start]).argmax(-1)
        pivots[..., start] = at + 1
        _swap(a, start, at)
        pivot = a[..., start, start, None]
        a[..., start + 1 :, start] /= np.where(pivot == 0, 1, pivot)
        return
    if stop <= start:
        return
    middle = (start + stop) // 2
    _factor(a, start, middle, pivots)
    right = slice(middle, stop)
    _lower_solve(a[..., start:middle, start:middle], a[..., start:middle, right])
    a[..., middle:, right] -= a[..., middle:, start:middle] @ a[..., start:middle, right]
    _factor(a, middle, stop, pivots)


def _swap(a: ndarray, i: int, at: Any) -> None:
    """Row i with row `at`, of whole rows; of every one of many matrices with its own."""
    if not np.ndim(at):
        if at != i:
            a[[i, at]] = a[[at, i]]
        return
    each_one = np.arange(len(a))
    a[each_one, at], a[:, i] = a[:, i].copy(), a[each_one, at]


def _lower_solve(lower: ndarray, x: ndarray) -> None:
    n = lower.shape[-1]
    if n > 1:
        half = n // 2
        _lower_solve(lower[..., :half, :half], x[..., :half, :])
        x[..., half:, :] -= lower[..., half:, :half] @ x[..., :half, :]
        _lower_solve(lower[..., half:, half:], x[..., half:, :])


def permutation(pivots: ndarray, m: int) -> ndarray:
    """The order of rows that a sequence of swaps (counted from 1) makes."""
    *batch, k = pivots.shape
    if prod(batch) < 8:
        orders = [_swapped(one, m) for one in (pivots.reshape(prod(batch), k) - 1).tolist()]
        return np.array(orders, np.int64).reshape(*batch, m)
    order = np.tile(np.arange(m), (prod(batch), 1))
    at = pivots.reshape(-1, k) - 1
    for i in range(k):
        _swap(order, i, at[..., i])
    return order.reshape(*batch, m)


def _swapped(swaps: list[int], m: int) -> list[int]:
    order = list(range(m))
    for i, at in enumerate(swaps):
        order[i], order[at] = order[at], order[i]
    return order


def _lu_solve(packed: ndarray, pivots: ndarray, x: ndarray, turned: bool) -> ndarray:
    order = permutation(pivots, x.shape[-2])[..., None]
    if not turned:
        x = np.take_along_axis(x, np.broadcast_to(order, x.shape), -2)
        return columns(_substituted(packed, _substituted(packed, x, False, True), True, False))
    a = np.conj(packed.swapaxes(-1, -2))
    y = _substituted(a, _substituted(a, x, False, False), True, True)
    np.put_along_axis(x, np.broadcast_to(order, x.shape), y, -2)
    return x


def _substituted(a: ndarray, x: ndarray, upper: bool, unit: bool) -> ndarray:
    """Solve in place by halves, so that nearly all the work is matrix products."""
    n = a.shape[-1]
    if n <= 1:
        if n and not unit:
            x /= a
        return x
    half = n // 2
    first, second = slice(None, half), slice(half, None)
    if upper:
        first, second = second, first
    _substituted(a[..., first, first], x[..., first, :], upper, unit)
    x[..., second, :] -= a[..., second, first] @ x[..., first, :]
    _substituted(a[..., second, second], x[..., second, :], upper, unit)
    return x


def _cholesky_by_minors(a: ndarray) -> tuple[ndarray, Info]:
    y, found = columns(np.tril(a)), np.zeros(a.shape[:-2], np.int32)
    for place in np.ndindex(found.shape):
        found[place] = bad_minor(a[place])
        if not found[place]:
            y[place] = np.linalg.cholesky(a[place])
    return y, _without_nan(y, found)


def bad_minor(matrix: ndarray) -> int:
    """The order of the first leading minor that is not positive definite; 0 if none."""
    for order in range(1, len(matrix) + 1):
        try:
            np.linalg.cholesky(matrix[:order, :order])
        except np.linalg.LinAlgError:
            return order
    return 0
