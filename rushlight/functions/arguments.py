"""Parses arguments as torch does: sizes in their three spellings, and torch's refusals."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from ..core import shapes
from ..core.errors import fail
from ..core.tensor import Tensor

# Old programs say `x.add_(0.9, y)` for `x.add_(y, alpha=0.9)`.
_warned: list[str] = []
_OLD_FORMS = {
    "alpha": ("Number alpha, Tensor other", "Tensor other, *, Number alpha = 1"),
    "value": (
        "Number value, Tensor tensor1, Tensor tensor2",
        "Tensor tensor1, Tensor tensor2, *, Number value = 1",
    ),
}


def kind_name(value: Any) -> str:
    """A value's type as torch's messages name it."""
    return "Tensor" if type(value) is Tensor else type(value).__name__


def combination(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> BaseException:
    """torch's TypeError for arguments that fit none of a function's forms."""
    got = [kind_name(value) for value in args]
    got += [f"{key}={kind_name(value)}" for key, value in kwargs.items()]
    return fail(
        TypeError,
        f"{name}() received an invalid combination of arguments - got ({', '.join(got)}),"
        " but expected one of:",
    )


def misfit(name: str, argument: str, position: int, wanted: str, value: Any) -> BaseException:
    """torch's TypeError for one argument of the wrong type."""
    return fail(
        TypeError,
        f"{name}(): argument '{argument}' (position {position}) must be {wanted}, not"
        f" {kind_name(value)}",
    )


def sizes_of(name: str, size: Sequence[Any], keyword: Any = None) -> tuple[int, ...]:
    """The shape meant by `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`, checked as torch checks it."""
    if keyword is not None:
        size = (keyword,)
    elif not size:
        raise combination(name, (), {})
    alone: Any = size[0] if len(size) == 1 else None
    given = alone if isinstance(alone, tuple) else size
    for value in given:
        if type(value) is not int or value < 0:
            break
    else:
        return tuple(given)
    if type(size[0]) is int and len(size) == 1:
        return (size[0],) if size[0] >= 0 else shapes.checked(size, name)
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        return shapes.checked(_indices(name, size[0]), name)
    if len(size) > 1 and isinstance(size[0], (tuple, list)):
        raise combination(name, size, {})
    try:
        index(size[0])
    except TypeError:
        raise misfit(name, "size", 1, "tuple of ints", size[0]) from None
    return shapes.checked(_indices(name, size), name)


def _indices(name: str, size: Sequence[Any]) -> tuple[int, ...]:
    found = []
    for place, value in enumerate(size):
        try:
            found.append(index(value))
        except TypeError:
            raise fail(
                TypeError,
                f"{name}(): argument 'size' failed to unpack the object at pos {place + 1} with"
                f' error "type must be tuple of ints,but got {kind_name(value)}"',
            ) from None
    return tuple(found)


def whole(name: str, argument: str, position: int, value: Any) -> int:
    """An int argument (0-d integer tensors and NumPy integers count)."""
    if type(value) is int:
        return value
    if isinstance(value, (float, np.floating)):
        raise misfit(name, argument, position, "int", value)
    try:
        return index(value)
    except TypeError:
        raise misfit(name, argument, position, "int", value) from None


def reordered(name: str, keyword: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """`given` without the input, as (tensors..., factor): the factor came first.

    Raises TypeError for anything else; warns once in a process, as torch.
    """
    factor, *tensors = given
    before = len(given) - 1
    if isinstance(factor, Tensor) or not all(isinstance(value, Tensor) for value in tensors):
        raise TypeError(
            f"{name}() takes {before} positional argument{'s' * (before > 1)} but"
            f" {len(given)} were given"
        )
    if not _warned:
        _warned.append(name)
        old, new = _OLD_FORMS[keyword]
        warnings.warn(
            f"This overload of {name} is deprecated:\n\t{name}({old})\n"
            f"Consider using one of the following signatures instead:\n\t{name}({new})",
            stacklevel=3,
        )
    return (*tensors, factor)


def refuse_unsolvable(name: str, A: Any, b: Any) -> None:
    """torch's errors for systems A X = b whose sizes are of no equations."""
    for label, x in (("b", b), ("A", A)):
        if x._array.ndim < 2:
            raise RuntimeError(
                f"torch.{name}: Expected {label} to have at least 2 dimensions, but it has"
                f" {x._array.ndim} dimensions instead"
            )
    (rows, columns), (n, count) = A._array.shape[-2:], b._array.shape[-2:]
    if rows != columns:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {rows} by {columns} matrices"
        )
    if n != rows:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {rows} by {columns} but each"
            f" b matrix is {n} by {count}"
        )
