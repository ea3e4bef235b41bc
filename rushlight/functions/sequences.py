"""Evenly spaced numbers, rounded where torch rounds them.

A product and the sum it goes into are rounded once (a fused multiplication and addition), and
`arange` counts from the beginning of every group of numbers that a vector register holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import heavy
from ..core.memory import empty

_GROUP = {"d": 4, "f": 8}  # as many as fill 32 bytes


def stepped(start: Any, step: Any, counts: np.ndarray) -> np.ndarray:
    """start + step * counts, rounded once, in the type of `start`."""
    kind = start.dtype
    if kind.char == "f":
        return (start.astype(np.float64) + float(step) * counts).astype(np.float32)
    if kind.char != "d" or not np.isfinite(step) or abs(step) > 1e38:
        return start + step * counts.astype(kind)
    coarse = float(np.float32(step))
    large, small = coarse * counts, (float(step) - coarse) * counts  # exact up to 2**24 counts
    total = start + large
    moved = total - start
    return total + (((start - (total - moved)) + (large - moved)) + small)


def _tame(step: Any) -> bool:
    """Whether products with a step stay finite, where they are rounded once."""
    return bool(np.isfinite(step)) and abs(step) <= 1e38


def _from_both_ends(first: Any, last: Any, step: Any, steps: int) -> np.ndarray:
    places = np.arange(steps, dtype=np.int64)
    front, back = stepped(first, step, places), stepped(last, -step, steps - 1 - places)
    return np.where(places < steps // 2, front, back)


def _ends(start: Any, end: Any, kind: np.dtype) -> tuple[Any, Any]:
    if kind.kind in "iu":
        start, end = int(start), int(end)
    return kind.type(start), kind.type(end)


def spaced(start: Any, end: Any, steps: int, kind: np.dtype) -> np.ndarray:
    """`linspace`: counted from both ends, in the result's own precision; of integers in double."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    first, last = _ends(start, end, kind)
    if steps == 1:
        return np.array([first], kind)
    work = np.dtype(np.float64) if kind.kind in "iu" else kind
    first, last = work.type(first), work.type(last)
    step = (last - first) / work.type(max(steps - 1, 1))
    native = heavy.one_pass("spaced", steps, work) if _tame(step) else None
    if native is not None:
        values = empty((steps,), work)
        native(values.ctypes.data, first, last, step, steps)
        return values.astype(kind, copy=False)
    return _from_both_ends(first, last, step, steps).astype(kind)


def powers(start: Any, end: Any, steps: int, base: float, kind: np.dtype) -> np.ndarray:
    """`logspace`: base to the power of exponents evenly spaced in double precision."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    first, last = _ends(start, end, kind)
    work = np.dtype(np.complex128 if kind.kind == "c" else np.float64)
    root, places = work.type(base), np.arange(steps)
    with np.errstate(all="ignore"):
        step = (last - first).astype(work) / max(steps - 1, 1)
        front = first.astype(work) + step * places
        back = last.astype(work) - step * (steps - 1 - places)
        exponents = np.where(places < max(steps // 2, steps == 1), front, back)
        native = heavy.one_pass("powers", steps) if work.kind == "f" else None
        if native is not None:
            values = empty((steps,), work)
            native(values.ctypes.data, exponents.ctypes.data, root, steps)
            return values.astype(kind)
        # one by one: the C library's power, where NumPy's own of arrays may differ in the last bit
        return np.array([root**x for x in exponents], work).astype(kind)


def counted(start: Any, step: Any, length: int, kind: np.dtype) -> np.ndarray:
    """`arange` of fractions: from the start of each full pair of groups, then one by one."""
    native = heavy.one_pass("counted", length, kind) if _tame(step) else None
    if native is not None:
        values = empty((length,), kind)
        native(values.ctypes.data, start, step, length)
        return values
    places = np.arange(length, dtype=np.int64)
    work = np.dtype(np.float64) if kind.itemsize >= 4 else np.dtype(np.float32)
    first, by, group = work.type(start), work.type(step), _GROUP.get(kind.char, 16)
    whole = length // (2 * group) * 2 * group
    begins = stepped(first, by, places[:whole] // group * group).astype(kind).astype(work)
    inner = stepped(begins, by, places[:whole] % group)
    return np.concatenate((inner, stepped(first, by, places[whole:]))).astype(kind)
