"""Native programs against the NumPy meaning of the same graphs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from rushlight.compile.kernels import normal
from rushlight.compile.middle.graph import Graph, Node
from rushlight.core import threads

pytest.importorskip("llvmlite")
sys.path.insert(0, str(Path(__file__).parent))

from random_graphs import Builder

from rushlight.compile.code import llvm
from rushlight.compile.kernels.program import build
from rushlight.compile.middle.interpret import interpret

F4, F8, I8 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8")
MANY = int(os.environ.get("RUSHLIGHT_PROGRAMS", "40"))  # 1_000_000 takes a night


def agree(graph: Graph, arrays, **options) -> None:
    keep = [x.copy() for x in arrays]
    expected = interpret(graph, arrays)
    found = build(graph, **options).run(arrays)
    single = any(getattr(node.dtype, "name", "") == "float32" for node in graph)
    for want, have in zip(expected, found, strict=True):
        assert (want.shape, want.dtype) == (have.shape, have.dtype)
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(have, want)
            continue
        size = min(np.abs(want[np.isfinite(want)]).max(initial=1), 1e30)
        tolerance = 2e-3 if single else 1e-9
        np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance * size)
    for before, after in zip(keep, arrays):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("start", range(0, 400, 50))
def test_random_graphs(start):
    for seed in range(start, start + 50):
        agree(*Builder(seed, empty=seed % 5 == 0).graph(1 + seed % 40))


def test_as_many_random_graphs_as_asked_for():
    for seed in range(1000, 1000 + MANY):
        agree(*Builder(seed, empty=seed % 5 == 0).graph(1 + seed % 60))


def test_reductions_in_parts(monkeypatch):
    monkeypatch.setattr(normal, "LONG", 16)
    for seed in range(3000, 3060):
        agree(*Builder(seed).graph(1 + seed % 30))


@pytest.mark.parametrize("dtype", [F4, F8])
@pytest.mark.parametrize("shape", [(17, 160), (3, 48, 256), (2, 5, 20, 128), (40, 129), (7, 160)])
def test_turned_beside_straight(shape, dtype, rng):
    """Rows are done a line at a time where the other operand's lanes lie far apart."""
    turned = (*shape[:-2], shape[-1], shape[-2])
    order = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    x, y = value("x", shape, dtype), value("y", turned, dtype)
    z = Node("permute", (y,), (order,), shape, dtype)
    both = Node("sub", (x, Node("exp", (z,), (), shape, dtype)), (), shape, dtype)
    graph = Graph([x, y], [both, Node("mul", (z, x), (), shape, dtype)])
    agree(graph, [rng.normal(size=shape).astype(dtype), rng.normal(size=turned).astype(dtype)])


@pytest.mark.parametrize("name", ["native", "avx2", "sse"])
@pytest.mark.parametrize("width", [9, 10, 13, 15, 31])
def test_rows_that_end_within_a_vector(width, name, rng, monkeypatch):
    """Each set has its own way to write a part of a vector."""
    if not llvm.target().triple.startswith("x86_64"):
        return
    monkeypatch.setenv("RUSHLIGHT_CPU", name)
    shape, dtypes = (60, width), (F4, F8, I8, np.dtype(bool))
    for dtype in dtypes:
        x = value("x", shape, dtype)
        most = Node("reduce_max", (x,), ((1,), True), (60, 1), dtype)
        wide = Node("expand", (most,), (shape,), shape, dtype)
        new = Node("xor" if dtype.kind == "b" else "sub", (x, wide), (), shape, dtype)
        agree(Graph([x], [new]), [(rng.normal(size=shape) * 9).astype(dtype)])


def test_a_long_sum_is_accurate(rng):
    x = value("x", (1 << 20,))
    total = Node("reduce_sum", (x,), ((0,), False), (), F4)
    columns = Node("reshape", (x,), ((1 << 18, 4),), (1 << 18, 4), F4)
    sums = Node("reduce_sum", (columns,), ((0,), False), (4,), F4)
    array = rng.random(1 << 20, dtype=F4)
    one, four = build(Graph([x], [total, sums])).run([array])
    np.testing.assert_allclose(one, array.sum(dtype=F8), rtol=1e-6)
    np.testing.assert_allclose(four, array.reshape(-1, 4).sum(0, dtype=F8), rtol=2e-5)


def value(name, shape, dtype=F4) -> Node:
    return Node("input", (), (name,), shape, np.dtype(dtype))


def number(x, dtype=F4) -> Node:
    return Node("constant", (), (np.asarray(x, dtype),), (), np.dtype(dtype))


