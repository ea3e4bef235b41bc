"""Segments of the tape that are dropped whole: one entry each, recorded again for backward.

`fold` puts one entry in the place of all that a function recorded, if nobody outside can ask for a
part of it: no tensor, node or hook that belongs to the inside is alive. When a backward pass comes
to that entry, `recorded_again` runs the function on the same parents; the pass goes on through what
that records, which is the graph as it would have been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from ..core.dispatch import node_name, result_entry
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import HOOKS, ORDER, PARAMS, PARENTS, Entry, tick
from ..core.tensor import Tensor

# its parameters: what records the inside again and gives the parents of its results
SEGMENT = Primitive("segment", eval=None, rule=None, listed=False)
# one result, whose node goes by the name of the last node inside and takes hooks
RESULT = Primitive(
    "segment_result", eval=None, rule=None, listed=False, pull=lambda g, entry: (g,),
    node=lambda entry: entry[PARAMS][0],
)  # fmt: skip


def inside(roots: Sequence[Any], start: int) -> dict[int, Entry]:
    """The entries behind `roots` that were recorded after clock reading `start`, by reading."""
    found: dict[int, Entry] = {}
    stack = [one for one in roots if type(one) is list and one[ORDER] > start]
    while stack:
        entry = stack.pop()
        if entry[ORDER] not in found:
            found[entry[ORDER]] = entry
            stack += [p for p in entry[PARENTS] if type(p) is list and p[ORDER] > start]
    return {order: found[order] for order in sorted(found)}


def fold(results: list[Tensor], start: int, again: Callable[[], list[Any]]) -> list[Entry] | None:
    """Let one entry stand for all that was recorded since `start`; what it stood for, or None.

    `again()` records it anew and gives the parents in the places of `results`.
    """
    if STATE.transforms or STATE.tracer is not None:
        return None
    if any(y._base is not None or type(y._array) is not np.ndarray for y in results):
        return None
    new = [type(y._entry) is list and y._entry[ORDER] > start for y in results]
    inner = [y for y, one in zip(results, new) if one]
    known = inside([y._entry for y in inner], start)
    if not known or not _unseen(known, inner):
        return None
    _replace(inner, known, lambda: [p for p, one in zip(again(), new, strict=True) if one])
    return list(known.values())


def _replace(results: list[Tensor], known: dict[int, Entry], again: Callable[[], Any]) -> None:
    """Give the results an entry that knows only what lies outside."""
    outside = {
        id(p): p for entry in known.values() for p in entry[PARENTS]
        if p is not None and not (type(p) is list and p[ORDER] in known)
    }  # fmt: skip
    shapes = tuple(y._array.shape for y in results)
    several = len(results) > 1
    whole = [
        SEGMENT, tuple(outside.values()), (), None, (again,), shapes if several else shapes[0],
        tick(), None,
    ]  # fmt: skip
    for place, (y, shape) in enumerate(zip(results, shapes)):
        parent = result_entry(whole, place, shape) if several else whole
        name = node_name(y._entry)
        y._entry = [RESULT, (parent,), None, None, (name,), shape, tick(), None]


def _uses(known: dict[int, Entry], results: list[Tensor]) -> Counter[int]:
    """How often the results and the entries themselves refer to each entry."""
    uses = Counter(y._entry[ORDER] for y in {id(y): y for y in results}.values())
    for entry in known.values():
        uses.update(p[ORDER] for p in entry[PARENTS] if type(p) is list and p[ORDER] in known)
    return uses


def _unseen(known: dict[int, Entry], results: list[Tensor]) -> bool:
    """Whether nobody else refers to the entries, nor hung anything on them."""
    for order, count in _uses(known, results).items():
        hooks = known[order][HOOKS]
        # two more: the table, and the argument of getrefcount
        if getrefcount(known[order]) != count + 2 or (hooks is not None and hooks.used()):
            return False
    return True


def recorded_again(entry: Entry, needed: set[int] | None, capture: set[int]) -> list[Any]:
    """The parents of a folded entry's results after a second run.

    `needed` takes in those of the new entries from which something wanted can be reached.
    """
    start = tick()
    parents = entry[PARAMS][0]()
    if needed is not None:
        for order, one in inside(parents, start).items():
            if any(
                (p[ORDER] in needed or p[ORDER] in capture) if type(p) is list
                else id(p) in capture for p in one[PARENTS]
            ):  # fmt: skip
                needed.add(order)
    return parents
