"""States of a loop made where they are joined: the same values, whoever reads them."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.compile.kernels.normal import normalise, storage
from rushlight.compile.kernels.places import MOST, places
from rushlight.compile.middle.graph import Graph, Node

F4, SHAPE = np.dtype("f4"), (8, 32)


def value(name, *shape):
    return Node("input", (), (name,), shape, F4)


def op(name, *inputs):
    return Node(name, inputs, (), inputs[0].shape, F4)


def dot(spec, a, b, *shape):
    return Node("dot", (a, b), (spec,), shape, F4)


def cat(*parts):
    return Node("cat", parts, (0,), (sum(x.shape[0] for x in parts), *parts[0].shape[1:]), F4)


def loop(seed, steps=5):
    """Inputs and outputs of a loop whose states are multiplied, joined and read in other ways."""
    rng = np.random.default_rng(seed)
    weight, start = value("w", 32, 32), value("h", *SHAPE)
    inputs, states, more = [weight, start], [start], []
    for step in range(steps):
        x = value(f"x{step}", *SHAPE)
        inputs.append(x)
        before = op("mul", states[-1], x) if rng.random() < 0.3 else x  # before the product
        shared = dot("ik,kj->ij", states[-1], weight, *SHAPE)
        after = op("mul", states[-1], shared) if rng.random() < 0.5 else shared
        states.append(op("tanh", op("add", before, after)))
        if rng.random() < 0.3:
            more.append(Node("reduce_sum", (states[-1],), ((0,), False), (32,), F4))
        if rng.random() < 0.2:
            more.append(states[-1])
    joined = cat(*states[1:])
    more.append(joined if rng.random() < 0.3 else op("exp", joined))
    if rng.random() < 0.7:
        turned = Node("permute", (cat(*states[:-1]),), ((1, 0),), (32, 8 * steps), F4)
        more.append(dot("ik,kj->ij", turned, joined, 32, 32))
    return inputs, more


@pytest.mark.parametrize("seed", range(6))
def test_loops_give_what_numpy_gives(seed):
    pytest.importorskip("llvmlite")
    from rushlight.compile.kernels.program import build
    from rushlight.compile.middle.interpret import interpret

    graph = Graph(*loop(seed))
    draw = np.random.default_rng(seed).standard_normal
    arrays = [(0.1 * draw(x.shape)).astype(F4) for x in graph.inputs]
    program = build(graph)
    for _ in range(2):
        for want, have in zip(interpret(graph, arrays), program.run(arrays), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_products_read_states_in_their_join():
    weight, first, second = value("w", 32, 32), value("a", *SHAPE), value("b", *SHAPE)
    state = op("tanh", first)
    shared = dot("ik,kj->ij", state, weight, *SHAPE)
    joined = cat(op("exp", second), state)
    graph = Graph([weight, first, second], [shared, op("neg", joined)])
    nodes = normalise(graph).nodes
    (product,) = (node for node in nodes if node.op == "dot")
    assert storage(product.inputs[0]).shape == (16, 32)


def test_what_has_no_single_place_stays():
    weight, first = value("w", 32, 32), value("a", *SHAPE)
    state = op("tanh", first)
    shared = dot("ik,kj->ij", state, weight, *SHAPE)
    once, twice = cat(state, first), cat(first, state)
    assert state in places(Graph([weight, first], [shared, op("neg", once)]))
    assert state not in places(Graph([weight, first], [shared, op("neg", once), op("neg", twice)]))
    assert state not in places(Graph([weight, first], [shared, op("neg", once), state]))


def test_large_values_stay():
    rows = MOST // (4 * 32) + 1
    large, weight = value("a", rows, 32), value("w", 32, 32)
    state = op("tanh", large)
    shared = dot("ik,kj->ij", state, weight, rows, 32)
    assert not places(Graph([large, weight], [shared, op("neg", cat(state, shared))]))
