"""Minimal filters for sums of products along a line: which numbers their transforms consist of.

Three sums over a tile of r factors g and the r + 2 elements d that it meets,

    y_k = g_0 d_k + g_1 d_(k+1) + ... = A^T ((G g) * (B^T d)),   k = 0, 1, 2,

take r + 2 products: the values of two polynomials at as many points p, one of them infinity (Toom
and Cook; Winograd, "Arithmetic complexity of computations", 1980). A row of B^T holds the
coefficients of the product of (x - q) over all other points q, G the powers of p, and A^T these
too, over the product of all p - q. The points decide what is rounded away: for r = 3, these keep
it within twice that of the plain sum, where 0, 1, -1 and 2 would not. The best for r = 4, with 36
products for 144, are 2/3, 3/2 and their negatives: up to 2.5 times as much, and no quicker.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from ..code.emit import I64, PTR, Function, Module, Type, Value
from ..records import record

TAPS = 3
Matrix = tuple[tuple[float, ...], ...]
POINTS = {
    2: (Fraction(0), Fraction(1), Fraction(-1)),
    3: (Fraction(0), Fraction(-1), Fraction(1, 2), Fraction(2)),
}  # by the size of a tile: all points but infinity


@record(frozen=True)
class Filter:
    """The matrices of one size of tiles."""

    inputs: Matrix  # B^T
    factors: Matrix  # G
    sums: Matrix  # A^T


@functools.cache
def filter_of(tile: int) -> Filter:
    """The filter for tiles of so many factors."""
    points = POINTS[tile]
    inputs = [_product([q for q in points if q != p]) for p in points]
    over = [math.prod(p - q for q in points if q != p) for p in points]
    rows = [[*row, Fraction(0)] for row in inputs] + [_product(points)]
    factors = [[p**k for k in range(tile)] for p in points]
    sums = [[p**k / by for p, by in zip(points, over)] for k in range(TAPS)]
    last = [*[0] * (tile - 1), 1]
    ends = [[*row, Fraction(k == TAPS - 1)] for k, row in enumerate(sums)]
    return Filter(*(
        tuple(tuple(float(x) for x in row) for row in matrix)
        for matrix in (rows, [*factors, last], ends)
    ))  # fmt: skip


def _product(points: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the product of x - p, the lowest first."""
    found = [Fraction(1)]
    for p in points:
        found = [a - p * b for a, b in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return found


def transform_name(module: Module, type: Type, word: str, tile: int) -> str:
    """The function that makes M D M^T of grids D of vectors; `word` names M in the filter.

    `(ptr source, i64 row, i64 place, ptr target, i64 step, i64 count)`: vectors side by side, of
    `count` elements together; the steps are those of D's rows and columns, and between results.
    Layers of all sizes share it. Elements are loaded where they are needed, as registers for all
    of them would not do.
    """
    name = f"filter{tile}_{word}_{type.suffix}"
    if name in module.functions:
        return name
    words = ("source", PTR), ("row", I64), ("place", I64), ("target", PTR), ("step", I64)
    f = module.function(name, [*words, ("count", I64)], internal=True)
    source, row, place, target, step, count = f.arguments
    matrix: Matrix = getattr(filter_of(tile), word)
    columns = len(matrix[0])
    down, across = ([f.mul(by, k) for k in range(columns)] for by in (row, place))
    with f.loop(0, count, type.lanes, some=True) as lanes:
        here, goal = (f.at(base, lanes.index, type) for base in (source, target))
        lines = [f.at(here, at, type) for at in down]
        for one in matrix:
            line = [
                _combined(f, one, lambda k, j=j: f.load(type, f.at(lines[k], across[j], type)))
                for j in range(columns)
            ]
            for other in matrix:
                f.store(_combined(f, other, line.__getitem__), goal)
                goal = f.at(goal, step, type)
    return name


def _combined(f: Function, row: Sequence[float], load: Callable[[int], Value]) -> Value:
    """The sum of a row's numbers by vectors."""
    (one, first), *rest = sorted(((x, k) for k, x in enumerate(row) if x), key=lambda t: t[0] != 1)
    total = load(first) if one == 1 else f.mul(load(first), one)
    for number, k in rest:
        value = load(k)
        if abs(number) == 1:
            total = f.add(total, value) if number == 1 else f.sub(total, value)
        else:
            total = f.fma(value, number, total)
    return total
