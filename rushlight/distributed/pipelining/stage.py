"""One stage of a pipeline: a module, and what it sends to its neighbours and gets from them."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.errors import fail

dist: Any = rl.distributed


class PipelineStage:
    """The part of a network that this process holds: stage `stage_index` of `num_stages`.

    The output of its module, a tensor or several, is the input of the next stage's. Shapes and
    types are agreed on in the first training step and may not change later. Arguments: `submodule`;
    `stage_index`, which is also this process's rank in `group` (the whole one by default);
    `num_stages`; `device`. Raises ValueError for an index out of range, RuntimeError when the
    group has another size.
    """

    def __init__(
        self,
        submodule: Any,
        stage_index: int,
        num_stages: int,
        device: Any,
        input_args: Any = None,
        output_args: Any = None,
        group: Any = None,
    ) -> None:
        if stage_index >= num_stages:
            raise ValueError(f"Stage index {stage_index} is out of range of {num_stages}")
        self.submod, self.device = submodule, rl.device(device)
        self.stage_index, self.num_stages = stage_index, num_stages
        dist.get_rank()  # refuses where there is no group
        self.group = dist.group.WORLD if group is None else group
        self.group_rank = dist.get_rank(self.group)
        self.group_size = dist.get_world_size(self.group)
        if self.group_size != num_stages or self.group_rank != stage_index:
            raise fail(
                RuntimeError,
                f"stage {stage_index} of {num_stages} on rank {self.group_rank} of"
                f" {self.group_size}",
                "each process holds one stage, the one of its own rank",
            )
        self.agreed: dict[tuple[str, int], list[Any]] = {}
        self.clear()

    def clear(self) -> None:
        """Forget what was kept of the last step."""
        self.kept: dict[int, tuple[list[Any], list[Any]]] = {}
        self.outputs: dict[int, Any] = {}
        self.sent: list[tuple[Any, Any]] = []  # with the tensor, which must live until it is there

    @property
    def is_first(self) -> bool:
        """Whether inputs come from the user."""
        return self.stage_index == 0

    @property
    def is_last(self) -> bool:
        """Whether outputs go to the loss."""
        return self.stage_index == self.num_stages - 1

    def _peer(self, step: int) -> int:
        return dist.get_global_rank(self.group, self.stage_index + step)

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
            trained = [y for y in outputs if y.requires_grad]
            grads = [self._got(rl.empty_like(y.detach()), 1) for y in trained]
            if trained:
                rl.autograd.backward(trained, grads)
        if not self.is_first:
            for x in inputs:
                if x.requires_grad:
                    self._give(rl.zeros_like(x) if x.grad is None else x.grad, -1)

    def _send(self, part: int, outputs: list[Any], trains: bool) -> None:
        form = [(tuple(y.shape), str(y.dtype), y.requires_grad) for y in outputs]
        agreed = self.agreed.get(("out", part)) if trains else None
        if agreed is None:
            if trains:
                self.agreed["out", part] = form
            dist.send_object_list([form], self._peer(1), group=self.group)
        elif agreed != form:
            raise fail(
                RuntimeError,
                f"stage {self.stage_index} has output {form}, and {agreed} in the first step",
                "the shapes of a pipeline may not change: drop the last, smaller batch",
            )
        for y in outputs:
            self._give(y.detach().contiguous(), 1)

    def _receive(self, part: int, trains: bool) -> list[Any]:
        agreed = self.agreed.get(("in", part)) if trains else None
        if agreed is None:
            box: list[Any] = [None]
            dist.recv_object_list(box, self._peer(-1), group=self.group)
            agreed = box[0]
            if trains:
                self.agreed["in", part] = agreed
        return [
            self._got(rl.empty(shape, dtype=getattr(rl, dtype.rpartition(".")[2])), -1)
            .requires_grad_(trained and rl.is_grad_enabled())
            for shape, dtype, trained in agreed
        ]  # fmt: skip

    def _give(self, tensor: Any, step: int) -> None:
        work = dist.isend(tensor, self._peer(step), group=self.group)
        self.sent.append((work, tensor))

    def _got(self, tensor: Any, step: int) -> Any:
        dist.recv(tensor, self._peer(step), group=self.group)
        return tensor

    def settle(self) -> None:
        """Wait until all that was sent has been received."""
        for work, _ in self.sent:
            work.wait()
        self.sent = []
