"""The collectives that take several tensors in one call.

Source of all: https://docs.pytorch.org/docs/stable/distributed.html#collective-functions
"""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .collectives import Answer, Target, expect_same_sizes, expect_tensors, octets, own_group
from .reduce_op import ReduceOp, check_reduction
from .transport import Call, Transport


def _call(name: str, tensors: list[rl.Tensor], more: str = "") -> Call:
    kind = str(tensors[0].dtype)[6:]
    shapes = ", ".join(str(tuple(x.shape)) for x in tensors)
    return Call(name, f"{name}({more}{kind} {shapes})")


def all_reduce_coalesced(
    tensors: Any, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Answer:
    """Replace each tensor, on every rank, by its reduction over all: one exchange for all of them.

    Raises: DistMismatch if the ranks' calls, shapes or types differ, DistTimeoutError,
    DistPeerDied.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> x, y = torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])
    >>> dist.all_reduce_coalesced([x, y])
    >>> x, y
    (tensor([1., 2.]), tensor([[3.]]))
    >>> dist.destroy_process_group()
    """
    given = expect_tensors([tensors] if isinstance(tensors, rl.Tensor) else tensors, "tensor")
    found = own_group(group, "all_reduce_coalesced")
    if found is None or not given:
        return None
    op = check_reduction(op, given[0], "all_reduce_coalesced")
    call = _call("all_reduce_coalesced", given, f"{op.name}, ")

    def job(way: Transport, spin: bool) -> None:
        targets = [Target(x) for x in given]
        whole = np.concatenate([target.flat for target in targets])
        way.all_reduce(call, whole, op, spin)
        at = 0
        for target in targets:
            target.flat[...] = whole[at : at + target.flat.size]
            at += target.flat.size
            target.done()

    return found.start(job, async_op, given)


def all_gather_coalesced(
    output_tensor_lists: list[list[rl.Tensor]], input_tensor_list: list[rl.Tensor],
    group: Any = None, async_op: bool = False,
) -> Answer:  # fmt: skip
    """Write the tensors of every rank to the lists, one list for a rank, on every rank.

    Arguments as of `all_gather`. Raises: RuntimeError for lists or sizes that do not fit.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [[torch.zeros(2), torch.zeros(1)]]  # a list for each rank
    >>> dist.all_gather_coalesced(found, [torch.tensor([1.0, 2.0]), torch.tensor([3.0])])
    >>> found
    [[tensor([1., 2.]), tensor([3.])]]
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_gather_coalesced")
    if found is None:
        return None
    given = expect_tensors(input_tensor_list, "tensor")
    if not isinstance(output_tensor_lists, list):
        raise TypeError("Invalid function argument: output_tensor_lists should be a list")
    outs = [expect_tensors(one, "output_tensor_lists") for one in output_tensor_lists]
    if len(outs) != found.size() or any(len(row) != len(given) for row in outs):
        raise RuntimeError(
            "output lists should be equal to the number of ranks, each as long as the input list"
        )
    for row in outs:
        for out, x in zip(row, given):
            expect_same_sizes([out], x, "allgather_coalesced")
    if not given:
        return None
    call = _call("all_gather_coalesced", given)
    count = sum(x._array.nbytes for x in given)

    def job(way: Transport, spin: bool) -> None:
        parts = [np.empty(count, np.uint8) for _ in outs]

        def take(source: int, start: int, view: Any) -> None:
            parts[source][start : start + view.size] = view

        mine = np.concatenate([octets(x) for x in given])
        way.move(call, mine, [count] * way.size, lambda r, s: (0, count), take, spin)
        for row, part in zip(outs, parts):
            _spread(row, part)

    return found.start(job, async_op, [out for row in outs for out in row])


def _spread(outs: list[rl.Tensor], octets_of_all: Any) -> None:
    at = 0
    for out in outs:
        target = Target(out)
        size = target.flat.nbytes
        target.flat[...] = octets_of_all[at : at + size].view(target.flat.dtype)
        target.done()
        at += size
