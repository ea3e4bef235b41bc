"""Networks cut into stages, several on each process, compute what whole ones do."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed.pipelining import (
    Pipe,
    PipelineStage,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleLoopedBFS,
    SplitPoint,
    pipe_split,
    pipeline,
)
from rushlight.distributed.pipelining.microbatch import (
    TensorChunkSpec,
    merge_chunks,
    split_args_kwargs_into_chunks,
)
from rushlight.distributed.pipelining.schedules import Schedule1F1B, get_schedule_class

from .ranks import on_ranks

nn = rl.nn


def four() -> Any:
    rl.manual_seed(0)
    return nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])


def interleaved(rank: int) -> None:
    for kind, parts in ((ScheduleInterleaved1F1B, 4), (ScheduleInterleaved1F1B, 3),
                        (ScheduleLoopedBFS, 3)):  # fmt: skip
        layers, whole = four(), nn.Sequential(*four())
        mine = [PipelineStage(layers[i], i, 4, "cpu") for i in range(rank, 4, 2)]
        schedule = kind(mine, parts, nn.functional.mse_loss)
        for _ in range(2):
            x, y = rl.randn(12, 4), rl.randn(12, 4)
            losses: list[Any] = []
            out = schedule.step(*([] if rank else [x]), target=y, losses=losses)
            loss = nn.functional.mse_loss(whole(x), y)
            loss.backward()
            assert (out is None) == (rank == 0)
            if rank:
                assert rl.allclose(out, whole(x), atol=1e-6)
                assert rl.allclose(rl.stack(losses).mean(), loss)
            for i in range(rank, 4, 2):
                assert rl.allclose(layers[i].weight.grad, whole[i].weight.grad, atol=1e-6)
                layers[i].zero_grad()
            whole.zero_grad()
        told = schedule.eval(*([] if rank else [x]))
        assert rank == 0 or rl.allclose(told, whole(x), atol=1e-6)
    traced(rank)
    with pytest.raises(ValueError, match=r"should have \[., .\]"):
        ScheduleLoopedBFS(mine[:1], 2)
    with pytest.raises(ValueError, match="multiple of the number of rounds"):
        ScheduleInterleaved1F1B(mine, 5)
    with pytest.raises(RuntimeError, match="cannot be larger than number of stages"):
        PipelineStage(layers[0], 0, 1, "cpu")


class Skipping(nn.Module):
    """A value of the first stage, a size, and a parameter of its own are used in later ones."""

    def __init__(self, marks: bool = False) -> None:
        super().__init__()
        self.layers, self.own, self.marks = four(), nn.Parameter(rl.ones(4)), marks

    def forward(self, x: Any, scale: Any = 1.0) -> Any:
        first = self.layers[0](x)
        if self.marks:
            pipe_split()
        h = self.layers[2](self.layers[1](first).tanh()) * self.own
        return self.layers[3](h + first) * scale + self.own.sum(), x.size(0)


def traced(rank: int) -> None:
    whole = Skipping()
    cut = copy.deepcopy(whole)
    spec = {"layers.1": SplitPoint.BEGINNING, "layers.2": SplitPoint.END}
    pipe = pipeline(cut, (rl.ones(2, 4),), split_spec={"layers.2": SplitPoint.BEGINNING})
    assert pipe.num_stages == 2 and pipeline(cut, (rl.ones(2, 4),), split_spec=spec).num_stages == 3
    stage = pipe.build_stage(rank, "cpu")
    names = {name for name, _ in stage.submod.named_parameters()}
    assert ("layers.1.weight" in names) == (rank == 0) and ("layers.3.bias" in names) == rank
    schedule = ScheduleGPipe(
        stage, 2, lambda out, y: nn.functional.mse_loss(out[0], y), scale_grads=True,
        output_merge_spec=(TensorChunkSpec(0), None),
    )  # fmt: skip
    x, y = rl.rand(4, 4), rl.rand(4, 4)
    schedule.step(*([] if rank else [x]), target=y)
    nn.functional.mse_loss(whole(x)[0], y).backward()
    reference = dict(whole.named_parameters())
    for name, p in stage.submod.named_parameters():
        assert rl.allclose(p.grad, reference[name].grad, atol=1e-6), name


def test_several_stages_on_each_process() -> None:
    on_ranks(interleaved)


def test_networks_are_cut_where_they_say() -> None:
    whole, x = Skipping(True), rl.rand(3, 4)
    pipe = pipeline(whole, (x,))
    assert isinstance(pipe, Pipe) and pipe.num_stages == 2
    assert rl.equal(pipe(x)[0], whole(x)[0])
    with pytest.raises(ValueError, match="Invalid stage index 2!"):
        pipe.get_stage_module(2)
    with pytest.raises(RuntimeError, match=r"does not call 'layers\.9'"):
        pipeline(whole, (x,), split_spec={"layers.9": SplitPoint.END})
    with pytest.raises(ValueError, match="Cannot specify both"):
        pipeline(whole, (x,), split_spec={"own": SplitPoint.END}, split_policy=lambda g: g)
    pipe_split()  # outside of `pipeline`: nothing


def test_batches_in_parts() -> None:
    args, kwargs = split_args_kwargs_into_chunks(
        (rl.arange(6).reshape(2, 3), 7), {"mask": [rl.arange(4)]}, 2, (TensorChunkSpec(1), None)
    )
    assert [one[0].tolist() for one in args] == [[[0, 1], [3, 4]], [[2], [5]]]
    assert args[1][1] == 7 and kwargs[1]["mask"][0].tolist() == [2, 3]
    joined = merge_chunks([one[0] for one in args], TensorChunkSpec(1))
    assert joined.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert merge_chunks([(rl.tensor(1), 2), (rl.tensor(3), 2)])[0].tolist() == [1, 3]
    assert str(TensorChunkSpec(0)) == "TensorChunkSpec(0)"


def test_schedules_by_name() -> None:
    assert get_schedule_class("interleaved1f1b") is ScheduleInterleaved1F1B
    assert get_schedule_class("1F1B") is Schedule1F1B
    with pytest.raises(ValueError, match="Unknown schedule name 'x'"):
        get_schedule_class("x")
