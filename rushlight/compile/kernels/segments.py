"""The function that runs the kernels of a native segment: a loop over a list that is data.

A step of a recurrent layer calls hundreds of kernels. Written out, their calls took LLVM longer
than the kernels themselves; as rows of numbers they take it no time. Calls that come over and over,
each time with the next operands of the table, are rows once, and the list has loops.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..code.emit import I8, I64, PTR, VOID, Function, Module, Value
from ..middle.periods import Period, repeated
from .runtime import PARALLEL

Row = tuple[str, int, int, int, int]  # kernel, its first operand, units, units at a time, clock
Move = tuple[int, int, int]  # an address from here in the table, so many bytes on, to there


def emit_segment(module: Module, name: str, rows: Sequence[Row], moves: Sequence[Move]) -> None:
    """Write `name(table)`: the moves, then the kernels in order.

    Moves fill the places of operands that lie in inputs and outputs.
    """
    f = module.function(name, [("table", PTR)])
    (table,) = f.arguments
    if moves:
        _move(f, table, moves)
    shared, timed = (any(row[k] for row in rows) for k in (3, 4))
    parts = [] if timed else stretches(rows)
    if parts:
        rows = [row for begin, size, _, _ in parts for row in rows[begin : begin + size]]
    kernels = module.pointers([row[0] for row in rows])
    numbers = module.array(np.array([row[1:] for row in rows], np.int64))
    if parts:
        _rounds(f, kernels, numbers, parts, shared)
        return
    with f.loop(0, len(rows), carry=[now(f)] if timed else []) as loop:
        clock = _row(f, kernels, numbers, loop.index, 0, shared)
        if timed:
            loop.next(counted(f, table, clock, loop.carried[0]))


def emit_choice(module: Module, name: str, first: str, rest: str, place: int) -> None:
    """Write `name(table)`: `first`, then `rest` if what lies at an address in the table is true."""
    f = module.function(name, [("table", PTR)])
    (table,) = f.arguments
    f.call(first, VOID, table)
    answer = f.load(I8, f.load(PTR, table, place), 0)
    with f.if_(f.compare("!=", answer, 0)):
        f.call(rest, VOID, table)


Part = tuple[int, int, int, int]  # its first row, rows, rounds, operands from round to round


def stretches(rows: Sequence[Row]) -> list[Part]:
    """The rows as stretches that are gone through once or more; none where nothing repeats."""
    steps = [then[1] - row[1] for row, then in zip(rows, (*rows[1:], *rows[-1:]))]
    periods = repeated([(row[0], *row[2:], step) for row, step in zip(rows, steps)])
    found, place = [], 0
    for start, size, count in (*periods, Period(len(rows), 0, 0)):
        if start > place:
            found.append((place, start - place, 1, 0))
        if count:
            found.append((start, size, count, rows[start + size][1] - rows[start][1]))
        place = start + size * count
    return found if periods else []


def _rounds(
    f: Function, kernels: Value, numbers: Value, parts: Sequence[Part], shared: bool
) -> None:
    """Go through the rows of each part, its rounds one after the other."""
    told, begin = [], 0
    for _, size, count, step in parts:
        told.append((begin, begin + size, count, step))
        begin += size
    told = f.module.array(np.array(told, np.int64))
    with f.loop(0, len(parts)) as part:
        at = f.at(told, f.mul(part.index, 4), I64)
        first, last, count, step = (f.load(I64, at, k) for k in range(4))
        with f.loop(0, count, some=True) as turn:
            ahead = f.mul(turn.index, step)
            with f.loop(first, last, some=True) as loop:
                _row(f, kernels, numbers, loop.index, ahead, shared)


def _row(
    f: Function, kernels: Value, numbers: Value, index: Value, ahead: Value | int, shared: bool
) -> Value:
    """Run a kernel of the list, its operands so many places further on; its clock."""
    kernel = f.load(PTR, kernels, index)
    at = f.at(numbers, f.mul(index, 4), I64)
    first, units, chunk, clock = (f.load(I64, at, k) for k in range(4))
    operands = f.at(f.arguments[0], f.add(first, ahead), PTR)
    if shared:
        _run(f, kernel, operands, units, chunk)
    else:
        _alone(f, kernel, operands, units)
    return clock


def _move(f: Function, table: Value, moves: Sequence[Move]) -> None:
    numbers = f.module.array(np.array(moves, np.int64))
    with f.loop(0, len(moves)) as loop:
        at = f.at(numbers, f.mul(loop.index, 3), I64)
        source, offset, target = (f.load(I64, at, k) for k in range(3))
        f.store(f.at(f.load(PTR, table, source), offset, I8), table, target)


def _run(f: Function, kernel: Value, operands: Value, units: Value, chunk: Value) -> None:
    """Alone if `chunk` is 0, else shared with other threads."""
    f.module.declare(PARALLEL, VOID, [PTR, PTR, I64, I64])
    alone, together, done = (f.new_label(word) for word in ("alone", "together", "done"))
    f.jump_if(f.compare("==", chunk, 0), alone, together)
    f.place(alone)
    _alone(f, kernel, operands, units)
    f.jump(done)
    f.place(together)
    f.call(PARALLEL, VOID, kernel, operands, units, chunk)
    f.jump(done)
    f.place(done)


def _alone(f: Function, kernel: Value, operands: Value, units: Value) -> None:
    f.do(f"call void {kernel.name}({operands.typed}, i64 0, {units.typed})")


def now(f: Function) -> Value:
    """The processor's clock."""
    return f.emit(I64, "call i64 @llvm.readcyclecounter()")


def counted(f: Function, table: Value, place: Value | int, start: Value) -> Value:
    """Add the cycles since `start` to the counter at a place of the table (0: none); the clock."""
    time = now(f)
    if isinstance(place, int):
        f.store(f.add(f.load(I64, table, place), f.sub(time, start)), table, place)
    else:
        with f.if_(f.compare("!=", place, 0)):
            f.store(f.add(f.load(I64, table, place), f.sub(time, start)), table, place)
    return time
