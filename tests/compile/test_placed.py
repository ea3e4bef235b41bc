"""Writes to places that move from call to call: queues of keys, memories of experience."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen

SIZE = 24


class World:
    """Memory that is written part by part, and where the next part goes."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.t = types.SimpleNamespace(at=0, full=False, memory=torch.zeros(SIZE, 3),
                                       across=torch.zeros(2, SIZE))  # fmt: skip
        self.w = torch.ones(3, requires_grad=True)

    def state(self) -> Any:
        return [seen(vars(self.t)), seen(self.w)]


def rows(w: World) -> Any:
    t = w.t

    def step(x: Any) -> Any:
        n = len(x)
        with torch.no_grad():
            t.memory[t.at : t.at + n] = x * w.w
        t.at = (t.at + n) % SIZE
        loss = (t.memory * w.w).sum()
        (w.w.grad,) = torch.autograd.grad(loss, [w.w])
        return loss

    return step


def one_row(w: World) -> Any:
    t = w.t

    def step(x: Any) -> Any:
        t.memory[t.at] = x[0]
        t.memory[t.at, :] = x[1] * t.at
        t.at += 1
        if t.at == SIZE:
            t.at, t.full = 0, True
        return t.memory.sum(0)

    return step


def columns(w: World) -> Any:
    t = w.t

    def step(x: Any) -> Any:
        t.across[:, t.at : t.at + 4] = x[:2].T.sum(0)[:, None]
        t.across[..., t.at : 4 + t.at] = t.across.sum()
        t.at = (t.at + 4) % SIZE
        return t.across.mean()

    return step


def decoded(w: World) -> Any:
    """A cache of keys: the number stands behind the batch, and what is written has no such size."""
    t = w.t

    def step(x: Any) -> Any:
        t.across[:, t.at] = x[:2, 0]
        t.memory[..., t.at % 3] = x.sum() + t.at
        t.memory.view(2, SIZE // 2, 3)[:, t.at // 2] = x[:2]
        seen_so_far = torch.arange(SIZE) <= t.at
        t.at = (t.at + 1) % SIZE
        return (t.across * seen_so_far).sum(1)

    return step


def from_the_end(w: World) -> Any:
    t = w.t

    def step(x: Any) -> Any:
        t.at += 1
        t.memory[-t.at] = x[0]
        t.across[1, t.at] = x[1, 0]
        t.across[:, t.at : t.at + 2] += 1.0
        t.across[:, t.at] = x[:2, 1]
        return t.memory[0]

    return step


def course(make: Any, run: Any, seed: int) -> list[Any]:
    """What calls give and leave, through changes by the user in between."""
    rng, w = random.Random(seed), World()
    step, found = run(make(w)), []
    for k in range(20):
        torch.manual_seed(k)
        try:
            found.append([seen(step(torch.randn(4, 3))), w.state()])
        except (IndexError, RuntimeError) as error:
            found.append([type(error), w.state()])
        chance = rng.random()
        if chance < 0.15:
            w.t.at = rng.choice((0, 1, 3, SIZE - 4, SIZE - 2, -5, SIZE, SIZE + 3))
        elif chance < 0.2:
            w.t.memory.add_(1)
        elif chance < 0.25:
            w.t.memory = torch.ones(SIZE, 3)
    return found


@pytest.mark.filterwarnings("ignore:compiled")
@backends
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", [rows, one_row, columns, decoded, from_the_end])
def test_places_are_those_of_eager_calls(make: Any, seed: int, backend: str) -> None:
    found = course(make, lambda f: torch.compile(f, backend=backend), seed)
    wanted = course(make, lambda f: f, seed)
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        alike(one, other, f"call {k}")


@pytest.mark.filterwarnings("ignore:compiled")
@pytest.mark.parametrize("make", [rows, one_row, columns, decoded])
def test_one_program_serves_all_places(make: Any) -> None:
    w = World()
    step = torch.compile(make(w), backend="numpy")
    for _ in range(5):
        step(torch.ones(4, 3))
    assert len(step.programs) == 1
    assert not [x for x in step.reasons if "the call changes" not in str(x)]


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 3), (1, 1), (), (2, 3), (4, 3), (2, 1), (3, 1)])
def test_values_of_all_shapes(shape: tuple[int, ...]) -> None:
    found = []
    for run in (lambda f: f, lambda f: torch.compile(f, backend="numpy")):
        t = types.SimpleNamespace(at=0, memory=torch.zeros(SIZE, 3))

        def step(x: Any, t: Any = t) -> Any:
            t.at += 2
            t.memory[t.at : t.at + 2] = x
            t.memory[t.at - 1] = x
            return t.memory.sum()

        call = run(step)
        for _ in range(5):
            try:
                found.append((call(torch.full(shape, 2.0)).item(), t.memory.tolist(), t.at))
            except RuntimeError as error:
                found.append((str(error), t.memory.tolist(), t.at))
    assert found[:5] == found[5:]


_SHAPES = [(3, 2), (1, 3, 2), (2,), (1, 2), (3, 1), (), (1, 1, 2), (2, 2), (3,), (1, 1, 3, 2)]


@pytest.mark.parametrize("shape", _SHAPES)
def test_values_behind_other_dimensions(shape: tuple[int, ...]) -> None:
    found = []
    for run in (lambda f: f, lambda f: torch.compile(f, backend="numpy")):
        t = types.SimpleNamespace(at=0, memory=torch.zeros(3, SIZE, 2))

        def step(x: Any, t: Any = t) -> Any:
            t.at += 2
            t.memory[:, t.at] = x
            t.memory[..., t.at - 1, :] = 2 * x
            return t.memory.sum()

        call = run(step)
        for k in range(5):
            try:
                found.append((call(torch.full(shape, 2.0 + k)).item(), t.memory.tolist(), t.at))
            except RuntimeError as error:
                found.append((str(error), t.memory.tolist(), t.at))
    assert found[:5] == found[5:]


def read_by_slice(t: Any, x: Any) -> Any:
    found = t.memory[t.at : t.at + 2] * x
    t.at = (t.at + 2) % SIZE
    return found


def read_by_index(t: Any, x: Any) -> Any:
    found = t.memory[t.at + torch.arange(2)] * x
    t.at = (t.at + 2) % SIZE
    return found


@pytest.mark.filterwarnings("ignore:compiled")
@pytest.mark.parametrize("way", [read_by_slice, read_by_index])
def test_where_a_place_that_moves_is_read_an_index_serves_all(way: Any) -> None:
    ours, theirs = (
        types.SimpleNamespace(at=0, memory=torch.arange(3.0 * SIZE).reshape(SIZE, 3))
        for _ in range(2)
    )
    step = torch.compile(lambda x: way(ours, x), backend="numpy")
    for k in range(30):
        if k == 20:  # the user writes, and moves the place
            for t in (ours, theirs):
                t.memory[0] += 5
                t.at = 1
        x = torch.full((2, 3), float(k))
        assert step(x).tolist() == way(theirs, x).tolist() and ours.at == theirs.at, k
    advised = "read by an index" in str(step.explain())
    assert advised is (way is read_by_slice)
    if way is read_by_index:
        assert len(step.programs) == 1
    else:
        assert len(step.programs) <= 2
