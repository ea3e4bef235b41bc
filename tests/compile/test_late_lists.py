"""`tolist` of what a step computes: lists of numbers that are known when the program has run."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen


class World:
    """What is trained, and what steps keep."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Linear(4, 3)
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.log: list[Any] = []
        self.kept = types.SimpleNamespace(found=None, mean=0.0, read=None)

    def train(self, x: Any) -> Any:
        out = self.net(x)
        self.opt.zero_grad()
        out.pow(2).mean().backward()
        self.opt.step()
        return out

    def state(self) -> Any:
        return [seen(self.net.state_dict()), list(self.log), dict(vars(self.kept))]


def returned(w: World) -> Any:
    def step(x: Any) -> Any:
        out = w.train(x)
        return out.tolist(), out[:1, :1].tolist(), out[0, 0].tolist(), out.argmax(1).tolist()

    return step


def appended(w: World) -> Any:
    def step(x: Any) -> Any:
        out = w.train(x)
        w.log.append(out.mean(0).tolist())
        w.log.extend(out.argmax(1).tolist())
        return len(x)

    return step


def stored(w: World) -> Any:
    def step(x: Any) -> Any:
        out = w.train(x)
        w.kept.found = out.detach().bfloat16().tolist()
        return {"loss": out.mean().item(), "most": w.net.bias.tolist()}

    return step


def computed_with(w: World) -> Any:
    def step(x: Any) -> Any:
        out = w.train(x)
        first, second, third = out.mean(0).tolist()
        w.kept.mean = w.kept.mean * 0.5 + second
        if first > third:
            first, third = third, first
        values = out[:, 0].tolist()
        return first, third, sum(values) / len(values), [2 * v for v in values], x * second

    return step


def written_over(w: World) -> Any:
    def step(x: Any) -> Any:
        total = w.train(x).detach().sum(0)
        before = total.tolist()
        total.mul_(2)
        return before, total.tolist(), total.int().tolist()

    return step


def course(make: Any, run: Any, seed: int) -> list[Any]:
    """What calls give and leave, through changes by the user in between."""
    rng, w = random.Random(seed), World()
    step, found = run(make(w)), []
    for k in range(14):
        torch.manual_seed(k)
        found.append([seen(step(torch.randn(rng.choice((2, 2, 3)), 4))), w.state()])
        chance = rng.random()
        if chance < 0.1:
            w.log = []
        elif chance < 0.2:
            w.kept.found = rng.choice((None, [1.0], [[2, 3]]))
        elif chance < 0.3:
            w.kept.mean = rng.choice((1.5, 2.0))
        elif chance < 0.4:
            with torch.no_grad():
                w.net.bias.add_(rng.random())
    return found


@backends
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [returned, appended, stored, computed_with, written_over])
def test_lists_are_what_eager_calls_give(make: Any, seed: int, backend: str) -> None:
    made: list[Any] = []

    def run(step: Any) -> Any:
        made.append(torch.compile(step, backend=backend))
        return made[-1]

    found, wanted = course(make, run, seed), course(make, lambda step: step, seed)
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        alike(one, other, f"call {k}")
    assert 0 < len(made[0].programs) <= (8 if make is computed_with else 6)


@pytest.mark.filterwarnings("ignore:compiled")
def test_many_numbers_are_not_asked_one_by_one() -> None:
    """Each call would be another program."""

    @torch.compile
    def step(x: Any) -> Any:
        out = (x * 2).tolist()
        return sum(v > 0 for v in out)

    for k in range(12):
        torch.manual_seed(k)
        x = torch.randn(16)
        assert step(x) == int((x > 0).sum())
    assert not step.programs


@pytest.mark.filterwarnings("ignore:compiled")
def test_a_list_that_is_read_again_is_no_constant() -> None:
    kept = types.SimpleNamespace(last=[0.0, 0.0])

    @torch.compile
    def step(x: Any) -> Any:
        before = sum(kept.last)
        kept.last = (x * 2).tolist()
        return before

    for k in range(12):
        wanted = sum(kept.last)
        assert step(torch.tensor([float(k), 1.0])) == wanted
        assert kept.last == [2.0 * k, 2.0]
    assert len(step.programs) <= 2


def test_every_list_is_its_own() -> None:
    @torch.compile
    def step(x: Any) -> Any:
        y = x + 1
        return y.tolist(), y.tolist()

    for _ in range(3):
        first, second = step(torch.ones(2, 2))
        first[0][0] = first[1] = None
        assert second == [[2.0, 2.0], [2.0, 2.0]]
    assert len(step.programs) == 1
