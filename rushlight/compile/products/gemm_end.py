"""The end of a tile: sums put in the order of C, the epilogue, and the stores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..code.emit import I64, PTR, VOID, Function, Module, Value
from ..records import record
from .gemm_plan import Gemm, Plan, Result
from .packing import Number, fold_name, positions, table_entry, times, turn_name
from .tiles import known_mask

Epilogue = Callable[[Function, Value, "Place"], "Value | None"]


@record(frozen=True)
class Place:
    """Where a vector of finished numbers of C belongs; indices are values or known numbers.

    Lanes are consecutive columns from `col` in one row, or rows from `row` in one column where
    `axis` is "row". `offset` is the first lane's place in C's buffer and `step` that of the next,
    so operands laid out as C are read there. `mask` says which lanes exist (None: all); the others
    must not be read or written. `batch` holds one index per batch dimension. The table of buffers
    is `f.arguments[0]`, as in a kernel.
    """

    gemm: Gemm
    batch: tuple[Number, ...]
    row: Number
    col: Number
    axis: str
    offset: Number
    step: int
    mask: Value | None


def emit_ask(module: Module, name: str, plan: Plan, touched: Sequence[Result]) -> None:
    """Add `(table, matrix, first, lane)`, which asks for what the end of a tile there touches."""
    given = [("table", PTR), *((word, I64) for word in ("matrix", "first", "lane"))]
    f = module.function(f"{name}_ask", given, internal=True)
    _, matrix, first, lane = f.arguments
    high, lines = asked(plan)
    starts = ask_starts(f, plan, touched, matrix, first, lane)
    with f.loop(0, high) as row:
        for start, place in zip(starts, touched):
            here = f.at(start, times(f, row.index, ask_step(plan, place)), plan.type)
            for line in range(lines):
                f.prefetch(f.at(here, line * (64 // plan.type.size), plan.type), write=True)


def asked(plan: Plan) -> tuple[int, int]:
    """Rows of C that the end of a tile touches, and lines of each."""
    high, wide = (plan.width, plan.height) if plan.turned else (plan.height, plan.width)
    return high, -(-wide * plan.type.size // 64)


def ask_step(plan: Plan, place: Result) -> int:
    """From row to row of what is asked for."""
    return place.col if plan.gemm.lane_axis == "row" else place.row


def ask_starts(
    f: Function, plan: Plan, touched: Sequence[Result], matrix: Number, first: Number, lane: Number
) -> list[Value]:
    """Where in each array the end of a tile at row `first` and lane `lane` begins."""
    starts = []
    for place in touched:
        dims = [(size, (step,)) for size, step in zip(plan.gemm.batch, place.batch)]
        offset = positions(f, matrix, dims)[0][0] if dims else 0
        down = times(f, first, ask_step(plan, place))
        offset = f.add(f.add(offset, place.offset), f.add(down, lane))
        starts.append(f.at(table_entry(f, plan.type, place.slot), offset, plan.type))
    return starts


def worth_asking(gemm: Gemm, touched: Sequence[Result]) -> tuple[Result, ...]:
    """The arrays, of those that the ends of tiles touch, that are unlikely to be at hand."""
    size = gemm.m * gemm.n * math.prod(gemm.batch)
    if size < 1 << 12 or gemm.terms < 32:
        return ()
    by_row = gemm.lane_axis == "row"
    return tuple(
        place for place in dict.fromkeys(touched)
        if (place.row if by_row else place.col) == 1 and (place.col if by_row else place.row) >= 16
    )  # fmt: skip


class End:
    """Writes `(table, sums, turned, matrix, base, first, lane, rows, lanes)`.

    `sums` is what a tile left; it goes to C from row `first` and lane `lane` on, counted along the
    axes on which vectors of C follow each other and lie, from offset `base`.
    """

    GIVEN = [
        *((name, PTR) for name in ("table", "sums", "turned")),
        *((name, I64) for name in ("matrix", "base", "first", "lane", "rows", "lanes")),
    ]

    def __init__(self, module: Module, name: str, plan: Plan, epilogue: Epilogue | None) -> None:
        self.f = module.function(f"{name}_end", self.GIVEN, internal=True)
        self.plan, self.type, self.epilogue = plan, plan.type, epilogue
        self.gemm = plan.gemm

    def emit(self) -> None:
        f = self.f
        _, _, _, matrix, _, _, _, rows, _ = f.arguments
        source, step = self._ordered()
        self.batch = tuple(positions(f, matrix, [(size, ()) for size in self.gemm.batch])[1])
        with f.loop(0, rows, some=True) as row:
            here = f.at(source, times(f, row.index, step), self.type)
            counts = self.plan.lane_counts
            if len(counts) == 1:
                self._known(here, row.index, counts[0])
            else:
                self._unknown(here, row.index, counts)

    def _known(self, source: Value, row: Value, lanes: int) -> None:
        """A row of so many lanes."""
        w = self.type.lanes
        whole = lanes // w * w
        if whole <= (4 if self.gemm.terms <= 64 else 1) * w:
            for lane in range(0, whole, w):
                self._vector(source, row, lane, None)
        else:
            with self.f.loop(0, whole, w) as loop:
                self._vector(source, row, loop.index, None)
        if whole < lanes:
            self._vector(source, row, whole, known_mask(self.type, lanes - whole))

    def _unknown(self, source: Value, row: Value, counts: tuple[int, ...]) -> None:
        """A row of one of several numbers of lanes, which is the last argument."""
        f, w, lanes = self.f, self.type.lanes, self.f.arguments[8]
        whole: Number = 0
        if max(counts) >= w:
            whole = f.bit_and(lanes, -w)
            with f.loop(0, whole, w) as lane:
                self._vector(source, row, lane.index, None)
        if any(count % w for count in counts):
            with f.if_(f.compare("<", whole, lanes)):
                self._vector(source, row, whole, f.first_lanes(f.sub(lanes, whole), w))

    def _ordered(self) -> tuple[Value, int]:
        """Where finished vectors begin, and how far apart their rows are."""
        f, plan, w = self.f, self.plan, self.type.lanes
        _, sums, turned, *_ = f.arguments
        if plan.inner:
            fold = fold_name(f.module, self.type)
            count = -(-(plan.height * plan.vectors) // w)
            with f.loop(0, count) as group:
                here = f.at(sums, times(f, group.index, w * w), self.type)
                f.call(fold, VOID, here, f.at(turned, times(f, group.index, w), self.type))
            return turned, plan.vectors
        if not plan.turned:
            return sums, plan.width
        turn, room = turn_name(f.module, self.type), -(-plan.height // w) * w
        steps = f.coerce(plan.width, I64), f.coerce(room, I64)
        for row in range(0, room, w):
            with f.loop(0, plan.width, w) as lane:
                here = f.at(sums, f.add(lane.index, row * plan.width), self.type)
                there = f.at(turned, f.add(times(f, lane.index, room), row), self.type)
                f.call(turn, VOID, here, steps[0], there, steps[1])
        return turned, room

    def _vector(self, source: Value, row: Value, lane: Number, mask: Value | None) -> None:
        """One finished vector: old value added, epilogue, store."""
        f, gemm = self.f, self.gemm
        base, first, start = f.arguments[4:7]
        value = f.load(self.type, source, lane)
        if mask is not None and (self.epilogue or gemm.accumulate):
            value = f.select(mask, value, 0.0)  # idle lanes may hold denormals, which are slow
        row, lane = f.add(first, row), f.add(start, lane)
        down, across = self.plan.steps
        offset = f.add(base, f.add(times(f, row, down), times(f, lane, across)))
        ends = (lane, row) if gemm.lane_axis == "row" else (row, lane)
        place = Place(gemm, self.batch, *ends, gemm.lane_axis, offset, across, mask)
        c = f.at(table_entry(f, self.type, gemm.c.slot), offset, self.type)
        spread = f.steps(I64.wide(self.type.lanes), across)
        if gemm.accumulate:
            near = across == 1
            old = f.load(self.type, c, 0, mask) if near else f.gather(self.type, c, spread, mask)
            value = f.add(old, value)
        done = self.epilogue(f, value, place) if self.epilogue else value
        if done is not None and across == 1:
            f.store(done, c, 0, mask)
        elif done is not None:
            f.scatter(done, c, spread, mask)
