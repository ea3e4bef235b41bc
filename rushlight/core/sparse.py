"""Tensors of which only some elements are kept: their places and their values.

A `Sparse` stands in a Tensor where its array would. It keeps the places as columns of whole numbers
and the values as a Tensor of its own, so that whatever is computed from the values is recorded on
the tape as ever: a sparse tensor wants a gradient when its values do. `ops/sparse.py` says what
each op does to it; ops that are not said there raise torch's error.

Source: https://pytorch.org/docs/stable/sparse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from . import dtypes
from .errors import fail
from .overrides import plain_results
from .tensor import Tensor, wrap
from .values import Value, raw

COO, CSR, CSC = dtypes.sparse_coo, dtypes.sparse_csr, dtypes.sparse_csc
BSR, BSC = dtypes.sparse_bsr, dtypes.sparse_bsc
EAGERLY = "sparse tensors are computed eagerly"
NAMES = {COO: "Sparse", CSR: "SparseCsr", CSC: "SparseCsc", BSR: "SparseBsr", BSC: "SparseBsc"}
ROWS = (CSR, BSR)  # compressed by rows


class _Level:
    """Below all transforms."""

    depth = 0


class Sparse(Value):
    """Places and values: `places` is (kept dimensions, n), `entries` (n, *dense dimensions).

    `layout` is how the user sees them; the compressed ones keep the places of their elements all
    the same, in the order of rows (csr) or columns (csc). `ordered`: each place stands once, in
    order. Compressed tensors may have dimensions of batches in front of rows and columns. Of
    layouts by blocks all elements of a block are kept, one block after the other; `blocks` is a
    block's size.
    """

    __slots__ = ("blocks", "entries", "layout", "ordered", "places", "shape")
    __array_ufunc__ = None  # type: ignore[assignment]  # NumPy's arrays leave their ops to it
    level: Any = _Level
    strides: Any = property(lambda self: (0,) * len(self.shape))
    entries: Tensor
    places: np.ndarray
    layout: dtypes.layout
    ordered: bool

    def __init__(
        self, places: np.ndarray, entries: Tensor, shape: Sequence[int],
        layout: dtypes.layout = COO, ordered: bool = False,
        blocks: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.blocks = blocks
        self.places, self.entries, self.shape = places, entries, tuple(shape)
        self.layout, self.ordered = layout, ordered or places.shape[1] < 2

    def core(self) -> Tensor:
        return self.entries

    def values(self, how: str) -> NoReturn:
        raise refusal(how, self.layout)

    def everything(self) -> NoReturn:
        raise refusal("everything", self.layout)

    def over(self, entries: Tensor, ordered: bool | None = None) -> Sparse:
        """Other values at the same places."""
        kept = self.ordered if ordered is None else ordered
        return Sparse(self.places, entries, self.shape, self.layout, kept, self.blocks)

    def like(self, entries: Tensor) -> Tensor:
        """A sparse tensor of other values at the same places."""
        return sparse(self.over(entries))

    def flat(self) -> np.ndarray:
        """The number of each place among all places."""
        sizes = self.shape[: len(self.places)]
        total = np.zeros(self.places.shape[1], np.int64)
        for row, n in zip(self.places, sizes):
            total = total * n + row
        return total

    def for_each(self, x: Tensor) -> Tensor:
        return x

    def detached(self) -> Sparse:
        return self.over(self.entries.detach())

    def copy(self, order: str = "C") -> Sparse:
        return self.over(self.entries.clone())

    def astype(self, kind: Any, **_: Any) -> Sparse:
        return self.over(self.entries.to(dtypes.OF_NUMPY[np.dtype(kind)]))

    def describe(self) -> str:
        return repr(sparse(self))

    def blank(self, name: str, kind: np.dtype | None) -> Tensor:
        """What `zeros_like` and `empty_like` give: nothing is kept, but by compressed layouts."""
        if self.layout is not COO and name in ("ones_like", "empty_like"):
            return self.like(wrap(np.ones(self.entries.shape, kind or self.dtype)))
        if name not in ("zeros_like", "empty_like"):
            raise refusal("fill_.Scalar", self.layout)
        none = np.empty((0, *self.entries.shape[1:]), kind or self.dtype)
        places = self.places[:, :0]
        return sparse(Sparse(places, wrap(none), self.shape, self.layout, True, self.blocks))

    def __add__(self, other: Any) -> Any:
        if type(other) is Sparse and other.entries._entry is self.entries._entry is None:
            return self.joined(other)
        first, second = (self, other) if type(other) is Sparse else (other, self)  # dense first
        return raw(wrapped(first) + wrapped(second))

    __radd__ = __add__

    def gradient(self, before: Tensor | None) -> Tensor:
        """What `.grad` becomes when this arrives."""
        mine = self if self.entries._entry is None else self.detached()
        if before is None or type(before._array) is not Sparse:
            return sparse(mine) if before is None else before + sparse(mine)
        return sparse(before._array.joined(mine))

    def joined(self, other: Sparse) -> Sparse:
        """Both, one after the other; what stands at the same place counts as a sum."""
        places = np.concatenate((self.places, other.places), 1)
        mine, others = self.entries, other.entries
        both = np.concatenate((mine._array, others._array.astype(mine._array.dtype)))
        return Sparse(places, wrap(both), self.shape)

    @staticmethod
    def put(level: Any, target: Tensor, result: Tensor) -> None:
        if type(target._array) is not Sparse or type(result._array) is not Sparse:
            raise refusal("copy_", COO)
        target._array = result._array


class SparseTensor(Tensor):
    """A Tensor over a `Sparse`; what it looks like and how it is written is in functions/sparse."""

    __slots__ = ()
    __torch_function__ = plain_results


def sparse(value: Sparse) -> Tensor:
    """A tensor around places and values."""
    result = SparseTensor.__new__(SparseTensor)
    result._array, result._entry = value, None
    return result


def wrapped(value: Any) -> Tensor:
    """A tensor around either kind of array; tensors as they are."""
    if isinstance(value, Tensor):
        return value
    return sparse(value) if type(value) is Sparse else wrap(value)


def refusal(name: str, layout: dtypes.layout, home: str = "aten") -> BaseException:
    """torch's error for an op that sparse tensors do not have."""
    backend = f"{NAMES[layout]}CPU"
    return fail(
        NotImplementedError,
        f"Could not run '{home}::{name}' with arguments from the '{backend}' backend.",
        "x.to_dense() gives a tensor that every operation takes, with all its zeros in memory",
    )
