"""The transforms of minimal filtering F(2x2, 3x3), on vectors in registers.

A line of four elements d and three weights g give two sums of three products each by four products,

    A^T ((G g) * (B^T d)),   d of 4, g of 3, the result of 2,

and a plane the same along both dimensions: 16 products where the definition has 36. All numbers of
the transforms are 0, 1, -1 and 1/2 (Lavin and Gray, "Fast algorithms for convolutional neural
networks", 2015). Gradients of weights have tiles of their own (winograd_points.py).

Each function takes the vectors of one line; `plane` applies one to the columns and then to the
rows of a grid, whose vectors stand row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..code.emit import Function, Value

Line = Callable[[Function, Sequence[Value]], list[Value]]
TILE = 2  # places of the result along one dimension
TAPS = 3
WINDOW = TILE + TAPS - 1  # elements of the source that they read, and products
POSITIONS = WINDOW * WINDOW


def windows(f: Function, d: Sequence[Value]) -> list[Value]:
    """B^T d: four elements of the source as factors."""
    return [f.sub(d[0], d[2]), f.add(d[1], d[2]), f.sub(d[2], d[1]), f.sub(d[1], d[3])]


def weights(f: Function, g: Sequence[Value]) -> list[Value]:
    """G g: three weights as factors."""
    ends = f.add(g[0], g[2])
    return [g[0], f.mul(f.add(ends, g[1]), 0.5), f.mul(f.sub(ends, g[1]), 0.5), g[2]]


def sums(f: Function, m: Sequence[Value]) -> list[Value]:
    """A^T m: two results of four products."""
    return [f.add(f.add(m[0], m[1]), m[2]), f.sub(f.sub(m[1], m[2]), m[3])]


def plane(f: Function, line: Line, grid: Sequence[Value], width: int) -> list[Value]:
    """A transform along both dimensions of a grid of rows of `width` vectors."""
    columns = [line(f, grid[at::width]) for at in range(width)]
    return [value for row in zip(*columns) for value in line(f, row)]
