"""Places outside a call that it gives new content: counters, sums, lists that grow.

A number that the first trace finds changed (`self.calls += 1`) is lent from then on: a stand-in
takes its place while the call is traced, so that what the call puts there is known as a text of
what stood there (`here[0] + 1`). A list that the call's code does nothing to but append is no
state that it reads; what it appends is an effect. Both happen after every run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from types import CellType
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ..calls.guards import Place, look
from .numbers import Number, condition
from .varied import PLACES, Mark, exchanged

_HERE = re.compile(r"here\[(\d+)\]")
_LARGE = 2**63
_CONSTANT = (
    ", whose value must be a constant of a program (the size or the part of something that is"
    " read): pass it as a tensor, and read by an index (x[at + torch.arange(n)])"
)
_EXACT = 2  # programs for one value of a number that the call changes; then it is not lent


class Spot:
    """One place: an item of a dictionary or a list, a variable of an enclosing function.

    With `grows` it is a list there that gets one item more; `fixed` is that list, where more than
    one place leads to it. With `outside` it is not the call that has been seen to change it.
    """

    __slots__ = ("fixed", "grows", "holder", "key", "outside", "path")

    def __init__(
        self, holder: Any, key: Any, path: str, grows: bool = False, fixed: Any = None
    ) -> None:
        self.holder, self.key, self.path = holder, key, path
        self.grows, self.fixed, self.outside = grows, fixed, False

    @property
    def mark(self) -> Mark:
        """Equal for spots that are one place."""
        return id(self.holder), self.key

    def now(self) -> Any:
        """What stands there."""
        if self.fixed is not None:
            return self.fixed
        return self.holder.cell_contents if self.key is None else self.holder[self.key]

    def put(self, value: Any) -> None:
        """Make it so."""
        if self.grows:
            self.now().append(value)
        elif self.key is None:
            self.holder.cell_contents = value
        else:
            self.holder[self.key] = value

    def said(self, name: str) -> str:
        """How Python says the place, if `name` is what holds it."""
        if self.fixed is not None:
            return name
        return f"{name}.cell_contents" if self.key is None else f"{name}[{self.key!r}]"

    def line(self, name: str, value: str) -> str:
        """The effect in Python."""
        said = self.said(name)
        return f"{said}.append({value})" if self.grows else f"{said} = {value}"

    def __str__(self) -> str:
        return f"{self.path}.append(...)" if self.grows else f"{self.path} = ..."


class First(Spot):
    """The first of two betas, where schedules move it; only lent, never an effect."""

    __slots__ = ("whole",)

    def now(self) -> Any:
        """What stands there."""
        return self.holder[self.key][0]

    def put(self, value: Any) -> None:
        """Let a stand-in take its place; with anything else there are the betas of before."""
        if type(value) is Number:
            self.whole = self.holder[self.key]
            self.holder[self.key] = (value, *self.whole[1:])
        else:
            self.holder[self.key] = self.whole

    def said(self, name: str) -> str:
        """How Python says the place, if `name` is what holds it."""
        return f"{name}[{self.key!r}][0]"


class Changing:
    """The numbers that have been seen to change, but for those that it was no use to lend."""

    def __init__(self) -> None:
        self.spots: dict[Mark, Spot] = {}
        self._exact: Counter[Mark] = Counter()  # programs for which one had to be what it was
        self._kept: dict[Mark, Spot] = {}  # no longer lent
        self.tensors: set[Mark] = set()  # places that have been seen to hold another one
        self.gone_by: dict[Any, list[bytes]] = {}  # values of tensors that calls went by, by place

    def note(
        self, holder: Any, key: Any, path: str, old: Any, value: Any, outside: bool = False
    ) -> None:
        """A place had one content and has another: if it is a number, it is lent from now on."""
        named = key is not None or isinstance(holder, CellType)
        spot = Spot(holder, key, path)
        if named and _is_number(old) and _is_number(value) and spot.mark not in self._kept:
            spot.outside = outside and spot.mark not in self.spots
            self.spots[spot.mark] = spot

    def moved(self, guards: Iterable[Sequence[Place]]) -> None:
        """Note numbers that others changed since programs were made, where nothing else changed."""
        for places in guards:
            failed = [x for x in places if x.kind != "content" and not x.holds()]
            if not all(x.kind in PLACES for x in failed):
                continue
            self.tensors.update(exchanged(failed))
            for x in failed:
                self.note(x.container, x.key, x.path, x.expected, _found(x), outside=True)

    def lent(self, reach: Any) -> list[Spot]:
        """What is lent to a call with this reach."""
        found = {
            mark: spot for mark, spot in self.spots.items()
            if not (spot.outside and id(spot.holder) in reach.ours)
        }  # fmt: skip
        for x in reach.rates if reach.reads_rates else ():
            kind = First if type(x.expected) is tuple else Spot
            spot = kind(x.container, x.key, x.path)
            if spot.mark not in self._kept:
                found.setdefault(spot.mark, spot)
        return list(found.values())

    def wasted(self, here: Here) -> set[Mark]:
        """The numbers of which it was no use: yet another program would be for one value."""
        self._exact.update(spot.mark for spot in here.exact)
        self.keep([spot for spot in here.exact if self._exact[spot.mark] > _EXACT])
        return set(self._kept)

    def advice(self, mark: Mark) -> str:
        """What to do about a number that is no longer lent: each program was for one value."""
        return _CONSTANT if mark in self._kept else ""

    def keep(self, spots: Sequence[Spot]) -> None:
        """Lend these no more."""
        for spot in spots:
            self._kept[spot.mark] = spot
            self.spots.pop(spot.mark, None)


def _found(place: Place) -> Any:
    try:
        return look(place)
    except (KeyError, IndexError, AttributeError, ValueError):  # it is gone
        return None


def _is_number(x: Any) -> bool:
    kind = x.kind if type(x) is Number else type(x)
    return kind is float or kind is int


class Here:
    """The spots of one trace whose numbers are lent, and what its program asks of them."""

    def __init__(self) -> None:
        self.spots: list[Spot] = []
        self.before: list[Any] = []
        self.lent: list[Number] = []
        self.conditions: dict[str, Any] = {}
        self.exact: list[Spot] = []  # those whose numbers themselves were asked for
        self.gone_by: list[str] = []  # what was asked of tensors, and the answers

    def in_text(self, text: str) -> list[Spot]:
        """The spots that a text speaks of."""
        return [self.spots[k] for k in sorted({int(found) for found in _HERE.findall(text)})]

    def took(self, text: str) -> None:
        """The number that a text gives is to be a constant of the program."""
        self.exact += [spot for spot in self.in_text(text) if spot not in self.exact]

    def lend(self, tracer: Any, changing: Changing) -> None:
        """Put stand-ins into their places."""
        for spot in changing.lent(tracer.reach):
            try:
                value = spot.now()
            except (KeyError, IndexError, ValueError, TypeError):
                continue
            if type(value) is float or (type(value) is int and -_LARGE <= value < _LARGE):
                self.spots.append(spot)
                self.before.append(value)
        tracer.given["here"] = list(self.before)
        for k, (spot, value) in enumerate(zip(self.spots, self.before)):

            def tensor(spot: Spot = spot, value: Any = value) -> Tensor:
                return wrap(tracer.external("spot", spot, None, np.array(value)))

            self.lent.append(Number(f"here[{k}]", tensor))
            spot.put(self.lent[k])
            tracer.conditions[f"type(here[{k}]).__name__"] = type(value).__name__

    def restored(self) -> list[Spot]:
        """Give back what was only lent; the spots that hold something else now."""
        changed = []
        for spot, value, number in zip(self.spots, self.before, self.lent):
            if spot.now() is number:
                spot.put(value)
            else:
                changed.append(spot)
        self.lent.clear()
        return changed

    def asks(self, conditions: dict[str, Any]) -> None:
        """Take what was asked of these numbers out of all conditions."""
        for text in [text for text in conditions if "here[" in text]:
            self.conditions[text] = conditions.pop(text)

    def guarded(self, places: list[Place]) -> list[Place]:
        """The guards without the numbers themselves, and with what was asked of them."""
        marks = {spot.mark for spot in self.spots}
        rest = [x for x in places if (id(x.container), x.key) not in marks]
        if self.spots:
            holds = condition(self.conditions, "here")
            what = f"what is asked of {', '.join(spot.path for spot in self.spots)}"
            rest.append(Place("content", self, lambda here: holds(here.values()), True, what))
        return rest

    def values(self) -> list[Any]:
        """The numbers that stand there now."""
        return [spot.now() for spot in self.spots]

    def told(self) -> dict[str, Any]:
        """What is asked, with the names of the places."""
        return {self._named(text): value for text, value in self.conditions.items()}

    def _named(self, text: str) -> str:
        for k, spot in enumerate(self.spots):
            text = text.replace(f"here[{k}]", spot.path)
        return text


class Logs:
    """The lists that the code in reach may append to, and does nothing else with."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[list[Any], list[Any], dict[Any, Spot]]] = {}

    def note(self, found: list[Any], holder: Any, key: Any, path: str) -> None:
        """A list, and a place where it stands."""
        spots = self._known.setdefault(id(found), (found, list(found), {}))[2]
        spot = Spot(holder, key, path, True)
        spots[spot.mark] = spot

    def grown(self, knows: Any) -> list[tuple[Spot, list[Any] | None]]:
        """The lists that have grown and what they got; None of one that changed otherwise."""
        found: list[tuple[Spot, list[Any] | None]] = []
        for now, before, spots in self._known.values():
            spot = next(iter(spots.values()))
            start = len(before)
            if len(now) == start and all(map(_is, now, before)):
                continue
            if knows(now) or len(now) < start or not all(map(_is, now, before)):
                found.append((spot, None))
                continue
            if len(spots) > 1:
                spot = Spot(None, None, spot.path, True, now)
            found.append((spot, now[start:]))
        return found


def _is(a: Any, b: Any) -> bool:
    return a is b


def lists_of(grown: Sequence[Spot], places: list[Place]) -> list[Place]:
    """The guards: of a list that grows, any other list may stand in its place, but none in use."""
    moving = {spot.mark: spot for spot in grown if spot.fixed is None}
    rest = [x for x in places if (id(x.container), x.key) not in moving]
    used = {id(x.container) for x in rest}
    for spot in moving.values():

        def apart(_: Any, spot: Spot = spot) -> bool:
            now = spot.now()
            own = all(one is spot or one.now() is not now for one in moving.values())
            return type(now) is list and id(now) not in used and own

        rest.append(Place("content", spot, apart, True, f"{spot.path} is a list of its own"))
    return rest
