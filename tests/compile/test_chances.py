"""Steps that draw numbers in Python: programs draw them anew, and go the way that they say."""

from __future__ import annotations

import math
import random
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from random import randint, uniform
from typing import Any

import numpy as np
import pytest
from numpy import random as drawing

import rushlight as torch
from rushlight import nn
from rushlight.compile.tracing.pinned import MOST

sys.path.insert(0, str(Path(__file__).parent))
from worlds import alike, backends, seen

F = nn.functional
CALLS = 14
OWN, NUMPYS = random.Random(3), np.random.default_rng(3)
CASES: dict[str, tuple[int, Callable[[World], Callable[..., Any]]]] = {}


class World:
    """A net, its optimiser, and what a step keeps."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))
        self.cell = nn.GRUCell(4, 4)
        self.opt = torch.optim.SGD([*self.net.parameters(), *self.cell.parameters()], 0.1)
        self.ratio, self.sum, self.drawn, self.calls = 1.0, 0.0, [0.0], 0

    def update(self, loss: Any) -> Any:
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.detach()

    def state(self) -> Any:
        numbers = [self.ratio, self.sum, self.calls, *self.drawn]
        return [seen(self.net.state_dict()), seen(self.cell.state_dict()), np.array(numbers)]


def states() -> list[Any]:
    numpys = np.random.get_state(legacy=False)["state"]
    return [
        random.getstate(), OWN.getstate(), [*numpys["key"].tolist(), numpys["pos"]],
        str(NUMPYS.bit_generator.state), torch.get_rng_state().tolist(),
    ]  # fmt: skip


def begin() -> None:
    random.seed(0)
    OWN.seed(0)
    np.random.seed(0)
    NUMPYS.bit_generator.state = np.random.default_rng(0).bit_generator.state
    torch.manual_seed(1)


def case(programs: int) -> Any:
    def note(make: Callable[[World], Callable[..., Any]]) -> Any:
        CASES[make.__name__] = programs, make
        return make

    return note


@case(2)
def teacher_forcing(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        forced = bool(random.random() < 0.5)
        state, given, losses = w.net(x), y[:, 0], []
        for k in range(3):
            state = w.cell(given, state)
            losses.append((state - y[:, k]).square().mean())
            given = y[:, k] if forced else state.detach()
        return w.update(sum(losses))

    return step


@case(4)
def sampled_at_each_time(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        state, given, loss = w.net(x), y[:, 0], 0.0
        for k in range(2):
            state = w.cell(given, state)
            loss = loss + F.mse_loss(state, y[:, k])
            given = y[:, k] if np.random.rand() < w.ratio else state
            w.ratio *= 0.9
        return w.update(loss)

    return step


@case(1)
def mixup(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        lam = np.random.beta(0.4, 0.4)
        lam = max(lam, 0.0)
        other = torch.randperm(len(x))
        out = w.net(lam * x + (1 - lam) * x[other])
        loss = lam * F.mse_loss(out, y[:, 0]) + (1 - lam) * F.mse_loss(out, y[other, 0])
        return w.update(loss), lam

    return step


@case(2)
def draws_only_sometimes(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        if uniform(0.0, 1.0) < 0.3:
            x = x * (1 + 0.1 * random.gauss(0.0, 1.0)) + torch.randn(4, 6) * drawing.uniform(0, 0.1)
        return w.update(F.mse_loss(F.dropout(w.net(x), 0.2), y[:, 0]))

    return step


@case(3)
def chooses(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        activation = random.choice((torch.relu, torch.tanh, torch.sigmoid))
        return activation(w.net(x)).sum() * OWN.uniform(0.5, 1.5)

    return step


@case(3)
def crops(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        k = randint(0, 2)
        return w.update(F.mse_loss(w.net(x)[:2], y[k : k + 2, 0])) * NUMPYS.random()

    return step


@case(1)
def keeps_what_is_drawn(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        r = random.uniform(-1, 1)
        w.sum += r
        w.calls += 1
        w.drawn.append(math.cos(math.pi * r) + w.calls)
        loss = w.update(F.mse_loss(w.net(x), y[:, 0]) * (1 + r * r))
        return {"loss": loss.item() * r, "r": r}

    return step


@case(2)
def numbers_of_tensors(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        first, second = torch.randint(0, 2, (2,)).tolist()
        k = 1 + int(torch.randint(0, 2, (1,)).item() * 0)
        return w.net(x)[first * 0 : 2 + second * 0], x[:k] * (1 + torch.rand(1).item())

    return step


@case(2)
def looks_at_its_loss_too(w: World) -> Any:
    def step(x: Any, y: Any) -> Any:
        scale = 1.0 if random.random() < 0.5 else random.random()
        loss = F.mse_loss(F.dropout(w.net(x * scale), 0.1), y[:, 0])
        if torch.isnan(loss):
            return random.random()
        return w.update(loss)

    return step


def course(name: str, run: Callable[[Any], Any]) -> tuple[list[Any], Any]:
    w = World()
    call, found = run(CASES[name][1](w)), []
    torch.manual_seed(5)
    batches = [(torch.randn(4, 6), torch.randn(4, 3, 4)) for _ in range(CALLS)]
    begin()
    for k, (x, y) in enumerate(batches):
        if k == CALLS - 4:
            x[0] = math.nan if "loss" in name else 0.5
        found.append([seen(call(x, y)), w.state(), states()])
    return found, call


@backends
@pytest.mark.parametrize("name", CASES)
def test_calls_leave_what_eager_calls_leave(name: str, backend: str) -> None:
    wanted, _ = course(name, lambda step: step)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "compiled .*")
        found, call = course(name, lambda step: torch.compile(step, backend=backend))
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        alike(one, other, f"call {k}")
    assert 0 < len(call.programs) <= CASES[name][0] + 2


def test_numbers_among_the_arguments_take_part() -> None:
    step = torch.compile(lambda x, p: x * 2 if random.random() < p else x * random.uniform(0, p))
    for k in range(12):
        p = 1 - k / 16
        begin()
        wanted = step.function(torch.ones(3), p), states()
        begin()
        alike([seen(step(torch.ones(3), p)), states()], [seen(wanted[0]), wanted[1]], str(k))
    assert 2 <= len(step.programs) <= 4


def test_explain_says_what_is_drawn() -> None:
    step = torch.compile(lambda x: x * 2 if random.random() < 1.5 else x)
    step(torch.ones(2))
    guards = step.explain().programs[0]["guards"]
    assert "random() < 1.5 gives True" in guards


def test_numbers_that_never_come_again_are_told() -> None:
    shapes = torch.compile(lambda x: x.expand(random.randint(1, 10**3), 2))
    begin()
    with pytest.warns(UserWarning, match="which is another from call to call"):
        sizes = [len(shapes(torch.ones(2))) for _ in range(MOST + 1)]
    begin()
    assert sizes == [random.randint(1, 10**3) for _ in sizes]


def hidden(x: Any) -> Any:
    import numpy as here

    return x * here.random.rand()


class Holder:
    rng = np.random.default_rng(0)

    def step(self, x: Any) -> Any:
        return x * self.rng.random()


@pytest.mark.parametrize(
    "function",
    [
        hidden, Holder().step, lambda x: x * OWN.sample(range(9), 1)[0],
        lambda x: x * np.random.permutation(4).tolist()[0], lambda x: x * np.random.rand(1)[0],
        lambda x: x * float(f"{random.random()}"), lambda x: x if np.random.seed(0) else x * 2,
    ],
)  # fmt: skip
def test_what_a_trace_cannot_note_stays_eager(function: Any) -> None:
    step = torch.compile(function)
    begin()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [step(torch.ones(2)).tolist() for _ in range(5)]
    left = states()
    begin()
    if isinstance(getattr(function, "__self__", None), Holder):
        assert len({x for x, _ in found}) == 5
    else:
        assert found == [function(torch.ones(2)).tolist() for _ in range(5)]
        assert left == states()
    assert not step.programs


def test_errors_leave_the_streams_as_eager_calls_do() -> None:
    def step(x: Any, n: Any) -> Any:
        return x[n] * random.random()

    call, x = torch.compile(step), torch.ones(3)
    begin()
    wanted = [random.random() for _ in range(4)][3]
    begin()
    for n in (0, 1, 2):
        call(x, torch.tensor([n]))
    assert call.programs
    with pytest.raises(IndexError):
        call(x, torch.tensor([7]))
    assert random.random() == wanted


def test_threads_draw_numbers_of_their_own() -> None:
    def step(x: Any) -> Any:
        r = OWN.random()
        return x * 0 + r, r

    call, wrong = torch.compile(step), []
    call(torch.ones(2, dtype=torch.float64))

    def work() -> None:
        for _ in range(50):
            y, r = call(torch.ones(2, dtype=torch.float64))
            if y.tolist() != [r, r]:
                wrong.append((y, r))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong


def test_a_whole_graph_may_draw() -> None:
    step = torch.compile(lambda x: x * 2 if OWN.random() < 2 else x, fullgraph=True)
    assert step(torch.ones(2)).tolist() == step(torch.ones(2)).tolist() == [2.0, 2.0]
    assert len(step.programs) == 1
