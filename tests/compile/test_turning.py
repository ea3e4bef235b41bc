"""Squares of lanes with rows and columns exchanged: written as assembly, or by LLVM."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import I64, PTR, Module, vector
from rushlight.compile.products import turning
from rushlight.compile.products.packing import turn_name

LANES = llvm.target().lanes("float32")


def turned(x: np.ndarray, out: np.ndarray, rows: int | None) -> str:
    """Write the square that begins at x to `out`; the IR. `rows`: with the one for edges."""
    type = vector(x.dtype, llvm.target().lanes(x.dtype))
    module = Module(llvm.target())
    name = turn_name(module, type, rows is not None)
    given = [("source", PTR), ("step", I64), ("target", PTR), ("to", I64)]
    f = module.function("entry", given + [("rows", I64)] * (rows is not None))
    f.call(name, vector("void"), *f.arguments)
    code = llvm.compile(module.text())
    kinds = [ctypes.c_void_p, ctypes.c_int64] * 2 + [ctypes.c_int64] * (rows is not None)
    steps = [array.strides[0] // array.itemsize for array in (x, out)]
    call = ctypes.CFUNCTYPE(None, *kinds)(code.address("entry"))
    call(x.ctypes.data, steps[0], out.ctypes.data, steps[1], *[rows] * (rows is not None))
    return code.ir


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [(0, 0), (3, 5), (40, 1)])
def test_rows_become_columns(dtype: str, steps: tuple[int, int]):
    lanes = llvm.target().lanes(dtype)
    x = np.random.default_rng(0).random((lanes, lanes + steps[0])).astype(dtype)
    out = np.full((lanes, lanes + steps[1]), -1, dtype)
    turned(x, out, None)
    assert (out[:, :lanes] == x[:, :lanes].T).all()
    assert (out[:, lanes:] == -1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_are_not_there_are_not_read(dtype: str):
    lanes = llvm.target().lanes(dtype)
    x = np.random.default_rng(0).random((lanes, lanes + 2)).astype(dtype)
    for rows in range(1, lanes + 1):
        here = x.copy()
        here[rows:] = np.nan
        out = np.full((lanes, lanes + 1), -1, dtype)
        turned(here, out, rows)
        assert (out[:, :rows] == x[:rows, :lanes].T).all()
        assert (out[:, rows:lanes] == x[0, :lanes, None]).all()
        assert (out[:, lanes:] == -1).all()


def test_eight_lanes_of_a_processor_with_avx2_are_assembly():
    x = np.zeros((LANES, LANES), "f")
    ir = turned(x, x.copy(), None)
    assert (" naked " in ir) == turning.suits(llvm.target(), vector("float32", LANES))
    if llvm.target().name == "avx2" and llvm.target().triple.startswith("x86_64-unknown-linux"):
        assert " naked " in ir
