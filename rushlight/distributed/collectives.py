"""The collectives on tensors.

Source of all: https://docs.pytorch.org/docs/stable/distributed.html#collective-functions
"""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import numpy as np

import rushlight as rl

from ..core.sparse import refusal
from ..core.tape import mark_written
from .process_group import ProcessGroup, group_of
from .questions import get_world_size
from .reduce_op import ReduceOp, check_reduction
from .sparse import all_reduce_sparse
from .transport import Call, Transport, Wants, call_of, plain_call
from .work import Work

Answer = Work | None
EMPTY = np.empty(0, np.uint8)


def expect_tensor(x: Any, parameter: str) -> rl.Tensor:
    if not isinstance(x, rl.Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{parameter}` of type torch.Tensor\n"
            f"             but got {type(x)} instead."
        )
    return x


def expect_tensors(given: Any, parameter: str) -> list[rl.Tensor]:
    if not isinstance(given, list | tuple) or not all(isinstance(x, rl.Tensor) for x in given):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{parameter}` of type"
            f" List[torch.Tensor]\n             but got {type(given)} instead."
        )
    kinds = {x.dtype: None for x in given}
    if len(kinds) > 1:
        a, b = list(kinds)[:2]
        raise ValueError(f"Invalid usage of tensors with different dtypesFound {a} and  {b}")
    return list(given)


def own_group(group: Any, name: str) -> ProcessGroup | None:
    """The group; a warning and None if this process is not in it."""
    found = group_of(group)
    if found is None:
        rank = group_of(None)
        warnings.warn(
            f"Running {name} on global rank {rank.rank() if rank else -1} which does not belong to"
            " the given group.", stacklevel=3,
        )  # fmt: skip
    return found


def root_of(
    group: ProcessGroup, rank: int | None, group_rank: int | None, default: Any, name: str
) -> int:
    """The number in the group of a rank that was given one way or the other."""
    if rank is not None and group_rank is not None:
        raise ValueError("Can't specify both group_rank and global_rank")
    found = group_rank
    if found is None:
        rank = default if rank is None else rank
        if rank is None:
            raise ValueError("Must specify global_rank or group_rank")
        if rank in group._ranks:
            return group._ranks.index(rank)
        if len(group._ranks) < get_world_size():
            raise ValueError(f"Global rank {rank} is not part of group {group}")
        found = rank
    if not 0 <= found < group.size():
        raise RuntimeError(f"ProcessGroupGloo::{name}: invalid root rank: {found}")
    return found


def flat_of(x: rl.Tensor) -> Any:
    """The values in their order, as one row: the tensor's own memory where it lies so."""
    return x._array.reshape(-1) if x._array.flags.c_contiguous else x._array.flatten()


def octets(x: rl.Tensor) -> Any:
    """The same as bytes."""
    return flat_of(x).view(np.uint8)


class Target:
    """A tensor to be written as a row of values: through a copy if it does not lie in order."""

    __slots__ = ("array", "direct", "flat")

    def __init__(self, x: rl.Tensor) -> None:
        self.array = x._array
        self.direct = self.array.flags.c_contiguous and self.array.flags.writeable
        self.flat = self.array.reshape(-1) if self.direct else self.array.flatten()

    @property
    def bytes(self) -> Any:
        """The row as bytes."""
        return self.flat.view(np.uint8)

    def done(self) -> None:
        """Have the tensor hold what was written."""
        if not self.direct:
            self.array[...] = self.flat.reshape(self.array.shape)
        mark_written(self.array)


def dense_call(name: str, x: rl.Tensor, more: str = "") -> Call:
    if x.layout is not rl.strided:
        raise refusal(f"{name.replace('all_', 'all')}_", x.layout, "c10d")
    return call_of(name, x.dtype, x._array.shape, more)


