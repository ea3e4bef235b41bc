"""The kernel of a correlation: stage the source, run the tiles, end their rows.

A unit is some images of one group, and a block of rows of places. For every row of tiles the sums
of all its places wait on the stack; then the end brings them, row by row, to the result.
"""

from __future__ import annotations

from collections.abc import Callable

from ..code.emit import I64, PTR, VOID, Module, Value, lanes_of
from .conv_plan import Correlation
from .conv_stage import Stage
from .conv_tile import TapTile, emit_taps
from .packing import KERNEL, Number, positions, table_entry, times
from .tiles import known_mask

Finish = Callable[..., None]  # finish(f, value, place by letter, mask)
UNROLLED = 4  # vectors of a row that are written out


class Driver:
    """Writes the kernel, its tiles and the function that ends them."""

    def __init__(self, module: Module, name: str, plan: Correlation, finish: Finish) -> None:
        self.module, self.name, self.plan, self.finish = module, name, plan, finish
        self.type, self.width = plan.type, plan.vectors * plan.type.lanes

    def emit(self) -> int:
        """Add the kernel; give its number of units."""
        plan = self.plan
        for height, _ in plan.heights:
            End(self.module, f"{self.name}_end{height}", plan, height, self.finish).emit()
        self._kernel()
        return plan.units[0] * plan.groups * plan.units[1]

    def _kernel(self) -> None:
        f = self.f = self.module.function(self.name, KERNEL)
        plan, type = self.plan, self.type
        self.source = table_entry(f, type, plan.source.slot, plan.source.offset)
        self.weight = table_entry(f, type, plan.weight.slot, plan.weight.offset)
        self.sums = f.stack(type.scalar, plan.heights[0][0] * plan.phases * self.width + 32)
        self.stage = Stage(f, plan)
        if plan.staged:
            room = plan.together * plan.image_room
            self.room = f.stack(type.scalar, room + plan.slack)
            self.stage.slack(f.at(self.room, room, type))
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            self._unit(units.index)

    def _unit(self, unit: Value) -> None:
        f, plan = self.f, self.plan
        dims = [(n, ()) for n in (plan.units[0], plan.groups, plan.units[1])]
        part, group, block = positions(f, unit, dims)[1]
        first = times(f, part, plan.together)
        count: Number = plan.together
        if plan.images % plan.together:
            rest = f.sub(plan.images, first)
            rest = f.coerce(rest, I64)
            count = f.select(f.compare("<", rest, plan.together), rest, plan.together)
        start = times(f, block, plan.block)
        if plan.staged:
            with f.loop(0, count) as images:
                at = f.at(self.room, times(f, images.index, plan.image_room), self.type)
                self.stage.fill(self._image(f.add(first, images.index), group), start, at)
        weight = f.at(self.weight, times(f, group, plan.weight.steps[0]), self.type)
        row = 0
        for height, tiles in plan.heights:
            with f.loop(0, tiles) as tile:
                here = f.add(times(f, tile.index, height), row)
                x = f.at(weight, times(f, here, plan.weight.steps[1]), self.type)
                with f.loop(0, count) as images:
                    y = self._staged(f.add(first, images.index), images.index, group, start)
                    self._tiles(height, x, y)
                    at = (f.add(first, images.index), group, here, start)
                    numbers = [f.coerce(n, I64) for n in at]
                    f.call(
                        f"{self.name}_end{height}", VOID, f.arguments[0], self.sums, *numbers
                    )  # fmt: skip
            row += height * tiles

    def _image(self, image: Number, group: Number) -> Value:
        f, steps = self.f, self.plan.source.steps
        at = f.add(times(f, image, steps[0]), times(f, group, steps[1]))
        return f.at(self.source, at, self.type)

    def _staged(self, image: Number, number: Number, group: Number, start: Number) -> Value:
        """Where the places of a unit begin."""
        f, plan = self.f, self.plan
        if plan.staged:
            return f.at(self.room, times(f, number, plan.image_room), self.type)
        down, across = plan.axes
        *_, line, step = plan.source.steps
        at = f.add(times(f, f.sub(start, down.pad), line), -across.pad * step)
        return f.at(self._image(image, group), at, self.type)

    def _tiles(self, height: int, x: Value, y: Value) -> None:
        """The sums of some rows at all places."""
        f, plan = self.f, self.plan
        full, last = plan.panels
        wide = plan.tile[1] * self.type.lanes
        masked = not plan.staged and plan.length % self.type.lanes
        for phase in range(plan.phases):
            out = f.at(self.sums, phase * height * self.width, self.type)
            whole = full - bool(masked and full and not last)
            if whole:
                with f.loop(0, whole) as panel:
                    at = times(f, panel.index, wide)
                    self._call(height, plan.tile[1], phase, 0, x, f.at(y, at, self.type),
                               f.at(out, at, self.type))  # fmt: skip
            rest = plan.vectors - whole * plan.tile[1]
            if rest:
                at = whole * wide
                self._call(height, rest, phase, masked, x, f.at(y, at, self.type),
                           f.at(out, at, self.type))  # fmt: skip

    def _call(
        self, height: int, vectors: int, phase: int, tail: int, x: Value, y: Value, out: Value
    ) -> None:
        plan = self.plan
        name = f"{self.name}_tile{height}_{vectors}_{phase}{'_tail' * bool(tail)}"
        if name not in self.module.functions:
            step = plan.weight.steps[1], plan.weight.steps[2]
            tile = TapTile(
                self.type, tuple(n * step[0] for n in range(height)), vectors, plan.terms,
                (step[1], plan.term_step), plan.grids(phase), self.width, tail,
            )  # fmt: skip
            emit_taps(self.module, name, tile)
        self.f.call(name, VOID, x, y, out)


