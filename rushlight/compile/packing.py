"""Copies that bring operands of a product into the order in which tiles read them.

A `Copy` moves matrices, one per unit of its kernel, so that the target is contiguous along
columns: row by row where the source is contiguous along columns too, through square blocks turned
in registers where it is contiguous along rows, and one by one otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .emit import I64, PTR, VOID, Function, Module, Type, Value
from .tiles import known_mask

KERNEL = [("table", PTR), ("begin", I64), ("end", I64)]
Number = Value | int


@dataclass(frozen=True)
class Copy:
    """`rows` x `columns` numbers per unit, from steps (row, column) to rows `target_row` apart.

    `units` are (how many, source step, target step), the outermost first; `width` is how many
    columns the target has room for: lanes beyond `columns` may be filled with anything finite.
    """

    type: Type
    units: tuple[tuple[int, int, int], ...]
    rows: int
    columns: int
    width: int
    source: tuple[int, int]
    target_row: int
    slots: tuple[int, int]
    offsets: tuple[int, int]

    @property
    def count(self) -> int:
        return math.prod(size for size, _, _ in self.units)


def emit_copy(module: Module, name: str, copy: Copy) -> None:
    """Add the kernel that does units begin..end of `copy`."""
    f = module.function(name, KERNEL)
    bases = [table_entry(f, copy.type, *at) for at in zip(copy.slots, copy.offsets)]
    with f.loop(*f.arguments[1:]) as units:
        steps = [(size, (source, target)) for size, source, target in copy.units]
        offsets = positions(f, units.index, steps)[0]
        source, target = (f.at(base, o, copy.type) for base, o in zip(bases, offsets))
        if copy.source[1] == 1:
            _by_rows(f, copy, source, target)
        elif copy.source[0] == 1:
            _turned(f, copy, source, target)
        else:
            _one_by_one(f, copy, source, target)


def table_entry(f: Function, type: Type, slot: int, offset: int = 0) -> Value:
    """The address of a buffer of the table, `offset` elements in."""
    return f.at(f.load(PTR, f.arguments[0], slot), offset, type)


def times(f: Function, value: Number, factor: Number) -> Number:
    """value * factor, 0 where either is."""
    known = [n for n in (value, factor) if isinstance(n, int)]
    return 0 if 0 in known else f.mul(value, factor)


def positions(
    f: Function, unit: Number, dims: Sequence[tuple[int, Sequence[int]]]
) -> tuple[list[Number], list[Number]]:
    """Offsets and indices of `unit` in dimensions of (size, steps), the last the fastest."""
    offsets: list[Number] = [0] * len(dims[0][1]) if dims else []
    indices: list[Number] = []
    for number, (size, steps) in reversed(list(enumerate(dims))):
        index: Number = 0
        if size > 1 and isinstance(unit, Value):
            more = any(other > 1 for other, _ in dims[:number])
            index = f.emit(I64, f"urem {unit.typed}, {size}") if more else unit
            unit = f.emit(I64, f"udiv {unit.typed}, {size}") if more else unit
        offsets = [f.add(o, times(f, index, s)) for o, s in zip(offsets, steps)]
        indices.append(index)
    return offsets, indices[::-1]


def _by_rows(f: Function, copy: Copy, source: Value, target: Value) -> None:
    type, w = copy.type, copy.type.lanes
    whole, tail = divmod(copy.columns, w)
    group = next(n for n in (4, 2, 1) if whole % n == 0) * w
    with f.loop(0, copy.rows, carry=[source, target]) as rows:
        here, there = rows.carried
        if whole:
            with f.loop(0, whole * w, group) as across:
                for n in range(0, group, w):
                    at = f.add(across.index, n)
                    f.store(f.load(type, here, at), there, at)
        if tail:
            mask = known_mask(type, tail)
            roomy = copy.width >= (whole + 1) * w
            value = f.load(type, here, whole * w, mask)
            f.store(value, there, whole * w, None if roomy else mask)
        rows.next(f.at(here, copy.source[0], type), f.at(there, copy.target_row, type))


def _turned(f: Function, copy: Copy, source: Value, target: Value) -> None:
    """Square blocks: lanes of the source run along rows of the target."""
    type, w, (_, step), to = copy.type, copy.type.lanes, copy.source, copy.target_row
    turn, edge = turn_name(f.module, type), turn_name(f.module, type, edge=True)

    def block(row: Number, column: Number, height: int, width: int) -> None:
        here = f.at(source, f.add(row, times(f, column, step)), type)
        there = f.at(target, f.add(column, times(f, row, to)), type)
        whole = height == width == w
        sizes = [] if whole else [f.coerce(width, I64), f.coerce(height, I64)]
        name = turn if whole else edge
        f.call(name, VOID, here, f.coerce(step, I64), there, f.coerce(to, I64), *sizes)

    def column(at: Number, width: int) -> None:
        whole, rest = divmod(copy.rows, w)
        if whole:
            with f.loop(0, whole * w, w) as rows:
                block(rows.index, at, w, width)
        if rest:
            block(whole * w, at, rest, width)

    whole, rest = divmod(copy.columns, w)
    if whole:
        with f.loop(0, whole * w, w) as columns:
            column(columns.index, w)
    if rest:
        column(whole * w, rest)


def _one_by_one(f: Function, copy: Copy, source: Value, target: Value) -> None:
    kind = copy.type.scalar
    with f.loop(0, copy.rows) as rows, f.loop(0, copy.width) as columns:
        read = f.select(f.compare("<", columns.index, copy.columns), columns.index, 0)
        at = f.add(times(f, rows.index, copy.source[0]), times(f, read, copy.source[1]))
        to = f.add(times(f, rows.index, copy.target_row), columns.index)
        f.store(f.load(kind, source, at), target, to)


def turn_name(module: Module, type: Type, edge: bool = False) -> str:
    """The function that writes a square block of lanes with rows and columns exchanged.

    `(ptr source, i64 step, ptr target, i64 step)`; the one for edges has two more arguments, how
    many rows and columns the source has: it reads no others, and writes only rows that exist.
    """
    name = f"turn_{'edge_' if edge else ''}{type.suffix}"
    if name not in module.functions:
        given = [("source", PTR), ("step", I64), ("target", PTR), ("to", I64)]
        more = [("rows", I64), ("columns", I64)] if edge else []
        _turn(module.function(name, given + more, internal=True), type, edge)
    return name


def _turn(f: Function, type: Type, edge: bool) -> None:
    source, step, target, to, *sizes = f.arguments
    rows, columns = sizes or (None, None)
    mask = f.first_lanes(columns, type.lanes) if edge else None

    def address(base: Value, number: int, limit: Value | None, step: Value) -> Value:
        index: Number = number
        if limit is not None and number:
            known = f.coerce(number, I64)
            index = f.select(f.compare("<", known, limit), known, 0)
        return f.at(base, times(f, step, index), type)

    order = range(type.lanes)
    values = [f.load(type, address(source, r, rows, step), 0, mask) for r in order]
    distance = 1
    while distance < type.lanes:
        low, high = butterfly(type.lanes, distance)
        for a in order:
            if not a & distance:
                pair = values[a], values[a + distance]
                values[a], values[a + distance] = f.shuffle(*pair, low), f.shuffle(*pair, high)
        distance *= 2
    for r in reversed(order):  # the first row last: rows that do not exist were written over it
        f.store(values[r], address(target, r, columns, to))


def butterfly(width: int, distance: int) -> tuple[list[int], list[int]]:
    """The two halves of an exchange between vectors `distance` apart, as lanes of the pair."""
    low = [width + lane - distance if lane & distance else lane for lane in range(width)]
    high = [width + lane if lane & distance else lane + distance for lane in range(width)]
    return low, high


def fold_name(module: Module, type: Type) -> str:
    """The function `(ptr source, ptr target)` that adds up the lanes of each of `width` vectors."""
    name = f"fold_{type.suffix}"
    if name not in module.functions:
        f = module.function(name, [("source", PTR), ("target", PTR)], internal=True)
        source, target = f.arguments
        rows = [f.load(type, source, r * type.lanes) for r in range(type.lanes)]
        distance = 1
        while len(rows) > 1:
            halves = butterfly(type.lanes, distance)
            pairs = zip(rows[::2], rows[1::2])
            split = [[f.shuffle(*pair, half) for half in halves] for pair in pairs]
            rows = [f.add(low, high) for low, high in split]
            distance *= 2
        f.store(rows[0], target)
    return name
