"""In which order a stage works on the parts of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as rl

from .stage import PipelineStage


class PipelineScheduleSingle(ABC):
    """What runs one stage on this process: splits the batch, and joins what comes out.

    Arguments: `stage`; `n_microbatches`, the parts that a batch is split into along its first
    dimension; `loss_fn(output, target)`, without which there is no backward pass;
    `scale_grads`: divide the gradients, sums over the parts, by their number, so that a loss that
    is a mean gives the gradients of the whole batch. Raises ValueError for fewer parts than stages.
    """

    def __init__(
        self,
        stage: PipelineStage,
        n_microbatches: int,
        loss_fn: Callable[..., Any] | None = None,
        *,
        scale_grads: bool = True,
    ) -> None:
        self._check(n_microbatches, stage.num_stages)
        self._stage, self._n_microbatches = stage, n_microbatches
        self._loss_fn, self.scale_grads = loss_fn, scale_grads

    @staticmethod
    def _check(parts: int, stages: int) -> None:
        if parts < 1:
            raise ValueError(f"n_microbatches must be at least 1, but got {parts}")

    @abstractmethod
    def order(self) -> Iterator[tuple[str, int]]:
        """("forward" or "backward", part) one after the other, as this stage does them."""

    def step(
        self,
        *args: Any,
        target: Any = None,
        losses: list[Any] | None = None,
        return_outputs: bool = True,
        **kwargs: Any,
    ) -> Any:
        """One batch forward and, with a `loss_fn`, backward, through all stages; all must call it.

        The first stage gives the inputs, the last one `target`, and `losses`, a list that is
        filled with the loss of each part. Returns the output on the last stage, else None.
        """
        if self._loss_fn is not None and not rl.is_grad_enabled():
            raise RuntimeError(
                "step() requires gradients to be enabled for backward computation; it should not be"
                " used under torch.no_grad() context. Please call eval() instead."
            )
        return self._run(args, kwargs, target, losses, return_outputs, self._loss_fn is not None)

    @rl.no_grad()
    def eval(
        self,
        *args: Any,
        target: Any = None,
        losses: list[Any] | None = None,
        return_outputs: bool = True,
        **kwargs: Any,
    ) -> Any:
        """One batch forward only, as `step`."""
        return self._run(args, kwargs, target, losses, return_outputs, False)

    def _run(
        self, args: Any, kwargs: Any, target: Any, losses: Any, outputs: bool, trains: bool
    ) -> Any:
        stage, count = self._stage, self._n_microbatches
        stage.clear()
        inputs = _split(list(args), count)
        named = _split(list(kwargs.values()), count)
        targets = _split([target], count)
        found: list[Any] = [None] * count
        part_losses: list[Any] = [None] * count
        for kind, part in self.order():
            if kind == "forward":
                named_part = dict(zip(kwargs, named[part]))
                y = stage.forward_one(part, inputs[part], named_part, trains)
                if stage.is_last:
                    found[part] = y
                    if self._loss_fn is not None and targets[part][0] is not None:
                        part_losses[part] = self._loss_fn(y, targets[part][0])
            elif trains:
                stage.backward_one(part, part_losses[part])
        stage.settle()
        if trains and self.scale_grads:
            self._scale()
        if not stage.is_last:
            return None
        if losses is not None and self._loss_fn is not None:
            losses[:] = part_losses
        return _joined(found) if outputs else None

    def _scale(self) -> None:
        for parameter in self._stage.submod.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(self._n_microbatches)


class ScheduleGPipe(PipelineScheduleSingle):
    """All parts forward, then all parts backward.

    Source: Huang et al. 2018, https://arxiv.org/abs/1811.06965
    """

    def order(self) -> Iterator[tuple[str, int]]:
        """All forward, all backward."""
        for kind in ("forward", "backward"):
            for part in range(self._n_microbatches):
                yield kind, part


class Schedule1F1B(PipelineScheduleSingle):
    """One part forward, one backward, by turns: a stage keeps no more parts than stages follow it.

    Source: Harlap et al. 2018, https://arxiv.org/abs/1806.03377
    """

    @staticmethod
    def _check(parts: int, stages: int) -> None:
        if parts < stages:
            raise ValueError(
                f"Number of microbatches ({parts}) must be greater than or equal to the number of"
                f" stages ({stages})."
            )

    def order(self) -> Iterator[tuple[str, int]]:
        """As many forward as stages are left, then by turns, then the rest backward."""
        ahead = min(self._n_microbatches, self._stage.num_stages - self._stage.stage_index)
        for part in range(ahead):
            yield "forward", part
        for part in range(self._n_microbatches):
            yield "backward", part
            if part + ahead < self._n_microbatches:
                yield "forward", part + ahead


def _split(values: list[Any], count: int) -> list[list[Any]]:
    """Each part's values: tensors cut along the first dimension, other things as they are."""
    for value in values:
        if isinstance(value, rl.Tensor) and (not value.dim() or len(value) < count):
            raise ValueError(
                f"a tensor of shape {tuple(value.shape)} cannot be split into {count} parts"
            )
    cut = [
        value.tensor_split(count) if isinstance(value, rl.Tensor) else [value] * count
        for value in values
    ]
    return [[parts[k] for parts in cut] for k in range(count)]


def _joined(parts: list[Any]) -> Any:
    """The outputs of all parts as those of the whole batch."""
    if isinstance(parts[0], (tuple, list)):
        return type(parts[0])(_joined(list(some)) for some in zip(*parts))
    return rl.cat(parts) if parts[0].dim() else rl.stack(parts)
