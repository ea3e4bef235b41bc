"""The kernels of a correlation by minimal filtering.

`name_pack` makes factors of the weights, `name_windows` those of the source where all units share
them; `name` multiplies, adds up and ends, unit by unit.
"""

from __future__ import annotations

from ..code.emit import I64, VOID, Function, Module, Value, constant
from .conv_channels import PACKS, End
from .conv_kernel import Finish
from .conv_stage import Stage
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Number, clear, positions, table_entry, times, turn_name
from .tiles import Tile, tile_name, unrolled
from .winograd_plan import FilterPlan
from .winograd_transform import POSITIONS, TAPS, TILE, WINDOW, plane, sums, weights, windows


class _Lanes:
    """A plan's padded source for as many terms as there are lanes, as a stage wants to see it."""

    def __init__(self, plan: FilterPlan) -> None:
        self.type, self.terms, self.source = plan.type, plan.type.lanes, plan.source
        self.planes, self.exact, self.axes = plan.planes, plan.exact, plan.axes
        self.height, self.pitch, self.term_step = plan.height, plan.pitch, plan.spread


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
        taps = f.stack(type.scalar, TAPS * TAPS * type.lanes)
        _, begin, end = f.arguments
        number, lanes = 0, type.lanes
        with f.loop(begin, end) as units:
            for first, size, count in plan.strips:
                with f.if_(_among(f, units.index, number, count)):
                    at = f.add(times(f, f.sub(units.index, number), size), first)
                    come = f.at(weight, times(f, at, lanes * plan.weight.steps[1]), type)
                    given = [come, f.at(shared, times(f, at, lanes * plan.terms), type), taps]
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
        plan, type = self.plan, self.type

        def write(f: Function, weight: Value, target: Value, taps: Value) -> None:
            with f.loop(0, plan.terms) as terms:
                come = f.at(weight, times(f, terms.index, plan.weight.steps[2]), type)
                to = f.at(target, times(f, terms.index, size * type.lanes), type)
                for number in range(size):
                    lane = number * type.lanes
                    here = f.at(come, lane * plan.weight.steps[1], type)
                    self._taps(f, here, taps, few if number == size - 1 else 0)
                    inside = [taps, f.at(to, lane, type)]
                    f.apart(f"{self.name}_weights", inside, self._factors)

        f.apart(f"{f.name}_{size}_{few}", given, write)

    def _taps(self, f: Function, weight: Value, taps: Value, few: int) -> None:
        """The taps of a term, each a vector of channels; there may be few of them."""
        row, lanes, kinds = self.plan.weight.steps[1], self.type.lanes, TAPS * TAPS
        wide = min(8, lanes)
        for lane in range(0, few or lanes, wide):
            edge = 0 < (few or lanes) - lane < wide
            turn = turn_name(f.module, self.type.wide(wide), edge)
            more = [constant((few or lanes) - lane, I64)] if edge else []
            for tap in sorted({*range(0, kinds - wide + 1, wide), kinds - wide}):
                f.call(
                    turn, VOID, f.at(weight, lane * row + tap, self.type), constant(row, I64),
                    f.at(taps, tap * lanes + lane, self.type), constant(lanes, I64), *more,
                )  # fmt: skip

    def _factors(self, f: Function, taps: Value, target: Value) -> None:
        plan, lanes = self.plan, self.type.lanes
        down, across = ([k for k, _ in way.ascending().taps[0]] for way in plan.ways)
        grid = [f.load(self.type, taps, (i * TAPS + j) * lanes) for i in down for j in across]
        for number, value in enumerate(plane(f, weights, grid, TAPS)):
            f.store(value, target, number * plan.weight_step)

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
        self.near = f.stack(type.scalar, plan.spread * type.lanes)
        self.places = f.stack(type.scalar, plan.spread * type.lanes)

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
        start, first = times(f, block, plan.block), times(f, part, plan.together)
        with f.loop(0, plan.together) as images, f.loop(0, -(-plan.terms // lanes)) as vectors:
            term = times(f, vectors.index, lanes)
            if plan.terms % lanes:
                last = plan.terms - lanes
                term = f.intrinsic("smin", f.coerce(term, I64), constant(last, I64))
            at = f.add(times(f, f.add(first, images.index), n), times(f, term, c))
            Stage(f, _Lanes(plan)).fill(f.at(self.source, at, type), start, self.near)
            tile = times(f, images.index, plan.image_tiles * plan.tile_step)
            there = f.at(target, f.add(tile, term), type)
            given = [self.near, self.places, there]
            f.apart(f"{f.name}_factors", given, self._turn)

    def _turn(self, f: Function, near: Value, places: Value, target: Value) -> None:
        """The factors of all tiles of an image, of one vector of terms."""
        plan, type = self.plan, self.type
        lanes = type.lanes
        turn = turn_name(f.module, type)
        with f.loop(0, plan.spread - lanes, lanes) as at:
            f.call(
                turn, VOID, f.at(near, at.index, type), constant(plan.spread, I64),
                f.at(places, times(f, at.index, lanes), type), constant(lanes, I64),
            )  # fmt: skip
        with f.loop(0, plan.block // TILE) as rows, f.loop(0, plan.broad) as columns:
            at = f.add(times(f, rows.index, plan.pitch), columns.index)
            here = f.at(places, times(f, at, TILE * lanes), type)
            number = f.add(times(f, rows.index, plan.broad), columns.index)
            there = f.at(target, times(f, number, plan.tile_step), type)
            grid = [
                f.load(type, here, (i * plan.pitch + j) * lanes)
                for i in range(WINDOW) for j in range(WINDOW)
            ]  # fmt: skip
            for position, value in enumerate(plane(f, windows, grid, WINDOW)):
                f.store(value, there, position * plan.position_step)

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
        strips = self._strips()
        units = (*plan.parts, len(strips) if plan.own else 1)
        if not plan.own:
            self.factors = f.stack(type.scalar, POSITIONS * plan.position_step)
        _, begin, end = f.arguments
        with f.loop(begin, end) as loop:
            part, block, number = positions(f, loop.index, [(n, ()) for n in units])[1]
            if plan.own:
                self.factors = self._made(part, block)
            else:
                self._windows(part, block, self.factors)
            for k, strip in enumerate(strips):
                if plan.own:
                    with f.if_(_among(f, number, k, 1)):
                        self._strip(part, block, *strip)
                else:
                    self._strip(part, block, *strip)
        return units[0] * units[1] * units[2]

    def _strips(self) -> list[tuple[int, int, int]]:
        """(first vector, size of a block, blocks) of what is multiplied before it is added up."""
        found = []
        for first, size, count in self.plan.strips:
            for at in range(0, count, self.plan.strip):
                blocks = min(self.plan.strip, count - at)
                found.append((first + at * size, size, blocks))
        return found

    def _strip(self, part: Number, block: Number, first: int, size: int, blocks: int) -> None:
        f, plan, type = self.f, self.plan, self.type
        lanes = type.lanes
        wide = size * lanes
        if plan.cut < plan.terms:
            clear(f, self.products, POSITIONS * plan.product_step * type.size)
        with f.loop(0, POSITIONS) as position, f.loop(0, blocks) as loop:
            start = f.add(times(f, loop.index, size), first)
            at = f.add(times(f, position.index, plan.weight_step),
                       times(f, start, plan.terms * lanes))  # fmt: skip
            y = f.at(self.shared, at, type)
            x = f.at(self.factors, times(f, position.index, plan.position_step), type)
            out = f.add(times(f, position.index, plan.product_step), times(f, loop.index, wide))
            out = f.at(self.products, out, type)
            with f.loop(0, plan.terms, plan.cut) as cuts:
                here = f.at(y, times(f, cuts.index, wide), type)
                for at, high, count in plan.heights:
                    with f.loop(0, count) as tiles:
                        tile = f.add(times(f, tiles.index, high), at)
                        come = f.add(times(f, tile, plan.tile_step), cuts.index)
                        to = times(f, tile, plan.wide)
                        f.call(self._tile(high, size), VOID, f.at(x, come, type), here,
                               f.at(out, to, type))  # fmt: skip
        with f.loop(0, plan.together) as images, f.loop(0, size * blocks) as vectors:
            tile = times(f, images.index, plan.image_tiles * plan.wide)
            come = f.at(self.products, f.add(tile, times(f, vectors.index, lanes)), type)
            f.apart(f"{f.name}_sums", [come, self.sums, self.turned], self._add_up)
            image = f.add(times(f, part, plan.together), images.index)
            row = times(f, f.add(vectors.index, first), lanes)
            at = (image, 0, row, times(f, block, plan.block))
            numbers = [f.coerce(n, I64) for n in at]
            f.call(f"{self.name}_end", VOID, f.arguments[0], self.turned, *numbers)

    def _tile(self, high: int, size: int) -> str:
        plan, lanes = self.plan, self.type.lanes
        wide = size * lanes
        at = tuple(range(0, wide, lanes))
        tile = Tile(
            self.type, tuple(n * plan.tile_step for n in range(high)), at,
            ((plan.cut, 1, wide),), (tuple(n * plan.wide for n in range(high)), at),
            unrolled(self.type, size, high), adds=plan.cut < plan.terms,
        )  # fmt: skip
        return tile_name(self.module, tile)

    def _add_up(self, f: Function, products: Value, places: Value, turned: Value) -> None:
        """The sums of an image, of one vector of channels, as runs of places."""
        plan, type = self.plan, self.type
        lanes = type.lanes
        with f.loop(0, plan.block // TILE) as rows, f.loop(0, plan.broad) as columns:
            number = f.add(times(f, rows.index, plan.broad), columns.index)
            here = f.at(products, times(f, number, plan.wide), type)
            grid = [f.load(type, here, n * plan.product_step) for n in range(POSITIONS)]
            at = f.add(times(f, rows.index, plan.width), columns.index)
            there = f.at(places, times(f, at, TILE * lanes), type)
            for number, value in enumerate(plane(f, sums, grid, WINDOW)):
                i, j = divmod(number, TILE)
                f.store(value, there, (i * plan.width + j) * lanes)
        turn = turn_name(f.module, type)
        with f.loop(0, plan.room, lanes) as at:
            f.call(
                turn, VOID, f.at(places, times(f, at.index, lanes), type), constant(lanes, I64),
                f.at(turned, at.index, type), constant(plan.room, I64),
            )  # fmt: skip


def _among(f: Function, number: Number, first: int, count: int) -> Value:
    at = f.coerce(f.sub(number, first), I64)
    return f.emit(I64.of("bool"), f"icmp ult {at.typed}, {count}")
