"""Products of bfloat16 by pairs of terms: what is rewritten, what it means, what code is made.

No processor at hand need have the instruction: tiles are carried out by the interpreter of
test_assembly, graphs by NumPy, and LLVM makes and looks at the code. Where it is there, code runs.
"""

import random
import re

import numpy as np
import pytest

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import Module, vector
from rushlight.compile.code.targets import SETS, runs
from rushlight.compile.kernels.program import build
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import interpret
from rushlight.compile.middle.verify import verify
from rushlight.compile.products import conv, pairs
from rushlight.compile.products.gemm_plan import tile_shapes
from rushlight.compile.products.pairs import paired
from rushlight.compile.products.tiles import Tile, emit_tile, unrolled
from rushlight.core import dtypes
from tests.compile.test_gemm import spills, unsaved

HALF, FLOAT = dtypes.bfloat16.numpy, np.dtype("f")
X86 = llvm.target().triple.startswith("x86_64")
only_x86 = pytest.mark.skipif(not X86, reason="LLVM for another processor takes no assembly")
TARGET = llvm.named("avx512bf16")
HERE = X86 and runs("avx512bf16", llvm._native().triple, llvm._native().features)
only_here = pytest.mark.skipif(not HERE, reason="the processor has no AVX512-BF16")


def product(spec, a, b, first=HALF):
    """The graph of a dot of two inputs, cast to float32, and that again rounded."""
    sizes = dict(zip("".join(spec.split("->")[0].split(",")), (*a, *b)))
    shape = tuple(sizes[c] for c in spec.split("->")[1])
    inputs = [Node("input", (), (k,), s, t) for k, (s, t) in enumerate([(a, first), (b, HALF)])]
    factors = [x if x.dtype == FLOAT else Node("cast", (x,), (), x.shape, FLOAT) for x in inputs]
    dot = Node("dot", factors, (spec,), shape, FLOAT)
    return Graph(inputs, [dot, Node("cast", (dot,), (), shape, HALF)])


PRODUCTS = [
    ("ik,jk->ij", (96, 64), (128, 64)),
    ("ki,kj->ij", (77, 33), (77, 65)),  # an odd number of terms
    ("ik,kj->ij", (40, 130), (130, 50)),
    ("bik,bkj->bij", (3, 20, 31), (3, 31, 20)),
    ("ikl,jkl->ij", (20, 3, 40), (30, 3, 40)),
    ("ik,jk->ji", (16, 700), (24, 700)),
]


