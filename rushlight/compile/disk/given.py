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
    before, known = len(reach.places), set(reach.tensors)
    for value in (*args, *kwargs.values()):
        if not isinstance(value, but):
            reach.walk(value, "argument")
    leaves: list[Tensor] = []
    flatten((args, kwargs), leaves)
    reach.shells.update((id(x), x) for x in containers_in((args, kwargs)))
    passing, found = {*reach.shells, *map(id, leaves)}, reach.places[before:]
    del reach.places[before:]  # what the code reaches by other ways stays guarded
    for place in found:
        (reach.passing if id(place.container) in passing else reach.places).append(place)
    reach.unnamed.update(reach.tensors.keys() - known)
    for x in leaves:
        if id(x) in reach.unnamed:
            reach.forget(x)
    return leaves
