"""torch's products of matrices and vectors."""

from __future__ import annotations

from typing import Any

from ..core.dispatch import write_out
from ..core.errors import ShapeError, fail
from ..core.tensor import Tensor
from ..ops import contract as c

__all__ = [
    "bmm", "dot", "matmul", "mm", "mv",
]  # fmt: skip


def _out(result: Any, out: Any) -> Any:
    return result if out is None else write_out(result, out)


def matmul(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The matrix product, batched and broadcast over leading dimensions.

    Shapes: (..., n, k) and (..., k, m) give (..., n, m); vectors count as one row or column.
    Raises ShapeError (a RuntimeError) naming both inner sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.matmul.html

    >>> import rushlight as torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    return _out(c.matmul(input, other), out)


def _expect(name: str, *wanted: tuple[Tensor, str, int]) -> None:
    for x, label, ndim in wanted:
        if x._array.ndim != ndim:
            raise fail(ShapeError, f"{label} must be {'a matrix' if ndim == 2 else f'a {ndim}D tensor'}",
                       f"{name} got shape {tuple(x._array.shape)}")  # fmt: skip


def mm(input: Tensor, mat2: Tensor, *, out: Any = None) -> Tensor:
    """The product of two matrices.

    >>> import rushlight as torch
    >>> torch.mm(torch.ones(1, 2), torch.ones(2, 1))
    tensor([[2.]])
    """
    _expect("mm", (input, "self", 2), (mat2, "mat2", 2))
    return _out(c.matmul(input, mat2), out)


def mv(input: Tensor, vec: Tensor, *, out: Any = None) -> Tensor:
    """The product of a matrix and a vector."""
    if input._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {min(1, vec.ndim)}, {input.ndim}, {vec.ndim}"
        )
    return _out(c.matmul(input, vec), out)


def bmm(input: Tensor, mat2: Tensor, *, out: Any = None) -> Tensor:
    """The products of two batches of matrices, (b, n, k) and (b, k, m)."""
    if input._array.ndim != 3 or mat2._array.ndim != 3:
        raise RuntimeError(
            "batch1 must be a 3D tensor" if input._array.ndim != 3 else "batch2 must be a 3D tensor"
        )
    a, b = input._array.shape, mat2._array.shape
    if a[0] != b[0] or a[2] != b[1]:
        raise fail(
            ShapeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] but got:"
            f" [{b[0]}, {b[1]}].",
            f"the shapes are {a} and {b}",
        )
    return _out(c.matmul(input, mat2), out)


def dot(input: Tensor, tensor: Tensor, *, out: Any = None) -> Tensor:
    """The inner product of two vectors.

    >>> import rushlight as torch
    >>> torch.dot(torch.tensor([2.0, 3.0]), torch.tensor([2.0, 1.0]))
    tensor(7.)
    """
    if input._array.ndim != 1 or tensor._array.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return _out(c.matmul(input, tensor), out)
