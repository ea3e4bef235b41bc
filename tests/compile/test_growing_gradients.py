"""Steps that add to gradients which are there: programs read and write whatever those are."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl

CALLS = 12


class World:
    """Two parameters and what a step makes of them; `call` is the step, compiled or not."""

    def __init__(self, compiled: bool, step: str = "grown") -> None:
        rl.manual_seed(3)
        self.a = rl.randn(3, 4, requires_grad=True)
        self.b = rl.randn(4, requires_grad=True)
        self.step = getattr(self, step)
        self.call: Any = rl.compile(self.step) if compiled else self.step

    def grown(self, x: Any) -> Any:
        loss = ((x @ self.a).tanh() * self.b).sum()
        loss.backward()
        return loss

    def descended(self, x: Any) -> Any:
        with rl.no_grad():
            for p in (self.a, self.b):
                p -= 0.1 * p.grad * x.mean()
        return self.b.sum()

    def lists(self) -> list[Any]:
        found = [self.a, self.b, self.a.grad, self.b.grad]
        return [x if x is None else x.tolist() for x in found]


def given(k: int) -> Any:
    return rl.linspace(-1.0, 1.0 + k, 6).view(2, 3)


def beside(change: Any, step: str = "grown") -> World:
    """Make calls with `change(world, k, x)` before each, eagerly and compiled: the second world."""
    worlds = World(False, step), World(True, step)
    for k in range(CALLS):
        found = []
        for world in worlds:
            x = given(k)
            change(world, k, x)
            found.append((world.call(x).tolist(), x.tolist(), world.lists()))
        assert rl.allclose(rl.tensor(found[0][0]), rl.tensor(found[1][0]))
        for one, other in zip(found[0][1:], found[1][1:]):
            assert str(one) == str(other) or alike(one, other)
    return worlds[1]


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other or (one is not None and abs(one - other) < 1e-4 * (1 + abs(one)))


def emptied(world: World, k: int, x: Any) -> None:
    if k % 4 == 0:
        world.a.grad = world.b.grad = None


def test_one_program_adds_and_one_begins():
    world = beside(emptied)
    assert len(world.call.programs) == 2 and not world.call.reasons
    if world.call.backend == "llvm":
        assert all(one.fast is not None for one in world.call.programs)
        assert sum(one.runs for one in world.call.programs) <= 4  # the rest went the short way


def replaced(world: World, k: int, x: Any) -> None:
    if k % 3 == 0:
        world.a.grad, world.b.grad = rl.full((3, 4), float(k)), rl.ones(4)


def the_argument(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k == 7:
        world.b.grad = x.view(-1)[1:5]


def each_other(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k == 7:
        world.b.grad = world.a.grad[1]


def the_parameter(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k == 7:
        world.b.grad = world.b.detach()


def in_columns(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k in (7, 8):
        world.a.grad = rl.ones(4, 3).t()


def half_missing(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k in (4, 5, 8):
        world.a.grad = None


def written(world: World, k: int, x: Any) -> None:
    replaced(world, k, x)
    if k % 2:
        world.a.grad.mul_(0.5)


CHANGES = replaced, the_argument, each_other, the_parameter, in_columns, half_missing, written


@pytest.mark.filterwarnings("ignore:compiled:UserWarning")  # where memory is shared
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_gradients_that_were_put_there(change):
    beside(change)


@pytest.mark.filterwarnings("ignore:compiled:UserWarning")
@pytest.mark.parametrize("change", [replaced, the_argument, each_other, the_parameter, in_columns],
                         ids=lambda change: change.__name__)  # fmt: skip
def test_gradients_that_are_only_read(change):
    beside(change, "descended")


def test_who_keeps_a_gradient_sees_it_grow_and_what_needs_the_old_one_says_so():
    for compiled in (False, True):
        world = World(compiled)
        for k in range(4):
            world.call(given(k))
        kept, version = world.a.grad, world.a.grad._version
        w = rl.ones(3, 4, requires_grad=True)
        needs = (w * kept).sum()
        before = kept.clone()
        world.call(given(5))
        assert world.a.grad is kept and not rl.equal(kept, before) and kept._version > version
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            needs.backward()
