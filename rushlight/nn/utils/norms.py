"""What weight and spectral normalisation compute, in both their forms."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def norm_except_dim(v: Any, dim: int) -> Any:
    """The norm over all dimensions but `dim`, which keeps its size; over all for -1.

    >>> import rushlight as torch
    >>> from rushlight.nn.utils.weight_norm import norm_except_dim
    >>> norm_except_dim(torch.tensor([[3.0, 4.0], [6.0, 8.0]]), 0)
    tensor([[ 5.],
            [10.]])
    """
    if dim == -1:
        return (v * v).sum().sqrt()
    others = [d for d in range(v.dim()) if d != dim]
    return (v * v).sum(others, keepdim=True).sqrt() if others else v.abs()


def weight_from(v: Any, g: Any, dim: int) -> Any:
    """g v / ||v||."""
    return v * (g / norm_except_dim(v, dim))


def normalized(x: Any, eps: float) -> Any:
    """x / max(||x||, eps)."""
    square = (x * x.conj()).real if x.is_complex() else x * x
    return x / square.sum().sqrt().clamp(min=eps)


def as_matrix(weight: Any, dim: int) -> Any:
    """(weight.shape[dim], everything else)."""
    if dim != 0:
        order = [dim] + [d for d in range(weight.dim()) if d != dim]
        weight = weight.permute(*order)
    return weight.reshape(weight.shape[0], -1)


def power_iteration(matrix: Any, u: Any, v: Any, count: int, eps: float) -> None:
    """Turn u (rows) and v (columns) towards the first singular vectors, in place."""
    with rl.no_grad():
        for _ in range(count):
            v.copy_(normalized(rl.mv(matrix.mH, u), eps))
            u.copy_(normalized(rl.mv(matrix, v), eps))


def transposed_dim(module: Any) -> int:
    """The dimension of the outputs in the weight: 1 for transposed convolutions."""
    return 1 if getattr(module, "transposed", False) else 0
