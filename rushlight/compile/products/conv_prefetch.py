"""What a convolution wants next, asked for while its tiles compute.

Packing weights, padding images and writing results wait for memory; tiles hardly touch it. So
every call of a tile asks for some lines of what comes next, a few in every round of its outermost
loop. Calls of a unit are numbered; each has its stretch of the regions, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..code.emit import I64, Function, Type, Value
from ..records import record
from .conv_channels_plan import ChannelPlan
from .conv_plan import Array
from .conv_weight_plan import WeightPlan
from .packing import Number, quotient, times

MOST = 3  # lines per round of a few taps: few requests can be under way at once
STEPS = 4  # steps of a tile, of a dozen multiply-adds and more each, for every line


@record(frozen=True)
class Region:
    """`rows` runs of `run` elements, `step` elements apart."""

    rows: int
    step: int
    run: int

    @property
    def flat(self) -> Region:
        """Runs that lie behind each other as one."""
        return Region(1, 0, self.rows * self.run) if self.step == self.run else self


class Stream:
    """Regions spread over `turns` calls of tiles, which have `rounds` rounds each."""

    def __init__(
        self, type: Type, regions: Sequence[Region], turns: int, rounds: int, most: int = MOST
    ) -> None:
        self.type, self.rounds = type, rounds
        self.line = 64 // type.size
        self.regions = [region.flat for region in regions]
        fits = (n for n in range(1, most) if sum(self._calls(n)) <= turns)
        self.lines = next(fits, most) if self.regions and rounds > 1 else 0

    def _calls(self, lines: int) -> list[int]:
        """Calls that each region takes."""
        return [region.rows * self._per_row(region, lines) for region in self.regions]

    def _per_row(self, region: Region, lines: int) -> int:
        return -(-region.run // (self.rounds * lines * self.line))

    def pointer(self, f: Function, bases: Sequence[Value], turn: Number, idle: Value) -> Value:
        """Where call `turn` asks from; `idle` is an address that is at hand, for later calls."""
        found, number = idle, f.coerce(turn, I64)
        first = 0
        for base, region, calls in zip(bases, self.regions, self._calls(self.lines)):
            each = self._per_row(region, self.lines)
            at = f.sub(number, first)
            row = quotient(f, at, each, calls)
            piece: Number = f.sub(at, times(f, row, each)) if each > 1 else 0
            offset = f.add(
                times(f, row, region.step), times(f, piece, self.rounds * self.lines * self.line)
            )
            inside = f.emit(I64.of("bool"), f"icmp ult {f.coerce(at, I64).typed}, {calls}")
            found = f.select(inside, f.at(base, offset, self.type), found)
            first += calls
        return found


class ChannelWishes:
    """What units of a `ChannelPlan` ask for: what the next one reads, what their own end touches.

    `touched` are the arrays of the end, with steps (n, g, row, a, b).
    """

    def __init__(self, plan: ChannelPlan, touched: Sequence[Array], calls: int) -> None:
        self.plan, self.calls = plan, calls
        _, across = plan.ways
        self.touched = [
            array for array in touched if array.steps[4] == 1 and array.steps[3] == across.out
        ]  # fmt: skip
        turns = plan.rounds * calls
        total = turns * (plan.terms // plan.at_once if plan.own else plan.blocks)
        whole = plan.cut == plan.terms
        after = [self._ends(array) for array in self.touched]
        last = calls if whole else total if plan.own else turns
        if plan.lasting:
            total = plan.together // plan.places[0] * calls
        elif plan.own and not whole:
            total = turns
        self.streams = [self._stream(self._next(), total), self._stream(after, last)]

    def _stream(self, regions: list[Region], turns: int) -> Stream:
        plan, tall = self.plan, len(self.plan.ways[0].taps[0])
        one = len(list(plan.phases)) == 1
        return Stream(plan.type, regions, turns, plan.cut if plan.cut > 1 or not one else tall)

    def _next(self) -> list[Region]:
        """The weights that are packed next, or the source of the next unit."""
        plan, (down, across) = self.plan, self.plan.ways
        wide = plan.vectors * plan.type.lanes
        if plan.lasting:
            one = len(list(plan.phases)) == 1
            return [Region(1, 0, plan.cut * plan.taps * wide)] if one else []
        if plan.own:
            _, row, term, *_ = plan.weight.steps
            if term == plan.taps:
                return [Region(wide, row, plan.at_once * term)]
            return [Region(plan.at_once, term, wide * row)] if row == plan.taps else []
        n, _, c, h, w = plan.source.steps
        if w != 1 or h != across.size or plan.groups > 1:
            return []
        if plan.units[2] > 1:
            return [Region(plan.terms, c, plan.block * down.jump * h)]
        region = Region(plan.terms, c, down.size * h)
        if plan.together == 1:
            return [region]
        return [Region(plan.together, n, plan.terms * c)] if c == region.run else []

    def _ends(self, array: Array) -> Region:
        """What the end of a strip touches."""
        plan, wide = self.plan, self.plan.vectors * self.plan.type.lanes
        n, _, row, line, _ = array.steps
        run = plan.block * plan.ways[0].step * line
        if plan.kept == 1:
            return Region(wide, row, run)
        return Region(plan.kept, n, wide * row)


def weight_stream(plan: WeightPlan, calls: int) -> Stream:
    """What tiles of a `WeightPlan` ask for, `calls` of them per block of channels.

    Units that write the result themselves ask for that; others for the next input and gradient.
    """
    rounds = plan.chunk if plan.chunk > 1 else plan.lines
    if plan.inner:
        return Stream(plan.type, [], 0, 0)
    if plan.whole:
        goal = Region(plan.wide, plan.out.steps[1], plan.terms * plan.kernel)
        return Stream(plan.type, [goal], calls, rounds)
    s, regions = plan.shape, []
    for array, channels, size, lines in (
        (plan.source, plan.terms, s.size, plan.lines * plan.span * s.stride[0]),
        (plan.grad, s.outs, s.out, plan.lines * plan.span),
    ):
        n, _, c, h, w = array.steps
        if w != 1 or h != size[1]:
            return Stream(plan.type, [], 0, 0)
        region = Region(channels, c, min(lines, size[0]) * h).flat
        if plan.chunk > 1:
            region = Region(plan.chunk, n, region.run if region.rows == 1 else channels * c)
        regions.append(region)
    most = max(1, min(8, plan.places // (plan.lines if plan.chunk == 1 else 1) // STEPS))
    return Stream(plan.type, regions, plan.span * plan.strips * calls, rounds, most)
