"""The collectives in which a rank sends a different part to each of the others.

Source of all: https://docs.pytorch.org/docs/stable/distributed.html#collective-functions
"""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .collectives import (
    Answer,
    Target,
    dense_call,
    expect_same_sizes,
    expect_tensor,
    expect_tensors,
    flat_of,
    octets,
    own_group,
)
from .errors import DistMismatch
from .reduce_op import ReduceOp, check_reduction
from .transport import Call, Transport, plain_call


def all_gather_into_tensor(
    output_tensor: rl.Tensor, input_tensor: rl.Tensor, group: Any = None, async_op: bool = False
) -> Answer:
    """Write the tensors of all ranks to one, joined along dimension 0 or stacked.

    Shapes: (n, *) gives (ranks * n, *) or (ranks, n, *). Raises: RuntimeError for other sizes.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> whole = torch.zeros(2 * dist.get_world_size())
    >>> dist.all_gather_into_tensor(whole, torch.tensor([1.0, 2.0]))
    >>> whole
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_gather_into_tensor")
    if found is None:
        return None
    out, given = (
        expect_tensor(output_tensor, "output_tensor"),
        expect_tensor(input_tensor, "input_tensor"),
    )
    expect_tensors([out, given], "output_tensor")
    if out.numel() != given.numel() * found.size():
        a, b = (", ".join(map(str, y.shape)) for y in (given, out))
        raise RuntimeError(
            "ProcessGroupGloo::allgather: invalid tensor size at index 0"
            f" (expected ({a}), got ({b}))"
        )
    call = dense_call("all_gather_into_tensor", given)
    count = given._array.nbytes

    def job(way: Transport, spin: bool) -> None:
        target = Target(out)

        def take(source: int, start: int, view: Any) -> None:
            start += source * count
            target.bytes[start : start + view.size] = view

        way.move(call, octets(given), [count] * way.size, lambda r, s: (0, count), take, spin)
        target.done()

    return found.start(job, async_op, [out])


def reduce_scatter(
    output: rl.Tensor, input_list: list[rl.Tensor], op: Any = ReduceOp.SUM, group: Any = None,
    async_op: bool = False,
) -> Answer:  # fmt: skip
    """Reduce the lists of all ranks, and write to each rank its entry.

    output: of rank r becomes the reduction of all ranks' `input_list[r]`, of the same shape.
    input_list: a tensor for each rank. Raises: as `all_reduce`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine = torch.zeros(2)
    >>> dist.reduce_scatter(mine, [torch.tensor([1.0, 2.0])])
    >>> mine
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    parts = expect_tensors(input_list, "input_list")
    found = own_group(group, "reduce_scatter")
    if found is None:
        return None
    if len(parts) != found.size():
        raise RuntimeError("invalid input tensor list size, must be world size")
    expect_same_sizes(parts, expect_tensor(output, "output"), "reduce_scatter")
    op = check_reduction(op, output, "reduce_scatter")

    def join_parts() -> Any:
        return np.concatenate([flat_of(part) for part in parts])

    call = dense_call("reduce_scatter", output, op.name)
    return _reduce_parts(found, call, output, join_parts, op, async_op)


