"""Arithmetic in rounds: a kernel walks over long arrays in pieces that stay in the cache.

A kernel of n passes over an array of many MiB reads and writes memory n times; over pieces of 128
KiB it does so once. A kernel gets its output and the pieces of its operands, all flat, and writes
the output in place; scratch arrays are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from ...core.heavy import fitted
from .kernels import widened

PIECE = 1 << 15  # elements: 128 KiB of float32; operands and scratch together fit L2

_ROW = 512


@cache
def _full(value: float, char: str) -> np.ndarray:
    return np.full(PIECE, value, char)


def level(value: float, like: np.ndarray) -> np.ndarray:
    """A constant for `np.maximum` and `np.minimum`, whose vectors want two arrays."""
    return _full(value, like.dtype.char)[: like.size]


def in_rounds(kernel: Callable[..., Any], *xs: np.ndarray, params: tuple[Any, ...] = ()) -> Any:
    """`kernel(out, *pieces, *params)` over arrays of one shape; 16-bit numbers go as float32."""
    first = xs[0]
    if first.size <= PIECE and first.dtype.char in "fd" and first.flags.c_contiguous:
        y = np.empty(first.size, first.dtype)
        kernel(y, *[x.reshape(-1) for x in xs], *params)
        return y.reshape(first.shape)
    if not first.flags.c_contiguous and first.ndim > 1:  # the result lies as the first operand
        axes = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
        if axes != list(range(first.ndim)):
            y = in_rounds(kernel, *[x.transpose(axes) for x in xs], params=params)
            return y.transpose(np.argsort(axes))
    flats = [widened(x).ravel() for x in xs]
    y = np.empty(first.size, flats[0].dtype)
    if y.size <= PIECE:
        kernel(y, *flats, *params)
    else:
        for start in range(0, y.size, PIECE):
            part = slice(start, start + PIECE)
            kernel(y[part], *[flat[part] for flat in flats], *params)
    y = y.reshape(first.shape)
    return y if y.dtype is first.dtype else fitted(y, first.dtype)


@contextmanager
def unbuffered(length: int) -> Iterator[None]:
    """Where rows of at least 512 numbers meet one number each.

    NumPy repeats such a number into a buffer of 8192 elements to make longer loops of short rows;
    for long rows that costs a pass, and a smaller buffer keeps it from doing so.
    """
    if length < _ROW:
        yield
        return
    before = np.setbufsize(_ROW)
    try:
        yield
    finally:
        np.setbufsize(before)


def _over_zero(out: np.ndarray, x: np.ndarray) -> None:
    np.maximum(x, level(0.0, x), out=out)


def rectified(x: np.ndarray) -> np.ndarray:
    """max(x, 0) of floats."""
    return in_rounds(_over_zero, x)
