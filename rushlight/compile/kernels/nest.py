"""The loops of one kernel: merged where memory allows, one of them done by vectors.

The order is kept loops, then reduced loops; the vector loop is the last of its kind. A vector loop
that fits in a few registers is no loop at all: its blocks are written out, and what they computed
stays in registers from phase to phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..records import field, record
from .affine import Index
from .expression import Expression, Phase, Sum, Term, stores
from .roots import COSTLY

UNITS = 64  # so many units let threads share the work
BLOCK = 2048  # elements of a one-dimensional loop in a unit
INLINE = {512: 8}  # vectors of a row that stay in registers
ABREAST = {256: 4}  # vectors of rows side by side: 16 registers hold no more, and LLVM spills them
SHORT = 4096  # elements that one vector after the other is soon through
FAR = 16  # elements between lanes from which on each has a line of its own
MANY_LINES = 128  # so many lines, and the nearest cache may lose them before the next row


@record
class Nest:
    """Loop variables in order, outermost first; `at` maps each to its depth (1, 2, ...)."""

    extents: dict[int, int]
    kept: list[int]
    reduced: list[int]
    vector: int | None = None
    lanes: int = 1
    blocks: int = 1  # vectors handled side by side
    abreast: int = 8  # vectors of rows that are done side by side
    prefix: int = 1  # how many outer loops the units number
    at: dict[int, int] = field(default_factory=dict)
    cost: float = 1.0  # about nanoseconds for all of it
    pieces: int | None = None  # the loop over a chain's pieces: it stays outermost and alone

    @property
    def order(self) -> list[int]:
        return self.kept + self.reduced

    @property
    def step(self) -> int:
        """Elements that one round of the vector loop does."""
        return self.lanes * self.blocks

    @property
    def inline(self) -> bool:
        """Whether the vector loop has only one round."""
        return self.vector is not None and self.extents[self.vector] <= self.step

    def depth(self, index: Index) -> int:
        return max((self.at[v] for v, _ in index[1] if v >= 0), default=0)

    def units(self) -> int:
        """How many units the kernel's work has."""
        count = 1
        for v in self.kept[: self.prefix]:
            count *= self.span(v)
        return count

    def span(self, v: int) -> int:
        """How many units a loop of the prefix has."""
        return -(-self.extents[v] // self.unit) if v == self.vector else self.extents[v]

    @property
    def unit(self) -> int:
        """Elements of the vector loop in a unit, where it is the units' loop."""
        return self.step if self.reduced else max(self.step, BLOCK // self.step * self.step)


def loops(expression: Expression) -> Nest:
    """The loops of a kernel, as few as its accesses allow."""
    group = expression.group
    nest = Nest(dict(enumerate(group.extents)), list(group.kept), list(group.reduced))
    nest.pieces = 0 if group.pieces > 1 else None
    merge(expression, nest)
    return nest


def plan(expression: Expression, nest: Nest, bits: int) -> Nest:
    """Choose the vector loop and mark every term with its depth and kind."""
    _choose_vector(expression, nest, bits)
    _split(expression, nest, 512 // bits)
    _arrange(nest)
    mark(expression, nest)
    return nest


def sums(expression: Expression) -> Iterator[Sum]:
    for phase in expression.phases:
        yield from phase.sums


def wanted(phase: Phase, whole: bool) -> list[Term]:
    """The terms that a phase's stores and sums name, inside or outside of the reduced loops."""
    found: list[Term] = []
    for store in phase.stores:
        if store.whole is whole:
            found.extend((store.value, *store.looked))
    if whole:
        for total in phase.sums:
            found.append(total.value)
            if total.place is not None:
                found.append(total.place)
    return found


def _indices(expression: Expression) -> list[Index]:
    found = [t.index for t in expression.terms if t.kind in ("load", "iota")]
    return found + [store.index for store in stores(expression)]


def merge(expression: Expression, nest: Nest) -> None:
    """Join neighbouring loops that every access walks through as if they were one."""
    indices = [dict(index[1]) for index in _indices(expression)]
    for loops in (nest.kept, nest.reduced):
        k = len(loops) - 2
        while k >= 0:
            outer, inner = loops[k], loops[k + 1]
            n = nest.extents[inner]
            alike = (index.get(outer, 0) == index.get(inner, 0) * n for index in indices)
            if outer != nest.pieces and n and all(alike):
                nest.extents[inner] *= nest.extents.pop(outer)
                del loops[k]
                for index in indices:
                    index.pop(outer, None)
            k -= 1
    known = set(nest.extents)
    for t in expression.terms:
        t.index = _without(t.index, known)
    for store in stores(expression):
        store.index = _without(store.index, known)


def _without(index: Index, known: set[int]) -> Index:
    return (index[0], tuple((v, c) for v, c in index[1] if v < 0 or v in known))


def _weight(t: Term) -> int:
    return COSTLY.get(t.op, 1) if t.kind == "op" else 0


def _lanes(expression: Expression, bits: int) -> int:
    """Elements of a vector: by the smallest float, without floats by the widest number."""
    sizes = [(t.dtype.kind == "f", t.dtype.itemsize) for t in expression.terms]
    floats = [size for is_float, size in sizes if is_float]
    others = [size for is_float, size in sizes if not is_float]
    size = min(floats) if floats else max(others, default=1)
    return bits // (8 * size)


def _choose_vector(expression: Expression, nest: Nest, bits: int) -> None:
    """The loop whose elements go side by side at the least cost, if any pays."""
    lanes = _lanes(expression, bits)
    weight = sum(_weight(t) for t in expression.terms) + 1
    accesses = [(dict(t.index[1]), 1.0, t.dtype) for t in expression.terms if t.kind == "load"]
    accesses += [(dict(s.index[1]), 1.5, s.value.dtype) for s in stores(expression)]
    scatters = any(store.adds for store in stores(expression))
    volume = _volume(nest, nest.extents)
    # of each sum, its lanes are added up in every row
    endings = 12 * sum(1 for _ in sums(expression)) * volume / _volume(nest, nest.reduced)
    best = (weight + len(accesses)) * volume
    for v in reversed(nest.kept + nest.reduced):
        size, reduced = nest.extents[v], v in nest.reduced
        if size < 2 or v == nest.pieces or (scatters and reduced):
            continue
        round_ = weight + sum(_price(index.get(v, 0), w, lanes, t) for index, w, t in accesses)
        cost = round_ * -(-size // lanes) * volume / size + endings * reduced
        if cost < best * (0.98 if nest.vector is not None else 1):
            best, nest.vector, nest.lanes = cost, v, lanes
    nest.cost, nest.abreast = best * 0.35, ABREAST.get(bits, nest.abreast)
    _choose_blocks(nest, weight, INLINE.get(bits, 4))
    if volume <= SHORT and not nest.inline and _asks(expression):
        nest.blocks = 1  # bits of several vectors side by side take LLVM milliseconds


def _asks(expression: Expression) -> bool:
    """Whether all that comes out of a kernel are truth values about whole rows."""
    found = {total.value.dtype.kind for total in sums(expression)}
    return found == {"b"}


def _volume(nest: Nest, loops: Iterable[int]) -> float:
    return math.prod(float(max(nest.extents[v], 1)) for v in loops)


def _price(stride: int, weight: float, lanes: int, dtype: np.dtype[Any]) -> float:
    if stride == 2:
        return 4 * weight  # two accesses and a shuffle
    if stride in (0, 1):
        return weight
    return (1.5 if dtype.itemsize >= 4 else 4) * lanes  # processors gather no less than 4 bytes


def _choose_blocks(nest: Nest, weight: int, inline: int) -> None:
    if nest.vector is None:
        return
    rounds = -(-nest.extents[nest.vector] // nest.lanes)
    if rounds <= inline and weight * rounds <= 240 and len(nest.order) > 1:
        nest.blocks = rounds
    else:
        # sums down columns pass through few lines of each row: the more, the fewer pages
        most = 8 if weight <= 4 and nest.reduced and nest.vector in nest.kept else 4
        nest.blocks = min(rounds, most if weight <= 10 else 2 if weight <= 28 else 1)


def _split(expression: Expression, nest: Nest, line: int) -> None:
    """Do a line of the cache (`line` vectors) of each row at a time where an array is turned.

    There lanes have lines of their own, which the next row wants again. All of a row reach too
    many to find them in the nearest cache, and far fewer fit where they are powers of two apart.
    """
    v = nest.vector
    if line == 1 or v is None or nest.reduced or nest.pieces is not None:
        return  # a vector of AVX-512 is a line: not measured
    if any(store.looked for store in stores(expression)):
        return  # of several that go to one place the last stays
    turned = [index for i in _indices(expression) if (index := dict(i[1])).get(v, 0) >= FAR]
    row = next((u for u in nest.kept if any(index.get(u) == 1 for index in turned)), None)
    step = nest.lanes * line
    if row is None or nest.extents[v] < MANY_LINES or nest.extents[v] % step:
        return
    outer, nest.blocks = 1 + max(nest.extents), line
    nest.extents[outer], nest.extents[v] = nest.extents[v] // step, step
    nest.kept.insert(nest.kept.index(row), outer)
    for x in (*expression.terms, *stores(expression)):
        by = dict(x.index[1])
        if v in by:
            x.index = x.index[0], tuple(sorted([*x.index[1], (outer, by[v] * step)]))


def _arrange(nest: Nest) -> None:
    v = nest.vector
    for loops in (nest.kept, nest.reduced):
        if v in loops:
            loops.remove(v)
            loops.append(v)
    count = 0
    free = [k for k in nest.kept if k != v] or nest.kept
    nest.prefix = 0
    for k in free:
        if nest.prefix and (count >= UNITS // 2 or k == v):
            break
        count = (count or 1) * nest.extents[k]
        nest.prefix += 1
    depth = 0
    for k in nest.order:
        if k != v or not nest.inline or (k in nest.kept and nest.prefix == len(nest.kept)):
            depth += 1
        nest.at[k] = depth


def mark(expression: Expression, nest: Nest) -> None:
    """Depth and kind of every term; results of sums stand below the kept loops."""
    outer = max((nest.at[v] for v in nest.kept), default=0)
    by_lane = nest.vector in nest.kept
    for t in expression.terms:
        below = (*t.args, *t.looked)
        if t.kind == "result":
            t.depth, t.vector = outer, by_lane
            continue
        t.depth = max([nest.depth(t.index), *(x.depth for x in below)])
        t.vector = any(v == nest.vector for v, _ in t.index[1]) or any(x.vector for x in below)
    for x in _in_vectors(expression):
        x.splat = x.splat or not x.vector


def _in_vectors(expression: Expression) -> Iterator[Term]:
    """The terms that are wanted as vectors: a number among them is spread out."""
    for t in expression.terms:
        if t.vector and t.kind == "op":
            yield from t.args
    for total in sums(expression):
        yield total.value
        if total.place is not None:
            yield total.place
    for store in stores(expression):
        yield store.value
