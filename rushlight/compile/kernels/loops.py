"""A kernel's loops: units, kept loops, phases, and sums carried through the reduced loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from ..code.emit import I64, PTR, Module, Value, vector
from .affine import Index, contiguous
from .expression import Expression, Phase, Sum, Term
from .nest import Nest, wanted
from .roots import COSTLY
from .terms import Terms

KERNEL = [("table", PTR), ("begin", I64), ("end", I64)]
ROW = 1 << 14  # elements of a row that may be kept on the stack
Body = Callable[[list[Value]], Sequence[Value]]


def emit_nest(
    module: Module, name: str, expression: Expression, nest: Nest, whole: bool = False
) -> None:
    """Add the function of one kernel; `whole`: it is called for multiples of `together` units."""
    _Kernel(module, name, expression, nest).emit(whole)


def together(nest: Nest) -> int:
    """How many rows to do side by side: sums over lanes are long waits for little work."""
    if not nest.inline or nest.reduced != [nest.vector] or nest.prefix not in (0, len(nest.kept)):
        return 1
    return max(1, min(4, nest.abreast // nest.blocks)) if nest.prefix else 1


class _Kernel:
    def __init__(self, module: Module, name: str, expression: Expression, nest: Nest) -> None:
        self.f = module.function(name, KERNEL)
        self.expression, self.nest = expression, nest
        self.terms = Terms(self.f, expression, nest)
        self.outer = max((nest.at[v] for v in nest.kept), default=0)
        self.needs = [_needs(phase, ()) for phase in expression.phases]
        self._spill()
        self.early = _early(self.needs)
        self.phase = -1  # while kept loops are being opened
        self.rows: list[Terms] = []  # of the rows that are done side by side

    def emit(self, whole: bool) -> None:
        f, nest = self.f, self.nest
        self._enter(0)
        prefix, rest = nest.kept[: nest.prefix], nest.kept[nest.prefix :]
        inside = lambda carried: self._rounds(rest, [], self._phases)
        if not prefix:
            inside([])
        elif prefix == [nest.vector]:
            self._unit_vectors(inside)
        else:
            _, begin, end = f.arguments
            count = together(nest)
            if count > 1:
                begin = self._several(prefix, begin, end, count, whole)
                if whole:
                    return
            with f.loop(begin, end) as loop, self.terms.scope():
                self._number(prefix, loop.index)
                self._enter(nest.at[prefix[-1]])
                inside([])

    def _several(
        self, prefix: list[int], begin: Value, end: Value, count: int, whole: bool
    ) -> Value:
        """Units in groups of `count`, phase by phase; where the groups end."""
        f, base, stop = self.f, self.terms, end
        if not whole:
            stop = f.sub(end, f.emit(I64, f"urem {f.sub(end, begin).typed}, {count}"))
        with f.loop(begin, stop, count) as loop:
            self.rows = [base.fork() for _ in range(count)]
            for row, terms in enumerate(self.rows):
                self.terms = terms
                self._number(prefix, f.add(loop.index, row))
                self._enter(self.nest.at[prefix[-1]])
            self._phases([])
        self.terms, self.rows = base, []
        return stop

    def _spill(self) -> None:
        """Keep what is dear and wanted in several phases in a row of memory on the stack."""
        nest = self.nest
        rows = math.prod(nest.extents[v] for v in nest.reduced)
        if nest.inline or not 1 < rows <= ROW or nest.vector in nest.kept:
            return
        index = flat_index(nest)
        first: dict[Term, int] = {}
        for number, terms in enumerate(self.needs):
            for t in terms:
                if t in first or not _dear(t, self.outer):
                    continue
                if any(t in later for later in self.needs[number + 1 :]):
                    first[t] = number
        for number, phase in enumerate(self.expression.phases):
            self.needs[number] = _needs(phase, {t for t, n in first.items() if n < number})
        for t, number in first.items():
            if any(t in later for later in self.needs[number + 1 :]):
                self.terms.spill(t, number, index, rows)

    def _number(self, prefix: list[int], unit: Value) -> None:
        """The counters of the loops that a unit stands for."""
        f = self.f
        for v in reversed(prefix[1:]):
            size = self.nest.extents[v]
            self.terms.counters[v] = f.emit(I64, f"urem {unit.typed}, {size}")
            unit = f.emit(I64, f"udiv {unit.typed}, {size}")
        self.terms.counters[prefix[0]] = unit
        for v in prefix[:-1]:
            self._enter(self.nest.at[v])

    def _unit_vectors(self, inside: Body) -> None:
        """Units are pieces of the vector loop, the only kept one."""
        f, nest = self.f, self.nest
        assert nest.vector is not None
        size, depth = nest.extents[nest.vector], nest.at[nest.vector]
        whole = size // nest.step * nest.step
        first, last = (f.mul(x, nest.unit) for x in f.arguments[1:])
        if whole:
            stop = f.intrinsic("smin", last, f.constant(whole, I64))
            with f.loop(first, stop, nest.step) as loop, self.terms.scope():
                self.terms.round(loop.index, nest.step)
                self._enter(depth)
                inside([])
        if size > whole:
            with f.if_(f.compare(">=", last, size)), self.terms.scope():
                self.terms.round(whole, size - whole)
                self._enter(depth)
                inside([])

    def _enter(self, depth: int) -> None:
        """Compute what depends on no deeper loop, at the head of this one."""
        if self.phase >= 0:
            self.terms.ask(t for t in self.needs[self.phase] if t.depth <= depth)
        elif depth < self.outer or not self.outer:
            self.terms.ask(t for t in self.early if t.depth <= depth)

    def _rounds(self, loops: list[int], carried: list[Value], body: Body) -> list[Value]:
        """Run `body` over loops that carry values; what they are at the end."""
        if not loops:
            return list(body(carried))
        v, rest = loops[0], loops[1:]
        nest, f = self.nest, self.f
        if v == nest.vector:
            return self._vectors(v, carried, lambda now: self._rounds(rest, now, body))
        if not nest.extents[v]:
            return carried
        with f.loop(0, nest.extents[v], carry=carried) as loop, self.terms.scope():
            self.terms.counters[v] = loop.index
            self._enter(nest.at[v])
            loop.next(*self._rounds(rest, loop.carried, body))
        return loop.results

    def _vectors(self, v: int, carried: list[Value], body: Body) -> list[Value]:
        nest, f = self.nest, self.f
        if nest.inline:
            return list(body(carried))
        size = nest.extents[v]
        whole = size // nest.step * nest.step
        if whole:
            with f.loop(0, whole, nest.step, carry=carried) as loop, self.terms.scope():
                self.terms.round(loop.index, nest.step)
                self._enter(nest.at[v])
                loop.next(*body(loop.carried))
            carried = loop.results
        if size > whole:
            with self.terms.scope():
                self.terms.round(whole, size - whole)
                self._enter(nest.at[v])
                carried = list(body(carried))
        self.terms.round(0, nest.step)
        return carried

    def _phases(self, carried: list[Value]) -> list[Value]:
        """All phases for one place of the kept loops."""
        for number, phase in enumerate(self.expression.phases):
            for terms in self.rows or [self.terms]:
                self.terms = terms
                self.phase = terms.phase = number
                self._enter(self.outer)
                for store in phase.stores:
                    if not store.whole:
                        terms.store(store)
                if phase.sums or any(store.whole for store in phase.stores):
                    self._reduce(phase)
        self.phase = -1
        return []

    def _reduce(self, phase: Phase) -> None:
        folds = [_Fold(self, total) for total in phase.sums]
        start = [value for fold in folds for value in fold.start()]

        def body(carried: list[Value]) -> list[Value]:
            self._enter(1 << 30)
            for store in phase.stores:
                if store.whole:
                    self.terms.store(store)
            new, given = [], iter(carried)
            for fold in folds:
                new.extend(fold.add([next(given) for _ in range(fold.width)]))
            return new

        with self.terms.scope():
            given = iter(self._rounds(self.nest.reduced, start, body))
        for fold in folds:
            result = fold.finish([next(given) for _ in range(fold.width)])
            self.terms.keep(fold.total.result, result)


class _Fold:
    """One reduction: its running values, a register per block (and one for the index)."""

    def __init__(self, kernel: _Kernel, total: Sum) -> None:
        nest = kernel.nest
        self.terms, self.f, self.total = kernel.terms, kernel.f, total
        self.across = nest.vector in nest.reduced and nest.vector is not None
        self.blocks = nest.blocks if nest.vector is not None else 1
        lanes = nest.lanes if nest.vector is not None else 1
        self.type = vector(total.value.dtype, lanes)
        self.places = total.place is not None
        self.width = self.blocks * (2 if self.places else 1)

    def start(self) -> list[Value]:
        dtype, op = self.total.value.dtype, self.total.op.removeprefix("arg")
        first = self.f.constant(_neutral(op, dtype), self.type)
        places = [self.f.constant(0, self.type.of("int64"))] * (self.blocks * self.places)
        return [first] * self.blocks + places

    def add(self, running: list[Value]) -> list[Value]:
        """The running values with this round's."""
        terms, total = self.terms, self.total
        values = list(running)
        for block in range(terms.blocks if self.type.lanes > 1 else 1):
            new = self._given(total.value, block)
            mask = terms.at_block(block) if self.type.lanes > 1 else None
            if self.places:
                place = self._given(total.place, block)
                self._arg(values, block, new, place, mask)
                continue
            folded = self._fold(values[block], new)
            values[block] = folded if mask is None else self.f.select(mask, folded, values[block])
        return values

    def _given(self, t: Term | None, block: int) -> Value:
        assert t is not None
        return self.terms.lanes(t, block) if self.type.lanes > 1 else self.terms.registers(t)[0]

    def _fold(self, a: Value, b: Value) -> Value:
        op, scalar = self.total.op, self.terms.scalar
        if a.type.kind == "b":
            return self.f.bit_or(a, b) if op in ("sum", "max") else self.f.bit_and(a, b)
        name = {"sum": "add", "prod": "mul"}.get(op, op)
        return getattr(scalar, name)(a, b)

    def _better(self, new: Value, old: Value) -> Value:
        """Where a new value takes the place of the old one: larger, or the first nan."""
        f = self.f
        if new.type.kind == "b":
            new, old = (f.convert("zext", x, "uint8") for x in (new, old))
        better = f.compare(">" if self.total.op == "argmax" else "<", new, old)
        if new.type.kind == "f":
            news = f.bit_and(f.compare("!=", new, new), f.compare("==", old, old))
            better = f.bit_or(better, news)
        return better

    def _arg(self, values: list[Value], block: int, new: Value, place: Value, mask: Any) -> None:
        better = self._better(new, values[block])
        if mask is not None:
            better = self.f.bit_and(better, mask)
        values[block] = self.f.select(better, new, values[block])
        at = self.blocks + block
        values[at] = self.f.select(better, place, values[at])

    def finish(self, running: list[Value]) -> list[Value]:
        """The result: folded over the lanes if they run along the reduction."""
        if self.places:
            return self._finish_places(running)
        if not self.across:
            return running
        whole = running[0]
        for other in running[1:]:
            whole = self._fold(whole, other)
        return [self.f.reduce(self.total.op, whole)]

    def _finish_places(self, running: list[Value]) -> list[Value]:
        values, places = running[: self.blocks], running[self.blocks :]
        if not self.across:
            return places
        best, place = values[0], places[0]
        pairs = list(zip(values[1:], places[1:]))
        for value, at in pairs:
            best, place = self._chosen(best, place, value, at)
        f = self.f
        found = f.extract(best, 0), f.extract(place, 0)
        for lane in range(1, self.type.lanes):
            found = self._chosen(*found, f.extract(best, lane), f.extract(place, lane))
        return [found[1]]

    def _chosen(self, best: Value, place: Value, value: Value, at: Value) -> tuple[Value, Value]:
        """The better of two, the earlier of equals."""
        f = self.f
        better = self._better(value, best)
        worse = self._better(best, value)
        equal = f.bit_not(f.bit_or(better, worse))
        better = f.bit_or(better, f.bit_and(equal, f.compare("<", at, place)))
        return f.select(better, value, best), f.select(better, at, place)


