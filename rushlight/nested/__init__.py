"""torch.nested: batches of tensors that differ in size, without padding.

A nested tensor holds its parts. In the jagged layout they differ in one dimension alone and stand
one after another in one tensor, `values()`, from `offsets()[i]` to `offsets()[i + 1]`; functions of
single elements and of inner dimensions work on that as a whole. In the strided layout parts may
differ in any dimension. Whatever is done to parts is recorded on the tape as ever.
Source: https://docs.pytorch.org/docs/stable/nested.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functions as f
from ..core import dtypes
from ..core.errors import fail
from ..core.tensor import Tensor, wrap
from ._internal.nested_tensor import NestedTensor, jagged, strided

__all__ = [
    "as_nested_tensor", "masked_select", "narrow", "nested_tensor", "nested_tensor_from_jagged",
    "to_padded_tensor",
]  # fmt: skip


def _made(parts: list[Tensor], layout: Any, dtype: Any, device: Any) -> NestedTensor:
    dtypes.require_cpu(None if device is None else dtypes.device(device))
    if dtype is not None:
        parts = [one.to(dtype) for one in parts]
    ranks = {one.ndim for one in parts}
    if len(ranks) > 1:
        raise fail(
            RuntimeError, "All Tensors given to nested_tensor must have the same dimension."
            f" Found dimension {parts[1].ndim} for Tensor at index 1 and dimension"
            f" {parts[0].ndim} for Tensor at index 0.",
        )  # fmt: skip
    if layout is dtypes.jagged:
        return jagged(parts)
    if layout is not None and layout is not dtypes.strided:
        raise RuntimeError(f"Specified layout is unsupported for nested tensors: {layout}")
    return strided(parts)


def nested_tensor(
    tensor_list: Sequence[Any], *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> NestedTensor:  # fmt: skip
    """A nested tensor of copies of the parts: a leaf of its own.

    tensor_list: tensors (or what makes some) with the same number of dimensions; in the jagged
    layout they may differ in one of them. Raises: RuntimeError where they do not fit together.
    Source: https://docs.pytorch.org/docs/stable/nested.html#torch.nested.nested_tensor

    >>> import rushlight as torch
    >>> torch.nested.nested_tensor([torch.zeros(1), torch.ones(2)])
    nested_tensor([
      tensor([0.]),
      tensor([1., 1.])
    ])
    """
    parts = [one.detach().clone() if isinstance(one, Tensor) else f.tensor(one, dtype=dtype)
             for one in tensor_list]  # fmt: skip
    made = _made(parts, layout, dtype, device)
    return made.requires_grad_() if requires_grad else made


def as_nested_tensor(
    ts: Any, dtype: Any = None, device: Any = None, layout: Any = None
) -> NestedTensor:
    """A nested tensor of the parts themselves: gradients reach them.

    ts: a list or tuple of tensors; a tensor, whose rows are the parts; or a nested tensor.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> both = torch.nested.as_nested_tensor([x, torch.ones(3)], layout=torch.jagged)
    >>> (both * 2).values().sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """
    if isinstance(ts, NestedTensor) and (layout is None or ts.layout is layout):
        same: Any = ts
        return same if dtype is None else same.to(dtype)
    return _made(list(ts.unbind(0)) if isinstance(ts, Tensor) else list(ts), layout, dtype, device)


def nested_tensor_from_jagged(
    values: Tensor, offsets: Tensor | None = None, lengths: Tensor | None = None,
    jagged_dim: int | None = None, min_seqlen: int | None = None, max_seqlen: int | None = None,
) -> NestedTensor:  # fmt: skip
    """A nested tensor over `values`, of which part i is from offsets[i] on.

    lengths: how long parts are; without offsets they stand one after another. `jagged_dim` is the
    dimension of the result in which parts differ (1). Gradients reach `values`.
    Raises: RuntimeError where neither offsets nor lengths are given.
    Source: https://docs.pytorch.org/docs/stable/nested.html

    >>> import rushlight as torch
    >>> rows = torch.arange(3.0).reshape(3, 1)
    >>> torch.nested.nested_tensor_from_jagged(rows, torch.tensor([0, 1, 3])).unbind()[1]
    tensor([[1.],
            [2.]])
    """
    if offsets is None and lengths is None:
        raise RuntimeError("At least one of offsets or lengths must be specified.")
    ragged = 1 if jagged_dim is None else jagged_dim
    if offsets is None:
        assert lengths is not None
        ends = np.cumsum(lengths._array)
        offsets, lengths = wrap(np.concatenate(([0], ends))), None
    if lengths is None:
        return NestedTensor._over(values, offsets, ragged)
    begins, counts = offsets.tolist(), lengths.tolist()
    return jagged([f.narrow(values, ragged - 1, i, n) for i, n in zip(begins, counts)], ragged)


def narrow(tensor: Tensor, dim: int, start: Any, length: Any, layout: Any = None) -> NestedTensor:
    """Of each row of a tensor a piece along `dim` (1), of its own place and length.

    start, length: numbers, or tensors with one for each row.

    >>> import rushlight as torch
    >>> x = torch.arange(6).reshape(2, 3)
    >>> torch.nested.narrow(x, 1, 0, torch.tensor([1, 2]), torch.jagged).unbind()
    (tensor([0]), tensor([3, 4]))
    """
    if dim != 1:
        raise RuntimeError("jagged layout only supports dim=1")
    count = tensor.shape[0]
    begins = start.tolist() if isinstance(start, Tensor) else [start] * count
    lengths = length.tolist() if isinstance(length, Tensor) else [length] * count
    parts = [f.narrow(row, 0, i, n) for row, i, n in zip(tensor.unbind(0), begins, lengths)]
    return _made(parts, layout, None, None)


def masked_select(tensor: Tensor, mask: Tensor) -> NestedTensor:
    """Of each row the elements where the mask is True, in the jagged layout.

    >>> import rushlight as torch
    >>> kept = torch.tensor([[True, False], [True, True]])
    >>> torch.nested.masked_select(torch.arange(4).reshape(2, 2), kept).unbind()
    (tensor([0]), tensor([2, 3]))
    """
    mask = mask.expand(tensor.shape)
    return jagged([row[kept] for row, kept in zip(tensor.unbind(0), mask.unbind(0))])


def to_padded_tensor(input: Any, padding: float, output_size: Any = None) -> Tensor:
    """All parts in one tensor, with `padding` where they are smaller than the largest.

    output_size: the size of the result, at least as large as the parts ask for.

    >>> import rushlight as torch
    >>> x = torch.nested.nested_tensor([torch.zeros(1), torch.ones(2)])
    >>> torch.nested.to_padded_tensor(x, 9.0)
    tensor([[0., 9.],
            [1., 1.]])
    """
    return input.to_padded_tensor(padding, output_size)
