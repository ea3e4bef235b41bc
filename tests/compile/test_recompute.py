"""Values that late kernels make again: when, the same numbers, less memory, nothing drawn twice."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.kernels import program, recompute
from rushlight.compile.middle.graph import Graph
from rushlight.compile.middle.interpret import interpret

sys.path.insert(0, str(Path(__file__).parent))

from test_schedule import dot, op, reduce, value

ROWS, WIDTH = 64, 32
LAYERS = 4


@pytest.fixture
def small(monkeypatch):
    """Caches hold one value of these tests."""
    monkeypatch.setattr(recompute, "FAR", ROWS * WIDTH)
    monkeypatch.setattr(recompute, "LEAST", 1)


def trained(act="normal_cdf", read=True):
    """Layers x * f(x), and backward the derivative as if f were constant."""
    x, weights = value("x", ROWS, WIDTH), [value(f"w{k}", WIDTH, WIDTH) for k in range(LAYERS)]
    sums, factors, outputs = [], [], [x]
    for w in weights:
        sums.append(dot("bi,ij->bj", outputs[-1], w))
        factors.append(op(act, sums[-1]))
        outputs.append(op("mul", sums[-1], factors[-1]))
    gradient, found = outputs[-1], []
    for w, y, z, factor in zip(weights[::-1], outputs[-2::-1], sums[::-1], factors[::-1]):
        gradient = op("mul", gradient, factor)
        gradient = op("add", gradient, z) if read else gradient
        found.append(dot("bi,bj->ij", y, gradient))
        gradient = dot("bj,ij->bi", gradient, w)
    return Graph([x, *weights], [reduce("sum", outputs[-1], (0, 1)), *found])


def built(graph, monkeypatch, keep):
    with monkeypatch.context() as only:
        if keep:
            only.setattr(recompute.Recomputation, "pays", lambda *_: False)
        return program.build(graph)


def test_the_same_numbers_in_less_memory(small, monkeypatch):
    graph = trained()
    draw = np.random.default_rng(0).standard_normal
    arrays = [draw(x.shape).astype("f4") * 0.2 for x in graph.inputs]
    less, more = (built(graph, monkeypatch, keep) for keep in (False, True))
    assert [name for name, _ in less.recipe.again] == ["normal_cdf"] * (LAYERS - 1)
    assert not more.recipe.again
    each = 4 * ROWS * WIDTH
    assert less.plan.size <= more.plan.size - (LAYERS - 1) * each
    for one, two, exact in zip(less.run(arrays), more.run(arrays), interpret(graph, arrays)):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(one, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "case", [{"act": "sin"}, {"read": False}, {"act": "tanh"}], ids=["dear", "swapped", "tanh"]
)
def test_what_costs_more_to_make_is_kept(small, monkeypatch, case):
    """A sine is dear; without z there, z would be kept in its place."""
    made = built(trained(**case), monkeypatch, False)
    assert bool(made.recipe.again) == (case == {"act": "tanh"})


def test_what_is_read_soon_is_kept():
    assert not program.build(trained()).recipe.again


def test_steps_with_noise_draw_it_once(small):
    """Compiled equals eager with the noise of dropout in between; explain() says what is made."""

    def step(net, optimizer, x):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        layers = [m for _ in range(4) for m in (
            torch.nn.Linear(36, 36), torch.nn.GELU(), torch.nn.Dropout(0.2))]  # fmt: skip
        net = torch.nn.Sequential(*layers)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        run = torch.compile(step, fullgraph=True) if compiled else step
        x = torch.randn(68, 36)
        losses = [run(net, optimizer, x).item() for _ in range(3)]
        found.append((losses, [p.grad.numpy().copy() for p in net.parameters()],
                      torch.get_rng_state().numpy()))  # fmt: skip
    (losses, gradients, state), (others, same, after) = found
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    np.testing.assert_array_equal(state, after)
    for one, two in zip(gradients, same, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    assert "made again where they are read late, not kept: 3 normal_cdf" in str(run.explain())
