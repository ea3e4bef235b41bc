"""What tensors and parameters in parts are for, and how they end when something goes wrong."""

from __future__ import annotations

import copy
import gc
import os
import signal
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed import init_device_mesh
from rushlight.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from rushlight.distributed.fsdp import (
    FullyShardedDataParallel,
    MixedPrecisionPolicy,
    ShardingStrategy,
    fully_shard,
)
from rushlight.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from rushlight.distributed.tensor.rules_views import groups

from .ranks import on_ranks

nn = rl.nn
WIDE = 1024


def layers() -> Any:
    """Eight layers of 4 MB each."""
    return nn.Sequential(*(nn.Linear(WIDE, WIDE, bias=False) for _ in range(8)))


def memory(rank: int, sharded: bool) -> list[int]:
    """Bytes held between steps, and at most while parameters are whole and gradients arrive."""
    rl.manual_seed(0)
    gc.collect()
    tracemalloc.start()  # knows of each array; what the process has also holds what it could free
    net = layers()
    if sharded:
        for layer in net:
            fully_shard(layer)
        fully_shard(net)
        gc.collect()

    tracemalloc.reset_peak()
    opt = rl.optim.Adam(net.parameters(), lr=0.001)
    for _ in range(2):
        net(rl.ones(2, WIDE, requires_grad=True)).sum().backward()
        opt.step()
    gc.collect()
    held = sum(one.nbytes for p in net.parameters() for one in parts_of(p, opt))
    now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return [held, now, most]


def parts_of(p: Any, opt: Any) -> Any:
    """The arrays that a process keeps for a parameter: itself, its gradient, Adam's two means."""
    for one in (p, p.grad, *opt.state[p].values()):
        local = one.to_local() if isinstance(one, DTensor) else one
        if local.dim():
            yield local._array


def test_a_process_keeps_its_share_of_parameters_gradients_and_state() -> None:
    whole, shared = on_ranks(memory, 2, False)[0], on_ranks(memory, 4, True)[0]
    size = 8 * WIDE * WIDE * 4
    assert whole[0] == 4 * size and shared[0] == size
    assert whole[1] > whole[0] and shared[1] < shared[0] + size / 2
    assert shared[2] < shared[0] + size / 2, (shared, whole)  # four whole layers


def killed(rank: int) -> str:
    net = fully_shard(nn.Linear(4, 4))
    net(rl.ones(1, 4)).sum().backward()
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="rank 1") as caught:
        while time.monotonic() - start < 50:
            net(rl.ones(1, 4))
            net.reshard()
    assert time.monotonic() - start < 30  # the group's limit is 60
    return type(caught.value).__name__


def test_a_killed_rank_ends_the_gathering_of_the_others() -> None:
    with pytest.raises(AssertionError, match="rank 1: ended with -9"):
        on_ranks(killed)


def raised(rank: int) -> str:
    net = fully_shard(nn.Linear(4, 4))
    if rank == 1:
        return "left"
    with pytest.raises(RuntimeError) as caught:
        net(rl.ones(1, 4))
    return type(caught.value).__name__


def test_a_rank_that_ended_early_is_named() -> None:
    assert on_ranks(raised) == ["DistPeerDied", "left"]


def other_shapes(rank: int) -> str:
    mesh = init_device_mesh("cpu", (2,))
    x = DTensor.from_local(rl.ones(2, 2 + rank), mesh, [Shard(0)])
    with pytest.raises(RuntimeError, match="rank 0 has all_gather_into_tensor") as caught:
        x.full_tensor()
    total = DTensor.from_local(rl.ones(2), mesh, [Shard(0)]).sum()  # the group goes on working
    assert total.full_tensor() == 4
    return type(caught.value).__name__


def test_parts_that_do_not_fit_are_refused_before_data_moves() -> None:
    assert on_ranks(other_shapes) == ["DistMismatch"] * 2


def like_one_process(rank: int) -> None:
    """Steps with every choice, beside the whole network on the joined batch."""
    for how in ({}, {"reshard_after_forward": False}, {"reshard_after_forward": True}):
        rl.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.0), nn.Linear(5, 2))
        whole = copy.deepcopy(net)
        fully_shard(net[0], **how)
        fully_shard(net, **how)
        opt, one = (rl.optim.Adam(m.parameters(), lr=0.1) for m in (net, whole))
        for _ in range(3):
            x = rl.randn(6, 3)
            net(x[rank::3]).square().mean().backward()
            whole(x).square().mean().backward()
            for p, q in zip(net.parameters(), whole.parameters()):
                assert rl.allclose(p.grad.full_tensor(), q.grad, atol=1e-6)
            for each in (opt, one):
                each.step()
                each.zero_grad()
        for p, q in zip(net.parameters(), whole.parameters()):
            assert rl.allclose(p.full_tensor(), q, atol=1e-5)


def test_sharded_networks_learn_what_one_process_learns() -> None:
    on_ranks(like_one_process, 3)


