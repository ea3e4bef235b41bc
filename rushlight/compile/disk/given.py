"""What a call is given, as far as later calls are asked about it.

Containers and the tensors in them are taken apart: `calls.bound` asks for their forms, and at the
next call there may be others. Objects among the arguments are the same at every call.
"""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import SCALARS
from ..tracing.results import containers_in, flatten
from .reach import Reach


def walk_arguments(
    reach: Reach, args: Any, kwargs: Any, but: tuple[type, ...] = SCALARS
) -> list[Tensor]:
    """Visit arguments, but for some kinds; the tensors in them that are taken apart."""
    for value in (*args, *kwargs.values()):
        if not isinstance(value, but):
            reach.walk(value, "argument")
    leaves: list[Tensor] = []
    flatten((args, kwargs), leaves)
    reach.shells.update((id(x), x) for x in containers_in((args, kwargs)))
    passing, places = {*reach.shells, *map(id, leaves)}, reach.places[:]
    reach.places.clear()
    for place in places:
        goes = id(place.container) in passing and place.path.startswith("argument")
        (reach.passing if goes else reach.places).append(place)
    for x in leaves:
        if id(x) in reach.tensors and reach.tensors[id(x)][1].startswith("argument"):
            reach.forget(x)
    return leaves
