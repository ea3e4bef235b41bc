"""In which order the stages of a process work on the parts of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from .microbatch import merge_chunks, split_args_kwargs_into_chunks
from .stage import PipelineStage

__all__ = [
    "PipelineScheduleMulti", "PipelineScheduleSingle", "Schedule1F1B", "ScheduleGPipe",
    "ScheduleInterleaved1F1B", "ScheduleLoopedBFS", "get_schedule_class",
]  # fmt: skip
Order = Iterator[tuple[str, int, int]]


class _Schedule(ABC):
    """What runs the stages of this process: splits the batch, and joins what comes out."""

    def __init__(
        self, stages: list[PipelineStage], n_microbatches: int, loss_fn: Any, specs: Any,
        output_merge_spec: Any, scale_grads: bool,
    ) -> None:  # fmt: skip
        self._stages = {stage.stage_index: stage for stage in stages}
        self._n_microbatches, self._loss_fn = n_microbatches, loss_fn
        self._specs, self._merge = specs, output_merge_spec
        self.scale_grads = scale_grads
        mail: dict[int, Any] = {}
        for stage in stages:
            stage.mail = mail

    @abstractmethod
    def order(self) -> Order:
        """("forward" or "backward", stage, part) one after the other, as this process does them."""

    def step(
        self, *args: Any, target: Any = None, losses: list[Any] | None = None,
        return_outputs: bool = True, loss_kwargs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """One batch forward and, with a `loss_fn`, backward, through all stages; all must call it.

        The first stage gives the inputs, the last one `target`, and `losses`, a list that is
        filled with the loss of each part. Returns the output on the last stage, else None.
        """
        if self._loss_fn is not None and not rl.is_grad_enabled():
            raise RuntimeError(
                "step() requires gradients to be enabled for backward computation; it should not be"
                " used under torch.no_grad() context. Please call eval() instead."
            )
        return _Run(self, args, kwargs, target, loss_kwargs, self._loss_fn is not None).result(
            losses, return_outputs
        )

    @rl.no_grad()
    def eval(
        self, *args: Any, target: Any = None, losses: list[Any] | None = None,
        return_outputs: bool = True, loss_kwargs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """One batch forward only, as `step`."""
        return _Run(self, args, kwargs, target, loss_kwargs, False).result(losses, return_outputs)

    def _scale(self) -> None:
        every = {p: None for one in self._stages.values() for p in one.submod.parameters()}
        for parameter in every:
            if parameter.grad is not None:
                parameter.grad.div_(self._n_microbatches)


class _Run:
    """One batch on its way."""

    def __init__(
        self, schedule: _Schedule, args: Any, kwargs: Any, target: Any, loss_kwargs: Any,
        trains: bool,
    ) -> None:  # fmt: skip
        self.schedule, self.trains, self.loss_kwargs = schedule, trains, loss_kwargs or {}
        count = schedule._n_microbatches
        self.args, self.kwargs = split_args_kwargs_into_chunks(
            args, kwargs, count, *schedule._specs
        )
        self.targets = [None] * count
        if target is not None:
            self.targets = [
                one[0] for one in split_args_kwargs_into_chunks((target,), {}, count)[0]
            ]
        self.found: list[Any] = [None] * count
        self.losses: list[Any] = [None] * count

    def result(self, losses: list[Any] | None, outputs: bool) -> Any:
        """Do all of it; the output, where the last stage is."""
        schedule = self.schedule
        for stage in schedule._stages.values():
            stage.clear()
        for kind, index, part in schedule.order():
            stage = schedule._stages[index]
            if kind == "forward":
                self._forward(stage, part)
            elif self.trains:
                stage.backward_one(part, self.losses[part])
        for stage in schedule._stages.values():
            stage.settle()
        if self.trains and schedule.scale_grads:
            schedule._scale()
        if not any(stage.is_last for stage in schedule._stages.values()):
            return None
        if losses is not None and schedule._loss_fn is not None:
            losses[:] = self.losses
        return merge_chunks(self.found, schedule._merge) if outputs else None

    def _forward(self, stage: PipelineStage, part: int) -> None:
        y = stage.forward_one(part, self.args[part], self.kwargs[part], self.trains)
        if not stage.is_last:
            return
        self.found[part] = y
        if self.schedule._loss_fn is not None and self.targets[part] is not None:
            self.losses[part] = self.schedule._loss_fn(y, self.targets[part], **self.loss_kwargs)


class PipelineScheduleSingle(_Schedule):
    """A schedule of one stage on each process.

    Arguments: `stage`; `n_microbatches`, the parts that a batch is split into along its first
    dimension; `loss_fn(output, target)`, without which there is no backward pass;
    `args_chunk_spec`, `kwargs_chunk_spec`: a `TensorChunkSpec` for each input, where they are split
    along another dimension; `output_merge_spec`: the same for outputs; `scale_grads`: divide the
    gradients, sums over the parts, by their number, so that a loss that is a mean gives the
    gradients of the whole batch. Raises ValueError for fewer parts than stages.

    >>> from rushlight.distributed.pipelining import ScheduleGPipe
    >>> from rushlight.distributed.pipelining.schedules import PipelineScheduleSingle
    >>> issubclass(ScheduleGPipe, PipelineScheduleSingle)
    True
    """

    def __init__(
        self, stage: PipelineStage, n_microbatches: int, loss_fn: Callable[..., Any] | None = None,
        args_chunk_spec: Any = None, kwargs_chunk_spec: Any = None, output_merge_spec: Any = None,
        scale_grads: bool = True,
    ) -> None:  # fmt: skip
        self._check(n_microbatches, stage.num_stages)
        self._stage = stage
        specs = (args_chunk_spec, kwargs_chunk_spec)
        super().__init__([stage], n_microbatches, loss_fn, specs, output_merge_spec, scale_grads)

    @staticmethod
    def _check(parts: int, stages: int) -> None:
        if parts < 1:
            raise ValueError(f"n_microbatches must be at least 1, but got {parts}")


class ScheduleGPipe(PipelineScheduleSingle):
    """All parts forward, then all parts backward.

    Source: Huang et al. 2018, https://arxiv.org/abs/1811.06965

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.pipelining import PipelineStage, ScheduleGPipe
    >>> stage = PipelineStage(torch.nn.Linear(2, 3), 0, 1, "cpu")
    >>> schedule = ScheduleGPipe(stage, n_microbatches=2)
    >>> schedule.step(torch.zeros(4, 2)).shape
    torch.Size([4, 3])
    >>> dist.destroy_process_group()
    """

    def order(self) -> Order:
        """All forward, all backward."""
        for kind in ("forward", "backward"):
            for part in range(self._n_microbatches):
                yield kind, self._stage.stage_index, part


class Schedule1F1B(PipelineScheduleSingle):
    """One part forward, one backward, by turns: a stage keeps no more parts than stages follow it.

    Source: Harlap et al. 2018, https://arxiv.org/abs/1806.03377

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.pipelining import PipelineStage, Schedule1F1B
    >>> net = torch.nn.Linear(2, 1)
    >>> stage, loss_fn = PipelineStage(net, 0, 1, "cpu"), torch.nn.functional.mse_loss
    >>> losses = []
    >>> schedule = Schedule1F1B(stage, n_microbatches=2, loss_fn=loss_fn)
    >>> output = schedule.step(torch.zeros(4, 2), target=torch.zeros(4, 1), losses=losses)
    >>> len(losses), net.weight.grad
    (2, tensor([[0., 0.]]))
    >>> dist.destroy_process_group()
    """

    @staticmethod
    def _check(parts: int, stages: int) -> None:
        if parts < stages:
            raise ValueError(
                f"Number of microbatches ({parts}) must be greater than or equal to the number of"
                f" stages ({stages})."
            )

    def order(self) -> Order:
        """As many forward as stages are left, then by turns, then the rest backward."""
        index = self._stage.stage_index
        ahead = min(self._n_microbatches, self._stage.num_stages - index)
        for part in range(ahead):
            yield "forward", index, part
        for part in range(self._n_microbatches):
            yield "backward", index, part
            if part + ahead < self._n_microbatches:
                yield "forward", index, part + ahead


class PipelineScheduleMulti(_Schedule):
    """A schedule of several stages on each process, dealt out in turns.

    Arguments as for schedules of one stage, with the list of this process's `stages`.

    >>> from rushlight.distributed.pipelining import ScheduleLoopedBFS
    >>> from rushlight.distributed.pipelining.schedules import PipelineScheduleMulti
    >>> issubclass(ScheduleLoopedBFS, PipelineScheduleMulti)
    True
    """

    def __init__(
        self, stages: list[PipelineStage], n_microbatches: int,
        loss_fn: Callable[..., Any] | None = None, args_chunk_spec: Any = None,
        kwargs_chunk_spec: Any = None, output_merge_spec: Any = None, scale_grads: bool = True,
        backward_requires_autograd: bool = True, defer_pp_recv: bool = False,
    ) -> None:  # fmt: skip
        specs = (args_chunk_spec, kwargs_chunk_spec)
        super().__init__(stages, n_microbatches, loss_fn, specs, output_merge_spec, scale_grads)
        self.rank, self.pp_group_size = stages[0].group_rank, stages[0].group_size
        self.n_local_stages = len(stages)
        expected = list(range(self.rank, stages[0].num_stages, self.pp_group_size))
        if sorted(self._stages) != expected:
            raise ValueError(
                f"rank {self.rank} has the stages {sorted(self._stages)}, and should have"
                f" {expected}"
            )


class ScheduleLoopedBFS(PipelineScheduleMulti):
    """All parts forward through a stage, then through the next; backward the other way round.

    Source: Lamy-Poirier 2022, https://arxiv.org/abs/2211.05953

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.pipelining import PipelineStage, ScheduleLoopedBFS
    >>> layers = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    >>> stages = [PipelineStage(layer, place, 2, "cpu") for place, layer in enumerate(layers)]
    >>> ScheduleLoopedBFS(stages, n_microbatches=2).step(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, stages: list[PipelineStage], n_microbatches: int,
        loss_fn: Callable[..., Any] | None = None, output_merge_spec: Any = None,
        scale_grads: bool = True, backward_requires_autograd: bool = True,
        defer_pp_recv: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            stages, n_microbatches, loss_fn, output_merge_spec=output_merge_spec,
            scale_grads=scale_grads,
        )  # fmt: skip

    def order(self) -> Order:
        """Stage by stage forward, and backward."""
        for index in sorted(self._stages):
            for part in range(self._n_microbatches):
                yield "forward", index, part
        for index in sorted(self._stages, reverse=True):
            for part in reversed(range(self._n_microbatches)):
                yield "backward", index, part


