"""What rules for sparse tensors are made of: their table, the order of places, layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.dispatch import named
from ..core.sparse import BSR, COO, CSC, CSR, Sparse, sparse
from ..core.tensor import Tensor
from .indexing import index
from .placing import index_select, spread_rows
from .structure import join, reshape

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare what the ops of these names do."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def is_sparse(x: Any) -> bool:
    """Whether something is a sparse tensor of any layout."""
    return isinstance(x, Tensor) and type(x._array) is Sparse


def in_a_row(parts: Sequence[Tensor]) -> Tensor:
    """Values of several tensors, one after another."""
    return join(tuple(parts), 0, tuple(one.shape[0] for one in parts))


def coalesced(x: Tensor) -> Tensor:
    """Each place once, in order; values of the same place are added.

    Compressed tensors have each place once, in an order of their own.
    """
    array: Sparse = x._array
    if array.ordered or array.layout is not COO:
        return x
    flat = array.flat()
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    first = np.concatenate(([True], flat[1:] != flat[:-1]))
    entries = index_select(array.entries, 0, order)
    if not first.all():
        shape = (int(first.sum()), *array.entries.shape[1:])
        entries = spread_rows(entries, shape, 0, np.cumsum(first) - 1)
    places = array.places[:, order[first]]
    return sparse(Sparse(places, entries, array.shape, COO, True))


def to_dense(x: Tensor) -> Tensor:
    """All elements, zeros too."""
    array: Sparse = x._array
    kept = len(array.places)
    sizes, rest = array.shape[:kept], array.shape[kept:]
    y = spread_rows(array.entries, (prod(sizes), *rest), 0, array.flat())
    return named(reshape(y, (*sizes, *rest)), "ToDenseBackward0")


def masked(dense: Tensor, like: Sparse) -> Tensor:
    """The elements of a dense tensor at the places of a sparse one."""
    entries = index(dense, tuple(like.places))
    return sparse(like.over(entries))


def in_coo(x: Tensor) -> Tensor:
    """The same elements as places and values."""
    return x if x._array.layout is COO else as_layout(x, COO)


def as_layout(x: Tensor, layout: Any, blocks: tuple[int, int] | None = None) -> Tensor:
    """The same elements in another layout; compressed ones keep rows or columns in order.

    blocks: of layouts by blocks, a block's size; where any element is kept, its block is.
    """
    array: Sparse = x._array
    if array.layout is layout and array.blocks == blocks:
        return x
    if layout is COO:
        again = sparse(Sparse(array.places, array.entries, array.shape, COO, False))
        straight = array.layout is CSR
        return _known_order(again) if straight else coalesced(again)
    found = coalesced(in_coo(x))._array
    if blocks is not None:
        return _in_blocks(found, layout, blocks)
    batches = len(found.places) - 2
    _same_number(found.places, found.shape, batches)
    if layout is CSC:
        *batch, rows, columns = found.places
        order = np.lexsort((rows, columns, *batch[::-1]))
        entries = index_select(found.entries, 0, order)
        return sparse(Sparse(found.places[:, order], entries, array.shape, CSC, True))
    return sparse(Sparse(found.places, found.entries, array.shape, CSR, True))


def _same_number(places: np.ndarray, shape: Sequence[int], batches: int) -> None:
    """Batches keep as many elements each."""
    if batches:
        flat = np.ravel_multi_index(tuple(places[:batches]), tuple(shape[:batches]))
        counts = np.bincount(flat, minlength=prod(shape[:batches]))
        if (counts != counts[:1]).any():
            raise RuntimeError("Expect the same number of specified elements per batch.")


def _in_blocks(found: Sparse, layout: Any, blocks: tuple[int, int]) -> Tensor:
    """All elements of the blocks of which any is kept, block by block."""
    *batch, rows, columns = found.places
    high, wide = blocks
    lines = [rows // high, columns // wide]
    kept = [*batch, *(lines if layout is BSR else lines[::-1])]
    keys, at = np.unique(np.stack(kept), axis=1, return_inverse=True)
    _same_number(keys, found.shape, len(batch))
    at = at.reshape(-1) * (high * wide) + rows % high * wide + columns % wide
    shape = (keys.shape[1] * high * wide, *found.entries.shape[1:])
    entries = spread_rows(found.entries, shape, 0, at)
    firsts = keys if layout is BSR else keys[[*range(len(batch)), -1, -2]]
    places = block_places(firsts, blocks)
    return sparse(Sparse(places, entries, found.shape, layout, True, blocks))


def block_places(corners: np.ndarray, blocks: tuple[int, int]) -> np.ndarray:
    """The places of all elements of blocks, given (..., row, column) counted in blocks."""
    high, wide = blocks
    places = np.repeat(corners, high * wide, 1)
    inside = np.arange(places.shape[1]) % (high * wide)
    places[-2] = places[-2] * high + inside // wide
    places[-1] = places[-1] * wide + inside % wide
    return places


def _known_order(x: Tensor) -> Tensor:
    """Note that places stand in order, where they do."""
    flat = x._array.flat()
    x._array.ordered = bool((flat[1:] > flat[:-1]).all())
    return x
