"""How the gradient of 3x3 kernels is computed by minimal filtering, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..code.emit import Type, vector
from ..records import field, once, record, replace
from .caches import caches_for
from .conv_channels_plan import Triple, divisors, even
from .conv_plan import Array, Pair, Shape, cheapest
from .conv_tile import moved, wide, wide_step
from .gemm_plan import tile_shapes
from .winograd_points import POINTS, TAPS
from .winograd_rows import Turned

UNITS = 8  # so many units let threads share the work
SUMS = 4 << 20  # bytes of sums that parts may keep
TERMS = 48  # tiles that a product sums at once, where shapes of its tiles are compared
MOST = 192  # tiles that are transformed at once
WINDOWS, FACTORS = 8, 4  # cycles for a line of transformed tiles, which goes to the second cache,
EDGE = 4  # and for each place along a tile's edge
END = 4  # cycles for each of the vectors of sums that become kernels
MOVED = 2.0  # cycles for each of the sums, which are cleared, added up, and read again
FAR = 2.0  # cycles for a line that the second cache does not keep


@record(frozen=True)
class MinimalPlan:
    """How a weight's gradient is computed from tiles of `tile` x `tile` places."""

    type: Type
    shape: Shape
    grad: Array  # n, g, o, a, b
    source: Array  # n, g, c, h, w
    out: Array  # g, o, c, i, j
    tile: int = 2
    vectors: int = 1
    rows: int = 1  # channels of the input per tile of sums
    terms: int = 1  # channels of the input per unit
    block: int = 1  # strips of channels of the result whose gradients are at hand together
    parts: int = 1
    chunk: int = 1  # images that are transformed at once
    lines: int = 1  # rows of tiles that are
    cost: float = field(default=0.0, compare=False)

    kernel = TAPS * TAPS

    @once
    def positions(self) -> int:
        """Products for a tile."""
        return (self.tile + TAPS - 1) ** 2

    @once
    def down(self) -> int:
        """Rows of tiles of an image."""
        return -(-self.shape.out[0] // self.tile)

    @once
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.shape.out[1] // self.tile)

    @once
    def wide(self) -> int:
        return self.vectors * self.type.lanes

    @once
    def strips(self) -> int:
        """Blocks of channels of the result."""
        return -(-self.shape.outs // self.wide)

    @once
    def taps(self) -> int:
        return self.shape.ins * self.kernel

    @once
    def units(self) -> Triple:
        return self.parts, self.shape.groups, self.shape.ins // self.terms

    @once
    def images(self) -> int:
        """Images of a part."""
        return -(-self.shape.images // self.parts)

    @once
    def part_room(self) -> int:
        """Elements of one part's sums."""
        return self.shape.groups * self.strips * self.taps * self.wide

    @once
    def scratch(self) -> int:
        """Bytes; the last block of taps is read past its end."""
        return (self.parts * self.part_room + self.type.lanes * self.wide) * self.type.size

    @once
    def at_once(self) -> bool:
        """Whether all tiles of a part are transformed at once."""
        return self.chunk == self.images and self.lines == self.down

    @once
    def tiles(self) -> int:
        """Tiles that are transformed at once."""
        return self.chunk * self.lines * self.across

    @once
    def deep(self) -> int:
        """Room for the channels of the input."""
        return -(-self.terms // self.type.lanes) * self.type.lanes

    @once
    def steps(self) -> Triple:
        """From position to position of transformed inputs, gradients, and of their products."""
        gradient = self.block * self.tiles * self.wide
        found = (self.tiles * self.deep, gradient, self.block * self.terms * self.wide)
        line = 64 // self.type.size  # an odd number of lines, for all sets of a cache
        one, two, three = ((-(-step // line) | 1) * line for step in found)
        return one, two, three

    @once
    def turned(self) -> tuple[Turned, Turned]:
        """How rows of the input and of the gradient are turned."""
        s, every, (_, _, *x), (_, _, *y) = (
            self.shape, self.lines == self.down, self.source.steps, self.grad.steps,
        )  # fmt: skip
        high, broad, edge = self.lines * self.tile, self.across * self.tile, TAPS - 1
        return (
            Turned(s.size, s.padding, high + edge, broad + edge, (x[0], x[1], x[2]), self.deep,
                   every),
            Turned(s.out, (0, 0), high, broad, (y[0], y[1], y[2]), self.block * self.wide, every),
        )  # fmt: skip

    @once
    def rooms(self) -> tuple[int, ...]:
        """Elements on the stack: transformed inputs, gradients, products, turned rows of both."""
        return (*(step * self.positions for step in self.steps), *(one.room for one in self.turned))

    @once
    def stack(self) -> int:
        flat = (math.prod(one.size) * one.wide for one in self.turned if one.flat)
        return (sum(self.rooms) + max(flat, default=0)) * self.type.size

    @once
    def heights(self) -> tuple[Triple, ...]:
        """Tiles of sums: (first channel, how many channels, how many such tiles)."""
        return even(self.terms, self.rows)

    def product(self, tiles: int) -> float:
        """Cycles for one position's sums over so many tiles, in one strip."""
        cycles = 0.0
        for _, rows, count in self.heights:
            each = 0.5 if self.vectors > 1 else 0.95  # a number, which a single sum fetches itself
            step = max(rows * self.vectors / 2, rows * each + self.vectors * 0.7, 4)
            step = wide_step(rows, self.vectors) if wide(self.type) else step * 1.12 + 0.1
            cycles += count * (tiles * step + 28 + rows * self.vectors)
        return cycles

    def price(self) -> float:
        """Cycles per image, roughly."""
        s, units, vectors = self.shape, math.prod(self.units[1:]), self.deep // self.type.lanes
        blocks, places = self.strips // self.block, self.down * self.across
        chunks = self.down / self.lines / self.chunk
        cycles = self.positions * self.strips * self.product(self.tiles) * chunks
        line = self.positions * self.type.lanes * self.type.size / 64
        often = 1 if self.at_once else blocks  # inputs are transformed
        one, other = (cycles + EDGE * self.tile for cycles in (WINDOWS, FACTORS))
        lines = one * vectors * often + other * self.strips * self.vectors
        cycles += lines * line * places * moved(self.type)
        held = sum(self.rooms[:3]) * self.type.size - caches_for(self.type).l2_bytes
        cycles += max(0, held) / 64 * FAR * chunks * blocks
        ends = self.parts * self.strips * self.vectors * self.terms * END * self.positions
        last = self.parts * self.part_room * MOVED
        return cycles * units + (ends * units + last) / s.images


def plan_minimal(
    shape: Shape, dtype: str, grad: Array, source: Array, out: Array, target: Any
) -> MinimalPlan | None:
    """The cheapest plan that fits; None where tiles are not to be had."""
    three = shape.kernel == (TAPS, TAPS) and {*shape.stride, *shape.dilation} == {1}
    near = 1 in grad.steps[2::2] and 1 in source.steps[2::2]
    if dtype != "float32" or not three or not near:
        return None
    type = vector(dtype, target.lanes(dtype))
    plain = MinimalPlan(type, shape, grad, source, out, terms=shape.ins)
    shapes = [
        replace(plain, rows=rows, vectors=vectors)
        for rows, vectors in tile_shapes(target.registers, target.fma, type.lanes)
        if (vectors - 1) * type.lanes < shape.outs
    ]
    best = min(shapes, key=lambda plan: plan.strips * plan.product(TERMS))
    plans = (plan for tile in POINTS for plan in _divided(replace(best, tile=tile)))
    return cheapest(plans, MinimalPlan.price)


def _divided(plan: MinimalPlan) -> Iterator[MinimalPlan]:
    """Channels, images and rows per unit and per block."""
    s = plan.shape
    for terms in divisors(s.ins):
        if terms > 128 or (terms < 16 and terms < s.ins):
            continue
        units = s.groups * (s.ins // terms)
        parts = max(1, min(-(-UNITS // units), SUMS // (plan.part_room * plan.type.size), s.images))
        parts = -(-s.images // -(-s.images // parts))
        for block in divisors(plan.strips):
            made = replace(plan, terms=terms, parts=parts, block=block)
            for chunk, lines in _chunks(made):
                yield replace(made, chunk=chunk, lines=lines)


def _chunks(plan: MinimalPlan) -> Iterator[Pair]:
    """Images and rows of tiles at once: half of what there is, and again, up to a few tiles."""
    if plan.images * plan.down * plan.across <= MOST:
        yield plan.images, plan.down
    chunk = plan.images
    while chunk > 1:
        chunk = -(-chunk // 2)
        if 16 <= chunk * plan.down * plan.across <= MOST:
            yield chunk, plan.down
    lines = plan.down
    while lines > 1:
        lines = -(-lines // 2)
        if lines == 1 or 16 <= lines * plan.across <= MOST:
            yield 1, lines
