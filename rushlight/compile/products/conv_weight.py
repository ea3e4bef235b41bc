"""The kernels of a weight's gradient: sums of parts of the batch, then their total."""

from __future__ import annotations

import functools
import math
from itertools import product
from typing import Any

from ..code.emit import I64, VOID, Function, Module, Value, constant
from .conv_prefetch import weight_stream
from .conv_stage import Stage
from .conv_weight_plan import WeightPlan
from .gemm import CHUNK_FLOPS, KernelCall
from .packing import KERNEL, Number, clear, move, positions, table_entry, times, turn_name
from .tiles import Tile, emit_tile, known_mask, unrolled
from .winograd_weight import MinimalParts
from .winograd_weight_plan import MinimalPlan


def emit_weight(
    module: Module, name: str, plan: WeightPlan | MinimalPlan, scratch: int
) -> list[KernelCall]:
    """Add the kernels; `scratch` is the slot of the sums, where they wait for each other."""
    units = math.prod(plan.units)
    each = max(1, plan.shape.flops // units)
    if isinstance(plan, MinimalPlan):
        MinimalParts(module, f"{name}_parts", plan, scratch).emit()
        count = _total(module, name, plan, scratch)
    elif plan.whole:
        _Parts(module, name, plan, scratch).emit()
        return [KernelCall(name, units, max(1, CHUNK_FLOPS // each), plan.shape.flops)]
    else:
        _Parts(module, f"{name}_parts", plan, scratch).emit()
        count = (_folded if plan.inner else _total)(module, name, plan, scratch)
    calls = [KernelCall(f"{name}_parts", units, max(1, CHUNK_FLOPS // each))]
    block = plan.type.lanes**2 * plan.parts * plan.vectors
    calls.append(KernelCall(name, count, max(1, (1 << 17) // block), plan.shape.flops))
    return calls


class _Parts:
    """Writes the kernel of one part's sums; units are (part, group, block of channels)."""

    def __init__(self, module: Module, name: str, plan: WeightPlan, scratch: int) -> None:
        self.module, self.name, self.plan, self.type = module, name, plan, plan.type
        self.f = module.function(name, KERNEL)
        self.scratch = scratch
        self.calls = sum(math.prod(counts) for _, counts in plan.kinds())
        self.stream = weight_stream(plan, self.calls)

    def emit(self) -> None:
        f, plan, type = self.f, self.plan, self.type
        self.grad = table_entry(f, type, plan.grad.slot, plan.grad.offset)
        self.source = table_entry(f, type, plan.source.slot, plan.source.offset)
        if plan.whole:
            self.out = table_entry(f, type, plan.out.slot, plan.out.offset)
            self.sums = f.stack(type.scalar, plan.own_sums)
        else:
            self.sums = table_entry(f, type, self.scratch)
        self.turned = self.sums if plan.inner else f.stack(type.scalar, plan.turned)
        if plan.staged:
            self.room = f.stack(type.scalar, plan.terms * plan.term_step + plan.slack)
        _, begin, end = f.arguments
        with f.loop(begin, end) as units:
            self._unit(units.index)

    def _unit(self, unit: Value) -> None:
        f, plan = self.f, self.plan
        part, group, block = positions(f, unit, [(n, ()) for n in plan.units])[1]
        self.channel = times(f, block, plan.terms)
        if plan.whole:
            self.here, self.group = self.sums, group
            self._image(0, group)
            return
        strips, wide = self._strips()
        at = f.add(times(f, part, plan.part_room),
                   times(f, group, strips * plan.taps * wide))  # fmt: skip
        at = f.add(at, times(f, self.channel, plan.kernel * wide))
        self.here = f.at(self.sums, at, self.type)
        for strip in range(strips):
            where = f.at(self.here, strip * plan.taps * wide, self.type)
            clear(f, where, plan.terms * plan.kernel * wide * self.type.size)
        first = times(f, part, plan.images)
        last: Number = f.add(first, plan.images)
        if plan.shape.images % plan.parts:
            last = f.select(f.compare("<", last, plan.shape.images), last, plan.shape.images)
        with f.loop(first, last, plan.chunk) as images:
            self._image(images.index, group)

    def _strips(self) -> tuple[int, int]:
        """How many blocks of sums there are for every tap, and how large each is."""
        plan = self.plan
        return (plan.shape.outs, self.type.lanes) if plan.inner else (plan.strips, plan.wide)

    def _image(self, image: Number, group: Number) -> None:
        f, plan, s = self.f, self.plan, self.plan.shape
        n, g, c, h, _ = plan.source.steps
        at = f.add(times(f, image, n), times(f, group, g))
        source = f.at(self.source, f.add(at, times(f, self.channel, c)), self.type)
        n, g, *_ = plan.grad.steps
        at = f.add(times(f, image, n), times(f, group, g))
        grad = f.at(self.grad, at, self.type)
        step = plan.lines * plan.span
        with f.loop(0, s.out[0], step) as spans:
            x, line = source, 0 if step == s.out[0] else spans.index
            self._next(source, grad, f.add(line, step))
            if plan.staged:
                self._stage(source, times(f, line, s.stride[0]))
                x = self.room
            else:
                x = f.at(x, times(f, line, s.stride[0] * h), self.type)
            self._span(x, f.at(grad, times(f, line, plan.grad.steps[3]), self.type))

    def _next(self, source: Value, grad: Value, line: Number) -> None:
        """Where the input and the gradients begin that come after these: lines, or images."""
        f, plan = self.f, self.plan
        self.bases = []
        if not self.stream.lines or plan.whole:
            return
        for base, array, stride in ((source, plan.source, plan.shape.stride[0]),
                                    (grad, plan.grad, 1)):  # fmt: skip
            other = f.coerce(plan.chunk * array.steps[0], I64)
            if not isinstance(line, int):
                inside = f.compare("<", line, plan.shape.out[0])
                other = f.select(inside, times(f, line, stride * array.steps[3]), other)
            self.bases.append(f.at(base, other, self.type))

    def _stage(self, source: Value, line: Number) -> None:
        f, plan = self.f, self.plan
        with f.loop(0, plan.chunk) as images:
            here = f.at(source, times(f, images.index, plan.source.steps[0]), self.type)
            there = f.at(self.room, times(f, images.index, plan.plane), self.type)
            Stage(f, plan).fill(here, line, there)

    def _span(self, x: Value, grad: Value) -> None:
        f, plan = self.f, self.plan
        if plan.inner:
            self._places(x, grad)
            return
        down = plan.steps[1] * plan.shape.stride[0] * plan.lines
        full = plan.shape.outs // plan.wide
        with f.loop(0, plan.span) as blocks:
            here = f.at(x, times(f, blocks.index, down), self.type)
            line = times(f, blocks.index, plan.lines * plan.grad.steps[3])
            there = f.at(grad, line, self.type)
            done = times(f, blocks.index, plan.strips)
            if full:
                with f.loop(0, full) as strips:
                    self.turn = f.add(done, strips.index)
                    self._strip(here, there, strips.index, plan.wide)
            if full < plan.strips:
                self.turn = f.add(done, full)
                self._strip(here, there, full, plan.shape.outs - full * plan.wide)

    def _strip(self, x: Value, grad: Value, strip: Number, columns: int) -> None:
        """Turn one block of gradients, and let every tile add its places."""
        f, plan = self.f, self.plan
        grad = f.at(grad, times(f, strip, plan.wide * plan.grad.steps[2]), self.type)

        def turn(f: Function, grad: Value, turned: Value) -> None:
            copy = plan.turn(columns)
            with f.loop(0, plan.chunk) as images, f.loop(0, copy.count) as lines:
                here = f.at(grad, times(f, images.index, plan.grad.steps[0]), self.type)
                there = f.at(turned, times(f, images.index, plan.places * plan.wide), self.type)
                move(f, copy, lines.index, here, there)

        f.apart(f"{self.name}_turn{columns}", [grad, self.turned], turn)
        room = 0 if plan.whole else plan.taps * plan.wide
        sums = f.at(self.here, times(f, strip, room), self.type)
        if plan.whole:
            group, row, *_ = plan.out.steps
            at = f.add(times(f, self.group, group), times(f, self.channel, plan.kernel))
            out = f.at(self.out, f.add(at, times(f, strip, plan.wide * row)), self.type)
            self.turn, self.bases = 0, [out]
        number = 0
        for sizes, counts in plan.kinds():
            self._tiles(x, sums, sizes, counts, number)
            number += math.prod(counts)
        if plan.whole:
            given = [self.sums, self.bases[0]]
            write = functools.partial(self._result, columns)
            f.apart(f"{self.name}_result{columns}", given, write)

    def _result(self, columns: int, f: Function, sums: Value, out: Value) -> None:
        """Turn the sums of a strip and bring them to the result."""
        plan, type, w = self.plan, self.type, self.type.lanes
        square = f.stack(type.scalar, w * w)
        turn, taps, row = turn_name(self.module, type), plan.terms * plan.kernel, plan.out.steps[1]

        def block(tap: Number, count: int) -> None:
            mask = known_mask(type, count)
            for lane in range(0, columns, w):
                here = f.at(sums, f.add(times(f, tap, plan.wide), lane), type)
                there = f.at(out, f.add(tap, lane * row), type)
                exact = count == w and lane + w <= columns
                goal, step = (there, row) if exact else (square, w)
                f.call(turn, VOID, here, constant(plan.wide, I64), goal, constant(step, I64))
                if not exact:
                    with f.loop(0, min(w, columns - lane)) as rows:
                        value = f.load(type, square, times(f, rows.index, w))
                        f.store(value, there, times(f, rows.index, row), mask)

        with f.loop(0, taps // w * w, w) as blocks:
            block(blocks.index, w)
        if taps % w:
            block(taps // w * w, taps % w)

    def _tiles(self, x: Value, sums: Value, sizes: Any, counts: Any, number: int) -> None:
        """All tiles of one kind; `number` calls were made before."""
        f, plan, (tall, broad) = self.f, self.plan, self.plan.shape.kernel
        names = [self._tile(tuple(size for _, size in sizes))]
        (c, cs), (i, n), (j, m) = sizes
        steps = self._steps()
        with f.loop(0, counts[0]) as first:
            for a in range(counts[1]):
                for b in range(counts[2]):
                    at = (f.add(times(f, first.index, cs), c), i + a * n, j + b * m)
                    to = f.add(times(f, at[0], tall * broad), at[1] * broad + at[2])
                    come: Number = 0
                    for index, step in zip(at, steps):
                        come = f.add(come, times(f, index, step))
                    call = f.add(times(f, first.index, counts[1] * counts[2]),
                                 number + a * counts[2] + b)  # fmt: skip
                    f.call(
                        names[0], VOID, f.at(x, come, self.type), self.turned,
                        f.at(sums, times(f, to, plan.wide), self.type), *self._wanted(call),
                    )  # fmt: skip

    def _wanted(self, number: Number) -> list[Value]:
        """Where call `number` of a strip asks for lines."""
        if not self.stream.lines:
            return []
        at = self.f.add(times(self.f, self.turn, self.calls), number)
        return [self.stream.pointer(self.f, self.bases, at, self.turned)]

    def _places(self, x: Value, grad: Value) -> None:
        """Inner tiles over all channels and taps."""
        f, plan, (tall, broad) = self.f, self.plan, self.plan.shape.kernel
        steps, w = self._steps(), self.type.lanes
        for first, few, count in plan.fews():
            for sizes, counts in plan.kinds():
                name = self._inner_tile(few, tuple(size for _, size in sizes))
                with f.loop(0, count) as fews, f.loop(0, counts[0]) as channels:
                    o = f.add(times(f, fews.index, few), first)
                    g = f.at(grad, times(f, o, plan.grad.steps[2]), self.type)
                    c = f.add(times(f, channels.index, sizes[0][1]), sizes[0][0])
                    to = f.add(times(f, o, plan.taps), times(f, c, tall * broad))
                    for a, b in product(range(counts[1]), range(counts[2])):
                        i, j = sizes[1][0] + a * sizes[1][1], sizes[2][0] + b * sizes[2][1]
                        come = f.add(times(f, c, steps[0]), i * steps[1] + j * steps[2])
                        f.call(
                            name, VOID, g, f.at(x, come, self.type),
                            f.at(self.here, times(f, f.add(to, i * broad + j), w), self.type),
                        )  # fmt: skip

    def _inner_tile(self, few: int, sizes: tuple[int, ...]) -> str:
        plan, s, (tall, broad) = self.plan, self.plan.shape, self.plan.shape.kernel
        name = f"{self.name}_inner{few}_{'_'.join(map(str, sizes))}"
        if name in self.module.functions:
            return name
        w, (a, b, d) = self.type.lanes, self._steps()
        taps = list(product(*map(range, sizes)))
        y = tuple(c * a + i * b + j * d for c, i, j in taps)
        x = tuple(n * plan.grad.steps[2] for n in range(few))
        out = (
            tuple(n * plan.taps * w for n in range(few)),
            tuple(((c * tall + i) * broad + j) * w for c, i, j in taps),
        )
        down = plan.steps[1] * s.stride[0]
        loops = ((plan.lines, plan.grad.steps[3], down), (s.out[1], 1, 1))
        return emit_tile(
            self.module, name, Tile(self.type, x, y, loops, out, inner=True, adds=True)
        )  # fmt: skip

    def _steps(self) -> tuple[int, int, int]:
        """From tap to tap of the input."""
        plan, (c, h, w) = self.plan, self.plan.steps
        return c, h * plan.shape.dilation[0], w * plan.shape.dilation[1]

    def _tile(self, sizes: tuple[int, ...]) -> str:
        plan, (tall, broad) = self.plan, self.plan.shape.kernel
        name = f"{self.name}_tile{'_'.join(map(str, sizes))}"
        if name in self.module.functions:
            return name
        taps = list(product(*map(range, sizes)))
        a, b, d = self._steps()
        x = tuple(c * a + i * b + j * d for c, i, j in taps)
        rows = tuple(((c * tall + i) * broad + j) * plan.wide for c, i, j in taps)
        lanes = tuple(range(0, plan.wide, self.type.lanes))
        s, (_, h, w) = plan.shape, plan.steps
        loops = (
            (plan.chunk, plan.image_step, plan.places * plan.wide),
            (plan.lines, h * s.stride[0], s.out[1] * plan.wide),
            (s.out[1], w * s.stride[1], plan.wide),
        )
        tile = Tile(
            self.type, x, lanes, loops, (rows, lanes), unrolled(self.type, plan.vectors),
            adds=not plan.whole, walks=(self.stream.lines,) * bool(self.stream.lines),
        )  # fmt: skip
        return emit_tile(self.module, name, tile)


def _total(module: Module, name: str, plan: WeightPlan | MinimalPlan, scratch: int) -> int:
    """The kernel that adds the parts up and turns them; gives its number of units."""
    f, type = module.function(name, KERNEL), plan.type
    w, turn = type.lanes, turn_name(module, type)
    sums, out = table_entry(f, type, scratch), table_entry(f, type, plan.out.slot, plan.out.offset)
    block, turned = f.stack(type.scalar, w * w), f.stack(type.scalar, w * w)
    blocks = -(-plan.taps // w)
    dims = [(n, ()) for n in (plan.shape.groups, plan.strips, blocks)]
    _, begin, end = f.arguments
    with f.loop(begin, end) as units:
        group, strip, tap = positions(f, units.index, dims)[1]
        tap = times(f, tap, w)
        at = f.add(times(f, f.add(times(f, group, plan.strips), strip), plan.taps), tap)
        here = f.at(sums, times(f, at, plan.wide), type)
        there = f.at(out, f.add(times(f, group, plan.out.steps[0]), tap), type)
        left = f.coerce(f.sub(plan.taps, tap), I64)
        mask = f.first_lanes(left, w) if plan.taps % w else None
        with f.loop(0, plan.vectors) as lanes:
            channel = f.add(times(f, strip, plan.wide), times(f, lanes.index, w))
            rows = f.coerce(f.sub(plan.shape.outs, channel), I64)
            rows = f.select(f.compare("<", rows, w), rows, w)
            with f.loop(0, w) as row:
                start = f.add(times(f, row.index, plan.wide), times(f, lanes.index, w))
                value = f.load(type, at := f.at(here, start, type))
                for _ in range(1, plan.parts):
                    at = f.at(at, plan.part_room, type)
                    value = f.add(value, f.load(type, at))
                f.store(value, block, times(f, row.index, w))
            f.call(turn, VOID, block, constant(w, I64), turned, constant(w, I64))
            with f.loop(0, rows) as row:
                value = f.load(type, turned, times(f, row.index, w))
                to = times(f, f.add(channel, row.index), plan.out.steps[1])
                f.store(value, there, to, mask)
    return math.prod(n for n, _ in dims)


def _folded(module: Module, name: str, plan: WeightPlan, scratch: int) -> int:
    """The kernel that adds up parts and lanes; units are (group, channel of the result)."""
    f, type, w = module.function(name, KERNEL), plan.type, plan.type.lanes
    sums, out = table_entry(f, type, scratch), table_entry(f, type, plan.out.slot, plan.out.offset)
    dims = [(n, ()) for n in (plan.shape.groups, plan.shape.outs)]
    _, begin, end = f.arguments
    with f.loop(begin, end) as units:
        here = f.at(sums, times(f, units.index, plan.taps * w), type)
        group, channel = positions(f, units.index, dims)[1]
        at = f.add(times(f, group, plan.out.steps[0]), times(f, channel, plan.out.steps[1]))
        there = f.at(out, at, type)
        with f.loop(0, plan.taps) as taps:
            value = f.load(type, here, times(f, taps.index, w))
            for part in range(1, plan.parts):
                at = f.add(times(f, taps.index, w), part * plan.part_room)
                value = f.add(value, f.load(type, here, at))
            f.store(f.reduce("sum", value), there, taps.index)
    return math.prod(n for n, _ in dims)
