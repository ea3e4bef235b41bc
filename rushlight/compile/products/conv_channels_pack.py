"""Weights in the order in which tiles of channels read them: (phase, term, tap, channel)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from ..code.emit import I64, VOID, Function, Value, constant
from .conv_channels_plan import NEARBY, ChannelPlan
from .packing import Number, move, times, turn_name
from .tiles import known_mask

AHEAD = 4  # terms from the one that is packed to the one that is asked for


class Packer:
    """Writes the code that packs some terms of one block of channels."""

    def __init__(self, f: Function, plan: ChannelPlan) -> None:
        self.f, self.plan, self.type = f, plan, plan.type
        w, (_, row, _, i, j) = plan.type.lanes, plan.weight.steps
        tall, broad = plan.kernel
        flat = (broad == 1 or j == 1) and (tall == 1 or i == broad) and row == plan.taps
        self.near = flat and 1 < plan.taps <= max(w, NEARBY)  # in one run, by channel
        self.spreads = len(list(plan.phases)) > 1 or (self.near and plan.taps < w)
        self.spreads |= not all(way.ordered for way in plan.ways)
        if self.spreads and self.near:
            room = plan.vectors * w * plan.taps + w
            self.run = f.stack(plan.type.scalar, room)
            self.square = f.stack(plan.type.scalar, -(-plan.taps // w) * w * w)
            size = f.constant(room * plan.type.size, I64)
            f.do(f"call void @llvm.memset.p0.i64({self.run.typed}, i8 0, {size.typed}, i1 false)")

    def block(self, target: Value, weight: Value, first: Number, size: int, term: Number) -> None:
        """`size` vectors of channels from vector `first` on, from the group's `weight`."""
        f, plan, w = self.f, self.plan, self.type.lanes
        _, row, step, *_ = plan.weight.steps
        at = f.add(times(f, first, w * row), times(f, term, step))
        weight = f.at(weight, at, self.type)
        left = plan.rows % w + (size - 1) * w if plan.rows % w else size * w
        if left == size * w:
            self._apart(target, weight, size, left)
            return
        last = f.compare(">", f.coerce(f.add(times(f, first, w), size * w), I64), plan.rows)
        with f.if_(last):
            self._apart(target, weight, size, left)
        with f.if_(f.bit_not(last)):
            self._apart(target, weight, size, size * w)

    def _apart(self, target: Value, weight: Value, size: int, columns: int) -> None:
        rooms = [self.run, self.square] if self.spreads and self.near else []

        def write(f: Function, target: Value, weight: Value, *rooms: Value) -> None:
            inside = copy.copy(self)
            inside.f = f
            if rooms:
                inside.run, inside.square = rooms
            inside._write(target, weight, size, columns)

        name = f"{self.f.name}_order{size}_{columns}"
        self.f.apart(name, [target, weight, *rooms], write)

    def _write(self, target: Value, weight: Value, size: int, columns: int) -> None:
        f, plan = self.f, self.plan
        if not self.spreads:
            moved = plan.pack(size, columns)
            with f.loop(0, moved.count) as units:
                move(f, moved, units.index, weight, target)
            return
        _, row, step, *_ = plan.weight.steps
        line = 64 // self.type.size
        with f.loop(0, plan.at_once) as terms:
            here = f.at(weight, times(f, terms.index, step), self.type)
            if row <= line:
                with f.loop(0, row * columns, line) as lines:
                    f.prefetch(f.at(here, f.add(lines.index, AHEAD * step), self.type))
            if self.near:
                self._fetch(here, columns * plan.taps)
            w = self.type.lanes
            if columns >= w:
                with f.loop(0, columns // w * w, w) as lanes:
                    self._lanes(here, target, terms.index, (size * w, w, lanes.index))
            if columns % w:
                at = (size * w, columns % w, columns // w * w)
                self._lanes(here, target, terms.index, at)

    def _fetch(self, source: Value, count: int) -> None:
        """All numbers of a term, as they lie."""
        f, w = self.f, self.type.lanes
        whole = count // w * w
        with f.loop(0, whole, w) as run:
            f.store(f.load(self.type, source, run.index), self.run, run.index)
        if count > whole:
            value = f.load(self.type, source, whole, known_mask(self.type, count - whole))
            f.store(value, self.run, whole)

    def _lanes(
        self, source: Value, target: Value, term: Number, at: tuple[int, int, Number]
    ) -> None:
        """Every tap of one vector of channels."""
        f, plan, type = self.f, self.plan, self.type
        (wide, columns, lane), w = at, type.lanes
        _, row, _, i, j = plan.weight.steps
        if self.near:
            come = f.at(self.run, times(f, lane, plan.taps), type)
            for tap in range(0, plan.taps, w):
                f.call(turn_name(f.module, type), VOID, f.at(come, tap, type),
                       constant(plan.taps, I64), f.at(self.square, tap * w, type),
                       constant(w, I64))  # fmt: skip
        mask = known_mask(type, columns)
        for (a, b), (base, count, number) in self._places():
            if self.near:
                value = f.load(type, self.square, (a * plan.kernel[1] + b) * w)
            else:
                come = f.at(source, f.add(times(f, lane, row), a * i + b * j), type)
                value = f.gather(type, come, f.steps(I64.wide(w), row), mask)
            to = f.add(times(f, term, count * wide), (base + number) * wide)
            to = f.add(to, lane)
            f.store(value, target, to)

    def _places(self) -> Iterator[tuple[tuple[int, int], tuple[int, int, int]]]:
        """Of every tap: where its phase begins, the taps of that, and its number among them."""
        (down, across), plan = self.plan.ways, self.plan
        for p, q in plan.phases:
            base, count = plan.run_of(p, q)
            taps = [(i, j) for i, _ in down.taps[p] for j, _ in across.taps[q]]
            for number, tap in enumerate(taps):
                yield tap, (base, count, number)
