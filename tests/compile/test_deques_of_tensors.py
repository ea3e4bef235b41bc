"""Deques that a step only appends to: tensors, numbers and pairs, also where they are full."""

from __future__ import annotations

import random
import sys
import warnings
from collections import deque
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen

nn = torch.nn


class World:
    """A net that learns, and what is kept of its losses."""

    ways = "tensor number pair same both argument mixed now_and_then".split()
    most = {"mixed": 0, "now_and_then": 2}

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Linear(3, 2)
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.kept: Any = deque(maxlen=4)

    def train(self, x: Any) -> Any:
        self.opt.zero_grad()
        loss = self.net(x).pow(2).mean()
        loss.backward()
        self.opt.step()
        return loss

    def tensor(self, x: Any) -> Any:
        loss = self.train(x)
        self.kept.append(loss.detach())
        return loss

    def number(self, x: Any) -> Any:
        loss = self.train(x)
        self.kept.append(loss.item())
        self.kept.append(1)
        return loss

    def pair(self, x: Any) -> Any:
        loss = self.train(x)
        self.kept.append((loss.detach() * 2, loss.item(), "step"))
        return loss.item()

    def same(self, x: Any) -> Any:
        loss = self.train(x).detach()
        self.kept.append(loss)
        self.kept.append(loss)
        return loss

    def both(self, x: Any) -> Any:
        loss = self.train(x)
        self.kept.appendleft(loss.detach())
        self.kept.appendleft(None)
        return loss

    def argument(self, x: Any) -> Any:
        self.kept.append(x)
        self.kept.append(self.net.weight)
        return self.train(x)

    def mixed(self, x: Any) -> Any:
        loss = self.train(x)
        self.kept.append(loss.detach())
        self.kept.appendleft(loss.item())
        return loss

    def now_and_then(self, x: Any) -> Any:
        loss = self.train(x)
        if x.sum() > 0:
            self.kept.append(loss.detach())
        return loss

    def state(self, given: Any) -> Any:
        kept = list(self.kept)
        ids = [next(k for k, y in enumerate([given, *kept]) if y is x) for x in [given, *kept]]
        return seen([given, kept, list(self.net.parameters())]), ids, self.kept.maxlen


CHANGES: list[Any] = [
    lambda w: w.kept.clear(),
    lambda w: setattr(w, "kept", deque(maxlen=2)),
    lambda w: setattr(w, "kept", deque(w.kept)),
    lambda w: w.kept.append(7),
    lambda w: w.kept and w.kept.pop(),
    lambda w: w.kept and type(w.kept[-1]) is torch.Tensor and w.kept[-1].detach().mul_(2),
]


def course(way: str, wrap: Any, seed: int) -> Any:
    rng, found, world = random.Random(seed), [], World()
    generator, call = torch.Generator().manual_seed(seed), wrap(getattr(world, way))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(16):
            if seed and k % 3 == 2:
                rng.choice(CHANGES)(world)
            found.append(world.state(call(torch.randn(4, 3, generator=generator))))
    return found, call


@pytest.mark.parametrize("way", World.ways)
@backends
def test_deques_hold_what_eager_calls_append(way: str, backend: str) -> None:
    for seed in range(3):
        wanted, _ = course(way, lambda step: step, seed)
        found, call = course(way, lambda step: torch.compile(step, backend=backend), seed)
        for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
            alike(one, other, f"{seed}: call {k}")
        if not seed:
            assert len(call.programs) == World.most.get(way, 1), call.explain()
