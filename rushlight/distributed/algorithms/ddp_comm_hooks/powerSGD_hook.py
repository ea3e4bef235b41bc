"""Gradients sent as products of two narrow matrices, with what was lost added next time.

A step of the power method on the mean over processes of each weight's gradient M: P = M Q summed
over the processes and orthogonalised, Q = M' P, and P Q' in place of M.
Source: Vogels et al. 2019, https://arxiv.org/abs/1905.13727
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import rushlight as rl

from ....core.names import explain_missing as _explain_missing
from ....futures import Future
from .default_hooks import allreduce_hook

__all__ = ["PowerSGDState", "batched_powerSGD_hook", "powerSGD_hook"]
dist: Any = rl.distributed


class PowerSGDState:
    """What the hook keeps from step to step.

    Arguments: `process_group`; `matrix_approximation_rank`, the width of P and Q;
    `start_powerSGD_iter`: plain means until then; `min_compression_rate`: matrices that would not
    become so much smaller are sent as they are; `use_error_feedback`, `warm_start` (begin with the
    last Q); `orthogonalization_epsilon`; `random_seed` of the first Q. The others change nothing.
    Raises ValueError for a start in the first two steps with feedback or a warm start.

    >>> from rushlight.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState
    >>> PowerSGDState(None, matrix_approximation_rank=2, start_powerSGD_iter=10).start_powerSGD_iter
    10
    """

    def __init__(
        self, process_group: Any, matrix_approximation_rank: int = 1,
        start_powerSGD_iter: int = 1_000, min_compression_rate: float = 2,
        use_error_feedback: bool = True, warm_start: bool = True,
        orthogonalization_epsilon: float = 0, random_seed: int = 0,
        compression_stats_logging_frequency: int = 10_000,
        batch_tensors_with_same_shape: bool = False,
    ) -> None:  # fmt: skip
        if (use_error_feedback or warm_start) and start_powerSGD_iter <= 1:
            raise ValueError(
                "Expect `start_powerSGD_iter` > 1 if `use_error_feedback` or `warm_start` is"
                " enabled, because PowerSGD can only be applied after the first two iterations in"
                " DDP."
            )
        self.process_group = process_group
        self.matrix_approximation_rank = matrix_approximation_rank
        self.start_powerSGD_iter = start_powerSGD_iter
        self.min_compression_rate = min_compression_rate
        self.use_error_feedback, self.warm_start = use_error_feedback, warm_start
        self.orthogonalization_epsilon = orthogonalization_epsilon
        self.rng = np.random.RandomState(random_seed)
        self.error_dict: dict[int, Any] = {}
        self.q_memory_dict: dict[int, list[Any]] = {}
        self.iter = 0
        self.total_numel_before_compression = self.total_numel_after_compression = 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: one for name, one in vars(self).items() if name != "process_group"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, process_group=dist.group.WORLD)

    def maybe_increase_iter(self, bucket: Any) -> None:
        """Count a step once its last bucket has come."""
        if bucket.is_last():
            self.iter += 1

    def compression_stats(self) -> tuple[float, int, int]:
        """How much smaller: the rate, the numbers before, the numbers sent."""
        before, after = self.total_numel_before_compression, self.total_numel_after_compression
        return (before / after if after else 0.0), before, after

    def _width(self, rows: int, columns: int) -> int:
        """The width of P and Q for a matrix; 0 where it is not worth it. Counts both."""
        width = min(rows, columns, self.matrix_approximation_rank)
        size, small = rows * columns, (rows + columns) * width
        pays = small * self.min_compression_rate < size
        self.total_numel_before_compression += size
        self.total_numel_after_compression += small if pays else size
        return width if pays else 0

    def _first_qs(self, index: int, shapes: list[tuple[int, int]]) -> list[Any]:
        """The last step's, or random ones that are the same on all processes."""
        kept = self.q_memory_dict.get(index)
        if self.warm_start and kept is not None:
            return kept
        with rl.random.fork_rng(devices=[]):
            rl.manual_seed(self.rng.randint(1_000_000_000))
            return [rl.randn(*shape) for shape in shapes]


def _orthogonal(matrix: Any, epsilon: float) -> Any:
    """Its columns made orthogonal and of length one."""
    if matrix.shape[1] > 2:
        return rl.linalg.qr(matrix)[0]
    columns: list[Any] = []
    for column in matrix.unbind(1):
        for one in columns:
            column = column - (one * column).sum() * one
        columns.append(column / (column.norm() + epsilon))
    return rl.stack(columns, 1)


