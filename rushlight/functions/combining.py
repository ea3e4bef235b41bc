"""torch's functions that combine elements or blocks: products, powers, block matrices."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import result_type, wrap_array
from ..core.state import DEFAULTS
from ..core.tensor import Tensor
from ..ops import elementwise as e
from ..ops import placing
from ..ops import structure as s
from .joining import stack

__all__ = [
    "block_diag", "cartesian_prod", "combinations", "vander",
]  # fmt: skip


def cartesian_prod(*tensors: Any) -> Tensor:
    """All ways to pick one element of each vector, one way per row.

    Shapes: n vectors to (the product of their sizes, n); one vector is given back.
    Raises: RuntimeError for other than vectors.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cartesian_prod.html

    >>> import rushlight as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    found = list(tensors[0]) if tensors and isinstance(tensors[0], (tuple, list)) else list(tensors)
    for x in found:
        if x._array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x._array.shape)}")
    if len(found) == 1:
        return found[0]
    shape = tuple(x._array.size for x in found)
    columns = []
    for i, x in enumerate(found):
        grid = s.expand(s.as_shape(x, (1,) * i + (-1,) + (1,) * (len(shape) - 1 - i)), shape)
        columns.append(s.reshape(grid, (grid._array.size,)))
    return stack(columns, 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of r elements of a vector, one per row.

    Shapes: (n,) to (count, r); `with_replacement` lets an element stand more than once.
    Raises: RuntimeError for other than a vector and a negative r.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.combinations.html

    >>> import rushlight as torch
    >>> torch.combinations(torch.tensor([1, 2, 3])).tolist()
    [[1, 2], [1, 3], [2, 3]]
    """
    if input._array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input._array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return s.narrow(input, 0, 0, 0)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(pick(range(input._array.size), r)), np.int64).reshape(-1, r)
    return stack([placing.index_select(input, 0, column) for column in places.T], 1)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix whose columns are the powers of a vector, falling unless `increasing`.

    Shapes: (n,) to (n, N), N being n by default. Raises: RuntimeError for other than a vector.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.vander.html

    >>> import rushlight as torch
    >>> torch.vander(torch.tensor([2, 3]), 3)
    tensor([[4, 2, 1],
            [9, 3, 1]])
    """
    if x._array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x._array.size if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    if x.dtype.category < dtypes.FLOAT:
        x = s.cast(x, dtypes.int64)  # as products are
    columns = [s.unsqueeze(e.pow(x, power), 1) for power in range(count)]
    if not columns:
        return s.expand(s.narrow(s.unsqueeze(x, 1), 1, 0, 0), (x._array.size, 0))
    result = s.join(columns, 1, (1,) * count)
    return result if increasing else s.flip(result, (1,))


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of a larger one, zeros elsewhere; vectors count as rows.

    Shapes: (m, n) each to the sums of all m and all n. Raises: RuntimeError for over two
        dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.block_diag.html

    >>> import rushlight as torch
    >>> torch.block_diag(torch.tensor([[1]]), torch.tensor([2, 3]))
    tensor([[1, 0, 0],
            [0, 2, 3]])
    """
    blocks = []
    for place, x in enumerate(tensors):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"expected Tensor as element {place} in argument 0, but got {type(x).__name__}"
            )
        if x._array.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input"
                f" {place} has {x._array.ndim} dimensions"
            )
        shape = (1,) * (2 - x._array.ndim) + x._array.shape
        blocks.append(x if x._array.ndim == 2 else s.reshape(x, shape))
    if not blocks:
        return wrap_array(np.empty((1, 0), DEFAULTS.dtype.numpy))
    kind = result_type(*tensors)
    blocks = [s.cast(x, kind) for x in blocks]
    corners, row, column = [], 0, 0
    for x in blocks:
        corners.append((row, column))
        row, column = row + x._array.shape[0], column + x._array.shape[1]
    return placing.block_diagonal(blocks, tuple(corners), (row, column))