class ScheduleInterleaved1F1B(PipelineScheduleMulti):
    """One part forward, one backward, by turns, where the parts go round through the processes.

    The first parts come round before the last ones have started, so a process waits less than with
    one large stage. Raises ValueError where the parts do not make up whole rounds.
    Source: Narayanan et al. 2021, https://arxiv.org/abs/2104.04473

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.pipelining import PipelineStage, ScheduleInterleaved1F1B
    >>> layers = torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)
    >>> stages = [PipelineStage(layer, place, 2, "cpu") for place, layer in enumerate(layers)]
    >>> ScheduleInterleaved1F1B(stages, n_microbatches=2).step(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    >>> dist.destroy_process_group()
    """

    def __init__(self, stages: list[PipelineStage], n_microbatches: int, *more: Any, **how: Any):
        size = stages[0].group_size
        rounds = max(1, n_microbatches // size)
        self.per_round = n_microbatches // rounds
        if n_microbatches % rounds:
            raise ValueError(
                "Interleaved 1F1B requires the number of microbatches to be a multiple of the"
                f" number of rounds ({rounds}), but got {n_microbatches}."
            )
        super().__init__(stages, n_microbatches, *more, **how)

    def _turns(self, backward: bool) -> Iterator[tuple[str, int, int]]:
        """All that is to be done in one direction: a round of parts through each stage in turn."""
        stages = sorted(self._stages, reverse=backward)
        for start in range(0, self._n_microbatches, self.per_round):
            for index in stages:
                for part in range(start, start + self.per_round):
                    yield "backward" if backward else "forward", index, part

    def order(self) -> Order:
        """Some forward to fill the pipeline, then by turns, then the rest backward."""
        ahead = (self.n_local_stages - 1) * self.per_round
        ahead += 2 * (self.pp_group_size - 1 - self.rank)
        forward, backward = list(self._turns(False)), list(self._turns(True))
        ahead = min(ahead, len(forward))
        yield from forward[:ahead]
        for there, back in zip(forward[ahead:], backward):
            yield there
            yield back
        yield from backward[len(forward) - ahead :]


def get_schedule_class(schedule_name: str) -> type[_Schedule]:
    """The schedule of a name such as "1F1B" or "Interleaved1F1B", in letters of any size.

    Raises: ValueError for another name.

    >>> from rushlight.distributed.pipelining.schedules import get_schedule_class
    >>> get_schedule_class("gpipe").__name__
    'ScheduleGPipe'
    """
    known: dict[str, type[_Schedule]] = {
        "1F1B": Schedule1F1B, "Interleaved1F1B": ScheduleInterleaved1F1B, "GPipe": ScheduleGPipe,
        "LoopedBFS": ScheduleLoopedBFS, "PipelineScheduleSingle": PipelineScheduleSingle,
        "PipelineScheduleMulti": PipelineScheduleMulti,
    }  # fmt: skip
    for name, kind in known.items():
        if name.lower() == schedule_name.lower():
            return kind
    raise ValueError(
        f"Unknown schedule name '{schedule_name}'. The valid options are {list(known)}"
    )


_explain_missing(__name__)
