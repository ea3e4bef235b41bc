"""Sparse tensors: made from places and values, or from dense ones."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import dtypes
from ..core.dispatch import named
from ..core.errors import fail
from ..core.sparse import BSC, BSR, COO, CSC, CSR, NAMES, Sparse, sparse
from ..core.state import STATE
from ..core.tensor import Tensor, set_requires_grad, wrap
from ..ops import sparse as ops
from ..ops.indexing import index
from ..ops.sparse_products import embedding_sparse
from ..ops.structure import reshape
from .creation import zeros
from .from_data import tensor
from .joining import cat
from .sparse_methods import block_size, of_sparse_alone

__all__ = ["dsmm", "hsmm", "hspmm", "saddmm", "smm", "sparse_coo_tensor", "spmm", "sspaddmm"]


def whole_numbers(given: Any) -> np.ndarray:
    found = given if isinstance(given, Tensor) else tensor(given)
    if found.dtype.is_complex or found.dtype is dtypes.bool_:
        raise TypeError("indices must be whole numbers")
    return found._array.astype(np.int64, copy=False)


def entries_of(values: Any, dtype: Any) -> Tensor:
    found = values if isinstance(values, Tensor) else tensor(values)
    return found if dtype is None or found.dtype is dtype else found.to(dtype)


def made(entries: Tensor, requires_grad: bool, *parts: Any) -> Tensor:
    if requires_grad:
        entries = entries.detach()
        set_requires_grad(entries, True)
    elif entries._entry is not None and STATE.grad:
        node = "SparseCooTensorWithDimsAndTensorsBackward0"
        entries = named(reshape(entries, entries.shape), node)
    return sparse(Sparse(parts[0], entries, *parts[1:]))


def sparse_coo_tensor(
    indices: Any = None, values: Any = None, size: Any = None, *, dtype: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    check_invariants: bool | None = None, is_coalesced: bool | None = None,
) -> Tensor:  # fmt: skip
    """A sparse tensor of the given values at the given places; a place may stand twice.

    Shapes: indices (kept dimensions, n), values (n, *dense dimensions). Without `size` it is as
    large as the places ask for. Gradients flow to `values`; those of a leaf
    (`requires_grad=True`) are sparse, at its places.
    Raises RuntimeError for places outside of `size`, or numbers of places and values that differ.
    Source: https://pytorch.org/docs/stable/generated/torch.sparse_coo_tensor.html

    >>> import rushlight as torch
    >>> x = torch.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    >>> x.to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    dtypes.require_cpu(None if device is None else dtypes.device(device))
    if indices is None:
        shape = tuple(size)
        return made(zeros(0, dtype=dtype), requires_grad, np.zeros((len(shape), 0), np.int64),
                     shape)  # fmt: skip
    places, entries = whole_numbers(indices), entries_of(values, dtype)
    if places.ndim != 2:
        shape = list(places.shape)
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {shape}")
    if not entries.ndim and places.shape[1] == 1:
        entries = entries.reshape(1)
    count = entries.shape[0] if entries.ndim else 0
    if places.shape[1] != count:
        raise RuntimeError(
            "indices and values must have same nnz, but got nnz from indices:"
            f" {places.shape[1]}, nnz from values: {count}"
        )
    shape = _size(places, entries, size, check_invariants)
    return made(entries, requires_grad, places, shape, COO, bool(is_coalesced))


def _size(
    places: np.ndarray, entries: Tensor, size: Any, check: bool | None = None
) -> tuple[int, ...]:
    kept, rest = len(places), tuple(entries.shape[1:])
    if places.size and places.min() < 0:
        dim, at = (int(i[0]) for i in (places < 0).nonzero())
        raise RuntimeError(f"found negative index {places[dim, at]} for dim {dim}")
    if size is None:
        most = places.max(1) + 1 if places.size else np.zeros(kept, int)
        return (*map(int, most), *rest)
    shape = tuple(int(n) for n in size)
    if len(shape) != kept + len(rest):
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) ="
            f" {len(shape)}, sparse_dim = {kept}, dense_dim = {len(rest)}"
        )
    if shape[kept:] != rest:
        raise RuntimeError(
            f"values has incorrect size, expected {[places.shape[1], *shape[kept:]]}, got"
            f" {list(entries.shape)}"
        )
    if check_sparse_tensor_invariants._on if check is None else check:
        _within(places, shape)
    return shape


