"""Gradients of the weights of 3x3 convolutions by minimal filtering: 16 products for 36, 25 for 81.

A tile is 2x2 or 3x3 places of the result and the elements of the input that they see, a window two
wider. Each position of the transformed windows is a product of matrices, channels of the input by
channels of the result, summed over tiles; one transform at the end makes the nine sums of a kernel
of all positions' (`winograd_points.py`). A unit goes through its part of the batch some rows of
tiles, or some images, at a time, so that what was transformed is at hand for all channels; its sums
wait on the stack. What it leaves lies as the sums of the direct way do, and is brought to the
result like these.

Both operands are turned first: lanes are channels, and tiles at an edge meet zeros beside the rows.
"""

from __future__ import annotations

import functools

from ..code.emit import I64, VOID, Function, Module, Value
from .conv_plan import Array
from .packing import KERNEL, Number, clear, positions, table_entry, times
from .tiles import Tile, tile_name, unrolled
from .winograd_points import TAPS, transform_name
from .winograd_rows import Rows
from .winograd_weight_plan import MinimalPlan


class MinimalParts:
    """Writes the kernel of one part's sums; units are (part, group, block of channels)."""

    def __init__(self, module: Module, name: str, plan: MinimalPlan, scratch: int) -> None:
        self.module, self.name, self.plan, self.type = module, name, plan, plan.type
        self.f, self.scratch = module.function(name, KERNEL), scratch

    def emit(self) -> None:
        f, plan, type = self.f, self.plan, self.type
        self.sources = table_entry(f, type, plan.source.slot, plan.source.offset)
        self.gradients = table_entry(f, type, plan.grad.slot, plan.grad.offset)
        self.result = table_entry(f, type, self.scratch)
        self.x, self.y, self.sums, self.x_rows, self.y_rows = (
            f.stack(type.scalar, room) for room in plan.rooms
        )
        for rows, turned in zip((self.x_rows, self.y_rows), plan.turned):
            clear(f, rows, turned.room * type.size)  # what is beside an image stays zero
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            self._unit(units.index)

    def _unit(self, unit: Value) -> None:
        f, plan = self.f, self.plan
        part, group, block = positions(f, unit, [(n, ()) for n in plan.units])[1]
        channel = times(f, block, plan.terms)
        source = self._within(self.sources, plan.source, (0, group, channel))
        at = f.add(times(f, part, plan.part_room),
                   times(f, group, plan.strips * plan.taps * plan.wide))  # fmt: skip
        at = f.add(at, times(f, channel, plan.kernel * plan.wide))
        result = f.at(self.result, at, self.type)
        first = times(f, part, plan.images)
        last: Number = f.add(first, plan.images)
        if plan.shape.images % plan.parts:
            last = f.select(f.compare("<", last, plan.shape.images), last, plan.shape.images)
        if plan.at_once:
            self._transformed(source, first, f.sub(last, first), 0, plan.down, 0)
        full, rest = divmod(plan.shape.outs, plan.block * plan.wide)
        block = functools.partial(self._block, source, result, group, (first, last))
        with f.loop(0, full) as blocks:
            block(times(f, blocks.index, plan.block), plan.block * plan.wide)
        if rest:
            block(full * plan.block, rest)

    def _within(self, base: Value, array: Array, numbers: tuple[Number, ...]) -> Value:
        """An element of an operand, by its first numbers."""
        at: Number = 0
        for number, step in zip(numbers, array.steps):
            at = self.f.add(at, times(self.f, number, step))
        return self.f.at(base, at, self.type)

    def _block(
        self, source: Value, result: Value, group: Number, part: tuple[Number, Number],
        strip: Number, columns: int,
    ) -> None:  # fmt: skip
        """The sums of all tiles for some channels of the result."""
        f, plan = self.f, self.plan
        numbers = (0, group, times(f, strip, plan.wide))
        grad = self._within(self.gradients, plan.grad, numbers)
        clear(f, self.sums, plan.rooms[2] * self.type.size)
        with f.loop(*part, plan.chunk) as images, f.loop(0, plan.down, plan.lines) as rows:
            few = self._up_to(images.index, plan.chunk, part[1], plan.images % plan.chunk != 0
                              or plan.shape.images % plan.parts != 0)  # fmt: skip
            lines = self._up_to(rows.index, plan.lines, plan.down, plan.down % plan.lines != 0)
            if not plan.at_once:
                self._transformed(source, images.index, few, rows.index, lines, 0)
            self._transformed(grad, images.index, few, rows.index, lines, columns)
            self._products(times(f, times(f, few, lines), plan.across))
        here = f.at(result, times(f, strip, plan.taps * plan.wide), self.type)
        f.apart(f"{self.name}_end", [self.sums, here], self._end)

    def _up_to(self, at: Number, step: int, end: Number, fewer: bool) -> Number:
        """How many of `step` there are from `at` on; all of them, where it is not `fewer`."""
        f = self.f
        left = f.sub(end, at)
        return f.select(f.compare("<", left, step), left, step) if fewer else step

    # --- transforms -------------------------------------------------------------------------------
    def _transformed(
        self, image: Value, first: Number, count: Number, row: Number, lines: Number, columns: int
    ) -> None:
        """Tiles of some images, from a row of tiles on: of the input, or `columns` of gradients."""
        f, plan, name = self.f, self.plan, f"{self.name}_x"
        array, turned, there, room, wide, write = (
            plan.source, plan.turned[0], self.x, self.x_rows, plan.deep, self._windows,
        )  # fmt: skip
        if columns:
            name = f"{self.name}_y{columns}"
            array, turned, there, room, wide, write = (
                plan.grad, plan.turned[1], self.y, self.y_rows, plan.wide, self._spread,
            )  # fmt: skip
        line, step = (
            f.sub(times(f, row, plan.tile), turned.padding[0]),
            plan.down * plan.across * wide,
        )

        def transform(
            f: Function, image: Value, line: Value, lines: Value, room: Value, there: Value
        ) -> None:
            Rows(f, self.type, turned, columns or plan.terms).fill(image, line, room)
            write(f, lines, room, there)

        with f.loop(0, count, some=True) as images:
            here = self._within(image, array, (f.add(first, images.index),))
            to = f.at(there, times(f, images.index, step), self.type)
            given = [here, f.coerce(line, I64), f.coerce(lines, I64), room, to]
            f.apart(name, given, transform)

    def _windows(self, f: Function, lines: Value, room: Value, there: Value) -> None:
        """Tiles of the input: by position, then tile, then channel."""
        plan, type, deep = self.plan, self.type, self.plan.deep
        pitch = plan.turned[0].pitch * deep
        with f.loop(0, lines, some=True) as rows, f.loop(0, plan.across) as tiles:
            at = f.add(
                times(f, rows.index, plan.tile * pitch), times(f, tiles.index, plan.tile * deep)
            )
            number = f.add(times(f, rows.index, plan.across), tiles.index)
            here, to = f.at(room, at, type), f.at(there, times(f, number, deep), type)
            self._filtered(f, "inputs", (here, pitch, deep), (to, plan.steps[0]), deep)

    def _spread(self, f: Function, lines: Value, room: Value, there: Value) -> None:
        """Tiles of gradients: by position, then strip, then tile, then channel."""
        plan, type, wide = self.plan, self.type, self.plan.turned[1].wide
        pitch = plan.turned[1].pitch * wide
        with f.loop(0, lines, some=True) as rows, f.loop(0, plan.across) as tiles:
            at = f.add(
                times(f, rows.index, plan.tile * pitch), times(f, tiles.index, plan.tile * wide)
            )
            number = f.add(times(f, rows.index, plan.across), tiles.index)
            here, to = f.at(room, at, type), f.at(there, times(f, number, plan.wide), type)
            with f.loop(0, plan.block) as strips:
                y = f.at(here, times(f, strips.index, plan.wide), type)
                goal = f.at(to, times(f, strips.index, plan.tiles * plan.wide), type)
                self._filtered(f, "factors", (y, pitch, wide), (goal, plan.steps[1]), plan.wide)

    def _filtered(
        self, f: Function, word: str, source: tuple[Value, int, int], target: tuple[Value, int],
        count: int,
    ) -> None:  # fmt: skip
        """Transform a grid; source and target have their steps."""
        name = transform_name(self.module, self.type, word, self.plan.tile)
        f.call(name, VOID, *(f.coerce(x, I64) for x in (*source, *target, count)))

    def _end(self, f: Function, sums: Value, result: Value) -> None:
        """The nine sums of every kernel."""
        plan, type = self.plan, self.type
        own, whole = plan.terms * plan.wide, plan.taps * plan.wide
        down = (plan.tile + TAPS - 1) * plan.steps[2]
        with f.loop(0, plan.block) as strips, f.loop(0, plan.terms) as terms:
            at = f.add(times(f, strips.index, own), times(f, terms.index, plan.wide))
            to = f.add(
                times(f, strips.index, whole), times(f, terms.index, plan.kernel * plan.wide)
            )
            grid = f.at(sums, at, type), down, plan.steps[2]
            self._filtered(f, "sums", grid, (f.at(result, to, type), plan.wide), plan.wide)

    # --- products ---------------------------------------------------------------------------------
    def _products(self, terms: Number) -> None:
        """Every position's product of what is at hand, added to its sums."""
        f, plan, type = self.f, self.plan, self.type
        with f.loop(0, plan.positions) as at, f.loop(0, plan.block) as strips:
            x, y, sums = (
                f.at(base, times(f, at.index, step), type)
                for base, step in zip((self.x, self.y, self.sums), plan.steps)
            )
            y = f.at(y, times(f, strips.index, plan.tiles * plan.wide), type)
            sums = f.at(sums, times(f, strips.index, plan.terms * plan.wide), type)
            for first, rows, count in plan.heights:
                name = self._tile(rows)
                with f.loop(0, count) as tiles:
                    channel = f.add(times(f, tiles.index, rows), first)
                    f.call(
                        name, VOID, f.at(x, channel, type), y,
                        f.at(sums, times(f, channel, plan.wide), type), f.coerce(terms, I64),
                    )  # fmt: skip

    def _tile(self, rows: int) -> str:
        """The product of some channels of the input with a strip, one for layers of all sizes."""
        plan, lanes = self.plan, tuple(range(0, self.plan.wide, self.type.lanes))
        out = tuple(n * plan.wide for n in range(rows)), lanes
        loops = ((1, plan.deep, plan.wide),)
        unroll = unrolled(self.type, plan.vectors, rows)
        tile = Tile(self.type, tuple(range(rows)), lanes, loops, out, unroll, adds=True, cut=True)
        return tile_name(self.module, tile)
