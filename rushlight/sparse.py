"""torch.sparse: products, sums and softmax of sparse tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight.ops.sparse as _ops

from .core import dtypes as _dtypes
from .core.dispatch import named as _named
from .core.errors import fail as _fail
from .core.sparse import COO as _COO
from .core.sparse import Sparse as _Sparse
from .core.sparse import sparse as _sparse
from .core.tensor import Tensor
from .functions import exp, log, sparse_coo_tensor
from .functions.sparse import check_sparse_tensor_invariants
from .ops.placing import index_select as _index_select
from .ops.placing import spread_rows as _spread_rows
from .ops.sparse_products import coo_sample as _coo_sample

__all__ = [
    "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor", "addmm",
    "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags",
    "sum",
]  # fmt: skip


def mm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices of which at least one is sparse.

    Shapes: (n, k) and (k, m) give (n, m), sparse if both are.
    The gradient of the sparse one is sparse, at its places.
    Source: https://pytorch.org/docs/stable/generated/torch.sparse.mm.html

    >>> import rushlight as torch
    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    y = mat1.mm(mat2)
    return y if _ops.is_sparse(y) else _named(y, "SparseAddmmBackward0")


def addmm(
    mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0
) -> Tensor:
    """beta mat + alpha (mat1 @ mat2), with a sparse `mat1`.

    >>> import rushlight as torch
    >>> torch.sparse.addmm(torch.ones(1, 1), torch.ones(1, 2).to_sparse(), torch.ones(2, 1))
    tensor([[3.]])
    """
    return beta * mat + alpha * mm(mat1, mat2)


def sampled_addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0
) -> Tensor:
    """beta input + alpha (mat1 @ mat2) at the places of the sparse `input` alone.

    Shapes: mat1 (n, k), mat2 (k, m), input (n, m) in rows (csr).
    Source: https://pytorch.org/docs/stable/generated/torch.sparse.sampled_addmm.html

    >>> import rushlight as torch
    >>> places = torch.eye(2).to_sparse_csr()
    >>> torch.sparse.sampled_addmm(places, torch.ones(2, 3), torch.ones(3, 2)).values()
    tensor([4., 4.])
    """
    if mat1.shape[-1] != mat2.shape[0]:
        raise _fail(
            RuntimeError,
            f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied ({mat1.shape[0]}x"
            f"{mat1.shape[1]} and {mat2.shape[0]}x{mat2.shape[1]})",
        )
    array: _Sparse = input._array
    found = alpha * _coo_sample(mat1, mat2.t(), *array.places)
    return _sparse(array.over(found if beta == 0 else beta * array.entries + found))


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum over some dimensions; sparse unless it is over all that are kept as places.

    >>> import rushlight as torch
    >>> torch.sparse.sum(torch.eye(2).to_sparse(), dim=0).to_dense()
    tensor([1., 1.])
    """
    x = input if dtype is None else input.to(dtype)
    return x.sum() if dim is None else x.sum(dim)


def _by_group(input: Tensor, dim: int, dtype: Any) -> tuple[Tensor, Tensor, Tensor]:
    """(x in order, each value less the largest of its group, the sum of exponentials there).

    A group is what differs in the place along `dim` alone.
    """
    x = _ops.coalesced(input if dtype is None else input.to(dtype))
    array: _Sparse = x._array
    others = np.delete(array.places, dim, 0)
    sizes = np.delete(np.array(array.shape[: len(array.places)]), dim)
    flat = np.ravel_multi_index(tuple(others), tuple(sizes)) if len(others) else 0 * array.places[0]
    _, groups = np.unique(flat, return_inverse=True)
    values = array.entries
    shape = (int(groups.max()) + 1 if groups.size else 0, *values.shape[1:])
    largest = np.full(shape, -np.inf, values._array.dtype)
    np.maximum.at(largest, groups, values._array)
    shifted = values - _index_select(_ops.wrap(largest), 0, groups)
    total = _spread_rows(exp(shifted), shape, 0, groups)
    return x, shifted, _index_select(total, 0, groups)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """softmax along a dimension over the elements that are kept; the others count as -inf.

    Source: https://pytorch.org/docs/stable/generated/torch.sparse.softmax.html

    >>> import rushlight as torch
    >>> torch.sparse.softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([1., 1.])
    """
    return _normalised(input, dim, dtype, lambda shifted, total: exp(shifted) / total, "softmax")


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`.

    Raises: NotImplementedError for a dense tensor.

    >>> import rushlight as torch
    >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([0., 0.])
    """
    return _normalised(
        input, dim, dtype, lambda shifted, total: shifted - log(total), "log_softmax"
    )


def _normalised(input: Tensor, dim: int, dtype: Any, formula: Any, name: str) -> Tensor:
    if not input.is_sparse:
        raise _fail(
            NotImplementedError,
            f"Could not run 'aten::_sparse_{name}' with arguments from the 'CPU' backend.",
            f"the tensor is dense: torch.{name}(x, dim) takes it",
        )
    dim = dim + input.ndim if dim < 0 else dim
    kept = len(input._array.places)
    if dim >= kept:  # inside of each dense value
        x = _ops.coalesced(input if dtype is None else input.to(dtype))
        return _sparse(x._array.over(getattr(x._array.entries, name)(dim - kept + 1)))
    x, shifted, total = _by_group(input, dim, dtype)
    return _sparse(x._array.over(formula(shifted, total)))


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Sequence[int], layout: Any = None) -> Tensor:
    """A sparse matrix of diagonals: row i of `diagonals` stands `offsets[i]` beside the main one.

    An element stands in its own column: `diagonals[i, j]` in column j.

    >>> import rushlight as torch
    >>> torch.sparse.spdiags(torch.ones(1, 3), torch.tensor([1]), (3, 3)).to_dense()
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    diagonals = diagonals if diagonals.ndim == 2 else diagonals.unsqueeze(0)
    if offsets.unique().numel() != offsets.numel():
        raise RuntimeError("Offset tensor contains duplicate values")
    count, width = diagonals.shape
    columns = np.tile(np.arange(width), (count, 1))
    rows = columns - offsets._array.reshape(-1, 1)
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    values = diagonals[_ops.wrap(inside)]
    found = sparse_coo_tensor(np.stack((rows[inside], columns[inside])), values, shape)
    return found if layout is None or layout is _COO else _ops.as_layout(found, layout)


def _typed(legacy: str, name: str) -> Any:
    kind = _dtypes.named(name)

    def make(*args: Any) -> Tensor:
        if len(args) >= 2 and isinstance(args[0], Tensor):
            return sparse_coo_tensor(args[0], args[1], *args[2:3], dtype=kind)
        sizes = args[0] if len(args) == 1 and not isinstance(args[0], int) else args
        return sparse_coo_tensor(size=tuple(sizes), dtype=kind)

    make.__doc__ = f"""A sparse tensor of torch.{name}: (indices, values, size), or sizes alone.

    An older way to say `torch.sparse_coo_tensor`.

    >>> import rushlight as torch
    >>> torch.sparse.{legacy}(torch.tensor([[1]]), torch.tensor([5]), (3,)).to_dense().tolist()
    {[kind.numpy.type(value).item() for value in (0, 5, 0)]}
    """
    return make


FloatTensor, DoubleTensor = _typed("FloatTensor", "float32"), _typed("DoubleTensor", "float64")
HalfTensor, IntTensor = _typed("HalfTensor", "float16"), _typed("IntTensor", "int32")
LongTensor = _typed("LongTensor", "int64")
