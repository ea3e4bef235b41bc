"""The kernels of a correlation by minimal filtering.

`name_pack` makes factors of the weights, `name_windows` those of the source where all units share
them; `name` multiplies, adds up and ends, unit by unit.
"""

from __future__ import annotations

import math

from ..code.emit import I64, VOID, Function, Module, Value, constant
from .conv_channels import PACKS, End
from .conv_kernel import Finish
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Number, clear, positions, table_entry, times
from .tiles import Tile, tile_name, unrolled
from .winograd_plan import FilterPlan
from .winograd_rows import Rows
from .winograd_shared import sums_name, weights_name, windows_name
from .winograd_transform import POSITIONS, TILE


def emit_filter(
    module: Module, name: str, plan: FilterPlan, finish: Finish, scratch: int, flops: int,
    flat: bool,
) -> list[KernelCall]:  # fmt: skip
    """Add the kernels; `scratch` is the slot of what all units share.

    Where it is `flat`, `finish` may be given a whole plane as one row.
    """
    driver = _Driver(module, name, plan, finish, scratch, flat)
    units = driver.pack(f"{name}_pack")
    calls = [KernelCall(f"{name}_pack", units, 1, packs=PACKS)]
    if plan.own:
        calls.append(KernelCall(f"{name}_windows", driver.before(f"{name}_windows"), 1))
    units = driver.emit()
    calls.append(KernelCall(name, units, max(1, CHUNK_FLOPS * units // max(1, flops)), flops))
    return calls


class _Driver:
    def __init__(
        self, module: Module, name: str, plan: FilterPlan, finish: Finish, scratch: int,
        flat: bool,
    ) -> None:  # fmt: skip
        self.module, self.name, self.plan, self.finish = module, name, plan, finish
        self.type, self.scratch, self.flat = plan.type, scratch, flat and plan.flat

    # --- factors of the weights -------------------------------------------------------------------
    def pack(self, name: str) -> int:
        """The kernel that makes them: a unit is a block of channels."""
        f = self.f = self.module.function(name, KERNEL)
        plan, type = self.plan, self.type
        shared = table_entry(f, type, self.scratch)
        weight = table_entry(f, type, plan.weight.slot, plan.weight.offset)
        _, begin, end = f.arguments
        number, lanes = 0, type.lanes
        with f.loop(begin, end) as units:
            for first, size, count in plan.strips:
                with f.if_(_among(f, units.index, number, count)):
                    at = f.add(times(f, f.sub(units.index, number), size), first)
                    come = f.at(weight, times(f, at, lanes * plan.weight.steps[1]), type)
                    given = [come, f.at(shared, times(f, at, lanes * plan.terms), type)]
                    self._blocks(at, given, size)
                number += count
        return number

    def _blocks(self, at: Value, given: list[Value], size: int) -> None:
        """The block that begins with vector `at`, which may be the last."""
        f, (whole, rest) = self.f, divmod(self.plan.rows, self.type.lanes)
        if not rest:
            self._pack(f, given, size, 0)
            return
        last = f.compare("==", at, whole + 1 - size)
        with f.if_(last):
            self._pack(f, given, size, rest)
        with f.if_(f.bit_not(last)):
            self._pack(f, given, size, 0)

    def _pack(self, f: Function, given: list[Value], size: int, few: int) -> None:
        """One block, whose last vector may have few channels."""
        plan, type, (weight, target) = self.plan, self.type, given
        _, row, term, *_ = plan.weight.steps
        turned = not plan.ways[0].ordered
        steps = (plan.terms, row, term, size * type.lanes, plan.weight_step)
        for number in range(size):
            lane = number * type.lanes
            name = weights_name(self.module, type, turned, few if number == size - 1 else 0)
            here, there = f.at(weight, lane * row, type), f.at(target, lane, type)
            f.call(name, VOID, here, there, *(constant(step, I64) for step in steps))

    # --- factors of the source --------------------------------------------------------------------
    def before(self, name: str) -> int:
        """The kernel that makes them for all units of `name`."""
        f = self.f = self.module.function(name, KERNEL)
        plan = self.plan
        self._operands()
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            part, block = positions(f, units.index, [(n, ()) for n in plan.parts])[1]
            self._windows(part, block, self._made(part, block))
        return plan.parts[0] * plan.parts[1]

    def _operands(self) -> None:
        f, plan, type = self.f, self.plan, self.type
        self.source = table_entry(f, type, plan.source.slot, plan.source.offset)
        self.shared = table_entry(f, type, self.scratch)
        self.places = f.stack(type.scalar, plan.turned.room)
        clear(f, self.places, plan.turned.room * type.size)  # beside an image it stays zero

    def _made(self, part: Number, block: Number) -> Value:
        """Where the shared factors of a unit begin."""
        f, plan = self.f, self.plan
        unit = f.add(times(f, part, plan.parts[1]), block)
        at = f.add(times(f, unit, POSITIONS * plan.position_step), POSITIONS * plan.weight_step)
        return f.at(self.shared, at, self.type)

    def _windows(self, part: Number, block: Number, target: Value) -> None:
        """The factors of a unit; the last terms are a whole vector, with some made twice."""
        f, plan, type = self.f, self.plan, self.type
        n, _, c, *_ = plan.source.steps
        lanes = type.lanes
        line = f.sub(times(f, block, plan.block), plan.turned.padding[0])
        first = times(f, part, plan.together)
        with f.loop(0, plan.together) as images, f.loop(0, -(-plan.terms // lanes)) as vectors:
            term = times(f, vectors.index, lanes)
            if plan.terms % lanes:
                last = plan.terms - lanes
                term = f.intrinsic("smin", f.coerce(term, I64), constant(last, I64))
            at = f.add(times(f, f.add(first, images.index), n), times(f, term, c))
            at = f.add(at, plan.cropped * plan.source.steps[4])
            given = f.at(self.source, at, type), f.coerce(line, I64), self.places
            f.apart(f"{self.name}_rows", given, self._rows)
            tile = times(f, images.index, plan.image_tiles * plan.tile_step)
            there = f.at(target, f.add(tile, term), type)
            numbers = (
                plan.block // TILE, plan.broad, plan.pitch, plan.tile_step, plan.position_step,
            )  # fmt: skip
            f.call(
                windows_name(self.module, type), VOID, self.places, there,
                *(constant(number, I64) for number in numbers),
            )  # fmt: skip

    def _rows(self, f: Function, image: Value, line: Value, room: Value) -> None:
        Rows(f, self.type, self.plan.turned, self.type.lanes).fill(image, line, room)

    # --- products and their sums ------------------------------------------------------------------
    def emit(self) -> int:
        """The kernel; gives its number of units."""
        plan, type = self.plan, self.type
        End(self.module, f"{self.name}_end", plan, 1, self.finish, self.flat).emit()
        f = self.f = self.module.function(self.name, KERNEL)
        self._operands()
        self.products = f.stack(type.scalar, POSITIONS * plan.product_step)
        self.sums = f.stack(type.scalar, plan.image_sums * type.lanes)
        self.turned = f.stack(type.scalar, plan.room * type.lanes)
        units = (*plan.parts, sum(count for *_, count in plan.turns) if plan.own else 1)
        if not plan.own:
            self.factors = f.stack(type.scalar, POSITIONS * plan.position_step)
        _, begin, end = f.arguments
        with f.loop(begin, end) as loop:
            part, block, number = positions(f, loop.index, [(n, ()) for n in units])[1]
            if plan.own:
                self.factors = self._made(part, block)
            else:
                self._windows(part, block, self.factors)
            self._turns(part, block, number)
        return math.prod(units)

    def _turns(self, part: Number, block: Number, number: Number) -> None:
        """All strips of a unit; or the one of its number, where units share the source."""
        f, done = self.f, 0
        for first, size, blocks, count in self.plan.turns:
            if self.plan.own:
                with f.if_(_among(f, number, done, count)):
                    at = times(f, f.sub(number, done), size * blocks)
                    self._strip(part, block, f.add(at, first), size, blocks)
            else:
                with f.loop(0, count) as strips:
                    at = times(f, strips.index, size * blocks)
                    self._strip(part, block, f.add(at, first), size, blocks)
            done += count

    def _strip(self, part: Number, block: Number, first: Number, size: int, blocks: int) -> None:
        """The results of some channels, from vector `first` on."""
        f, plan, lanes = self.f, self.plan, self.type.lanes
        self._multiply(first, size, blocks)
        with f.loop(0, plan.together) as images, f.loop(0, size * blocks) as vectors:
            tile = times(f, images.index, plan.image_tiles * plan.wide)
            at = f.add(tile, times(f, vectors.index, lanes))
            self._add_up(f.at(self.products, at, self.type))
            image = f.add(times(f, part, plan.together), images.index)
            row = times(f, f.add(vectors.index, first), lanes)
            place = (image, 0, row, times(f, block, plan.block))
            numbers = [f.coerce(n, I64) for n in place]
            f.call(f"{self.name}_end", VOID, f.arguments[0], self.turned, *numbers)

    def _multiply(self, first: Number, size: int, blocks: int) -> None:
        """The products of all tiles of a unit with some blocks of channels."""
        f, plan, type = self.f, self.plan, self.type
        wide = size * type.lanes
        with f.loop(0, POSITIONS) as position, f.loop(0, blocks) as loop:
            start = f.add(times(f, loop.index, size), first)
            at = f.add(times(f, position.index, plan.weight_step),
                       times(f, start, plan.terms * type.lanes))  # fmt: skip
            y = f.at(self.shared, at, type)
            x = f.at(self.factors, times(f, position.index, plan.position_step), type)
            to = f.add(times(f, position.index, plan.product_step), times(f, loop.index, wide))
            out = f.at(self.products, to, type)
            for low, high, count in plan.heights:
                with f.loop(0, count) as tiles:
                    tile = f.add(times(f, tiles.index, high), low)
                    here = f.at(x, times(f, tile, plan.tile_step), type)
                    there = f.at(out, times(f, tile, plan.wide), type)
                    f.call(self._tile(high, size), VOID, here, y, there)

    def _tile(self, high: int, size: int) -> str:
        plan, lanes = self.plan, self.type.lanes
        wide = size * lanes
        at = tuple(range(0, wide, lanes))
        tile = Tile(
            self.type, tuple(n * plan.tile_step for n in range(high)), at,
            ((plan.terms, 1, wide),), (tuple(n * plan.wide for n in range(high)), at),
            unrolled(self.type, size, high),
        )  # fmt: skip
        return tile_name(self.module, tile)

    def _add_up(self, products: Value) -> None:
        """The sums of an image, of one vector of channels, as runs of places."""
        f, plan = self.f, self.plan
        numbers = (
            plan.block // TILE, plan.broad, plan.width, plan.wide, plan.product_step, plan.room,
        )  # fmt: skip
        f.call(
            sums_name(self.module, self.type), VOID, products, self.sums, self.turned,
            *(constant(number, I64) for number in numbers),
        )  # fmt: skip


def _among(f: Function, number: Number, first: int, count: int) -> Value:
    at = f.coerce(f.sub(number, first), I64)
    return f.emit(I64.of("bool"), f"icmp ult {at.typed}, {count}")
