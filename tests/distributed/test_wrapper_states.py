"""FullyShardedDataParallel: whole for a while, states of optimisers, copies; recomputed layers."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed import init_device_mesh
from rushlight.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    CheckpointImpl,
    CheckpointWrapper,
    apply_activation_checkpointing,
    checkpoint_wrapper,
    offload_wrapper,
)
from rushlight.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    OptimStateKeyType,
    ShardingStrategy,
    StateDictType,
    wrap,
)
from rushlight.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

from .ranks import on_ranks

nn = rl.nn
FSDP = FullyShardedDataParallel


def pieces(seed: int = 0) -> Any:
    rl.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def step(net: Any, opt: Any, rows: Any) -> float:
    opt.zero_grad()
    loss = net(rows).square().sum()
    loss.backward()
    opt.step()
    return loss.item()


def everything(rank: int) -> None:
    summoning(rank)
    optimiser_states(rank)
    copies(rank)
    manual(rank)
    scaling(rank)


def summoning(rank: int) -> None:
    whole = pieces()
    net = FSDP(copy.deepcopy(whole), auto_wrap_policy={nn.Linear})
    names = [name for name, _ in whole.named_parameters()]
    net(rl.ones(2, 3)).sum().backward()
    with FSDP.summon_full_params(net, with_grads=True), rl.no_grad():
        assert [name for name, _ in net.named_parameters()] == names
        for p, q in zip(net.parameters(), whole.parameters()):
            assert rl.equal(p, q) and p.grad.shape == q.shape
            p.mul_(2)
            p.grad.fill_(3)
    assert next(name for name, _ in net.named_parameters()) == "_fsdp_wrapped_module.0.weight"
    with FSDP.summon_full_params(net, writeback=False), rl.no_grad():
        for p, q in zip(net.parameters(), whole.parameters()):
            assert rl.equal(p, 2 * q)
            p.zero_()
    for p, q in zip(net.parameters(), whole.parameters()):
        assert rl.equal(p.full_tensor(), 2 * q) and (p.grad.full_tensor() == 3).all()
    block = FSDP.summon_full_params(net, rank0_only=True)
    with pytest.raises(NotImplementedError, match="writeback=True and rank0_only=True"):
        block.__enter__()


def optimiser_states(rank: int) -> None:
    net, rows = FSDP(pieces(), auto_wrap_policy={nn.Linear}), rl.rand(2, 3) + rank
    opt = rl.optim.Adam(net.parameters(), lr=0.1)
    step(net, opt, rows)
    alone = FSDP.full_optim_state_dict(net, opt)
    assert sorted(alone.get("state", {})) == (
        [] if rank else ["0.bias", "0.weight", "2.bias", "2.weight"])  # fmt: skip
    kinds = StateDictType.FULL_STATE_DICT, FullStateDictConfig(), FullOptimStateDictConfig(True)
    parts = FSDP.sharded_optim_state_dict(net, opt)["state"]["0.weight"]["exp_avg"]
    assert parts.to_local().shape[0] == 3 - rank
    with FSDP.state_dict_type(net, *kinds):
        state, states = net.state_dict(), FSDP.optim_state_dict(net, opt)
        first, second = FSDP(pieces(1), auto_wrap_policy={nn.Linear}), pieces(2)
        other = rl.optim.Adam(first.parameters(), lr=0.7)
        first.load_state_dict(state)
        FSDP.optim_state_dict_to_load(first, other, states, load_directly=True)
    assert other.param_groups[0]["lr"] == 0.1
    FSDP.set_state_dict_type(first, *kinds)
    scattered = FSDP.scatter_full_optim_state_dict(alone or None, first, optim=other)
    assert sorted(scattered["state"]) == [0, 1, 2, 3]
    if not rank:
        plain = FSDP.rekey_optim_state_dict(alone, OptimStateKeyType.PARAM_ID, second)
        assert sorted(plain["state"]) == [0, 1, 2, 3]
        again = FSDP.rekey_optim_state_dict(plain, OptimStateKeyType.PARAM_NAME, second)
        assert sorted(again["state"]) == sorted(alone["state"])
        rl.optim.Adam(second.parameters()).load_state_dict(plain)
    assert step(net, opt, rows) == step(first, other, rows)


def copies(rank: int) -> None:
    """Copies on all processes, parts on all, and both on a grid, learn the same."""
    found = []
    for strategy, mesh in (
        (ShardingStrategy.NO_SHARD, None), (ShardingStrategy.FULL_SHARD, None),
        (ShardingStrategy.HYBRID_SHARD, init_device_mesh("cpu", (2, 1))),
        (ShardingStrategy._HYBRID_SHARD_ZERO2, init_device_mesh("cpu", (1, 2))),
    ):  # fmt: skip
        net = FSDP(pieces(), sharding_strategy=strategy, device_mesh=mesh)
        opt = rl.optim.SGD(net.parameters(), 0.1)
        found.append([step(net, opt, rl.ones(1, 3) * (rank + 1)) for _ in range(3)])
    assert all(one == pytest.approx(found[0], rel=1e-5) for one in found)
    with pytest.raises(ValueError, match="requires explicit specification of process group"):
        FSDP(pieces(), sharding_strategy=ShardingStrategy.HYBRID_SHARD)


def manual(rank: int) -> None:
    """`wrap` inside a network, and layers that are computed again."""
    reference = pieces()
    with wrap.enable_wrap(wrapper_cls=FSDP):
        parts = pieces()
        net: Any = nn.Sequential(wrap.wrap(parts[0]), parts[1], wrap.wrap(parts[2]))
    net = FSDP(net)
    fn = functools.partial(checkpoint_wrapper, checkpoint_impl=CheckpointImpl.NO_REENTRANT)
    apply_activation_checkpointing(net, fn, check_fn=lambda one: isinstance(one, nn.Tanh))
    opt, one = rl.optim.SGD(net.parameters(), 0.1), rl.optim.SGD(reference.parameters(), 0.1)
    for _ in range(2):
        assert step(net, opt, rl.ones(2, 3)) == pytest.approx(step(reference, one, rl.ones(2, 3)))
    state = net.state_dict()
    assert list(state) == list(reference.state_dict())
    net.load_state_dict({name: value * 0 for name, value in state.items()})
    assert not any(p.full_tensor().any() for p in net.parameters())


def scaling(rank: int) -> None:
    """One rank's gradient is not finite: no rank steps."""
    net = FSDP(pieces())
    opt, scaler = rl.optim.SGD(net.parameters(), 0.1), ShardedGradScaler("cpu", 4.0)
    before = [p.full_tensor() for p in net.parameters()]
    scaler.scale(net(rl.full((1, 3), float("inf") if rank else 1.0)).sum()).backward()
    if not rank:
        for p in net.parameters():
            p.grad = rl.ones_like(p)
    else:
        for p in net.parameters():
            p.grad = rl.ones_like(p) / 0
    scaler.step(opt)
    scaler.update()
    assert scaler.get_scale() == 2.0
    assert all(rl.equal(p.full_tensor(), q) for p, q in zip(net.parameters(), before))


