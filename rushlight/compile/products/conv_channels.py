"""The kernels of a correlation with lanes along the channels of its result.

`name_before` packs weights or pads the source; `name` sums, turns and ends, unit by unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from ..code.emit import I64, PTR, VOID, Function, Module, Value, constant
from .conv_channels_pack import Packer
from .conv_channels_plan import ChannelPlan, Triple, even
from .conv_kernel import Finish
from .conv_plan import Array
from .conv_prefetch import ChannelWishes
from .conv_stage import Stage
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Number, clear, positions, quotient, table_entry, times, turn_name
from .tiles import Tile, known_mask, tile_name

UNROLLED = 4  # vectors of a row that are written out
PACKS = "w"  # what a kernel that packs weights says that it packs


def emit_channels(
    module: Module, name: str, plan: ChannelPlan, finish: Finish, scratch: int, flops: int,
    touched: Sequence[Array] = (), flat: bool = False,
) -> list[KernelCall]:  # fmt: skip
    """Add the kernels; `scratch` is the slot of what all units share.

    `touched` are arrays that `finish` reads or writes at every place: they are asked for early.
    Where it is `flat`, it may be given a whole plane as one row.
    """
    driver, calls = _Driver(module, name, plan, finish, scratch, touched, flat), []
    before = [("pack", driver.pack, PACKS)] * bool(plan.weights)
    before += [("pad", driver.pad, "")] * plan.pads
    for word, write, packs in before:
        units, each = write(f"{name}_{word}")
        grain = max(1, (1 << 15) // each)
        calls.append(KernelCall(f"{name}_{word}", units, grain, packs=packs))
    units = driver.emit()
    calls.append(KernelCall(name, units, max(1, CHUNK_FLOPS * units // max(1, flops)), flops))
    return calls


class _Driver:
    def __init__(
        self, module: Module, name: str, plan: ChannelPlan, finish: Finish, scratch: int,
        touched: Sequence[Array], flat: bool,
    ) -> None:  # fmt: skip
        self.module, self.name, self.plan, self.finish = module, name, plan, finish
        self.type, self.scratch, self.flat = plan.type, scratch, flat and plan.flat
        self.squares = self.flat and plan.image_sums % plan.type.lanes == 0
        self.wishes = ChannelWishes(plan, touched, sum(a[2] * b[2] for *_, a, b in self._kinds()))

    # --- what comes before ------------------------------------------------------------------------
    def pad(self, name: str) -> tuple[int, int]:
        """The kernel that pads images: how many units, and elements of each."""
        f = self.f = self.module.function(name, KERNEL)
        plan, type = self.plan, self.type
        shared = table_entry(f, type, self.scratch)
        self._operands()
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            a, b = positions(f, units.index, [(plan.images, ()), (plan.groups, ())])[1]
            Stage(f, plan).fill(self._image(a, b), 0, f.at(shared, self._padded(a, b), type))
        return plan.images * plan.groups, plan.image_room

    def pack(self, name: str) -> tuple[int, int]:
        """The kernel that packs all weights: how many units, and elements of each."""
        f = self.f = self.module.function(name, KERNEL)
        plan, type = self.plan, self.type
        shared = table_entry(f, type, self.scratch)
        self._operands()
        packer = Packer(f, plan)
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            a, b = positions(f, units.index, [(plan.groups, ()), (plan.blocks, ())])[1]
            self._pack_block(packer, a, b, f.at(shared, times(f, a, plan.packed), type))
        return plan.groups * plan.blocks, plan.packed // plan.blocks

    def _pack_block(self, packer: Packer, group: Number, block: Number, target: Value) -> None:
        """One block of channels of a whole group."""
        f, plan, number = self.f, self.plan, 0
        lane = plan.terms * plan.taps * self.type.lanes
        weight = f.at(self.weight, times(f, group, plan.weight.steps[0]), self.type)
        for first, size, count in plan.strips:
            with f.if_(self._among(block, number, count)):
                at = f.add(times(f, f.sub(block, number), size), first)
                packer.block(f.at(target, times(f, at, lane), self.type), weight, at, size, 0)
            number += count

    def _among(self, number: Number, first: int, count: int) -> Value:
        f = self.f
        at = f.coerce(f.sub(number, first), I64)
        return f.emit(I64.of("bool"), f"icmp ult {at.typed}, {count}")

    def _operands(self) -> None:
        f, plan = self.f, self.plan
        self.source = table_entry(f, self.type, plan.source.slot, plan.source.offset)
        self.weight = table_entry(f, self.type, plan.weight.slot, plan.weight.offset)

    def _image(self, image: Number, group: Number) -> Value:
        f, steps = self.f, self.plan.source.steps
        at = f.add(times(f, image, steps[0]), times(f, group, steps[1]))
        return f.at(self.source, at, self.type)

    def _padded(self, image: Number, group: Number) -> Number:
        """Where an image of the padded source begins."""
        f, plan = self.f, self.plan
        whole = plan.terms * plan.term_step
        at = f.add(times(f, group, whole), times(f, image, plan.plane))
        return f.add(at, plan.weights)

    # --- the sums ---------------------------------------------------------------------------------
    def emit(self) -> int:
        """The kernel; gives its number of units."""
        plan, type = self.plan, self.type
        if self.squares:
            End(self.module, f"{self.name}_end", plan, 1, self.finish, self.flat).square()
        for size in {size for _, size, _ in plan.strips} if not self.squares else ():
            end = f"{self.name}_end{size}"
            End(self.module, end, plan, size, self.finish, self.flat).emit()
        f = self.f = self.module.function(self.name, KERNEL)
        self._operands()
        self.shared = table_entry(f, type, self.scratch) if plan.scratch else self.source
        self.ends = [table_entry(f, type, x.slot, x.offset) for x in self.wishes.touched]
        wide = plan.vectors * type.lanes
        self.sums = f.stack(type.scalar, (plan.kept * plan.image_sums + type.lanes) * wide)
        self.turned = f.stack(type.scalar, wide * plan.room)
        if plan.packs:
            self.packed, self.packer = f.stack(type.scalar, plan.packed), Packer(f, plan)
        if plan.padded and not plan.own:
            self.padded = f.stack(type.scalar, plan.together * plan.image_room)
        _, begin, end = f.arguments
        units, count = plan.units, 1
        with f.loop(begin, end) as loop:
            self._unit(*positions(f, loop.index, [(n, ()) for n in units])[1])
        for n in units:
            count *= n
        return count

    def _unit(self, part: Number, group: Number, block: Number, strip: Number) -> None:
        f, plan, type = self.f, self.plan, self.type
        self.group, self.first = group, times(f, part, plan.together)
        self.start = times(f, block, plan.block)
        source = self._source()
        weight = f.at(self.weight, times(f, group, plan.weight.steps[0]), type)
        number = 0
        for first, size, count in plan.strips:
            if plan.own:
                with f.if_(self._among(strip, number, count)):
                    at = f.add(times(f, f.sub(strip, number), size), first)
                    self._strip(source, weight, at, size, 0)
            else:
                with f.loop(0, count) as strips:
                    at = f.add(times(f, strips.index, size), first)
                    self._strip(source, weight, at, size, f.add(strips.index, number))
            number += count

    def _source(self) -> Value:
        """Where the unit's first image begins, as tiles read it."""
        f, plan, type = self.f, self.plan, self.type
        if not plan.padded:
            at = times(f, self.start, plan.ways[0].jump * plan.source.steps[3])
            return f.at(self._image(self.first, self.group), at, type)
        if plan.own:
            return f.at(self.shared, self._padded(self.first, self.group), type)
        line = times(f, self.start, plan.ways[0].jump)
        with f.loop(0, plan.together) as images:
            at = f.at(self.padded, times(f, images.index, plan.image_room), type)
            Stage(f, plan).fill(self._image(f.add(self.first, images.index), self.group), line, at)
        return self.padded

    def _strip(self, source: Value, weight: Value, first: Number, size: int, strip: Number) -> None:
        """One block of channels, from vector `first` on; it is the unit's block `strip`."""
        f, plan, type = self.f, self.plan, self.type
        chunk, whole = plan.places[0], plan.cut == plan.terms
        done = times(f, strip, plan.rounds)
        if whole:
            packed = self._weights(weight, first, size, 0)
            following = self._following(weight, packed, first, size, 0)
            with f.loop(0, plan.together, chunk) as images:
                here = f.at(source, times(f, images.index, plan.steps[0]), type)
                turn = f.add(0 if plan.lasting else done, self._part(images.index, chunk))
                self.asks = following, turn, self._ends(images.index, first), 0
                self._tiles(here, packed, 0, size, chunk, self.sums)
                self._finish(images.index, chunk, first, size)
            return
        each = plan.image_sums * size * type.lanes
        clear(f, self.sums, plan.together * each * type.size)
        ends = self._ends(0, first)
        with f.loop(0, plan.terms, plan.at_once) as parts:
            packed = self._weights(weight, first, size, parts.index)
            following = self._following(weight, packed, first, size, parts.index)
            with f.loop(0, plan.at_once, plan.cut) as cuts:
                term = f.add(parts.index, cuts.index)
                here = f.at(source, times(f, term, plan.steps[1]), type)
                with f.loop(0, plan.together, chunk) as images:
                    there = f.at(here, times(f, images.index, plan.steps[0]), type)
                    sums = f.at(self.sums, times(f, images.index, each), type)
                    cut = times(f, self._part(cuts.index, plan.cut), plan.together // chunk)
                    turn = f.add(cut, self._part(images.index, chunk))
                    part = times(f, self._part(parts.index, plan.at_once), plan.rounds)
                    self.asks = following, f.add(done, turn), ends, f.add(part, turn)
                    if plan.lasting:
                        ahead = times(f, f.add(cuts.index, plan.cut), plan.taps * size * type.lanes)
                        first_turn = self._part(images.index, chunk)
                        self.asks = [f.at(packed, ahead, type)], first_turn, ends, f.add(part, turn)
                    self._tiles(there, packed, cuts.index, size, chunk, sums)
        self._finish(0, plan.together, first, size)

    def _part(self, index: Number, step: int) -> Number:
        """The number of a step of a loop."""
        return quotient(self.f, index, step, max(self.plan.terms, self.plan.together))

    def _following(
        self, weight: Value, packed: Value, first: Number, size: int, term: Number
    ) -> list[Value]:
        """What is read next: other weights, or the source of the next unit."""
        f, plan, (stream, _) = self.f, self.plan, self.wishes.streams
        if not stream.lines:
            return []
        if plan.lasting:
            return [f.at(packed, plan.terms * plan.taps * size * self.type.lanes, self.type)]
        if not plan.own:
            if plan.units[2] == 1:
                return [self._image(f.add(self.first, plan.together), self.group)]
            line = times(f, f.add(self.start, plan.block), plan.ways[0].jump)
            at = times(f, line, plan.source.steps[3])
            return [f.at(self._image(self.first, self.group), at, self.type)]
        _, row, step, *_ = plan.weight.steps
        last = f.compare(">=", f.coerce(f.add(term, plan.at_once), I64), plan.terms)
        more, other = (
            f.add(times(f, f.add(first, vectors), self.type.lanes * row), times(f, terms, step))
            for vectors, terms in ((size, 0), (0, f.add(term, plan.at_once)))
        )
        at = f.select(last, f.coerce(more, I64), f.coerce(other, I64))
        return [f.at(weight, at, self.type)]

    def _ends(self, image: Number, first: Number) -> list[Value]:
        """What the end of a block touches, from some image on."""
        f, found = self.f, []
        for base, array in zip(self.ends, self.wishes.touched):
            n, g, row, line, _ = array.steps
            at = f.add(times(f, f.add(self.first, image), n), times(f, self.group, g))
            at = f.add(at, times(f, first, row * self.type.lanes))
            at = f.add(at, times(f, self.start, self.plan.ways[0].step * line))
            found.append(f.at(base, at, self.type))
        return found

    def _weights(self, weight: Value, first: Number, size: int, term: Number) -> Value:
        """The packed weights of a block."""
        f, plan = self.f, self.plan
        if plan.packs:
            self.packer.block(self.packed, weight, first, size, term)
            return self.packed
        lane = plan.terms * plan.taps * self.type.lanes
        at = f.add(times(f, self.group, plan.packed), times(f, first, lane))
        return f.at(self.shared, at, self.type)

    def _kinds(self) -> Iterator[tuple[int, int, Triple, Triple]]:
        """Tiles of one kind: phases; first, size and number of rows, the same of columns."""
        plan, (down, across) = self.plan, self.plan.ways
        parts = [even(plan.block, plan.places[1]), even(across.places, plan.places[2])]
        for p, q in product(range(down.step), range(across.step)):
            for lines, columns in product(*parts):
                yield p, q, lines, columns

    def _tiles(
        self, source: Value, packed: Value, term: Number, size: int, images: int, sums: Value
    ) -> None:
        """The sums of some images at all places of the unit, over terms from `term` on."""
        f, plan, (down, across) = self.f, self.plan, self.plan.ways
        wide, (_, _, line, step) = size * self.type.lanes, plan.steps
        number = 0
        for p, q, (l0, lines, n), (c0, columns, m) in self._kinds():
            tile = self._tile(p, q, size, (images, lines, columns))
            base, count = plan.run_of(p, q)
            weights = f.at(packed, f.add(times(f, term, count * wide), base * wide), self.type)
            start = self._from(p, q)
            with f.loop(0, n) as rows, f.loop(0, m) as blocks:
                a = f.add(times(f, rows.index, lines), l0)
                b = f.add(times(f, blocks.index, columns), c0)
                at = f.add(times(f, a, down.jump * line), times(f, b, across.jump * step))
                to = f.add(times(f, a, down.step * plan.width), times(f, b, across.step))
                to = f.add(to, p * plan.width + q)
                turn = f.add(f.add(times(f, rows.index, m), blocks.index), number)
                f.call(
                    tile, VOID, f.at(source, f.add(at, start), self.type), weights,
                    f.at(sums, times(f, to, wide), self.type), *self._wanted(p, q, turn, packed),
                )  # fmt: skip
            number += n * m

    def _wanted(self, p: int, q: int, number: Number, idle: Value) -> list[Value]:
        """Where call `number` of a round asks for lines."""
        f, found = self.f, []
        following, turn, ends, later = self.asks
        if not self._walks(p, q):
            return []
        for stream, bases, at in zip(self.wishes.streams, (following, ends), (turn, later)):
            if stream.lines:
                call = f.add(times(f, at, self.wishes.calls), number)
                found.append(stream.pointer(f, bases, call, idle))
        return found

    def _walks(self, p: int, q: int) -> tuple[int, ...]:
        """Lines that tiles of a phase ask for per round."""
        down, across = self.plan.ways
        if p >= len(down.taps) or q >= len(across.taps) or not down.taps[p] or not across.taps[q]:
            return ()
        return tuple(stream.lines for stream in self.wishes.streams if stream.lines)

    def _from(self, p: int, q: int) -> int:
        """Where the first tap of a phase reads."""
        at = 0
        for way, phase, step in zip(self.plan.ways, (p, q), self.plan.steps[2:]):
            if phase < len(way.taps):
                at += (way.run(phase)[0][1] + way.before) * step
        return at

    def _tile(self, p: int, q: int, size: int, places: Triple) -> str:
        plan, (down, across), w = self.plan, self.plan.ways, self.type.lanes
        image, term, line, step = plan.steps
        wide = size * w
        x, out = [], []
        for i, a, b in product(*map(range, places)):
            x.append(i * image + a * down.jump * line + b * across.jump * step)
            to = i * plan.image_sums + a * down.step * plan.width + b * across.step
            out.append(to * wide)
        loops = [(0, 0, 0)]
        if p < len(down.taps) and q < len(across.taps):
            _, (_, di), tall = down.run(p)
            _, (_, dj), long = across.run(q)
            loops = [
                (plan.cut, term, tall * long * wide), (tall, di * line, long * wide),
                (long, dj * step, wide),
            ]  # fmt: skip
        lanes = tuple(range(0, wide, w))
        tile = Tile(
            self.type, tuple(x), lanes, tuple(loops), (tuple(out), lanes),
            adds=plan.cut < plan.terms, walks=self._walks(p, q),
        )  # fmt: skip
        return tile_name(self.module, tile)

    def _finish(self, image: Number, count: int, first: Number, size: int) -> None:
        """Turn the sums of some images and bring them to the result."""
        f, plan, type = self.f, self.plan, self.type
        w, wide = type.lanes, size * type.lanes
        turn = turn_name(self.module, type)
        with f.loop(0, count) as images:
            here = f.at(self.sums, times(f, images.index, plan.image_sums * wide), type)
            number = f.add(f.add(self.first, image), images.index)
            if self.squares:
                self._squares(here, number, times(f, first, w), wide)
                return
            with f.loop(0, plan.room, w) as places, f.loop(0, wide, w) as lanes:
                come = f.add(times(f, places.index, wide), lanes.index)
                to = f.add(times(f, lanes.index, plan.room), places.index)
                f.call(
                    turn, VOID, f.at(here, come, type), constant(wide, I64),
                    f.at(self.turned, to, type), constant(plan.room, I64),
                )  # fmt: skip
            at = (number, self.group, times(f, first, w), self.start)
            numbers = [f.coerce(n, I64) for n in at]
            f.call(f"{self.name}_end{size}", VOID, f.arguments[0], self.turned, *numbers)

    def _squares(self, sums: Value, image: Number, channel: Number, wide: int) -> None:
        """As many places as lanes at a time, which stay in the first cache."""
        f, plan, type, w = self.f, self.plan, self.type, self.type.lanes
        turn, steps = turn_name(self.module, type), (constant(wide, I64), constant(w, I64))
        start = times(f, self.start, plan.ways[0].step * plan.width)
        with f.loop(0, plan.image_sums, w) as places, f.loop(0, wide, w) as lanes:
            come = f.add(times(f, places.index, wide), lanes.index)
            f.call(turn, VOID, f.at(sums, come, type), steps[0], self.turned, steps[1])
            at = (image, self.group, f.add(channel, lanes.index), f.add(start, places.index))
            numbers = [f.coerce(n, I64) for n in at]
            f.call(f"{self.name}_end", VOID, f.arguments[0], self.turned, *numbers)


class End:
    """Writes `(table, sums, image, group, row, start)`: turned sums of an image to the result.

    `plan` is a `ChannelPlan`, or what has its attributes of sums; `flat` planes are one row.
    """

    GIVEN = [
        ("table", PTR), ("sums", PTR), *((n, I64) for n in ("image", "group", "row", "start")),
    ]  # fmt: skip

    def __init__(
        self, module: Module, name: str, plan: Any, size: int, finish: Finish, flat: bool
    ) -> None:
        self.f: Function = module.function(name, self.GIVEN, internal=True)
        self.flat = flat
        self.plan, self.finish, self.type = plan, finish, plan.type
        self.wide = size * plan.type.lanes

    def emit(self) -> None:
        f, plan = self.f, self.plan
        down, _ = plan.ways
        _, sums, _, _, first, start = f.arguments
        rows: Number = self.wide
        if plan.rows % self.type.lanes:
            rest = f.sub(plan.rows, first)
            rows = f.select(f.compare("<", rest, self.wide), rest, self.wide)
        top = times(f, start, down.step)
        lines: Number = plan.block * down.step
        if down.out % lines:
            rest = f.sub(down.out, top)
            lines = f.select(f.compare("<", rest, lines), rest, lines)
        with f.loop(0, rows, some=True) as row:
            here = f.at(sums, times(f, row.index, plan.room), self.type)
            if self.flat:
                self._vectors(here, f.add(first, row.index), top, plan.image_sums)
            else:
                with f.loop(0, lines) as line:
                    at = f.at(here, times(f, line.index, plan.width), self.type)
                    a = f.add(top, line.index)
                    self._vectors(at, f.add(first, row.index), a, plan.ways[1].out)

    def square(self) -> None:
        """Of a vector of channels, from place `start` on."""
        f, w = self.f, self.type.lanes
        _, sums, _, _, first, start = f.arguments
        rows: Number = w
        if self.plan.rows % w:
            rest = f.sub(self.plan.rows, first)
            rows = f.select(f.compare("<", rest, w), rest, w)
        with f.loop(0, rows, some=True) as row:
            here = f.at(sums, times(f, row.index, w), self.type)
            self._vector(here, f.add(first, row.index), 0, start, None)

    def _vectors(self, source: Value, row: Value, a: Number, length: int) -> None:
        f, w = self.f, self.type.lanes
        whole, rest = divmod(length, w)
        if whole > UNROLLED:
            with f.loop(0, whole * w, w) as loop:
                self._vector(f.at(source, loop.index, self.type), row, a, loop.index, None)
        else:
            for n in range(whole):
                self._vector(f.at(source, n * w, self.type), row, a, n * w, None)
        if rest:
            mask = known_mask(self.type, rest)
            self._vector(f.at(source, whole * w, self.type), row, a, whole * w, mask)

    def _vector(self, at: Value, row: Value, a: Number, b: Number, mask: Any) -> None:
        f = self.f
        value = f.load(self.type, at)
        if mask is not None:
            value = f.select(mask, value, 0.0)
        _, _, image, group, _, _ = f.arguments
        self.finish(f, value, (image, group, row, a, b), mask)