@pytest.mark.parametrize("spec, a, b", PRODUCTS)
def test_a_product_over_pairs_is_the_product(spec, a, b):
    graph = product(spec, a, b)
    found = paired(graph)
    verify(found, core=True)
    assert [node.op for node in found].count("pair") == 2
    draws = np.random.default_rng(0)
    given = [draws.standard_normal(shape).astype(HALF) for shape in (a, b)]
    for y, z in zip(interpret(found, given), interpret(graph, given)):
        np.testing.assert_allclose(y.astype("d"), z.astype("d"), rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("spec, a, b, first", [
    ("ik,jk->ij", (96, 64), (128, 64), FLOAT),  # what is float32 stays it
    ("ik,jk->ij", (1, 4096), (512, 4096), HALF),  # a row: its other factor is read once
    ("ik,jk->ij", (8, 16), (8, 16), HALF),  # too little for a matrix kernel
    ("i,j->ij", (90,), (90,), HALF),
])  # fmt: skip
def test_others_are_left_as_they_are(spec, a, b, first):
    graph = product(spec, a, b, first)
    assert "pair" not in {node.op for node in paired(graph)}


def test_factors_that_several_products_read_are_paired_once_for_each_axis():
    x, w = (Node("input", (), (k,), (64, 64), HALF) for k in (0, 1))
    wide = [Node("cast", (node,), (), node.shape, FLOAT) for node in (x, w)]
    dots = [Node("dot", wide, (spec,), (64, 64), FLOAT)
            for spec in ("ik,jk->ij", "ik,kj->ij", "ik,jk->ji")]  # fmt: skip
    ops = [node.op for node in paired(Graph([x, w], dots))]
    assert ops.count("pair") == 3  # x along its columns, w along both


def test_factors_are_paired_as_they_lie_and_turned_as_words():
    x, y = (Node("input", (), (k,), (77, n), HALF) for k, n in ((0, 40), (1, 24)))
    turned = Node("permute", (x,), ((1, 0),), (40, 77), HALF)
    wide = [Node("cast", (node,), (), node.shape, FLOAT) for node in (turned, x, y)]
    dots = [Node("dot", wide[::2], ("ik,kj->ij",), (40, 24), FLOAT),
            Node("dot", wide[1:], ("ki,kj->ij",), (40, 24), FLOAT)]  # fmt: skip
    graph = Graph([x, y], dots)
    found = paired(graph)
    verify(found, core=True)
    assert sorted(node.shape for node in found if node.op == "pair") == [(39, 24), (39, 40)]
    draws = np.random.default_rng(0)
    given = [draws.standard_normal(node.shape).astype(HALF) for node in (x, y)]
    for one, other in zip(interpret(found, given), interpret(graph, given)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@only_x86
@pytest.mark.parametrize("spec, a, b", PRODUCTS)
def test_code_multiplies_pairs_and_nothing_else(spec, a, b):
    text = build(paired(product(spec, a, b)), TARGET).code.assembly()
    assert "vdpbf16ps" in text
    assert "vfmadd" not in text


@only_x86
def test_where_nobody_asks_for_it_there_is_none():
    for name in ("avx512", "avx2"):
        text = build(product(*PRODUCTS[0]), llvm.named(name)).code.assembly()
        assert "vfmadd231ps" in text and "vdpbf16ps" not in text


def test_it_is_told_by_the_processors_features(monkeypatch):
    triple, needed = "x86_64-unknown-linux-gnu", SETS["avx512bf16"][1]
    assert "+avx512bf16" in needed
    assert runs("avx512bf16", triple, ",".join(needed))
    assert not runs("avx512bf16", triple, ",".join(needed - {"+avx512bf16"}))
    has = llvm.Target("avx512", "cooperlake", ",".join(needed), triple, 512, 32, True)
    monkeypatch.setattr(llvm, "_native", lambda: has)
    assert not has.pairs
    assert llvm._chosen.__wrapped__("avx512bf16").pairs


@only_x86
@pytest.mark.parametrize("inner", [False, True])
def test_no_tile_spills(inner):
    target = unsaved(TARGET)
    module, kind = Module(target), vector("pairs", 16)
    for rows, vectors in tile_shapes(TARGET.registers - inner, True, 0 if inner else 16):
        y = tuple(n * 500 for n in range(vectors)) if inner else tuple(range(0, vectors * 16, 16))
        places = tuple(n * vectors * 16 for n in range(rows)), tuple(range(0, vectors * 16, 16))
        loops = ((512, 1, 1 if inner else vectors * 16),)
        tile = Tile(kind, tuple(n * 504 for n in range(rows)), y, loops, places,
                    unrolled(kind, vectors, rows), inner=inner)  # fmt: skip
        emit_tile(module, f"tile_{rows}x{vectors}", tile)
    text = module.text().replace("define internal", "define")
    parts = re.split(r"^(tile_\w+):", llvm.assembly(text, target), flags=re.M)[1:]
    found = {title: len(spills(body)) for title, body in zip(parts[::2], parts[1::2])}
    assert len(found) == len(module.functions)
    assert {title: count for title, count in found.items() if count} == {}
    assert all("vdpbf16ps" in body for body in parts[1::2])


FORWARD, DATA, WEIGHT = "ngchw,gocij->ngoab", "ngoab,gocij->ngchw", "ngoab,ngchw->gocij"
CONVOLUTIONS = [  # images, groups, channels, channels of the result; size, kernel; the rest
    ((4, 1, 16, 32), (9, 11), (3, 3), ((1, 1), (1, 1), (1, 1))),
    ((3, 1, 5, 7), (8, 9), (3, 2), ((2, 1), (1, 0), (1, 1))),  # odd numbers of terms
    ((2, 3, 6, 4), (7, 10), (2, 3), ((1, 2), (0, 2), (2, 1))),
    ((16, 1, 20, 24), (4, 4), (3, 3), ((1, 1), (0, 0), (1, 1))),
    ((5, 1, 33, 18), (1, 20), (1, 5), ((1, 1), (0, 2), (1, 1))),
    ((2, 1, 64, 40), (6, 6), (3, 3), ((2, 2), (1, 1), (1, 1))),
]


def convolution(kind, counts, size, kernel, rest):
    """The graph of a `conv` of two inputs, cast to float32."""
    n, g, c, o = counts
    out = tuple(
        (k + 2 * pad - gap * (m - 1) - 1) // step + 1
        for k, m, step, pad, gap in zip(size, kernel, *rest)
    )
    letters = dict(zip("ngcohwijab", (n, g, c, o, *size, *kernel, *out)))
    operands, result = kind.split("->")
    shapes = [tuple(letters[x] for x in part) for part in (*operands.split(","), result)]
    inputs = [Node("input", (), (k,), shape, HALF) for k, shape in enumerate(shapes[:2])]
    factors = [Node("cast", (x,), (), x.shape, FLOAT) for x in inputs]
    return Graph(inputs, [Node("conv", factors, (kind, *rest), shapes[2], FLOAT)])


def drawn(graph, seed=0):
    draws = np.random.default_rng(seed)
    return [draws.standard_normal(x.shape).astype(x.dtype) for x in graph.inputs]


def compared(graph, run, given):
    """What `run` gives, beside the graph in NumPy; the bound is that of a sum in float32."""
    (y,), (z,) = run(given), interpret(graph, given)
    (most,) = interpret(graph, [np.abs(x) for x in given])
    assert (np.abs(y - z) <= 1e-30 + 2**-18 * most).all()


@pytest.fixture
def always(monkeypatch):
    """Words for all convolutions, whatever their plans are estimated to take."""
    monkeypatch.setattr(pairs, "FASTER", np.inf)


@pytest.mark.parametrize("kind", [FORWARD, DATA, WEIGHT])
@pytest.mark.parametrize("at", CONVOLUTIONS)
def test_a_convolution_over_pairs_is_the_convolution(kind, at, always):
    graph = convolution(kind, *at)
    found = paired(graph)
    verify(found, core=True)
    assert [node.op for node in found].count("pair") == 2
    compared(graph, lambda given: interpret(found, given), drawn(graph))


@only_x86
@pytest.mark.parametrize("kind", [FORWARD, DATA, WEIGHT])
@pytest.mark.parametrize("at", CONVOLUTIONS[:4])
def test_convolutions_multiply_pairs_and_nothing_else(kind, at, always):
    text = build(paired(convolution(kind, *at)), TARGET).code.assembly()
    assert "vdpbf16ps" in text and "vfmadd" not in text


def test_one_term_is_left_as_it_is(always):
    for kind, counts in ((FORWARD, (2, 1, 1, 8)), (DATA, (2, 1, 8, 1)), (WEIGHT, (1, 1, 8, 8))):
        graph = convolution(kind, counts, (9, 9), (3, 3), ((1, 1), (0, 0), (1, 1)))
        assert "pair" not in {node.op for node in paired(graph)}


def test_convolutions_take_what_is_estimated_to_take_less(monkeypatch):
    graph = convolution(FORWARD, *CONVOLUTIONS[0])
    counts = {"pairs": 0.8, "float32": 1.0}
    monkeypatch.setattr(conv, "cycles", lambda node, _: counts[conv._multiplied(node)])
    assert "pair" in {node.op for node in paired(graph)}
    counts["pairs"] = 0.95
    assert "pair" not in {node.op for node in paired(graph)}


@only_here
@pytest.mark.parametrize("kind", [FORWARD, DATA, WEIGHT])
@pytest.mark.parametrize("at", CONVOLUTIONS)
def test_convolutions_run_here_as_they_are_meant(kind, at, always):
    graph = convolution(kind, *at)
    compared(graph, build(paired(graph), TARGET).run, drawn(graph))


@only_here
@pytest.mark.parametrize("seed", range(12))
def test_products_of_any_sizes_run_here_as_they_are_meant(seed):
    draws = random.Random(seed)
    sizes = {c: int(2 ** draws.uniform(3, 8)) for c in "ijk"}
    spec = draws.choice(["ik,jk->ij", "ik,kj->ij", "ki,kj->ij", "ki,jk->ji"])
    a, b = (tuple(sizes[c] for c in part) for part in spec.split("->")[0].split(","))
    graph = product(spec, a, b)
    graph = Graph(graph.inputs, graph.outputs[:1])
    compared(graph, build(paired(graph), TARGET).run, drawn(graph, seed))