def reduce_scatter_tensor(
    output: rl.Tensor, input: rl.Tensor, op: Any = ReduceOp.SUM, group: Any = None,
    async_op: bool = False,
) -> Answer:  # fmt: skip
    """Reduce the tensors of all ranks, and write to each rank its part along dimension 0.

    Shapes: input (ranks * n, ...), output (n, ...). Raises: as `all_reduce`.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine = torch.zeros(2)
    >>> dist.reduce_scatter_tensor(mine, torch.tensor([1.0, 2.0]))
    >>> mine
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "reduce_scatter_tensor")
    if found is None:
        return None
    expect_tensors([expect_tensor(output, "output"), expect_tensor(input, "input")], "input")
    if output.numel() * found.size() != input.numel():
        raise RuntimeError(
            f"Check failed: outputShape[0] * worldSize == inputShape[0]"
            f" ({output.numel()} vs. {input.numel()}). "
        )
    op = check_reduction(op, output, "reduce_scatter_tensor")
    call = dense_call("reduce_scatter_tensor", input, op.name)
    return _reduce_parts(found, call, output, lambda: flat_of(input), op, async_op)


def _reduce_parts(
    group: Any, call: Call, output: rl.Tensor, given: Any, op: ReduceOp, async_op: bool
) -> Answer:
    def job(way: Transport, spin: bool) -> None:
        target = Target(output)
        count = target.flat.size
        section = (way.rank * count, (way.rank + 1) * count)
        way.reduce(call, given(), section, target.flat, op, spin)
        target.done()

    return group.start(job, async_op, [output])


def all_to_all(
    output_tensor_list: list[rl.Tensor], input_tensor_list: list[rl.Tensor], group: Any = None,
    async_op: bool = False,
) -> Answer:  # fmt: skip
    """Send entry j of the list to rank j, and write what rank i sent to entry i of the output.

    Raises: RuntimeError unless both lists have a tensor for each rank, DistMismatch where a rank
    sends another size than is expected there.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [torch.zeros(2)]
    >>> dist.all_to_all(found, [torch.tensor([1.0, 2.0])])
    >>> found
    [tensor([1., 2.])]
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_to_all")
    if found is None:
        return None
    outs = expect_tensors(output_tensor_list, "output_tensor_list")
    parts = expect_tensors(input_tensor_list, "input_tensor_list")
    expect_tensors([*outs[:1], *parts[:1]], "output_tensor_list")
    if len(outs) != found.size() or len(parts) != found.size():
        raise RuntimeError("Number of tensor splits not equal to group size")
    kind = str(parts[0].dtype)[6:]

    def job(way: Transport, spin: bool) -> None:
        targets = [Target(out) for out in outs]
        mine = [octets(part) for part in parts]
        _exchange(way, f"all_to_all({kind})", mine, [t.bytes for t in targets], spin)
        for target in targets:
            target.done()

    return found.start(job, async_op, outs)


def _exchange(way: Transport, name: str, mine: list[Any], outs: list[Any], spin: bool) -> None:
    """Send mine[j] to rank j and fill outs[i] from rank i, after comparing their sizes."""
    sizes = [part.size for part in mine] + [out.size for out in outs]
    every = way.details(plain_call(name), sizes, spin)
    n = way.size
    for source in range(n):
        for reader in range(n):
            given, wanted = every[source][reader], every[reader][n + source]
            if given != wanted:
                raise DistMismatch(
                    f"{name} #{way.count}: rank {way.ranks[source]} gives {given} bytes to rank"
                    f" {way.ranks[reader]}, which expects {wanted}"
                )
    starts = [np.cumsum([0, *row[:n]]).tolist() for row in every]

    def take(source: int, start: int, view: Any) -> None:
        outs[source][start : start + view.size] = view

    way.move(
        plain_call(name), np.concatenate(mine), [row[-1] for row in starts],
        lambda reader, source: (starts[source][reader], starts[source][reader + 1]), take, spin,
    )  # fmt: skip


def all_to_all_single(
    output: rl.Tensor, input: rl.Tensor, output_split_sizes: list[int] | None = None,
    input_split_sizes: list[int] | None = None, group: Any = None, async_op: bool = False,
) -> Answer:  # fmt: skip
    """`all_to_all` on the parts of one tensor along dimension 0: equal ones, or of given sizes.

    Arguments: how many rows come from each rank and go to each; None for equal parts.
    Raises: RuntimeError for sizes that do not add up, DistMismatch where the ranks do not agree.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> y = torch.zeros(2)
    >>> dist.all_to_all_single(y, torch.tensor([1.0, 2.0]))
    >>> y
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_to_all_single")
    if found is None:
        return None
    expect_tensors([expect_tensor(output, "output"), expect_tensor(input, "input")], "input")
    given = _splits(input, input_split_sizes, found.size())
    wanted = _splits(output, output_split_sizes, found.size())
    kind = str(input.dtype)[6:]

    def job(way: Transport, spin: bool) -> None:
        target = Target(output)
        mine = np.split(octets(input), given)
        _exchange(way, f"all_to_all_single({kind})", mine, np.split(target.bytes, wanted), spin)
        target.done()

    return found.start(job, async_op, [output])


def _splits(x: rl.Tensor, sizes: list[int] | None, ranks: int) -> list[int]:
    """Where the bytes of a tensor are cut."""
    rows = x.shape[0] if x.dim() else 1
    if not sizes:
        if rows % ranks:
            raise RuntimeError("Tensor's dim 0 does not divide equally across group size")
        sizes = [rows // ranks] * ranks
    if len(sizes) != ranks:
        raise RuntimeError("Number of tensor splits not equal to group size")
    if sum(sizes) != rows:
        raise RuntimeError("Split sizes doesn't match total dim 0 size")
    row = x._array.nbytes // rows if rows else 0
    return (np.cumsum(sizes[:-1]) * row).astype(int).tolist()


all_gather_single = all_gather_into_tensor
reduce_scatter_single = reduce_scatter_tensor
