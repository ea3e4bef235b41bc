"""Functions that are alike, or alike but for a few numbers, are written once."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compile.code import llvm, parts
from rushlight.compile.code.emit import I64, PTR, Module, vector
from rushlight.compile.kernels import merging

WIDE = vector("float32", 4)
SIZES = [(8, 3, 12), (16, 5, 20), (32, 7, 36), (8, 3, 12), (48, 48, 48)]


def kernels(sizes: list[Any], tight: int = 0) -> Module:
    """Functions that add to rows of one place what stands in rows of another."""
    module = Module(llvm.target())
    for k, (count, rows, pitch) in enumerate(sizes):
        f = module.function(f"k{k}", [("x", PTR), ("y", PTR), ("most", I64)])
        x, y, most = f.arguments
        last = f.intrinsic("smin", most, f.constant(rows, I64))
        with f.loop(0, last) as lines, f.loop(0, count, 4) as lanes:
            at = f.add(f.mul(lines.index, pitch), lanes.index)
            value = f.load(WIDE, x, at)
            for _ in range(tight):
                value = f.fma(value, 0.5, value)
            f.store(f.add(value, f.load(WIDE, y, at)), y, at)
    return module


def text(module: Module) -> tuple[str, list[str]]:
    functions, lines = merging.merged(*module.parts(), "program_")
    return "\n".join([*lines, *functions, ""]), functions


def results(ir: str, count: int) -> np.ndarray:
    code, found = llvm.compile(ir), []
    for k in range(count):
        x = np.arange(4096, dtype=np.float32)
        y = np.ones(4096, np.float32)
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
        run(code.address(f"k{k}"))(x.ctypes.data, y.ctypes.data, 40)
        found.append(y)
    return np.array(found)


def test_functions_that_differ_in_numbers_do_as_before():
    module = kernels([*SIZES[:3], SIZES[4]])
    ir, functions = text(module)
    working = [one for one in functions if not parts._calls_only(one)]
    assert [one.count("%number") > 2 for one in working] == [True]
    assert np.array_equal(results(ir, 4), results(module.text(), 4))


def test_equal_functions_are_one_and_few_numbers_take_registers():
    _, functions = text(kernels([SIZES[0], SIZES[3]]))
    assert len(functions) == 1
    _, functions = text(kernels(SIZES[:1]))
    assert len(functions) == 1 and "%number" not in functions[0]


def test_tiles_and_functions_that_differ_in_much_stay(monkeypatch):
    _, functions = text(kernels(SIZES[:3], tight=merging.TIGHT + 1))
    assert len(functions) == 3 and "%number" not in "".join(functions)
    monkeypatch.setattr(merging, "MOST", 2)
    _, functions = text(kernels(SIZES[:3]))
    assert len(functions) == 3 and "%number" not in "".join(functions)