def update(shape=(33, 5)):
    """p - 0.1 g: the second output is the old value plus one."""
    p, g = value("p", shape), value("g", shape)
    step = Node("mul", (g, number(0.1)), (), shape, F4)
    new = Node("sub", (p, step), (), shape, F4)
    more = Node("add", (p, number(1)), (), shape, F4)
    return Graph([p, g], [new, more])


def test_donated_inputs_are_written_in_place(rng):
    graph = update()
    program = build(graph, donate={0: 0})
    p, g = (rng.standard_normal((33, 5)).astype(F4) for _ in range(2))
    new, more = interpret(graph, [p, g])
    found = program.run([p, g])
    assert found[0] is p
    np.testing.assert_allclose(p, new, rtol=1e-6)
    np.testing.assert_allclose(found[1], more, rtol=1e-6)


def test_a_donated_input_that_is_read_elsewhere_is_written_last(rng):
    p = value("p", (17, 17))
    turned = Node("permute", (p,), ((1, 0),), (17, 17), F4)
    new = Node("add", (p, turned), (), (17, 17), F4)
    again = Node("dot", (new, p), ("ik,kj->ij",), (17, 17), F4)
    graph = Graph([p], [new, again])
    x = rng.standard_normal((17, 17)).astype(F4)
    expected = interpret(graph, [x.copy()])
    program = build(graph, donate={0: 0})
    assert program.schedule.late
    found = program.run([x])
    assert found[0] is x
    for have, want in zip(found, expected):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-5)


def test_a_chain_of_updates_reads_old_values(rng):
    # q takes p's old value and p takes q's
    p, q = value("p", (40,)), value("q", (40,))
    one = Node("mul", (p, number(2)), (), (40,), F4)
    two = Node("mul", (q, number(3)), (), (40,), F4)
    program = build(Graph([p, q], [two, one]), donate={0: 0, 1: 1})
    x, y = (rng.standard_normal(40).astype(F4) for _ in range(2))
    a, b = x * 2, y * 3
    program.run([x, y])
    np.testing.assert_array_equal(x, b)
    np.testing.assert_array_equal(y, a)


def test_random_donations():
    count = 0
    for seed in range(150):
        builder = Builder(seed)
        graph, arrays = builder.graph(3 + seed % 25)
        outputs, donate = [], {}
        for j, x in enumerate(graph.inputs):
            like = [v for v in builder.values if v.shape == x.shape and v.dtype == x.dtype]
            if x.size and builder.rng.random() < 0.7:
                donate[len(outputs)] = j
                outputs.append(builder.pick(like[-4:]))
        if not outputs:
            continue
        graph = Graph(graph.inputs, [*outputs, *graph.outputs])
        expected = interpret(graph, [x.copy() for x in arrays])
        given = [x.copy() for x in arrays]
        found = build(graph, donate=donate).run(given)
        for k, want in enumerate(expected):
            assert k not in donate or found[k] is given[donate[k]]
            if want.dtype.kind == "f":
                size = min(np.abs(want[np.isfinite(want)]).max(initial=1), 1e30)
                np.testing.assert_allclose(found[k], want, rtol=5e-3, atol=5e-3 * size)
            else:
                np.testing.assert_array_equal(found[k], want)
        count += len(donate)
    assert count > 100


def test_given_outputs_are_filled(rng):
    graph = update((4, 6))
    p, g = (rng.standard_normal((4, 6)).astype(F4) for _ in range(2))
    good, odd = np.zeros((4, 6), F4), np.zeros((6, 4), F4).T
    found = build(graph).run([p, g], [good, odd])
    assert found[0] is good and found[1] is odd
    for have, want in zip(found, interpret(graph, [p, g])):
        np.testing.assert_allclose(have, want, rtol=1e-6)


