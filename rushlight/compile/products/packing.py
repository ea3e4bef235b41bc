"""Copies that bring operands of a product into the order in which tiles read them.

A `Copy` moves matrices, one per unit of its kernel, so that the target is contiguous along
columns: row by row where the source is contiguous along columns too, through square blocks turned
in registers where it is contiguous along rows, and one by one otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..code.emit import I64, PTR, VOID, Function, Module, Type, Value
from ..records import record
from . import turning
from .tiles import known_mask

KERNEL = [("table", PTR), ("begin", I64), ("end", I64)]
Number = Value | int


@record(frozen=True)
class Copy:
    """`rows` x `columns` numbers per unit, from steps (row, column) to rows `target_row` apart.

    `units` are (how many, source step, target step), the outermost first; `width` is how many
    columns the target has room for: lanes beyond `columns` may be filled with anything finite.
    The rows of a `dense` target have nothing between them that others write.
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
    dense: bool = False

    @property
    def count(self) -> int:
        return math.prod(size for size, _, _ in self.units)


def emit_copy(module: Module, name: str, copy: Copy) -> None:
    """Add the kernel that does units begin..end of `copy`."""
    f = module.function(name, KERNEL)
    source, target = (table_entry(f, copy.type, *at) for at in zip(copy.slots, copy.offsets))
    _, begin, end = f.arguments
    with f.loop(begin, end) as units:
        move(f, copy, units.index, source, target)


def move(f: Function, copy: Copy, unit: Number, source: Value, target: Value) -> None:
    """Write one unit of a copy between two addresses."""
    steps = [(size, (come, go)) for size, come, go in copy.units]
    offsets = positions(f, unit, steps)[0] if steps else [0, 0]
    source, target = (f.at(base, o, copy.type) for base, o in zip((source, target), offsets))
    if copy.source[1] == 1:
        _by_rows(f, copy, source, target)
    elif copy.source[0] == 1 and min(copy.rows, copy.width) * copy.type.size >= 16:
        _turned(f, copy, source, target)
    else:
        _one_by_one(f, copy, source, target)


def table_entry(f: Function, type: Type, slot: int, offset: int = 0) -> Value:
    """The address of a buffer of the table, `offset` elements in."""
    return f.at(f.load(PTR, f.arguments[0], slot), offset, type)


def clear(f: Function, target: Value, bytes: int) -> None:
    """So many zero bytes."""
    if bytes:
        f.do(f"call void @llvm.memset.p0.i64({target.typed}, i8 0, i64 {bytes}, i1 false)")


