"""Numbers as 0-d tensors, put in the places where ops have constants (`respelled.py`)."""

from __future__ import annotations

from typing import Any

from ...core import dispatch, dtypes
from ...core.primitive import REGISTRY
from ...core.tensor import Tensor
from .numbers import Number

_FLOATS = (dtypes.float32, dtypes.float64)


class Otherwise(Exception):
    """The call is made with constants."""


def floats(x: Any) -> Any:
    """A tensor of floats of 32 or 64 bits, on which formulas give what ops give."""
    if not isinstance(x, Tensor) or x.dtype not in _FLOATS:
        raise Otherwise
    return x


def held(x: Any) -> Any:
    """The same, or of whole numbers of 64 bits, for what takes numbers as they are."""
    if isinstance(x, Tensor) and x.dtype is dtypes.int64:
        return x
    return floats(x)


def cast(x: Any, kind: Any) -> Any:
    """A number as a 0-d tensor of a type; anything else as it is."""
    if type(x) is not Number:
        return x
    fits = kind in _FLOATS or (kind is dtypes.int64 and x.kind is int)
    if not fits or x.tensor is None:
        raise Otherwise
    return dispatch.LATE.cast(x.tensor, kind)


def applied(name: str, *inputs: Any) -> Any:
    """What an op of the registry gives."""
    return dispatch.apply(REGISTRY[name], inputs, ())


def chosen(condition: Any, yes: Any, no: Any) -> Any:
    """`where`."""
    return applied("where", condition, yes, no)
