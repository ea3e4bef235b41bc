"""Layers and stages on several processes compute what one process computes."""

from __future__ import annotations

import copy
import socket
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed import DeviceMesh, init_device_mesh
from rushlight.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe
from rushlight.distributed.tensor import DTensor, Replicate, Shard
from rushlight.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from .ranks import on_ranks

nn = rl.nn


class Network(nn.Module):
    """Words, a hidden layer, and scores."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 4)])
        self.last = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        h = self.words(x).mean(1)
        return self.last(h + self.layers[1](self.layers[0](h).tanh()))


PLANS = {
    "a pair": {"layers.0": ColwiseParallel(), "layers.1": RowwiseParallel()},
    "whole in between": {
        "layers.0": ColwiseParallel(output_layouts=Replicate()),
        "layers.1": RowwiseParallel(input_layouts=Replicate()),
    },
    "words by rows": {
        "words": RowwiseParallel(input_layouts=Replicate()),
        "layers.?": ColwiseParallel(output_layouts=Replicate()),
    },
    "words by columns": {"words": ColwiseParallel(output_layouts=Replicate())},
    "parts of a batch": {"last": ColwiseParallel(
        input_layouts=Shard(0), output_layouts=Replicate())},
}  # fmt: skip


def split(rank: int) -> None:
    mesh = init_device_mesh("cpu", (2,))
    for name, plan in PLANS.items():
        rl.manual_seed(1)
        net = Network()
        whole = copy.deepcopy(net)
        if rank:
            for p in net.parameters():
                p.data.zero_()  # for what is split, those of rank 0 count
        assert parallelize_module(net, mesh, plan) is net
        for p, q in zip(net.parameters(), whole.parameters()):
            if not isinstance(p, DTensor):
                p.data.copy_(q)
        x = rl.randint(0, 6, (4, 3), generator=rl.Generator().manual_seed(0))
        y, z = net_output(net, x, name, rank), whole(x)
        assert rl.allclose(y, z, atol=1e-6), name
        y.square().sum().backward()
        z.square().sum().backward()
        if name != "parts of a batch":
            for p, q in zip(net.parameters(), whole.parameters()):
                grad = p.grad.full_tensor() if isinstance(p, DTensor) else p.grad
                assert rl.allclose(grad, q.grad, atol=1e-5), name
    with pytest.raises(NotImplementedError, match="only support"):
        parallelize_module(nn.ReLU(), mesh, ColwiseParallel())
    uneven = parallelize_module(nn.Linear(3, 3), mesh, ColwiseParallel())
    assert uneven.weight.to_local().shape == (2 - rank, 3)
    parts_of_odd_length(mesh)
    with pytest.warns(UserWarning, match="could not be resolved"):
        parallelize_module(nn.ReLU(), mesh, {"nowhere": ColwiseParallel()})


def parts_of_odd_length(mesh: Any) -> None:
    """Five hidden features on two processes: the second layer is given parts of three and two."""
    odd = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    whole = copy.deepcopy(odd)
    x = rl.arange(6.0).reshape(2, 3)
    parallelize_module(odd, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    for p, q in zip(odd.parameters(), whole.parameters()):
        q.data.copy_(p.full_tensor())
    odd(x).square().sum().backward()
    whole(x).square().sum().backward()
    for p, q in zip(odd.parameters(), whole.parameters()):
        assert rl.allclose(p.grad.full_tensor(), q.grad, atol=1e-5)


def net_output(net: Any, x: Any, name: str, rank: int) -> Any:
    """The scores; for one plan the last layer takes each process's part of the batch."""
    if name != "parts of a batch":
        return net(x)
    h = net.words(x).mean(1)
    h = h + net.layers[1](net.layers[0](h).tanh())
    return net.last(h[2 * rank : 2 * rank + 2])


def test_split_layers_compute_what_whole_ones_do() -> None:
    on_ranks(split)


