"""What a call changed in the world that stood before it, and whether a program can do it again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ..calls.guards import ABSENT, COMPARED, SCALARS, Place, look, same, set_on
from ..disk.reach import Reach
from .spots import Changing, First, Here, Spot, lists_of
from .stores import Store, guarded, repeatable
from .trace import Tracer
from .varied import PLACES, mark_of

_HOLDING = (dict, list, tuple)
CHANGES = "the call changes"


class Uncompilable(Exception):
    """Why a call cannot become a program; the message is the user's sentence."""

    def __init__(self, reason: str, line: str = "") -> None:
        super().__init__(f"{reason} ({line})" if line else reason)
        self.reason, self.line = reason, line
        self.here: Here | None = None  # the numbers lent to the call, and what it asked of them


def window(view: np.ndarray, base: np.ndarray) -> tuple[Any, ...]:
    """Where a view lies in its base: shape, dtype, strides and offset in bytes."""
    start = np.lib.array_utils.byte_bounds(base)[0]
    return view.shape, view.dtype, view.strides, view.ctypes.data - start


def through(base: np.ndarray, shape: Any, dtype: Any, strides: Any, offset: int) -> np.ndarray:
    """The view of an array's memory that lies there as `window` says."""
    if not base.size:
        return np.empty(shape, dtype)
    low, high = np.lib.array_utils.byte_bounds(base)
    ends = (slice(-1, None) if s < 0 else slice(0, 1) for s in base.strides)
    first = base[(..., *ends)]  # not a number of its own where there are no sizes
    memory = first.reshape(1).view(np.uint8)
    memory = np.lib.stride_tricks.as_strided(memory, (high - low,), (1,))
    return np.ndarray(shape, dtype, memory[offset:], 0, strides)


class Changed:
    """What Python's places of before hold now: each a spot of an effect, with what it got."""

    def __init__(self, tracer: Tracer, reach: Reach) -> None:
        self._here, self._conditions = tracer.here, tracer.conditions
        self._reach = reach
        tracer.called.restore()
        for x, before in reach.arguments:
            now = set_on(x)
            for name in {**before, **now}:
                if not same(now.get(name, ABSENT), before.get(name, ABSENT)):
                    raise Uncompilable(f"{CHANGES} argument.{name}")
        lent, self._grown = tracer.here.restored(), grown_lists(reach)
        self._stores = changed_places(tracer, reach, {spot.mark for spot in lent})
        wasted = tracer.changing.wasted(tracer.here) if tracer.changing is not None else ()
        for spot in lent:
            if spot.mark in wasted or type(spot) is First:
                advice = "" if tracer.changing is None else tracer.changing.advice(spot.mark)
                raise Uncompilable(f"{CHANGES} {spot.path}{advice}")
        left = [(Spot(x.table, x.key, x.path), x.given) for x in self._stores]
        left += [(spot, spot.now()) for spot in lent]
        left += [(spot, x) for spot, new in self._grown for x in new]
        left += [(spot, number) for spot, number in tracer.afterwards.told]
        left += tracer.grown
        for spot, _ in left:
            if id(spot.holder) in reach.shells:
                raise Uncompilable(f"{CHANGES} {spot.path}")
        self.spots = [spot for spot, _ in left]
        self.values = tuple(value for _, value in left)
        self.said = [spot for spot, _ in tracer.said]
        self.told = tuple(given for _, given in tracer.said)

    @property
    def standing(self) -> dict[int, Any]:
        """The containers and other objects of before that are the same ones at the next call."""
        if any(isinstance(x.old, _HOLDING) for x in self._stores):  # and what was in it may be gone
            return {}
        changed = {spot.mark for spot in self.spots}
        return {
            id(x.expected): x.expected for x in self._reach.places
            if x.kind in PLACES and mark_of(x) not in changed
            and not isinstance(x.expected, (*SCALARS, *COMPARED, tuple, Tensor))
            and id(x.expected) not in self._reach.shells
        }  # fmt: skip

    def guarded(self, places: list[Place]) -> list[Place]:
        """The guards that these effects leave."""
        self._here.asks(self._conditions)
        rest = lists_of([spot for spot, _ in self._grown], self._here.guarded(places))
        return guarded(rest, self._stores, self._reach)


def _note(changing: Changing, place: Place) -> None:
    """Note what a place holds now, if it is there: a hook of a first call may be gone."""
    try:
        value = look(place)
    except (KeyError, IndexError, AttributeError, ValueError):
        return
    changing.note(place.container, place.key, place.path, place.expected, value)


def grown_lists(reach: Reach) -> list[tuple[Spot, list[Any]]]:
    """What lists of before got, if the call did nothing else with them."""
    found = reach.logs.grown(reach.knows)
    for spot, new in found:
        if new is None:
            raise Uncompilable(f"{CHANGES} {spot.path}")
    return [(spot, new) for spot, new in found if new is not None]


def changed_places(tracer: Tracer, reach: Reach, lent: set[tuple[int, Any]]) -> list[Store]:
    """What the call stored in objects of before, but for what was lent, if a program can too."""
    stores = [x for x in reach.tables.changed() if (id(x.table), x.key) not in lent]
    known = {(id(store.table), store.key) for store in stores} | lent
    changing, failed = tracer.changing or Changing(), []
    for place in (*reach.places, *reach.rates, *reach.passing):
        mark = id(place.container), place.key
        if mark not in known and not place.holds():
            failed.append(place.path + changing.advice(mark))
            if place.kind in PLACES:
                _note(changing, place)
    path = failed[0] if failed else repeatable(tracer, stores, reach)
    if path is not None:
        for x in stores:
            changing.note(x.table, x.key, x.path, x.old, x.value)
        raise Uncompilable(f"{CHANGES} {path}")
    return stores