def _neutral(op: str, dtype: np.dtype[Any]) -> Any:
    """What a reduction of nothing gives."""
    if op in ("sum", "prod"):
        return 0 if op == "sum" else 1
    if dtype.kind == "f":
        return -np.inf if op == "max" else np.inf
    if dtype.kind == "b":
        return op == "min"
    bounds = np.iinfo(dtype)
    return int(bounds.min if op == "max" else bounds.max)


def _needs(phase: Phase, known: Collection[Term]) -> list[Term]:
    """Every term behind a phase's stores and sums, in order; `known` ones need nothing."""
    found: set[Term] = set()
    stack = wanted(phase, True) + wanted(phase, False)
    while stack:
        t = stack.pop()
        if t not in found:
            found.add(t)
            if t not in known:
                stack.extend((*t.args, *t.looked))
    return sorted(found, key=lambda t: t.number)


def _dear(t: Term, outer: int) -> bool:
    return t.kind == "op" and t.depth > outer and COSTLY.get(t.op, 0) > 4


def flat_index(nest: Nest) -> Index:
    """The place in a row that all reduced loops run over."""
    steps = contiguous(tuple([nest.extents[v] for v in nest.reduced]))
    return (0, tuple(sorted(zip(nest.reduced, steps))))


def _early(needs: list[list[Term]]) -> list[Term]:
    """Terms of any phase that wait for no sum."""
    late: set[Term] = set()
    found: dict[Term, None] = {}
    for t in sorted({t for terms in needs for t in terms}, key=lambda t: t.number):
        if t.kind == "result" or any(x in late for x in (*t.args, *t.looked)):
            late.add(t)
        else:
            found[t] = None
    return list(found)
