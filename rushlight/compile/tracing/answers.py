"""Questions about numbers that are yet to come, asked by the program on its way (`pinned.py`).

Python's powers and exponentials differ from a tensor's in the last digit. Where such a number is
close to Python's and not negative, it may be asked for anything that is not decided by its last
digits; where it is a difference of such, nothing may be asked of it.
"""

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
EXACT, CLOSE, VAGUE = range(3)  # how near the tensor of a number is to it
_FAR = 1e-9  # the share of numbers by which close ones must differ
ODD = "a call with a number that is not finite, out of a function's range or close to another"
_EXACT = 2**53  # whole numbers below which floats know them all


def decided(
    name: str, operands: Sequence[Any], kinds: Sequence[type], kind: type, rough: int
) -> bool | None:
    """What a question of `KINDS`, or a comparison, gives; None where no program can ask it.

    `operands` are tensors and numbers, for what had these `kinds` and is seen as of one kind.
    """
    if any(x is None for x in operands) or rough == VAGUE:
        return None
    if rough == CLOSE and len(operands) > 1:
        left, right = operands
        if not always(abs(left - right) > (abs(left) + abs(right)) * _FAR):
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


def always(truth: Tensor) -> bool:
    """Whether something is true; a program asks whenever it runs, and there is none of a no."""
    return STATE.tracer.holds(truth._array, ODD)
