"""Linear and bilinear maps."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...functions.neural import linear

__all__ = [
    "bilinear", "linear",
]  # fmt: skip

Tensor = rl.Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    """y_k = input1^T weight_k input2 + bias_k.

    Shapes: input1 (*, in1), input2 (*, in2), weight (out, in1, in2), bias (out), result (*, out).
    Raises: RuntimeError for other sizes.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html

    >>> import rushlight as torch
    >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 3), torch.ones(4, 2, 3))
    tensor([[6., 6., 6., 6.]])
    """
    if input1.ndim != input2.ndim:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}"
        )
    for dim in range(input1.ndim - 1):
        a, b = input1.shape[dim], input2.shape[dim]
        if a != b:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {dim}: got {a} and {b}"
            )
    for place, x in ((1, input1), (2, input2)):
        if x.shape[-1] != weight.shape[place]:
            raise RuntimeError(
                f"bilinear(): input{place} size does not match weight size: got {x.shape[-1]} but"
                f" expected {weight.shape[place]}"
            )
    out, first, second = weight.shape
    if bias is not None and bias.shape[0] != out:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected"
            f" {out}"
        )
    lead = input1.shape[:-1]
    rows, others = input1.reshape(-1, first), input2.reshape(-1, 1, second)
    # (rows, in1) @ (in1, out * in2) -> (rows, out, in2), times (rows, 1, in2), summed over in2
    wide = weight.permute(1, 0, 2).reshape(first, out * second)
    y = ((rows @ wide).reshape(-1, out, second) * others).sum(-1).reshape(*lead, out)
    return y if bias is None else y + bias