def staged(rank: int, kind: Any, parts: int) -> None:
    rl.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    whole = copy.deepcopy(net)
    schedule = kind(PipelineStage(net[rank], rank, 3, "cpu"), parts, nn.functional.mse_loss)
    for step in range(2):
        x, y = rl.randn(6, 4), rl.randn(6, 3)
        nn.functional.mse_loss(whole(x), y).backward()
        out = schedule.step(*([x] if rank == 0 else []), target=y)
        assert (out is None) == (rank < 2)
        if rank == 2:
            assert rl.allclose(out, whole(x), atol=1e-6)
        for p, q in zip(net[rank].parameters(), whole[rank].parameters()):
            assert rl.allclose(p.grad, q.grad, atol=1e-6), step
            p.grad = None
        whole.zero_grad()
    held = []
    stage = schedule._stage
    forward = stage.forward_one
    stage.forward_one = lambda *a: (forward(*a), held.append(len(stage.kept)))[0]
    schedule.step(*([x] if rank == 0 else []), target=y)
    assert max(held) == (parts if kind is ScheduleGPipe else 3 - rank)
    with pytest.raises(RuntimeError, match="requires gradients"), rl.no_grad():
        schedule.step(x)


@pytest.mark.parametrize("kind", [ScheduleGPipe, Schedule1F1B])
def test_stages_compute_what_the_whole_network_does(kind: Any) -> None:
    on_ranks(staged, 3, kind, 6)


def refused(rank: int) -> None:
    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="Stage index 2 is out of range of 2"):
        PipelineStage(net, 2, 2, "cpu")
    with pytest.raises(RuntimeError, match="on rank"):
        PipelineStage(net, 1 - rank, 2, "cpu")
    with pytest.raises(ValueError, match=r"microbatches \(1\) must be greater than or equal"):
        Schedule1F1B(PipelineStage(net, rank, 2, "cpu"), 1)
    schedule = ScheduleGPipe(PipelineStage(net, rank, 2, "cpu"), 4, nn.functional.mse_loss)
    with pytest.raises(ValueError, match="cannot be split into 4 parts"):
        schedule.step(rl.ones(3, 2), target=rl.ones(3, 2))
    schedule.step(*([] if rank else [rl.ones(4, 2)]), target=rl.ones(4, 2))
    if rank == 0:
        with pytest.raises(RuntimeError, match="in the first step"):
            schedule.step(rl.ones(8, 2))


def test_what_a_pipeline_refuses() -> None:
    on_ranks(refused)


def grid(rank: int) -> None:
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("rows", "columns"))
    assert repr(mesh) == "DeviceMesh((rows=2, columns=2), 'cpu', stride=(2, 1))"
    assert mesh.get_coordinate() == (rank // 2, rank % 2) and mesh.size() == 4
    for name, weight in (("rows", 1), ("columns", 10)):
        total = rl.tensor(float(rank))
        rl.distributed.all_reduce(total, group=mesh[name].get_group())
        other = rank ^ (2 if name == "rows" else 1)
        assert total.item() == rank + other, weight
        assert mesh[name].get_local_rank() == mesh.get_coordinate()[name == "columns"]
    whole = mesh["rows", "columns"]._flatten("all")
    assert mesh["all"] is whole and whole.mesh.tolist() == [0, 1, 2, 3]
    assert repr(whole) == "DeviceMesh((all=4), 'cpu', stride=(1,))"
    again = DeviceMesh.from_group(mesh["columns"].get_group(), "cpu")
    assert again.mesh.tolist() == mesh["columns"].mesh.tolist()
    halves(rank)
    with pytest.raises(KeyError, match="Valid mesh_dim_names"):
        mesh["x"]
    with pytest.raises(RuntimeError, match="2 dimensions"):
        mesh.get_group()
    with pytest.raises(RuntimeError, match="Mesh should not be bigger"):
        init_device_mesh("cpu", (8,))


def halves(rank: int) -> None:
    """A group split in two, and one of the halves in two again; who is in no list gets None."""
    dist: Any = rl.distributed
    half = dist.split_group(split_ranks=[[0, 2], [1, 3]])
    total = rl.tensor(float(rank))
    dist.all_reduce(total, group=half)
    assert total.item() == (2.0, 4.0)[rank % 2]
    last = dist.split_group(half, [[1]])
    assert (last is None) == (rank < 2) and (last is None or last.size() == 1)
    with pytest.raises(ValueError, match="cannot have duplicate ranks"):
        dist.split_group(split_ranks=[[0], [0]])
    with pytest.raises(ValueError, match="within the parent group"):
        dist.split_group(half, [[2]])


def test_a_grid_has_a_group_for_every_line() -> None:
    on_ranks(grid, 4)


def test_a_mesh_makes_the_group_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert not rl.distributed.is_initialized()
    assert init_device_mesh("cpu", (1,)).get_group().size() == 1
    rl.distributed.destroy_process_group()
