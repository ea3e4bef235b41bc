"""How the loops of two kernels lie over each other: one space for both, where there is one."""

from __future__ import annotations

import functools
from typing import NamedTuple

from .affine import Index, refined, substituted, variable


class Form(NamedTuple):
    """What of a group says how it can be laid over another."""

    product: bool
    extents: tuple[int, ...]
    reduced: tuple[int, ...]

    @property
    def kept(self) -> list[int]:
        return [v for v in range(len(self.extents)) if v not in self.reduced]


By = tuple[Index, ...]
Aligned = tuple[tuple[int, ...], tuple[int, ...], tuple[By, By]]


@functools.lru_cache(1 << 12)
def aligned(one: Form, two: Form) -> Aligned | None:
    """A space for both: its extents, what is reduced, and the variables of either by its own."""
    product = next((form for form in (one, two) if form.product), None)
    if product is not None:
        other = two if product is one else one
        if other.reduced:
            return None
        if product.reduced:
            return _rows(one, two) if product is one else _swapped(_rows(two, one))
    found = _same(one, two)
    if found is None and one.reduced and not two.reduced:
        found = _rows(one, two)
    if found is None and two.reduced and not one.reduced:
        found = _swapped(_rows(two, one))
    return found


def _swapped(found: Aligned | None) -> Aligned | None:
    return None if found is None else (found[0], found[1], (found[2][1], found[2][0]))


def _same(one: Form, two: Form) -> Aligned | None:
    """Both run over the same elements, one of them perhaps with some dimensions as one."""
    if len(one.extents) > len(two.extents):
        return _swapped(_same(two, one))
    by = refined(one.extents, two.extents)
    if by is None:
        return None
    reduced = tuple(sorted(v for k in one.reduced for v, _ in by[k][1]))
    if reduced and two.reduced and reduced != two.reduced:
        return None
    own = tuple(map(variable, range(len(two.extents))))
    return two.extents, reduced or two.reduced, (tuple(by), own)


def _rows(wide: Form, rows: Form) -> Aligned | None:
    """The second runs over what the first keeps."""
    kept = wide.kept
    sizes = [wide.extents[v] for v in kept]
    own = tuple(map(variable, range(len(wide.extents))))
    by = refined(rows.extents, sizes)
    if by is not None:  # the wide space is the finer one
        inside = [own[v] for v in kept]
        return wide.extents, wide.reduced, (own, tuple(substituted(x, inside) for x in by))
    by = refined(sizes, rows.extents)
    if by is None:
        return None
    pieces = dict(zip(kept, by))
    extents: list[int] = []
    moved: list[Index] = [(0, ())] * len(rows.extents)
    places: list[Index] = []
    reduced = []
    for v, size in enumerate(wide.extents):
        if v in wide.reduced:
            reduced.append(len(extents))
            places.append(variable(len(extents)))
            extents.append(size)
            continue
        for k, _ in pieces[v][1]:
            moved[k] = variable(len(extents))
            extents.append(rows.extents[k])
        places.append((0, ()))
    for v in kept:
        places[v] = substituted(pieces[v], moved)
    return tuple(extents), tuple(reduced), (tuple(places), tuple(moved))
