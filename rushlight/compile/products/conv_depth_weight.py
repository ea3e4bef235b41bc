"""Gradients of the weights of single channels: a group has one channel on either side.

Lanes lie along the columns of a row of gradients, and the sum of every tap is a vector that stays
in its register for a plane: a row of the input is read once for every column of the kernel and
meets the gradients of all lines that saw it. Columns two apart are read as they lie and split into
even and odd ones. Some channels are a unit, so that images are read in runs; lanes are added up
when all images are done.
"""

from __future__ import annotations

from typing import Any

from ..code.emit import BOOL, I64, VOID, Function, Module, Type, Value, constant, lanes_of, vector
from ..records import field, record
from .conv_channels_plan import Triple, Way, even, forward_way
from .conv_plan import Array, Shape
from .conv_tile import wide
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Number, clear, fold_name, table_entry, times
from .tiles import known_mask

WRITTEN = 256  # multiply-adds that are written out
FEW = 8  # rows to be summed together: where this is more than may be written, columns are a loop
LINE = 1 << 12  # elements of a line
RUN = 8 << 10  # bytes of an image's planes that are read behind each other
SUMS = 16 << 10  # bytes of sums that stay at hand
AHEAD = 4 << 10  # bytes of planes between what is read and what is asked for
ROOM = (25, 10)  # sums that 32 and 16 registers keep beside what they meet
LINES = (11, 8)  # that are met together: masks of 512 bits leave registers to their addresses
WAITS = 6  # multiply-adds per element that wait for memory, where 256 bits are quicker than 512
MOST = 169  # taps: beyond, sums are brought too often
UNITS = 8  # so many units let threads share the work
Lines = dict[int, tuple[Value, int]]  # an address and elements from it on


