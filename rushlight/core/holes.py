"""Holes: where operands of an op stand inside its parameters (an index array in a key, say)."""

from __future__ import annotations

from collections.abc import Sequence
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
    kind = type(template)
    if kind is Hole:
        return values[template.index]
    if kind is tuple or kind is list:
        return kind(fill(part, values) for part in template)
    if kind is dict:
        return {key: fill(part, values) for key, part in template.items()}
    if kind is slice:
        return slice(*(fill(p, values) for p in (template.start, template.stop, template.step)))
    return template


def has_hole(template: Any) -> bool:
    """Whether some hole is in the template."""
    kind = type(template)
    if kind is Hole:
        return True
    if kind is dict:
        template = list(template.values())
    elif kind is slice:
        template = (template.start, template.stop, template.step)
    elif kind is not tuple and kind is not list:
        return False
    return any(map(has_hole, template))
