"""Graphs of any depth run and die by reference count alone; training does not grow."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.core import swift


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Reference counts must be enough; what first uses load is there before anything is counted."""
    for y in (rl.ones(2, requires_grad=True) for _ in range(2)):
        ((y + 0.5) * 1.0).sin().sum().backward()
    swift.hasten()
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_chain_of_100_000_ops_runs_backward_and_dies(no_collector: None) -> None:
    x = rl.ones(2, requires_grad=True)
    before = len(gc.get_objects())
    y = x
    for _ in range(50_000):
        y = (y + 0.5) * 1.0
    assert len(gc.get_objects()) > before + 50_000
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y
    assert len(gc.get_objects()) < before + 100


def test_a_chain_dies_without_backward(no_collector: None) -> None:
    x = rl.ones(1, requires_grad=True)
    before = len(gc.get_objects())
    y = x
    for _ in range(100_000):
        y = y.sin()
    del y
    assert len(gc.get_objects()) < before + 100


def test_depth_does_not_touch_the_stack() -> None:
    limit = sys.getrecursionlimit()
    x = rl.ones(1, requires_grad=True)
    y = x
    sys.setrecursionlimit(150)
    try:
        for _ in range(3_000):
            y = y * 1.0
        (g,) = rl.autograd.grad(y, x, create_graph=True)
        assert not g.requires_grad or g.grad_fn is not None
    finally:
        sys.setrecursionlimit(limit)


def graph(x: Any) -> Any:
    y = (x @ x.t()).relu().softmax(1)
    return (y.max(dim=1).values + y.sum(1)).log().mean()


class Twice(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 2


def in_place(x: Any) -> Any:
    y = x * 2
    v = y[0]
    v.mul_(3)
    y[1:] += x[1:]
    return y.sum()


def hooked(x: Any) -> Any:
    y = x * 2
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    assert y.grad_fn is not None
    return y.sum()


@pytest.mark.parametrize("make", [graph, in_place, hooked, lambda x: Twice.apply(x).sum()])
@pytest.mark.parametrize("back", [True, False])
def test_intermediates_die_at_once(
    make: Callable[[Any], Any], back: bool, no_collector: None
) -> None:
    x = rl.rand(3, 3, requires_grad=True)
    y = make(x)
    refs = [weakref.ref(y)]
    entry = y._entry
    parents = [p for p in entry[1] if isinstance(p, list)]
    assert parents
    count = sys.getrefcount(parents[0])
    if back:
        y.backward()
    del y, entry
    left = sys.getrefcount(parents[0])  # not in the assert, whose rewriting keeps references
    assert all(ref() is None for ref in refs)
    assert left == count - 1


def test_second_order_graphs_die(no_collector: None) -> None:
    x = rl.rand(3, requires_grad=True)
    before = len(gc.get_objects())
    for _ in range(3):
        (g,) = rl.autograd.grad((x**3).sum(), x, create_graph=True)
        (h,) = rl.autograd.grad(g.sum(), x)
        del g, h
    assert len(gc.get_objects()) < before + 50


def test_saved_values_are_given_back_by_backward() -> None:
    x = rl.rand(1000, requires_grad=True)
    y = x.exp()
    kept = weakref.ref(y._array)
    z = y.sum()
    del y
    assert kept() is not None  # exp keeps its output for backward
    z.backward()
    assert kept() is None


def test_a_thousand_training_steps_do_not_grow(no_collector: None) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    trainer = rl.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x, y = rl.randn(8, 4), rl.randint(0, 2, (8,))

    def steps(count: int) -> None:
        for _ in range(count):
            loss = nn.functional.cross_entropy(net(x), y)
            trainer.zero_grad()
            loss.backward()
            trainer.step()

    tracemalloc.start()
    steps(300)  # fills what is kept of the last writes
    gc.collect()  # empties Python's store of used tuples
    base, objects = tracemalloc.get_traced_memory()[0], len(gc.get_objects())
    steps(1000)
    grown_by = len(gc.get_objects()) - objects
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - base
    tracemalloc.stop()
    assert grown_by < 100
    assert grown < 20_000
