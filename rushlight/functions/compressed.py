"""Sparse tensors compressed by rows or columns, of elements or of blocks, made from their parts."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.sparse import BSC, BSR, CSC, CSR, NAMES, ROWS
from ..core.tensor import Tensor
from ..ops.sparse_rules import block_places
from ..ops.structure import reshape
from .sparse import entries_of, made, whole_numbers

__all__ = [
    "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor", "sparse_csc_tensor",
    "sparse_csr_tensor",
]  # fmt: skip


def _names(layout: Any) -> tuple[str, str]:
    rows = layout in ROWS
    return ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")


def _check(layout: Any, begins: np.ndarray, others: np.ndarray, values: Tensor) -> None:
    """Torch's errors for parts that do not fit together."""
    compressed, plain = _names(layout)
    if begins.ndim != others.ndim:
        raise RuntimeError(
            f"{compressed} and {plain} dimensionalities must be equal but got {begins.ndim} and"
            f" {others.ndim}, respectively"
        )
    batch, block = begins.ndim - 1, 2 * (layout in (BSR, BSC))
    if values.ndim <= batch + block:
        raise RuntimeError(
            "values must have dimensionality > sum of batch and block dimensionalities"
            f" (={batch} + {block}) but got {values.ndim}"
        )
    if not begins.shape[-1] or (begins[..., 0] != 0).any():
        raise RuntimeError(f"`{compressed}[..., 0] == 0` is not satisfied.")
    count = others.shape[-1]
    if (begins[..., -1] != count).any() or count != values.shape[batch]:
        raise RuntimeError(f"`{compressed}[..., -1] == nnz` is not satisfied.")
    if (np.diff(begins, axis=-1) < 0).any():
        raise RuntimeError(
            f"`0 <= {compressed}[..., 1:] - {compressed}[..., :-1]` is not satisfied."
        )


def _size(
    size: Any, layout: Any, lines: int, across: int, values: Tensor, batch: tuple[int, ...],
    blocks: tuple[int, int],
) -> tuple[int, ...]:  # fmt: skip
    """The given size, or the least that holds all elements."""
    if size is not None:
        return tuple(int(n) for n in size)
    sizes = (lines, across) if layout in ROWS else (across, lines)
    rest = values.shape[len(batch) + 1 + 2 * (layout in (BSR, BSC)) :]
    return (*batch, sizes[0] * blocks[0], sizes[1] * blocks[1], *rest)


def _compressed(
    layout: Any, begins: Any, others: Any, values: Any, size: Any, dtype: Any, requires_grad: bool
) -> Tensor:
    begins, others = whole_numbers(begins), whole_numbers(others)
    entries = entries_of(values, dtype)
    _check(layout, begins, others, entries)
    batch: tuple[int, ...] = begins.shape[:-1]
    blocked = layout in (BSR, BSC)
    at = len(batch) + 1
    blocks = (entries.shape[at], entries.shape[at + 1]) if blocked else (1, 1)
    across = int(others.max()) + 1 if others.size else 0
    shape = _size(size, layout, begins.shape[-1] - 1, across, entries, batch, blocks)
    places = _places(layout, begins, others)
    if blocked:
        places = block_places(places, blocks)
    _inside(layout, others, shape, len(batch), blocks)
    entries = reshape(entries, (places.shape[1], *entries.shape[at + 2 * blocked :]))
    return made(entries, requires_grad, places, shape, layout, True, blocks if blocked else None)


