"""Batching rules of ops that read or write at arrays of places, and of losses by class."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.overrides import OPS
from ..core.tensor import Tensor, wrap
from ..core.values import Value
from ..ops import structure as s
from ..ops.indexing import add_at, index, index_put
from ..ops.indexing_along import gather, spread_along
from ..ops.reduce import sum as sum_of
from .batched import SILENT, Mapped, Operand, aligned, flat, whole
from .batching_shapes import rule, up


def takes_batched(function: Any) -> Any:
    """Mark a rule that knows what to do with batched params."""
    function.takes_batched_params = True
    return function


def _places(places: Any, size: int) -> Any:
    """An array of places for the whole batch."""
    if type(places) is Mapped:
        return places.inner._array
    if isinstance(places, Value):
        return s.expand(wrap(places), (size, *places.shape))._array
    return np.broadcast_to(places, (size, *places.shape))


def _flat_rows(x: Any, size: int) -> Any:
    """Samples of no dimension get one."""
    return x if x._array.ndim > 1 else s.reshape(x, (size, 1))


@takes_batched
@rule("gather")
def _gather(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = _flat_rows(whole(operands[0], size), size)
    places = _places(params[1], size)
    if places.ndim == 1 or not places.size:
        return NotImplemented if not places.size else s.reshape(
            gather(s.reshape(x, (size, -1)), 1, places.reshape(size, 1)), (size,))  # fmt: skip
    return gather(x, params[0] + 1, places)


@takes_batched
@rule("spread_along")
def _spread_along(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    shape, dim, places = params
    g, places = whole(operands[0], size), _places(places, size)
    if not places.size or places.ndim == 1 or not shape:
        return NotImplemented
    return spread_along(g, (size, *shape), dim + 1, places)


@takes_batched
@rule("scatter", "scatter_add", "scatter_value", "scatter_reduce")
def _scatter(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    dim, places, *rest = params
    given = [whole(one, size) for one in operands]
    places = _places(places, size)
    if not places.size or places.ndim == 1 or given[0]._array.ndim == 1:
        return NotImplemented
    return OPS[prim.name](*given, dim + 1, places, *rest)


@rule("index_select", "index_fill", "index_fill_tensor", "index_add", "index_copy")
def _along(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    if prim.name == "index_fill_tensor" and operands[1][1]:
        return NotImplemented
    given = [whole(operands[0], size)]
    given += [
        one if prim.name == "index_fill_tensor" else whole((one, batched), size)
        for one, batched in operands[1:]
    ]
    if given[0]._array.ndim == 1:
        return NotImplemented
    return OPS[prim.name](*given, up(params[0]), *params[1:])


@rule("spread_rows")
def _spread_rows(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    shape, dim, places = params
    if not shape:
        return NotImplemented
    return OPS["spread_rows"](operands[0][0], (size, *shape), dim + 1, places)


# --- keys of arrays


def _spelt_out(key: Any) -> Any:
    """A key with masks as arrays of places; None where a mask differs from sample to sample."""
    found: list[Any] = []
    for one in key:
        if type(one) is Mapped:
            if one.inner._array.dtype.kind == "b":
                raise RuntimeError(
                    "vmap: We do not support batching operators that can support dynamic shape."
                    " Attempting to batch over indexing with a boolean mask."
                )
            found.append(one)
        elif isinstance(one, np.ndarray) and one.dtype.kind == "b":
            found += np.nonzero(one)
        else:
            found.append(one)
    return found


def _batch_key(key: Any, size: int) -> tuple[tuple[Any, ...], int, int] | None:
    """(key for the batch, dimensions of the places, where they belong in a sample's result)."""
    parts = _spelt_out(key)
    arrays = [i for i, one in enumerate(parts) if not isinstance(one, slice)]
    if any(isinstance(one, Value) for one in parts):
        return None
    ranks = [one.inner._array.ndim - 1 if type(one) is Mapped else one.ndim
             for one in parts if not isinstance(one, slice)]  # fmt: skip
    rank = max(ranks)
    together = arrays[-1] - arrays[0] + 1 == len(arrays)
    rows = np.arange(size).reshape(size, *(1,) * rank)
    full: list[Any] = [rows]
    for one in parts:
        if type(one) is Mapped:
            array = one.inner._array
            if isinstance(array, Value):
                return None
            one = array.reshape(size, *(1,) * (rank - array.ndim + 1), *array.shape[1:])
        full.append(one)
    return tuple(full), rank, arrays[0] if together else 0


@takes_batched
@rule("index")
def _index(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    found = _batch_key(params[0], size)
    if found is None:
        return NotImplemented
    key, rank, place = found
    x = whole(operands[0], size)
    y = index(x, key)
    if not place:
        return y
    order = (0, *range(1 + rank, 1 + rank + place), *range(1, 1 + rank),
             *range(1 + rank + place, y._array.ndim))  # fmt: skip
    return s.permute(y, order)


def _places_first(g: Any, rank: int, place: int) -> Any:
    """The places' dimensions right after the batch, as NumPy gives them for our keys."""
    order = (0, *range(1 + place, 1 + place + rank), *range(1, 1 + place),
             *range(1 + place + rank, g._array.ndim))  # fmt: skip
    return s.permute(g, order)


@takes_batched
@rule("add_at")
def _add_at(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    shape, key = params
    found = _batch_key(key, size)
    if found is None:
        return NotImplemented
    key, rank, place = found
    g = whole(operands[0], size)
    return add_at(_places_first(g, rank, place) if place else g, (size, *shape), key)


@takes_batched
@rule("index_put")
def _index_put(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    key, accumulate = params
    found = _batch_key(key, size)
    if found is None:
        return NotImplemented
    key, rank, place = found
    x, value = whole(operands[0], size), operands[1][0]
    wanted = index(x, key)._array.ndim - 1
    if operands[1][1]:
        missing = wanted - (value._array.ndim - 1)
        value = s.reshape(value, (size, *(1,) * missing, *value._array.shape[1:]))
        if place:
            value = _places_first(value, rank, place)
    elif place and value._array.ndim > wanted - place - rank:
        missing = wanted - value._array.ndim
        value = s.reshape(value, (1, *(1,) * missing, *value._array.shape))
        value = _places_first(value, rank, place)
    return index_put(x, value, key, accumulate)


@takes_batched
@rule("take")
def _take(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x = whole(operands[0], size)
    return _index(prim, size, [(flat(x), True)], ((params[0],),))


@rule("masked_select")
def _masked_select(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    x, mask = aligned(operands[0], params[0].ndim), params[0]
    if isinstance(mask, Value):
        return NotImplemented
    shape = np.broadcast_shapes(x._array.shape[1:], mask.shape) or (1,)
    x = x if x._array.ndim > 1 else s.reshape(x, (size, 1))  # of one number none or one is chosen
    x = s.expand(x, (size, *shape)) if x._array.shape[1:] != shape else x
    return _index(prim, size, [(x, True)], ((np.broadcast_to(mask, shape),),))


@rule("embedding")
def _embedding(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    (w, w_batched), (rows, _) = operands
    if not w_batched:
        return OPS["embedding"](w, rows, *params)
    padding, by_count = params
    if not size or padding >= 0 or by_count:  # what its gradient leaves out differs by sample
        return NotImplemented
    return OPS["embedding"](_one_table(w), _in_one_table(operands[1], size, w), padding, by_count)


def _one_table(w: Tensor) -> Tensor:
    size, count, *rest = w._array.shape
    return s.reshape(w, (size * count, *rest))


def _in_one_table(rows: Operand, size: int, table: Any) -> Tensor:
    """Numbers of rows in the tables of all samples, one after the other."""
    given = whole(rows, size)
    count = table if isinstance(table, int) else table._array.shape[1]
    first = np.arange(size).reshape(size, *(1,) * (given._array.ndim - 1)) * count
    return given + wrap(first)


@rule("embedding_back")
def _embedding_back(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    count, padding, by_count = params
    if not size:
        return NotImplemented
    g, rows = whole(operands[0], size), _in_one_table(operands[1], size, count)
    y = OPS["embedding_back"](g, rows, size * count, -1, by_count)
    y = s.reshape(y, (size, count, *y._array.shape[1:]))
    if padding < 0:
        return y
    wanted = np.ones((count, 1), y._array.dtype)
    wanted[padding] = 0
    return y * wrap(wanted)


SILENT |= {"embedding", "embedding_back", "index", "add_at", "gather", "spread_along", "scatter",
           "scatter_add", "masked_scatter", "put", "index_fill_tensor", "index_select"}  # fmt: skip


# --- losses by class


def _classes(operands: list[Operand], size: int) -> tuple[Any, Any, Any] | None:
    """(scores, classes, weight) with the batch folded into the first dimension."""
    x, target, (weight, weight_batched) = operands
    if weight_batched or not size:
        return None
    x, target = whole(x, size), whole(target, size)
    if x._array.ndim < 3 or target._array.dtype.kind not in "iu":
        return None
    n = size * x._array.shape[1]
    return (
        s.reshape(x, (n, *x._array.shape[2:])), s.reshape(target, (n, *target._array.shape[2:])),
        weight,
    )  # fmt: skip


def _counted(target: Any, weight: Any, ignore: int, like: Any, size: int) -> Any:
    """What each sample's mean is divided by: its labels that count, weighted."""
    counted = s.cast(target != ignore, like.dtype)
    if weight is not None:
        kept = OPS["where"](target == ignore, s.zero(target), target)
        counted = counted * index(weight, (kept._array,))
    n = target._array.shape[0] // size
    counted = s.reshape(counted, (size, n, *target._array.shape[1:]))
    return sum_of(counted, tuple(range(1, counted._array.ndim)), False)


def _reduced(each: Any, target: Any, weight: Any, ignore: int, how: str, size: int) -> Any:
    """Losses of all elements as the batch's results."""
    n = each._array.shape[0] // size
    each = s.reshape(each, (size, n, *each._array.shape[1:]))
    if how == "none":
        return each
    total = sum_of(each, tuple(range(1, each._array.ndim)), False)
    return total if how == "sum" else total / _counted(target, weight, ignore, each, size)


@rule("nll_loss", "cross_entropy")
def _loss(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    found = _classes(operands, size)
    if found is None:
        return NotImplemented
    x, target, weight = found
    ignore, how = params
    logs = x if prim.name == "nll_loss" else OPS["log_softmax"](x, 1)
    each = OPS["nll_loss"](logs, target, weight, ignore, "none")
    y = _reduced(each, target, weight, ignore, how, size)
    if prim.name == "nll_loss":
        return y
    return y, wrap(np.zeros((size, x._array.shape[0] // size, *x._array.shape[1:]), np.int32))


@rule("nll_loss_back")
def _loss_back(prim: Any, size: int, operands: list[Operand], params: Any) -> Any:
    g, target, (weight, weight_batched) = operands
    shape, ignore, how = params
    target, g = whole(target, size), whole(g, size)
    if weight_batched or not size or target._array.ndim < 2:
        return NotImplemented
    target = s.reshape(target, (size * shape[0], *target._array.shape[2:]))
    if how == "mean":
        g = g / _counted(target, weight, ignore, g, size)
    if how != "none":
        g = s.expand(s.reshape(g, (size, *(1,) * (len(shape) - 1))), (size, shape[0], *shape[2:]))
    g = s.reshape(g, target._array.shape)
    dx = OPS["nll_loss_back"](g, target, weight, (size * shape[0], *shape[1:]), ignore, "none")
    return s.reshape(dx, (size, *shape))


SILENT |= {"nll_loss", "nll_loss_back", "cross_entropy"}
