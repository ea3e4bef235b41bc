"""Native code for a matrix of few neighbouring numbers per row times one dimension of an array.

`bands(x, y, weights, firsts, counts, before, size, out, behind, most)`: of x (before, size, behind)
and y (before, out, behind), row r of `weights` (out, most) has counts[r] numbers, for the places
from firsts[r] on. They are added one after the other. Each is there for float32 and float64 with
the letter of the type at its end.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import llvm
from .emit import F32, F64, I64, PTR, Function, Module, Type, Value

_PLACES = ("x", "y", "weights", "firsts", "counts")
_NUMBERS = ("before", "size", "out", "behind", "most")


def _write(f: Function, of: Type, lanes: int) -> None:
    x, y, weights, firsts, counts, before, size, out, behind, most = f.arguments
    with f.loop(0, before, 1) as outer, f.loop(0, out, 1) as row:
        first = f.add(f.mul(outer.index, size), f.load(I64, firsts, row.index))
        source = f.at(x, f.mul(first, behind), of)
        into = f.at(y, f.mul(f.add(f.mul(outer.index, out), row.index), behind), of)
        own = f.at(weights, f.mul(row.index, most), of)
        count = f.load(I64, counts, row.index)

        def total(index: Value, mask: Value | None, width: int) -> Value:
            wide = of.wide(width) if width > 1 else of

            def part(k: Value | int) -> Value:
                weight = f.load(of, own, k)
                place = f.add(f.mul(f.coerce(k, I64), behind), index)
                if width == 1:
                    return f.mul(weight, f.load(of, source, place))
                return f.mul(f.splat(weight, width), f.load(wide, source, place, mask))

            with f.loop(1, count, 1, [part(0)]) as loop:
                loop.next(f.add(loop.carried[0], part(loop.index)))
            return loop.results[0]

        def step(index: Value, mask: Value | None, _: Any) -> None:
            f.store(total(index, mask, lanes), into, index, mask)

        def alone() -> list[Value]:
            f.store(total(f.constant(0, I64), None, 1), into)
            return []

        f.branch(f.compare("==", behind, 1), alone, lambda: f.vectors(0, behind, lanes, step))


class Bands:
    """The functions by name; each takes five addresses and five counts."""

    def __init__(self) -> None:
        target = llvm.target()
        module = Module(target)
        names = [(name, PTR) for name in _PLACES] + [(name, I64) for name in _NUMBERS]
        for letter, of in (("f", F32), ("d", F64)):
            _write(module.function(f"bands_{letter}", names), of, target.lanes(of.name))
        self._code = code = llvm.compile(module.text())
        kind = ctypes.CFUNCTYPE(None, *(ctypes.c_void_p,) * 5, *(ctypes.c_int64,) * 5)
        self._functions = {f"bands_{one}": kind(code.address(f"bands_{one}")) for one in "fd"}

    def get(self, name: str) -> Any:
        """A function by its name and the letter of a type."""
        return self._functions[name]
