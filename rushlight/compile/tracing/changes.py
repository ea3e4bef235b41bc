"""What a call changed in the world that stood before it, and whether a program can do it again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ..calls.guards import ABSENT, Place, look, same, set_on
from ..disk.reach import Reach
from .sources import Source
from .spots import NUMBERED, Changing, Here, Spot, lists_of
from .stores import Store, guarded, repeatable
from .trace import Tracer
from .traced import Traced, covers

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


class Changed:
    """What Python's places of before hold now: each a spot of an effect, with what it got."""

    def __init__(self, tracer: Tracer, reach: Reach) -> None:
        self._here, self._conditions = tracer.here, tracer.conditions
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
            if spot.mark in wasted:
                raise Uncompilable(f"{CHANGES} {spot.path}")
        left = [(Spot(x.table, x.key, x.path), x.value) for x in self._stores]
        left += [(spot, spot.now()) for spot in lent]
        left += [(spot, x) for spot, new in self._grown for x in new]
        self.spots = [spot for spot, _ in left]
        self.values = tuple(value for _, value in left)

    def guarded(self, places: list[Place]) -> list[Place]:
        """The guards that these effects leave."""
        self._here.asks(self._conditions)
        rest = lists_of([spot for spot, _ in self._grown], self._here.guarded(places))
        return guarded(rest, self._stores)


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
    for place in (*reach.places, *reach.rates):
        mark = id(place.container), place.key
        if mark not in known and not place.holds():
            failed.append(place.path)
            if place.kind in NUMBERED:
                value = look(place)
                changing.note(place.container, place.key, place.path, place.expected, value)
    path = failed[0] if failed else repeatable(tracer, stores, reach.places)
    if path is not None:
        for x in stores:
            changing.note(x.table, x.key, x.path, x.old, x.value)
        raise Uncompilable(f"{CHANGES} {path}")
    return stores


def check_old(tracer: Tracer) -> None:
    """What stood before the call may get new content in it, and nothing else."""
    if any(s.tensor is not None and s.tensor._entry is not s.entry for s in tracer.sources):
        raise Uncompilable("a tensor made before the call gets a history in it")
    if any(_moved(x, array) and tracer.stood(x) for x, array in tracer.lifted):
        raise Uncompilable("a tensor made before the call gets another shape or other memory in it")


def _moved(x: Tensor, array: np.ndarray) -> bool:
    """Whether a tensor lies otherwise than before the call."""
    now = x._array.memory if type(x._array) is Traced else x._array
    return now is not array and not covers(now, array)


def shared_memory(tracer: Tracer, leaves: list[Tensor], live: bool) -> list[tuple[Any, int, Any]]:
    """Tensors over another input's memory: (tensor or its place, that input, where it lies).

    None in the last place: the same tensor as that argument.
    """
    found: list[tuple[Any, int, Any]] = []
    for place, leaf in enumerate(leaves):  # the same tensor twice: again so at the next call
        if tracer.places[id(leaf)] != place:
            found.append((place, tracer.places[id(leaf)], None))
        path = tracer.reach.tensors[id(leaf)][1] if id(leaf) in tracer.reach.tensors else "argument"
        if not path.startswith("argument"):  # known by another name too: again so
            found.append((leaf, place, None))
    for x, array in tracer.lifted:
        if type(x._array) is Traced and x._array.version < 0:  # nobody has looked
            continue
        held = x._array if tracer.stood(x) else None
        source = held.cell.source if type(held) is Traced else None
        if not isinstance(source, Source) or source.tensor is x:
            continue
        if live and x._entry is not None:
            raise Uncompilable("two tensors share memory, and one of them wants a gradient")
        if id(x) not in tracer.places and id(x) not in tracer.reach.tensors:
            raise Uncompilable("a gradient shares another tensor's memory")
        place = tracer.sources.index(source)
        found.append((tracer.places.get(id(x), x), place, window(array, source.array)))
    return found
