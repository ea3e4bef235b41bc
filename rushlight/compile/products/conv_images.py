"""Correlations with lanes along the images of a batch.

The way back through a convolution without padding looks, from most places of a small image, at
windows that lie half outside: planes with zeros around them cost as much again as what is asked
for. Here some images are turned into vectors first, so that every place sums just those taps that
meet the source, and no lane is lost on narrow images. A tile is some channels of the result by one
place of those images: numbers of the weight, as it lies, times vectors of the source.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..code.emit import I64, PTR, VOID, Function, Module, Type, Value, constant, vector
from ..records import field, record
from .caches import caches_for
from .conv_channels_plan import data_way, even, forward_way
from .conv_kernel import Finish
from .conv_plan import STACK, Array, Pair, Shape
from .conv_tile import wide, wide_step
from .gemm_plan import tile_shapes
from .packing import KERNEL, Number, positions, quotient, table_entry, times, turn_name
from .tiles import known_mask

WIDE = 2  # vectors of images in a tile
ROOM = 7 / 8  # of the second cache, for turned images, sums and weights
ALONE = 1.2  # times the cycles of a term, where it has one vector of 512 bits
FETCHED = 16  # cycles for as many weights as there are lanes of 512 bits, of terms that lie apart
UNITS = 8  # so many units let threads share the work


@record(frozen=True)
class Line:
    """One spatial dimension: place t reads element `t + shift + n * turn` of the source at tap n.

    Only those taps count that meet it; `turn` is 1 or -1.
    """

    size: int  # of the source
    out: int  # of the result
    kernel: int
    shift: int
    turn: int

    def taps(self, place: int) -> tuple[int, int]:
        """The first tap that meets the source, and the one after the last."""
        at = place + self.shift
        low, high = (-at, self.size - at) if self.turn == 1 else (at - self.size + 1, at + 1)
        return max(0, low), min(self.kernel, high)

    @property
    def counts(self) -> list[int]:
        return [high - low for low, high in map(self.taps, range(self.out))]


@record(frozen=True)
class ImagesPlan:
    """One correlation and how it is done."""

    type: Type
    images: int
    rows: int
    terms: int
    lines: tuple[Line, Line]
    source: Array  # n, g, term, h, w
    weight: Array  # g, row, term, i, j
    tile: Pair  # rows, vectors
    scratch: int = 0
    cost: float = field(default=0.0, compare=False)

    @property
    def wide(self) -> int:
        """Images of a unit."""
        return self.tile[1] * self.type.lanes

    @property
    def plane(self) -> int:
        """Elements of one term of an image."""
        return self.lines[0].size * self.lines[1].size

    @property
    def places(self) -> int:
        return self.lines[0].out * self.lines[1].out

    @property
    def heights(self) -> tuple[tuple[int, int, int], ...]:
        """Tiles: the first row, how many it has, and how many such tiles."""
        return even(self.rows, self.tile[0])

    @property
    def most(self) -> int:
        """Rows of the highest tile."""
        return max(rows for _, rows, _ in self.heights)

    @property
    def gathers(self) -> bool:
        """Whether the weights of a tile are brought together: terms lie far behind its rows."""
        _, row, term, *_ = self.weight.steps
        return self.terms > 1 and term > row

    def run(self, rows: int) -> int:
        """Elements from the first weight of a term to the last."""
        _, row, _, i, j = self.weight.steps
        return (
            (rows - 1) * row + (self.lines[0].kernel - 1) * i + (self.lines[1].kernel - 1) * j + 1
        )

    def room(self, rows: int) -> int:
        """From one term to the next where they were brought together."""
        return -(-self.run(rows) // self.type.lanes) * self.type.lanes

    @property
    def units(self) -> Pair:
        """Groups of images, and parts of the rows: few groups are turned by several units."""
        groups = self.images // self.wide
        tiles = sum(count for *_, count in self.heights)
        return groups, min(tiles, -(-UNITS // groups))

    @property
    def stack(self) -> int:
        """Bytes: turned images, the sums of a tile at all places, and its weights."""
        found = self.terms * self.plane + self.most * self.places + self.type.lanes
        weights = self.terms * self.room(self.most) if self.gathers else 0
        return (found * self.wide + weights) * self.type.size


def plan_images(
    kind: str, shape: Shape, dtype: str, source: Array, weight: Array, target: Any
) -> ImagesPlan | None:
    """The plan, where the batch has as many images as lanes and they lie in order.

    Only for vectors of 256 bits, on which it was measured: wider ones want more images at once.
    """
    type = vector(dtype, target.lanes(dtype))
    whole = shape.groups == 1 and {*shape.stride, *shape.dilation} == {1}
    if not whole or target.bits < 256 or shape.images % type.lanes:
        return None
    make = forward_way if kind == "forward" else data_way
    ways = [
        make(*at) for at in zip(
            shape.size, shape.kernel, shape.out, shape.stride, shape.padding, shape.dilation
        )
    ]  # fmt: skip
    down, across = (
        Line(way.size, way.out, kernel, way.taps[0][0][1], 1 if kind == "forward" else -1)
        for way, kernel in zip(ways, shape.kernel)
    )
    rows, terms = (shape.outs, shape.ins) if kind == "forward" else (shape.ins, shape.outs)
    sizes, steps = (terms, down.size), (down.size * across.size, across.size, 1)
    known = zip((*sizes, across.size), source.steps[2:], steps)
    ordered = all(size == 1 or step == wanted for size, step, wanted in known)
    vectors = WIDE if shape.images % (WIDE * type.lanes) == 0 else 1
    tile = max(at for at in tile_shapes(target.registers, target.fma, type.lanes)
               if at[1] == vectors)  # fmt: skip
    plan = ImagesPlan(
        type, shape.images, rows, terms, (down, across), source, weight, tile
    )  # fmt: skip
    room = min(STACK, ROOM * caches_for(type).l2_bytes)
    if not ordered or plan.terms * plan.plane < type.lanes or plan.stack > room:
        return None
    if min(*down.counts, *across.counts) < 1:
        return None
    plan.__dict__["cost"] = _cost(plan)
    return plan


def _cost(plan: ImagesPlan) -> float:
    """Cycles per image, roughly."""
    down, across = (sum(line.counts) for line in plan.lines)
    vectors, places, w = plan.tile[1], plan.places, plan.type.lanes
    cycles = 0.0
    for _, rows, count in plan.heights:
        sums = rows * vectors
        step = max(sums / 2, rows * 0.5 + vectors, (sums + rows + vectors + 5) / 4, 4)
        step += 0.25 * rows + 0.15 * vectors
        if wide(plan.type):
            step = wide_step(rows, vectors) * (1.0 if vectors > 1 else ALONE)
        runs = down * plan.lines[1].out * plan.terms  # of taps, each a loop
        each = plan.terms * down * across * step + runs * 3 + places * (40 + 2 * sums)
        cycles += count * each
    moved = (plan.terms * plan.plane * plan.units[1] * 3 + plan.rows * places * 9) / w
    if plan.gathers and wide(plan.type):
        cycles += plan.rows * plan.terms * math.prod(x.kernel for x in plan.lines) / w * FETCHED
    return cycles / plan.wide + moved


def emit_images(
    module: Module, name: str, plan: ImagesPlan, finish: Finish, flat: bool
) -> int:  # fmt: skip
    """Add the kernel; give its number of units.

    Where it is `flat`, `finish` may be given a whole plane as one row.
    """
    for _, rows, _ in plan.heights:
        emit_rows(module, f"{name}_tile{rows}", plan, rows)
        _End(module, f"{name}_end{rows}", plan, rows, finish, flat).emit()
    f, type, wide = module.function(name, KERNEL), plan.type, plan.wide
    source = table_entry(f, type, plan.source.slot, plan.source.offset)
    weight = table_entry(f, type, plan.weight.slot, plan.weight.offset)
    turned = f.stack(type.scalar, plan.terms * plan.plane * wide)
    sums = f.stack(type.scalar, (plan.most * plan.places + type.lanes) * wide)
    near = f.stack(type.scalar, plan.terms * plan.room(plan.most)) if plan.gathers else None
    (groups, parts), (table, begin, end) = plan.units, f.arguments
    with f.loop(begin, end) as units:
        group, part = positions(f, units.index, [(groups, ()), (parts, ())])[1]
        image = times(f, group, wide)
        here = f.at(source, times(f, image, plan.source.steps[0]), type)
        f.apart(f"{name}_turn", [here, turned], lambda f, *at: _turn(f, plan, *at))
        for first, rows, tiles in plan.heights:
            low, high = (quotient(f, times(f, f.add(part, n), tiles), parts, parts * tiles + 1)
                         for n in (0, 1))  # fmt: skip
            with f.loop(low, high) as tile:
                row = f.add(times(f, tile.index, rows), first)
                x = f.at(weight, times(f, row, plan.weight.steps[1]), type)
                if near is not None:
                    write = functools.partial(_gather, plan, rows)
                    f.apart(f"{name}_gather{rows}", [x, near], write)
                    x = near
                _places(f, plan, f"{name}_tile{rows}", (x, turned, sums))
                numbers = [f.coerce(n, I64) for n in (image, 0, row, 0)]
                f.call(f"{name}_end{rows}", VOID, table, sums, *numbers)
    return groups * parts


def _turn(f: Function, plan: ImagesPlan, source: Value, target: Value) -> None:
    """The elements of some images, in order, each a vector of them."""
    type, w, length = plan.type, plan.type.lanes, plan.terms * plan.plane
    turn, step = turn_name(f.module, type), plan.source.steps[0]

    def block(at: Number) -> None:
        for n in range(plan.tile[1]):
            f.call(
                turn, VOID, f.at(source, f.add(at, n * w * step), type), constant(step, I64),
                f.at(target, f.add(times(f, at, plan.wide), n * w), type),
                constant(plan.wide, I64),
            )  # fmt: skip

    with f.loop(0, length // w * w, w) as blocks:
        block(blocks.index)
    if length % w:
        block(length - w)


def _gather(plan: ImagesPlan, rows: int, f: Function, source: Value, target: Value) -> None:
    """The weights of some rows, term by term: each is a run in which they lie as before."""
    type, w, length = plan.type, plan.type.lanes, plan.run(rows)
    with f.loop(0, plan.terms) as terms:
        here = f.at(source, times(f, terms.index, plan.weight.steps[2]), type)
        there = f.at(target, times(f, terms.index, plan.room(rows)), type)
        with f.loop(0, length // w * w, w) as run:
            f.store(f.load(type, here, run.index), there, run.index)
        if length % w:
            at = length // w * w
            f.store(f.load(type, here, at, known_mask(type, length % w)), there, at)


def _places(f: Function, plan: ImagesPlan, tile: str, at: tuple[Value, Value, Value]) -> None:
    """The sums of a tile's rows at every place, over the taps that meet the source."""
    (x, y, out), (down, across), type = at, plan.lines, plan.type
    *_, i, j = plan.weight.steps
    with f.loop(0, down.out) as lines:
        first, tall, line = _met(f, down, lines.index)
        x = f.at(x, times(f, first, i), type)
        y = f.at(y, times(f, line, across.size * plan.wide), type)
        out = f.at(out, times(f, lines.index, across.out * plan.wide), type)
        with f.loop(0, across.out) as places:
            first, long, place = _met(f, across, places.index)
            f.call(
                tile, VOID, f.at(x, times(f, first, j), type),
                f.at(y, times(f, place, plan.wide), type),
                f.at(out, times(f, places.index, plan.wide), type), tall, long,
            )  # fmt: skip


