"""Schedules that step inside a compiled call: the rates and the losses are the eager ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch

S = torch.optim.lr_scheduler
SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: S.StepLR(o, 2, 0.5),
    "MultiStepLR": lambda o: S.MultiStepLR(o, [2, 5], 0.1),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 6),
    "warm restarts": lambda o: S.CosineAnnealingWarmRestarts(o, 3),
    "LambdaLR": lambda o: S.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "OneCycleLR": lambda o: S.OneCycleLR(o, 0.1, total_steps=20, cycle_momentum=False),
    "chained": lambda o: S.ChainedScheduler([S.LinearLR(o), S.ExponentialLR(o, 0.9)]),
    "sequential": lambda o: S.SequentialLR(
        o, [S.LinearLR(o, total_iters=3), S.ExponentialLR(o, 0.9)], [3]),
}  # fmt: skip


def course(schedule: Any, body: Callable[..., Any], compiled: bool) -> tuple[list[Any], Any]:
    """(loss, rate) of ten calls, and the compiled function."""
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    plan = schedule(optimizer)
    x, y = torch.randn(4, 3), torch.randn(4, 2)

    def train() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        return loss

    step = body(train, optimizer, plan)
    run = torch.compile(step) if compiled else step
    found = []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(10):
            loss = run()
            epoch = getattr(plan, "last_epoch", None)
            found.append((loss.item(), optimizer.param_groups[0]["lr"], epoch))
    return found, (run, [str(one.message) for one in said])


def at_the_end(train: Any, optimizer: Any, plan: Any) -> Any:
    def step() -> Any:
        loss = train()
        optimizer.step()
        plan.step()
        return loss

    return step


@pytest.mark.parametrize("name", SCHEDULES)
def test_one_program_for_all_rates(name: str) -> None:
    wanted, _ = course(SCHEDULES[name], at_the_end, False)
    found, (run, said) = course(SCHEDULES[name], at_the_end, True)
    for (loss, rate, epoch), (other, value, count) in zip(found, wanted, strict=True):
        assert loss == pytest.approx(other, rel=1e-5)
        assert (rate, epoch) == (value, count)
    assert len(run.programs) == 1
    assert not [text for text in said if "runs eagerly" in text]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda params: torch.optim.RMSprop(params, lr=0.01, momentum=0.9),
    "Adam": lambda params: torch.optim.Adam(params, lr=0.1),
    "AdamW": lambda params: torch.optim.AdamW(params, lr=0.1, amsgrad=True),
    "NAdam": lambda params: torch.optim.NAdam(params, lr=0.1),
    "RAdam": lambda params: torch.optim.RAdam(params, lr=0.1),
    "Adamax": lambda params: torch.optim.Adamax(params, lr=0.1),
}


def trained(name: str, inside: bool, compiled: bool) -> tuple[list[float], Any]:
    """Losses of twelve steps, with the schedule's step inside them or behind, and what did them."""
    torch.manual_seed(0)
    net, x, y = torch.nn.Linear(3, 2), torch.randn(4, 3), torch.randn(4, 2)
    optimizer = OPTIMIZERS[name](net.parameters())
    plan = S.OneCycleLR(optimizer, 0.1, total_steps=40)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        if inside:
            plan.step()
        return loss

    run = torch.compile(step) if compiled else step
    losses = []
    for _ in range(12):
        losses.append(run().item())
        if not inside:
            plan.step()
    return losses, run


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_momentum_that_moves_is_an_input(name: str, inside: bool) -> None:
    wanted, _ = trained(name, inside, compiled=False)
    found, run = trained(name, inside, compiled=True)
    assert len(run.programs) <= (2 if name == "RAdam" else 1)  # whose rule changes with its steps
    assert found == pytest.approx(wanted, rel=1e-4)


def before_the_optimizer(train: Any, optimizer: Any, plan: Any) -> Any:
    def step() -> Any:
        loss = train()
        plan.step()
        optimizer.step()
        return loss

    return step


def looking(train: Any, optimizer: Any, plan: Any) -> Any:
    def step() -> Any:
        loss = train()
        optimizer.step()
        plan.step()
        return loss * plan.get_last_lr()[0]

    return step


@pytest.mark.parametrize("body", [before_the_optimizer, looking])
def test_who_looks_gets_the_new_rate(body: Any) -> None:
    """Where the schedule's step matters within the call, calls that change the rate are eager."""
    wanted, _ = course(SCHEDULES["StepLR"], body, False)
    found, (run, said) = course(SCHEDULES["StepLR"], body, True)
    assert [rest for _, *rest in found] == [rest for _, *rest in wanted]
    assert [loss for loss, *_ in found] == pytest.approx([loss for loss, *_ in wanted], rel=1e-6)
    if body is looking:
        assert len(run.programs) <= 2 and run.reasons
    else:
        assert not run.programs and any("runs eagerly" in text for text in said)


def test_a_call_that_fails_has_stepped() -> None:
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    plan = S.StepLR(optimizer, 1, 0.5)
    optimizer.step()

    @torch.compile
    def step() -> Any:
        loss = net(torch.ones(1, 2)).sum()
        plan.step()
        raise KeyError(str(loss.shape))

    with pytest.raises(KeyError):
        step()
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_state_is_seen_though_a_schedule_stands_around_the_step(kind: str) -> None:
    def run(wrap: Any) -> Any:
        torch.manual_seed(0)
        net = torch.nn.Linear(2, 3)
        options = {"momentum": 0.9} if kind == "SGD" else {}
        opt = getattr(torch.optim, kind)(net.parameters(), lr=0.1, **options)
        torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)  # replaces opt.step by a function

        def step(x: Any) -> Any:
            net.zero_grad()  # nothing else of the optimiser is named
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            return loss

        call, x = wrap(step), torch.linspace(-1, 1, 8).view(4, 2)
        losses = [call(x).item() for _ in range(4)]
        return losses, [s.get("step", torch.ones(1)).item() for s in opt.state.values()]

    found, wanted = run(lambda step: torch.compile(step, backend="numpy")), run(lambda step: step)
    assert found[0] == pytest.approx(wanted[0], rel=1e-5) and found[1] == wanted[1]
