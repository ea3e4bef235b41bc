"""Which operands may be plain numbers: torch's refusals where an op takes tensors only.

And the short path of ops of three operands, the last of which may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from . import dtypes
from .primitive import Primitive
from .state import STATE
from .tape import LEAF
from .tensor import EAGER_TYPES, Tensor, wrap

ndarray, asarray = np.ndarray, np.asarray

# Both operands must be tensors; the name torch gives the second.
TENSORS = dict.fromkeys(
    "atan2 dist fmax fmin gcd hypot igamma igammac lcm ldexp logaddexp logaddexp2 logical_and"
    " logical_or logical_xor matmul maximum minimum nextafter".split(),
    "other",
) | {"heaviside": "values"}
# The first operand must be one.
TENSOR_FIRST = frozenset("copysign eq fmod ge gt le lt ne".split())


def _kind(value: Any) -> str:
    return "Tensor" if isinstance(value, Tensor) else type(value).__name__


def combination(name: str, values: tuple[Any, ...]) -> BaseException:
    """torch's TypeError for operands that fit none of an op's forms."""
    return TypeError(
        f"{name}() received an invalid combination of arguments - got"
        f" ({', '.join(map(_kind, values))}), but expected one of:"
    )


def refuse_numbers(name: str, values: tuple[Any, ...]) -> None:
    """torch's error for a number where the op takes a tensor, or not this number."""
    if name in TENSORS:
        for place, value in enumerate(values):
            if not isinstance(value, (Tensor, np.ndarray, np.generic)):
                argument = TENSORS[name] if place else "input"
                raise TypeError(
                    f"{name}(): argument '{argument}' (position {place + 1}) must be Tensor, not"
                    f" {_kind(value)}"
                )
    elif name in TENSOR_FIRST and not isinstance(values[0], (Tensor, np.ndarray, np.generic)):
        raise combination(name, values)
    elif name == "pow" and type(values[1]) is int and values[1] < 0 and _whole(values[0]):
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    elif name == "sub" and any(map(_truth, values)):
        both = "two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        one = (
            "a bool tensor is not supported. If you are trying to invert a mask, use the `~` or"
            " `logical_not()` operator instead."
        )
        which = both if all(map(_truth, values)) else one
        raise RuntimeError(f"Subtraction, the `-` operator, with {which}")


def kept_beside(name: str) -> dict[type, str]:
    """By types of numbers: the types of arrays that an op's result has with such numbers too.

    The sign of an integer decides whether `pow` takes it beside integers: that is asked elsewhere.
    """
    return {float: "fd", int: "fd" if name == "pow" else "fdlihb"}


def _truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, Tensor) and value.dtype is dtypes.bool_)


def _whole(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype.category < dtypes.FLOAT


def joined(
    prim: Primitive, taken: Container[str], finish: Callable[..., Any], apply: Callable[..., Any]
) -> Callable[..., Any]:
    """The short path of an op that brings three operands to one data type (lerp, addcmul).

    They are plain tensors of one of the types `taken`; the last may be a number beside floats.
    `finish` makes the result of what was computed. Everything else goes to `apply`.
    """
    arity, evaluate, records = prim.arity or 0, prim.eval, prim.rule is not None

    def op(*arguments: Any) -> Any:
        given, params = arguments[:arity], arguments[arity:]
        inputs = _of_one_type(given)
        if inputs is None or inputs[0]._array.dtype.char not in taken:
            return apply(prim, given, params)
        arrays = [x._array for x in inputs]
        try:
            y = evaluate(*arrays, *params)
        except (MemoryError, ValueError, RuntimeWarning):
            return apply(prim, given, params)  # which knows how to say it
        parents = parents_of(inputs) if records and STATE.grad else ()
        parents = None if parents.count(None) == len(parents) else parents
        return finish(y if type(y) is ndarray else asarray(y), inputs, arrays, params, parents)

    return op


def _of_one_type(given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The operands as plain tensors, if they are of one data type already."""
    *tensors, last = given
    if type(last) in EAGER_TYPES:
        tensors.append(last)
    kind: Any = None
    for x in tensors:
        array = x._array if type(x) in EAGER_TYPES else None
        if type(array) is not ndarray or (kind is not None and array.dtype is not kind):
            return None
        kind = array.dtype
    if len(tensors) == len(given):
        return given
    fits = type(last) in (float, int) and kind.char in "fd"
    return (*tensors, wrap(asarray(last, kind))) if fits else None


def parents_of(inputs: tuple[Any, ...]) -> tuple[Tensor | list[Any] | None, ...]:
    """What the tape keeps of operands: leaves, entries, or nothing."""
    return tuple([x if x is None or x._entry is LEAF else x._entry for x in inputs])
