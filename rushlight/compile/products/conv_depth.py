"""Convolutions of single channels: a group has one channel of the source and one of the result.

There is nothing to pack and no sum worth keeping: a vector of places is summed over the taps in one
register, straight from the source, and brought to its end. Some rows are summed together: what they
read of the source is loaded once, and no sum waits for itself. Lines outside of the image are read
from a line of zeros; columns outside are lanes that no load touches.
"""

from __future__ import annotations

from typing import Any

from ..code.emit import I64, Function, Module, Type, Value, constant, vector
from ..records import field, record
from .conv_channels_plan import Triple, Way, data_way, even, forward_way
from .conv_kernel import Finish
from .conv_plan import Array, Axis, Shape
from .conv_stage import Stage
from .conv_tile import wide
from .packing import KERNEL, Number, positions, table_entry, times
from .tiles import known_mask

TOGETHER = 4  # rows that are summed together
WRITTEN = 96  # taps of vectors that are written out; longer lines are a loop
STACK_LINE = 1 << 14  # elements of a line


@record(frozen=True)
class DepthPlan:
    """One such convolution."""

    type: Type
    images: int
    groups: int
    ways: tuple[Way, Way]
    source: Array  # n, g, term, h, w
    weight: Array  # g, row, term, i, j
    scratch: int = 0
    cost: float = field(default=0.0, compare=False)

    @property
    def taps(self) -> int:
        return len(self.ways[0].taps[0]) * len(self.ways[1].taps[0])

    @property
    def rows(self) -> tuple[Triple, ...]:
        """Rows that are summed together: (first, how many, how often).

        Strided ones share few lines, which take registers to bring: there are 16 of 256 bits.
        """
        down, across = self.ways
        few = max(down.jump, across.jump) > 1 and not wide(self.type)
        return even(down.out, 1 if few else TOGETHER)

    def shifts(self, count: int) -> list[int]:
        """The lines that so many rows read, seen from what the first row stands on."""
        down = self.ways[0]
        return sorted({n * down.jump + shift for n in range(count) for shift in down.shifts})

    @property
    def axis(self) -> Axis:
        """The columns, as a stage wants to see them."""
        across = self.ways[1]
        return Axis(across.size, 0, 0, 1, 0, across.jump, 0, 0, ())

    def inside(self, first: int) -> bool:
        """Whether all lanes of all taps of the vector at place `first` are columns of the image."""
        across = self.ways[1]
        last = first + self.type.lanes - 1
        return (
            last < across.out and first * across.jump + min(across.shifts) >= 0
            and last * across.jump + max(across.shifts) < across.size
        )  # fmt: skip


def plan_depth(
    kind: str, shape: Shape, dtype: str, source: Array, weight: Array, target: Any
) -> DepthPlan | None:
    """The plan, where groups are single channels and the result has no phases."""
    make = forward_way if kind == "forward" else data_way
    down, across = (
        make(*at) for at in zip(
            shape.size, shape.kernel, shape.out, shape.stride, shape.padding, shape.dilation
        )
    )  # fmt: skip
    single = shape.outs == shape.ins == 1 and down.step == across.step == 1
    if not single or source.steps[4] != 1 or across.size > STACK_LINE:
        return None
    type = vector(dtype, target.lanes(dtype))
    return DepthPlan(type, shape.images, shape.groups, (down, across), source, weight)


def emit_depth(module: Module, name: str, plan: DepthPlan, finish: Finish) -> int:
    """Add the kernel; give its number of units, one per channel of an image."""
    return _Depth(module.function(name, KERNEL), plan, finish).emit()