@pytest.mark.parametrize("length", [9, 31])
def test_inputs_with_strides(rng, length):
    x, y = value("x", (6, length)), value("y", (6, length))
    total = Node("add", (x, y), (), (6, length), F4)
    flat = Node("reshape", (x,), ((6 * length,),), (6 * length,), F4)
    graph = Graph([x, y], [total, flat])
    a = rng.standard_normal((length, 6)).astype(F4).T
    b = rng.standard_normal((6, 2 * length)).astype(F4)[:, ::-2]
    strides = [tuple(s // 4 for s in array.strides) for array in (a, b)]
    program = build(graph, strides=strides)
    expected = interpret(graph, [a, b])
    for arrays in ([a, b], [np.ascontiguousarray(a), np.ascontiguousarray(b)]):
        for have, want in zip(program.run(arrays), expected):
            np.testing.assert_array_equal(have, want)


def test_wrong_inputs_are_refused(rng):
    program = build(update())
    good, other = np.zeros((33, 5), F4), np.zeros((33, 5), F8)
    with pytest.raises(ValueError, match="float32"):
        program.run([good, other])
    with pytest.raises(ValueError, match="33"):
        program.run([good, good[:3]])


def test_host_calls_stand_between_native_segments(rng):
    x = value("x", (8, 8))
    before = Node("add", (x, number(1)), (), (8, 8), F4)
    call = Node("extern", (before,), ("sort", (1, False)), ((8, 8), (8, 8)), (F4, I8))
    values = Node("output_of", (call,), (0,), (8, 8), F4)
    places = Node("output_of", (call,), (1,), (8, 8), I8)
    after = Node("mul", (values, number(2)), (), (8, 8), F4)
    half = Node("cast", (after,), (), (8, 8), np.dtype("f2"))
    back = Node("cast", (half,), (), (8, 8), F4)
    graph = Graph([x], [after, places, back])
    array = rng.standard_normal((8, 8)).astype(F4)
    ordered = np.sort(array + 1, 1)
    found = build(graph).run([array])
    np.testing.assert_allclose(found[0], 2 * ordered, rtol=1e-6)
    np.testing.assert_array_equal(found[1], np.argsort(array + 1, 1))
    np.testing.assert_allclose(found[2], 2 * ordered, rtol=2e-3)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 5), (5, 0)])
def test_small_and_empty_shapes(shape):
    x = value("x", shape)
    total = Node("reduce_sum", (x,), (tuple(range(len(shape))), False), (), F4)
    twice = Node("add", (x, x), (), shape, F4)
    array = np.full(shape, 3, F4)
    found = build(Graph([x], [total, twice, x])).run([array])
    assert found[0] == array.sum()
    np.testing.assert_array_equal(found[1], 2 * array)
    np.testing.assert_array_equal(found[2], array)
    assert found[2] is not array


def test_nan_and_infinities(rng):
    x = value("x", (3, 40))
    outputs = [
        Node(f"reduce_{op}", (x,), ((1,), False), (3,), F4) for op in ("max", "min", "sum")
    ] + [Node(op, (x,), (1, False), (3,), I8) for op in ("argmax", "argmin")]
    array = rng.standard_normal((3, 40)).astype(F4)
    array[0, 23] = array[0, 31] = np.nan
    array[1, 7] = np.inf
    array[2, 39] = -np.inf
    graph = Graph([x], outputs)
    for have, want in zip(build(graph).run([array]), interpret(graph, [array])):
        np.testing.assert_allclose(have, want, rtol=1e-5)


@pytest.mark.parametrize("divisor", [3.0, 1e-40, 3e38, 0.0, np.inf, np.nan, -2e-44])
def test_division_by_one_number_per_row(rng, divisor):
    x = value("x", (4, 600))
    d = value("d", (4, 1))
    total = Node("reduce_sum", (Node("div", (x, d), (), (4, 600), F4),), ((1,), True), (4, 1), F4)
    shares = Node("div", (x, d), (), (4, 600), F4)
    graph = Graph([x, d], [shares, total])
    array = rng.standard_normal((4, 600)).astype(F4)
    array[0, :6] = [0, np.inf, -np.inf, np.nan, 3e38, 1e-40]
    for scale in (1, 1e-30, 1e-38):
        arrays = [(array * scale).astype(F4), np.full((4, 1), divisor, F4)]
        have, want = build(graph).run(arrays)[0], interpret(graph, arrays)[0]
        np.testing.assert_allclose(have, want, rtol=3e-7, atol=2e-45)


def test_temporaries_do_not_overlap_and_are_reused(rng):
    x = value("x", (64, 64))
    node = x
    for _ in range(8):
        node = Node("dot", (node, x), ("ik,kj->ij",), (64, 64), F4)
        node = Node("permute", (node,), ((1, 0),), (64, 64), F4)
        node = Node("mul", (node, number(0.05)), (), (64, 64), F4)
    graph = Graph([x], [node])
    program = build(graph)
    assert program.plan.size < program.plan.reused / 2
    array = rng.standard_normal((64, 64)).astype(F4)
    np.testing.assert_allclose(
        program.run([array])[0], interpret(graph, [array])[0], rtol=1e-3, atol=1e-4
    )


