"""Programs keep nothing alive of the call that they were made of."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight.compile.middle.graph import Node
from rushlight.compile.tracing.sources import Source, example

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends


def _survivors(call: Any, make: Any, more: Any = lambda k: ()) -> list[bool]:
    """Whether the arrays of arguments live on, call by call."""
    found = []
    for k in range(4):
        x = make()
        found.append(weakref.ref(x._array))
        call(x, *more(k))
        del x
    gc.collect()
    return [one() is not None for one in found]


@backends
def test_arguments_of_the_first_call_are_freed(backend: str) -> None:
    net = torch.nn.Linear(8, 8)
    call = torch.compile(lambda x: net(x).relu(), backend=backend)
    assert _survivors(call, lambda: torch.randn(4, 8)) == [False] * 4
    assert _survivors(call, lambda: torch.randn(4, 8).requires_grad_()) == [False] * 4
    assert len(call.programs) == 2


@backends
def test_so_are_those_of_calls_with_numbers_and_counters(backend: str) -> None:
    net = torch.nn.Linear(8, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    state = {"calls": 0}

    def step(x: Any, k: float) -> Any:
        state["calls"] += 1
        optimizer.zero_grad()
        loss = (net(x) * k).sum() * state["calls"]
        loss.backward()
        optimizer.step()
        return loss.item()

    call = torch.compile(step, backend=backend)
    assert _survivors(call, lambda: torch.randn(4, 8), lambda k: (0.5 + k,)) == [False] * 4
    assert len(call.programs) == 1


def test_times_are_told_without_them() -> None:
    table = torch.randn(10, 300)
    call = torch.compile(lambda i, x: (table[i] + x.flip(0)).exp().sum(0))
    for _ in range(2):
        call(torch.arange(4), torch.randn(300, 4).T)
    if call.backend == "llvm":
        times = call.explain(times=True).programs[0]["times"]
        assert times and all(kernel["seconds"] > 0 for kernel in times)


@pytest.mark.parametrize("place", [(), (slice(None, None, -1),), (0, slice(1, 3)), (slice(0, 0),)])
@pytest.mark.parametrize("kind", ["f4", "i8", "?"])
def test_examples_look_like_what_they_stand_for(kind: str, place: Any) -> None:
    x = torch.ones(4, 6, 5).numpy().astype(kind).transpose(1, 0, 2)[place]
    source = Source("argument", 0, None, x, Node("input", (), (0,), x.shape, x.dtype))
    source.let_go()
    y = example(source)
    assert (y.shape, y.dtype, y.strides) == (x.shape, x.dtype, x.strides)
    assert (y == (1 if kind == "f4" else 0)).all()
