"""Memory that could not be had: torch's error, what was asked for, and who holds the most.

And what else is raised where an op's evaluation fails.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from . import shapes
from .errors import fail, is_ours, unremarked
from .tape import HOOKS, owner_of
from .tensor import Tensor

SHOWN = 5  # tensors that the error lists
LEAST = 1 << 20  # bytes of a tensor worth listing


class OutOfMemoryError(RuntimeError, MemoryError):
    """Memory that could not be had: torch's RuntimeError and Python's MemoryError at once.

    >>> import rushlight as torch
    >>> [issubclass(torch.OutOfMemoryError, kind) for kind in (RuntimeError, MemoryError)]
    [True, True]
    """


def shortage(error: BaseException, shape: Sequence[int] | None = None, kind: Any = None) -> Any:
    """The error to raise for a MemoryError (NumPy's knows the array that it could not make)."""
    if isinstance(error, OutOfMemoryError):
        return error
    shape = getattr(error, "shape", None) if shape is None else shape
    kind = getattr(error, "dtype", None) if kind is None else kind
    notes = []
    wanted: Any = "unknown"
    if shape is not None and kind is not None:
        wanted = prod(shape) * kind.itemsize
        notes = [f"{wanted / 2**30:.1f} GiB asked for shape {tuple(shape)} of {kind.name}{_free()}"]
    failure = fail(
        OutOfMemoryError,
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory:"
        f" you tried to allocate {wanted} bytes. Error code 12 (Cannot allocate memory)",
        *notes,
        *largest(),
    )
    failure.__cause__ = error
    return failure


def again(error: Exception, refused: Any, evaluate: Any, *args: Any) -> Any:
    """What an evaluation gives that one of NumPy's remarks broke off; else raises `refused`."""
    if not isinstance(error, RuntimeWarning):
        raise refused(error, *args) from None
    y = unremarked(error, evaluate, *args)
    return y if type(y) in (np.ndarray, tuple) else np.asarray(y)


def refused(error: MemoryError | ValueError, *_: Any) -> Exception:
    """What to raise for an evaluation's error, by what NumPy says of shapes."""
    return shortage(error) if isinstance(error, MemoryError) else shapes.misfit(error)


def failed(error: Exception, a: Any, b: Any, *_: Any) -> Exception:
    """What to raise for an evaluation's error: torch's words on shapes that do not fit."""
    if isinstance(error, MemoryError):
        return shortage(error)
    shapes.broadcast(np.shape(a), np.shape(b))
    return error


def _free() -> str:
    """What the system says is free, where it says so."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return ""
    return f"; {free / 2**30:.1f} GiB are free"


def largest() -> list[str]:
    """A line for each of the largest live tensors: size, shape, name, and where it was made."""
    found: dict[int, tuple[int, Tensor]] = {}
    for one in gc.get_objects():
        if isinstance(one, Tensor) and type(getattr(one, "_array", None)) is np.ndarray:
            owner = owner_of(one._array)
            size = getattr(owner, "nbytes", one._array.nbytes)
            if size >= LEAST:
                found.setdefault(id(owner), (size, one))
    first = sorted(found.values(), key=lambda pair: -pair[0])[:SHOWN]
    names = _names({id(one) for _, one in first})
    return [_line(size, one, names.get(id(one), "")) for size, one in first]


def _line(size: int, one: Tensor, name: str) -> str:
    hooks = one._entry[HOOKS] if type(one._entry) is list else None
    made = f", made at {hooks.line}" if hooks is not None and hooks.line else ""
    array = one._array
    return f"{size / 2**20:,.0f} MiB are held by {name or 'a tensor'}: {array.dtype} of shape" + (
        f" {array.shape}{made}"
    )


def _names(wanted: set[int]) -> dict[int, str]:
    """What the user's running functions call these tensors."""
    found: dict[int, str] = {}
    frame = sys._getframe(1)
    while frame is not None:
        if not is_ours(frame):
            for name, value in [*frame.f_locals.items()]:
                if id(value) in wanted:
                    found.setdefault(id(value), f"{name} in {frame.f_code.co_name}")
        frame = frame.f_back
    return found
