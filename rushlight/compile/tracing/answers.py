"""Questions about numbers that are yet to come, asked by the program on its way (`pinned.py`)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ...core import dispatch
from ...core.primitive import REGISTRY
from ...core.state import STATE
from ...core.tensor import Tensor
from .numpy_calls import value_of

KINDS = frozenset(("isnan", "isinf", "isfinite"))  # what may be asked of one number
_EXACT = 2**53  # whole numbers below which floats know them all


def decided(name: str, operands: Sequence[Any], kinds: Sequence[type], kind: type) -> bool | None:
    """What a question of `KINDS`, or a comparison, gives; None where no program can ask it.

    `operands` are tensors and numbers, for what had these `kinds` and is seen as of one kind.
    """
    if any(x is None for x in operands):
        return None
    for x, own in zip(operands, kinds):
        if kind is float and own is int:  # which may be too large for a float
            if not isinstance(x, Tensor):
                if abs(x) >= _EXACT:
                    return None
            elif not _answer(abs(x) < _EXACT):
                return None
    if name in KINDS:
        return _answer(dispatch.apply(REGISTRY[name], tuple(operands), ()))
    return _answer(getattr(operator, name)(*operands))


def _answer(truth: Tensor) -> bool | None:
    array: Any = truth._array
    return bool(value_of(array)) if STATE.tracer.pin(array, "bool()") else None
