"""Register tiles of convolutions: weights, one number at a time, by vectors of places.

A tile is an internal function `(ptr x, ptr y, ptr out)`. For every term (a channel) and every tap
of the kernel it multiplies `x[row + tap]` by vectors at `y[vector + tap]`. The taps of one grid are
loops with known steps; a tile may have several grids, one per phase of the stride.
"""

from __future__ import annotations

from collections.abc import Callable

from ..code.emit import PTR, Function, Module, Type, Value, constant
from ..records import record
from .tiles import known_mask

WIDE = 0.4  # cycles that a term of a 512-bit tile takes beside its multiply-adds
NEARBY = 1.4  # cycles for a line of the second cache
MOVED = 0.6  # of the cycles of 256-bit vectors for what is moved, not multiplied, with 512 bits


@record(frozen=True)
class Grid:
    """Taps (i, j): offsets `start + i * down + j * across`, each a pair for x and y."""

    start: tuple[int, int]
    count: tuple[int, int]
    down: tuple[int, int]
    across: tuple[int, int]


@record(frozen=True)
class TapTile:
    """Rows of `x` by vectors of `y`, summed over `terms` of steps `steps` and all grids.

    Sum (r, v) goes to `out` at `r * pitch + v * lanes`. `tail` is how many lanes of the last
    vector may be read (0: all); the others are zero.
    """

    type: Type
    x: tuple[int, ...]
    vectors: int
    terms: int
    steps: tuple[int, int]
    grids: tuple[Grid, ...]
    pitch: int
    tail: int = 0


def wide(type: Type) -> bool:
    """Whether a vector has 512 bits."""
    return type.lanes * type.size == 64


def roomy(type: Type, rows: int, vectors: int) -> bool:
    """Whether registers are left for several taps at once; elsewhere they would bring spills."""
    return wide(type) and (vectors <= 2 or rows * vectors + vectors < 30)


def wide_step(rows: int, vectors: int) -> float:
    """Cycles of a term in a tile of 512-bit vectors: two multiply-adds and two loads in each.

    Their cores take in instructions faster than that; vectors come from the second cache
    (measured on Zen 5).
    """
    alone = WIDE * (vectors == 1)
    return max(rows * vectors / 2, (rows + vectors) / 2, NEARBY * vectors, 4) + WIDE + alone


def moved(type: Type) -> float:
    """What the cycles for moving vectors are multiplied with."""
    return MOVED if wide(type) else 1.0


def emit_taps(module: Module, name: str, tile: TapTile) -> str:
    """Add the function of `tile`; give its name."""
    f = module.function(name, [("x", PTR), ("y", PTR), ("out", PTR)], internal=True)
    x, y, out = f.arguments
    zero = constant(0.0, tile.type)
    sums = [zero] * (len(tile.x) * tile.vectors)
    if tile.grids and tile.terms:
        sums = _turns(f, tile, tile.terms, tile.steps, x, y, sums, _grids)
    w = tile.type.lanes
    for number, value in enumerate(sums):
        row, vector = divmod(number, tile.vectors)
        f.store(value, out, row * tile.pitch + vector * w)
    return name


def _turns(
    f: Function, tile: TapTile, count: int, steps: tuple[int, int], x: Value, y: Value,
    sums: list[Value], body: Callable[..., list[Value]],
) -> list[Value]:  # fmt: skip
    """`count` rounds of body(f, tile, x, y, sums), both pointers moving by their steps."""
    if count == 1:
        return body(f, tile, x, y, sums)
    with f.loop(0, count, carry=[x, y, *sums]) as loop:
        x, y, *inside = loop.carried
        new = body(f, tile, x, y, inside)
        loop.next(f.at(x, steps[0], tile.type), f.at(y, steps[1], tile.type), *new)
    return loop.results[2:]


def _grids(f: Function, tile: TapTile, x: Value, y: Value, sums: list[Value]) -> list[Value]:
    """All taps of one term."""
    for grid in tile.grids:
        here = f.at(x, grid.start[0], tile.type)
        there = f.at(y, grid.start[1], tile.type)

        def row(
            f: Function, tile: TapTile, x: Value, y: Value, sums: list[Value], grid: Grid = grid
        ) -> list[Value]:
            if not roomy(tile.type, len(tile.x), tile.vectors):
                return _turns(f, tile, grid.count[1], grid.across, x, y, sums, _tap)
            for n in range(grid.count[1]):
                here = f.at(x, n * grid.across[0], tile.type)
                there = f.at(y, n * grid.across[1], tile.type)
                sums = _tap(f, tile, here, there, sums)
            return sums

        sums = _turns(f, tile, grid.count[0], grid.down, here, there, sums, row)
    return sums


def _tap(f: Function, tile: TapTile, x: Value, y: Value, sums: list[Value]) -> list[Value]:
    type = tile.type
    masks = [None] * (tile.vectors - 1) + [known_mask(type, tile.tail)]
    vectors = [f.load(type, y, n * type.lanes, mask) for n, mask in enumerate(masks)]
    result: list[Value] = []
    for row in tile.x:
        number = f.splat(f.load(type.scalar, x, row), type.lanes)
        for vector in vectors:
            result.append(f.fma(number, vector, sums[len(result)]))
    return result
