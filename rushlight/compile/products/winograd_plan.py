"""Correlations of 3 x 3 taps by minimal filtering: what is kept where, and in which blocks.

The source is brought into factors (position, tile, term), the weights into (position, block of
channels, term, channel); at each of the 16 positions the sums over terms are a product of two
matrices, and four results of every tile are sums of its 16 products (winograd_transform.py).

A unit is some rows of tiles of some images. Where weights are what is large, the factors of all
images are made before, and a unit is also only a part of the channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..code.emit import Type, vector
from ..records import field, record
from .caches import caches_for
from .conv_channels_plan import UNITS, Triple, Way, data_way, divisors, even, forward_way
from .conv_plan import STACK, Array, Shape, changed, cheapest
from .conv_tile import moved, wide, wide_step
from .gemm_plan import tile_shapes
from .winograd_rows import Turned
from .winograd_transform import POSITIONS, TAPS, TILE, WINDOW

STRIPS = (1, 2, 4, 8)  # blocks of channels whose products may wait at the same time
SHARED = 16 << 20  # bytes of factors that all units may share


@record(frozen=True)
class FilterPlan:
    """One correlation and how it is done."""

    type: Type
    images: int
    rows: int
    terms: int
    ways: tuple[Way, Way]
    source: Array  # n, g, term, h, w
    weight: Array  # g, row, term, i, j
    vectors: int = 1  # of a block of channels
    high: int = 1  # tiles of a product at once
    together: int = 1  # images per unit
    block: int = TILE  # rows of places per unit
    strip: int = 1  # blocks of channels whose products wait at the same time
    own: bool = False  # whether factors of the source are made before, for units of a strip each
    lasting: bool = False  # whether factors of the weights stay from run to run
    cost: float = field(default=0.0, compare=False)

    @property
    def tiles(self) -> int:
        """Tiles of a unit."""
        return self.together * self.image_tiles

    @property
    def image_tiles(self) -> int:
        """Tiles of an image of a unit."""
        return self.block // TILE * self.broad

    @property
    def broad(self) -> int:
        """Tiles of a row."""
        return -(-self.ways[1].out // TILE)

    @property
    def heights(self) -> tuple[Triple, ...]:
        """Tiles of a unit in products: (first, how many, how often)."""
        return even(self.tiles, self.high)

    @property
    def strips(self) -> tuple[Triple, ...]:
        """Blocks of channels, in vectors: (first, size, how many of that size)."""
        return even(-(-self.rows // self.type.lanes), self.vectors)

    @property
    def blocks(self) -> int:
        return sum(count for _, _, count in self.strips)

    @property
    def turns(self) -> list[tuple[int, int, int, int]]:
        """Strips: the first vector, vectors of a block, blocks of a strip, how many strips."""
        found = []
        for first, size, count in self.strips:
            whole, rest = divmod(count, self.strip)
            found += [(first, size, self.strip, whole)] * bool(whole)
            found += [(first + whole * self.strip * size, size, rest, 1)] * bool(rest)
        return found

    @property
    def parts(self) -> tuple[int, int]:
        """Groups of images, and blocks of rows."""
        return self.images // self.together, -(-self.ways[0].out // self.block)

    # --- memory, in elements ----------------------------------------------------------------------
    def lined(self, room: int) -> int:
        """So many elements, or more: an odd number of lines, to use all sets of a cache."""
        line = 64 // self.type.size
        return (-(-room // line) | 1) * line

    @property
    def tile_step(self) -> int:
        """From the factors of one tile to those of the next."""
        return self.lined(self.terms)

    @property
    def position_step(self) -> int:
        """From the factors of one position to those of the next."""
        return self.lined(self.tiles * self.tile_step)

    @property
    def weight_step(self) -> int:
        """The same of the weights."""
        lanes = self.type.lanes
        return self.lined(-(-self.rows // lanes) * lanes * self.terms)

    @property
    def wide(self) -> int:
        """Channels of a strip."""
        return self.strip * self.vectors * self.type.lanes

    @property
    def product_step(self) -> int:
        """From the products of one position to those of the next."""
        return self.lined(self.tiles * self.wide)

    @property
    def scratch(self) -> int:
        """Bytes of memory that all units share: factors of weights, then of the source."""
        before = math.prod(self.parts) * POSITIONS * self.position_step if self.own else 0
        return (POSITIONS * self.weight_step + before) * self.type.size

    @property
    def stack(self) -> int:
        """Bytes of a unit's own."""
        lanes = self.type.lanes
        found = POSITIONS * self.product_step + lanes * (self.image_sums + self.room)
        found += 0 if self.own else POSITIONS * self.position_step
        found += self.turned.stack
        return found * self.type.size

    # --- a padded source of as many terms as there are lanes --------------------------------------
    @property
    def cropped(self) -> int:
        """Columns of the source that no tile sees, in front."""
        return max(0, min(self.ways[1].shifts))

    @property
    def turned(self) -> Turned:
        down, across = self.ways
        top, left = -min(down.shifts), across.before
        columns = min(across.size - self.cropped, self.pitch - left)
        _, _, *steps = self.source.steps
        every = self.parts[1] == 1 and 0 <= top <= self.height - down.size
        return Turned(
            (down.size, columns), (top, left), self.height, self.pitch,
            (steps[0], steps[1], steps[2]), self.type.lanes, every,
        )  # fmt: skip

    @property
    def height(self) -> int:
        return self.block + WINDOW - TILE

    @property
    def pitch(self) -> int:
        return self.broad * TILE + WINDOW - TILE

    # --- the sums, as their end wants to see them -------------------------------------------------
    @property
    def width(self) -> int:
        return self.broad * TILE

    @property
    def image_sums(self) -> int:
        return self.block * self.width

    @property
    def room(self) -> int:
        """From one channel to the next of turned sums."""
        lanes = self.type.lanes
        return -(-self.image_sums // lanes) * lanes

    @property
    def flat(self) -> bool:
        """Whether the sums of a unit's rows lie behind each other as those of the result do."""
        down, across = self.ways
        return self.width == across.out and down.out % self.block == 0


def plan_filter(
    kind: str, shape: Shape, dtype: str, source: Array, weight: Array, target: Any, kept: bool
) -> FilterPlan | None:  # fmt: skip
    """The cheapest way that fits; None where the definition is to be followed."""
    rows, terms = (shape.outs, shape.ins) if kind == "forward" else (shape.ins, shape.outs)
    type = vector(dtype, target.lanes(dtype))
    single = {*shape.stride, *shape.dilation, shape.groups} == {1}
    if not (target.minimal and single and shape.kernel == (TAPS, TAPS) and dtype == "float32"):
        return None
    in_order = source.steps[4] == 1 and weight.steps[3:] == (TAPS, 1)
    if not in_order or min(rows, terms) < type.lanes:
        return None
    make = forward_way if kind == "forward" else data_way
    down, across = (
        make(*at) for at in zip(
            shape.size, shape.kernel, shape.out, shape.stride, shape.padding, shape.dilation
        )
    )  # fmt: skip
    plain = FilterPlan(
        type, shape.images, rows, terms, (down.ascending(), across.ascending()), source, weight,
        lasting=kept,
    )  # fmt: skip
    near = caches_for(type).l2_bytes
    return cheapest(_candidates(plain, target), lambda plan: _cost(plan, near))


def _candidates(plain: FilterPlan, target: Any) -> Iterator[FilterPlan]:
    most = -(-plain.rows // plain.type.lanes)
    tall = -(-plain.ways[0].out // TILE)
    sizes = [(TILE * lines, 1) for lines in divisors(tall)]
    sizes += [(TILE * tall, images) for images in divisors(plain.images)[:-1]]
    for block, together in sizes:
        room = changed(plain, block=block, together=together)
        few = math.prod(room.parts) < UNITS
        own = few and math.prod(room.parts) * POSITIONS * room.position_step * 4 <= SHARED
        if not own and room.stack > STACK:
            continue
        for high, vectors in tile_shapes(target.registers, target.fma, plain.type.lanes):
            if high > 1 and vectors <= most:
                for strip in STRIPS:
                    if strip == 1 or strip * vectors <= most:
                        yield changed(
                            room, high=high, vectors=vectors, strip=strip, own=own
                        )  # fmt: skip


def _cost(plan: FilterPlan, near: int) -> float:
    """Cycles per image, roughly."""
    lanes, size = plan.type.lanes, plan.type.size
    units = math.prod(plan.parts) / plan.images
    tiles, rows = plan.tiles, -(-plan.rows // lanes)
    cycles, little = 0.0, moved(plan.type)
    for _, vectors, blocks in plan.strips:
        for _, high, count in plan.heights:
            sums = high * vectors
            step = max(sums / 2, (high + vectors) / 2, (sums + high + vectors + 3) / 4, 4)
            step = wide_step(high, vectors) if wide(plan.type) else step + 0.05 * high + 0.5
            cycles += POSITIONS * blocks * count * (plan.terms * step + (40 + 2 * sums) * little)
    plane = plan.height * plan.pitch / lanes
    cycles += plan.together * -(-plan.terms // lanes) * lanes * plane * 8 + 1000
    cycles += tiles * -(-plan.terms // lanes) * 50 + tiles * rows * 80
    source, weights, waits = (
        POSITIONS * step * size
        for step in (plan.position_step, plan.weight_step, plan.product_step)
    )  # fmt: skip
    far = source + waits > near * 3 // 4
    cycles += weights / (24 if weights > near / 2 else 64) * little**2
    cycles += -(-plan.blocks // plan.strip) * (source / 32 + waits / 16) * little if far else 0
    cycles += source / 8 if plan.own else 0
    cycles *= units
    if plan.lasting:
        return cycles + weights / plan.images / 8  # they come from far for every batch
    each = 140 / lanes + (36 * little**2 if weights > near else 8)
    cycles += plan.rows * plan.terms / plan.images * each
    return cycles
