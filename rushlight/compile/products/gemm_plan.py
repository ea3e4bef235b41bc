"""What a product of matrices is, and one way to cut it into register tiles, with all that follows.

`gemm_search.py` chooses among the ways. Everything is known before any code is written.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ..code.emit import Type
from ..records import once, record
from .caches import FITTED, Caches, caches_for

L1_BYTES, BLOCK_BYTES = 24 << 10, 320 << 10  # what a tile and a block of rows may fill
NEAR_BYTES = 32 << 10
RESULT_BYTES = 1 << 20  # of C, from which it does not stay at hand
ROW_BYTES = 2 << 12  # from row to row of C, from which each is in pages of its own
ROWS_BYTES = 128 << 10  # of y, which stays at hand while rows of x and C pass
LONG = 1536  # terms of a sum, from which on it is always cut into passes
PART, KEPT_PART = 128, 256  # terms of a pass, about: as they lie, and where panels are packed
ROW_PART, ROW_PANELS = 8, 64  # of one row: terms a pass, and panels that each runs along
PASS_BYTES, PANELS_BYTES = 256 << 10, 400 << 10  # of x and of y in one pass of a unit
FAR_BYTES = 384 << 10  # of packed panels that do not stay at hand
FAR_STEP = 256  # bytes from term to term, from which a processor does not foresee the next line
KEPT, OFTEN = 3, 16  # tiles from which the first packs a panel: if there are no others, or if so
UNITS = 4  # of work, so that threads have something to share


@record(frozen=True)
class Operand:
    """A factor: buffer `slot`, steps in elements along the batch, its own axis and the sum's.

    `lined` promises that it begins on a cache line.
    """

    slot: int
    free: int
    inner: tuple[int, ...]
    batch: tuple[int, ...] = ()
    offset: int = 0
    lined: bool = True


@record(frozen=True)
class Result:
    """Where C lies: steps in elements along the batch, its rows and its columns."""

    slot: int
    row: int
    col: int
    batch: tuple[int, ...] = ()
    offset: int = 0


@record(frozen=True)
class Gemm:
    """C[batch, i, j] (+)= sum over k of A[batch, i, k] * B[batch, k, j]; k may be several axes.

    Factors of `dtype` "pairs" are words of two terms in bfloat16; k counts words, C is float32.
    """

    m: int
    n: int
    k: tuple[int, ...]
    a: Operand
    b: Operand
    c: Result
    batch: tuple[int, ...] = ()
    dtype: str = "float32"
    accumulate: bool = False
    uses: tuple[int, int] = (1, 1)  # products of a run that can share one copy of A, and of B
    # per operand: how many such products share its copy, or the form of the one that others make
    ready: tuple[Any, Any] = (None, None)

    @once
    def terms(self) -> int:
        return math.prod(self.k)

    @property
    def empty(self) -> bool:
        """Whether C has no elements."""
        return not (self.m and self.n and math.prod(self.batch))

    @property
    def flops(self) -> int:
        each = 4 if self.dtype == "pairs" else 2
        return each * self.m * self.n * self.terms * math.prod(self.batch)

    @property
    def sums(self) -> str:
        """The type of C."""
        return "float32" if self.dtype == "pairs" else self.dtype

    @once
    def lane_axis(self) -> str:
        """The axis of C that lanes run along: "col", or "row" where only rows are contiguous."""
        if self.c.row == 1 and (self.c.col != 1 or self.n == 1) and self.m > 1:
            return "row"
        return "col"


@record(frozen=True)
class Plan:
    """One way to compute `gemm`: rows of x by vectors of y, x and y being A and B or B and A."""

    gemm: Gemm
    type: Type
    swapped: bool
    inner: bool
    rows: int  # the most rows of x in a tile
    vectors: int  # vectors of y in a tile; rows of y in an inner tile
    packs_y: bool = False
    packs_x: str = ""  # how x is copied: "rows" as they are, or "tiles", each term by term
    cut: int = 0  # terms of the sum per pass; 0: all at once
    cost: float = math.inf

    @once
    def caches(self) -> Caches:
        return caches_for(self.type)

    def held(self, bytes: int) -> int:
        """So much of L2 as `bytes` are of the one that they were fitted on."""
        return bytes * min(self.caches.l2_bytes, FITTED.l2_bytes) // FITTED.l2_bytes

    @once
    def x(self) -> Operand:
        return self.gemm.b if self.swapped else self.gemm.a

    @once
    def y(self) -> Operand:
        return self.gemm.a if self.swapped else self.gemm.b

    @once
    def shared(self) -> tuple[bool, bool]:
        """Whether the packed x and y have memory of their own, which other products read too."""
        x_uses, y_uses = self.gemm.uses[::-1] if self.swapped else self.gemm.uses
        return bool(self.packs_x) and x_uses > 1, self.packs_y and y_uses > 1

    def form(self, part: int) -> Any:
        """What decides how the packed x (0) or y (1) lies; None: it is read as it is."""
        if part:
            return ("panels", self.width) if self.packs_y else None
        return (self.packs_x, self.tiles) if self.packs_x else None

    @once
    def x_panels(self) -> bool:
        """Whether a packed x holds tile after tile, each term by term; else row after row."""
        return self.packs_x == "tiles"

    @once
    def x_size(self) -> int:
        return self.gemm.n if self.swapped else self.gemm.m

    @once
    def y_size(self) -> int:
        return self.gemm.m if self.swapped else self.gemm.n

    @once
    def width(self) -> int:
        """How far one tile reaches along y."""
        return self.vectors if self.inner else self.vectors * self.type.lanes

    @once
    def turned(self) -> bool:
        """Whether the lanes of a tile run along rows of C, but those of the result must not."""
        return not self.inner and (self.gemm.lane_axis == "row") != self.swapped

    @once
    def tiles(self) -> tuple[int, int, int]:
        """Along x: how many tiles, rows of each, and how many of the first have one row more."""
        count = -(-self.x_size // self.rows)
        return count, self.x_size // count, self.x_size % count

    @once
    def height(self) -> int:
        """Rows of the highest tile."""
        return self.tiles[1] + bool(self.tiles[2])

    @once
    def panels(self) -> tuple[int, int]:
        """Along y: how many full panels, and the size of what is left."""
        return divmod(self.y_size, self.width)

    @once
    def lane_counts(self) -> tuple[int, ...]:
        """How many lanes of C a tile can reach."""
        _, rows, more = self.tiles
        full, left = self.panels
        if self.turned:
            return (rows, rows + 1) if more else (rows,)
        return (self.width,) * bool(full) + (left,) * bool(left)

    @once
    def tail_room(self) -> int:
        """Lanes that the last, smaller panel takes."""
        left = self.panels[1]
        return left if self.inner else -(-left // self.type.lanes) * self.type.lanes

    @once
    def steps(self) -> tuple[int, int]:
        """Steps in C: from row to row of finished vectors, and along their lanes."""
        c = self.gemm.c
        return (c.row, c.col) if self.gemm.lane_axis == "col" else (c.col, c.row)

    @once
    def packed_batch(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Steps of the batch in the packed x and y, in matrices; 0 where one serves all."""
        found = []
        for operand in (self.x, self.y):
            size, steps = 1, []
            for count, step in zip(reversed(self.gemm.batch), reversed(operand.batch)):
                steps.append(size if step and count > 1 else 0)
                size *= count if step and count > 1 else 1
            found.append(tuple(reversed(steps)))
        return found[0], found[1]

    def packed_bytes(self, part: int) -> int:
        """How large the packed x (0) or y (1) is."""
        if part:
            return self.y_matrix * self.matrices(self.y) * self.type.size
        return self.x_matrix * self.matrices(self.x) * self.type.size

    def matrices(self, operand: Operand) -> int:
        """How many different matrices the batch of an operand holds."""
        sizes = zip(self.gemm.batch, operand.batch)
        return math.prod(size for size, step in sizes if step)

    @once
    def row_room(self) -> int:
        """Elements from row to row of a packed x: not a multiple of what a cache maps together."""
        w = self.type.lanes
        return -(-self.gemm.terms // w) * w + w

    @once
    def x_matrix(self) -> int:
        """Elements of one packed matrix of x."""
        if self.x_panels:
            return self.gemm.terms * self.tiles[0] * self.height
        return self.row_room * self.x_size

    @once
    def y_matrix(self) -> int:
        return self.gemm.terms * (self.panels[0] * self.width + self.tail_room)

    @once
    def packs_near(self) -> bool:
        """Whether each unit of work packs its own y on the stack, right before its use."""
        if self.keeps:
            return True
        panels = self.panels[0] + bool(self.panels[1])
        alone = self.matrices(self.y) == math.prod(self.gemm.batch)
        if not (alone and self.packs_y and not self.shared[1] and not self.cut):
            return False
        small = self.y_matrix * self.type.size <= NEAR_BYTES
        return (small and self.blocks == (self.tiles[0], panels)) or self.near_panel

    @once
    def near_panel(self) -> bool:
        """Whether panels are packed on the stack one at a time, each for all tiles of a unit."""
        return self.keeps or (self._short_panel and self.blocks == (self.tiles[0], 1))

    @once
    def keeps(self) -> bool:
        """Whether the first tile of a unit that reads a panel packs it for those after it."""
        if not (self.packs_y and self._short_panel and self.type.lanes * self.type.size == 32):
            return False
        if self.shared[1] or self.inner or self.by_rows or self.along:
            return False
        tiles, near = self.blocks[0], self._panel_size * self.type.size <= NEAR_BYTES
        return near and self.gemm.terms > 0 and tiles >= (KEPT if tiles == self.tiles[0] else OFTEN)

    @once
    def _short_panel(self) -> bool:
        """Whether a panel of y lies in rows that one copy goes through, and fits on the stack."""
        small = self._panel_size * self.type.size <= 2 * NEAR_BYTES
        return small and self.y.free == 1 and len(self.gemm.k) == 1

    @once
    def _panel_size(self) -> int:
        """Elements of a panel of y that a tile reads at once."""
        return (self.cut or self.gemm.terms) * self.width

    @once
    def near_size(self) -> int:
        """Elements that a unit packs for itself."""
        return self._panel_size if self.near_panel else self.y_matrix

    @once
    def far_panels(self) -> bool:
        """Whether packed panels are too many to stay at hand until they are read again."""
        return self.y_matrix * self.type.size > self.held(FAR_BYTES)

    @once
    def regions(self) -> tuple[int, int, int, int]:
        """Elements of scratch before the packed y, the packed x, the sums between passes; all."""
        far = self.packs_y and not self.packs_near and not self.shared[1]
        y = self.y_matrix * self.matrices(self.y) if far else 0
        x = self.x_matrix * self.matrices(self.x) if self.packs_x and not self.shared[0] else 0
        rows = self.x_size + self.type.lanes
        panels = self.panels[0] + bool(self.panels[1])
        sums = math.prod(self.gemm.batch) * rows * panels * self.width if self.cut else 0
        line = 64 // self.type.size
        starts = [0]
        for size in (y, x, sums):
            starts.append(starts[-1] + -(-size // line) * line)
        return starts[0], starts[1], starts[2], starts[3]

    @once
    def by_rows(self) -> bool:
        """Whether a unit goes along all panels before the next tile: y stays near, x passes."""
        if self.inner or self.cut or self.x_size < self.y_size:
            return False
        small = self.y_matrix * self.type.size <= ROWS_BYTES
        return small and self.x_size * self.y_size > 1 << 16

    @once
    def along(self) -> int:
        """Panels that a tile goes along before the next one has its turn; 0: it does not.

        Results that are too many to stay at hand are then written in longer runs.
        """
        size = self.gemm.terms * self.width * self.type.size
        panels = self.panels[0] + bool(self.panels[1])
        large = self.x_size * self.y_size * self.type.size >= RESULT_BYTES
        large = large and abs(self.steps[0]) * self.type.size >= ROW_BYTES
        if self.inner or self.cut or self.turned or self.by_rows or not large or not size:
            return 0
        most = min(ROWS_BYTES // size, -(-panels // UNITS))
        return most if most >= 4 else 0

    @once
    def blocks(self) -> tuple[int, int]:
        """Tiles and panels of one unit of work."""
        count, rows, _ = self.tiles
        panels = self.panels[0] + bool(self.panels[1])
        batch = math.prod(self.gemm.batch)
        if self.cut:
            return self._cut_blocks(count, rows + 1, panels)
        if self.along:
            return count, self.along
        depth = max(1, self.gemm.terms)
        fits = max(1, self.held(BLOCK_BYTES) // ((rows + 1) * depth * self.type.size))
        high = -(-count // -(-count // fits))
        tile_flops = 2 * (rows + 1) * self.width * max(1, self.gemm.terms)
        if self.by_rows:
            return min(count, -(-(1 << 21) // (panels * tile_flops))), panels
        wide = 1
        while wide < panels and high * wide * tile_flops < 1 << 21:
            wide *= 2
        while (
            high > 1
            and batch * -(-count // high) * -(-panels // wide) < 8
            and (high * wide * tile_flops > 1 << 22)
        ):
            high = -(-high // 2)
        return high, min(wide, panels)

    def _cut_blocks(self, tiles: int, rows: int, panels: int) -> tuple[int, int]:
        """Tiles and panels whose parts of x and y stay at hand together, pass by pass."""
        if tiles == 1 and self.cut <= ROW_PART:
            return 1, min(panels, ROW_PANELS)
        term = self.cut * self.type.size
        high = -(-tiles // max(1, PASS_BYTES // (rows * term)))
        wide = -(-panels // max(1, self.held(PANELS_BYTES) // (self.width * term)))
        while high * wide < UNITS and wide < panels:
            wide = min(2 * wide, panels)
        return -(-tiles // high), -(-panels // wide)


@record(frozen=True)
class Room:
    """Buffers for copies: the product's own, and those of a packed x and y that others share."""

    scratch: int = -1
    shared: tuple[int, int] = (-1, -1)

    def of(self, plan: Plan, part: int) -> tuple[int, int]:
        """Slot and offset of the packed x (0) or y (1)."""
        if plan.shared[part]:
            return self.shared[part], 0
        return self.scratch, plan.regions[1 - part]


def fed(target: Any) -> bool:
    """Whether 512-bit multiply-adds hardly wait for L2: measured on AMD's Zen 5 alone."""
    return target.bits == 512 and target.cpu == "znver5"


def crowds(plan: Plan, step: int) -> bool:
    """Whether lines `step` elements apart, one per term, are too many for their places in L2."""
    step = abs(step) * plan.type.size
    if step < 512 or step % 64:
        return False
    terms = plan.cut or plan.gemm.terms
    sets = plan.caches.l2_sets
    return terms > plan.caches.l2_ways * sets // math.gcd(step // 64, sets)


def x_collides(plan: Plan, ways: int = 4) -> bool:
    """Whether rows of x that a tile reads together push each other out of L1."""
    rows, step = plan.tiles[1], abs(plan.x.free) * plan.type.size
    if plan.x.inner[-1] != 1:
        return crowds(plan, plan.x.inner[-1])
    sets = plan.caches.l1_sets
    return step % 64 == 0 and rows > ways * (sets // math.gcd(step // 64, sets))


@functools.cache
def tile_shapes(registers: int, fma: bool, width: int) -> list[tuple[int, int]]:
    """Tiles that fit: sums, the vectors of one step, one number, and a product without fma.

    `width` is the number of lanes; 0 asks for inner tiles, of rows by rows.
    """
    spare = 1 if fma else 2
    found = []
    for vectors in range(1, 9 if width else 17):
        top = (registers - spare - vectors) // vectors
        if vectors == 1 and width:
            top = min(28, registers - 3 - spare)
        found += [(rows, vectors) for rows in {top, min(width, top)} if rows > 0]
    return found
