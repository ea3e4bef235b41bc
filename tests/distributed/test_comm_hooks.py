"""Hooks of DistributedDataParallel: compressed gradients, local steps, averages of weights."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed.algorithms.ddp_comm_hooks import (
    DDPCommHookType,
    powerSGD_hook,
    register_ddp_comm_hook,
)
from rushlight.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import (
    PostLocalSGDState,
    post_localSGD_hook,
)
from rushlight.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
from rushlight.distributed.optim import PostLocalSGDOptimizer

from .ranks import on_ranks

nn = rl.nn
Power = powerSGD_hook.PowerSGDState
# As torch 2.13 comes to them on two processes: losses of six steps of either, for both the sum of
# the weights' sizes and that of the last gradient's squares.
TORCHS_POWER = (
    [0.0118, 0.0154, 0.0118, 0.0112, 0.0065, 0.0151],
    [0.0147, 0.0150, 0.0125, 0.0131, 0.0113, 0.0074],
)
TORCHS_SIZES = [47.9903, 0.0018]


def learnt(rank: int, register: Any, around: Any = None) -> list[float]:
    rl.manual_seed(0)
    net: Any = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 6))
    model = nn.parallel.DistributedDataParallel(net)
    register(model)
    opt: Any = rl.optim.SGD(model.parameters(), 0.1)
    opt = around(opt) if around else opt
    generator, found = rl.Generator().manual_seed(rank + 1), []
    for _ in range(6):
        opt.zero_grad()
        loss = model(rl.rand(4, 10, generator=generator)).square().mean()
        loss.backward()
        opt.step()
        found.append(loss.item())
    sizes = sum(p.abs().sum().item() for p in model.parameters())
    return [*found, sizes, net[0].weight.grad.square().sum().item()]


def power(rank: int, **options: Any) -> tuple[list[float], Any]:
    state = Power(None, start_powerSGD_iter=2, **options)
    found = learnt(rank, lambda m: m.register_comm_hook(state, powerSGD_hook.powerSGD_hook))
    return found, state


def several(rank: int) -> dict[str, list[float]]:
    plain = learnt(rank, lambda m: None)
    found, state = power(rank, min_compression_rate=1)
    rate, before, after = state.compression_stats()
    assert (before, after) == (4 * 346, 4 * (30 + 20 + 26 + 6)) and rate == before / after
    exact, _ = power(rank, matrix_approximation_rank=20, min_compression_rate=0.1)
    assert exact == pytest.approx(plain, rel=1e-3)  # as wide as the matrices: nothing is lost
    again = pickle.loads(pickle.dumps(state))
    assert again.iter == 6 and again.process_group is rl.distributed.group.WORLD
    wide = Power(None, 2, start_powerSGD_iter=2)
    joined = learnt(rank, lambda m: m.register_comm_hook(wide, powerSGD_hook.batched_powerSGD_hook))
    assert joined[:2] == plain[:2] and joined != plain
    half = learnt(rank, lambda m: register_ddp_comm_hook(DDPCommHookType.BF16_COMPRESS, m))
    assert half == pytest.approx(plain, rel=0.05) and half != plain
    alone = learnt(rank, lambda m: register_ddp_comm_hook(DDPCommHookType.NOOP, m))
    local = PostLocalSGDState(None, None, 2, post_local_gradient_allreduce=False)
    averaged = learnt(
        rank, lambda m: m.register_comm_hook(local, post_localSGD_hook),
        lambda opt: PostLocalSGDOptimizer(opt, PeriodicModelAverager(3, warmup_steps=2)),
    )  # fmt: skip
    return {"power": found, "alone": alone, "averaged": averaged, "plain": plain}


def test_hooks_come_to_what_torchs_come_to() -> None:
    first, second = on_ranks(several)
    for one, losses in zip((first, second), TORCHS_POWER):
        assert one["power"] == pytest.approx([*losses, *TORCHS_SIZES], abs=6e-5)
    assert first["alone"][6] != second["alone"][6]
    assert first["averaged"][6] == second["averaged"][6] != first["plain"][6]
    assert first["averaged"][7] != second["averaged"][7]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="Expect `start_powerSGD_iter` > 1"):
        Power(None, start_powerSGD_iter=1)
    rl.distributed.init_process_group(
        "gloo", store=rl.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        with pytest.raises(ValueError, match="must be a positive value"):
            PeriodicModelAverager(0)
        with pytest.raises(ValueError, match="non-negative"):
            PeriodicModelAverager(2, -1)
        opt = PostLocalSGDOptimizer(
            rl.optim.SGD([nn.Parameter(rl.ones(1))], 0.1), PeriodicModelAverager(2)
        )
        state = opt.state_dict()
        assert state["step"] == 0
        opt.load_state_dict({**state, "step": 4})
        assert opt.averager.step == 4
        del state["step"]
        with pytest.warns(UserWarning, match="does not contain a step counter"):
            opt.load_state_dict(state)
    finally:
        rl.distributed.destroy_process_group()
