"""Native code for sums over all alignments of a label sequence (`ops/fused/ctc.py`).

`alignments(room, emitted, skips, lengths, times, rows, width)` fills `room` (times, rows,
2 + width) from its second time on: the logarithm of the sum of what the state, the one before it
and, where `skips` is not 0, the one before that held at the time before, and `emitted` (times,
rows, width). From a row's length on its last numbers are repeated.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import llvm
from .emit import F64, I64, PTR, Function, Module, Value
from .scalar import Emitter

_LEAST = -1e300  # taken off where all are minus infinity


def _write(f: Function, lanes: int) -> None:
    room, emitted, skips, lengths, times, rows, width = f.arguments
    wide, e = F64.wide(lanes), Emitter(f)
    line = f.add(width, 2)
    never = f.splat(f.constant(float("-inf"), F64), lanes)
    least = f.splat(f.constant(_LEAST, F64), lanes)
    with f.loop(1, times, 1) as time, f.loop(0, rows, 1) as row:
        place = f.add(f.mul(time.index, rows), row.index)
        now = f.at(room, f.mul(place, line), F64)
        before = f.at(room, f.mul(f.sub(place, rows), line), F64)
        said = f.at(emitted, f.mul(place, width), F64)
        may = f.at(skips, f.mul(row.index, width), F64)

        def step(index: Value, mask: Value | None, _: Any) -> None:
            skipped, one, same = (f.load(wide, before, f.add(index, k), mask) for k in range(3))
            skipped = f.select(f.compare("!=", f.load(wide, may, index, mask), 0.0), skipped, never)
            most = e.max(e.max(e.max(same, one), skipped), least)
            total = f.add(e.apply("exp", f.sub(same, most)), e.apply("exp", f.sub(one, most)))
            total = f.add(total, e.apply("exp", f.sub(skipped, most)))
            found = f.add(f.add(e.apply("log", total), most), f.load(wide, said, index, mask))
            f.store(found, now, f.add(index, 2), mask)

        def keep(index: Value, mask: Value | None, _: Any) -> None:
            place = f.add(index, 2)
            f.store(f.load(wide, before, place, mask), now, place, mask)

        f.branch(
            f.compare("<", time.index, f.load(I64, lengths, row.index)),
            lambda: f.vectors(0, width, lanes, step),
            lambda: f.vectors(0, width, lanes, keep),
        )


class Alignments:
    """The function by its name; it takes four addresses and three counts."""

    def __init__(self) -> None:
        target = llvm.target()
        module = Module(target)
        names = [(name, PTR) for name in ("room", "emitted", "skips", "lengths")]
        names += [(name, I64) for name in ("times", "rows", "width")]
        _write(module.function("alignments", names), target.lanes("float64"))
        self._code = code = llvm.compile(module.text())
        kind = ctypes.CFUNCTYPE(None, *(ctypes.c_void_p,) * 4, *(ctypes.c_int64,) * 3)
        self._functions = {"alignments": kind(code.address("alignments"))}

    def get(self, name: str) -> Any:
        """The function of that name."""
        return self._functions[name]
