"""Convolutions as sums over taps: what is read, how it is staged, which tiles cover it.

Forward and backward in the data are one kind of work, a *correlation*: rows (channels of the
result) times places, summed over terms (channels of the source) and taps. The source stands in
planes of a padded scratch, one plane per phase of the stride, so that places lie behind each other
for every tap: place (a, b) is number `a * pitch + b`, and what lies between rows is computed too
and dropped. The gradient of a strided convolution has one set of taps per phase of its result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..code.emit import Type, vector
from ..records import field, record, replace
from .conv_tile import Grid, moved, roomy
from .conv_tile import wide as broad
from .gemm_plan import tile_shapes

Pair = tuple[int, int]
STACK = 1 << 20  # bytes of the stack that a kernel may take
STAGED = 192 << 10  # bytes of the source that a unit should have at hand
SUMS = 24 << 10  # bytes of sums that wait for their end


@record(frozen=True)
class Array:
    """An operand: its place in the table, an offset and steps in elements by dimension."""

    slot: int
    offset: int
    steps: tuple[int, ...]


@record(frozen=True)
class Shape:
    """The sizes of a convolution; per group where it has groups."""

    images: int
    groups: int
    outs: int
    ins: int
    size: Pair
    kernel: Pair
    out: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    @property
    def flops(self) -> int:
        places = self.images * self.groups * math.prod(self.out)
        return 2 * places * self.outs * self.ins * math.prod(self.kernel)


@record(frozen=True)
class Axis:
    """One spatial dimension of a correlation.

    Places t = 0.. of phase r give element `t * step + r - lead` of the result. Element j of plane q
    of the staged source is element `j * jump + q - pad` of the source. `taps[r]` are the taps of a
    phase: (position in the kernel, plane, shift).
    """

    size: int  # of the source
    out: int  # of the result
    places: int
    step: int
    lead: int
    jump: int
    pad: int
    reach: int  # the largest shift
    taps: tuple[tuple[tuple[int, int, int], ...], ...]

    @property
    def planes(self) -> list[int]:
        return sorted({plane for taps in self.taps for _, plane, _ in taps})

    @property
    def inside(self) -> bool:
        """Whether the source can be read as it is."""
        last = self.places - 1 + self.reach - self.pad
        return self.jump == 1 and self.pad <= 0 and last < self.size


def forward_axis(size: int, kernel: int, out: int, stride: int, pad: int, step: int) -> Axis:
    """`step` is the dilation."""
    taps = tuple((k, k * step % stride, k * step // stride) for k in range(kernel))
    reach = (kernel - 1) * step // stride
    return Axis(size, out, out, 1, 0, stride, pad, reach, (taps,))


def data_axis(size: int, kernel: int, out: int, stride: int, pad: int, step: int) -> Axis:
    """The way back: each element of the input looks at the outputs that saw it."""
    reach, first = (kernel - 1) * step // stride, pad // stride
    lead = pad - stride * first
    taps = tuple(
        tuple((k, 0, reach - (k * step - r) // stride)
              for k in range(kernel) if k * step % stride == r)
        for r in range(stride)
    )  # fmt: skip
    places = (size - 1 + lead) // stride + 1
    return Axis(out, size, places, stride, lead, 1, reach - first, reach, taps)


@record(frozen=True)
class Correlation:
    """One correlation and how it is done."""

    type: Type
    images: int
    groups: int
    rows: int
    terms: int
    axes: tuple[Axis, Axis]
    source: Array  # n, g, term, h, w
    weight: Array  # g, row, term, i, j
    staged: bool = True
    block: int = 1  # places of the first axis per unit
    together: int = 1  # images per unit
    tile: Pair = (1, 1)  # rows, vectors
    cost: float = field(default=0.0, compare=False)
    exact = False

    @property
    def pitch(self) -> int:
        """Places from one row to the next."""
        _, across = self.axes
        return across.places + across.reach if self.staged else self.source.steps[3]

    @property
    def height(self) -> int:
        """Staged rows of a plane."""
        return self.block + self.axes[0].reach

    @property
    def planes(self) -> list[Pair]:
        down, across = self.axes
        return [(p, q) for p in down.planes for q in across.planes]

    @property
    def term_step(self) -> int:
        """From one term of the source to the next."""
        if not self.staged:
            return self.source.steps[2]
        return len(self.planes) * self.height * self.pitch

    @property
    def image_room(self) -> int:
        """Elements of the scratch of one image; vectors may be read past its end."""
        return self.terms * self.term_step

    @property
    def slack(self) -> int:
        return self.type.lanes * (self.tile[1] + 1)

    @property
    def length(self) -> int:
        """Places of a unit, those between rows included."""
        return (self.block - 1) * self.pitch + self.axes[1].places

    @property
    def vectors(self) -> int:
        return -(-self.length // self.type.lanes)

    @property
    def panels(self) -> Pair:
        """Full panels, and the vectors of a last smaller one."""
        return divmod(self.vectors, self.tile[1])

    @property
    def phases(self) -> int:
        return self.axes[0].step * self.axes[1].step

    @property
    def heights(self) -> list[tuple[int, int]]:
        """(rows of a tile, how many such tiles), the higher ones first."""
        count = -(-self.rows // self.tile[0])
        low, more = divmod(self.rows, count)
        return [(h, n) for h, n in ((low + 1, more), (low, count - more)) if n]

    @property
    def units(self) -> Pair:
        """Groups of images, blocks of rows."""
        return -(-self.images // self.together), -(-self.axes[0].places // self.block)

    @property
    def stack(self) -> int:
        staged = self.together * self.image_room + self.slack if self.staged else 0
        sums = self.heights[0][0] * self.phases * self.vectors * self.type.lanes
        return (staged + sums) * self.type.size

    def grids(self, phase: int) -> tuple[Grid, ...]:
        """The taps of a phase of the result as loops, one grid per plane."""
        down, across = self.axes
        first, second = divmod(phase, across.step)
        found = []
        for number, (p, q) in enumerate(self.planes):
            lines = [(k, shift) for k, plane, shift in down.taps[first] if plane == p]
            places = [(k, shift) for k, plane, shift in across.taps[second] if plane == q]
            if lines and places:
                at = number * self.height * self.pitch if self.staged else 0
                found.append(self._grid(lines, places, at))
        return tuple(found)

    def _grid(self, lines: list[Pair], places: list[Pair], at: int) -> Grid:
        *_, i, j = self.weight.steps
        start = lines[0][0] * i + places[0][0] * j, at + lines[0][1] * self.pitch + places[0][1]
        (k, shift), (m, by) = _step(lines), _step(places)
        return Grid(start, (len(lines), len(places)), (k * i, shift * self.pitch), (m * j, by))


def _step(found: list[Pair]) -> Pair:
    """Taps of one phase and plane are evenly spaced."""
    if len(found) < 2:
        return 0, 0
    (a, b), (c, d) = found[:2]
    return c - a, d - b


def axes_of(kind: str, shape: Shape) -> tuple[Axis, Axis]:
    """Both spatial dimensions, kind `forward` or `data`."""
    make = forward_axis if kind == "forward" else data_axis
    first, second = (
        make(*at) for at in zip(
            shape.size, shape.kernel, shape.out, shape.stride, shape.padding, shape.dilation
        )
    )  # fmt: skip
    return first, second


def plan_correlation(
    kind: str, shape: Shape, dtype: str, source: Array, weight: Array, target: Any
) -> Correlation | None:
    """The cheapest way that fits; None if there is none."""
    rows, terms = (shape.outs, shape.ins) if kind == "forward" else (shape.ins, shape.outs)
    plain = Correlation(
        vector(dtype, target.lanes(dtype)), shape.images, shape.groups, rows, terms,
        axes_of(kind, shape), source, weight,
    )  # fmt: skip
    return cheapest(_candidates(plain, target), _cost)


def cheapest(plans: Iterable[Any], price: Callable[[Any], float]) -> Any:
    """The first of the cheapest plans that fit, with its cost; None if there is none."""
    best, found = math.inf, None
    for plan in plans:
        cost = price(plan)
        if cost < best and plan.stack <= STACK:
            best, found = cost, plan
    return found and replace(found, cost=best)


def changed(plan: Any, **changes: Any) -> Any:
    """`replace` for a frozen dataclass of fields alone, in a tenth of the time."""
    made = object.__new__(type(plan))
    made.__dict__.update(plan.__dict__, **changes)
    made.__dict__.pop("_hash", None)
    return made


def _candidates(plain: Correlation, target: Any) -> Iterator[Correlation]:
    down, across = plain.axes
    inside = down.inside and across.inside and plain.source.steps[4] == 1
    inside = inside and across.size <= plain.source.steps[3] <= 2 * across.size
    for tile in tile_shapes(target.registers, target.fma, plain.type.lanes):
        for blocks in range(1, down.places + 1):
            block = -(-down.places // blocks)
            if -(-down.places // block) != blocks:
                continue
            exact = down.places % block == 0
            plan = changed(plain, block=block, tile=tile, staged=not (inside and exact))
            together = _together(plan)
            yield plan if together == 1 else changed(plan, together=together)


def _together(plan: Correlation) -> int:
    """How many images share a walk through weights that no cache holds."""
    weights = plan.rows * plan.terms * _taps(plan) * plan.type.size
    room = plan.image_room * plan.type.size
    if weights < STAGED or plan.units[1] > 1 or plan.images < 4:
        return 1
    most = max(1, min(plan.images // 4, 3 * STAGED // max(1, room)))
    return -(-plan.images // -(-plan.images // most))


def _cost(plan: Correlation) -> float:
    """Cycles, roughly."""
    w, size, phases, room, heights = (
        plan.type.lanes, plan.type.size, plan.phases, plan.image_room, plan.heights,
    )  # fmt: skip
    vectors = plan.vectors
    full, last = divmod(vectors, plan.tile[1])
    cycles, steps = 0.0, plan.terms * _taps(plan)
    for height, count in heights:
        for panels, wide in ((full, plan.tile[1]), (1, last)):
            if panels and wide:
                sums = height * wide
                step = max(sums / 2, height * 0.5 + wide, (sums + height + wide + 5) / 4, 4)
                step += (0.12 if broad(plan.type) else 0.25) * height + 0.15 * wide
                step *= 1.0 if roomy(plan.type, height, wide) else 1.06
                tile = steps * step + phases * (40 + 3 * sums)
                cycles += count * panels * tile
    cycles += plan.rows * phases * vectors * 6
    staged = room * size
    if plan.staged:
        cycles += room / w * 3 + plan.terms * len(plan.planes) * plan.height * 4
    near = STAGED / moved(plan.type)
    if staged > near:
        cycles *= 1 + 0.1 * min(3.0, staged / near - 1)
    sums = heights[0][0] * phases * vectors * w * size
    if sums > SUMS:
        cycles *= 1.05
    weights = plan.rows * steps / max(1, phases) * size
    if weights > 4 * STAGED:
        cycles += weights / plan.together / 4
    return cycles * plan.units[1]


def _taps(plan: Correlation) -> int:
    """Taps of all phases of the result."""
    down, across = plan.axes
    return sum(map(len, down.taps)) * sum(map(len, across.taps))