def _places(layout: Any, begins: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(batch, row, column) of each element or block."""
    batch, count = begins.shape[:-1], others.shape[-1]
    counts = np.diff(begins, axis=-1).reshape(-1)
    lines = np.repeat(np.tile(np.arange(begins.shape[-1] - 1), prod(batch)), counts)
    flat = np.repeat(np.arange(prod(batch)), count)
    leading = np.unravel_index(flat, batch) if batch else ()
    pair = (lines, others.reshape(-1))
    return np.stack((*leading, *(pair if layout in ROWS else pair[::-1])))


def _inside(
    layout: Any, others: np.ndarray, shape: tuple[int, ...], batch: int, blocks: tuple[int, int]
) -> None:
    way = 1 if layout in ROWS else 0
    most, name = shape[batch + way] // blocks[way], _names(layout)[1]
    if others.size and (others.min() < 0 or others.max() >= most):
        low = "0 <= " if others.min() < 0 else ""
        high = "" if others.min() < 0 else f" < {'ncols' if way else 'nrows'}"
        raise RuntimeError(f"`{low}{name}{high}` is not satisfied.")


def sparse_csr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix by rows: where each row's elements begin, their columns and their values.

    Shapes: crow_indices (*batch, rows + 1), col_indices (*batch, n), values (*batch, n, *dense).
    Source: https://pytorch.org/docs/stable/generated/torch.sparse_csr_tensor.html

    >>> import rushlight as torch
    >>> torch.sparse_csr_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    return _compressed(CSR, crow_indices, col_indices, values, size, dtype, requires_grad)


def sparse_csc_tensor(
    ccol_indices: Any, row_indices: Any, values: Any, size: Any = None, *, dtype: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix by columns: where each column's elements begin, their rows and their values.

    Shapes: ccol_indices (*batch, columns + 1), row_indices (*batch, n), values
    (*batch, n, *dense).

    >>> import rushlight as torch
    >>> torch.sparse_csc_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense()
    tensor([[0., 4.],
            [3., 0.]])
    """
    return _compressed(CSC, ccol_indices, row_indices, values, size, dtype, requires_grad)


def sparse_bsr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix by rows of blocks: where each row of blocks begins, their columns, the blocks.

    Shapes: crow_indices (*batch, rows / h + 1), col_indices (*batch, n), values
    (*batch, n, h, w, *dense).
    Source: https://pytorch.org/docs/stable/generated/torch.sparse_bsr_tensor.html

    >>> import rushlight as torch
    >>> torch.sparse_bsr_tensor([0, 1], [1], [[[3.0], [4.0]]]).to_dense()
    tensor([[0., 3.],
            [0., 4.]])
    """
    return _compressed(BSR, crow_indices, col_indices, values, size, dtype, requires_grad)


def sparse_bsc_tensor(
    ccol_indices: Any, row_indices: Any, values: Any, size: Any = None, *, dtype: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix by columns of blocks: where each column of blocks begins, their rows, the blocks.

    Shapes: ccol_indices (*batch, columns / w + 1), row_indices (*batch, n), values
    (*batch, n, h, w, *dense).

    >>> import rushlight as torch
    >>> torch.sparse_bsc_tensor([0, 1], [1], [[[3.0, 4.0]]]).to_dense()
    tensor([[0., 0.],
            [3., 4.]])
    """
    return _compressed(BSC, ccol_indices, row_indices, values, size, dtype, requires_grad)


def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Any = None, *,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, check_invariants: bool | None = None,
) -> Tensor:  # fmt: skip
    """A matrix in the compressed layout that is asked for, by its parts.

    Raises: RuntimeError where `layout` is none of csr, csc, bsr and bsc.
    Source: https://pytorch.org/docs/stable/generated/torch.sparse_compressed_tensor.html

    >>> import rushlight as torch
    >>> torch.sparse_compressed_tensor([0, 1], [1], [3.0], layout=torch.sparse_csr).to_dense()
    tensor([[0., 3.]])
    """
    if layout not in (CSR, CSC, BSR, BSC):
        given = {None: "none", dtypes.strided: "Strided"}.get(layout) or NAMES[layout]
        raise RuntimeError(
            "sparse_compressed_tensor expected sparse compressed tensor layout but got " + given
        )
    return _compressed(
        layout, compressed_indices, plain_indices, values, size, dtype, requires_grad
    )
