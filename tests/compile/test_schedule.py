"""What shares a kernel, in which order kernels run, and where values stand."""

from __future__ import annotations

import gc
import itertools
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rushlight.compile.kernels import memory, program, roots
from rushlight.compile.kernels.normal import normalise, shift, storage
from rushlight.compile.kernels.schedule import Schedule, schedule
from rushlight.compile.middle.graph import Graph, Node

sys.path.insert(0, str(Path(__file__).parent))

from random_graphs import Builder

F4, I8 = np.dtype("f4"), np.dtype("i8")


def value(name, *shape, dtype=F4) -> Node:
    return Node("input", (), (name,), shape, np.dtype(dtype))


def number(x) -> Node:
    return Node("constant", (), (np.asarray(x, F4),), (), F4)


def op(name, *inputs) -> Node:
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    return Node(name, inputs, (), shape, inputs[-1].dtype)


def reduce(name, x, dims, keep=False) -> Node:
    shape = tuple(1 if d in dims else n for d, n in enumerate(x.shape) if keep or d not in dims)
    return Node(f"reduce_{name}", (x,), (dims, keep), shape, x.dtype)


def dot(spec, a, b) -> Node:
    operands, result = spec.split("->")
    sizes = {c: n for part, x in zip(operands.split(","), (a, b)) for c, n in zip(part, x.shape)}
    return Node("dot", (a, b), (spec,), tuple(sizes[c] for c in result), a.dtype)


def reshape(x, *shape) -> Node:
    return Node("reshape", (x,), (shape,), shape, x.dtype)


def permute(x, *dims) -> Node:
    return Node("permute", (x,), (dims,), tuple(x.shape[d] for d in dims), x.dtype)


def softmax(x) -> Node:
    last = (len(x.shape) - 1,)
    e = op("exp", op("sub", x, reduce("max", x, last, True)))
    return op("div", e, reduce("sum", e, last, True))


def plan(*outputs, donate=None, products=()) -> Schedule:
    inputs: dict[Node, None] = {}
    graph = Graph([], outputs)
    for node in graph.nodes:
        if node.op == "input":
            inputs[node] = None
    normal = normalise(Graph(list(inputs), outputs))
    return schedule(normal, frozenset(products), donate)


def kernels(found: Schedule) -> list[list[str]]:
    return [[root.node.op for root in g.place] for g in found.groups if g.kind != "empty"]


def test_a_chain_of_pointwise_ops_is_one_kernel():
    x, b = value("x", 8, 5), value("b", 5)
    y = op("tanh", op("mul", op("add", x, b), number(2)))
    assert kernels(plan(y)) == [["tanh"]]


def test_moves_are_read_through():
    x = value("x", 8, 5)
    turned = Node("slice", (permute(x, 1, 0),), ((1, 0), (5, 8), (2, 1)), (2, 8), F4)
    y = op("add", turned, number(1))
    found = plan(y)
    assert kernels(found) == [["add"]]
    (root,) = found.groups[0].place
    assert [node.op for node, _ in root.reads] == ["input", "constant"]


@pytest.mark.parametrize("shape", [(6, 10), (2, 3, 70)])
def test_softmax_is_one_kernel_by_rows(shape):
    found = plan(softmax(value("x", *shape)))
    (group,) = found.groups
    assert [root.node.op for root in group.stored] == ["div"]
    assert len(set(group.phase.values())) == 3


def test_layer_norm_and_its_backward_are_one_kernel_by_rows():
    x, w, g = value("x", 6, 32), value("w", 32), value("g", 6, 32)
    mean = op("mul", reduce("sum", x, (1,), True), number(1 / 32))
    low = op("sub", x, mean)
    spread = op("mul", reduce("sum", op("mul", low, low), (1,), True), number(1 / 32))
    inverse = op("rsqrt", op("add", spread, number(1e-5)))
    y = op("mul", op("mul", low, inverse), w)
    back = op("mul", g, w)
    inner = reduce("sum", op("mul", back, low), (1,), True)
    dx = op("sub", op("mul", back, inverse), op("mul", low, inner))
    assert len(kernels(plan(y, dx))) == 1


