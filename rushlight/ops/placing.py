"""Filling, picking and replacing elements: by mask, by index along a dimension, by flat place."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.families import general, linear
from ..core.heavy import LEAST, heavy
from ..core.numbers import number, wide
from .indexing import add_at, add_rows
from .indexing_along import copied, corner, flat_places, gather
from .reduce import sum as sum_of
from .structure import (
    cast,
    diagonal,
    embed_diagonal,
    narrow,
    part,
    place,
    reshape,
    row_major,
    select,
    strided_view,
)

Shape = Sequence[int]


def kind_of(x: Any) -> dtypes.dtype:
    """The data type of an array or a tensor."""
    return dtypes.of(x) if isinstance(x, (np.ndarray, np.generic)) else x.dtype


EVERYWHERE = np.ones((), bool)


# NumPy's public function first asks all operands whether they have an `__array_function__`
_copy_to: Any = getattr(np.copyto, "_implementation", np.copyto)


def _masked_fill(x: np.ndarray, mask: np.ndarray, value: Any) -> np.ndarray:
    if x.dtype.char in "fd" and (type(value) is int or (type(value) is float and value)):
        given = number(value, x.dtype)
    else:
        given = np.asarray(value).astype(x.dtype)
    if not given.ndim and mask.shape == x.shape[x.ndim - mask.ndim :] and x.size < LEAST:
        y = copied(x)
        _copy_to(y, given, where=mask)
        return y
    return row_major(np.where(mask, given, x))


masked_fill = general(
    "masked_fill", eval=_masked_fill,
    vjp=lambda g, y, x, mask, value: masked_fill(g, mask, 0),
    doc="x with one number wherever the mask holds.",
)  # fmt: skip
masked_fill_tensor = general(
    "masked_fill_tensor", eval=lambda x, value, mask: _masked_fill(x, mask, value), arity=2,
    vjp=lambda g, y, x, value, mask: (masked_fill(g, mask, 0), masked_fill(g, ~mask, 0)),
    node="MaskedFillBackward1", doc="x with a 0-d tensor's value wherever the mask holds.",
)  # fmt: skip


def _masked_select(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mask, x = np.broadcast_arrays(mask, x)
    return x[mask]


def _masked_select_adjoint(g: Any, x: Any, mask: np.ndarray) -> Any:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return add_at(g, shape, (np.broadcast_to(mask, shape),))


masked_select = linear("masked_select", eval=_masked_select, adjoint=_masked_select_adjoint,
                       doc="The elements where the mask holds, in one row.")  # fmt: skip


def _masked_scatter(x: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    y = np.array(x, order="C")
    y[mask] = source.reshape(-1)[: int(np.count_nonzero(mask))]
    return y


def _masked_scatter_vjp(g: Any, y: Any, x: Any, source: Any, mask: np.ndarray) -> Any:
    given = None if source is None else masked_source(g, mask, source.shape)
    return masked_fill(g, mask, 0), given


def _masked_source(g: np.ndarray, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    taken, y = g[mask], np.zeros(prod(shape), g.dtype)
    y[: taken.size] = taken
    return y.reshape(shape)


masked_source = linear(
    "masked_source", eval=_masked_source,
    adjoint=lambda h, g, mask, shape: masked_target(h, mask, g.shape),
    doc="The elements where the mask holds, in order, at the beginning of zeros.",
)  # fmt: skip


def _masked_target(x: np.ndarray, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return _masked_scatter(np.zeros(shape, x.dtype), x, mask)


masked_target = linear(
    "masked_target", eval=_masked_target,
    adjoint=lambda g, x, mask, shape: masked_source(g, mask, x.shape),
    doc="Zeros but where the mask holds: there the first elements, in order.",
)  # fmt: skip


masked_scatter = general(
    "masked_scatter", eval=_masked_scatter, arity=2, vjp=_masked_scatter_vjp,
    doc="x with the masked places taken, in order, from a source.",
)  # fmt: skip


def along(dim: int, index: Any) -> tuple[Any, ...]:
    """The key of the entries `index` of one dimension."""
    return (*(slice(None),) * dim, index)


def _index_select(x: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    return x.take(index, dim) if x.ndim else x.copy()


@wide
def _spread_rows(g: np.ndarray, shape: Shape, dim: int, index: np.ndarray) -> np.ndarray:
    if not shape:
        return g.reshape(())
    if dim == 0:
        y = np.zeros(shape, g.dtype)
        add_rows(y, index, g)
        return y
    y = np.zeros((shape[dim], *shape[:dim], *shape[dim + 1 :]), g.dtype)
    add_rows(y, index, np.moveaxis(g, dim, 0))
    return np.moveaxis(y, 0, dim)


index_select = linear("index_select", eval=heavy("index_select", _index_select, light=True),
                      adjoint=lambda g, x, dim, index: spread_rows(g, x.shape, dim, index),
                      doc="The given entries of one dimension.")  # fmt: skip
spread_rows = linear(
    "spread_rows", eval=heavy("spread_rows", _spread_rows, light=True),
    adjoint=lambda g, x, shape, dim, index: index_select(g, dim, index),
    node="IndexSelectBackward0", doc="Zeros with entries added along a dim.",
)  # fmt: skip


@wide
def _index_add(x: np.ndarray, source: np.ndarray, dim: int, index: np.ndarray, alpha: Any) -> Any:
    if alpha != 1:
        times = number(alpha, x.dtype) if x.dtype.kind in "iu" and type(alpha) is int else alpha
        source = (source * times).astype(x.dtype, copy=False)
    if dim == 0:
        y = x.copy()
        add_rows(y.reshape(1) if not y.ndim else y, index, source)
        return y
    y = np.array(np.moveaxis(x, dim, 0), order="C")
    add_rows(y, index, np.moveaxis(source, dim, 0))
    return np.ascontiguousarray(np.moveaxis(y, 0, dim))


def _index_add_vjp(g: Any, y: Any, x: Any, source: Any, dim: int, index: Any, alpha: Any) -> Any:
    if source is None:
        return g, None
    taken = reshape(index_select(g, dim, index), source.shape)
    return g, taken if alpha == 1 else taken * alpha


index_add = general(
    "index_add", eval=_index_add, arity=2, vjp=_index_add_vjp,
    doc="x with alpha times the source's entries added along a dimension.",
)  # fmt: skip


def _index_fill(x: np.ndarray, dim: int, index: np.ndarray, value: Any) -> np.ndarray:
    y = np.array(x, order="C")
    y[along(dim, index) if x.ndim else ...] = np.asarray(value).astype(x.dtype)
    return y


index_fill = general(
    "index_fill", eval=_index_fill,
    vjp=lambda g, y, x, dim, index, value: index_fill(g, dim, index, 0),
    doc="x with one number in the given entries of a dimension.",
)  # fmt: skip
index_fill_tensor = general(
    "index_fill_tensor", arity=2, node="IndexFillBackward1",
    eval=lambda x, value, dim, index: _index_fill(x, dim, index, value),
    vjp=lambda g, y, x, value, dim, index: (
        index_fill(g, dim, index, 0), sum_of(index_select(g, dim, index), None, False)
    ),
    doc="x with a 0-d tensor's value in the given (distinct) entries of a dimension.",
)  # fmt: skip


def _index_copy(x: np.ndarray, source: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    y = np.array(x, order="C")
    if x.ndim:
        y[along(dim, index)] = source
    else:
        y[...] = source.reshape(())
    return y


index_copy = general(
    "index_copy", eval=_index_copy, arity=2,
    vjp=lambda g, y, x, source, dim, index: (
        index_fill(g, dim, index, 0),
        None if source is None else reshape(index_select(g, dim, index), source.shape),
    ),
    doc="x with the given entries of a dimension replaced by the source's.",
)  # fmt: skip


def _scatter_value(x: np.ndarray, dim: int, places: np.ndarray, value: Any) -> np.ndarray:
    y, number = copied(x), np.asarray(value).astype(x.dtype)
    if places.size:
        table = x.ndim and places.ndim
        y.reshape(-1)[flat_places(x.shape, dim, places) if table else places] = number
    return y


scatter_value = general(
    "scatter_value", eval=_scatter_value, node="ScatterBackward1",
    vjp=lambda g, y, x, dim, places, value: scatter_value(g, dim, places, 0),
    doc="x with one number at places along a dimension.",
)  # fmt: skip


def _scatter(x: np.ndarray, source: np.ndarray, dim: int, places: np.ndarray) -> np.ndarray:
    y = copied(x)
    if x.ndim and places.ndim and places.size:
        y.reshape(-1)[flat_places(x.shape, dim, places)] = corner(source, places)
    elif places.size:
        y.reshape(-1)[places.reshape(-1)] = source.reshape(-1)[: places.size]
    return y


def gather_for(source: Any, g: Any, dim: int, places: np.ndarray) -> Any:
    """The gradient of a scattered source: zero where `places` did not reach it."""
    if source is None:
        return None
    if places.size == 0:
        return place(reshape(g, (g.shape))[..., :0] if g.shape else g * 0, source.shape, ...) * 0
    taken = gather(g, dim, places)
    if tuple(taken.shape) == tuple(source.shape):
        return taken
    return place(taken, source.shape, tuple(slice(n) for n in places.shape))


scatter = general(
    "scatter", eval=_scatter, arity=2,
    vjp=lambda g, y, x, source, dim, places: (
        scatter_value(g, dim, places, 0), gather_for(source, g, dim, places)
    ),
    doc="x with values of a source at places along a dimension.",
)  # fmt: skip

take = linear("take", eval=lambda x, index: x.reshape(-1)[index],
              adjoint=lambda g, x, index: reshape(
                  add_at(g, (prod(x.shape),), (index,)), x.shape),
              doc="Elements by their place in the flattened tensor.")  # fmt: skip


def _put(x: np.ndarray, source: np.ndarray, index: np.ndarray, accumulate: bool) -> np.ndarray:
    y = x.copy(order="C")
    flat = y.reshape(-1)
    if accumulate:
        np.add.at(flat, index.reshape(-1), source.reshape(-1))
    else:
        flat[index.reshape(-1)] = source.reshape(-1)
    return y


def _put_vjp(g: Any, y: Any, x: Any, source: Any, index: np.ndarray, accumulate: bool) -> Any:
    given = None if source is None else reshape(take(g, index), source.shape)
    if accumulate:
        return g, given
    return put(g, take(g, index) * 0, index, False), given


put = general("put", eval=_put, arity=2, vjp=_put_vjp,
              doc="x with elements replaced (or added to) by their flat place.")  # fmt: skip


def _replacing(name: str, looks_at: Any, node: str, doc: str) -> Any:
    """The op that copies x and overwrites what the view op `looks_at` would show."""
    see = looks_at.primitive.eval

    def evaluate(x: np.ndarray, source: np.ndarray, *params: Any) -> np.ndarray:
        y = x.copy()
        see(y, *params)[...] = source
        return y

    def vjp(g: Any, y: Any, x: Any, source: Any, *params: Any) -> Any:
        seen = looks_at(g, *params)
        return op(g, masked_fill(seen, EVERYWHERE, 0), *params), seen

    op = general(name, eval=evaluate, arity=2, vjp=vjp, node=node, doc=doc)
    return op


select_scatter = _replacing("select_scatter", select, "SelectScatterBackward0",
                            "x with one index of one dimension replaced.")  # fmt: skip
slice_scatter = _replacing("slice_scatter", part, "SliceScatterBackward0",
                           "x with a slice replaced.")  # fmt: skip
diagonal_scatter = _replacing("diagonal_scatter", diagonal, "DiagonalScatterBackward0",
                              "x with a diagonal replaced.")  # fmt: skip
as_strided_scatter = _replacing("as_strided_scatter", strided_view, "AsStridedScatterBackward0",
                                "x with a strided region replaced.")  # fmt: skip


def _block_diagonal(xs: Sequence[np.ndarray], corners: Any, shape: Shape) -> np.ndarray:
    y = np.zeros(shape, xs[0].dtype)
    for x, (row, column) in zip(xs, corners):
        y[row : row + x.shape[0], column : column + x.shape[1]] = x
    return y


def _block_diagonal_vjp(g: Any, y: Any, xs: Any, corners: Any, shape: Any) -> Any:
    return tuple(
        None if x is None else narrow(narrow(g, 0, row, x.shape[0]), 1, column, x.shape[1])
        for x, (row, column) in zip(xs, corners)
    )


block_diagonal = general(
    "block_diag", eval=_block_diagonal, arity=None, vjp=_block_diagonal_vjp,
    dtype="promote", doc="Matrices along the diagonal, zeros elsewhere.",
)  # fmt: skip


def as_number(mask: Any, like: Any) -> Any:
    """A mask as ones and zeros of another value's data type."""
    return cast(mask, kind_of(like))


diagonal_copy = linear(
    "diagonal_copy", eval=lambda x, *where: np.diagonal(x, *where).copy(),
    adjoint=lambda g, x, *where: embed_diagonal(g, x.shape, *where),
    node="DiagonalBackward0_copy",
    doc="The entries whose two indices differ by `offset`, in memory of their own.",
)  # fmt: skip
