"""Native code for products with sparse matrices, whose dense rows are gathered by number.

- `product(values, columns, begins, dense, out, rows, width)`: out[r] is the sum over the elements
  e of row r, begins[r] to begins[r + 1], of values[e] dense[columns[e]];
- `sample(a, b, rows, columns, out, count, width)`: out[e] = a[rows[e]] . b[columns[e]].

Both for float32 and float64, in the order of the elements whatever the machine.
"""

from __future__ import annotations

import ctypes
from typing import Any

from . import llvm
from .emit import F32, F64, I64, PTR, Function, Module, Type, Value

_BLOCK = 4  # vectors of a row that are summed side by side


def _product(module: Module, name: str, type: Type, lanes: int) -> None:
    names = ("values", "columns", "begins", "dense", "out")
    f = module.function(name, [*((one, PTR) for one in names), ("rows", I64), ("width", I64)])
    values, columns, begins, dense, out, rows, width = f.arguments
    wide = type.wide(lanes)
    block = lanes * _BLOCK
    whole = f.bit_and(width, -block)
    with f.loop(0, rows, 1) as each:
        first = f.load(I64, begins, each.index)
        last = f.load(I64, begins, f.add(each.index, 1))
        row = f.at(out, f.mul(each.index, width), type)

        def total(at: Value, count: int, mask: Value | None) -> None:
            """`count` vectors of the result's row, from `at` on."""
            zero = f.constant(0.0, wide)
            with f.loop(first, last, 1, [zero] * count) as loop:
                scale = f.splat(f.load(type, values, loop.index), lanes)
                column = f.load(I64, columns, loop.index)
                source = f.at(dense, f.add(f.mul(column, width), at), type)
                parts = [f.load(wide, source, k * lanes, mask, type.size) for k in range(count)]
                loop.next(*(f.fma(scale, x, y) for x, y in zip(parts, loop.carried)))
            target = f.at(row, at, type)
            for k, x in enumerate(loop.results):
                f.store(x, target, k * lanes, mask, type.size)

        with f.loop(0, whole, block) as blocks:
            total(blocks.index, _BLOCK, None)
        f.vectors(whole, width, lanes, lambda at, mask, _: total(at, 1, mask))


def _sample(module: Module, name: str, type: Type, lanes: int) -> None:
    names = ("a", "b", "rows", "columns", "out")
    f = module.function(name, [*((one, PTR) for one in names), ("count", I64), ("width", I64)])
    a, b, rows, columns, out, count, width = f.arguments
    wide = type.wide(lanes)
    with f.loop(0, count, 1) as each:
        left = f.at(a, f.mul(f.load(I64, rows, each.index), width), type)
        right = f.at(b, f.mul(f.load(I64, columns, each.index), width), type)

        def step(at: Value, mask: Value | None, carried: list[Value]) -> list[Value]:
            x, y = (f.load(wide, one, at, mask, type.size) for one in (left, right))
            return [f.fma(x, y, carried[0])]

        (total,) = _summed(f, step, width, lanes, wide)
        f.store(f.reduce("sum", total), out, each.index)


def _summed(f: Function, step: Any, width: Value, lanes: int, wide: Type) -> list[Value]:
    return f.vectors(0, width, lanes, step, [f.constant(0.0, wide)])


class Gathered:
    """The functions by element type ("f" or "d"), for addresses of arrays."""

    def __init__(self) -> None:
        target = llvm.target()
        module = Module(target)
        for letter, type in (("f", F32), ("d", F64)):
            lanes = target.lanes("float32" if letter == "f" else "float64")
            _product(module, f"product_{letter}", type, lanes)
            _sample(module, f"sample_{letter}", type, lanes)
        self._code = code = llvm.compile(module.text())
        kinds = (*(ctypes.c_void_p,) * 5, ctypes.c_int64, ctypes.c_int64)

        def functions(name: str) -> dict[str, Any]:
            kind = ctypes.CFUNCTYPE(None, *kinds)
            return {letter: kind(code.address(f"{name}_{letter}")) for letter in "fd"}

        self.product, self.sample = functions("product"), functions("sample")
