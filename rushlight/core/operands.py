"""Which operands may be plain numbers, as declarations say: torch's refusals of others.

And the short path of ops of three operands, the last of which may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np

from . import dtypes
from .primitive import Primitive
from .state import PAUSED, STATE
from .tape import LEAF
from .tensor import EAGER_TYPES, Tensor, wrap

ndarray, asarray = np.ndarray, np.asarray
ARRAYS = (Tensor, np.ndarray, np.generic)


def _kind(value: Any) -> str:
    return "Tensor" if isinstance(value, Tensor) else type(value).__name__


def combination(name: str, values: tuple[Any, ...]) -> BaseException:
    """torch's TypeError for operands that fit none of an op's forms."""
    return TypeError(
        f"{name}() received an invalid combination of arguments - got"
        f" ({', '.join(map(_kind, values))}), but expected one of:"
    )


def of_tensors(op: Any) -> bool:
    """Whether torch has an op for tensors alone."""
    prim = getattr(op, "primitive", None)
    return prim is not None and prim.numbers.startswith("none")


def refuse_numbers(prim: Primitive, values: tuple[Any, ...]) -> None:
    """torch's error for a number where the op takes a tensor, or not this number."""
    kind, _, second = prim.numbers.partition(": ")
    if kind == "none":
        for place, value in enumerate(values):
            if not isinstance(value, ARRAYS):
                argument = (second or "other") if place else "input"
                raise TypeError(
                    f"{prim.name}(): argument '{argument}' (position {place + 1}) must be Tensor,"
                    f" not {_kind(value)}"
                )
    elif kind == "second" and not isinstance(values[0], ARRAYS):
        raise combination(prim.name, values)
    if prim.forbids is not None:
        prim.forbids(*values)


def kept_beside(prim: Primitive) -> dict[type, str]:
    """By types of numbers: the types of arrays that an op's result has with such numbers too."""
    return {float: "fd", int: prim.beside}


_TWO_BOOLS = "two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
_ONE_BOOL = (
    "a bool tensor is not supported. If you are trying to invert a mask, use the `~` or"
    " `logical_not()` operator instead."
)


def bools_apart(two: bool) -> BaseException:
    """torch's error for a difference of bools, or with one."""
    return RuntimeError(f"Subtraction, the `-` operator, with {_TWO_BOOLS if two else _ONE_BOOL}")


def refuse_bools(a: Any, b: Any) -> None:
    """A difference is not of bools, tensors or numbers."""
    found = [isinstance(x, bool) or (isinstance(x, Tensor) and x.dtype is dtypes.bool_)
             for x in (a, b)]  # fmt: skip
    if any(found):
        raise bools_apart(all(found))


def refuse_two_types(a: Any, b: Any) -> None:
    """torch's step function takes tensors of one data type."""
    kinds = {x.dtype for x in (a, b) if isinstance(x, Tensor)}
    if len(kinds) > 1 and not any(kind.is_complex for kind in kinds):  # refused for that
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


def refuse_negative_powers(base: Any, exponent: Any) -> None:
    """Whole numbers have no power by a negative number; by a tensor's they have."""
    whole = isinstance(base, Tensor) and base.dtype.category < dtypes.FLOAT
    if whole and type(exponent) is int and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


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
        parents = parents_of(inputs) if records and (not PAUSED or STATE.grad) else ()
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
