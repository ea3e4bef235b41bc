"""Gradients of convolution weights: numbers of the input by vectors of gradients.

Lanes are channels of the result, rows are taps and channels of the input, and the sum runs over
places and images. The gradient is turned block by block, so that the channels of a place lie side
by side; the input is read as it is, or from a padded copy of some rows. Parts of the batch keep
sums of their own, (group, strip, tap, channel of the result), added up in a fixed order.

Where the result has few channels, lanes run along the places instead, and a sum is a vector until
the end (`inner`): rows of gradients by vectors of the input at every tap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

from ..code.emit import Type, vector
from ..records import record, replace
from .conv_plan import STACK, Array, Axis, Pair, Shape
from .gemm_plan import tile_shapes
from .packing import Copy

STAGED = 160 << 10  # bytes of the input that should be at hand
TURNED = 24 << 10  # bytes of turned gradients
FIRST = 24 << 10  # bytes that the first cache keeps
PLACES = 150  # places that a tile sums where images are small
WHOLE = 1280  # as many as it may be to sum all images at once
CHUNK = 240 << 10  # bytes of such images
UNITS = 8  # so many units let threads share the work
MOST = 1 << 10  # sums that may be vectors until the end
SUMS = 4 << 20  # bytes of sums that parts may keep
MOVED = 1.0  # cycles for each of them
Triple = tuple[int, int, int]


@record(frozen=True)
class WeightPlan:
    """How a weight's gradient is computed; the properties up to `slack` are those of a stage."""

    type: Type
    shape: Shape
    grad: Array  # n, g, o, a, b
    source: Array  # n, g, c, h, w
    out: Array  # g, o, c, i, j
    vectors: int = 1
    rows: Triple = (1, 1, 1)  # of a tile: channels, kernel rows, kernel columns
    terms: int = 1  # channels of the input per unit
    parts: int = 1
    lines: int = 1  # rows of places per turned block
    span: int = 1  # turned blocks per staged block
    inner: bool = False
    few: int = 1  # channels of the result per inner tile
    chunk: int = 1  # small images that a tile sums at once

    @property
    def axes(self) -> tuple[Axis, Axis]:
        first, second = (
            Axis(size, 0, 0, 1, 0, 1, pad, 0, ())
            for size, pad in zip(self.shape.size, self.shape.padding)
        )
        return first, second

    planes = ((0, 0),)

    @property
    def exact(self) -> bool:
        """Whether nothing may be written past the end of a plane."""
        return self.chunk > 1

    @property
    def height(self) -> int:
        s = self.shape
        return (self.lines * self.span - 1) * s.stride[0] + (s.kernel[0] - 1) * s.dilation[0] + 1

    @property
    def pitch(self) -> int:
        s = self.shape
        return (s.out[1] - 1) * s.stride[1] + (s.kernel[1] - 1) * s.dilation[1] + 1

    @property
    def term_step(self) -> int:
        if self.chunk == 1:
            return self.plane
        line = 64 // self.type.size
        return (-(-self.plane * self.chunk // line) | 1) * line  # odd, for all sets of a cache

    @property
    def whole(self) -> bool:
        """Whether a tile sums all there is, so that units write the result themselves."""
        every = self.chunk == self.shape.images and self.lines == self.shape.out[0]
        return every and not self.inner

    @property
    def plane(self) -> int:
        return self.height * self.pitch

    @property
    def image_step(self) -> int:
        """From one image to the next as tiles read them."""
        return self.plane if self.staged else self.source.steps[0]

    @property
    def slack(self) -> int:
        return self.type.lanes

    @property
    def staged(self) -> bool:
        return any(self.shape.padding)

    @property
    def steps(self) -> Triple:
        """From channel to channel, row to row, place to place of the input as tiles read it."""
        if self.staged:
            return self.term_step, self.pitch, 1
        c, h, w = self.source.steps[2:]
        return c, h, w

    @property
    def wide(self) -> int:
        return self.vectors * self.type.lanes

    @property
    def strips(self) -> int:
        """Blocks of channels of the result."""
        return -(-self.shape.outs // self.wide)

    @property
    def kernel(self) -> int:
        return math.prod(self.shape.kernel)

    @property
    def taps(self) -> int:
        return self.shape.ins * self.kernel

    @property
    def units(self) -> Triple:
        return self.parts, self.shape.groups, self.shape.ins // self.terms

    @property
    def images(self) -> int:
        """Images of a part."""
        return -(-self.shape.images // self.parts)

    @property
    def part_room(self) -> int:
        """Elements of one part's sums."""
        if self.inner:
            return self.shape.groups * self.shape.outs * self.taps * self.type.lanes
        return self.shape.groups * self.strips * self.taps * self.wide

    @property
    def scratch(self) -> int:
        """Bytes; the last block of taps is read past its end."""
        if self.whole:
            return 0
        return (self.parts * self.part_room + self.type.lanes * self.wide) * self.type.size

    @property
    def turned(self) -> int:
        return 0 if self.inner else self.chunk * self.places * self.wide

    @property
    def places(self) -> int:
        """Places of an image that a tile sums."""
        return self.lines * self.shape.out[1]

    @property
    def stack(self) -> int:
        room = self.terms * self.term_step + self.slack if self.staged else 0
        return (self.turned + room + self.own_sums) * self.type.size

    @property
    def own_sums(self) -> int:
        """Elements of the sums of a unit that writes the result itself."""
        return (self.terms * self.kernel + self.type.lanes) * self.wide if self.whole else 0

    def turn(self, columns: int) -> Copy:
        """One block of gradients with `columns` channels of a place side by side."""
        steps, width = self.grad.steps, self.shape.out[1]
        flat = steps[3] == steps[4] * width
        count, rows = (1, self.lines * width) if flat else (self.lines, width)
        return Copy(
            self.type, ((count, steps[3], width * self.wide),), rows, columns, self.wide,
            (steps[4], steps[2]), self.wide, (0, 0), (0, 0),
        )  # fmt: skip

    def kinds(self) -> Iterator[tuple[tuple[Pair, Pair, Pair], Triple]]:
        """Kinds of tiles, ((first, size) by dimension), and how many of each there are."""
        sizes = (self.terms, *self.shape.kernel)
        parts = [_even(n, most) for n, most in zip(sizes, self.rows)]
        for found in product(*parts):
            (a, b, c) = found
            yield ((a[0], a[1]), (b[0], b[1]), (c[0], c[1])), (a[2], b[2], c[2])

    @property
    def cost(self) -> float:
        """Cycles per image, roughly."""
        blocks = -(-self.shape.out[0] // self.lines)
        if self.inner:
            tiles = sum(self._tile_cycles(*kind) for kind in self.kinds())
            return tiles * blocks * self.units[1] * self.units[2]
        cycles = 0.0
        for sizes, counts in self.kinds():
            rows = math.prod(size for _, size in sizes)
            each = 0.5 if self.vectors > 1 else 0.95  # a number, which a single sum fetches itself
            step = 1.2 + max(rows * self.vectors / 2, rows * each + self.vectors * 0.7, 4)
            once = (40 + rows * self.vectors * 3) / self.chunk + self._waits(sizes[0][1])
            cycles += math.prod(counts) * (self.places * step + once)
        cycles += self.places * self.wide * 0.6
        cycles *= blocks * self.strips * self.units[1] * self.units[2]
        if not self.whole:  # sums are cleared, added up, and read again
            cycles += self.parts * self.part_room * MOVED / self.shape.images
        return cycles

    def _waits(self, channels: int) -> float:
        """Cycles per image in which a tile waits for lines that the first cache does not keep."""
        pitch = self.pitch if self.staged else self.shape.size[1]
        plane = self.lines * self.shape.stride[0] * pitch * self.type.size
        grads = self.places * self.wide * self.type.size
        if self.chunk * (channels * plane + grads) <= FIRST:
            return 0.0
        return (channels * plane * 2 + grads / 2) / 64

    def _tile_cycles(self, sizes: tuple[Pair, Pair, Pair], counts: Triple) -> float:
        """All inner tiles of one kind."""
        columns = math.prod(size for _, size in sizes)
        steps = self.lines * -(-self.shape.out[1] // self.type.lanes)
        cycles = 0.0
        for _, few, count in _even(self.shape.outs, self.few):
            sums = few * columns
            step = max(sums / 2, few * 0.7 + columns, 4) + 1
            cycles += count * (steps * step + 40 + sums * 3)
        return cycles * math.prod(counts)

    def fews(self) -> list[Triple]:
        """Channels of the result by inner tile: (first, size, how many of that size)."""
        return _even(self.shape.outs, self.few)


def _even(n: int, most: int) -> list[tuple[int, int, int]]:
    """Even pieces of n, none above `most`: (first, size, how many of that size)."""
    count = -(-n // most)
    low, more = divmod(n, count)
    found = [(0, low + 1, more), (more * (low + 1), low, count - more)]
    return [piece for piece in found if piece[2]]


def plan_weight(
    shape: Shape, dtype: str, grad: Array, source: Array, out: Array, target: Any
) -> WeightPlan:
    """The cheapest way that fits."""
    type = vector(dtype, target.lanes(dtype))
    plain = WeightPlan(type, shape, grad, source, out)
    found = []
    for rows, vectors in tile_shapes(target.registers, target.fma, type.lanes):
        if (vectors - 1) * type.lanes < shape.outs:
            plan = replace(plain, vectors=vectors)
            for way in {_chunked(_blocked(plan)): 0, **dict.fromkeys(_at_once(plan), 0)}:
                found += [replace(way, rows=at) for at in _row_shapes(way, rows)]
    found += _inner(plain, target)
    return min(found, key=lambda plan: plan.cost)


def _inner(plain: WeightPlan, target: Any) -> Iterator[WeightPlan]:
    """Plans with lanes along the places, where those lie side by side in both operands."""
    s = plain.shape
    near = plain.grad.steps[4] == 1 and (plain.staged or plain.source.steps[4] == 1)
    if not near or s.stride[1] != 1 or s.outs * plain.taps > MOST:
        return
    plan = replace(_blocked(replace(plain, inner=True)), inner=True)
    plan = replace(plan, lines=plan.lines * plan.span, span=1)
    for rows, columns in tile_shapes(target.registers, target.fma, 0):
        if rows <= s.outs or rows == 1:
            for at in _row_shapes(plan, columns):
                yield replace(plan, few=rows, rows=at)


def _row_shapes(plan: WeightPlan, rows: int) -> Iterator[Triple]:
    tall, broad = plan.shape.kernel
    for j in range(1, min(rows, broad) + 1):
        for i in range(1, min(rows // j, tall) + 1):
            yield max(1, min(rows // (i * j), plan.terms)), i, j


def _blocked(plan: WeightPlan) -> WeightPlan:
    """Rows of places, channels and images per unit."""
    down, size = plan.shape.out[0], plan.type.size
    line = plan.shape.out[1] * plan.wide * size
    plan = replace(plan, lines=_divisor(down, TURNED // line))
    room = plan.part_room * size
    units = plan.shape.groups
    parts = max(1, min(-(-UNITS // units), SUMS // room, plan.shape.images))
    parts = -(-plan.shape.images // -(-plan.shape.images // parts))
    blocks = -(-UNITS // (units * parts)) if parts == 1 else 1
    terms = _divisor(plan.shape.ins, plan.shape.ins // blocks)
    plan = replace(plan, parts=parts, terms=terms)
    row = terms * plan.pitch * size
    tall = (plan.shape.kernel[0] - 1) * plan.shape.dilation[0] + 1
    most = (STAGED // row - tall) // (plan.shape.stride[0] * plan.lines)
    plan = replace(plan, span=_divisor(down // plan.lines, most))
    return plan


def _chunked(plan: WeightPlan) -> WeightPlan:
    """As many small images at a time as make a long sum."""
    if plan.lines != plan.shape.out[0] or plan.shape.images % plan.parts:
        return plan
    room = plan.terms * plan.term_step * plan.type.size if plan.staged else 1
    if plan.images * plan.places <= WHOLE and plan.parts == 1 and plan.images * room <= CHUNK:
        return replace(plan, chunk=plan.images)
    most = max(1, min(PLACES // plan.places, CHUNK // room))
    return replace(plan, chunk=_divisor(plan.images, most))


def _at_once(plan: WeightPlan) -> Iterator[WeightPlan]:
    """Plans whose tiles sum all images, where those are few and small."""
    s = plan.shape
    if s.images * math.prod(s.out) > WHOLE or s.images == 1:
        return
    for units in (UNITS // 2, UNITS):
        terms = _divisor(s.ins, max(1, s.ins * s.groups // units))
        found = replace(plan, lines=s.out[0], span=1, terms=terms, chunk=s.images)
        if s.ins * s.groups // terms >= units and found.stack <= STACK // 2:
            yield found


def _divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most so large, or 1."""
    return max(k for k in range(1, n + 1) if n % k == 0 and (k <= most or k == 1))