def test_the_wrapper_on_two_processes() -> None:
    on_ranks(everything)


@pytest.mark.parametrize("impl", CheckpointImpl)
def test_layers_that_are_computed_again(impl: CheckpointImpl) -> None:
    whole, calls = pieces(), []
    net = copy.deepcopy(whole)
    net[0].register_forward_hook(lambda *_: calls.append(1))
    apply_activation_checkpointing(
        net, functools.partial(checkpoint_wrapper, checkpoint_impl=impl),
        check_fn=lambda module: isinstance(module, nn.Linear),
    )  # fmt: skip
    assert isinstance(net[0], CheckpointWrapper) and net[0].in_features == 3
    assert list(net.state_dict()) == list(whole.state_dict())
    assert [n for n, _ in net[0].named_parameters()] == ["weight", "bias"]
    net.load_state_dict(whole.state_dict())
    x = rl.rand(4, 3, requires_grad=True)
    net(x).square().sum().backward()
    whole(x).square().sum().backward()
    for p, q in zip(net.parameters(), whole.parameters()):
        assert rl.equal(p.grad, q.grad)
    assert len(calls) == 2
    named = checkpoint_wrapper(nn.Bilinear(2, 2, 1), impl)
    named(rl.ones(1, 2, requires_grad=True), input2=rl.ones(1, 2)).sum().backward()
    assert named.weight.grad is not None
    assert offload_wrapper(whole)(x).shape == (4, 2)
    byclass = pieces()
    apply_activation_checkpointing(
        byclass, auto_wrap_policy=wrap.ModuleWrapPolicy({nn.Tanh}), check_fn=lambda m: False
    )
    assert isinstance(byclass[1], CheckpointWrapper)
