"""Kernels that do a batch piece by piece, and values made in the order in which they are read."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.compile.kernels import chains, corners, program
from rushlight.compile.kernels.orders import ordered
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import interpret

sys.path.insert(0, str(Path(__file__).parent))

from test_schedule import dot, number, op, permute, reduce, reshape, softmax, value

BATCH, TOKENS, WIDTH = 8, 6, 8


@pytest.fixture
def eager_chains(monkeypatch):
    """Chains of whatever can be one."""
    for name in ("SEED", "LEAST", "ROWS"):
        monkeypatch.setattr(chains, name, 1)
    monkeypatch.setattr(chains, "PIECES", 4)


def join(*parts, dim):
    shape = list(parts[0].shape)
    shape[dim] = sum(part.shape[dim] for part in parts)
    return Node("cat", parts, (dim,), tuple(shape), parts[0].dtype)


class Steps:
    """A random graph over a batch: rows, attention, joins, gradients of weights."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs = [value("x", BATCH, TOKENS, WIDTH)]
        self.values = [self.inputs[0]]
        self.outputs = []
        for _ in range(int(self.rng.integers(5, 12))):
            getattr(self, self.rng.choice(self.KINDS))()
        self.outputs.append(self.values[-1])

    KINDS = (
        "pointwise",
        "rows",
        "layer",
        "layer",
        "heads",
        "wholes",
        "columns",
        "update",
        "turned",
    )

    def pick(self) -> Node:
        return self.values[-1 - int(self.rng.integers(min(3, len(self.values))))]

    def weight(self, *shape: int) -> Node:
        self.inputs.append(value(f"w{len(self.inputs)}", *shape))
        return self.inputs[-1]

    def pointwise(self) -> None:
        name = self.rng.choice(["add", "sub", "mul", "max"])
        self.values.append(op(name, op("tanh", self.pick()), self.pick()))

    def rows(self) -> None:
        x = self.pick()
        self.values.append(op("sub", x, reduce("max", x, (2,), True)))

    def layer(self) -> None:
        x = reshape(self.pick(), BATCH * TOKENS, WIDTH)
        y = op("add", dot("ik,jk->ij", x, self.weight(WIDTH, WIDTH)), self.weight(WIDTH))
        self.values.append(op("tanh", reshape(y, BATCH, TOKENS, WIDTH)))

    def heads(self) -> None:
        q, k, v = (
            permute(reshape(self.pick(), BATCH, TOKENS, 2, WIDTH // 2), 0, 2, 1, 3)
            for _ in range(3)
        )
        mixed = dot("bhij,bhjd->bhid", softmax(dot("bhid,bhjd->bhij", q, k)), v)
        self.values.append(reshape(permute(mixed, 0, 2, 1, 3), BATCH, TOKENS, WIDTH))

    def wholes(self) -> None:
        """A factor that a product writes and everything reads."""
        total = reduce("sum", self.pick(), (0, 1))
        self.values.append(op("add", self.pick(), op("tanh", total)))

    def columns(self) -> None:
        self.outputs.append(reduce("sum", self.pick(), (0, 1)))

    def update(self) -> None:
        a, b = (reshape(self.pick(), BATCH * TOKENS, WIDTH) for _ in range(2))
        old = self.weight(WIDTH, WIDTH)
        self.outputs.append(op("sub", old, op("mul", dot("ki,kj->ij", a, b), number(0.5))))

    def turned(self) -> None:
        """Parts joined in one order and read in another."""
        parts = []
        for _ in range(2):
            x = reshape(self.pick(), BATCH, TOKENS, 2, WIDTH // 2)
            y = dot("bthd,bshd->bhts", x, x)
            z = op("mul", dot("bhts,bshd->bhtd", y, x), number(0.01))
            parts.append(reshape(z, 1, BATCH, 2, TOKENS, WIDTH // 2))
        whole = permute(join(*parts, dim=0), 1, 3, 0, 2, 4)
        flat = reshape(whole, BATCH * TOKENS, 2 * WIDTH)
        y = dot("ik,kj->ij", flat, self.weight(2 * WIDTH, WIDTH))
        self.values.append(op("tanh", reshape(y, BATCH, TOKENS, WIDTH)))

    def graph(self) -> tuple[Graph, list[np.ndarray]]:
        graph = Graph(self.inputs, self.outputs)
        return graph, [self.rng.standard_normal(x.shape).astype(x.dtype) for x in graph.inputs]


def check(graph: Graph, arrays: list[np.ndarray]) -> program.Program:
    made = program.build(graph)
    for found, wanted in zip(made.run(arrays), interpret(graph, arrays), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
    return made


def test_what_a_piece_makes_and_uses_up_has_one_place_for_all_pieces():
    before = rl.get_num_threads()
    x, w = value("x", 64, 64, 64), value("w", 64, 64)
    sums = op("mul", dot("bik,kj->bij", x, w), number(0.1))
    wide = op("add", dot("bik,bjk->bij", softmax(sums), sums), x)
    graph = Graph([x, w], [op("tanh", dot("bij,jk->bik", wide, w))])
    arrays = [np.random.default_rng(0).standard_normal(n.shape).astype("f4") for n in (x, w)]
    try:
        rl.set_num_threads(1)
        made = check(graph, arrays)
        alone = made.run(arrays)[0].copy()
        rl.set_num_threads(2)
        for _ in range(8):
            np.testing.assert_array_equal(made.run(arrays)[0], alone)
    finally:
        rl.set_num_threads(before)
    fixed = {*made.schedule.normal.inputs, *made.schedule.normal.outputs}
    (corner,) = corners.corners(made.schedule, fixed).values()
    assert len(corner.values) >= 3 and corner.places >= 8
    assert all(at + each <= corner.size for at, each in corner.values.values())
    assert 8 * corner.size < sum(node.nbytes for node in corner.values)


def test_equal_graphs_become_the_same_text(eager_chains, monkeypatch):
    """Whatever addresses the objects have: sets of them would be in another order each time."""
    texts: list[str] = []
    compiled = program.llvm.compile

    def noted(text, *rest):
        texts.extend([text] * ("program_0" in text))  # not what all programs share
        return compiled(text, *rest)

    monkeypatch.setattr(program.llvm, "compile", noted)
    different = 0
    for seed in range(8):
        texts.clear()
        for turn in range(4):
            others = [[object() for _ in range(k % 7)] for k in range(50 * turn)]
            program.build(Steps(seed).graph()[0], recalled=False)
            del others
        assert len(set(texts)) == 1, f"seed {seed}: {len(set(texts))} texts"
        different += "atomicrmw" in texts[0]
    assert different >= 4  # chains with a corner, whose places follow an order


@pytest.mark.parametrize("start", range(0, 24, 6))
def test_random_batches(start, eager_chains):
    cut = 0
    for seed in range(start, start + 6):
        made = check(*Steps(seed).graph())
        cut += any(group.pieces > 1 for group in made.schedule.groups)
    assert cut >= 4


def test_a_chain_takes_what_it_can_and_leaves_the_rest(eager_chains):
    x, w = value("x", 8, 6, 8), value("w", 8, 8)
    y = op("tanh", dot("bik,kj->bij", x, w))
    z = op("sub", y, reduce("max", y, (2,), True))
    gradient = dot("bik,bij->kj", x, z)
    again = op("tanh", dot("bik,kj->bij", z, w))
    made = check(Graph([x, w], [again, gradient]), [
        np.random.default_rng(0).standard_normal(n.shape).astype("f4") for n in (x, w)
    ])  # fmt: skip
    chained = [group.chain > 0 for group in made.schedule.groups]
    product = next(g for g in made.schedule.groups if gradient in made.schedule.roots and
                   made.schedule.roots[gradient] in g.place)  # fmt: skip
    assert sum(chained) >= 2 and not product.chain and chained == sorted(chained, reverse=True)


def test_sums_of_a_chain_follow_what_they_read(eager_chains):
    x, w = value("x", 8, 16, 8), value("w", 8, 8)
    first = op("tanh", dot("bik,kj->bij", x, w))
    last = op("tanh", dot("bik,kj->bij", op("tanh", dot("bik,kj->bij", first, w)), w))
    sums = reduce("sum", first, (1,))
    made = check(Graph([x, w], [last, sums]), [
        np.random.default_rng(0).standard_normal(n.shape).astype("f4") for n in (x, w)
    ])  # fmt: skip
    groups, roots = made.schedule.groups, made.schedule.roots
    (place,) = (k for k, group in enumerate(groups) if roots[sums] in group.place)
    assert all(group.chain for group in groups) and roots[first] in groups[place - 1].place


@pytest.mark.parametrize(("rows", "columns"), [(33, 20), (20, 33), (9, 9), (8, 16), (64, 8)])
def test_a_turned_copy_of_any_size_writes_nothing_else(rows, columns):
    x = value("x", rows, columns)
    array = np.random.default_rng(0).standard_normal((rows, columns)).astype("f4")
    room = np.full(array.size + 64, 7, np.float32)
    out = room[: array.size].reshape(columns, rows)
    program.build(Graph([x], [permute(x, 1, 0)])).run([array], [out])
    np.testing.assert_array_equal(out, array.T)
    assert (room[array.size :] == 7).all()


def test_a_product_is_written_in_the_order_that_is_read():
    p, v = value("p", 4, 2, 16, 16), value("v", 4, 2, 16, 8)
    mixed = reshape(permute(dot("bhij,bhjd->bhid", p, v), 0, 2, 1, 3), 64, 16)
    graph = ordered(Graph([p, v], [mixed]))
    assert [node.params[0] for node in graph if node.op == "dot"] == ["bhij,bhjd->bihd"]
    assert not any(node.op == "permute" for node in graph)


def test_a_product_that_others_read_too_stays():
    p, v = value("p", 4, 2, 16, 16), value("v", 4, 2, 16, 8)
    y = dot("bhij,bhjd->bhid", p, v)
    graph = Graph([p, v], [reshape(permute(y, 0, 2, 1, 3), 64, 16), y])
    assert ordered(graph).nodes == graph.nodes
    rng = np.random.default_rng(0)
    check(graph, [rng.standard_normal(n.shape).astype("f4") for n in (p, v)])
