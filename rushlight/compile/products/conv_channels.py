"""The kernels of a correlation with lanes along the channels of its result.

`name_before` packs weights or pads the source; `name` sums, turns and ends, unit by unit.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from ..code.emit import I64, PTR, VOID, Function, Module, Value, constant
from .conv_channels_plan import ChannelPlan, Triple, even
from .conv_kernel import Finish
from .conv_stage import Stage
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Copy, Number, move, positions, table_entry, times, turn_name
from .tiles import Tile, known_mask, tile_name

AHEAD = 4  # terms from the one that is packed to the one that is asked for
UNROLLED = 4  # vectors of a row that are written out


def emit_channels(
    module: Module, name: str, plan: ChannelPlan, finish: Finish, scratch: int, flops: int
) -> list[KernelCall]:
    """Add the kernels; `scratch` is the slot of what all units share."""
    driver, calls = _Driver(module, name, plan, finish, scratch), []
    if plan.scratch:
        units, each = driver.before(f"{name}_before")
        calls.append(KernelCall(f"{name}_before", units, max(1, (1 << 15) // each)))
    units = driver.emit()
    calls.append(KernelCall(name, units, max(1, CHUNK_FLOPS * units // max(1, flops)), flops))
    return calls


class _Driver:
    def __init__(
        self, module: Module, name: str, plan: ChannelPlan, finish: Finish, scratch: int
    ) -> None:
        self.module, self.name, self.plan, self.finish = module, name, plan, finish
        self.type, self.scratch = plan.type, scratch

    # --- what comes before ------------------------------------------------------------------------
    def before(self, name: str) -> tuple[int, int]:
        """The kernel that fills the scratch: how many units, and elements of each."""
        f = self.f = self.module.function(name, KERNEL)
        plan, type = self.plan, self.type
        shared = table_entry(f, type, self.scratch)
        self._operands()
        first, second = (plan.images, plan.groups) if plan.own else (plan.groups, plan.blocks)
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            a, b = positions(f, units.index, [(first, ()), (second, ())])[1]
            if plan.own:
                Stage(f, plan).fill(self._image(a, b), 0, f.at(shared, self._padded(a, b), type))
            else:
                self._pack_block(a, b, f.at(shared, times(f, a, plan.packed), type))
        each = plan.image_room if plan.own else plan.packed // plan.blocks
        return first * second, each

    def _pack_block(self, group: Number, block: Number, target: Value) -> None:
        """One block of channels of a whole group."""
        f, plan, number = self.f, self.plan, 0
        lane = plan.terms * plan.taps * self.type.lanes
        weight = f.at(self.weight, times(f, group, plan.weight.steps[0]), self.type)
        for first, size, count in plan.strips:
            with f.if_(self._among(block, number, count)):
                at = f.add(times(f, f.sub(block, number), size), first)
                self._pack(f.at(target, times(f, at, lane), self.type), weight, at, size, 0)
            number += count

    def _among(self, number: Number, first: int, count: int) -> Value:
        f = self.f
        at = f.coerce(f.sub(number, first), I64)
        return f.emit(I64.of("bool"), f"icmp ult {at.typed}, {count}")

    def _pack(self, target: Value, weight: Value, first: Number, size: int, term: Number) -> None:
        """Terms of the channels from vector `first` on: a part, or all."""
        f, plan, w = self.f, self.plan, self.type.lanes
        _, row, step, *_ = plan.weight.steps
        at = f.add(times(f, first, w * row), times(f, term, step))
        weight = f.at(weight, at, self.type)
        left = plan.rows % w + (size - 1) * w if plan.rows % w else size * w

        def write(columns: int) -> None:
            copy = plan.pack(size, columns, plan.part if plan.own else plan.terms)
            if copy.source[0] == 1 and copy.rows < w and copy.count > 1:
                self._spread(copy, weight, target)
                return
            with f.loop(0, copy.count) as units:
                move(f, copy, units.index, weight, target)

        if left == size * w:
            write(left)
            return
        last = f.compare(">", f.coerce(f.add(times(f, first, w), size * w), I64), plan.rows)
        f.branch(last, lambda: write(left) or [], lambda: write(size * w) or [])

    def _spread(self, copy: Copy, weight: Value, target: Value) -> None:
        """Few taps side by side: lane by lane, the lines of later terms being asked for."""
        f, type, w = self.f, self.type, self.type.lanes
        (count, come, go), *more = copy.units
        row, line = copy.source[1], 64 // type.size
        spread = f.steps(I64.wide(w), row)
        with f.loop(0, count) as terms:
            here = f.at(weight, times(f, terms.index, come), type)
            there = f.at(target, times(f, terms.index, go), type)
            for at in range(0, row * copy.columns, line) if row <= line else ():
                f.prefetch(f.at(here, AHEAD * come + at, type))
            for units in product(*(range(n) for n, _, _ in more)):
                x = sum(n * step for n, (_, step, _) in zip(units, more))
                y = sum(n * step for n, (_, _, step) in zip(units, more))
                for lane, tap in product(range(0, copy.columns, w), range(copy.rows)):
                    left = copy.columns - lane
                    mask = known_mask(type, left) if left < w else None
                    at = f.at(here, x + lane * row + tap, type)
                    value = f.gather(type, at, spread, mask)
                    f.store(value, there, y + tap * copy.width + lane)

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
        return f.add(times(f, group, whole), times(f, image, plan.plane))

    # --- the sums ---------------------------------------------------------------------------------
    def emit(self) -> int:
        """The kernel; gives its number of units."""
        plan, type = self.plan, self.type
        for size in {size for _, size, _ in plan.strips}:
            End(self.module, f"{self.name}_end{size}", plan, size, self.finish).emit()
        f = self.f = self.module.function(self.name, KERNEL)
        self._operands()
        self.shared = table_entry(f, type, self.scratch) if plan.scratch else self.source
        wide = plan.vectors * type.lanes
        self.sums = f.stack(type.scalar, (plan.kept * plan.image_sums + type.lanes) * wide)
        self.turned = f.stack(type.scalar, wide * plan.room)
        if plan.own:
            self.packed = f.stack(type.scalar, plan.packed)
        elif plan.padded:
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
                    self._strip(source, weight, at, size)
            else:
                with f.loop(0, count) as strips:
                    at = f.add(times(f, strips.index, size), first)
                    self._strip(source, weight, at, size)
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

    def _strip(self, source: Value, weight: Value, first: Number, size: int) -> None:
        """One block of channels, from vector `first` on."""
        f, plan, type = self.f, self.plan, self.type
        chunk, whole = plan.places[0], plan.cut == plan.terms
        if whole:
            packed = self._weights(weight, first, size, 0)
            with f.loop(0, plan.together, chunk) as images:
                here = f.at(source, times(f, images.index, plan.steps[0]), type)
                self._tiles(here, packed, size, chunk, self.sums)
                self._finish(images.index, chunk, first, size)
            return
        each = plan.image_sums * size * type.lanes
        bytes = f.constant(plan.together * each * type.size, I64)
        f.do(f"call void @llvm.memset.p0.i64({self.sums.typed}, i8 0, {bytes.typed}, i1 false)")
        part = plan.part if plan.own else plan.terms
        with f.loop(0, plan.terms, part) as parts:
            packed = self._weights(weight, first, size, parts.index)
            with f.loop(0, part, plan.cut) as cuts:
                term = f.add(parts.index, cuts.index)
                here = f.at(source, times(f, term, plan.steps[1]), type)
                at = f.at(packed, times(f, cuts.index, plan.taps * size * type.lanes), type)
                with f.loop(0, plan.together, chunk) as images:
                    there = f.at(here, times(f, images.index, plan.steps[0]), type)
                    sums = f.at(self.sums, times(f, images.index, each), type)
                    self._tiles(there, at, size, chunk, sums)
        self._finish(0, plan.together, first, size)

    def _weights(self, weight: Value, first: Number, size: int, term: Number) -> Value:
        """The packed weights of a block."""
        f, plan = self.f, self.plan
        if plan.own:
            self._pack(self.packed, weight, first, size, term)
            return self.packed
        lane = plan.terms * plan.taps * self.type.lanes
        at = f.add(times(f, self.group, plan.packed), times(f, first, lane))
        return f.at(self.shared, at, self.type)

    def _tiles(self, source: Value, packed: Value, size: int, images: int, sums: Value) -> None:
        """The sums of some images at all places of the unit."""
        f, plan, (down, across) = self.f, self.plan, self.plan.ways
        wide, (_, _, line, step) = size * self.type.lanes, plan.steps
        parts = [even(plan.block, plan.places[1]), even(across.places, plan.places[2])]
        for p, q in product(range(down.step), range(across.step)):
            for (l0, lines, n), (c0, columns, m) in product(*parts):
                tile = self._tile(p, q, size, (images, lines, columns))
                base = self._from(p, q)
                with f.loop(0, n) as rows, f.loop(0, m) as blocks:
                    a = f.add(times(f, rows.index, lines), l0)
                    b = f.add(times(f, blocks.index, columns), c0)
                    at = f.add(times(f, a, down.jump * line), times(f, b, across.jump * step))
                    to = f.add(times(f, a, down.step * plan.width), times(f, b, across.step))
                    to = f.add(to, p * plan.width + q)
                    f.call(
                        tile, VOID, f.at(source, f.add(at, base[0]), self.type),
                        f.at(packed, base[1] * wide, self.type),
                        f.at(sums, times(f, to, wide), self.type),
                    )  # fmt: skip

    def _from(self, p: int, q: int) -> tuple[int, int]:
        """Where the first tap of a phase reads, and its number."""
        (down, across), (_, _, line, step) = self.plan.ways, self.plan.steps
        (i, di), (j, dj) = (way.run(r)[0] for way, r in zip((down, across), (p, q))) if (
            p < len(down.taps) and q < len(across.taps)
        ) else ((0, 0), (0, 0))  # fmt: skip
        at = (di + down.before) * line + (dj + across.before) * step
        return at, i * self.plan.kernel[1] + j

    def _tile(self, p: int, q: int, size: int, places: Triple) -> str:
        plan, (down, across), w = self.plan, self.plan.ways, self.type.lanes
        image, term, line, step = plan.steps
        wide, broad = size * w, plan.kernel[1]
        x, out = [], []
        for i, a, b in product(*map(range, places)):
            x.append(i * image + a * down.jump * line + b * across.jump * step)
            to = i * plan.image_sums + a * down.step * plan.width + b * across.step
            out.append(to * wide)
        loops = [(0, 0, 0)]
        if p < len(down.taps) and q < len(across.taps):
            _, (i, di), tall = down.run(p)
            _, (j, dj), long = across.run(q)
            loops = [
                (plan.cut, term, plan.taps * wide), (tall, di * line, i * broad * wide),
                (long, dj * step, j * wide),
            ]  # fmt: skip
        lanes = tuple(range(0, wide, w))
        tile = Tile(
            self.type, tuple(x), lanes, tuple(loops), (tuple(out), lanes),
            adds=plan.cut < plan.terms,
        )  # fmt: skip
        return tile_name(self.module, tile)

    def _finish(self, image: Number, count: int, first: Number, size: int) -> None:
        """Turn the sums of some images and bring them to the result."""
        f, plan, type = self.f, self.plan, self.type
        w, wide = type.lanes, size * type.lanes
        turn = turn_name(self.module, type)
        with f.loop(0, count) as images:
            here = f.at(self.sums, times(f, images.index, plan.image_sums * wide), type)
            with f.loop(0, plan.room, w) as places, f.loop(0, wide, w) as lanes:
                come = f.add(times(f, places.index, wide), lanes.index)
                to = f.add(times(f, lanes.index, plan.room), places.index)
                f.call(
                    turn, VOID, f.at(here, come, type), constant(wide, I64),
                    f.at(self.turned, to, type), constant(plan.room, I64),
                )  # fmt: skip
            number = f.add(f.add(self.first, image), images.index)
            at = (number, self.group, times(f, first, w), self.start)
            numbers = [f.coerce(n, I64) for n in at]
            f.call(f"{self.name}_end{size}", VOID, f.arguments[0], self.turned, *numbers)


class End:
    """Writes `(table, sums, image, group, row, start)`: turned sums of an image to the result."""

    GIVEN = [
        ("table", PTR), ("sums", PTR), *((n, I64) for n in ("image", "group", "row", "start")),
    ]  # fmt: skip

    def __init__(
        self, module: Module, name: str, plan: ChannelPlan, size: int, finish: Finish
    ) -> None:
        self.f: Function = module.function(name, self.GIVEN, internal=True)
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
            with f.loop(0, lines) as line:
                at = f.at(here, times(f, line.index, plan.width), self.type)
                self._vectors(at, f.add(first, row.index), f.add(top, line.index))

    def _vectors(self, source: Value, row: Value, a: Number) -> None:
        f, w = self.f, self.type.lanes
        whole, rest = divmod(self.plan.ways[1].out, w)
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
