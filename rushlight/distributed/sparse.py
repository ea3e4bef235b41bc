"""Sums of sparse tensors over ranks: only their entries travel."""

from __future__ import annotations

import math
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
            places, values = mine.indices().numpy(), mine.values().numpy()
            entry = dims * 8 + values.itemsize * math.prod(values.shape[1:])
            counts = [row[0] for row in way.details(call, [len(values)], spin)]
            lengths = [count * entry for count in counts]
            parts = [np.empty(length, np.uint8) for length in lengths]

            def take(source: int, start: int, view: Any) -> None:
                parts[source][start : start + view.size] = view

            given = np.concatenate([_bytes(places), _bytes(values)])
            way.move(call, given, lengths, lambda reader, source: (0, lengths[source]), take, spin)
            tables = [_table(part, count, dims, values) for part, count in zip(parts, counts)]
            rows, entries = zip(*tables)
            whole = rl.sparse_coo_tensor(
                np.concatenate(rows, 1), np.concatenate(entries), tensor.shape
            )
            tensor.copy_(whole.coalesce())

    return found.start(job, async_op, [tensor])


def _bytes(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8)


def _table(part: np.ndarray, count: int, dims: int, like: np.ndarray) -> tuple[Any, Any]:
    """The places (dims, count) and the values that a rank sent: first all places, then all values.

    Values have the type of `like`, and the shape of one of its elements.
    """
    end = count * dims * 8
    places = part[:end].view(np.int64).reshape(dims, count)
    return places, part[end:].view(like.dtype).reshape(count, *like.shape[1:])
