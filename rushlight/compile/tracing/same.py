"""Lists and dictionaries that are one object wherever a call gives, keeps or was given them.

`return h, h` gives one list in two places, `self.last = h; return h` another reference to what is
kept, and who returns a list that was an argument returns that list. A program makes its results
anew; so it must know which are one, and which it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import getitem
from typing import Any

from ..calls.opened import plain_parts
from .changes import Uncompilable
from .results import Container


class Same(Container):
    """A list or dictionary that is one object wherever it stands.

    `context` is its number, or the way to it among the arguments of a call.
    """

    __slots__ = ()

    def __init__(self, where: Any, template: Any) -> None:
        super().__init__(object, [template], where)

    def built(self, parts: list[Any]) -> Any:
        """That object."""
        return parts[0]

    def found(self, made: dict[Any, Any], arguments: Any, build: Callable[[Any], Any]) -> Any:
        """The object of one run: an argument, or one of those made so far."""
        if type(self.context) is tuple:
            return reduce(getitem, self.context, arguments)
        if self.context not in made:
            made[self.context] = build(self.parts[0])
        return made[self.context]


def containers(args: Any, kwargs: Any) -> dict[int, tuple[Any, ...]]:
    """The ways to the lists and dictionaries among a call's arguments, by their ids.

    One that stands there twice has an empty way: at the next call there may be two.
    """
    found: dict[int, tuple[Any, ...]] = {}
    for key, part in (*enumerate(args), *kwargs.items()):
        _note(part, (type(key) is str, key), found)
    return found


def _note(value: Any, way: tuple[Any, ...], found: dict[int, tuple[Any, ...]]) -> None:
    parts: Any = plain_parts(value)
    if parts is None:
        return
    if not isinstance(value, tuple):
        again = id(value) in found
        found[id(value)] = () if again else way
        if again:
            return
    for key, part in zip(value if isinstance(value, dict) else range(len(value)), parts):
        _note(part, (*way, key), found)


def standing(value: Any, given: dict[int, tuple[Any, ...]]) -> dict[int, Any]:
    """What of a result must be one object: `Same.context` by the ids of lists and dictionaries."""
    found: dict[int, Any] = {}
    _count(value, given, found, set())
    if () in found.values():
        raise Uncompilable("it returns a container that stands in two places among arguments")
    return found


def _count(value: Any, given: dict[int, tuple[Any, ...]], found: Any, met: set[int]) -> None:
    parts = plain_parts(value)
    if parts is None:
        return
    if not isinstance(value, tuple):
        if id(value) in given:
            found[id(value)] = given[id(value)]
        elif id(value) in met:
            found.setdefault(id(value), len(found))
        if id(value) in met:
            return
        met.add(id(value))
    for part in parts:
        _count(part, given, found, met)
