"""The `reduction` argument that all losses share."""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl

Tensor = rl.Tensor
_REDUCTIONS = ("mean", "sum", "none")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum or all of a loss per element."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def checked_reduction(
    reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """`reduction`, or what the old pair of arguments means (with torch's warning)."""
    if size_average is None and reduce is None and reduction in _REDUCTIONS:
        return reduction
    if size_average is not None or reduce is not None:
        average = size_average is None or size_average
        reduction = "none" if reduce is False else "mean" if average else "sum"
        warnings.warn(
            "size_average and reduce args will be deprecated, please use"
            f" reduction='{reduction}' instead.",
            stacklevel=3,
        )
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def warn_sizes(input: Tensor, target: Tensor) -> None:
    """torch's warning when a loss is about to broadcast."""
    if input._array.shape != target._array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size"
            f" ({input.shape}). This will likely lead to incorrect results due to broadcasting."
            " Please ensure they have the same size.",
            stacklevel=3,
        )


def broadcast(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    shape = rl.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(x if x.shape == shape else x.expand(shape) for x in tensors)
