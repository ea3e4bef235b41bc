"""Texts that are others at every call: sentences, names of files, in arguments or attributes.

A text among what a call sees is a constant of its program. Some are words that come again
("train", "test"), and a program for each is right. After a few programs that differ in texts alone
a text must come a second time before one is made for it: those that never do cost no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..tracing.trace import PASSING
from ..tracing.varied import PLACES
from .bound import Bound, fits
from .guards import look

FREE = 3  # programs that differ in texts, made at once
_REMEMBERED = 64  # texts, each for the second time that it comes
_SCALARS = frozenset((str, int, float))
NEW = (
    f"{PASSING} a call with a text that has not come before: give it what it needs of the text"
    " (a length, a tensor of numbers), and the text itself to the code around it"
)


class PassingTexts:
    """The texts for which no program has been made yet."""

    def __init__(self) -> None:
        self._met: deque[tuple[str, ...]] = deque(maxlen=_REMEMBERED)

    def hold_back(self, programs: Sequence[Bound], args: Any, kwargs: Any, now: Any) -> bool:
        """Whether a call differs from those of programs in texts alone, which have just come."""
        if len(programs) < FREE:
            return False
        found = [texts for one in programs if (texts := _new_texts(one, args, kwargs, now))]
        if len(found) < FREE:
            return False
        new = max(found, key=len)
        if new in self._met:
            return False
        self._met.append(new)
        return True


def _new_texts(bound: Bound, args: Any, kwargs: Any, now: Any) -> tuple[str, ...]:
    """The texts of a call where a program is for others; none if anything else differs too."""
    found: list[str] = []
    if now != bound.modes or not _alike((args, kwargs), tuple(bound.arguments), found):
        return ()
    for place in bound.places:
        if place.kind == "content" or place.holds():
            continue
        try:
            value = look(place)
        except (KeyError, IndexError, AttributeError, ValueError):
            return ()
        if place.kind not in PLACES or not type(value) is type(place.expected) is str:
            return ()
        found.append(value)
    return tuple(found)


def _alike(value: Any, wanted: Any, found: list[str]) -> bool:
    """Whether arguments are a program's but for texts, which are collected, and numbers."""
    kind = type(wanted)
    if kind in _SCALARS:
        if kind is str and type(value) is str and value != wanted:
            found.append(value)
        return type(value) is kind
    if kind is dict:
        same = type(value) is dict and list(value) == list(wanted)
        return same and all(_alike(value[key], wanted[key], found) for key in wanted)
    if kind is tuple or kind is list:
        same = type(value) is kind and len(value) == len(wanted)
        return same and all(_alike(a, b, found) for a, b in zip(value, wanted))
    return fits(value, wanted, [])
