"""The function that runs the kernels of a native segment: a loop over a list that is data.

A step of a recurrent layer calls hundreds of kernels. Written out, their calls took LLVM longer
than the kernels themselves; as rows of numbers they take it no time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..code.emit import I8, I64, PTR, VOID, Function, Module, Value
from .pool import PARALLEL

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
    kernels = module.pointers([row[0] for row in rows])
    numbers = module.array(np.array([row[1:] for row in rows], np.int64))
    with f.loop(0, len(rows), carry=[now(f)] if timed else []) as loop:
        kernel = f.load(PTR, kernels, loop.index)
        at = f.at(numbers, f.mul(loop.index, 4), I64)
        first, units, chunk, clock = (f.load(I64, at, k) for k in range(4))
        operands = f.at(table, first, PTR)
        if shared:
            _run(f, kernel, operands, units, chunk)
        else:
            _alone(f, kernel, operands, units)
        if timed:
            loop.next(counted(f, table, clock, loop.carried[0]))


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
