"""A convolution's source brought into padded planes that tiles walk through without a test."""

from __future__ import annotations

from typing import Any

from ..code.emit import BOOL, I64, Function, Value, constant, lanes_of
from .conv_plan import Axis
from .packing import Number, clear, times
from .tiles import known_mask

PLANE = 16  # vectors of a plane that are written out


class Stage:
    """Writes the code that fills the planes of one image: (term, plane, row, place).

    `plan` is a `Correlation`, or what has its attributes of a staged source.
    """

    def __init__(self, f: Function, plan: Any) -> None:
        self.f, self.plan, self.type = f, plan, plan.type

    def fill(self, source: Value, first: Number, target: Value) -> None:
        """Planes of the rows from place `first` on; `source` is the image's first element."""
        name, plan, given = f"{self.f.name}_stage", self.plan, [source, target]
        if isinstance(first, int):
            name += str(first)
        else:
            given.append(first)

        def write(f: Function, source: Value, target: Value, first: Number = first) -> None:
            Stage(f, plan)._fill(source, first, target)

        self.f.apart(name, given, write)

    def _fill(self, source: Value, first: Number, target: Value) -> None:
        f, plan = self.f, self.plan
        type, steps = self.type, plan.source.steps
        plane = plan.height * plan.pitch
        if isinstance(first, int) and self._dense():
            self._planes(source, first, target)
            return
        with f.loop(0, plan.terms) as terms:
            whence = f.at(source, times(f, terms.index, steps[2]), type)
            there = f.at(target, times(f, terms.index, plan.term_step), type)
            for number, (p, q) in enumerate(plan.planes):
                where = f.at(there, number * plane, type)
                with f.loop(0, plan.height) as rows:
                    self._row(whence, f.add(first, rows.index), p, q,
                              f.at(where, times(f, rows.index, plan.pitch), type))  # fmt: skip

    def _dense(self) -> bool:
        """Whether a whole plane is some vectors of a run of the source, spread out."""
        plan, (down, across) = self.plan, self.plan.axes
        *_, line, step = plan.source.steps
        near = step == 1 and line == across.size and down.jump == across.jump == 1
        few = plan.height * plan.pitch <= PLANE * self.type.lanes
        return near and few and list(plan.planes) == [(0, 0)]

    def _planes(self, source: Value, first: int, target: Value) -> None:
        """Small planes, a vector at a time: its elements lie close together in the source."""
        f, plan, w = self.f, self.plan, self.type.lanes
        down, across = plan.axes
        size = plan.height * plan.pitch
        with f.loop(0, plan.terms) as terms:
            whence = f.at(source, times(f, terms.index, plan.source.steps[2]), self.type)
            there = f.at(target, times(f, terms.index, plan.term_step), self.type)
            for lane in range(0, size, w):
                places = [divmod(at, plan.pitch) for at in range(lane, lane + w)]
                rows = [(first + a - down.pad, b - across.pad) for a, b in places]
                at = {
                    n: a * across.size + b for n, (a, b) in enumerate(rows)
                    if 0 <= a < down.size and 0 <= b < across.size
                }  # fmt: skip
                value = self._collected(whence, at)
                kept = plan.exact and size - lane < w
                f.store(value, there, lane, known_mask(self.type, size - lane) if kept else None)

    def _collected(self, source: Value, at: dict[int, int]) -> Value:
        """A vector with the elements `at`, by lane and in rising order; the other lanes are 0.

        A load brings what it reaches. Rows that leave columns of the source out (a stride whose
        last window ends early, a phase that begins late) take several.
        """
        f, w = self.f, self.type.lanes
        value = zero = constant(0.0, self.type)
        while at:
            start = min(at.values())
            near = {lane: x - start for lane, x in at.items() if x - start < w}
            others = [w] * w if value is zero else range(w, 2 * w)
            order = [near.get(lane, other) for lane, other in enumerate(others)]
            wanted = _mask([n in near.values() for n in range(w)])
            value = f.shuffle(f.load(self.type, source, start, wanted), value, order)
            at = {lane: x for lane, x in at.items() if lane not in near}
        return value

    def _row(self, source: Value, line: Number, p: int, q: int, target: Value) -> None:
        f, (down, across) = self.f, self.plan.axes
        at = f.add(times(f, line, down.jump), p - down.pad)
        at = f.coerce(at, I64)
        known = f.emit(I64.of("bool"), f"icmp ult {at.typed}, {down.size}")
        here = f.at(source, times(f, at, self.plan.source.steps[3]), self.type)

        def copy() -> list[Value]:
            self._across(across, q, here, target)
            return []

        def clear() -> list[Value]:
            for lane in range(0, self.plan.pitch, self.type.lanes):
                f.store(constant(0.0, self.type), target, lane, self._kept(lane))
            return []

        f.branch(known, copy, clear)

    def _across(self, axis: Axis, q: int, source: Value, target: Value) -> None:
        """Row of a plane; vectors may write past its end, into what is written next.

        An `exact` plan forbids that.
        """
        f, w = self.f, self.type.lanes
        for first in range(0, self.plan.pitch, w):
            at = [(first + lane) * axis.jump + q - axis.pad for lane in range(w)]
            good = [0 <= x < axis.size for x in at]
            value = constant(0.0, self.type)
            if any(good):
                value = self.gathered(source, at[0], axis, good)
            f.store(value, target, first, self._kept(first))

    def _kept(self, first: int) -> Value | None:
        """The lanes of a row's vector that may be written."""
        return known_mask(self.type, self.plan.pitch - first) if (
            self.plan.exact and self.plan.pitch - first < self.type.lanes
        ) else None  # fmt: skip

    def gathered(self, source: Value, start: int, axis: Axis, good: list[bool]) -> Value:
        """Every `jump`-th element of a line, from `start` on; lanes that are no good become 0."""
        f, type = self.f, self.type
        w, step = type.lanes, self.plan.source.steps[4]
        if step == 1 and axis.jump == 1:
            return f.load(type, source, start, _mask(good))
        if step == 1 and axis.jump == 2:
            halves = []
            for n in (0, 1):
                at = [start + n * w + lane for lane in range(w)]
                inside = [0 <= x < axis.size and not (n * w + k) % 2 for k, x in enumerate(at)]
                if any(inside):
                    halves.append(f.load(type, source, at[0], _mask(inside)))
                else:
                    halves.append(constant(0.0, type))
            return f.shuffle(halves[0], halves[1], [2 * lane for lane in range(w)])
        spread = f.steps(I64.wide(w), axis.jump * step)
        return f.gather(type, f.at(source, start * step, type), spread, _mask(good))

    def slack(self, target: Value) -> None:
        """Zeros where vectors are read past the last row."""
        w = self.type.lanes
        clear(self.f, target, -(-self.plan.slack // w) * w * self.type.size)


def _mask(good: list[bool]) -> Value | None:
    return None if all(good) else lanes_of(good, BOOL.wide(len(good)))