def all_reduce(
    tensor: rl.Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Answer:
    """Replace the tensor, on every rank, by the reduction over all: the same bits everywhere.

    Raises: DistMismatch if the ranks' calls, shapes or types differ, DistTimeoutError,
    DistPeerDied.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.tensor([1.0, 2.0])
    >>> dist.all_reduce(x, op=dist.ReduceOp.SUM)  # over all ranks; here there is one
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_reduce")
    if found is None:
        return None
    op = check_reduction(op, expect_tensor(tensor, "tensor"), "all_reduce")
    if tensor.is_sparse:
        return all_reduce_sparse(found, tensor, op, async_op)
    call = dense_call("all_reduce", tensor, op.name)

    def job(way: Transport, spin: bool) -> None:
        target = Target(tensor)
        way.all_reduce(call, target.flat, op, spin)
        target.done()

    return found.start(job, async_op, [tensor])


def reduce(
    tensor: rl.Tensor, dst: int | None = None, op: Any = ReduceOp.SUM, group: Any = None,
    async_op: bool = False, group_dst: int | None = None,
) -> Answer:  # fmt: skip
    """Replace the tensor on rank `dst` by the reduction over all.

    dst: the rank among all processes, or `group_dst` that in the group; op: a `ReduceOp`; async_op:
    return a `Work` at once. What other ranks' tensors hold afterwards is not said.
    Raises: as `all_reduce`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.tensor([1.0, 2.0])
    >>> dist.reduce(x, dst=0, op=dist.ReduceOp.MAX)
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "reduce")
    if found is None:
        return None
    op = check_reduction(op, expect_tensor(tensor, "tensor"), "reduce")
    root = root_of(found, dst, group_dst, None, "reduce")
    call = dense_call("reduce", tensor, f"{op.name}, to {root}")

    def job(way: Transport, spin: bool) -> None:
        if way.rank != root:
            way.reduce(call, flat_of(tensor), (0, 0), EMPTY, op, spin)
            return
        target = Target(tensor)
        way.reduce(call, target.flat, (0, target.flat.size), target.flat, op, spin)
        target.done()

    return found.start(job, async_op, [tensor])


def broadcast(
    tensor: rl.Tensor, src: int | None = None, group: Any = None, async_op: bool = False,
    group_src: int | None = None,
) -> Answer:  # fmt: skip
    """Replace the tensor, on every rank, by that of rank `src`.

    Arguments: `src` counts among all processes, `group_src` in the group. Raises: ValueError
    without either, RuntimeError for a rank that is not there.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.tensor([1.0, 2.0])
    >>> dist.broadcast(x, src=0)
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "broadcast")
    if found is None:
        return None
    root = root_of(found, src, group_src, None, "broadcast")
    call = dense_call("broadcast", expect_tensor(tensor, "tensor"), f"from {root}")
    count = tensor._array.nbytes

    def job(way: Transport, spin: bool) -> None:
        lengths = [count if rank == root else 0 for rank in range(way.size)]
        wants: Wants = lambda r, s: (0, 0 if r == root else lengths[s])
        if way.rank == root:
            way.move(call, octets(tensor), lengths, wants, take_nothing, spin)
            return
        target = Target(tensor)

        def take(source: int, start: int, view: Any) -> None:
            target.bytes[start : start + view.size] = view

        way.move(call, EMPTY, lengths, wants, take, spin)
        target.done()

    return found.start(job, async_op, [tensor])


def take_nothing(source: int, start: int, view: Any) -> None:
    """A sink for a rank that wants nothing."""


def _collect(targets: list[Target]) -> Any:
    """A sink that writes what comes from a rank to that rank's target."""

    def take(source: int, start: int, view: Any) -> None:
        targets[source].bytes[start : start + view.size] = view

    return take


def all_gather(
    tensor_list: list[rl.Tensor], tensor: rl.Tensor, group: Any = None, async_op: bool = False
) -> Answer:
    """Write the tensor of every rank to `tensor_list`, on every rank.

    Arguments: `tensor_list`, one tensor of the right sizes for each rank; `group`, None for all;
    `async_op`: return a Work at once. Raises: RuntimeError for a list or sizes that do not fit.
    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.all_gather

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> parts = [torch.zeros(2) for _ in range(dist.get_world_size())]
    >>> dist.all_gather(parts, torch.tensor([1.0, 2.0]))
    >>> parts
    [tensor([1., 2.])]
    >>> dist.destroy_process_group()
    """
    outs = expect_tensors(tensor_list, "tensor_list")
    expect_tensors([*outs[:1], expect_tensor(tensor, "tensor")], "tensor_list")
    found = own_group(group, "all_gather")
    if found is None:
        return None
    if len(outs) != found.size():
        raise RuntimeError(
            "ProcessGroupGloo::allgather: invalid output tensor list at index 0 (expected length"
            f" {found.size()}, got {len(outs)})"
        )
    expect_same_sizes(outs, tensor, "allgather")
    call = dense_call("all_gather", tensor)
    count = tensor._array.nbytes

    def job(way: Transport, spin: bool) -> None:
        targets = [Target(out) for out in outs]
        lengths = [count] * way.size
        way.move(call, octets(tensor), lengths, lambda r, s: (0, count), _collect(targets), spin)
        for target in targets:
            target.done()

    return found.start(job, async_op, outs)


def expect_same_sizes(many: list[rl.Tensor], one: rl.Tensor, name: str) -> None:
    for place, x in enumerate(many):
        if x.shape != one.shape:
            a, b = (", ".join(map(str, y.shape)) for y in (one, x))
            raise RuntimeError(
                f"ProcessGroupGloo::{name}: invalid tensor size at index {place}"
                f" (expected ({a}), got ({b}))"
            )


