"""Early stopping inside of a step: the best loss, a count, and a copy of the best weights."""

from __future__ import annotations

import copy
import math
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
    """A net, what trains it, and what is kept of its best."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.3, momentum=0.5)
        self.t = types.SimpleNamespace(best=math.inf, bad=0, weights=None, stop=False)

    def train(self, x: Any) -> Any:
        loss = self.net(x).pow(2).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def state(self) -> Any:
        kept = self.t.weights
        keys = [*kept] if isinstance(kept, dict) else 0
        return [seen(self.net.state_dict()), type(kept), keys, seen(kept),
                copy.deepcopy(getattr(kept, "_metadata", None)),
                self.t.best, self.t.bad, self.t.stop]  # fmt: skip


def of_a_tensor(w: World) -> Any:
    t, net = w.t, w.net

    def step(x: Any) -> Any:
        loss = w.train(x)
        if loss < t.best:
            t.best = loss.item()
            t.bad = 0
            t.weights = copy.deepcopy(net.state_dict())
        else:
            t.bad += 1
        return loss.item()

    return step


def of_a_number(w: World) -> Any:
    t, net = w.t, w.net

    def step(x: Any) -> Any:
        value = w.train(x).item()
        if value < t.best - 1e-3:
            t.best, t.bad = value, 0
            t.weights = {k: v.detach().clone() for k, v in net.state_dict().items()}
        else:
            t.bad += 1
            if t.bad >= 3:
                t.stop = True
        return value, t.bad

    return step


def the_net_itself(w: World) -> Any:
    t, net = w.t, w.net

    def step(x: Any) -> Any:
        loss = w.train(x)
        if loss < t.best:
            t.best, t.weights = loss.item(), copy.deepcopy(list(net.parameters()))
        return loss

    return step


def taken_back(w: World) -> Any:
    t, net = w.t, w.net

    def step(x: Any) -> Any:
        value = w.train(x).item()
        if value < t.best:
            t.best, t.bad, t.weights = value, 0, copy.deepcopy(net.state_dict())
        elif value > 4 * t.best:
            net.load_state_dict(t.weights)
        return value

    return step


def course(make: Any, run: Any) -> list[Any]:
    """What calls give and leave, through changes by the user in between."""
    rng, w = random.Random(0), World()
    step, found, kept = run(make(w)), [], []
    for k in range(20):
        torch.manual_seed(k)
        found.append([seen(step(torch.randn(6, 4) * rng.choice((1, 1, 2)))), w.state()])
        kept.append((w.t.weights, seen(w.t.weights)))
        chance = rng.random()
        if chance < 0.1:
            w.t.best, w.t.bad = math.inf, 0
        elif chance < 0.15:
            w.t.best = rng.choice((0.5, 1.0))
        elif chance < 0.2 and w.t.weights and make is not the_net_itself:
            w.net.load_state_dict(w.t.weights)
        elif chance < 0.25 and w.t.weights and make is not the_net_itself:
            with torch.no_grad():
                w.t.weights["0.bias"].add_(1)
            kept.clear()
        elif chance < 0.3 and make is not taken_back:
            w.t.weights = rng.choice((None, {}))
    for one, then in kept:  # no copy is ever written again
        alike(seen(one), then)
    return found


@pytest.mark.filterwarnings("ignore:compiled")
@backends
@pytest.mark.parametrize("make", [of_a_tensor, of_a_number, the_net_itself, taken_back])
def test_the_best_is_what_eager_calls_keep(make: Any, backend: str) -> None:
    """The last two keep what is no plain tensor, and read what they kept: they stay eager."""
    made: list[Any] = []

    def run(step: Any) -> Any:
        made.append(torch.compile(step, backend=backend))
        return made[-1]

    found, wanted = course(make, run), course(make, lambda step: step)
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        alike(one, other, f"call {k}")
    assert bool(made[0].programs) == (make in (of_a_tensor, of_a_number))


def test_a_state_that_is_returned_is_whole() -> None:
    net = nn.BatchNorm1d(3)

    @torch.compile(fullgraph=True)
    def state(x: Any) -> Any:
        net(x)
        return copy.deepcopy(net.state_dict())

    for k in range(3):
        found, wanted = state(torch.full((2, 3), float(k))), net.state_dict()
        assert type(found) is type(wanted)
        assert list(found) == list(wanted)
        assert found._metadata == wanted._metadata
        assert found["running_mean"].tolist() == wanted["running_mean"].tolist()
        found._metadata[""]["version"] = k
    assert len(state.programs) == 1