def _summed(tensors: list[Any], group: Any) -> list[Any]:
    """Sums over the processes, in one message."""
    if not tensors:
        return []
    flat = rl.cat([one.reshape(-1) for one in tensors])
    dist.all_reduce(flat, group=group)
    parts = flat.split([one.numel() for one in tensors])
    return [part.view(one.shape) for part, one in zip(parts, tensors)]


def _compressed(state: PowerSGDState, index: int, matrices: list[Any], widths: list[int]) -> None:
    """Put the approximation of its mean over the processes into each matrix."""
    group, epsilon = state.process_group, state.orthogonalization_epsilon
    shapes = [(one.shape[1], width) for one, width in zip(matrices, widths)]
    qs = [_orthogonal(q, epsilon) for q in state._first_qs(index, shapes)]
    ps = _summed([one @ q for one, q in zip(matrices, qs)], group)
    ps = [_orthogonal(p, epsilon) for p in ps]
    size = dist.get_world_size(group)
    qs = [q / size for q in _summed([one.t() @ p for one, p in zip(matrices, ps)], group)]
    for one, p, q in zip(matrices, ps, qs):
        one.copy_(p @ q.t())
    if state.warm_start:
        state.q_memory_dict[index] = qs


@rl.no_grad()
def _run(state: PowerSGDState, bucket: Any, tensors: list[Any]) -> Any:
    """The hook, for these parts of the bucket's memory."""
    buffer, index = bucket.buffer(), bucket.index()
    kept = None
    if state.use_error_feedback:
        if index in state.error_dict:
            buffer.add_(state.error_dict[index])
        kept = buffer.clone()
    matrices, widths, plain = [], [], []
    for tensor in tensors:
        matrix = tensor.view(tensor.shape[0], -1)
        width = state._width(*matrix.shape)
        if width:
            matrices.append(matrix)
            widths.append(width)
        else:
            plain.append(tensor)
    size = dist.get_world_size(state.process_group)
    for tensor, total in zip(plain, _summed(plain, state.process_group)):
        tensor.copy_(total / size)
    if matrices:
        _compressed(state, index, matrices, widths)
    if kept is not None:
        state.error_dict[index] = kept - buffer
    state.maybe_increase_iter(bucket)
    future: Any = Future()
    future.set_result(buffer)
    return future


def powerSGD_hook(state: PowerSGDState, bucket: Any) -> Any:
    """Approximate the mean of each weight's gradient; small ones and biases go as they are.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
    >>> state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=1)
    >>> net.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    >>> net(torch.ones(3, 8)).mean().backward()
    >>> dist.destroy_process_group()
    """
    if state.iter < state.start_powerSGD_iter:
        state.maybe_increase_iter(bucket)
        return allreduce_hook(state.process_group, bucket)
    return _run(state, bucket, bucket.gradients())


def batched_powerSGD_hook(state: PowerSGDState, bucket: Any) -> Any:
    """Approximate all gradients of a bucket as one square matrix: faster, and less exact.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
    >>> state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=1)
    >>> net.register_comm_hook(state, powerSGD_hook.batched_powerSGD_hook)
    >>> net(torch.ones(3, 8)).mean().backward()
    >>> dist.destroy_process_group()
    """
    if state.iter < state.start_powerSGD_iter:
        state.maybe_increase_iter(bucket)
        return allreduce_hook(state.process_group, bucket)
    buffer = bucket.buffer()
    side = math.ceil(math.sqrt(buffer.numel()))
    square = _Square(bucket, side)
    return _run(state, square, [square.filled.view(side, side)]).then(
        lambda done: buffer.copy_(done.value()[: buffer.numel()])
    )


class _Square:
    """A bucket whose memory is filled up with zeros to a square."""

    def __init__(self, bucket: Any, side: int) -> None:
        self.bucket = bucket
        self.filled = bucket.buffer().new_zeros(side * side)
        self.filled[: bucket.buffer().numel()] = bucket.buffer()

    def buffer(self) -> Any:
        """The filled memory."""
        return self.filled

    def index(self) -> int:
        """The bucket's place."""
        return self.bucket.index()

    def is_last(self) -> bool:
        """Whether it is the last one."""
        return self.bucket.is_last()


_explain_missing(__name__)