def test_wholes_made_of_wholes(rng):
    # the inner ones are made where they belong; one of them is also read, one is an output
    parts = [value(f"x{k}", (4, 3)) for k in range(6)]
    big = [Node("exp", (x,), (), (4, 3), F4) for x in parts]
    inner = [Node("cat", (a, b), (1,), (4, 6), F4) for a, b in zip(big[::2], big[1::2])]
    outer = Node("cat", tuple(inner), (0,), (12, 6), F4)
    again = Node("cat", (inner[2], inner[0]), (0,), (8, 6), F4)
    used = Node("dot", (inner[1], outer), ("ik,jk->ij",), (4, 12), F4)
    total = Node("reduce_sum", (outer,), ((0,), False), (6,), F4)
    for outputs in ([outer, used], [used, total, again], [inner[0], outer], [outer, inner[2]]):
        agree(Graph(parts, outputs), [rng.standard_normal((4, 3)).astype(F4) for _ in parts])
    program = build(Graph(parts, [used]))
    assert not any(node.op == "joined" for kernel in program.kernels for node in kernel.nodes)


def test_equal_kernels_are_written_once():
    x = value("x", (32, 32))
    node = x
    for _ in range(5):
        node = Node("dot", (node, x), ("ik,kj->ij",), (32, 32), F4)
        node = Node("tanh", (node,), (), (32, 32), F4)
    program = build(Graph([x], [node]))
    assert len({kernel.name for kernel in program.kernels}) < len(program.kernels)


def test_one_and_two_threads_agree(rng):
    n = 1 << 19
    x, y = value("x", (n,)), value("y", (n,))
    e = Node("exp", (x,), (), (n,), F4)
    z = Node("mul", (e, y), (), (n,), F4)
    rows = Node("reshape", (z,), ((512, n // 512),), (512, n // 512), F4)
    total = Node("reduce_sum", (rows,), ((1,), False), (512,), F4)
    columns = Node("reduce_sum", (rows,), ((0,), False), (n // 512,), F4)
    program = build(Graph([x, y], [z, total, columns]))
    assert any(kernel.chunk for kernel in program.kernels)
    arrays = [rng.standard_normal(n).astype(F4) for _ in range(2)]
    before = threads.number()
    try:
        threads.choose(1)
        alone = program.run(arrays)
        threads.choose(2)
        together = program.run(arrays)
    finally:
        threads.choose(before)
    for a, b in zip(alone, together):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("wrong", [9, -1])
@pytest.mark.parametrize("width", [1, 40])
def test_an_index_out_of_range_is_an_error(width, wrong):
    x, places = value("x", (9, width)), value("i", (5,), I8)
    rows = Node("take", (x, places), (0,), (5, width), F4)
    program = build(Graph([x, places], [rows]))
    table, index = np.ones((9, width), F4), np.arange(5)
    assert program.run([table, index])[0].sum() == 5 * width
    index[3] = wrong
    with pytest.raises(IndexError, match="out of range"):
        program.run([table, index])
    index[3] = 0
    program.run([table, index])


@pytest.mark.parametrize("shape", [(2, 3, 70, 60), (20001,), (5, 67, 61)], ids=str)
@pytest.mark.parametrize("ends", [((1, 1),), ((0, 1), (2, 0)), ((3, 3), (0, 0), (1, 2))], ids=str)
def test_only_edges_of_large_pads_are_set(shape, ends, rng):
    ends = ((0, 0),) * (len(shape) - len(ends)) + ends[-len(shape) :]
    lows, highs = (tuple(e[n] for e in ends) for n in (0, 1))
    whole = tuple(a + n + b for a, n, b in zip(lows, shape, highs))
    x = value("x", shape)
    pads = [Node("pad", (x,), (lows, highs, number), whole, F4) for number in (3.0, -np.inf)]
    doubled = [Node("add", (pad, pad), (), whole, F4) for pad in pads]
    array = rng.standard_normal(shape).astype(F4)
    outputs = [np.full(whole, np.nan, F4) for _ in range(4)]
    build(Graph([x], [*pads, *doubled])).run([array], outputs)
    for k, number in enumerate((3.0, -np.inf)):
        wanted = np.pad(array, ends, constant_values=number)
        np.testing.assert_array_equal(outputs[k], wanted)
        np.testing.assert_array_equal(outputs[k + 2], 2 * wanted)


def test_kernels_say_what_they_do(rng):
    program = build(update())
    (kernel,) = program.kernels
    assert [node.op for node in kernel.nodes] == ["sub", "add"]
    assert kernel.read == 2 * 33 * 5 * 4 and kernel.written == 2 * 33 * 5 * 4
    assert f"@{kernel.name}" in program.ir


@pytest.fixture
def rng():
    return np.random.default_rng(7)