def quotient(f: Function, value: Number, by: int, below: int) -> Number:
    """value // by, for values below a bound: whoever only calls has no better division."""
    if isinstance(value, int):
        return value // by
    if by >= below:
        return 0
    if by & (by - 1) == 0:
        return f.lshr(value, by.bit_length() - 1) if by > 1 else value
    if by * below >= 1 << 32:
        return f.emit(I64, f"udiv {value.typed}, {by}")
    return f.lshr(f.mul(value, (1 << 32) // by + 1), 32)


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
    left = math.prod(size for size, _ in dims)
    for number, (size, steps) in reversed(list(enumerate(dims))):
        index: Number = 0
        if size > 1 and isinstance(unit, Value):
            index = unit
            if any(other > 1 for other, _ in dims[:number]):
                unit = quotient(f, index, size, left)
                index = f.sub(index, times(f, unit, size))
            left //= size
        offsets = [f.add(o, times(f, index, s)) for o, s in zip(offsets, steps)]
        indices.append(index)
    return offsets, indices[::-1]


def _by_rows(f: Function, copy: Copy, source: Value, target: Value) -> None:
    type, w = copy.type, copy.type.lanes
    whole, tail = divmod(copy.columns, w)
    masked = 0 if copy.width >= (whole + 1) * w else copy.rows
    if tail and masked and copy.dense and w * type.size < 64:
        # processors without masks of their own write lane by lane: rows that follow write again
        # what was written too far
        masked = min(copy.rows, ((whole + 1) * w - 1) // copy.target_row)
    for rows, mask in ((copy.rows - masked, None), (masked, known_mask(type, tail))):
        if rows:
            source, target = _rows(f, copy, source, target, rows, mask)


def _rows(
    f: Function, copy: Copy, source: Value, target: Value, count: int, mask: Value | None
) -> list[Value]:
    """So many rows, `mask` being what may be written of the last vector; where the next begin."""
    type, w = copy.type, copy.type.lanes
    whole, tail = divmod(copy.columns, w)
    group = next(n for n in (4, 2, 1) if whole % n == 0) * w
    with f.loop(0, count, carry=[source, target]) as rows:
        here, there = rows.carried
        if whole:
            with f.loop(0, whole * w, group) as across:
                for n in range(0, group, w):
                    at = f.add(across.index, n)
                    f.store(f.load(type, here, at), there, at)
        if tail:
            value = f.load(type, here, whole * w, known_mask(type, tail))
            f.store(value, there, whole * w, mask)
        rows.next(f.at(here, copy.source[0], type), f.at(there, copy.target_row, type))
    return rows.results


def _turned(f: Function, copy: Copy, source: Value, target: Value) -> None:
    """Square blocks: lanes of the source run along rows of the target; the last may overlap."""
    (_, step), to, w = copy.source, copy.target_row, copy.type.lanes
    while w > copy.rows or copy.width < w:
        w //= 2
    type = copy.type.wide(w)
    far = copy.rows >= 8 * w and step * type.size >= 256  # rows that no one else asks for

    def column(start: Number, place: Number, width: int) -> None:
        """The blocks of columns from `start`, written from `place` on."""
        name = turn_name(f.module, type, edge=width < w)
        sizes = [] if width == w else [f.coerce(width, I64)]

        def block(row: Number) -> None:
            here = f.at(source, f.add(row, times(f, start, step)), type)
            for line in range(width) if far else ():
                f.prefetch(f.at(here, line * step + 3 * w, type))
            there = f.at(target, f.add(place, times(f, row, to)), type)
            f.call(name, VOID, here, f.coerce(step, I64), there, f.coerce(to, I64), *sizes)

        with f.loop(0, copy.rows // w * w, w) as rows:
            block(rows.index)
        if copy.rows % w:
            block(copy.rows - w)

    whole, rest = divmod(copy.columns, w)
    if whole:
        with f.loop(0, whole * w, w) as columns:
            column(columns.index, columns.index, w)
    if rest and copy.width < (whole + 1) * w:
        column(copy.columns - w, copy.columns - w, w)
    elif rest:
        column(whole * w, whole * w, rest)
    for place in range((whole + bool(rest)) * w, copy.width - w + 1, w):
        column(0, place, min(w, copy.columns))  # lanes no one reads, but denormals there are slow


def _one_by_one(f: Function, copy: Copy, source: Value, target: Value) -> None:
    kind = copy.type.scalar
    with f.loop(0, copy.rows) as rows, f.loop(0, copy.width) as columns:
        read = f.select(f.compare("<", columns.index, copy.columns), columns.index, 0)
        at = f.add(times(f, rows.index, copy.source[0]), times(f, read, copy.source[1]))
        to = f.add(times(f, rows.index, copy.target_row), columns.index)
        f.store(f.load(kind, source, at), target, to)


def turn_name(module: Module, type: Type, edge: bool = False) -> str:
    """The function that writes a square block of lanes with rows and columns exchanged.

    `(ptr source, i64 step, ptr target, i64 step)`; the one for edges is also told how many rows
    there are, reads no others, and fills their lanes with the first.
    """
    name = f"turn_{'edge_' if edge else ''}{type.suffix}"
    if name not in module.functions:
        given = [("source", PTR), ("step", I64), ("target", PTR), ("to", I64)]
        more = [("rows", I64)] if edge else []
        f = module.function(name, given + more, internal=True)
        if turning.suits(module.target, type):
            turning.emit(f, edge)
        else:
            _turn(f, type)
    return name


def _turn(f: Function, type: Type) -> None:
    """A few columns at a time, in shuffles that stay inside 128 bits."""
    source, step, target, to, *rows = f.arguments
    part = 16 // type.size
    with f.loop(0, type.lanes, part, carry=[source]) as columns:
        first = here = columns.carried[0]
        columns.next(f.at(first, part, type))
        quarters = []
        for number in range(type.lanes):
            known = f.coerce(number, I64)
            start = f.select(f.compare("<", known, rows[0]), here, first) if rows else here
            quarters.append(f.load(type.wide(part), start))
            here = f.at(here, step, type)
        values = [_joined(f, quarters[n::part]) for n in range(part)]
        if part == 4:
            a, b = (_woven(f, values[n], values[n + 1], 1, 4) for n in (0, 2))
            values = [v for low, high in zip(a, b) for v in _woven(f, low, high, 2, 4)]
        else:
            values = _woven(f, values[0], values[1], 1, 2)
        there = f.at(target, f.mul(to, columns.index), type)
        for n, value in enumerate(values):
            f.store(value, f.at(there, times(f, to, n), type))


def _joined(f: Function, parts: list[Value]) -> Value:
    """Short vectors, one after the other."""
    while len(parts) > 1:
        lanes = range(2 * parts[0].type.lanes)
        parts = [f.shuffle(a, b, lanes) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _woven(f: Function, a: Value, b: Value, grain: int, block: int) -> list[Value]:
    """In every `block` lanes, pieces of `grain` lanes of a and b in turn: first halves, second."""
    width, half = a.type.lanes, block // 2
    halves = []
    for start in (0, half):
        order = []
        for base in range(start, width, block):
            for at in range(base, base + half, grain):
                order += [*range(at, at + grain), *range(width + at, width + at + grain)]
        halves.append(f.shuffle(a, b, order))
    return halves


def fold_name(module: Module, type: Type) -> str:
    """The function `(ptr source, ptr target)` that adds up the lanes of each of `width` vectors."""
    name = f"fold_{type.suffix}"
    if name not in module.functions:
        f = module.function(name, [("source", PTR), ("target", PTR)], internal=True)
        width, part = type.lanes, 16 // type.size
        source, target = f.arguments
        rows = [f.load(type, source, r * width) for r in range(width)]
        grain, block = 1, part
        while len(rows) > 1:
            inside = grain < part
            pairs = [
                _woven(f, a, b, grain, block) if inside else _halves(f, a, b, len(rows) == 2)
                for a, b in zip(rows[::2], rows[1::2])
            ]
            rows = [f.add(low, high) for low, high in pairs]
            grain *= 2
        f.store(rows[0], target)
    return name


def _halves(f: Function, a: Value, b: Value, last: bool) -> list[Value]:
    """128-bit pieces of both to be added; in the last round, pieces that lie side by side."""
    width, part = a.type.lanes, 16 // a.type.size
    count = width // part
    pieces = [*range(0, count, 2), *range(1, count, 2)] if last else list(range(count))
    result = []
    for chosen in (pieces[: count // 2], pieces[count // 2 :]):
        places = [*chosen, *(p + count for p in chosen)]
        result.append(f.shuffle(a, b, [p * part + k for p in places for k in range(part)]))
    return result