def _met(f: Function, line: Line, place: Value) -> tuple[Value, Value, Value]:
    """Of a place: its first tap, how many it has, and what the first reads."""
    at = f.coerce(f.add(place, line.shift), I64)
    if line.turn == 1:
        low, high = f.sub(0, at), f.sub(line.size, at)
    else:
        low, high = f.sub(at, line.size - 1), f.add(at, 1)
    first = f.intrinsic("smax", f.coerce(low, I64), constant(0, I64))
    last = f.intrinsic("smin", f.coerce(high, I64), constant(line.kernel, I64))
    read = f.add(at, first) if line.turn == 1 else f.sub(at, first)
    return first, f.coerce(f.sub(last, first), I64), f.coerce(read, I64)


def emit_rows(module: Module, name: str, plan: ImagesPlan, rows: int) -> str:
    """Add the tile `(x, y, out, tall, long)`: sums of `rows` channels at one place.

    It is told how many taps meet the source; there is at least one.
    """
    given = [("x", PTR), ("y", PTR), ("out", PTR), ("tall", I64), ("long", I64)]
    f, type, (_, vectors) = module.function(name, given, internal=True), plan.type, plan.tile
    x, y, out, tall, long = f.arguments
    _, row, term, i, j = plan.weight.steps
    down, across = plan.lines
    wide, w = plan.wide, type.lanes

    def tap(x: Value, y: Value, sums: list[Value]) -> list[Value]:
        several = [f.load(type, y, n * w) for n in range(vectors)]
        result: list[Value] = []
        for r in range(rows):
            number = f.splat(f.load(type.scalar, x, r * row), w)
            for value in several:
                result.append(f.fma(number, value, sums[len(result)]))
        return result

    def line(x: Value, y: Value, sums: list[Value]) -> list[Value]:
        return _loop(f, type, long, (x, y, sums), (j, across.turn * wide), tap)

    def plane(x: Value, y: Value, sums: list[Value]) -> list[Value]:
        steps = i, down.turn * across.size * wide
        return _loop(f, type, tall, (x, y, sums), steps, line)

    zeros = [constant(0.0, type)] * (rows * vectors)
    term = plan.room(rows) if plan.gathers else term
    sums = _loop(f, type, plan.terms, (x, y, zeros), (term, plan.plane * wide), plane)
    for number, value in enumerate(sums):
        r, n = divmod(number, vectors)
        f.store(value, out, r * plan.places * wide + n * w)
    return name


