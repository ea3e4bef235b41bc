"""Evaluations of QR, least squares and LDL on arrays, by LAPACK's routines, or by NumPy without.

Results lie column by column, as torch's do.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .lapack import columns, each, empty_columns, lead, room, routine, whole_type
from .matrix_kernels import Info, infos, ndarray, short

# --- QR


def reflections(a: ndarray) -> tuple[ndarray, ndarray]:
    """R above, Householder's vectors below it, and their factors."""
    *batch, m, n = a.shape
    factorise, k, kind = routine("geqrf", a.dtype.char), min(m, n), a.dtype
    if factorise is None or not a.size:
        packed, tau = np.linalg.qr(a, "raw")
        return columns(packed.swapaxes(-1, -2).astype(kind)), tau.astype(kind, copy=False)
    packed, tau = columns(a), np.empty((*batch, k), kind)
    each(factorise, prod(batch), m, n, packed, m, tau, *room(n, kind))
    return packed, tau


def qr(a: ndarray, whole: bool) -> tuple[ndarray, ndarray]:
    """Q and R; Q square if `whole`."""
    *batch, m, n = a.shape
    k, make = min(m, n), routine("orgqr", a.dtype.char)
    if make is None or not a.size or short(a):
        q, r = np.linalg.qr(a, "complete" if whole else "reduced")
        return columns(q), columns(r)
    packed, tau = reflections(a)
    width = m if whole else k
    q = packed if width == n else empty_columns(tuple(batch), m, width, a.dtype)
    r = columns(np.triu(packed[..., :width, :]))
    if q is not packed:
        q[..., :k] = packed[..., :k]
    each(make, prod(batch), m, width, k, q, m, tau, *room(width, a.dtype))
    return q, r


def qr_r(a: ndarray) -> ndarray:
    """R of QR alone."""
    packed, _ = reflections(a)
    return columns(np.triu(packed[..., : min(a.shape[-2:]), :]))


def orthonormal(packed: ndarray, tau: ndarray) -> ndarray:
    """The first columns of the product of reflections."""
    (m, n), k = packed.shape[-2:], tau.shape[-1]
    batch, _ = lead(packed, tau[..., None])
    packed, tau = np.broadcast_to(packed, (*batch, m, n)), np.broadcast_to(tau, (*batch, k))
    make = routine("orgqr", packed.dtype.char)
    if packed.size and make is not None:
        q, tau = columns(packed), np.ascontiguousarray(tau)
        each(make, prod(batch), m, n, k, q, m, tau, *room(n, packed.dtype))
        return q
    q = np.broadcast_to(np.eye(m, n, dtype=packed.dtype), packed.shape)
    for i in reversed(range(k)):
        v = np.tril(packed[..., : i + 1], -1)[..., i:]
        v[..., i, 0] = 1
        q = q - tau[..., i, None, None] * v @ (np.conj(v.swapaxes(-1, -2)) @ q)
    return columns(q)


# --- Least squares


def least_squares(
    a: ndarray, b: ndarray, rcond: float, driver: str
) -> tuple[ndarray, ndarray, ndarray]:
    """The X of least norm that makes |A X - B| least, A's rank and its singular values."""
    batch, count = lead(a, b)
    (m, n), width, kind = a.shape[-2:], b.shape[-1], a.dtype
    function, real = routine(driver, kind.char), np.finfo(kind).dtype
    values, rank = np.zeros((*batch, min(m, n)), real), np.zeros(batch, whole_type())
    room_ = empty_columns(batch, max(m, n), width, kind)
    x = room_[..., :n, :]
    if function is None or not a.size or not b.size:
        values[...] = np.linalg.svd(a, compute_uv=False) if a.size else 0
        x[...] = np.linalg.pinv(a, rcond) @ b if a.size else 0
        top = values.max(-1, keepdims=True) if values.shape[-1] else values
        return x, np.asarray((values > rcond * top).sum(-1)), values
    room_[..., :m, :] = b
    factors = columns(np.broadcast_to(a, (*batch, m, n)))
    args: list[Any] = [m, n, width, factors, m, room_, max(m, n)]
    if driver == "gels":
        args.insert(0, b"N")
    else:
        swaps = np.zeros((*batch, n), whole_type())
        args += [swaps if driver == "gelsy" else values, rcond, rank]
    _with_room(function, count, args, driver, kind)
    return x, rank.astype(np.int64, copy=False), values


def _with_room(function: Any, count: int, args: list[Any], driver: str, kind: np.dtype) -> None:
    """Call a driver of least squares, with as much working memory as it asks for."""
    length = np.zeros(1, kind)
    reals, wholes = np.zeros(1, np.finfo(kind).dtype), np.zeros(1, whole_type())
    complex_, parted = kind.kind == "c" and driver != "gels", driver == "gelsd"
    each(function, 1, *args, length, -1, *[reals] * complex_, *[wholes] * parted)
    most = max(int(reals[0]), 5 * max(args[0], args[1])) if complex_ else 0
    rest = [(np.empty(most, reals.dtype),)] * complex_
    rest += [(np.empty(max(1, int(wholes[0])), whole_type()),)] * parted
    size = max(1, int(length[0].real))
    each(function, count, *args, (np.empty(size, kind),), size, *rest)


# --- Symmetric matrices that need not be positive


def symmetric_factors(a: ndarray, conjugate: bool) -> tuple[ndarray, ndarray, Info] | None:
    """L and D in one triangle (Bunch and Kaufman's), the swaps, the first zero; None without."""
    *batch, n, _ = a.shape
    function = routine("hetrf" if conjugate else "sytrf", a.dtype.char)
    if function is None or not a.size:
        return None
    packed, pivots = columns(np.tril(a)), np.empty((*batch, n), whole_type())
    found = each(function, prod(batch), b"L", n, packed, n, pivots, *room(n, a.dtype))
    return packed, pivots.astype(np.int32), infos(found, tuple(batch))


def symmetric_solve(packed: ndarray, pivots: ndarray, b: ndarray, conjugate: bool) -> Any:
    """X with A X = B from those; None without the routine, or with swaps that are none."""
    batch, count = lead(packed, b)
    n, width = b.shape[-2:]
    function = routine("hetrs" if conjugate else "sytrs", b.dtype.char)
    if function is None or not count * b.size:
        return None
    if not all(map(_paired, pivots.reshape(-1, n).tolist())):
        return None
    x = columns(np.broadcast_to(b, (*batch, n, width)))
    swaps = np.ascontiguousarray(np.broadcast_to(pivots, (*batch, n)), whole_type())
    factors = columns(np.broadcast_to(packed, (*batch, n, n)))
    each(function, count, b"L", n, width, factors, n, swaps, x, n)
    return x


def _paired(pivots: list[int]) -> bool:
    """Whether swaps are such as a factorisation gives: blocks of two have two equal ones."""
    k, n = 0, len(pivots)
    while k < n:
        at = pivots[k]
        if at == 0 or abs(at) > n or (at < 0 and pivots[k + 1 : k + 2] != [at]):
            return False
        k += 1 if at > 0 else 2
    return True
