"""What convolutions ask for early: every line of the regions, each by one call."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile.code import llvm
from rushlight.compile.code.emit import I64, PTR, Module, vector
from rushlight.compile.products.conv_prefetch import Region, Stream
from rushlight.compile.products.tiles import Tile, emit_tile
from tests.compile.test_gemm import SETS, spills, unsaved

TYPE = vector("float32", 16)


def asked(stream, bases, turns, idle):
    """The addresses from which calls 0 .. turns - 1 ask."""
    module = Module(llvm.target())
    f = module.function("ask", [("out", PTR), ("count", I64)])
    given = [f.emit(PTR, f"inttoptr i64 {base} to ptr") for base in (*bases, idle)]
    with f.loop(0, f.arguments[1]) as loop:
        found = stream.pointer(f, given[:-1], loop.index, given[-1])
        f.store(f.emit(I64, f"ptrtoint {found.typed} to i64"), f.arguments[0], loop.index)
    code = llvm.compile(module.text())
    out = np.zeros(turns, np.int64)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("ask"))
    call(out.ctypes.data, turns)
    return out


@pytest.mark.parametrize(
    ("regions", "turns", "rounds"),
    [
        ([Region(5, 1000, 160)], 20, 4),
        ([Region(4, 64, 64), Region(3, 4096, 33)], 64, 2),
        ([Region(7, 512, 500), Region(1, 0, 16)], 9, 16),
    ],
)
def test_calls_share_out_all_lines(regions, turns, rounds):
    stream, bases, idle = Stream(TYPE, regions, turns, rounds), (1 << 20, 1 << 22), 64
    wanted = {
        base + 4 * (row * region.step + at)
        for base, region in zip(bases, regions) for row in range(region.rows)
        for at in range(0, region.run, 16)
    }  # fmt: skip
    each, found = 64 * stream.lines * rounds, []
    for start in asked(stream, bases[: len(regions)], turns, idle):
        found += [] if start == idle else range(start, start + each, 64)
    assert wanted <= set(found)
    own = [address for address in found if address in wanted]
    assert len(own) == len(wanted)


def test_a_stream_without_rounds_asks_for_nothing():
    assert Stream(TYPE, [Region(4, 64, 64)], 100, 1).lines == 0
    assert Stream(TYPE, [], 100, 8).lines == 0


@pytest.mark.parametrize("size", [(4, 4), (3, 3)], ids=str)
def test_ends_over_whole_planes(size):
    rl.manual_seed(0)
    x, w = rl.randn(4, 64, *size), rl.randn(72, 64, 3, 3) / 16
    more, rows, columns = rl.randn(4, 72, *size), rl.randn(size[0], 1), rl.randn(size[1])

    def step(x, w, more, rows, columns):
        y = rl.nn.functional.conv2d(x, w, padding=1)
        z = rl.nn.functional.conv2d(x * 2, w, padding=1)
        return (y + more).relu(), z * rows, (z > 0) * y * columns, z.transpose(2, 3) + 1

    found = rl.compile(step, backend="llvm", fullgraph=True)(x, w, more, rows, columns)
    wanted = step(x, w, more, rows, columns)
    for one, other in zip(found, wanted):
        np.testing.assert_allclose(one.numpy(), other.numpy(), 1e-4, 1e-4)


@pytest.mark.skipif("avx512" not in SETS, reason="LLVM for another processor takes no assembly")
@pytest.mark.parametrize("shape", [(14, 2), (12, 2), (9, 3), (6, 4), (28, 1)], ids=str)
def test_tiles_that_ask_do_not_spill(shape):
    target = unsaved(llvm.named("avx512"))
    module, (rows, vectors) = Module(target), shape
    wide = vectors * 16
    lanes = tuple(range(0, wide, 16))
    loops = ((16, 700, 9 * wide), (3, 26, 3 * wide), (3, 1, wide))
    tile = Tile(
        TYPE, tuple(range(rows)), lanes, loops, (tuple(n * wide for n in range(rows)), lanes),
        adds=True, walks=(1, 2),
    )  # fmt: skip
    emit_tile(module, "tile", tile)
    text = llvm.assembly(module.text().replace("define internal", "define"), target)
    assert spills(text) == []
