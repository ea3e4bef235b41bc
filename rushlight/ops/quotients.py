"""Quotients of float32 rounded to whole numbers, and what they leave, by float64 arithmetic.

The library's fmod takes 4 to 20 ns an element. The float64 quotient of two float32 numbers is a
whole number, or on one side of it, as the true one is, if it is below 2^28; a whole number times
the divisor and the difference are exact then.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign, inf
from typing import Any

import numpy as np

from ..core.tape import INPUTS

LEAST = 2048  # elements from which it pays
PIECE = 1 << 13  # elements at a time: a few arrays of float64 that stay in the cache
FAR = 2.0**24  # quotients that are whole numbers in float32
NEAR = 2.0**22  # those that torch's steps in float32 find, which correct by less than a half


def exactly(x: Any, y: Any, rounding: Any, rest: bool) -> Any:
    """The rounded quotient (or its rest), zeros of any sign; None where this way is none."""
    if type(x) is not np.ndarray or x.dtype.char != "f":
        return None
    if x.size < LEAST:
        if type(y) is not np.ndarray or y.size < LEAST:
            return None
        x = _broad(x, y.shape)
        if x.shape != y.shape:
            return None
    if type(y) is np.ndarray and y.dtype is x.dtype:
        y = _spread(y, x.shape)
    by: Any = y
    if type(y) is np.ndarray:
        if y.dtype is not x.dtype or y.shape != x.shape:
            return None
        by = np.ascontiguousarray(y).reshape(-1)
    elif type(y) not in (int, float) or not 0 < abs(by := float(np.float32(y))) < np.inf:
        return None
    out = np.empty(x.shape, x.dtype)
    into, flat = out.reshape(-1), np.ascontiguousarray(x).reshape(-1)
    with np.errstate(all="ignore"):
        for start in range(0, x.size, PIECE):
            part = slice(start, start + PIECE)
            other = by[part] if type(y) is np.ndarray else by
            if not _piece(into[part], flat[part], other, rounding, rest):
                return None
    return out


def _spread(y: np.ndarray, shape: tuple[int, ...]) -> Any:
    """A divisor in the shape of what it divides, where it can have that; one alone as a number."""
    if y.size == 1 and y.ndim <= len(shape):
        return y.item()
    return _broad(y, shape)


def _broad(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array repeated to a shape, or as it is where it cannot be."""
    if x.shape == shape or x.ndim > len(shape):
        return x
    fits = all(n in (1, m) for n, m in zip(reversed(x.shape), reversed(shape)))
    return np.broadcast_to(x, shape) if fits else x


def _piece(out: np.ndarray, x: np.ndarray, by: Any, rounding: Any, rest: bool) -> bool:
    """Whether it could be done."""
    wide = x.astype(np.float64)
    if type(by) is not float:
        by = by.astype(np.float64)
        if not np.abs(by).max() < np.inf:
            return False
    times = wide / by
    most = FAR if rest else NEAR
    if not (times.max() < most and times.min() > -most):  # neither if there is nan
        return False
    rounding(times, out=times)
    if rest:
        times *= by
        np.subtract(wide, times, out=out, casting="same_kind")
    else:
        out[...] = times
    return True


def signed_zeros(rest: np.ndarray, x: Any) -> np.ndarray:
    """Rests that are zero, with the sign of the dividend."""
    if rest.all():
        return rest
    return np.where(rest == 0, np.copysign(rest, x), rest)


def inverse(y: Any, a: Any, b: Any) -> Any:
    """The slope of a / b in a; where b is a number that is 0, Python has no answer."""
    try:
        return 1 / b
    except ZeroDivisionError:
        return complex("nan+nanj") if isinstance(b, complex) else copysign(inf, b)


def divided(derived: Callable[..., Any]) -> Callable[..., Any]:
    """The pull of a quotient, from the derived one, which multiplies by the inverse.

    Numbers of 16 bits are divided instead: times a rounded inverse they would be rounded twice.
    """

    def pull(g: Any, entry: Any) -> Any:
        found = derived(g, entry)
        if type(g) is not np.ndarray or g.dtype.itemsize != 2 or found[0] is None:
            return found
        by = entry[INPUTS][1]
        by = by.astype(np.float32) if type(by) is np.ndarray else by
        return (g.astype(np.float32) / by).astype(g.dtype), found[1]

    return pull
