"""Calls that leave an optimiser alone (gradients add up, its schedule moves on) are one program.

RUSHLIGHT_CALLS_BETWEEN=90 runs as many calls of each course that the user changes on its way.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import BACKENDS, alike, seen

S, nn = torch.optim.lr_scheduler, torch.nn
SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "one cycle": lambda opt: S.OneCycleLR(opt, 0.1, total_steps=500),
    "cosine": lambda opt: S.CosineAnnealingLR(opt, 20),
    "warm": lambda opt: S.SequentialLR(
        opt, [S.LinearLR(opt, 0.1, total_iters=3), S.ExponentialLR(opt, 0.9)], milestones=[3]
    ),
    "steps": lambda opt: S.StepLR(opt, 2),
}
CASES = [*((name, "numpy") for name in SCHEDULES), *(("one cycle", x) for x in BACKENDS[1:])]
Change = Callable[[Any, Any, random.Random], None]


def _rate(world: Any, group: Any, rng: random.Random) -> None:
    group["lr"] = rng.choice([0.01, 0.02, 0.05])


def _betas(world: Any, group: Any, rng: random.Random) -> None:
    group["betas"] = (rng.choice([0.5, 0.9]), rng.choice([0.6, 0.999]))


def _decay(world: Any, group: Any, rng: random.Random) -> None:
    group["weight_decay"] = rng.choice([0.0, 0.1])


def _ahead(world: Any, group: Any, rng: random.Random) -> None:
    world.schedule.step()


def _count(world: Any, group: Any, rng: random.Random) -> None:
    world.micro += 1


CHANGES: list[Change] = [_rate, _betas, _decay, _ahead, _count]


class World:
    """A net whose gradients add up over some calls."""

    told = False

    def __init__(self, schedule: str) -> None:
        torch.manual_seed(0)
        self.net = nn.Linear(3, 2)
        self.opt = torch.optim.Adam(self.net.parameters(), lr=0.02)
        self.schedule = SCHEDULES[schedule](self.opt)
        self.micro, self.log = 0, []  # type: ignore[var-annotated]  # of numbers

    def step(self, x: Any) -> Any:
        loss = self.net(x).pow(2).mean() / 3
        loss.backward()
        self.micro += 1
        if self.micro % 3 == 0:
            self.opt.step()
            self.schedule.step()
            self.opt.zero_grad()
        return loss.item()

    def state(self) -> Any:
        return seen([self.opt.state_dict(), self.schedule.state_dict(), self.micro, self.log,
                     list(self.net.parameters())])  # fmt: skip


class Reading(World):
    """The same, which tells of the rate in the branch that sets it."""

    def step(self, x: Any) -> Any:
        loss = self.net(x).pow(2).mean() / 3
        loss.backward()
        self.micro += 1
        if self.micro % 3 == 0:
            self.opt.step()
            self.schedule.step()
            self.opt.zero_grad()
            self.log.append(self.opt.param_groups[0]["lr"])
        return loss.item()


CHANGED = int(os.environ.get("RUSHLIGHT_CALLS_BETWEEN", "24"))


def course(kind: type[World], schedule: str, seed: int, wrap: Any, changes: int) -> Any:
    """What a course of calls leaves after each, with changes by the user in between."""
    rng, found, world = random.Random(seed), [], kind(schedule)
    call, counts = wrap(world.step), []
    generator = torch.Generator().manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(CHANGED if changes else 45):
            if changes and k % changes == changes - 1:
                rng.choice(CHANGES)(world, world.opt.param_groups[0], rng)
            given = call(torch.randn(4, 3, generator=generator))
            found.append([given, world.state()])
            counts.append(len(getattr(call, "programs", ())))
    return found, counts


@pytest.mark.parametrize("kind", [World, Reading])
@pytest.mark.parametrize(("schedule", "backend"), CASES)
def test_what_calls_leave_is_what_eager_calls_leave(
    schedule: str, kind: type[World], backend: str
) -> None:
    for seed, changes in ((0, 0), (1, 4)):
        wanted, _ = course(kind, schedule, seed, lambda step: step, changes)
        found, counts = course(
            kind, schedule, seed, lambda step: torch.compile(step, backend=backend), changes
        )
        for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
            alike(one, other, f"{seed}: call {k}")
        if not changes:  # none for a rate: the last fifteen calls made none
            assert 2 <= counts[-1] == counts[30] < 8


def _opt(**group: Any) -> Any:
    return torch.optim.SGD([torch.ones(2, requires_grad=True)], lr=0.5, **group)


def test_a_group_that_the_code_reads_itself_is_guarded() -> None:
    opt = _opt()
    group = opt.param_groups[0]

    def scaled(x: Any, lr: Any = None, **_: Any) -> Any:
        return x * lr

    call = torch.compile(lambda x: scaled(x, **group))
    for k in (0.5, 0.5, 0.25, 0.25, 0.125, 0.5):
        group["lr"] = k
        assert call(torch.ones(2)).tolist() == [k, k]


def test_an_optimiser_that_is_shown_is_guarded() -> None:
    opt = _opt()
    call = torch.compile(lambda x: x * float(str(opt).split("lr: ")[1].split()[0]))
    for k in (0.5, 0.5, 0.25, 0.25, 0.125, 0.5):
        opt.param_groups[0]["lr"] = k
        assert call(torch.ones(2)).tolist() == [k, k]


def test_the_second_of_two_betas_counts_where_schedules_move_the_first() -> None:
    def course(wrap: Any) -> Any:
        torch.manual_seed(0)
        net, found = nn.Linear(3, 2).double(), []
        opt = torch.optim.Adam(net.parameters(), lr=0.02)
        schedule = S.OneCycleLR(opt, 0.1, total_steps=40)

        @wrap
        def step(x: Any) -> Any:
            opt.zero_grad()
            loss = net(x).pow(2).mean()
            loss.backward()
            opt.step()
            schedule.step()
            return loss

        for k in range(14):
            if k == 7:
                opt.param_groups[0]["betas"] = (0.9, 0.5)
            step(torch.randn(2, 3).double())
            found.append(seen([net.weight, net.bias]))
        return found

    alike(course(torch.compile), course(lambda step: step))