def test_what_follows_a_product_joins_it():
    x, w, b, p = value("x", 64, 80), value("w", 32, 80), value("b", 32), value("p", 64, 32)
    z = dot("ik,jk->ij", x, w)
    y = op("max", op("add", z, b), number(0))
    new = op("sub", p, op("mul", y, number(0.1)))
    (group,) = plan(y, new, donate={1: 3}, products=[z]).groups
    assert group.kind == "gemm" and len(group.stored) == 2
    assert not any(root.node.op == "dot" for root in group.stored)


def test_rows_and_the_dimensions_they_were_made_of_share_a_kernel():
    x, w, b = value("x", 4, 16, 80), value("w", 32, 80), value("b", 32)
    z = dot("ik,jk->ij", reshape(x, 64, 80), w)
    y = op("tanh", op("add", reshape(z, 4, 16, 32), b))
    assert kernels(plan(y, products=[z])) == [["dot", "tanh"]]


def test_factors_of_a_product_are_stored_before_it():
    x, w = value("x", 64, 32), value("w", 32, 32)
    e = op("exp", x)
    z = dot("ik,kj->ij", e, w)
    assert kernels(plan(z, products=[z])) == [["exp"], ["dot"]]


def test_different_reductions_do_not_share_a_kernel():
    x = value("x", 8, 12)
    assert len(kernels(plan(reduce("sum", x, (0,)), reduce("sum", x, (1,))))) == 2


@pytest.mark.parametrize("name, stored", [("neg", 0), ("exp", 1)])
def test_cheap_values_are_repeated_and_dear_ones_are_kept(name, stored):
    x = value("x", 64, 48)
    y = op(name, x)
    found = plan(reduce("sum", y, (0,)), reduce("sum", y, (1,)))
    assert sum(root.node is y for group in found.groups for root in group.stored) == stored


def test_a_kernel_never_runs_before_what_it_reads():
    for seed in range(300):
        graph, _ = Builder(seed).graph(1 + seed % 50)
        normal = normalise(graph)
        products = frozenset(n for n in normal.nodes if n.op == "dot" and n.size > 64)
        found = schedule(normal, products)
        done: set[Node] = set()
        for group in found.groups:
            done.update(root.node for root in group.place)
            for root in group.place:
                made = [node for node, _ in root.reads if node in found.roots]
                assert all(node in done for node in made)
        assert all(node in done or node.op == "input" for node in normal.outputs)


def test_values_alive_at_once_do_not_overlap():
    shared = 0
    for seed in range(300):
        graph, _ = Builder(seed).graph(1 + seed % 50)
        normal = normalise(graph)
        found = schedule(normal, frozenset(n for n in normal.nodes if n.op == "dot"))
        fixed = {storage(node) for node in normal.outputs} | set(normal.inputs)
        layout = memory.plan(found, fixed)
        shared += layout.reused - layout.size
        lives = list(layout.lives.items())
        for k, (a, (first, last)) in enumerate(lives):
            for b, (begin, end) in lives[:k]:
                if last <= begin or end <= first:
                    continue  # at most one kernel knows both: it may write one over the other
                low, high = layout.offsets[a], layout.offsets[a] + a.nbytes
                start, stop = layout.offsets[b], layout.offsets[b] + b.nbytes
                assert high <= start or stop <= low
    assert shared > 0


def test_a_plan_is_refused_exactly_where_two_values_are_in_each_others_way():
    """The check walks by places in memory; here every pair is looked at."""
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(2000):
        firsts = rng.integers(0, 6, rng.integers(1, 6)).tolist()
        lives = {
            value(f"v{k}", int(rng.integers(1, 3)) << 4): (first, first + int(rng.integers(0, 3)))
            for k, first in enumerate(firsts)
        }
        offsets = {node: 64 * int(rng.integers(0, 6)) for node in lives}
        clash = False
        ordered = sorted(lives, key=lambda node: lives[node][0])
        for a, b in itertools.combinations(ordered, 2):
            apart = offsets[a] + a.nbytes <= offsets[b] or offsets[b] + b.nbytes <= offsets[a]
            over = lives[a][1] == lives[b][0] and offsets[a] == offsets[b]
            clash |= lives[a][1] >= lives[b][0] and not apart and not over
        layout = memory.Plan(offsets, lives, 1024, 0)
        if clash:
            refused += 1
            with pytest.raises(AssertionError, match="share memory"):
                memory.check(layout)
        else:
            memory.check(layout)
    assert 200 < refused < 1800


