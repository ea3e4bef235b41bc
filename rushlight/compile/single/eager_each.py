"""Functions of each element: one program for arrays of all sizes.

Where all arrays have one shape and lie in C order, elements are a long row, and what the kernel
does with a unit of it does not depend on how long it is. So the program is made for a row that no
memory holds, and told how many units there are. What is left at the end is shorter than a unit: the
last unit of the row is done instead, of which a part was done before, with the same results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..kernels.maker import ALONE
from ..records import replace
from .eager_kept import Kept

LONG = 1 << 34  # elements of the row
_BOTH_WAYS = (
    "relu gelu gelu_tanh sigmoid silu elu softplus mish leaky_relu hardswish log_sigmoid"
    " hardsigmoid hardshrink softshrink"
).split()
_ONE_WAY = "tanh_back exp log hardtanh erf erfc rsqrt sign".split()
NAMES = frozenset([*_BOTH_WAYS, *(f"{name}_back" for name in _BOTH_WAYS), *_ONE_WAY])
_rows: dict[Any, Kept | None] = {}


def program(
    name: str, args: tuple[Any, ...], arrays: list[np.ndarray], make: Callable[..., Kept]
) -> Kept | None:  # fmt: skip
    """The program of a function of each element; None where the arrays want one of their own.

    `make` makes it for the long row.
    """
    shape = arrays[0].shape
    if any(x.shape != shape or not x.flags.c_contiguous for x in arrays):
        return None
    key = (name, *(x.dtype if type(x) is np.ndarray else x for x in args))
    if key not in _rows:
        given = tuple(_row(x) if type(x) is np.ndarray else x for x in args)
        made = make(name, given, [_row(x) for x in arrays], 0)
        _rows[key] = made if _simple(made) else None
    found = _rows[key]
    return None if found is None else _told(found, shape, [x.dtype.itemsize for x in arrays])


def _row(x: np.ndarray) -> np.ndarray:
    return as_strided(np.zeros(1, x.dtype), (LONG,), (x.itemsize,), writeable=False)


def _simple(made: Kept) -> bool:
    """Whether it is one kernel that reads and writes nothing but the row."""
    plan = made.recipe
    plain = made.missing is None and not plan.arena and not len(plan.status)
    if not plain or len(made.calls) != 1 or [shape for shape, _ in plan.outputs] != [(LONG,)]:
        return False
    return LONG % made.calls[0][2] == 0


def _told(row: Kept, shape: tuple[int, ...], sizes: list[int]) -> Kept | None:
    """The program for so many elements."""
    plan, (kernel, first, units, chunk) = row.recipe, row.calls[0]
    count, each = math.prod(shape), LONG // units
    whole, left = divmod(count, each)
    if not whole:
        return None
    kind = plan.outputs[0][1]
    work = plan.work * (count / LONG)
    calls = [[kernel, first, whole, chunk if work >= ALONE else 0]]
    moves, fixed, length = row.moves, plan.fixed, plan.length
    if left:
        further, start = length - first, count - each
        sizes = [*sizes, kind.itemsize]
        moves = moves + [[x, by + start * sizes[x], to + further] for x, by, to in moves]
        fixed = np.concatenate([fixed, fixed + np.array([[further], [0], [0]])], 1)
        calls.append([kernel, length, 1, 0])
        length += further
    plan = replace(plan, outputs=[(shape, kind)], length=length, fixed=fixed, work=work)
    return replace(row, recipe=plan, calls=calls, moves=moves)
