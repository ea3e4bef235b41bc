"""Terms as instructions: loads, indices, operations, stores, at one place of a loop nest.

`Terms` holds what is in registers. A vector term has one register per block of the vector loop; a
uniform one is a scalar, repeated in every lane where a vector operation wants it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from ..code.emit import BOOL, I64, PTR, Function, Type, Value, vector
from ..code.scalar import Emitter
from . import stride_two
from .affine import Index
from .expression import STATUS, Expression, Store, Term
from .nest import Nest


class Terms:
    """Registers of the terms computed so far, and the loops that are open."""

    def __init__(self, f: Function, expression: Expression, nest: Nest, whole: bool = True) -> None:
        self.f, self.expression, self.nest = f, expression, nest
        self.scalar = Emitter(f)
        self.slots: dict[int, Value] = {}
        for n in range(len(expression.slots)):
            if whole or n == expression.slots.get(STATUS):
                self._slot(n)
        self.counters: dict[int, Value | int] = {}
        self.blocks = nest.blocks  # of the vector loop's round that is being written
        self.mask: Value | None = None  # of its last block
        self.tail: tuple[Value | None, int] = None, 0  # that mask, and how many lanes it has
        self.phase = 0
        self._spills: dict[Term, tuple[int, Term, Store]] = {}
        self._known: dict[Any, Any] = {}
        self._trail: list[Any] = []
        divides = any(t.op in ("floor_div", "fmod") for t in expression.terms if t.kind == "op")
        self._filler = 1 if divides else 0  # lanes beyond the end must not divide by zero
        if nest.inline and whole:
            self.round(0, nest.extents[nest.vector])  # type: ignore[index]  # an inline nest has one

    def fork(self) -> Terms:
        """The same registers, to which others can be added apart."""
        other = copy.copy(self)
        other.counters, other._known = dict(self.counters), dict(self._known)
        other._trail = []
        return other

    def _slot(self, number: int) -> Value:
        found = self.slots.get(number)
        if found is None:
            found = self.slots[number] = self.f.load(PTR, self.f.arguments[0], number)
        return found

    def round(self, index: Value | int, length: int) -> None:
        """Begin a round of the vector loop at `index`, with `length` elements left at most."""
        nest = self.nest
        assert nest.vector is not None
        self.counters[nest.vector] = index
        self.blocks = min(nest.blocks, -(-length // nest.lanes))
        tail = length % nest.lanes if length < nest.step else 0
        self.mask = self.f.first_lanes(tail, nest.lanes) if tail else None
        self.tail = self.mask, tail

    @contextmanager
    def scope(self) -> Any:
        """What is computed inside a loop is forgotten after it."""
        mark = len(self._trail)
        yield
        while len(self._trail) > mark:
            del self._known[self._trail.pop()]

    def keep(self, key: Any, value: Any) -> Any:
        if key not in self._known:
            self._trail.append(key)
        self._known[key] = value
        return value

    def type(self, t: Term) -> Type:
        return vector(t.dtype, self.nest.lanes if t.vector else 1)

    def at_block(self, block: int) -> Value | None:
        """The mask of a block."""
        return self.mask if block == self.blocks - 1 else None

    def ask(self, terms: Iterable[Term]) -> None:
        """Compute terms (given in order) that are not known yet."""
        for t in terms:
            if t not in self._known and t.kind != "result":
                self.keep(t, self._found(t))
                if t.splat and t.kind != "constant":
                    self.lanes(t, 0)

    def spill(self, t: Term, phase: int, index: Index, count: int) -> None:
        """Write a term to a row on the stack when `phase` computes it; later phases read it."""
        slot = len(self.expression.slots) + len(self._spills)
        self.slots[slot] = self.f.stack(vector(t.dtype), count)
        again = Term("load", t.dtype, t.number, index=index, slot=slot)
        again.vector = t.vector
        self._spills[t] = phase, again, Store(t, slot, index, True)

    def _found(self, t: Term) -> list[Value]:
        """A term's registers: computed, or read again."""
        if t not in self._spills:
            return self._compute(t)
        phase, again, store = self._spills[t]
        if self.phase > phase:
            return self._compute(again)
        found = self.keep(t, self._compute(t))
        self.store(store)
        return found

    def registers(self, t: Term) -> list[Value]:
        if t.kind == "constant":
            return [self.f.constant(t.op[1], self.type(t))]
        return self._known[t]

    def lanes(self, t: Term, block: int) -> Value:
        """A term as a vector."""
        if t.kind == "constant":
            return self.f.constant(t.op[1], vector(t.dtype, self.nest.lanes))
        if t.vector:
            return self._known[t][block]
        key = ("splat", t)
        found = self._known.get(key)
        if found is None:
            found = self.keep(key, self.f.splat(self._known[t][0], self.nest.lanes))
        return found

    def _compute(self, t: Term) -> list[Value]:
        blocks = range(self.blocks if t.vector else 1)
        if t.kind == "constant":
            return []
        if t.kind == "load":
            return [self._load(t, block) for block in blocks]
        if t.kind == "iota":
            return [self._iota(t, block) for block in blocks]
        return [self._operation(t, block) for block in blocks]

    def _operation(self, t: Term, block: int) -> Value:
        if t.vector:
            args = [self.lanes(x, block) for x in t.args]
        else:
            args = [self.registers(x)[0] for x in t.args]
        if t.op == "div" and self._divides_alike(t):
            scale, inverse = self._inverse(t.args[1])
            return self.f.mul(self.f.mul(args[0], scale), inverse)
        return self.scalar.apply(t.op, *args, dtype=t.dtype)

    def _divides_alike(self, t: Term) -> bool:
        """Whether many vectors are divided by one number that a loop further out computed."""
        x, nest = t.args[1], self.nest
        few = nest.inline and nest.blocks < 3
        alike = t.vector and not x.vector and x.kind != "constant" and t.dtype.kind == "f"
        return alike and x.depth < t.depth + nest.inline and not few

    def _inverse(self, t: Term) -> tuple[Value, Value]:
        """Factors that divide by a number: x s (1 / (t s)), where 1 / (t s) is in range."""
        key = ("inverse", t)
        found = self._known.get(key)
        if found is None:
            f, x = self.f, self.registers(t)[0]
            size = self.scalar.abs(x)
            far = 2.0 ** (100 if t.dtype.itemsize == 4 else 1000)
            low, high = f.compare("<", size, 1 / far), f.compare(">", size, far)
            scale = f.select(high, f.constant(far**-0.75, x.type), f.constant(1.0, x.type))
            scale = f.select(low, f.constant(far**0.75, x.type), scale)
            inverse = f.fdiv(f.constant(1.0, x.type), f.mul(x, scale))
            lanes = self.nest.lanes
            found = self.keep(key, (f.splat(scale, lanes), f.splat(inverse, lanes)))
        return found

    # -- places ----------------------------------------------------------------------------------

    def _times(self, v: int, factor: int) -> Value | int:
        counter = self.counters[v]
        if isinstance(counter, int):
            return counter * factor
        key = ("times", v, factor)
        found = self._known.get(key)
        return self.keep(key, self.f.mul(counter, factor)) if found is None else found

    def _offset(
        self, index: Index, looked: tuple[Term, ...]
    ) -> tuple[Value | int, Term | None, int]:
        """The place of lane 0 without `const`; a vector term that adds to it, and its factor."""
        f = self.f
        total: Value | int = 0
        lanes: Term | None = None
        factor = 0
        given = iter(looked)
        for v, c in index[1]:
            if v >= 0:
                total = f.add(total, self._times(v, c))
                continue
            t = next(given)
            if t.vector:
                assert lanes is None, "two vectors of indices"
                lanes, factor = t, c
                continue
            size = self.expression.space[v]
            total = f.add(total, f.mul(self._within(self.registers(t)[0], size, None), c))
        return total, lanes, factor

    def _within(self, index: Value, size: int, mask: Value | None) -> Value:
        """An index that was read: where it is out of range, 0, and the status says so."""
        f = self.f
        bound = f.constant(size, index.type)
        good = f.emit(index.type.of(BOOL.name), f"icmp ult {index.typed}, {bound.name}")
        bad = f.bit_not(good)
        with f.if_(f.any(bad if mask is None else f.bit_and(bad, mask))):
            f.store(f.constant(1, I64), self._slot(self.expression.slots[STATUS]))
        return f.select(good, index, 0)

    def _step(self, index: Index) -> int:
        return next((c for v, c in index[1] if v == self.nest.vector and v is not None), 0)

    def _pointer(self, slot: int, index: Index, looked: tuple[Term, ...], type: Type) -> Any:
        """The address of block 0's first element; the vector of indices on top of it, if any."""
        key = ("pointer", slot, index, looked)
        found = self._known.get(key)
        if found is None:
            offset, lanes, factor = self._offset(index, looked)
            place = self.f.at(self._slot(slot), offset, type)
            place = self.f.at(place, index[0], type)
            found = self.keep(key, (place, lanes, factor))
        return found

    def _spread(self, index: Index, looked: Any, block: int) -> Value | None:
        """Offsets of the lanes from the pointer, where they are not simply consecutive."""
        f, step = self.f, self._step(index)
        _, lanes, factor = looked
        wide = I64.wide(self.nest.lanes)
        if lanes is None:
            return None if step == 1 else f.steps(wide, step)
        size = next(self.expression.space[v] for v, c in index[1] if v < 0 and c == factor)
        index_lanes = self._within(self._known[lanes][block], size, self.at_block(block))
        places = f.mul(index_lanes, factor)
        return f.add(places, f.steps(wide, step)) if step else places

    def _in_pairs(self, index: Index, looked: Any, type: Type, writes: bool = False) -> bool:
        """Whether the lanes are every other element, and the processor is good at that."""
        plain = self._step(index) == 2 and looked[1] is None and not self._filler
        return plain and stride_two.suits(self.f, type, writes)

    def _load(self, t: Term, block: int) -> Value:
        found = self._pointer(t.slot, t.index, t.looked, self.type(t))
        if not t.vector:
            return self.f.load(self.type(t), found[0])
        shift = self._step(t.index) * block * self.nest.lanes
        place = self.f.at(found[0], shift, self.type(t))
        spread = self._spread(t.index, found, block)
        mask = self.at_block(block)
        if spread is None:
            return self.f.load(self.type(t), place, 0, mask, other=self._filler)
        if self._in_pairs(t.index, found, self.type(t)):
            return stride_two.load(self.f, self.type(t), place, mask)
        return self.f.gather(self.type(t), place, spread, mask)

    def _iota(self, t: Term, block: int) -> Value:
        f = self.f
        total, lanes, factor = self._offset(t.index, t.looked)
        total = f.add(total, t.index[0])
        if not t.vector:
            return f.coerce(total, I64)
        step, wide = self._step(t.index), I64.wide(self.nest.lanes)
        whole = f.splat(f.coerce(f.add(total, step * block * self.nest.lanes), I64), wide.lanes)
        if step:
            whole = f.add(whole, f.steps(wide, step))
        if lanes is not None:
            whole = f.add(whole, f.mul(self._known[lanes][block], factor))
        return whole

    def store(self, store: Store) -> None:
        """Write a store's value (all its blocks) to memory."""
        f = self.f
        wide = self._step(store.index) != 0
        type = vector(store.value.dtype, self.nest.lanes if wide else 1)
        place = self._pointer(store.slot, store.index, store.looked, type)
        for block in range(self.blocks if wide else 1):
            value = self.lanes(store.value, block) if wide else self.registers(store.value)[0]
            at = f.at(place[0], self._step(store.index) * block * self.nest.lanes, type)
            spread = self._spread(store.index, place, block) if wide else None
            mask = self.at_block(block) if wide else None
            if store.adds:
                near = spread is None
                old = f.load(type, at, 0, mask) if near else f.gather(type, at, spread, mask)
                value = self.scalar.add(old, value)
            if spread is None and mask is not None and mask is self.tail[0] and not f.module.vast:
                self._store_first(value, at, self.tail[1])
            elif spread is None:
                f.store(value, at, 0, mask)
            elif self._in_pairs(store.index, place, type, True):
                stride_two.store(f, value, at, mask)
            else:
                f.scatter(value, at, spread, mask)

    def _store_first(self, value: Value, place: Value, count: int) -> None:
        """Write so many lanes by halves of a vector: AMD writes masked ones lane by lane."""
        f, lanes, done = self.f, value.type.lanes, 0
        value = f.packed(value)
        while lanes := lanes // 2:
            if count & lanes:
                few = range(done, done + lanes)
                part = f.shuffle(value, None, few) if lanes > 1 else f.extract(value, done)
                f.store(part, place, done)
                done += lanes