def test_owners_and_shifts_of_writes_are_those_of_the_chain():
    """They are kept in the nodes, so that a chain of thousands is walked once."""
    home = Node("empty", (), (), (4096,), F4)
    rng = np.random.default_rng(5)
    chains, ends = [home], {home: 0}
    for k in range(3000):
        below = chains[int(rng.integers(max(0, k - 20), len(chains)))]
        kind = ("put", "part", "joined", "scatter")[int(rng.integers(4))]
        node = Node(kind, (below,), (k,), (1,), F4)
        ends[node] = ends[below] + (k if kind == "part" else 0)
        chains.append(node)
    for node in rng.permutation(np.array(chains, object)).tolist():
        assert storage(node) is home
        assert shift(node) == ends[node]


@pytest.mark.parametrize("seed", range(8))
def test_values_that_leave_gaps_are_placed_by_size(seed):
    """No two that are needed at once overlap, and nothing is larger than by the first way."""
    rng = np.random.default_rng(seed)
    lives, over_old, room, offsets, dying = {}, {}, memory.Room(), {}, {}
    for step in range(60):
        node = value(f"v{step}", int(rng.integers(1, 40)) << 16)
        old = next((x for x in dying.get(step, ()) if x.shape == node.shape), None)
        lives[node] = (step, step + int(rng.integers(0, 12)))
        size = memory.lined(node.nbytes)
        if old is not None:
            over_old[node] = old
        offsets[node] = room.take(size) if old is None else offsets[old]
        dying.setdefault(lives[node][1], []).append(node)
        for other in dying.get(step, ()):
            if other is not old:
                room.free(offsets[other], memory.lined(other.nbytes))
    places = memory.together(lives, over_old)
    found, size = memory.tighter(offsets, room.size, places)
    assert size <= room.size and set(found) == set(lives)
    assert size == max(at + memory.lined(node.nbytes) for node, at in found.items())
    for (a, (start, end, _)), (b, (first, last, _)) in itertools.combinations(places.items(), 2):
        if start <= last and first <= end:
            low, high = sorted((a, b), key=found.__getitem__)
            assert found[low] + memory.lined(low.nbytes) <= found[high]
    assert all(found[node] == found[old] for node, old in over_old.items())


def test_free_stretches_are_given_tightest_first_and_joined():
    """Against a map of every line of the arena."""
    rng = np.random.default_rng(7)
    room, taken, live = memory.Room(), np.zeros(1 << 12, bool), []
    for _ in range(2000):
        if live and rng.random() < 0.48:
            at, size = live.pop(int(rng.integers(len(live))))
            room.free(at, size)
            taken[at : at + size] = False
            continue
        size = int(rng.integers(1, 20))
        edges = np.flatnonzero(np.diff(taken[: room.size].astype(int), prepend=1, append=1))
        stretches = [(int(b - a), int(a)) for a, b in edges.reshape(-1, 2)]
        fits = [stretch for stretch in stretches if stretch[0] >= size]
        last = [at for length, at in stretches if at + length == room.size]
        expected = min(fits)[1] if fits else (last or [room.size])[0]
        at = room.take(size)
        assert at == expected
        taken[at : at + size] = True
        live.append((at, size))
    assert len(live) > 20


def test_a_large_value_finds_the_room_that_small_ones_left():
    """Two small values die apart from each other; the one that comes then is as large as both."""
    small = [value(f"s{k}", 1 << 18) for k in range(4)]  # 1 MiB each, side by side
    large = value("large", 1 << 19)
    lives = dict(zip([*small, large], [(0, 0), (0, 2), (0, 0), (0, 2), (1, 2)]))
    size = memory.lined(1 << 20)
    offsets = {node: k * size for k, node in enumerate([*small, large])}
    whole = 4 * size + memory.lined(2 << 20)
    found, least = memory.tighter(offsets, whole, memory.together(lives, {}))
    assert least == 4 * size < whole  # what the four take before
    assert found[large] == 0  # where two were that are done
    kept, same = memory.tighter(offsets, least, memory.together(lives, {}))
    assert kept is offsets and same == least  # nothing is lost there