def written(rank: int) -> None:
    mesh = init_device_mesh("cpu", (2,))
    x = distribute_tensor(rl.zeros(4, 2), mesh, [Shard(0)])
    x[0] = 1.0
    x[:, 1] = 2.0
    assert x.full_tensor().tolist() == [[1, 2], [0, 2], [0, 2], [0, 2]]
    x.add_(distribute_tensor(rl.ones(4, 2), mesh, [Replicate()]))
    assert x.full_tensor().tolist() == [[2, 3], [1, 3], [1, 3], [1, 3]] and x.placements[0].dim == 0
    kept = rl.nn.functional.dropout(distribute_tensor(rl.ones(64, 8), mesh, [Shard(0)]), 0.5)
    assert 0.3 < (kept.full_tensor() > 0).float().mean() < 0.7
    seen = copy.deepcopy(x)
    assert isinstance(seen, DTensor) and seen.placements == x.placements
    with pytest.raises(RuntimeError, match="got mixed"):
        x @ rl.ones(2, 2)


def test_tensors_in_parts_are_written_and_drawn() -> None:
    on_ranks(written)


def half(rank: int) -> list[str]:
    policy = MixedPrecisionPolicy(rl.bfloat16, rl.float32, rl.float32)
    net = fully_shard(nn.Linear(4, 4), mp_policy=policy)
    seen: list[Any] = []
    net.register_forward_hook(lambda m, x, y: seen.append(m.weight.dtype))
    y = net(rl.ones(2, 4))
    y.sum().backward()
    return [str(kind) for kind in (*seen, y.dtype, net.weight.dtype, net.weight.grad.dtype)]


def test_parameters_are_computed_with_in_the_type_that_is_asked_for() -> None:
    kinds = ["torch.bfloat16", "torch.float32", "torch.float32", "torch.float32"]
    assert on_ranks(half) == [kinds] * 2


def kept(rank: int, folder: str, size: int) -> None:
    """Written by two processes; read by them and by three, and into whole tensors."""
    rl.manual_seed(3)
    whole = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    net = copy.deepcopy(whole)
    fully_shard(net[0])
    fully_shard(net)
    if size == 2:
        rl.distributed.checkpoint.save({"net": net.state_dict(), "step": 7}, checkpoint_id=folder)
    with rl.no_grad():
        for p in net.parameters():
            p.zero_()
    state = {"net": net.state_dict(), "step": 0}
    rl.distributed.checkpoint.load(state, checkpoint_id=folder)
    assert state["step"] == 7
    for p, q in zip(net.parameters(), whole.parameters()):
        assert rl.equal(p.full_tensor(), q)
    plain = {"net": {name: rl.zeros_like(one) for name, one in whole.state_dict().items()}}
    rl.distributed.checkpoint.load(plain, checkpoint_id=folder)
    assert all(rl.equal(plain["net"][k], one) for k, one in whole.state_dict().items())
    missing = rl.distributed.checkpoint.CheckpointException
    with pytest.raises(missing, match="Missing key in checkpoint"):
        rl.distributed.checkpoint.load({"net": {"x": rl.ones(2)}}, checkpoint_id=folder)
    full = get_model_state_dict(net, options=StateDictOptions(full_state_dict=True))
    assert all(type(one) is rl.Tensor and rl.equal(one, whole.state_dict()[k])
               for k, one in full.items())  # fmt: skip
    twice = {name: 2 * one.detach() for name, one in full.items()}
    set_model_state_dict(net, twice)
    assert rl.equal(net[1].bias.full_tensor(), 2 * whole[1].bias)


def test_states_in_parts_are_kept_and_read_by_another_number_of_processes(tmp_path: Path) -> None:
    on_ranks(kept, 2, str(tmp_path), 2)
    on_ranks(kept, 3, str(tmp_path), 3)


def wrapped(rank: int) -> None:
    """The wrapper, beside one process on the joined batch; and its state, whole."""
    for strategy in (ShardingStrategy.FULL_SHARD, ShardingStrategy.SHARD_GRAD_OP):
        rl.manual_seed(0)
        whole = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
        net = FullyShardedDataParallel(
            copy.deepcopy(whole), sharding_strategy=strategy, auto_wrap_policy={nn.Linear}
        )
        opt, one = (rl.optim.Adam(m.parameters(), lr=0.1) for m in (net, whole))
        for step in range(4):
            x = rl.randn(4, 3)
            if step % 2 == 0:
                with net.no_sync():
                    net(x[rank::2]).square().mean().backward()
            else:
                net(x[rank::2]).square().mean().backward()
            whole(x).square().mean().backward()
            if step % 2 == 0:
                continue
            a, b = net.clip_grad_norm_(0.5), nn.utils.clip_grad_norm_(whole.parameters(), 0.5)
            assert rl.allclose(a, b, atol=1e-5)
            for each in (opt, one):
                each.step()
                each.zero_grad()
        state = net.state_dict()
        assert list(state) == list(whole.state_dict())
        assert all(rl.allclose(state[k], v, atol=1e-5) for k, v in whole.state_dict().items())
        net.load_state_dict({name: 0 * one for name, one in state.items()})
        assert not any(one.any() for one in net.state_dict().values())


def test_the_wrapper_learns_what_one_process_learns() -> None:
    on_ranks(wrapped)


def test_dimensions_that_are_joined_and_split_are_told_apart() -> None:
    assert groups((4, 6), (24,)) == [([0, 1], [0])]
    assert groups((1, 4, 6), (2, 2, 1, 6)) == [([1], [0, 1]), ([2], [3])]