def gather(
    tensor: rl.Tensor, gather_list: list[rl.Tensor] | None = None, dst: int | None = None,
    group: Any = None, async_op: bool = False, group_dst: int | None = None,
) -> Answer:  # fmt: skip
    """Write the tensor of every rank to `gather_list` on rank `dst`.

    Arguments: `dst` counts among all processes, `group_dst` in the group. Raises: ValueError
    without a list on that rank or with one on another, RuntimeError for sizes that do not fit.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> parts = [torch.zeros(2)] if dist.get_rank() == 0 else None
    >>> dist.gather(torch.tensor([1.0, 2.0]), parts, dst=0)
    >>> parts
    [tensor([1., 2.])]
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "gather")
    if found is None:
        return None
    root = root_of(found, dst, group_dst, 0 if group_dst is None else None, "gather")
    outs = expect_tensors(gather_list or [], "gather_list")
    if found.rank() == root:
        if not outs:
            raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
        if len(outs) != found.size():
            raise RuntimeError(
                f"ProcessGroupGloo::gather: Incorrect output list size {len(outs)}. Output list"
                f" size should be {found.size()}, same as size of the process group."
            )
        expect_same_sizes(outs, tensor, "gather")
    elif outs:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    call = dense_call("gather", expect_tensor(tensor, "tensor"), f"to {root}")
    count = tensor._array.nbytes

    def job(way: Transport, spin: bool) -> None:
        targets = [Target(out) for out in outs]
        way.move(
            call, octets(tensor), [count] * way.size,
            lambda r, s: (0, count if r == root else 0), _collect(targets), spin,
        )  # fmt: skip
        for target in targets:
            target.done()

    return found.start(job, async_op, outs)


def scatter(
    tensor: rl.Tensor, scatter_list: list[rl.Tensor] | None = None, src: int | None = None,
    group: Any = None, async_op: bool = False, group_src: int | None = None,
) -> Answer:  # fmt: skip
    """Write to the tensor of each rank its part of `scatter_list` on rank `src`.

    Arguments: `src` counts among all processes, `group_src` in the group. Raises: ValueError
    without a list on that rank, RuntimeError for sizes that do not fit.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x = torch.zeros(2)
    >>> dist.scatter(x, [torch.tensor([1.0, 2.0])], src=0)
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "scatter")
    if found is None:
        return None
    root = root_of(found, src, group_src, 0 if group_src is None else None, "scatter")
    parts = expect_tensors(scatter_list or [], "scatter_list")
    if found.rank() == root:
        if not parts:
            raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
        if len(parts) != found.size():
            raise RuntimeError(
                f"ProcessGroupGloo::scatter: Incorrect input list size {len(parts)}. Input list"
                f" size should be {found.size()}, same as size of the process group."
            )
        expect_same_sizes(parts, tensor, "scatter")
    elif parts:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
    call = dense_call("scatter", expect_tensor(tensor, "tensor"), f"from {root}")
    count = tensor._array.nbytes

    def job(way: Transport, spin: bool) -> None:
        mine = np.concatenate([octets(part) for part in parts]) if parts else EMPTY
        _divide(way, call, mine, count, root, Target(tensor), spin)

    return found.start(job, async_op, [tensor])


def _divide(
    way: Transport, call: Call, mine: Any, count: int, root: int, target: Target, spin: bool
) -> None:
    """Have each rank read its part of what the root gives."""

    def take(source: int, start: int, view: Any) -> None:
        target.bytes[start : start + view.size] = view

    lengths = [count * way.size if rank == root else 0 for rank in range(way.size)]
    way.move(
        call, mine, lengths,
        lambda r, s: (r * count, (r + 1) * count) if s == root else (0, 0), take, spin,
    )  # fmt: skip
    target.done()


def barrier(
    group: Any = None, async_op: bool = False, device_ids: Any = None,
    timeout: timedelta | None = None,
) -> Answer:  # fmt: skip
    """Wait until every rank has come here.

    Arguments: `async_op`: return a Work at once; `timeout`, else that of the group. `device_ids` is
    accepted. Raises: DistTimeoutError with the rank that has not come.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.barrier()
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "barrier")
    if found is None:
        return None
    call = plain_call("barrier")
    if timeout is not None:
        call = Call("barrier", "barrier")
        call.seconds = timeout.total_seconds()

    def job(way: Transport, spin: bool) -> None:
        way.move(call, EMPTY, [0] * way.size, lambda r, s: (0, 0), take_nothing, spin)

    return found.start(job, async_op, [])


def monitored_barrier(
    group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False
) -> None:
    """A barrier that names, in its error, the rank that has not come.

    timeout: how long to wait, else that of the group. wait_all_ranks is accepted.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.monitored_barrier()
    >>> dist.destroy_process_group()
    """
    barrier(group, timeout=timeout)
