"""Ops that move, choose or join the places of sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.overrides import OPS
from ..core.sparse import BSC, BSR, COO, CSC, CSR, Sparse, refusal, sparse
from ..core.tensor import Tensor
from .placing import index_select
from .reduce import sum as sum_of
from .sparse_rules import as_layout, coalesced, in_a_row, in_coo, rule

FLIPPED = {COO: COO, CSR: CSC, CSC: CSR, BSR: BSC, BSC: BSR}


def flipped(x: Tensor, first: int = 0, second: int = 1) -> Tensor:
    """Two kept dimensions exchanged."""
    array: Sparse = x._array
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return _permuted(x, order, FLIPPED[array.layout])


@rule("t")
def _t(x: Tensor) -> Tensor:
    return flipped(x) if x.ndim == 2 else x


@rule("transpose", "transpose_")
def _transpose(x: Tensor, first: int, second: int) -> Tensor:
    return flipped(x, first % x.ndim, second % x.ndim)


@rule("permute")
def _permute(x: Tensor, order: Sequence[int]) -> Tensor:
    order = [d % x.ndim for d in order]
    same = order == list(range(x.ndim))
    return _permuted(x, order, x._array.layout if same else FLIPPED[x._array.layout])


def _permuted(x: Tensor, order: Sequence[int], layout: Any) -> Tensor:
    array: Sparse = x._array
    kept = len(array.places)
    if sorted(order[:kept]) != list(range(kept)):
        raise fail(
            RuntimeError, "sparse and dense dimensions of a sparse tensor cannot be exchanged"
        )
    entries = array.entries
    if list(order[kept:]) != list(range(kept, x.ndim)):
        entries = OPS["permute"](entries, (0, *(d - kept + 1 for d in order[kept:])))
    shape = tuple(x.shape[d] for d in order)
    same = list(order[:kept]) == list(range(kept))
    ordered = array.ordered and (same or layout is not COO)
    if layout is not COO and (array.blocks or kept > 2):
        size = array.blocks
        blocks = size if same or size is None else (size[1], size[0])
        moved = sparse(Sparse(array.places[list(order[:kept])], entries, shape))
        return as_layout(moved, layout, blocks)
    return sparse(Sparse(array.places[list(order[:kept])], entries, shape, layout, ordered))


def chosen(x: Tensor, dim: int, i: int) -> Tensor:
    """One entry of a kept dimension."""
    array: Sparse = in_coo(x)._array
    i = i + x.shape[dim] if i < 0 else i
    if len(array.places) <= dim:
        entries = OPS["select"](array.entries, dim - len(array.places) + 1, i)
        rest = (*x.shape[:dim], *x.shape[dim + 1 :])
        return sparse(Sparse(array.places, entries, rest, COO, array.ordered))
    here = np.flatnonzero(array.places[dim] == i)
    entries = index_select(array.entries, 0, here)
    places = np.delete(array.places[:, here], dim, 0)
    shape = (*x.shape[:dim], *x.shape[dim + 1 :])
    if not len(places):
        return sum_of(entries, (0,), False)
    return sparse(Sparse(places, entries, shape, COO, array.ordered))


@rule("select")
def _select(x: Tensor, dim: int, i: int) -> Tensor:
    array: Sparse = x._array
    found = chosen(x, dim, i)
    if array.layout is not COO and dim < len(array.places) - 2:  # one of a batch
        return as_layout(found, array.layout, array.blocks)
    return found


@rule("unbind")
def _unbind(x: Tensor, dim: int) -> tuple[Tensor, ...]:
    return tuple(chosen(x, dim, i) for i in range(x.shape[dim]))


@rule("slice", "narrow")
def _slice(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    array: Sparse = in_coo(x)._array
    if dim >= len(array.places):
        raise refusal("slice of a dense dimension", COO)
    here = np.flatnonzero((array.places[dim] >= start) & (array.places[dim] < start + length))
    places = array.places[:, here]
    places[dim] -= start
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    return sparse(Sparse(places, index_select(array.entries, 0, here), shape, COO, array.ordered))


@rule("part")
def _part(x: Tensor, key: tuple[Any, ...]) -> Tensor:
    dim = 0
    for one in key:
        if one is Ellipsis:
            continue
        if one is None:
            x, dim = _unsqueeze(x, dim), dim + 1
        elif isinstance(one, slice):
            start, stop, step = one.indices(x.shape[dim])
            if step != 1:
                raise refusal("slice with a step", COO)
            if (start, stop) != (0, x.shape[dim]):
                x = _slice(x, dim, start, max(0, stop - start))
            dim += 1
        else:
            x = chosen(x, dim, int(one))
    return x


@rule("index_select")
def _index_select(x: Tensor, dim: int, wanted: np.ndarray) -> Tensor:
    array: Sparse = coalesced(in_coo(x))._array
    if dim >= len(array.places):
        entries = index_select(array.entries, dim - len(array.places) + 1, wanted)
        shape = (*x.shape[:dim], wanted.size, *x.shape[dim + 1 :])
        return sparse(Sparse(array.places, entries, shape, COO, True))
    by_place = np.argsort(array.places[dim], kind="stable")
    counts = np.bincount(array.places[dim], minlength=x.shape[dim])
    begins = np.concatenate(([0], np.cumsum(counts)))[:-1]
    times = counts[wanted]
    new = np.repeat(np.arange(wanted.size), times)
    within = np.arange(new.size) - np.repeat(np.cumsum(times) - times, times)
    at = by_place[np.repeat(begins[wanted], times) + within]
    places = array.places[:, at]
    places[dim] = new
    shape = (*x.shape[:dim], wanted.size, *x.shape[dim + 1 :])
    return coalesced(sparse(Sparse(places, index_select(array.entries, 0, at), shape)))


@rule("cat")
def _join(xs: Sequence[Tensor], dim: int, widths: Any) -> Tensor:
    arrays = [in_coo(x)._array for x in xs]
    kept = len(arrays[0].places)
    if dim >= kept:
        raise refusal("cat of a dense dimension", COO)
    places, begin = [], 0
    for array in arrays:
        moved = array.places.copy()
        moved[dim] += begin
        begin += array.shape[dim]
        places.append(moved)
    first = arrays[0].shape
    shape = (*first[:dim], begin, *first[dim + 1 :])
    entries = in_a_row([array.entries for array in arrays])
    return sparse(Sparse(np.concatenate(places, 1), entries, shape))


@rule("stack")
def _stack(xs: Sequence[Tensor], dim: int) -> Tensor:
    return _join([_unsqueeze(x, dim) for x in xs], dim, None)


@rule("unsqueeze")
def _unsqueeze(x: Tensor, dim: int) -> Tensor:
    array: Sparse = in_coo(x)._array
    dim = dim + x.ndim + 1 if dim < 0 else dim
    shape = (*x.shape[:dim], 1, *x.shape[dim:])
    if dim > len(array.places):
        entries = OPS["unsqueeze"](array.entries, dim - len(array.places) + 1)
        return sparse(Sparse(array.places, entries, shape, COO, array.ordered))
    places = np.insert(array.places, dim, 0, 0)
    return sparse(Sparse(places, array.entries, shape, COO, array.ordered))
