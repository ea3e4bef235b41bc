"""Products with a matrix of which only some elements are kept, given as places and values.

And tables looked up by number, whose gradient is such a matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.families import multilinear
from ..core.heavy import Pieces
from ..core.sparse import Sparse, sparse
from ..core.tensor import Tensor, wrap
from ..core.values import raw
from .fused.embedding import lookup
from .placing import index_select
from .structure import reshape

AT_ONCE = 1 << 16  # elements of gathered rows, which should stay in the cache
PAYS = 1 << 16  # multiplications from which native code is worth its making
NATIVE = Pieces("gathered")


def _native(which: str, numbers: int, *arrays: np.ndarray) -> Any:
    """The native function for dense arrays of one type, if there is enough to do."""
    kind = arrays[0].dtype
    if numbers < PAYS or kind.char not in "fd" or any(x.dtype != kind for x in arrays):
        return None
    found = NATIVE.found
    return None if found is None else getattr(found, which)[kind.char]


def _called(function: Any, arrays: tuple[np.ndarray, ...], *counts: int) -> None:
    kept = [np.ascontiguousarray(x) for x in arrays]  # which live as long as the call
    function(*(x.ctypes.data for x in kept), *counts)


def _inside(places: np.ndarray, count: int) -> None:
    """Native code reads where it is told to."""
    if places.size and (places.min() < 0 or places.max() >= count):
        raise IndexError(f"a place outside of the {count} there are")


def _by_rows(rows: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Places and values in the order of rows."""
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows, kind="stable")
        return rows[order], *(one[order] for one in others)
    return rows, *others


def _coo_product(
    values: np.ndarray, dense: np.ndarray, rows: np.ndarray, columns: np.ndarray, count: int
) -> np.ndarray:
    rows, columns, values = _by_rows(rows, columns, values)
    native = _native("product", rows.size * dense.shape[1], values, dense)
    if native is not None:
        _inside(columns, len(dense))
        y = np.empty((count, dense.shape[1]), dense.dtype)
        begins = np.searchsorted(rows, np.arange(count + 1))
        _called(native, (values, columns, begins, dense, y), count, dense.shape[1])
        return y
    y = np.zeros((count, dense.shape[1]), np.result_type(values, dense))
    width = max(1, AT_ONCE // max(1, dense.shape[1]))
    for begin in range(0, rows.size, width):
        part, own = slice(begin, begin + width), rows[begin : begin + width]
        terms = dense.take(columns[part], 0)
        terms *= values[part, None]
        starts = np.flatnonzero(np.concatenate(([True], own[1:] != own[:-1])))
        if starts.size < own.size:
            terms = np.add.reduceat(terms, starts, 0)
        y[own[starts]] += terms
    return y


def _coo_sample(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    y = np.empty(rows.size, np.result_type(a, b))
    native = _native("sample", rows.size * a.shape[1], a, b)
    if native is not None:
        _inside(rows, len(a))
        _inside(columns, len(b))
        _called(native, (a, b, rows, columns, y), rows.size, a.shape[1])
        return y
    width = max(1, AT_ONCE // max(1, a.shape[1]))
    for begin in range(0, rows.size, width):
        part = slice(begin, begin + width)
        np.einsum("nk,nk->n", a.take(rows[part], 0), b.take(columns[part], 0), out=y[part])
    return y


coo_product = multilinear(
    "coo_product", eval=_coo_product, node="SparseAddmmBackward0",
    adjoints=[
        lambda g, values, dense, rows, columns, count:
            coo_sample(g, dense.conj(), rows, columns),
        lambda g, values, dense, rows, columns, count:
            coo_product(values.conj(), g, columns, rows, dense.shape[0]),
    ],
    doc="A sparse matrix (its values; where they stand) times a dense one.",
)  # fmt: skip
coo_sample = multilinear(
    "coo_sample", eval=_coo_sample,
    adjoints=[
        lambda g, a, b, rows, columns: coo_product(g, b.conj(), rows, columns, a.shape[0]),
        lambda g, a, b, rows, columns: coo_product(g, a.conj(), columns, rows, b.shape[0]),
    ],
    doc="Chosen elements of a @ b.T.",
)  # fmt: skip


def _gradient_by_rows(g: Any, table: Any, places: np.ndarray, padding: int) -> Any:
    """The gradient of a table as rows and where they stand; a row may come twice."""
    flat = raw(places).reshape(-1)
    rows = reshape(g, (flat.size, *table.shape[1:]))
    if padding >= 0:
        kept = np.flatnonzero(flat != padding)
        flat, rows = flat[kept], index_select(rows, 0, kept)
    entries = rows if isinstance(rows, Tensor) else wrap(np.ascontiguousarray(rows))
    found = Sparse(flat[None].astype(np.int64), entries, table.shape)
    return sparse(found) if isinstance(rows, Tensor) else found


embedding_sparse = multilinear(
    "embedding_sparse", eval=lambda table, places, padding: lookup(table, places, padding, False),
    adjoints=[lambda g, table, places, padding: _gradient_by_rows(g, table, places, padding), None],
    node="EmbeddingBackward0", listed=False,
    doc="table[places], whose gradient keeps no more than the rows that were read.",
)  # fmt: skip
