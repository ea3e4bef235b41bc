"""Native code for distances between rows, which NumPy takes a row of differences at a time.

`dots`, `squares`, `sums` and `largest` give the norms of a[i] - b[j]: the root of the sum of
squares as BLAS adds few of them or as NumPy does, the sum of absolute values as NumPy takes it, and
the largest of these. Arguments are the addresses of a, of b turned (its columns are rows) and of
the result, then the numbers of rows of a and of b, of columns, and 1 if j begins behind i (else 0).

`pulls` gives for each row of a the sum of its differences from all rows, weighted by a square b.

Each is there for float32 and float64 with the letter of the type at its end. Results are those of
NumPy to the last bit, for as many columns as `ops/distance.py` asks them for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from . import llvm
from .emit import F32, F64, I64, PTR, Function, Module, Type, Value
from .scalar import Emitter

_EIGHT = 8  # running sums of NumPy
_WAYS = ("dots", "squares", "sums", "largest")


class _Norms:
    """One function while it is written, for `lanes` rows of b side by side."""

    def __init__(self, f: Function, of: Type, lanes: int, way: str) -> None:
        self.f, self.of, self.way, self.lanes = f, of, way, lanes
        self.wide = of.wide(lanes)
        a, b, out, rows, others, columns, behind = f.arguments
        self.b, self.others, self.columns = b, others, columns
        with f.loop(0, rows, 1, [f.constant(0, I64)]) as loop:
            first = f.mul(behind, f.add(loop.index, 1))
            self.row = f.at(a, f.mul(loop.index, columns), of)
            start = f.sub(loop.carried[0], first)

            def one(index: Value, mask: Value | None, _: Any) -> None:
                f.store(self.norm(index, mask), out, f.add(start, index), mask)

            f.vectors(first, others, lanes, one)
            loop.next(f.add(start, others))

    def gap(self, column: Value, at: Value, mask: Value | None) -> Value:
        """What one column adds: a square, or an absolute value."""
        f = self.f
        here = f.splat(f.load(self.of, self.row, column), self.lanes)
        there = f.load(self.wide, self.b, f.add(f.mul(column, self.others), at), mask)
        gap = f.sub(here, there)
        return f.mul(gap, gap) if self.way in ("dots", "squares") else f.intrinsic("fabs", gap)

    def norm(self, at: Value, mask: Value | None) -> Value:
        f = self.f
        if self.way == "largest":
            return self.loop(at, mask, 0, f.constant(0.0, self.wide), Emitter(f).max)
        if self.way == "dots":
            zero = f.constant(0.0, F64.wide(self.lanes))
            total = self.loop(
                at, mask, 0, zero, lambda x, y: f.add(x, self.converted(y, "float64"))
            )
            return f.intrinsic("sqrt", self.converted(total, self.of.name))
        total = self.numpy_sum(at, mask)
        return total if self.way == "sums" else f.intrinsic("sqrt", total)

    def converted(self, x: Value, to: str) -> Value:
        if self.of.name == "float64":
            return x
        return self.f.convert("fpext" if to == "float64" else "fptrunc", x, to)

    def loop(self, at: Value, mask: Value | None, start: Any, begin: Value, join: Any) -> Value:
        """The columns from `start` on, one after the other."""
        with self.f.loop(start, self.columns, 1, [begin]) as loop:
            loop.next(join(loop.carried[0], self.gap(loop.index, at, mask)))
        return loop.results[0]

    def numpy_sum(self, at: Value, mask: Value | None) -> Value:
        """One after the other where there are few, else eight side by side, and the rest."""
        f = self.f
        whole = f.bit_and(self.columns, -_EIGHT)
        zero = f.constant(0.0, self.wide)

        def eight() -> Sequence[Value]:
            begin = [self.gap(f.constant(k, I64), at, mask) for k in range(_EIGHT)]
            with f.loop(_EIGHT, whole, _EIGHT, begin) as loop:
                loop.next(*(f.add(x, self.gap(f.add(loop.index, k), at, mask))
                            for k, x in enumerate(loop.carried)))  # fmt: skip
            parts = loop.results
            while len(parts) > 1:
                parts = [f.add(x, y) for x, y in zip(parts[::2], parts[1::2])]
            return parts

        (total,) = f.branch(f.compare(">", whole, 0), eight, lambda: [zero])
        return self.loop(at, mask, whole, total, f.add)


def _pulls(f: Function, of: Type, lanes: int) -> None:
    x, square, out, rows, _, columns, _ = f.arguments
    wide = of.wide(lanes)
    with f.loop(0, rows, 1) as loop:
        first = f.mul(loop.index, columns)
        weights = f.at(square, f.mul(loop.index, rows), of)

        def step(index: Value, mask: Value | None, _: Any) -> None:
            here = f.load(wide, x, f.add(first, index), mask)
            with f.loop(0, rows, 1, [f.constant(0.0, wide)]) as inner:
                there = f.load(wide, x, f.add(f.mul(inner.index, columns), index), mask)
                weight = f.splat(f.load(of, weights, inner.index), lanes)
                inner.next(f.add(inner.carried[0], f.mul(weight, f.sub(here, there))))
            f.store(inner.results[0], out, f.add(first, index), mask)

        f.vectors(0, columns, lanes, step)


class Distances:
    """The functions by name; each takes three addresses and four counts."""

    def __init__(self) -> None:
        target = llvm.target()
        module = Module(target)
        names = [("a", PTR), ("b", PTR), ("out", PTR)]
        names += [(name, I64) for name in ("rows", "others", "columns", "behind")]
        made = []
        for way in _WAYS:
            for letter, of in (("f", F32), ("d", F64)):
                made.append(f"{way}_{letter}")
                _Norms(module.function(made[-1], names), of, target.lanes(of.name), way)
        for letter, of in (("f", F32), ("d", F64)):
            made.append(f"pulls_{letter}")
            _pulls(module.function(made[-1], names), of, target.lanes(of.name))
        self._code = code = llvm.compile(module.text())
        kind = ctypes.CFUNCTYPE(None, *(ctypes.c_void_p,) * 3, *(ctypes.c_int64,) * 4)
        self._functions = {name: kind(code.address(name)) for name in made}

    def get(self, name: str) -> Any:
        """A function by its name and the letter of a type."""
        return self._functions[name]
