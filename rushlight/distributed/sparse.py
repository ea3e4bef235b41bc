"""Sums of sparse tensors over ranks: only their entries travel."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .process_group import ProcessGroup
from .reduce_op import ReduceOp
from .transport import Transport, call_of
from .work import Work


def all_reduce_sparse(
    found: ProcessGroup, tensor: rl.Tensor, op: ReduceOp, async_op: bool
) -> Work | None:
    """Replace a sparse tensor, on every rank, by the sum over all: the same bits everywhere."""
    if op is not ReduceOp.SUM:
        raise RuntimeError(
            "ProcessGroupGloo::allreduce: unsupported reduction operation (allreduce of sparse"
            " tensors only works with ReduceOp.SUM)"
        )
    dims = tensor.sparse_dim()
    call = call_of("all_reduce", tensor.dtype, tuple(tensor.shape), f"{op.name} of {dims} sparse")

    def job(way: Transport, spin: bool) -> None:
        with rl.no_grad():
            mine = tensor.detach().coalesce()
            places, values = mine.indices(), mine.values()
            tail = values.shape[1:]
            entry = dims * 8 + values[:0].new_empty(tail).nbytes
            counts = [row[0] for row in way.details(call, [len(values)], spin)]
            lengths = [count * entry for count in counts]
            parts = [np.empty(length, np.uint8) for length in lengths]

            def take(source: int, start: int, view: Any) -> None:
                parts[source][start : start + view.size] = view

            data = [np.ascontiguousarray(x.numpy()).reshape(-1) for x in (places, values)]
            given = np.concatenate([one.view(np.uint8) for one in data])
            way.move(call, given, lengths, lambda reader, source: (0, lengths[source]), take, spin)
            rows = [part[: count * dims * 8].view(np.int64).reshape(dims, count)
                    for part, count in zip(parts, counts)]  # fmt: skip
            entries = [part[count * dims * 8 :].view(data[1].dtype).reshape(count, *tail)
                       for part, count in zip(parts, counts)]  # fmt: skip
            whole = rl.sparse_coo_tensor(
                np.concatenate(rows, 1), np.concatenate(entries), tensor.shape
            )
            tensor.copy_(whole.coalesce())

    return found.start(job, async_op, [tensor])
