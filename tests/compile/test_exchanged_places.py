"""Calls that put in one place what stood in another: buffers to and fro, targets, last states."""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen

nn = torch.nn
A, B = torch.zeros(3), torch.ones(3)


class World:
    """Two tensors in attributes, and what a call does with them."""

    most = 2  # programs, where nobody but the calls changes anything

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.a, self.b, self.c = torch.zeros(3), torch.ones(3), torch.full((3,), 2.0)
        self.net = nn.Linear(3, 3)
        self.known: list[Any] = []

    def step(self, x: Any) -> Any:
        self.a.mul_(0.5).add_(x)
        self.a, self.b = self.b, self.a
        return (self.a + 2 * self.b).sum()

    def holds(self) -> list[Any]:
        return [self.a, self.b, self.c]

    def state(self, *more: Any) -> Any:
        """All tensors with what is in them; of each, when it was first seen."""
        found = []
        for x in (*self.holds(), *more):
            at = next((k for k, one in enumerate(self.known) if one is x), len(self.known))
            self.known += [x] if at == len(self.known) else []
            found.append(at)
        return found, seen(self.known), seen(list(self.net.parameters()))


class Alone(World):
    def step(self, x: Any) -> Any:
        self.a, self.b = self.b, self.a
        return self.a * x


class Last(World):
    most = 1

    def step(self, x: Any) -> Any:
        self.a, self.b = self.a * 0.5 + x, self.a
        return (self.a - self.b).sum()


class Shift(World):
    most = 1

    def step(self, x: Any) -> Any:
        self.c = self.b
        self.b = self.a
        self.a = self.net(x).detach() + self.c
        return self.a.sum()


class Unread(World):
    most = 1

    def step(self, x: Any) -> Any:
        self.b = self.a
        self.a = x * 2
        return x + 1


class Turn(World):
    most = 3

    def step(self, x: Any) -> Any:
        self.a, self.b, self.c = self.b, self.c, self.a
        self.c.add_(x)
        return self.a + x


class Now(World):
    """One that is only exchanged now and then."""

    most = 4

    def step(self, x: Any) -> Any:
        if x.sum() > 0:
            self.a, self.b = self.b, self.a
        self.a.add_(x)
        return self.b * 2


class Items(World):
    def __init__(self) -> None:
        super().__init__()
        self.all = [self.a, self.b]

    def holds(self) -> list[Any]:
        return [*super().holds(), *self.all]

    def step(self, x: Any) -> Any:
        self.all[0], self.all[1] = self.all[1], self.all[0]
        self.all[0].add_(x)
        return self.all[0] * self.all[1]


class Nets(World):
    """Networks that learn from each other in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.other = copy.deepcopy(self.net)
        both = [*self.net.parameters(), *self.other.parameters()]
        self.opt = torch.optim.SGD(both, lr=0.1, momentum=0.9)

    def holds(self) -> list[Any]:
        return [*super().holds(), self.net.weight, self.other.weight]

    def step(self, x: Any) -> Any:
        with torch.no_grad():
            y = self.other(x) + 1
        loss = (self.net(x) - y).pow(2).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.net, self.other = self.other, self.net
        return loss


class Named(World):
    most = 1

    def __init__(self) -> None:
        super().__init__()
        global A, B
        A, B = self.a, self.b

    def holds(self) -> list[Any]:
        return [A, B]

    def step(self, x: Any) -> Any:
        global A, B
        A, B = B + x, A
        return A - B


class Buffers(nn.Module, World):
    """Buffers of a module of the user's."""

    most = 2

    def __init__(self) -> None:
        nn.Module.__init__(self)
        torch.manual_seed(0)
        self.register_buffer("a", torch.zeros(3))
        self.register_buffer("b", torch.ones(3))
        self.c, self.net, self.known = torch.ones(3), nn.Linear(3, 3), []  # type: ignore[misc]  # of World


class Layers(nn.Module, World):
    """Layers of a module of the user's."""

    most = 2

    def __init__(self) -> None:
        nn.Module.__init__(self)
        torch.manual_seed(0)
        self.a, self.b, self.c = torch.ones(3), torch.ones(3), torch.ones(3)
        self.net, self.other, self.known = nn.Linear(3, 3), nn.Linear(3, 3), []  # type: ignore[misc]  # of World

    def holds(self) -> list[Any]:
        return [*super().holds(), self.net.weight, self.other.weight, *self.parameters()]

    def step(self, x: Any) -> Any:
        self.net, self.other = self.other, self.net
        return self.net(x) - 2 * self.other(x)


WORLDS: list[Any] = [World, Alone, Last, Shift, Unread, Turn, Now, Items, Nets, Named, Buffers,
                     Layers]  # fmt: skip


def _another(w: Any, rng: random.Random) -> None:
    w.a = torch.full((3,), rng.random())


def _one(w: Any, rng: random.Random) -> None:
    w.b = w.a


def _longer(w: Any, rng: random.Random) -> None:
    w.a, w.b, w.c = torch.ones(1, 3), torch.zeros(1, 3), torch.zeros(1, 3)


def _half(w: Any, rng: random.Random) -> None:
    w.b = w.b.double()


def _back(w: Any, rng: random.Random) -> None:
    w.a, w.b = w.b, w.a


def _content(w: Any, rng: random.Random) -> None:
    w.b.fill_(rng.random())


def _shares(w: Any, rng: random.Random) -> None:
    w.b = w.a.view(-1)[:3] if w.a.numel() == 3 else w.a


def _wants(w: Any, rng: random.Random) -> None:
    w.c = torch.ones(3, requires_grad=True)


CHANGES: list[Callable[[Any, random.Random], None]] = [
    _another, _one, _longer, _half, _back, _content, _shares, _wants
]  # fmt: skip


def course(kind: Any, wrap: Any, seed: int, every: int) -> Any:
    """What a course of calls leaves after each; also where it fails."""
    rng, found, world = random.Random(seed), [], kind()
    generator, call = torch.Generator().manual_seed(seed), wrap(world.step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(24):
            if every and k % every == every - 1:
                rng.choice(CHANGES)(world, rng)
            x = world.a if every and rng.random() < 0.2 else torch.randn(3, generator=generator)
            try:
                given = call(x)
            except RuntimeError:
                given = None
            found.append(world.state(given, x))
    return found, call


@pytest.mark.parametrize("kind", WORLDS)
@backends
def test_places_hold_what_eager_calls_put_there(kind: Any, backend: str) -> None:
    for seed in range(7):
        every = 0 if seed == 0 else 2 + seed % 3
        wanted, _ = course(kind, lambda step: step, seed, every)
        found, call = course(kind, lambda step: torch.compile(step, backend=backend), seed, every)
        for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
            alike(one, other, f"{seed}: call {k}")
        if not seed:
            assert len(call.programs) == kind.most, call.explain()