@record(frozen=True)
class DepthWeightPlan:
    """One such gradient."""

    type: Type
    shape: Shape
    ways: tuple[Way, Way]
    grad: Array  # n, g, o, a, b
    source: Array  # n, g, c, h, w
    out: Array  # g, o, c, i, j
    each: int  # channels per unit
    room: int  # sums that fit the registers
    scratch: int = 0
    cost: float = field(default=0.0, compare=False)

    @property
    def taps(self) -> int:
        return self.shape.kernel[0] * self.shape.kernel[1]

    @property
    def ahead(self) -> int:
        """How many planes before it is read one is asked for."""
        plane = self.shape.size[0] * self.shape.size[1] * self.type.size
        return min(self.each, -(-AHEAD // plane))

    @property
    def blocks(self) -> list[tuple[range, range]]:
        """The rows and columns of the kernel whose sums are kept at the same time."""
        tall, broad = self.shape.kernel
        columns = even(broad, self.room // 2)
        rows = even(tall, max(1, self.room // columns[0][1]))
        return [(i, j) for i in _ranges(rows) for j in _ranges(columns)]

    @property
    def firsts(self) -> list[int]:
        """The columns where vectors begin."""
        return list(range(0, self.shape.out[1], self.type.lanes))

    def middle(self, taps: int) -> list[int]:
        """Those that a loop does: all their lanes are inside, and they are many."""
        _, across = self.ways
        w = self.type.lanes
        inside = [
            first for first in self.firsts
            if first + w <= across.out and first * across.jump + min(across.shifts) >= 0
            and (first + w) * across.jump + max(across.shifts) <= across.size
        ]  # fmt: skip
        many = len(self.firsts) * taps * FEW > WRITTEN and len(inside) > 1
        return inside if many else []

    def rows(self, taps: int) -> tuple[Triple, ...]:
        """Rows of gradients that are summed together: all, or those that meet a few lines."""
        down, _ = self.ways
        written = len(self.firsts) - max(0, len(self.middle(taps)) - 1)
        most = WRITTEN // (written * taps)
        if most < down.out:
            lines = LINES[self.room < ROOM[0]]
            most = min(most, (lines - max(down.shifts) + min(down.shifts) - 1) // down.jump + 1)
        return even(down.out, max(1, most))


def _ranges(pieces: tuple[Triple, ...]) -> list[range]:
    return [
        range(first + n * size, first + (n + 1) * size)
        for first, size, often in pieces for n in range(often)
    ]  # fmt: skip


def plan_depth_weight(
    shape: Shape, dtype: str, grad: Array, source: Array, out: Array, target: Any
) -> DepthWeightPlan | None:
    """The plan, where groups are many single channels and columns at most two apart."""
    s = shape
    if dtype == "pairs" or not s.outs == s.ins == 1 or s.groups < UNITS:
        return None
    near = grad.steps[4] == source.steps[4] == 1 and s.size[1] <= LINE and s.stride[1] <= 2
    taps = s.kernel[0] * s.kernel[1]
    sizes = (s.groups, 1, 1, *s.kernel)
    dense = (taps, 1, 1, s.kernel[1], 1)
    if taps > MOST or not near or any(n > 1 and a != b for n, a, b in zip(sizes, out.steps, dense)):
        return None
    down, across = (
        forward_way(*at)
        for at in zip(s.size, s.kernel, s.out, s.stride, s.padding, s.dilation)
    )  # fmt: skip
    type = vector(dtype, target.lanes(dtype))
    plane = s.size[0] * s.size[1] * type.size
    read = 1 + s.stride[0] * s.stride[1]  # elements for every place
    if wide(type) and s.images > 1 and (plane > RUN or taps <= WAITS * read):
        type = type.wide(type.lanes // 2)
    while type.lanes * type.size > 16 and 2 * s.out[1] <= type.lanes:
        type = type.wide(type.lanes // 2)
    most = min(s.groups // UNITS, RUN // plane, SUMS // (taps * type.lanes * type.size))
    each = max(k for k in range(1, max(1, most) + 1) if s.groups % k == 0)
    room = ROOM[target.registers <= 16]
    cost = s.groups * s.out[0] * -(-s.out[1] // type.lanes) * taps * 0.7
    return DepthWeightPlan(type, s, (down, across), grad, source, out, each, room, cost=cost)


def emit_depth_weight(module: Module, name: str, plan: DepthWeightPlan) -> list[KernelCall]:
    """Add the kernel; its units are blocks of channels."""
    _DepthWeight(module.function(name, KERNEL), plan).emit()
    units = plan.shape.groups // plan.each
    grain = max(1, CHUNK_FLOPS * units // max(1, plan.shape.flops))
    return [KernelCall(name, units, grain, plan.shape.flops)]


class _DepthWeight:
    def __init__(self, f: Function, plan: DepthWeightPlan) -> None:
        self.f, self.plan, self.type = f, plan, plan.type
        self.near = 64 // plan.type.size  # elements of a line of the cache
        self.wanted: list[list[tuple[Value, int]]] = []

    def emit(self) -> None:
        f, plan, type, s = self.f, self.plan, self.type, self.plan.shape
        grad, source, out = (
            table_entry(f, type, array.slot, array.offset)
            for array in (plan.grad, plan.source, plan.out)
        )
        w = type.lanes
        self.zeros = f.stack(type.scalar, s.size[1] + w)
        clear(f, self.zeros, (s.size[1] + w) * type.size)
        room = -(-plan.each * plan.taps // w) * w * w
        sums = f.stack(type.scalar, room)
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            clear(f, sums, room * type.size)
            first = times(f, units.index, plan.each)
            with f.loop(0, s.images) as images, f.loop(0, plan.each) as groups:
                group = f.add(first, groups.index)
                y, x = (
                    f.at(base, f.add(times(f, images.index, array.steps[0]),
                                     times(f, group, array.steps[1])), type)
                    for base, array in ((grad, plan.grad), (source, plan.source))
                )  # fmt: skip
                self.soon = self._soon(grad, source, images.index, first, groups.index)
                here = f.at(sums, times(f, groups.index, plan.taps * w), type)
                for rows, columns in plan.blocks:
                    self._plane(y, x, here, rows, columns)
                    self.soon = []
            self._result(sums, f.at(out, times(f, first, plan.taps), type))

    def _soon(
        self, grad: Value, source: Value, image: Value, first: Number, group: Value
    ) -> list[tuple[Value, int]]:
        """Planes that come later: where they begin, and elements for every row of gradients."""
        f, plan, s = self.f, self.plan, self.plan.shape
        if s.images == 1:
            return []
        ahead = f.coerce(f.add(group, plan.ahead), I64)
        over = f.compare("<", ahead, plan.each)
        ahead = f.select(over, ahead, f.sub(ahead, plan.each))
        image = f.select(over, f.coerce(image, I64), f.add(f.coerce(image, I64), 1))
        inside = f.compare("<", image, s.images)
        image = f.select(inside, image, 0)
        ahead = f.select(inside, ahead, f.add(ahead, plan.each))
        group = f.add(first, ahead)
        return [
            (f.at(base, f.add(times(f, image, array.steps[0]), times(f, group, array.steps[1])),
                  self.type), rows * array.steps[3])
            for base, array, rows in ((grad, plan.grad, 1), (source, plan.source, s.stride[0]))
        ]  # fmt: skip

    def _plane(self, y: Value, x: Value, sums: Value, rows: range, columns: range) -> None:
        """Add one image of a channel to the sums of some taps."""
        f, plan, type = self.f, self.plan, self.type
        broad, w = plan.shape.kernel[1], type.lanes
        places = [(i * broad + j) * w for i in rows for j in columns]
        totals = [f.load(type, sums, at) for at in places]
        for first, count, often in plan.rows(len(places)):
            with f.loop(0, often, carry=totals) as blocks:
                row: Number = first
                if often > 1:
                    row = f.add(times(f, blocks.index, count), first)
                self.parts = [
                    (f.at(soon, times(f, row, step), type), count * step)
                    for soon, step in self.soon
                ]
                lines = self._lines(x, row, count, rows)
                start = f.at(y, times(f, row, plan.grad.steps[3]), type)
                grads = {n: (start, n * plan.grad.steps[3]) for n in range(count)}
                blocks.next(*self._rows(grads, lines, rows, columns, blocks.carried))
            totals = blocks.results
        for at, total in zip(places, totals):
            f.store(total, sums, at)

    def _rows(
        self, grads: Lines, lines: Lines, rows: range, columns: range, totals: list[Value]
    ) -> list[Value]:
        """Some rows of gradients, their middle columns by a loop where they are long."""
        f, plan, w = self.f, self.plan, self.type.lanes
        _, across = plan.ways
        middle = plan.middle(len(totals))
        if not middle:
            self._spread(self.parts, len(lines) * len(plan.firsts))
        for first in plan.firsts:
            if first not in middle:
                totals = self._vectors(grads, lines, first, rows, columns, totals)
        if middle:
            with f.loop(0, len(middle) * w, w, totals) as more:
                each = [(base, -(-size // (len(middle) * self.near))) for base, size in self.parts]
                self._spread([
                    (f.at(base, times(f, more.index, n * self.near // w), self.type), n * self.near)
                    for base, n in each
                ], len(lines))  # fmt: skip
                ys = self._moved(grads, more.index)
                xs = self._moved(lines, times(f, more.index, across.jump))
                more.next(*self._vectors(ys, xs, middle[0], rows, columns, more.carried))
            totals = more.results
        return totals

    def _spread(self, parts: list[tuple[Value, int]], turns: int) -> None:
        """Let so many turns ask for the lines of a later plane."""
        wanted = [(base, at) for base, size in parts for at in range(0, size, self.near)]
        self.wanted = [wanted[n::turns] for n in range(turns)]

    def _moved(self, lines: Lines, by: Number) -> Lines:
        bases = {base.name: base for base, _ in lines.values()}
        moved = {name: self.f.at(base, by, self.type) for name, base in bases.items()}
        return {n: (moved[base.name], at) for n, (base, at) in lines.items()}

    def _lines(self, x: Value, row: Number, count: int, rows: range) -> Lines:
        """What so many rows from `row` on meet of the input, by the distance from its line."""
        f, (down, _), step = self.f, self.plan.ways, self.plan.source.steps[3]
        shifts = [down.taps[0][i][1] for i in rows]
        reached = sorted({n * down.jump + shift for n in range(count) for shift in shifts})
        line = times(f, row, down.jump)
        if isinstance(line, int):
            return {n: (x, (line + n) * step) for n in reached if 0 <= line + n < down.size}
        found = {}
        for n in reached:
            at = f.coerce(f.add(line, n), I64)
            good = f.emit(I64.of("bool"), f"icmp ult {at.typed}, {down.size}")
            here = f.at(x, times(f, at, step), self.type)
            found[n] = f.select(good, here, self.zeros), 0
        return found

    def _vectors(
        self, grads: Lines, lines: Lines, first: int, rows: range, columns: range,
        totals: list[Value],
    ) -> list[Value]:  # fmt: skip
        """Add the vector of every row that begins at column `first`."""
        f, type, (down, across) = self.f, self.type, self.plan.ways
        totals, y, broad = list(totals), {}, len(columns)
        mask = known_mask(type, across.out - first) if across.out - first < type.lanes else None
        shifts = [across.taps[0][j][1] for j in columns]
        for reach, (line, start) in lines.items():
            far = [reach - down.taps[0][i][1] for i in rows]
            seen = [
                (number, n // down.jump) for number, n in enumerate(far)
                if n % down.jump == 0 and n // down.jump in grads
            ]  # fmt: skip
            for _, n in seen:
                if n not in y:
                    base, at = grads[n]
                    y[n] = f.load(type, base, at + first, mask)
            for base, at in self.wanted.pop() if self.wanted else ():
                f.prefetch(f.at(base, at, type))
            read = self._read(line, start, first, shifts)
            for k, shift in enumerate(shifts):
                for number, n in seen if shift in read else ():
                    at = number * broad + k
                    totals[at] = f.fma(read[shift], y[n], totals[at])
        return totals

    def _read(self, line: Value, begin: int, first: int, shifts: list[int]) -> dict[int, Value]:
        """By shift, the elements of a line that meet the gradients from `first` on."""
        f, type, (_, across) = self.f, self.type, self.plan.ways
        w, found = type.lanes, {}
        for shift in shifts:
            if across.jump == 1:
                value = self._inside(line, begin, first + shift, across.out + shift, w)
                if value is not None:
                    found[shift] = value
            elif shift not in found:
                start, pair = 2 * first + shift, shift + 1 in shifts
                stop = 2 * across.out - 1 + shift + pair
                halves = [self._inside(line, begin, start + n * w, stop, w) for n in (0, 1)]
                if halves != [None, None]:
                    a, b = (constant(0.0, type) if half is None else half for half in halves)
                    for n in range(1 + pair):
                        found[shift + n] = f.shuffle(a, b, [2 * k + n for k in range(w)])
        return found

    def _inside(self, line: Value, begin: int, start: int, stop: int, count: int) -> Value | None:
        """The elements from `start` on that are columns of the image, before `stop`."""
        good = [0 <= at < min(stop, self.plan.ways[1].size) for at in range(start, start + count)]
        if not any(good):
            return None
        mask = None if all(good) else lanes_of(good, BOOL.wide(count))
        return self.f.load(self.type, line, begin + start, mask)

    def _result(self, sums: Value, out: Value) -> None:
        """Add up the lanes of every sum: those of all channels lie behind each other."""
        f, type, w = self.f, self.type, self.type.lanes
        fold = fold_name(f.module, type)
        whole, tail = divmod(self.plan.each * self.plan.taps, w)
        if whole:
            with f.loop(0, whole * w, w) as blocks:
                here = f.at(sums, times(f, blocks.index, w), type)
                f.call(fold, VOID, here, f.at(out, blocks.index, type))
        if tail:
            last = f.stack(type.scalar, w)
            f.call(fold, VOID, f.at(sums, whole * w * w, type), last)
            f.store(f.load(type, last), out, whole * w, known_mask(type, tail))