def _loop(
    f: Function, type: Type, count: Number, at: tuple[Value, Value, list[Value]], steps: Pair,
    body: Callable[[Value, Value, list[Value]], list[Value]],
) -> list[Value]:  # fmt: skip
    """The sums after `count` rounds of body(x, y, sums), both pointers moving by their steps."""
    x, y, sums = at
    with f.loop(0, count, carry=[x, y, *sums], some=True) as loop:
        x, y, *inside = loop.carried
        new = body(x, y, inside)
        loop.next(f.at(x, steps[0], type), f.at(y, steps[1], type), *new)
    return loop.results[2:]


class _End:
    """Writes `(table, sums, image, group, row, start)`: sums of `rows` channels to the result."""

    GIVEN = [
        ("table", PTR), ("sums", PTR), *((n, I64) for n in ("image", "group", "row", "start")),
    ]  # fmt: skip

    def __init__(
        self, module: Module, name: str, plan: ImagesPlan, rows: int, finish: Finish, flat: bool
    ) -> None:
        self.f: Function = module.function(name, self.GIVEN, internal=True)
        self.plan, self.rows, self.finish, self.flat = plan, rows, finish, flat

    def emit(self) -> None:
        f, plan, (down, across) = self.f, self.plan, self.plan.lines
        w = plan.type.lanes
        self.square = f.stack(plan.type.scalar, w * w)
        _, sums, image, _, first, _ = f.arguments
        with f.loop(0, self.rows) as rows, f.loop(0, plan.wide, w) as part:
            at = f.add(times(f, rows.index, plan.places * plan.wide), part.index)
            here, row = f.at(sums, at, plan.type), f.add(first, rows.index)
            self.images = f.add(image, part.index)
            if self.flat:
                self._line(here, row, 0, plan.places)
                return
            with f.loop(0, down.out) as line:
                there = f.at(here, times(f, line.index, across.out * plan.wide), plan.type)
                self._line(there, row, line.index, across.out)

    def _line(self, source: Value, row: Value, a: Number, length: int) -> None:
        """Places of one row of the result, or of its whole plane."""
        f, w = self.f, self.plan.type.lanes
        with f.loop(0, length // w * w, w) as blocks:
            self._block(source, row, a, blocks.index, None)
        if length % w:
            mask = known_mask(self.plan.type, length % w)
            self._block(source, row, a, length // w * w, mask)

    def _block(self, source: Value, row: Value, a: Number, b: Number, mask: Value | None) -> None:
        """As many places of as many images as there are lanes."""
        f, plan, type, w = self.f, self.plan, self.plan.type, self.plan.type.lanes
        here = f.at(source, times(f, b, plan.wide), type)
        turn = turn_name(f.module, type)
        f.call(turn, VOID, here, constant(plan.wide, I64), self.square, constant(w, I64))
        with f.loop(0, w) as image:
            value = f.load(type, self.square, times(f, image.index, w))
            if mask is not None:
                value = f.select(mask, value, 0.0)
            place = f.add(self.images, image.index), f.arguments[3], row, a, b
            self.finish(f, value, place, mask)
