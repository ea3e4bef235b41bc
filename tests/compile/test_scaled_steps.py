"""Steps with a scaled loss, and averages of weights: one program, which skips what eager skips."""

from __future__ import annotations

import math
from typing import Any

import pytest

import rushlight as torch


def training(wrap: Any, bad: tuple[int, ...] = (), size: int = 4) -> tuple[list[Any], Any]:
    torch.manual_seed(0)
    net = torch.nn.Linear(size, size)
    optimizer = torch.optim.Adam(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", growth_interval=3, init_scale=8.0)
    averages = [
        torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=function)
        for function in (None, torch.optim.swa_utils.get_ema_multi_avg_fn(0.9),
                         torch.optim.swa_utils.get_swa_multi_avg_fn())
    ]  # fmt: skip

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        for average in averages:
            average.update_parameters(net)
        return loss.detach()

    run = wrap(step)
    found: list[Any] = []
    for k in range(10):
        x = torch.linspace(-1, 1, 3 * size).reshape(3, size) * (math.nan if k in bad else k + 1)
        loss = run(x).item()
        found.append([loss, scaler.state_dict()["_growth_tracker"], scaler.get_scale()])
        weights = [*net.parameters(), *(p for one in averages for p in one.state_dict().values())]
        found.append([*(p.grad.sum().item() for p in net.parameters()),
                      *(p.double().sum().item() for p in weights)])  # fmt: skip
    return found, run


@pytest.mark.parametrize("bad", [(), (4,), (1, 5, 6), (0, 1, 2, 3)])
@pytest.mark.parametrize("size", [4, 160])  # asked before the step, and in the middle of it
def test_scaled_steps(bad: tuple[int, ...], size: int) -> None:
    found, run = training(lambda f: torch.compile(f, fullgraph=True), bad, size)
    wanted, _ = training(lambda f: f, bad, size)
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5, nan_ok=True)
    assert len(run.programs) == 1
    assert (run.programs[0].captured.late is None) == (size == 4)


def test_a_scaler_goes_on_after_it_was_loaded() -> None:
    scalers = [torch.amp.GradScaler("cpu", growth_interval=3, init_scale=8.0) for _ in range(2)]
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def good(scaler: Any) -> None:
        optimizer.zero_grad()
        scaler.scale(weight.sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    for _ in range(2):
        good(scalers[0])
    scalers[1].load_state_dict(scalers[0].state_dict())
    assert scalers[1].state_dict() == scalers[0].state_dict()
    for scaler in scalers:
        good(scaler)
        assert scaler.get_scale() == 16.0 and scaler.state_dict()["_growth_tracker"] == 0
