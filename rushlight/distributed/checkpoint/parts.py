"""Which part of a tensor this process has, and where parts meet."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..tensor.dtensor import DTensor
from ..tensor.placements import Replicate, Shard, part_of
from .metadata import ChunkStorageMetadata


def settled(value: Any) -> Any:
    """A DTensor without partial sums, detached; anything else as it is."""
    if not isinstance(value, DTensor):
        return value
    laid = value.detach()
    if any(p.is_partial() for p in laid.placements):
        return laid.redistribute(placements=[Replicate()] * len(laid.placements))
    return laid


def chunk_of(value: Any) -> ChunkStorageMetadata:
    """Where this process's part of a tensor lies in the whole."""
    offsets, sizes = [0] * value.dim(), list(value.shape)
    if isinstance(value, DTensor):
        mesh = value.device_mesh
        for dim, placement in enumerate(value.placements):
            if isinstance(placement, Shard):
                axis = placement.dim
                begin, end = part_of(sizes[axis], mesh.size(dim), mesh.get_coordinate()[dim])
                offsets[axis], sizes[axis] = offsets[axis] + begin, end - begin
    return ChunkStorageMetadata(rl.Size(offsets), rl.Size(sizes))


def local_of(value: Any) -> Any:
    """The part itself."""
    return value.to_local() if isinstance(value, DTensor) else value.detach()


def shared_region(
    mine: ChunkStorageMetadata, theirs: ChunkStorageMetadata
) -> tuple[list[int], list[int], list[int]] | None:
    """What two parts have in common: its offsets in either, and its sizes; None if nothing.

    >>> shared_region(ChunkStorageMetadata([0], [3]), ChunkStorageMetadata([2], [4]))
    ([2], [0], [1])
    """
    here, there, sizes = [], [], []
    for a, n, b, m in zip(mine.offsets, mine.sizes, theirs.offsets, theirs.sizes):
        low, high = max(a, b), min(a + n, b + m)
        if low >= high:
            return None
        here.append(low - a)
        there.append(low - b)
        sizes.append(high - low)
    return here, there, sizes


def cut(tensor: Any, offsets: Any, sizes: Any) -> Any:
    """A region of a tensor, as a view."""
    for dim, (begin, size) in enumerate(zip(offsets, sizes)):
        tensor = tensor.narrow(dim, begin, size)
    return tensor
