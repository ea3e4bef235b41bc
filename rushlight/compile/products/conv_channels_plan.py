"""Correlations with lanes along the channels of the result: what is read, and in which blocks.

A tile is some places by some vectors of channels: numbers of the source times vectors of weights,
so that no lane is lost on small images and a stride costs nothing. Weights are brought into blocks
(block of channels, term, tap, channel) first; sums wait as (place, channel) and are turned, square
by square, before their end.

Large images are cut into units of some rows, all of which read the same packed weights. Where the
weights are what is large, a unit is a block of channels at all places instead: it packs its own
weights, once, and a source that needs padding is copied before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

from ..code.emit import Type, vector
from ..records import field, record, replace
from .conv_plan import STACK, Array, Axis, Pair, Shape, changed, cheapest
from .conv_tile import moved, wide, wide_step
from .gemm_plan import tile_shapes
from .packing import Copy

FIRST = 18 << 10  # bytes of weights that stay in the first cache
NEAR = 320 << 10  # bytes of weights that a unit should have at hand
PART = 96 << 10  # bytes of weights that a unit of its own packs at once
LINES = 16 << 10  # bytes of the source that stay in the first cache
SUMS = 256 << 10  # bytes of sums that a unit should keep
UNITS = 4  # so many units let threads share the work
NEARBY = 16  # taps that are turned out of one run of weights, whatever their order
Triple = tuple[int, int, int]
Tap = tuple[int, int]  # position in the kernel, shift in the source
Run = tuple[Tap, Pair, int]  # the first tap, steps of both, how many


@record(frozen=True)
class Way:
    """One spatial dimension: place t of phase r is element `t * step + r` of the result.

    It reads element `t * jump + shift` of the source for every tap (position, shift) of its phase.
    """

    size: int  # of the source
    out: int  # of the result
    places: int
    jump: int
    step: int
    taps: tuple[tuple[Tap, ...], ...]

    @cached_property
    def shifts(self) -> list[int]:
        return [shift for taps in self.taps for _, shift in taps]

    @cached_property
    def before(self) -> int:
        """Padding in front."""
        return max(0, -min(self.shifts))

    @cached_property
    def padded(self) -> bool:
        return self.before > 0 or (self.places - 1) * self.jump + max(self.shifts) >= self.size

    def room(self, places: int) -> int:
        """Elements of a padded source that so many places read."""
        return (places - 1) * self.jump + max(self.shifts) + self.before + 1

    def ascending(self) -> Way:
        """Taps in the order of the source, whose lines the processor then asks for itself."""
        order = [tuple(sorted(taps, key=lambda tap: tap[1])) for taps in self.taps]
        return replace(self, taps=tuple(order))

    @property
    def ordered(self) -> bool:
        """Whether taps are in the order of the kernel."""
        return all(list(taps) == sorted(taps) for taps in self.taps)

    def run(self, phase: int) -> Run:
        """The taps of a phase, which are evenly spaced."""
        taps = self.taps[phase]
        if len(taps) < 2:
            return (taps or ((0, 0),))[0], (0, 0), len(taps)
        (a, b), (c, d) = taps[:2]
        return taps[0], (c - a, d - b), len(taps)


def forward_way(size: int, kernel: int, out: int, stride: int, pad: int, gap: int) -> Way:
    taps = tuple((k, k * gap - pad) for k in range(kernel))
    return Way(size, out, out, stride, 1, (taps,))


def data_way(size: int, kernel: int, out: int, stride: int, pad: int, gap: int) -> Way:
    """The way back: phases of the stride."""
    taps = tuple(
        tuple((k, (r + pad - k * gap) // stride)
              for k in range(kernel) if (r + pad - k * gap) % stride == 0)
        for r in range(min(stride, size))
    )  # fmt: skip
    return Way(out, size, -(-size // stride), 1, stride, taps)


@record(frozen=True)
class ChannelPlan:
    """One correlation and how it is done."""

    type: Type
    images: int
    groups: int
    rows: int
    terms: int
    kernel: Pair
    ways: tuple[Way, Way]
    source: Array  # n, g, term, h, w
    weight: Array  # g, row, term, i, j
    vectors: int = 1  # of a block of channels
    places: Triple = (1, 1, 1)  # of a tile: images, rows, columns
    together: int = 1  # images per unit
    block: int = 1  # rows of places per unit
    cut: int = 1  # terms that are summed at once
    part: int = 1  # terms whose weights a unit of its own packs at once
    own: bool = False  # whether a unit is one block of channels, with weights of its own
    lasting: bool = False  # whether packed weights stay from run to run
    cost: float = field(default=0.0, compare=False)

    @property
    def padded(self) -> bool:
        return self.ways[0].padded or self.ways[1].padded

    @property
    def taps(self) -> int:
        return math.prod(self.kernel)

    @property
    def phases(self) -> Iterator[Pair]:
        """Phases of the result that have taps."""
        down, across = self.ways
        return product(range(len(down.taps)), range(len(across.taps)))

    @property
    def at_once(self) -> int:
        """Terms of packed weights."""
        return self.part if self.packs else self.terms

    @property
    def packs(self) -> bool:
        """Whether units pack their weights themselves."""
        return self.own and not self.lasting

    def run_of(self, p: int, q: int) -> Pair:
        """Where the packed taps of a phase begin, and how many there are per term."""
        base = 0
        for a, b in self.phases:
            count = len(self.ways[0].taps[a]) * len(self.ways[1].taps[b])
            if (a, b) == (p, q):
                return base, count
            base += count * self.at_once
        return 0, 0

    @property
    def strips(self) -> tuple[Triple, ...]:
        """Blocks of channels, in vectors: (first, size, how many of that size)."""
        return even(-(-self.rows // self.type.lanes), self.vectors)

    @property
    def blocks(self) -> int:
        return sum(count for _, _, count in self.strips)

    @property
    def units(self) -> tuple[int, int, int, int]:
        """Groups of images, groups, blocks of rows, blocks of channels."""
        down = -(-self.ways[0].places // self.block)
        return self.images // self.together, self.groups, down, self.blocks if self.own else 1

    @property
    def width(self) -> int:
        """Columns of the sums."""
        return self.ways[1].places * self.ways[1].step

    @property
    def image_sums(self) -> int:
        """Places of the sums of an image."""
        return self.block * self.ways[0].step * self.width

    @property
    def kept(self) -> int:
        """Images whose sums wait at the same time."""
        return self.places[0] if self.cut == self.terms else self.together

    @property
    def flat(self) -> bool:
        """Whether the sums of a unit's rows lie behind each other as those of the result do."""
        down, across = self.ways
        return self.width == across.out and down.out % (self.block * down.step) == 0

    @property
    def rounds(self) -> int:
        """How often tiles are called for all places of some images, per packed weights."""
        return self.at_once // self.cut * (self.together // self.places[0])

    @property
    def room(self) -> int:
        """From one channel to the next of turned sums."""
        lanes = self.type.lanes
        return -(-self.image_sums // lanes) * lanes

    # --- a padded source, as a stage wants to see it ----------------------------------------------
    planes = ((0, 0),)
    slack = 0

    @property
    def axes(self) -> tuple[Axis, Axis]:
        first, second = (Axis(w.size, 0, 0, 1, 0, 1, w.before, 0, ()) for w in self.ways)
        return first, second

    @property
    def height(self) -> int:
        return self.ways[0].room(self.block)

    @property
    def pitch(self) -> int:
        return self.ways[1].room(self.ways[1].places)

    @property
    def plane(self) -> int:
        return self.height * self.pitch

    @property
    def exact(self) -> bool:
        """Whether nothing may be written past the end of a plane."""
        return self.own

    @property
    def term_step(self) -> int:
        """Padded images of a unit lie one by one; those of all units term by term."""
        return self.lined(self.plane * self.images if self.own else self.plane)

    def lined(self, room: int) -> int:
        """So many elements, or more: an odd number of lines, to use all sets of a cache."""
        line = 64 // self.type.size
        return (-(-room // line) | 1) * line

    @property
    def image_room(self) -> int:
        """Elements of one padded image of a group; vectors may be written past its end."""
        return self.terms * (self.plane if self.own else self.term_step) + self.type.lanes

    @property
    def steps(self) -> tuple[int, int, int, int]:
        """From image to image, term to term, row to row, place to place of what tiles read."""
        if self.padded:
            return self.plane if self.own else self.image_room, self.term_step, self.pitch, 1
        n, _, c, h, w = self.source.steps
        return n, c, h, w

    # --- memory -----------------------------------------------------------------------------------
    @property
    def packed(self) -> int:
        """Elements of one packed group, or of the weights that a unit packs at once."""
        lanes = self.type.lanes
        if self.packs:
            return self.part * self.taps * self.vectors * lanes
        return self.terms * self.taps * -(-self.rows // lanes) * lanes

    @property
    def scratch(self) -> int:
        """Bytes of memory that all units share: packed weights, then padded images."""
        images = self.groups * self.terms * self.term_step if self.pads else 0
        return (self.weights + images) * self.type.size

    @property
    def weights(self) -> int:
        """Elements of packed weights that all units share."""
        return 0 if self.packs else self.groups * self.packed

    @property
    def pads(self) -> bool:
        """Whether images are padded for all units."""
        return self.own and self.padded

    @property
    def stack(self) -> int:
        lanes = self.type.lanes
        wide = self.vectors * lanes
        found = (self.kept * self.image_sums + lanes) * wide + wide * self.room
        found += self.packed if self.packs else 0
        found += self.together * self.image_room if self.padded and not self.own else 0
        return found * self.type.size

    def pack(self, vectors: int, columns: int) -> Copy:
        """Weights of one block of channels: `columns` of them, as (term, tap, channel)."""
        _, row, term, i, j = self.weight.steps
        (tall, broad), wide, terms = self.kernel, vectors * self.type.lanes, self.at_once
        inner = j if broad > 1 else i if tall > 1 else term
        units, rows = [(terms, term, self.taps * wide), (tall, i, broad * wide)], broad
        if 1 in (tall, broad) or i == broad * j:  # one run of taps
            units, rows = units[:1], self.taps
            if term == self.taps * inner:
                units, rows = [], terms * self.taps
        return Copy(
            self.type, tuple(units), rows, columns, wide, (inner, row), wide, (0, 0), (0, 0)
        )  # fmt: skip


@lru_cache(1 << 12)
def even(n: int, most: int) -> tuple[Triple, ...]:
    """Even pieces of n, none above `most`: (first, size, how many of that size)."""
    count = -(-n // most)
    low, more = divmod(n, count)
    found = [(0, low + 1, more), (more * (low + 1), low, count - more)]
    return tuple([piece for piece in found if piece[2]])


def plan_channels(
    kind: str, shape: Shape, dtype: str, source: Array, weight: Array, target: Any,
    kept: bool = False,
) -> ChannelPlan | None:  # fmt: skip
    """The cheapest way that fits; None if there is none."""
    rows, terms = (shape.outs, shape.ins) if kind == "forward" else (shape.ins, shape.outs)
    make = forward_way if kind == "forward" else data_way
    down, across = (
        make(*at) for at in zip(
            shape.size, shape.kernel, shape.out, shape.stride, shape.padding, shape.dilation
        )
    )  # fmt: skip
    type = vector(dtype, target.lanes(dtype))
    if math.prod(shape.kernel) <= NEARBY:
        down, across = down.ascending(), across.ascending()
    plain = ChannelPlan(
        type, shape.images, shape.groups, rows, terms,
        shape.kernel, (down, across), source, weight, lasting=kept,
    )  # fmt: skip
    if not (down.shifts and across.shifts):
        return None
    return cheapest(_candidates(plain, target), _Search(plain).cost)


def _candidates(plain: ChannelPlan, target: Any) -> Iterator[ChannelPlan]:
    most = -(-plain.rows // plain.type.lanes)
    for count, vectors in tile_shapes(target.registers, target.fma, plain.type.lanes):
        if vectors > most or count < 2:
            continue
        for places in _tiles(plain, count):
            for plan in _blocks(changed(plain, vectors=vectors, places=places)):
                yield from _cut(plan)


def _blocks(plan: ChannelPlan) -> Iterator[ChannelPlan]:
    """How much is done at once: some rows, some whole images, or these with sums of their own."""
    images, rows, _ = plan.places
    down, _ = plan.ways
    for block in divisors(down.places):
        if block % rows == 0:
            yield changed(plan, block=block, together=images)
    several = [n for n in divisors(plan.images) if n % images == 0]
    whole = changed(plan, block=down.places)
    for together in several:
        if images < together <= plan.images // UNITS:
            found = changed(whole, together=together)
            if found.stack <= STACK // 2:
                yield found
    part = plan.terms if plan.lasting else _within(plan, PART)
    own = changed(whole, own=True, part=part)
    for together in several:
        yield changed(own, together=together)


def _cut(plan: ChannelPlan) -> Iterator[ChannelPlan]:
    """The plan with all terms at once, and with so many that their weights stay very near."""
    whole = plan.at_once
    several = len(plan.ways[0].taps) * len(plan.ways[1].taps) > 1
    sizes = (FIRST, FIRST * 3 // 2, FIRST * 4)[: 3 if several else 2]
    image = plan.image_sums * plan.vectors * plan.type.lanes * plan.type.size if plan.own else 0
    for cut in {whole, *(min(whole, _within(plan, size)) for size in sizes)}:
        if whole % cut == 0:
            found = plan if cut == plan.cut else changed(plan, cut=cut)
            if not image or found.kept * image <= SUMS:
                yield found


def _within(plan: ChannelPlan, size: int) -> int:
    """The largest even part of the terms whose weights take so many bytes."""
    each = plan.taps * plan.vectors * plan.type.lanes * plan.type.size
    return _fitting(plan.terms, size // each)


@lru_cache(1 << 12)
def _fitting(terms: int, most: int) -> int:
    return next(n for n in divisors(terms) if n <= most or n == 1)


def _tiles(plain: ChannelPlan, count: int) -> Iterator[Triple]:
    """Images, rows and columns of tiles of at most `count` places."""
    down, across = plain.ways
    if across.places > count:
        yield 1, 1, count
        return
    lines = min(down.places, count // across.places)
    yield 1, lines, across.places
    if lines == down.places:
        most = count // (across.places * lines)
        images = max(n for n in divisors(plain.images) if n <= most)
        if images > 1:
            yield images, lines, across.places


@lru_cache(256)
def divisors(n: int) -> tuple[int, ...]:
    """All of them, the largest first."""
    return tuple([n // k for k in range(1, n + 1) if n % k == 0])


class _Search:
    """What the costs of one correlation's plans have in common, and what was found for some."""

    def __init__(self, plain: ChannelPlan) -> None:
        self.plain = plain
        down, across = plain.ways
        self.taps = sum(len(a) * len(b) for a, b in product(down.taps, across.taps))
        self.phases = down.step * across.step
        self.live = math.prod(sum(map(bool, way.taps)) for way in plain.ways)
        self.spread = across.jump * plain.type.size / 64  # lines from place to place
        self.weights = plain.rows * plain.terms * plain.taps
        self.pitch, self.width, self.padded = plain.pitch, plain.width, plain.padded
        self._steps: dict[Triple, float] = {}
        self._kinds: dict[Any, list[Pair]] = {}

    def cost(self, plan: ChannelPlan) -> float:
        """Cycles per image, roughly."""
        size, down = plan.type.size, plan.ways[0]
        pieces = plan.terms // plan.cut
        images, rows, columns = plan.places
        height, high = down.room(plan.block), -(-down.places // plan.block)
        plane = height * self.pitch
        far = self.live > 1 and plane * size * images * plan.cut > LINES
        waits = 3 * (images * rows * (1 + columns * self.spread)) if far else 0
        before, ends = plan.terms * self.phases * waits, self.phases * pieces
        each, found = 3 if pieces > 1 else 2, plan.strips
        kinds, cycles = self.kinds(plan), 0.0
        for _, vectors, strips in found:
            for places, tiles in kinds:
                done = before + self.step(places, vectors, plan.cut)
                done += ends * (40 + places * vectors * each)
                cycles += strips * tiles * done
        cycles *= high / plan.together
        blocks = sum([count for _, _, count in found])
        written = blocks * plan.vectors * down.places * down.step * self.width
        cycles += written * (10 if wide(plan.type) else 8) + plan.rows * down.out * 6
        cycles += self.moves(plan, plane, height, high, blocks) * moved(plan.type)
        return cycles * plan.groups

    def step(self, places: int, vectors: int, cut: int) -> float:
        """Cycles of all terms of a tile."""
        key = places, vectors, cut
        known = self._steps.get(key)
        if known is None:
            plain, sums = self.plain, places * vectors
            step = max(sums / 2, (places + vectors) / 2, (sums + places + vectors + 3) / 4, 4)
            step = wide_step(places, vectors) if wide(plain.type) else step + 0.05 * places + 1.2
            chunk = cut * plain.taps * vectors * plain.type.lanes * plain.type.size
            step += vectors * (1.35 if chunk > 1.5 * FIRST else 0.4 if chunk > 1.1 * FIRST else 0)
            known = self._steps[key] = plain.terms * self.taps * step
        return known

    def kinds(self, plan: ChannelPlan) -> list[Pair]:
        """(places, how many) of the tiles of a unit, by size."""
        key = plan.together, plan.block, plan.places
        known = self._kinds.get(key)
        if known is None:
            sizes = (plan.together, plan.block, plan.ways[1].places)
            found = product(*(even(n, most) for n, most in zip(sizes, plan.places)))
            known = self._kinds[key] = [
                (a * b * c, x * y * z) for (_, a, x), (_, b, y), (_, c, z) in found
            ]
        return known

    def moves(self, plan: ChannelPlan, plane: int, height: int, high: int, blocks: int) -> float:
        """Cycles per image of padding the source and packing weights, and of fetching both."""
        w, size, weights = plan.type.lanes, plan.type.size, self.weights
        cycles = 0.0
        if self.padded:
            cycles += plan.terms * height * high * (5 + -(-self.pitch // w) * 3)
        else:  # rows that lie far apart are waited for
            across = plan.ways[1]
            cycles += plan.terms * plan.ways[0].places * -(-across.places * across.jump // w) * 30
        staged = (plan.terms * (plane if plan.own else plan.lined(plane)) + w) * size
        if plan.own:
            cycles += weights / plan.together * (size / 8 if plan.lasting else 10 / w + size / 4)
            if self.padded:
                cycles += staged / 3
            return cycles + (blocks - 1) * staged / 12
        cycles += weights / plan.images * (size / 8 if plan.lasting else 10 / w + size / 4)
        if weights * size > 2 * NEAR:
            cycles += high * weights * size / plan.together / 16
        if plan.together * staged > NEAR:
            cycles += high * staged * blocks / 16
        return cycles