def test_donated_memory_is_written_after_its_readers():
    p, g = value("p", 16, 16), value("g", 16, 16)
    new = op("sub", p, g)
    loss = reduce("sum", permute(p, 1, 0), (0, 1))
    found = plan(new, loss, donate={0: 0})
    assert not found.late
    order = {root.node: k for k, group in enumerate(found.groups) for root in group.place}
    assert order[loss] < order[new]


def test_donated_memory_that_is_read_crosswise_is_written_late():
    p = value("p", 16, 16)
    found = plan(op("add", p, permute(p, 1, 0)), donate={0: 0})
    assert set(found.late) == {0}


def test_host_calls_keep_their_order():
    x = value("x", 8)
    calls = [Node("extern", (x,), ("neg", ()), (8,), F4) for _ in range(4)]
    found = plan(op("add", op("add", calls[2], calls[0]), op("add", calls[3], calls[1])))
    hosts = [group.roots[0].node for group in found.groups if group.kind == "host"]
    assert hosts == sorted(hosts, key=found.normal.nodes.index)


def test_long_graphs_take_time_by_their_length():
    times = []
    for length in (200, 1600):
        x, w = value("x", 16, 16), value("w", 16, 16)
        h = x
        for _ in range(length):
            h = op("tanh", op("add", dot("ik,kj->ij", h, w), x))
        normal = normalise(Graph([x, w], [h]))
        products, used = frozenset(n for n in normal.nodes if n.op == "dot"), []
        gc.disable()  # it looks at all there is
        try:
            for _ in range(3):
                start = time.perf_counter()
                schedule(normal, products)
                used.append(time.perf_counter() - start)
        finally:
            gc.enable()
        times.append(min(used))
    assert times[1] < 30 * times[0]  # eight times as long; by its square it would be 64


def test_outputs_have_memory_of_their_own():
    x = value("x", 6)
    y = op("add", x, number(1))
    normal = normalise(Graph([x], [x, y, y, reshape(y, 2, 3)]))
    assert len({storage(node) for node in normal.outputs}) == 4
    assert not any(node.op == "input" for node in normal.outputs)


def test_parts_are_written_into_the_whole():
    x, y = value("x", 3, 4), value("y", 5, 4)
    whole = Node("cat", (op("exp", x), y), (0,), (8, 4), F4)
    assert kernels(plan(whole)) == [["put"], ["exp", "put"]]


def test_parts_side_by_side_are_written_by_the_kernel_that_makes_them():
    x, w, y = value("x", 24, 40), value("w", 40, 32), value("y", 24, 32)
    d = dot("ik,kj->ij", x, w)
    parts = op("tanh", d), op("mul", d, y), op("mul", op("mul", d, y), d)
    whole = Node("cat", parts, (1,), (24, 96), F4)
    (group,) = kernels(plan(whole, products=[d]))
    assert group.count("put") == 3 and "dot" in group
    built = program.build(Graph([x, w, y], [whole]))
    draw = np.random.default_rng(0).standard_normal
    arrays = [draw(node.shape).astype(np.float32) for node in (x, w, y)]
    exact = arrays[0].astype(np.float64) @ arrays[1]
    wanted = np.hstack([np.tanh(exact), exact * arrays[2], exact * arrays[2] * exact])
    np.testing.assert_allclose(built.run(arrays)[0], wanted, rtol=1e-4, atol=1e-5)


def test_what_is_cheap_to_make_from_a_kept_value_is_not_kept():
    x, y = value("x", 64, 64), value("y", 64, 64)
    gate = op("sigmoid", x)
    rest = op("sub", number(1.0), gate)
    both = op("mul", rest, op("exp", y))
    users = [reduce("sum", op("mul", part, y), (dim,)) for part in (rest, both) for dim in (0, 1)]
    kept = {node.op for node in roots.choose(normalise(Graph([x, y], [gate, *users])), frozenset())}
    assert "sub" not in kept
    assert "mul" in kept


def test_expressions_end_at_what_is_kept_anyway():
    x, y, sums = value("x", 64, 64), value("y", 64, 64), []
    state = x
    for _ in range(9):
        state = op("tanh", op("add", state, y))
        sums += [state, reduce("sum", op("mul", state, state), (0,))]
    kept = roots.choose(normalise(Graph([x, y], sums)), frozenset())
    assert "mul" not in {node.op for node in kept}
