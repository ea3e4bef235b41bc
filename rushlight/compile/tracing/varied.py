"""Tensors that stand outside a call and are others from call to call: batches in variables.

A closure that an optimiser calls reads its batch from where the loop put it. The first program is
for the tensor that stood there. Once a call finds another one there, and nothing else changed, the
next program reads whatever stands there, if it is of the same form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import Place, form, look, set_on
from .sources import Variable
from .telling import tells

PLACES = frozenset(("item", "attribute", "cell"))  # kinds of those that hold numbers and tensors
Mark = tuple[int, Any]


def mark_of(place: Place) -> Mark:
    """Equal for what is one place."""
    return id(place.container), place.key


def exchanged(places: Iterable[Place]) -> Iterator[Mark]:
    """The places, of those that do not hold, where another tensor stands now, of whatever sizes."""
    for place in places:
        old = place.expected
        if place.kind in PLACES and _plain(old):
            try:
                now = look(place)
            except (KeyError, IndexError, AttributeError, ValueError):
                continue
            if _plain(now) and _form(now) == _form(old):
                yield mark_of(place)


def _plain(x: Any) -> bool:
    return type(x) is Tensor and x._entry is None and not set_on(x)


def _form(x: Tensor) -> Any:
    array: Any = x._array
    return len(array.shape), array.dtype


class Varied:
    """The inputs of one trace that are read where they stand, whichever tensor that is."""

    def __init__(self, tracer: Any, reach: Any) -> None:
        self._gone: dict[int, Tensor] = {}
        self._forms: list[Place] = []
        self._marks: set[Mark] = set()
        known = () if tracer.changing is None else tracer.changing.tensors
        if not known or "id" in reach.words or tells(reach.functions):
            return
        wanted = {mark_of(x): x for x in reach.places if mark_of(x) in known}
        for mark, place in wanted.items():
            x = place.expected
            alone = [one for one in reach.places if one.expected is x] == [place]
            alone = alone and not reach.loose[id(x)]
            changed = id(x) in tracer.exchanged or id(x) in tracer.gradients
            changed = changed or id(x) in tracer.exchanges
            if alone and _plain(x) and not changed and id(x) not in tracer.places:
                self._vary(tracer, reach, place)
                self._marks.add(mark)
        tracer.replaced.update(self._gone)

    def _vary(self, tracer: Any, reach: Any, place: Place) -> None:
        x = self._gone[id(place.expected)] = place.expected
        holder = Variable(place.container) if place.kind == "cell" else place.container
        for source in tracer.sources:
            if source.kind == "tensor" and source.owner is x:
                source.kind, source.owner, source.key = "item", holder, place.key
        reach.forget(x)
        self._forms.append(Place("like", holder, place.key, form(x), place.path))

    def guarded(self, places: list[Place]) -> list[Place]:
        """The guards: of such tensors only the form counts."""
        kept = [x for x in places if mark_of(x) not in self._marks]
        return [x for x in kept if id(x.container) not in self._gone] + self._forms

    def shares(self, shared: Iterable[Any]) -> bool:
        """Whether one of them lies in another input's memory."""
        return any(id(x) in self._gone for x, *_ in shared)
