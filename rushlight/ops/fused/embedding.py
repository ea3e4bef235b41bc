"""Rows of a table by number, and the sum of gradients back into the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.families import multilinear
from ...core.heavy import heavy
from ...core.primitive import ADDED
from ..indexing import add_at, within


def check_rows(places: np.ndarray, rows: int) -> None:
    """torch's error for a number that is no row of the table, naming it and its position."""
    if not within(places, rows):
        at = tuple(int(i) for i in np.argwhere((places < 0) | (places >= rows))[0])
        raise fail(
            IndexError,
            "index out of range in self",
            f"index {int(places[at])} at position {at}; the table has rows 0..{rows - 1}",
        )


def lookup(table: np.ndarray, places: np.ndarray, padding: int, by_count: bool) -> np.ndarray:
    """The rows of a table that are named."""
    check_rows(places, len(table))
    return table.take(places, 0)


def _embedding_back(
    g: np.ndarray, places: np.ndarray, rows: int, padding: int, by_count: bool
) -> np.ndarray:
    flat = places.reshape(-1)
    g = g.reshape(flat.size, *g.shape[places.ndim :])
    if by_count:
        g = g / np.bincount(flat, minlength=rows)[flat].astype(g.dtype)[:, None]
    total = add_at(g, (rows, *g.shape[1:]), (flat,))
    if padding >= 0:
        total[padding] = 0
    return total


def _embedding_back_adjoint(
    g: Any, g0: Any, places: Any, rows: int, padding: int, by_count: bool
) -> Any:
    return weighted_rows(g, places, padding, by_count)


def _weighted_rows(g: np.ndarray, places: np.ndarray, padding: int, by_count: bool) -> np.ndarray:
    y = g.take(places, 0)
    if by_count:
        counts = np.bincount(places.reshape(-1), minlength=len(g)).astype(g.dtype)
        y /= counts[places][..., None]
    if padding >= 0:
        y[places == padding] = 0
    return y


embedding = multilinear(
    "embedding", eval=lookup, edges=lambda entry: (0,), reads=ADDED,
    adjoints=[lambda g, table, places, padding, by_count:
              embedding_back(g, places, table.shape[0], padding, by_count), None],
    doc="table[places], one row per number.",
)  # fmt: skip
embedding_back = multilinear(
    "embedding_back", eval=heavy("embedding_back", _embedding_back),
    node="EmbeddingDenseBackwardBackward0",
    adjoints=[_embedding_back_adjoint, None],
    doc="Rows summed into a table of zeros; the padding row stays zero.",
)  # fmt: skip
weighted_rows = multilinear(
    "weighted_rows", eval=_weighted_rows, node="EmbeddingBackward0",
    adjoints=[lambda g, table, places, padding, by_count:
              embedding_back(g, places, table.shape[0], padding, by_count), None],
    doc="The adjoint of `embedding_back`.",
)  # fmt: skip