class check_sparse_tensor_invariants:
    """Whether it is checked, when a sparse tensor is made, that its places lie inside of it.

    It is from the start. `enable` and `disable` choose for good, a block or a decorated function
    for its time: `check_sparse_tensor_invariants(False)` saves a pass over all places.
    Source: https://pytorch.org/docs/stable/generated/torch.sparse.check_sparse_tensor_invariants.html

    >>> import rushlight as torch
    >>> torch.sparse.check_sparse_tensor_invariants.is_enabled()
    True
    """

    _on: ClassVar[bool] = True

    def __init__(self, enable: bool = True) -> None:
        self._wanted, self._before = enable, [True]

    @staticmethod
    def is_enabled() -> bool:
        """Whether places are checked."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        """Check places from now on."""
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        """Take places as they are given from now on."""
        check_sparse_tensor_invariants._on = False

    def __enter__(self) -> None:
        self._before.append(check_sparse_tensor_invariants._on)
        check_sparse_tensor_invariants._on = self._wanted

    def __exit__(self, *error: object) -> None:
        check_sparse_tensor_invariants._on = self._before.pop()

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run


def _within(places: np.ndarray, shape: Sequence[int]) -> None:
    for dim, (row, n) in enumerate(zip(places, shape)):
        if row.size and row.max() >= n:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {n} but found index"
                f" {row.max()}"
            )


def without_values(
    name: str, layout: Any, shape: Sequence[int], dtype: Any, requires_grad: bool
) -> Tensor:
    """What `zeros` and `empty` make in a sparse layout: nothing is kept."""
    if layout is not COO and len(shape) < 2:
        raise RuntimeError(
            f"torch.{name}: Only batched sparse compressed (non-block) tensors are supported, but"
            f" got size {list(shape)}"
        )
    places = np.zeros((len(shape), 0), np.int64)
    return made(zeros(0, dtype=dtype), requires_grad, places, tuple(shape), layout, True)


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix, `input @ mat2`.

    >>> import rushlight as torch
    >>> torch.spmm(torch.eye(2).to_sparse(), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    return input.mm(mat2)


def smm(input: Tensor, mat: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix, as a sparse one.

    >>> import rushlight as torch
    >>> torch.smm(torch.eye(2).to_sparse(), torch.ones(2, 2)).to_dense()
    tensor([[1., 1.],
            [1., 1.]])
    """
    return input.mm(mat).to_sparse()