class End:
    """Writes `(table, sums, image, group, row, start)`: the sums of `height` rows to the result."""

    GIVEN = [
        ("table", PTR), ("sums", PTR), *((n, I64) for n in ("image", "group", "row", "start")),
    ]  # fmt: skip

    def __init__(
        self, module: Module, name: str, plan: Correlation, height: int, finish: Finish
    ) -> None:
        self.f = module.function(name, self.GIVEN, internal=True)
        self.plan, self.height, self.finish, self.type = plan, height, finish, plan.type
        self.plane = height * plan.vectors * plan.type.lanes

    def emit(self) -> None:
        f, plan = self.f, self.plan
        down, _ = plan.axes
        _, sums, _, _, first, start = f.arguments
        lines: Number = plan.block
        if down.places % plan.block:
            rest = f.sub(down.places, start)
            lines = f.select(f.compare("<", rest, plan.block), rest, plan.block)
        with f.loop(0, self.height) as row:
            here = f.at(sums, times(f, row.index, self.plane // self.height), self.type)
            with f.loop(0, lines, some=True) as line:
                at = f.at(here, times(f, line.index, plan.pitch), self.type)
                place = f.add(start, line.index)
                for phase in range(down.step):
                    self._line(at, f.add(first, row.index), place, phase)

    def _line(self, source: Value, row: Value, place: Value, phase: int) -> None:
        """One row of the result."""
        f, (down, across) = self.f, self.plan.axes
        source = f.at(source, phase * across.step * self.plane, self.type)
        a = f.add(times(f, place, down.step), phase - down.lead)
        if down.step == 1:
            self._vectors(source, row, a)
            return
        a = f.coerce(a, I64)
        with f.if_(f.emit(I64.of("bool"), f"icmp ult {a.typed}, {down.out}")):
            self._vectors(source, row, a)

    def _vectors(self, source: Value, row: Value, a: Number) -> None:
        f, w = self.f, self.type.lanes
        across = self.plan.axes[1]
        whole = across.out // w
        regular = w % across.step == 0
        if whole > UNROLLED and regular:
            with f.loop(0, whole) as loop:
                here = f.at(source, times(f, loop.index, w // across.step), self.type)
                self._vector(here, 0, row, a, times(f, loop.index, w), None)
        else:
            for n in range(whole):
                self._vector(source, n * w, row, a, n * w, None)
        if across.out % w:
            mask = known_mask(self.type, across.out % w)
            self._vector(source, whole * w, row, a, whole * w, mask)

    def _vector(
        self, source: Value, lane: int, row: Value, a: Number, b: Number, mask: Value | None
    ) -> None:
        f = self.f
        value = self._value(source, lane)
        if mask is not None:
            value = f.select(mask, value, 0.0)
        _, _, image, group, _, _ = f.arguments
        self.finish(f, value, (image, group, row, a, b), mask)

    def _value(self, source: Value, lane: int) -> Value:
        """The sums of columns from `lane` on, woven from the phases."""
        f, w, type = self.f, self.type.lanes, self.type
        across = self.plan.axes[1]
        if across.step == 1:
            return f.load(type, source, lane)
        at = [divmod(lane + n + across.lead, across.step) for n in range(w)]
        places = [phase * self.plane + t for t, phase in at]
        if across.step == 2:
            first, second = (f.load(type, source, place) for place in places[:2])
            return f.shuffle(first, second, [n // 2 + (n % 2) * w for n in range(w)])
        inside = [place if lane + n < across.out else places[0] for n, place in enumerate(places)]
        return f.gather(type, f.at(source, inside[0], type), _lanes(inside, w))


def _lanes(places: list[int], w: int) -> Value:
    return lanes_of([place - places[0] for place in places], I64.wide(w))
