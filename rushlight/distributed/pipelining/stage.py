"""One stage of a pipeline: a module, and what it sends to its neighbours and gets from them.

Every message has a tag of its own (stage, part, kind), so that a process with several stages may
take them in any order. Stages of one process hand things to each other.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail

dist: Any = rl.distributed


class PipelineStage:
    """A part of a network: stage `stage_index` of `num_stages`, on process `stage_index % size`.

    The output of its module, a tensor or several, is the input of the next stage's. Shapes and
    types are agreed on in the first training step and may not change later. Arguments: `submodule`;
    `stage_index`; `num_stages`; `device`; `group` (the whole one by default). The others change
    nothing: shapes are learnt from the stage before. Raises ValueError for an index out of range,
    RuntimeError for a stage that is another process's.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.pipelining import PipelineStage
    >>> stage = PipelineStage(torch.nn.Linear(2, 3), stage_index=0, num_stages=1, device="cpu")
    >>> stage.stage_index, stage.num_stages
    (0, 1)
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, submodule: Any, stage_index: int, num_stages: int, device: Any,
        input_args: Any = None, output_args: Any = None, output_grads: Any = None,
        input_grads: Any = None, group: Any = None, dw_builder: Any = None, get_mesh: Any = None,
    ) -> None:  # fmt: skip
        if stage_index >= num_stages:
            raise ValueError(f"Stage index {stage_index} is out of range of {num_stages}")
        self.submod, self.device = submodule, rl.device(device)
        self.stage_index, self.num_stages = stage_index, num_stages
        dist.get_rank()  # refuses where there is no group
        self.group = dist.group.WORLD if group is None else group
        self.group_rank = dist.get_rank(self.group)
        self.group_size = dist.get_world_size(self.group)
        if self.group_size > num_stages:
            raise RuntimeError(
                f"Pipeline group size {self.group_size} cannot be larger than number of stages"
                f" {num_stages}"
            )
        if stage_index % self.group_size != self.group_rank:
            raise fail(
                RuntimeError,
                f"stage {stage_index} of {num_stages} on rank {self.group_rank} of"
                f" {self.group_size}",
                "stages are dealt out in turns: stage i is on rank i % size",
            )
        self.agreed: dict[tuple[str, int], list[Any]] = {}
        self.mail: dict[int, Any] = {}  # from stages of this process
        self.clear()

    def clear(self) -> None:
        """Forget what was kept of the last step."""
        self.kept: dict[int, tuple[list[Any], list[Any]]] = {}
        self.sent: list[tuple[Any, Any]] = []  # with the tensor, which must live until it is there

    @property
    def is_first(self) -> bool:
        """Whether inputs come from the user."""
        return self.stage_index == 0

    @property
    def is_last(self) -> bool:
        """Whether outputs go to the loss."""
        return self.stage_index == self.num_stages - 1

    def forward_one(self, part: int, args: Any, kwargs: Any, trains: bool) -> Any:
        """Run the module on one part of the batch; what the last stage's returned."""
        inputs = list(args) if self.is_first else self._receive(part, trains)
        found = self.submod(*inputs, **kwargs)
        outputs = list(found) if isinstance(found, (tuple, list)) else [found]
        if not self.is_last:
            self._send(part, outputs, trains)
        if trains:
            self.kept[part] = (inputs, outputs)
        return found

    def backward_one(self, part: int, loss: Any) -> None:
        """The gradients of one part: from the loss or the next stage, to the stage before."""
        inputs, outputs = self.kept.pop(part)
        if self.is_last:
            rl.autograd.backward(loss)
        else:
            places = [k for k, y in enumerate(outputs) if _trained(y)]
            trained = [outputs[k] for k in places]
            grads = [self._got(rl.empty_like(outputs[k].detach()), 1, part, k) for k in places]
            if trained:
                rl.autograd.backward(trained, grads)
        if not self.is_first:
            for k, x in enumerate(inputs):
                if _trained(x):
                    self._give(rl.zeros_like(x) if x.grad is None else x.grad, -1, part, k)

    def _send(self, part: int, outputs: list[Any], trains: bool) -> None:
        form = [_form(y) for y in outputs]
        agreed = self.agreed.get(("out", part)) if trains else None
        if agreed is None:
            if trains:
                self.agreed["out", part] = form
            said = rl.from_numpy(np.frombuffer(pickle.dumps(form), np.uint8).copy())
            self._give(rl.tensor([said.numel()]), 1, part, _LENGTH)
            self._give(said, 1, part, _FORM)
        elif agreed != form:
            raise fail(
                RuntimeError,
                f"stage {self.stage_index} has output {form}, and {agreed} in the first step",
                "the shapes of a pipeline may not change: drop the last, smaller batch",
            )
        for k, y in enumerate(outputs):
            if isinstance(y, rl.Tensor):
                self._give(y.detach().contiguous(), 1, part, k)

    def _receive(self, part: int, trains: bool) -> list[Any]:
        agreed = self.agreed.get(("in", part)) if trains else None
        if agreed is None:
            length = self._got(rl.tensor([0]), -1, part, _LENGTH).item()
            said = self._got(rl.empty(length, dtype=rl.uint8), -1, part, _FORM)
            agreed = pickle.loads(said.numpy().tobytes())
            if trains:
                self.agreed["in", part] = agreed
        return [self._taken(form, part, k) for k, form in enumerate(agreed)]

    def _taken(self, form: Any, part: int, k: int) -> Any:
        if form[0] == "value":
            return form[1]
        _, shape, dtype, trained = form
        into = rl.empty(shape, dtype=getattr(rl, dtype.rpartition(".")[2]))
        return self._got(into, -1, part, k).requires_grad_(trained and rl.is_grad_enabled())

    def _tag(self, edge: int, backward: bool, part: int, k: int) -> int:
        """The tag of value `k` of a part, between stage `edge` and the next, there or back."""
        return (((part * self.num_stages + edge) * 2 + backward) << 10) + k

    def _give(self, tensor: Any, step: int, part: int, k: int) -> None:
        tag = self._tag(min(self.stage_index, self.stage_index + step), step < 0, part, k)
        peer = (self.stage_index + step) % self.group_size
        if peer == self.group_rank:
            self.mail[tag] = tensor
            return
        work = dist.isend(tensor, group=self.group, group_dst=peer, tag=tag)
        self.sent.append((work, tensor))

    def _got(self, tensor: Any, step: int, part: int, k: int) -> Any:
        tag = self._tag(min(self.stage_index, self.stage_index + step), step > 0, part, k)
        peer = (self.stage_index + step) % self.group_size
        if peer == self.group_rank:
            return self.mail.pop(tag).detach()
        dist.recv(tensor, group=self.group, group_src=peer, tag=tag)
        return tensor

    def settle(self) -> None:
        """Wait until all that was sent has been received."""
        for work, _ in self.sent:
            work.wait()
        self.sent = []


_LENGTH, _FORM = 1023, 1022  # in the places of values: what the form of them is


def _trained(x: Any) -> bool:
    return isinstance(x, rl.Tensor) and x.requires_grad


def _form(y: Any) -> tuple[Any, ...]:
    if isinstance(y, rl.Tensor):
        return "tensor", tuple(y.shape), str(y.dtype), y.requires_grad
    return "value", y