def hspmm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of a sparse and a dense matrix, of which whole rows are kept.

    >>> import rushlight as torch
    >>> torch.hspmm(torch.eye(2).to_sparse(), torch.ones(2, 1)).values()
    tensor([[1.],
            [1.]])
    """
    rows = np.unique(mat1._array.places[0])
    product = mat1.mm(mat2)
    return sparse(Sparse(rows[None], index(product, (rows,)), product.shape, COO, True))


def sspaddmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:  # fmt: skip
    """beta * input + alpha * mat1 @ mat2, sparse but for mat2; places of both stand side by side.

    Shapes: (n, p), (n, m) and (m, p). Every place of a row that mat1 has is kept of the product.
    Raises RuntimeError where the first two are not sparse.
    Source: https://pytorch.org/docs/stable/generated/torch.sspaddmm.html

    >>> import rushlight as torch
    >>> eye = torch.eye(2).to_sparse()
    >>> torch.sspaddmm(eye, eye, torch.ones(2, 2), beta=3).to_dense()
    tensor([[4., 1.],
            [1., 4.]])
    """
    for name, x, layout in (
        ("self", input, "sparse"),
        ("mat1", mat1, "sparse"),
        ("mat2", mat2, "strided"),
    ):
        if ops.is_sparse(x) is not (layout == "sparse"):
            found = "Sparse" if ops.is_sparse(x) else "Strided"
            raise RuntimeError(
                f"sspaddmm: expected '{name}' to have {layout} layout, got '{name}' with layout"
                f" {found}"
            )
    for place, dim, given, wanted in (
        (3, 0, mat2.shape[0], mat1.shape[1]), (1, 0, input.shape[0], mat1.shape[0]),
        (1, 1, input.shape[1], mat2.shape[1]),
    ):  # fmt: skip
        if given != wanted:
            raise RuntimeError(
                f"sspaddmm: Argument #{place}: Expected dim {dim} size {wanted}, got {given}"
            )
    product = mat1.mm(mat2)
    rows = np.unique(mat1._array.places[0])
    columns = np.tile(np.arange(product.shape[1]), rows.size)
    places = np.stack((rows.repeat(product.shape[1]), columns))
    entries = cat((input._array.entries * beta, index(product, tuple(places)) * alpha), 0)
    joined = np.concatenate((input._array.places, places), 1)
    return sparse(Sparse(joined, entries, product.shape, COO, False))


dsmm, hsmm, saddmm = spmm, hspmm, sspaddmm  # torch's older names


def _convert_indices_from_coo_to_csr(
    input: Tensor, size: int, *, out_int32: bool = False
) -> Tensor:
    """Where each of `size` rows begins in a list of row numbers that are in order."""
    begins = np.searchsorted(input._array, np.arange(size + 1))
    return wrap(begins.astype(np.int32 if out_int32 else np.int64))


def _convert_indices_from_csr_to_coo(
    crow_indices: Tensor, col_indices: Tensor, *, out_int32: bool = False, transpose: bool = False
) -> Tensor:
    """Rows and columns of the elements of a matrix by rows; transposed the other way round."""
    counts = np.diff(crow_indices._array)
    pair = [np.repeat(np.arange(counts.size), counts), col_indices._array]
    found = np.stack(pair[::-1] if transpose else pair)
    return wrap(found.astype(np.int32 if out_int32 else np.int64))


def embedding_rows(table: Tensor, places: Tensor, padding: int, by_count: bool) -> Tensor:
    """table[places], with a sparse gradient for the table."""
    if by_count:
        raise fail(
            RuntimeError,
            "embedding_backward: scale_grad_by_freq not supported with sparse gradients",
        )
    if STATE.tracer is not None:
        STATE.tracer.stop("gradients of sparse=True are computed eagerly; sparse=False is not")
    return embedding_sparse(table, places, padding)


# --- methods of dense tensors


def to_sparse(self: Tensor, sparse_dim: int | None = None, *, layout: Any = None,
              blocksize: Any = None, dense_dim: int | None = None) -> Tensor:  # fmt: skip
    """The elements that are not zero, with their places.

    >>> import rushlight as torch
    >>> torch.tensor([[0, 3], [0, 0]]).to_sparse()
    tensor(indices=tensor([[0],
                           [1]]),
           values=tensor([3]),
           size=(2, 2), nnz=1, layout=torch.sparse_coo)
    """
    if layout not in (None, COO):
        return compress(self, layout, blocksize, dense_dim)
    kept = self.ndim if sparse_dim is None else sparse_dim
    if not 0 < kept <= self.ndim and self.ndim:
        raise RuntimeError(f"sparse_dim must be > 0 and <= {self.ndim} but got sparse_dim = {kept}")
    here = self._array != 0
    if kept < self.ndim:
        here = here.any(tuple(range(kept, self.ndim)))
    if here.ndim:
        places = np.stack(here.nonzero())
        values = index(self, tuple(places))
    else:
        places = np.zeros((0, int(here)), np.int64)
        values = index(self.reshape(1), (np.arange(int(here)),))
    entries = named(values, "ToSparseBackward0")
    return sparse(Sparse(places, entries, self.shape, COO, True))


def compress(self: Tensor, layout: Any, blocksize: Any, dense_dim: int | None) -> Tensor:
    """A dense tensor in a compressed layout."""
    by_blocks = layout in (BSR, BSC)
    if by_blocks != (blocksize is not None):
        without = "out" if by_blocks else ""
        raise RuntimeError(
            f"dense_to_sparse: conversion from Strided to {NAMES[layout]} with{without} blocksize"
            " argument given is not supported"
        )
    rest = dense_dim or 0
    batches = self.ndim - 2 - rest
    if batches < 0:
        raise fail(
            IndexError,
            "Dimension out of range (expected to be in range of [-1, 0], but got -2)" if by_blocks
            else f"select(): index 1 out of range for tensor of size {[*self.shape, 1]} at"
            " dimension 1",
            f"a tensor of {self.ndim} dimensions has no rows and columns",
        )  # fmt: skip
    blocks = None
    if blocksize is not None:
        sizes = self.shape[batches : batches + 2]
        blocks = block_size(layout, tuple(blocksize), sizes, "dense_to_sparse")
    found = ops.as_layout(to_sparse(self, self.ndim - rest), layout, blocks)
    if blocks is None:
        return found
    entries = index(self, tuple(found._array.places))  # also the zeros of blocks have gradients
    return found._array.like(named(entries, "ToSparseBackward0"))


def _compressing(layout: Any) -> Any:
    def compressed(self: Tensor, dense_dim: int | None = None) -> Tensor:
        return compress(self, layout, None, dense_dim)

    compressed.__doc__ = f"The elements that are not zero, in the layout {layout}."
    return compressed


def _in_blocks(layout: Any) -> Any:
    def blocked(self: Tensor, blocksize: Any, dense_dim: int | None = None) -> Tensor:
        return compress(self, layout, blocksize, dense_dim)

    blocked.__doc__ = f"The blocks (of `blocksize`) that hold anything but zeros, as {layout}."
    return blocked


def to_sparse_coo(self: Tensor) -> Tensor:
    """`to_sparse` in the layout torch.sparse_coo: places and values."""
    return to_sparse(self)


def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """The elements at the places of a sparse tensor.

    >>> import rushlight as torch
    >>> torch.ones(2, 2).sparse_mask(torch.eye(2).to_sparse()).values()
    tensor([1., 1.])
    """
    if not ops.is_sparse(mask):
        raise RuntimeError("sparse_mask expected mask to be a sparse tensor")
    if self.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)}"
            f" but mask has size {list(mask.shape)}"
        )
    return ops.masked(self, mask._array)


ONLY_SPARSE = """values indices coalesce is_coalesced _nnz _indices _values crow_indices col_indices
    ccol_indices row_indices""".split()
METHODS: dict[str, Any] = {
    "to_sparse": to_sparse, "sparse_mask": sparse_mask,
    "to_sparse_coo": to_sparse_coo,
    "to_sparse_csr": _compressing(CSR), "to_sparse_csc": _compressing(CSC),
    "to_sparse_bsr": _in_blocks(BSR), "to_sparse_bsc": _in_blocks(BSC),
    **{name: of_sparse_alone(name) for name in ONLY_SPARSE},
}  # fmt: skip
