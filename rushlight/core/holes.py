"""Holes: where operands of an op stand inside its parameters (an index array in a key, say).

`replaced` and `holds` do for parts of any class what `fill` and `has_hole` do for holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Hole:
    """The place of operand `index` in params or arguments."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __repr__(self) -> str:
        return f"<{self.index}>"

    def __eq__(self, other: object) -> bool:
        return type(other) is Hole and other.index == self.index

    def __hash__(self) -> int:
        return hash(("hole", self.index))


def fill(template: Any, values: Sequence[Any]) -> Any:
    """A template with every hole replaced by its value."""
    return replaced(template, Hole, lambda hole: values[hole.index])


def has_hole(template: Any) -> bool:
    """Whether some hole is in the template."""
    return holds(template, Hole)


def replaced(params: Any, wanted: type, new: Callable[[Any], Any]) -> Any:
    """Parameters with `new(part)` for every part, however deep, that is of the class `wanted`."""
    kind = type(params)
    if kind is wanted:
        return new(params)
    if kind is tuple or kind is list:
        return kind(replaced(part, wanted, new) for part in params)
    if kind is dict:
        return {key: replaced(part, wanted, new) for key, part in params.items()}
    if kind is slice:
        return slice(*(replaced(part, wanted, new) for part in parts(params)))
    return params


def holds(params: Any, wanted: type) -> bool:
    """Whether some part of parameters, however deep, is of the class `wanted`."""
    return type(params) is wanted or any(holds(part, wanted) for part in parts(params))


def parts(params: Any) -> Sequence[Any]:
    """What a container among parameters holds; of anything else nothing."""
    kind = type(params)
    if kind is tuple or kind is list:
        return params
    if kind is dict:
        return list(params.values())
    return (params.start, params.stop, params.step) if kind is slice else ()
