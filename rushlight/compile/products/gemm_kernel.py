"""The kernel of a product: which tile for which unit of work, and how long sums are cut."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from ..code.emit import I64, PTR, VOID, Function, Module, Value, constant
from .gemm_copies import panel_copies
from .gemm_end import End, Epilogue, ask_starts, ask_step, asked, emit_ask
from .gemm_plan import FAR_STEP, Plan, Result, Room, fed
from .packing import KERNEL, Copy, Number, clear, move, positions, table_entry, times
from .tiles import Tile, in_rounds, tile_name, unrolled

Range = tuple[Number, Number]
STRETCH, LINES = 8, 6  # terms at least between what is asked for, and how many lines at once
FEW = 24  # tiles that share a panel, up to which the next one is asked for


class Driver:
    """Writes the kernel that calls tiles for units of work, and the function that ends a tile."""

    def __init__(
        self, module: Module, name: str, plan: Plan, room: Room, epilogue: Epilogue | None,
        touched: tuple[Result, ...] = (),
    ) -> None:  # fmt: skip
        self.module, self.name, self.plan, self.room = module, name, plan, room
        self.gemm, self.type, self.epilogue = plan.gemm, plan.type, epilogue
        self.panels = plan.panels[0] + bool(plan.panels[1])
        own = epilogue is not None or plan.turned or plan.inner or plan.cut
        self.direct = not own and plan.steps[1] == 1
        self.touched = touched
        if self.direct:
            self.touched = (self.gemm.c,) if self._far() else ()
        rows, single = asked(plan)[0], len(self.gemm.k) == 1 and not (plan.inner or plan.cut)
        self.spread = bool(self.touched) and single and self.gemm.terms >= 4 * rows
        # where terms are unrolled because a multiply-add reads a number, nothing may come between
        self.spread = self.spread and unrolled(self.type, plan.vectors) == 1
        if self.direct and not self.spread:
            self.touched = ()
        self.onward = self._onward() if single else 0
        self.free = self.spread or (bool(plan.cut) and not plan.inner and len(self.gemm.k) == 1)

    def emit(self) -> int:
        """Add the kernel; give its number of units."""
        plan = self.plan
        self.tiles = self._tiles()
        self.keeping = self._tiles(keeps=True) if plan.keeps else {}
        if not self.direct:
            End(self.module, self.name, plan, self.epilogue).emit()
        if self.touched and not self.spread:
            emit_ask(self.module, self.name, plan, self.touched)
        high, wide = plan.blocks
        self.rounds = -(-plan.tiles[0] // high), -(-self.panels // wide)
        self._kernel()
        return math.prod(self.gemm.batch) * math.prod(self.rounds)

    # --- the tiles of every height and width that occur -------------------------------------------
    def _tiles(self, keeps: bool = False) -> dict[tuple[int, int], str]:
        """Names by (one row more, last panel)."""
        plan, found = self.plan, {}
        count, rows, more = plan.tiles
        for extra, tiles in ((1, more), (0, count - more)):
            for last in (0, 1):
                if tiles and plan.panels[last]:
                    tile = self._tile(rows + extra, last, packed=plan.packs_y and not keeps)
                    kept = (plan.tail_room if last else plan.width) * keeps
                    found[extra, last] = tile_name(self.module, tile, kept)
        return found

    def _tile(self, rows: int, last: int, packed: bool) -> Tile:
        plan, w = self.plan, self.type.lanes
        reach = plan.panels[1] if last else plan.width
        (x_free, x_steps), (y_free, y_steps) = self._x_steps(), self._y_steps(last, packed)
        if plan.inner:
            y = tuple(n * y_free for n in range(reach))
            out = tuple(n * plan.vectors * w for n in range(rows)), tuple(range(0, reach * w, w))
        else:
            y = tuple(range(0, reach, w))
            step = plan.steps[0] if self.direct else plan.width
            out = tuple(n * step for n in range(rows)), y
        tail = 0 if plan.inner else reach % w
        short = last and plan.panels[0] and len(y) == 1
        copies = max(1, min(12 // (rows * reach), self.gemm.terms // w)) if plan.inner else 1
        loops = ((1, x_steps[-1], 0),) if self.free else tuple(zip(self.gemm.k, x_steps, y_steps))
        return Tile(
            self.type.of(self.gemm.dtype), tuple(n * x_free for n in range(rows)), y, loops, out,
            unroll=1 if short else unrolled(self.type, len(y), rows, plan.packs_y and not packed),
            tail=0 if packed else tail, out_tail=tail if self.direct else 0,
            adds=bool(plan.cut) or (self.direct and self.gemm.accumulate), inner=plan.inner,
            copies=copies, cut=bool(plan.cut),
            ahead=self._ahead(rows * len(y), x_steps[-1], y_steps[-1]),
            asks=asked(plan)[1] if self.spread else 0, group=self._group(), onward=self.onward,
            free=self.free,
        )  # fmt: skip

    def _ahead(self, sums: int, x_step: int, y_step: int) -> tuple[int, int]:
        """How many steps early to ask for lines: about a hundred cycles of work.

        Tiles of 256-bit vectors take so long per line that the processor keeps up with lines that
        follow each other, and have no instructions to spare.
        """
        steps = min(16, 224 // sums)
        if self.plan.inner or sums < 12 or self.gemm.terms < 2 * steps:
            return 0, 0
        if in_rounds(self.type):
            x_far, y_far = (abs(step) * self.type.size >= FAR_STEP for step in (x_step, y_step))
            return steps * x_far, steps * y_far
        x_steps, y_steps = (self._early(step, steps, sums) for step in (x_step, y_step))
        return x_steps if abs(x_step) * self.type.size >= 16 else 0, y_steps

    def _early(self, step: int, steps: int, sums: int) -> int:
        """`steps`, or so many that lines from memory come in time: six hundred cycles of work.

        Not so early that they push each other out of L1 before they are read, unless there are so
        many that most of them come from behind L2 anyway.
        """
        bytes, caches = abs(step) * self.type.size, self.plan.caches
        if bytes < FAR_STEP or not fed(self.module.target):
            return steps
        apart = math.gcd(bytes // 64, caches.l1_sets) if bytes % 64 == 0 else 1
        early = min(48, 1344 // sums, self.gemm.terms // 2)
        crowded = 2 * early > caches.l1_ways * caches.l1_sets // apart
        few = self.gemm.terms * bytes < 2 * caches.l2_bytes
        return steps if crowded and few else early

    def _far(self) -> bool:
        """Whether C is too large to be at hand when a tile comes to store its sums."""
        size = self.plan.x_size * self.plan.y_size * self.type.size
        return self.direct and size > 1 << 18 and self.gemm.terms >= 64

    def _onward(self) -> int:
        """Elements per term to ask for of the next panel, which is read from afar by few tiles."""
        plan, tiles = self.plan, self.plan.blocks[0]
        far = plan.packs_y and not plan.packs_near and not plan.by_rows
        return -(-plan.width // tiles) if far and plan.far_panels and tiles <= FEW else 0

    def _x_steps(self) -> tuple[int, tuple[int, ...]]:
        """Steps of x along its own axis and along the sum, packed or as it lies."""
        plan = self.plan
        if not plan.packs_x:
            return plan.x.free, plan.x.inner
        if plan.x_panels:
            return 1, self._flat(plan.height)
        return plan.row_room, self._flat(1)

    def _y_steps(self, last: int, packed: bool) -> tuple[int, tuple[int, ...]]:
        plan = self.plan
        if not packed:
            return plan.y.free, plan.y.inner
        return 1, self._flat(plan.tail_room if last else plan.width)

    def _flat(self, step: int) -> tuple[int, ...]:
        k = self.gemm.k
        return tuple(math.prod(k[n + 1 :]) * step for n in range(len(k)))

    # --- the kernel -------------------------------------------------------------------------------
    def _kernel(self) -> None:
        f = self.f = self.module.function(self.name, KERNEL)
        plan = self.plan
        far = plan.packs_y and not plan.packs_near
        self.bases = [
            table_entry(f, self.type, *(
                self.room.of(plan, part) if packed else (operand.slot, operand.offset)
            )) for part, (operand, packed) in enumerate(((plan.x, plan.packs_x), (plan.y, far)))
        ]  # fmt: skip
        self.result = table_entry(f, self.type, self.gemm.c.slot) if self.direct else None
        if plan.cut:
            self.waiting = table_entry(f, self.type, self.room.scratch, plan.regions[2])
        self._locals()
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            self._unit(units.index)

    def _locals(self) -> None:
        """Room for the sums of one tile, and for them in their final order."""
        plan, w = self.plan, self.type.lanes
        rows = -(-plan.height // w) * w
        sums = -(-plan.height * plan.width // w) * w * w if plan.inner else rows * plan.width
        turned = rows * plan.width if plan.turned else -(-sums // w) + w
        self.sums = self.turned = constant(0, PTR)
        if not (self.direct or plan.cut):
            self.sums = self.f.stack(self.type.scalar, sums)
        if plan.inner:  # sums that no tile writes are added up with the others: denormals are slow
            clear(self.f, self.sums, sums * self.type.size)
        if self.spread:
            self.wanted = self.f.stack(I64, 2 * len(self.touched))
            for number, place in enumerate(self.touched):
                step = self.f.coerce(ask_step(plan, place), I64)
                self.f.store(step, self.wanted, 2 * number + 1)
        if plan.packs_near:
            self.near = self.f.stack(self.type.scalar, max(1, plan.near_size))
        if plan.inner or plan.turned:
            self.turned = self.f.stack(self.type.scalar, turned)

    def _unit(self, unit: Value) -> None:
        f, plan = self.f, self.plan
        batch = math.prod(self.gemm.batch)
        dims = [(size, ()) for size in (batch, *self.rounds)]
        self.matrix, block, stripe = positions(f, unit, dims)[1]
        self._batch()
        if plan.packs_near and self.gemm.terms and not plan.keeps:
            self._pack(stripe)
        panels = self._range(stripe, plan.blocks[1], self.panels)
        tiles = self._range(block, plan.blocks[0], plan.tiles[0])
        if plan.keeps and not plan.cut:
            return self._each(panels, tiles, lambda p, t, keeps: self._one(p, t, keeps, 0, None))
        if not plan.cut:
            by_tiles = plan.by_rows or plan.along
            outer, inner = (tiles, panels) if by_tiles else (panels, tiles)
            with f.loop(*outer, some=True) as one, f.loop(*inner, some=True) as two:
                panel, tile = (two, one) if by_tiles else (one, two)
                self.first = tiles[0]
                self._one(panel.index, tile.index, False, 0, None)
            return None
        self._clear(panels, tiles)
        last = (self.gemm.terms - 1) // plan.cut * plan.cut
        early = f.loop(0, last, plan.cut)
        with early as part:
            at = part.index
            self._each(panels, tiles, lambda p, t, keeps: self._one(p, t, keeps, at, plan.cut))
        self._each(panels, tiles, lambda p, t, keeps: self._last(p, t, keeps, last))
        return None

    def _each(self, panels: Range, tiles: Range, do: Callable[[Value, Value, bool], None]) -> None:
        """do(panel, tile, whether it packs the panel) for all tiles, panel after panel."""
        f = self.f
        with f.loop(*panels, some=True) as panel:
            first = tiles[0]
            if self.plan.keeps:
                do(panel.index, f.coerce(first, I64), True)
                first = f.add(first, 1)
            with f.loop(first, tiles[1], some=not self.plan.keeps) as tile:
                do(panel.index, tile.index, False)

    def _last(self, panel: Value, tile: Value, keeps: bool, start: int) -> None:
        """The last pass of a tile, and its end."""
        self._ask(panel, self._row(tile))
        self._one(panel, tile, keeps, start, self.gemm.terms - start)
        self._end(panel, tile)

    def _range(self, number: Number, step: int, end: int) -> Range:
        first = times(self.f, number, step)
        past = self.f.add(first, step)
        return first, self._least(past, end) if end % step else past

    def _clear(self, panels: Range, tiles: Range) -> None:
        """Long sums of a unit begin at zero; they wait in scratch between passes."""
        f, plan = self.f, self.plan
        with f.loop(*panels, some=True) as panel:
            first, past = (self._row(tile) for tile in tiles)
            size = times(f, f.sub(past, first), plan.width * self.type.size)
            where = self._kept(panel.index, first)
            size = f.coerce(size, I64)
            f.do(f"call void @llvm.memset.p0.i64({where.typed}, i8 0, {size.typed}, i1 false)")

    def _least(self, value: Number, limit: int) -> Number:
        if isinstance(value, int):
            return min(value, limit)
        return self.f.select(self.f.compare("<", value, limit), value, limit)

    def _batch(self) -> None:
        """Set x, y and C to the matrices of this unit."""
        f, plan, c = self.f, self.plan, self.gemm.c
        packed = plan.packed_batch
        x = [s * plan.x_matrix for s in packed[0]] if plan.packs_x else plan.x.batch
        far = plan.packs_y and not plan.packs_near
        y = [s * plan.y_matrix for s in packed[1]] if far else plan.y.batch
        dims = list(zip(self.gemm.batch, zip(x, y, c.batch)))
        offsets = positions(f, self.matrix, dims)[0] if dims else [0, 0, 0]
        self.x, self.y = (f.at(b, o, self.type) for b, o in zip(self.bases, offsets))
        self.base = f.add(offsets[2], c.offset)

    def _pack(self, stripe: Number) -> None:
        """Put this unit's y in order, on the stack: all of it, or its one panel."""
        f, full = self.f, self.plan.panels[0]
        copies = panel_copies(self.plan, self.room)
        for kind, copy in enumerate(copies):
            first = copy.offsets[0] - self.plan.y.offset
            source = f.at(self.y, first, self.type)
            target = f.at(self.near, copy.offsets[1], self.type)
            packed = functools.partial(self._packed, copy, f"{f.name}_near{kind}", source, target)
            if not self.plan.near_panel:
                with f.loop(0, copy.count) as panel:
                    packed(panel.index)
            elif len(copies) == 1:
                packed(stripe)
            else:
                with f.if_(f.compare(("<", ">=")[kind], stripe, full)):
                    packed(stripe)
        self.y = self.near

    def _packed(self, copy: Copy, name: str, source: Value, target: Value, unit: Number) -> None:
        """One unit of a copy, by a function of its own."""

        def write(f: Function, source: Value, target: Value, unit: Value) -> None:
            move(f, copy, unit, source, target)

        self.f.apart(name, [source, target, self.f.coerce(unit, I64)], write)

    def _row(self, tile: Number) -> Number:
        """The first row of a tile: the first tiles have one row more."""
        _, rows, more = self.plan.tiles
        first = times(self.f, tile, rows)
        return self.f.add(first, self._least(tile, more)) if more else first

    def _kept(self, panel: Number, row: Number) -> Value:
        """Where a long sum of this panel and row waits."""
        f, plan = self.f, self.plan
        number = f.add(times(f, self.matrix, self.panels), panel)
        at = f.add(times(f, number, plan.x_size + self.type.lanes), row)
        return f.at(self.waiting, times(f, at, plan.width), self.type)

    def _x_of(self, tile: Number, row: Number, start: Number) -> Value:
        """The elements of x that a tile begins with."""
        x_free, x_steps = self._x_steps()
        if self.plan.x_panels:
            first = times(self.f, tile, self.gemm.terms * self.plan.height)
        else:
            first = times(self.f, row, x_free)
        at = self.f.add(first, times(self.f, start, x_steps[-1]))
        return self.f.at(self.x, at, self.type)

    def _out_of(self, panel: Number, row: Number) -> Value:
        """Where a tile's sums go: into the result, or where they wait."""
        f, plan = self.f, self.plan
        if self.result is None:
            return self._kept(panel, row) if plan.cut else self.sums
        at = f.add(times(f, row, plan.steps[0]), times(f, panel, plan.width))
        return f.at(self.result, f.add(at, self.base), self.type)

    def _one(
        self, panel: Value, tile: Value, keeps: bool, start: Number, terms: Number | None
    ) -> None:
        """Call the tile of this place, and what ends it."""
        f, plan, type = self.f, self.plan, self.type
        row = self._row(tile)
        x = self._x_of(tile, row, start)
        across = plan.width * (self.gemm.terms if plan.packs_y and not keeps else plan.y.free)
        if plan.packs_near and plan.near_panel and not keeps:
            across = 0
        down = self._start(panel, start, keeps) if terms is not None else 0
        y = self.near if plan.keeps and not keeps else self.y
        y = f.at(y, f.add(times(f, panel, across), down), type)
        out = self._out_of(panel, row)
        if not plan.cut and not self.spread:
            self._ask(panel, row)
        more = "" if terms is None else f", {f.coerce(terms, I64).typed}"
        if self.free:
            more += self._told(panel, keeps)
        if self.spread:
            where = self._where(panel, row)
            for number, start in enumerate(ask_starts(f, plan, self.touched, *where)):
                f.store(start, self.wanted, 2 * number)
            more += f", {self.wanted.typed}"
        if self.onward:
            done = times(f, f.sub(tile, self.first), self.onward * self.gemm.terms)
            more += f", {f.at(y, f.add(done, across), type).typed}"
        if keeps:
            more += f", {self.near.typed}"
        names = self.keeping if keeps else self.tiles
        f.do(f"call void {self._pick(names, panel, tile)}({x.typed}, {y.typed}, {out.typed}{more})")
        if not (self.direct or plan.cut):
            self._end(panel, tile)

    def _told(self, panel: Value, keeps: bool) -> str:
        """What a free tile is told: how far it goes, and how much it asks for."""
        numbers: list[Number] = [self.plan.y.inner[-1] if keeps else self._down(panel)]
        if self.spread:
            kinds = len(self.touched)
            rounds = -(-kinds * asked(self.plan)[0] // self._group())
            numbers = [*divmod(self.gemm.terms, rounds), *numbers, rounds, kinds]
        return "".join(f", {self.f.coerce(number, I64).typed}" for number in numbers)

    def _group(self) -> int:
        """How many rows to ask for at once: as many as arrays, unless these are many."""
        kinds, (rows, lines) = len(self.touched), asked(self.plan)
        if not self.spread or kinds * lines <= 2 * LINES:
            return max(1, kinds)
        return min(kinds, max(LINES // lines, -(-STRETCH * kinds * rows // self.gemm.terms), 1))

    def _start(self, panel: Value, start: Number, keeps: bool) -> Number:
        """How far into this panel of y the term `start` is."""
        if keeps:
            return times(self.f, start, self.plan.y.inner[-1])
        return 0 if self.plan.keeps else self.f.mul(start, self._down(panel))

    def _down(self, panel: Value) -> Number:
        """The step of y from term to term."""
        f, plan = self.f, self.plan
        if not plan.packs_y:
            return plan.y.inner[-1]
        if not plan.panels[1] or plan.tail_room == plan.width:
            return plan.width
        full = f.compare("<", panel, plan.panels[0])
        return f.select(full, f.coerce(plan.width, I64), plan.tail_room)

    def _pick(self, tiles: dict[tuple[int, int], str], panel: Value, tile: Value) -> str:
        """The function, of those named, for a tile of this height and width."""
        f = self.f
        found: list[Value] = []
        for last in (0, 1):
            names = [tiles[extra, last] for extra in (1, 0) if (extra, last) in tiles]
            pair = [Value(f"@{name}", PTR) for name in names]
            if len(pair) == 2:
                pair = [f.select(f.compare("<", tile, self.plan.tiles[2]), *pair)]
            found += pair
        if len(found) == 2:
            found = [f.select(f.compare("<", panel, self.plan.panels[0]), *found)]
        return found[0].name

    def _ask(self, panel: Value, row: Number) -> None:
        """Ask for what the end of the tile at this row will touch."""
        f = self.f
        if self.touched:
            given = [f.coerce(n, I64) for n in self._where(panel, row)]
            f.call(f"{self.name}_ask", VOID, f.arguments[0], *given)

    def _where(self, panel: Value, row: Number) -> list[Number]:
        """The matrix, and the first row and lane of C, of a tile."""
        where = [row, times(self.f, panel, self.plan.width)]
        return [self.matrix, *(where[::-1] if self.plan.turned else where)]

    def _end(self, panel: Value, tile: Value) -> None:
        """Call the function that brings the sums of a tile to C."""
        f, plan = self.f, self.plan
        row, column = self._row(tile), times(f, panel, plan.width)
        rows = f.sub(self._row(f.add(tile, 1)), row)
        columns = self._least(f.sub(plan.y_size, column), plan.width)
        sums = self._kept(panel, row) if plan.cut else self.sums
        where = [row, column, rows, columns]
        if plan.turned:
            where = [column, row, columns, rows]
        numbers = [f.coerce(n, I64) for n in (self.matrix, self.base, *where)]
        f.call(f"{self.name}_end", VOID, f.arguments[0], sums, self.turned, *numbers)
