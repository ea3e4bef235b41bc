"""Places that move: `queue[start : start + n] = keys`, `memory[self.position] = x`.

A number that a call goes by is a constant of its program. Where one only says which part of a
tensor is written, the program takes it as an index instead, and one serves all places. What the
program asks then is whether the place is within the tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dispatch, dtypes, holes
from ...core.shapes import spreads
from ...core.tensor import Tensor, wrap
from .numbers import Number, asked

_LONGEST = 1 << 12  # elements of a slice


def placed(x: Any, key: Any, value: Any) -> tuple[Any, Any]:
    """An index and what is written at it, with tensors in the places of numbers.

    Both are as they were where that does not come to the same.
    """
    parts = list(key) if type(key) is tuple else [key]
    moving = [k for k, part in enumerate(parts) if holes.holds(part, Number)]
    plain = all(
        part is Ellipsis or _is_whole(part) for k, part in enumerate(parts) if k not in moving
    )
    dims = x._array.ndim
    if len(moving) != 1 or not plain or sum(part is Ellipsis for part in parts) > 1:
        return key, value
    at = moving[0]
    behind = len(parts) - at if Ellipsis in parts[:at] else dims - at
    if not 0 < behind <= dims:
        return key, value
    shape = list(x._array.shape)
    written = _with_place(value, behind, dims) if type(parts[at]) is Number else value
    new = _index(parts[at], shape[dims - behind]) if written is not None else None
    shape[dims - behind] = 1 if new is None else new._array.shape[0]
    if new is None or not _fits(written, shape):
        return key, value
    parts[at] = new
    return (tuple(parts) if type(key) is tuple else new), written


def _with_place(value: Any, behind: int, dims: int) -> Any:
    """What is written, with a dimension of one for that which a number leaves out."""
    rank = value._array.ndim if isinstance(value, Tensor) else 0
    if rank < behind or behind == dims:  # dimensions in front of the first may be of one
        return value
    return value.unsqueeze(rank - behind + 1) if rank < dims else None


def _fits(value: Any, shape: list[int]) -> bool:
    """Whether a value can be spread over a shape; else there is an error to be raised."""
    own = [*value._array.shape] if isinstance(value, Tensor) else []
    while own[:1] == [1]:
        del own[0]
    return spreads(own, shape)


def _is_whole(part: Any) -> bool:
    return type(part) is slice and part == slice(None)


def _index(part: Any, length: int) -> Tensor | None:
    """The places of one dimension; None where they are none, or not within it."""
    if type(part) is Number:
        fits = _is_known(part) and asked(f"{-length} <= {part.text} < {length}")
        start = _whole(part) if fits else None
        return None if start is None else start + wrap(np.zeros(1, np.int64))
    if type(part) is not slice or part.step is not None:
        return None
    begin, end = part.start, part.stop
    if not (_is_known(begin) and _is_known(end)):
        return None
    size = _value(end) - _value(begin)
    if not 0 < size <= _LONGEST:
        return None
    low, high = _text(begin), _text(end)
    if not (asked(f"{high} - {low} == {size}") and asked(f"0 <= {low} <= {length - size}")):
        return None
    start = _whole(begin if type(begin) is Number else end)
    if start is None:
        return None
    return start + wrap(np.arange(size) - (0 if type(begin) is Number else size))


def _is_known(x: Any) -> bool:
    """Whether it is a whole number that is there before the call."""
    return type(x) is int or (type(x) is Number and x.kind is int and not x.late and x.followed())


def _value(x: Any) -> int:
    return x.value if type(x) is Number else x


def _text(x: Any) -> str:
    return f"({x.text})" if type(x) is Number else repr(x)


def _whole(x: Number) -> Tensor | None:
    made = x.tensor
    return None if made is None else dispatch.LATE.cast(made, dtypes.int64)