class _Depth:
    def __init__(self, f: Function, plan: DepthPlan, finish: Finish) -> None:
        self.f, self.plan, self.finish, self.type = f, plan, finish, plan.type
        self.stage = Stage(f, plan)

    def emit(self) -> int:
        f, plan, type = self.f, self.plan, self.type
        down, across = plan.ways
        source = table_entry(f, type, plan.source.slot, plan.source.offset)
        weight = table_entry(f, type, plan.weight.slot, plan.weight.offset)
        self.zeros = f.stack(type.scalar, across.size + type.lanes)
        for lane in range(0, across.size, type.lanes):
            f.store(constant(0.0, type), self.zeros, lane)
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            image, group = positions(f, units.index, [(plan.images, ()), (plan.groups, ())])[1]
            n, g, *_ = plan.source.steps
            here = f.at(source, f.add(times(f, image, n), times(f, group, g)), type)
            factors = self._factors(f.at(weight, times(f, group, plan.weight.steps[0]), type))
            for first, count, often in plan.rows:
                with f.loop(0, often) as blocks:
                    row = f.add(times(f, blocks.index, count), first)
                    lines = {
                        shift: self._line(here, times(f, row, down.jump), shift)
                        for shift in plan.shifts(count)
                    }
                    self._rows(lines, factors, (image, group, 0, row), count)
        return plan.images * plan.groups

    def _factors(self, weight: Value) -> list[list[Value]]:
        """The weight of every tap, in all lanes."""
        f, (down, across), (*_, i, j) = self.f, self.plan.ways, self.plan.weight.steps
        return [
            [f.splat(f.load(self.type.scalar, weight, a * i + b * j), self.type.lanes)
             for b, _ in across.taps[0]]
            for a, _ in down.taps[0]
        ]  # fmt: skip

    def _line(self, source: Value, line: Number, shift: int) -> Value:
        """Where a line begins."""
        f, (down, _) = self.f, self.plan.ways
        at = f.coerce(f.add(line, shift), I64)
        known = f.emit(I64.of("bool"), f"icmp ult {at.typed}, {down.size}")
        here = f.at(source, times(f, at, self.plan.source.steps[3]), self.type)
        return f.select(known, here, self.zeros)

    def _rows(
        self, lines: dict[int, Value], factors: list[list[Value]], place: Any, count: int
    ) -> None:
        """So many lines of the result, their middle by a loop where they are long."""
        plan, w = self.plan, self.type.lanes
        _, across = plan.ways
        firsts = list(range(0, across.out, w))
        middle = [first for first in firsts if plan.inside(first)]
        if len(firsts) * plan.taps * count <= WRITTEN or len(middle) < 3:
            middle = []
        for first in firsts:
            if first not in middle:
                left = across.out - first
                mask = known_mask(self.type, left) if left < w else None
                self._vectors(lines, factors, first, (*place, first), mask, count)
        if middle:
            f, begin = self.f, middle[0]
            with f.loop(0, len(middle) * w, w) as more:
                by = times(f, more.index, across.jump)
                moved = {shift: f.at(line, by, self.type) for shift, line in lines.items()}
                place = (*place, f.add(more.index, begin))
                self._vectors(moved, factors, begin, place, None, count)

    def _vectors(
        self, lines: dict[int, Value], factors: list[list[Value]], first: int, place: Any,
        mask: Any, count: int,
    ) -> None:  # fmt: skip
        """The vector of every line that begins at column `first`."""
        f, axis, (down, across) = self.f, self.plan.axis, self.plan.ways
        lanes, totals = range(self.type.lanes), [constant(0.0, self.type)] * count
        for reach, line in lines.items():
            rows = {reach - n * down.jump: n for n in range(count)}
            met = [(rows[s], row) for (_, s), row in zip(down.taps[0], factors) if s in rows]
            for column, (_, shift) in enumerate(across.taps[0]):
                at = [(first + lane) * axis.jump + shift for lane in lanes]
                good = [0 <= x < axis.size and first + n < across.out for n, x in enumerate(at)]
                if any(good):
                    value = self.stage.gathered(line, at[0], axis, good)
                    for n, row in met:
                        totals[n] = f.fma(value, row[column], totals[n])
        image, group, channel, row, column = place
        for n, total in enumerate(totals):
            self.finish(f, total, (image, group, channel, f.add(row, n), column), mask)
