"""What a call is given, as far as later calls are asked about it.

Containers, batches that are objects and the tensors in them are taken apart: `calls.bound` asks for
their forms, and at the next call there may be others. Other objects among the arguments are the
same at every call (`calls.opened` tells which are which).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import SCALARS, Place
from ..calls.opened import Before, content, met, plain_parts
from ..tracing.telling import tells
from .reach import Reach


def walk_arguments(
    reach: Reach, args: Any, kwargs: Any, but: tuple[type, ...] = SCALARS
) -> list[Tensor]:
    """Visit arguments, but for some kinds; the tensors in them that are taken apart."""
    leaves: list[Tensor] = []
    watched: list[Place] = []
    passing: set[int] = set()
    kinds: set[type] = set()  # of the objects that are taken apart
    for x, above in met((args, kwargs)):
        if isinstance(x, Tensor):
            leaves.append(x)
            passing.add(id(x))
            continue
        held = [x, *_tables(x)]
        reach.shells.update((id(one), one) for one in held)
        passing.update(map(id, held))
        if above or plain_parts(x) is None:
            watched.append(_unchanged(x, above))
            kinds.add(type(x))
    for x in _staying((*args, *kwargs.values()), passing):  # what they lead to has names
        reach.walk(x, "argument")
    before, known = len(reach.places), set(reach.tensors)
    for value in (*args, *kwargs.values()):
        if not isinstance(value, but):
            reach.walk(value, "argument")
    twin = next((x for x in reach.places[:before] if type(x.expected) in kinds), None)
    if twin is not None and tells(reach.functions):
        reach.opaque.append(f"an argument may be compared with {twin.path} (`is`)")
    found = reach.places[before:]
    del reach.places[before:]  # what the code reaches by other ways stays guarded
    for place in found:
        (reach.passing if id(place.container) in passing else reach.places).append(place)
    reach.passing += watched
    reach.unnamed.update(reach.tensors.keys() - known)
    for x in leaves:
        if id(x) in reach.unnamed:
            reach.forget(x)
    return leaves


def _staying(values: Any, passing: set[int]) -> Iterator[Any]:
    """The objects among arguments that are not taken apart."""
    for x in values:
        if isinstance(x, (Tensor, *SCALARS)):
            continue
        if id(x) not in passing:
            if type(x) is not weakref.ref or id(x()) not in passing:
                yield x
            continue
        yield from _staying(content(x)[1], passing)


def _unchanged(x: Any, above: tuple[Any, ...]) -> Place:
    """A question after the call: whether an object taken apart, or a container in it, changed."""
    path = f"a {type(above[0] if above else x).__name__} among the arguments"
    return Place("content", x, Before(x, above), True, path)


def _tables(x: Any) -> list[dict[str, Any]]:
    table = getattr(x, "__dict__", None)
    return [table] if type(table) is dict else []
