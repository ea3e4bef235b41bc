"""Norms and dropout with what their gradients read: torch's functions of the name `native_`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import normalization as norms

Tensor = rl.Tensor


def native_layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`layer_norm`, the means, and 1/sqrt(variance + eps), over the last dimensions.

    >>> import rushlight as torch
    >>> y, mean, rstd = torch.native_layer_norm(torch.tensor([[1.0, 3.0]]), [2], None, None, 0.0)
    >>> y, mean, rstd
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    dims = list(range(input.ndim - len(normalized_shape), input.ndim))
    variance, mean = rl.var_mean(input.detach(), dims, correction=0, keepdim=True)
    y = norms.layer_norm(input, list(normalized_shape), weight, bias, eps)
    return y, mean, (variance + eps).rsqrt()


def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int,
    group: int, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`group_norm`, and for N images of C channels in groups the means and 1/sqrt(variance + eps).

    >>> import rushlight as torch
    >>> x = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]])
    >>> torch.native_group_norm(x, None, None, 1, 2, 2, 1, 0.5)[1:]
    (tensor([[2.]]), tensor([[1.]]))
    """
    rows = input.detach().reshape(N, group, C // group * HxW)
    if N:
        variance, mean = rl.var_mean(rows, 2, correction=0)
    else:  # of no images, of which var_mean would warn
        variance = mean = rows.sum(2)
    y = norms.group_norm(input, group, weight, bias, eps)
    return y, mean, (variance + eps).rsqrt()


def native_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`batch_norm`, and in training each channel's mean and 1/sqrt(variance + eps), else nothing.

    >>> import rushlight as torch
    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 3.0)[1:]
    (tensor([2.]), tensor([0.5000]))
    """
    y: Any = norms.native_batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )
    if not training:
        return y, input.new_empty(0), input.new_empty(0)
    dims = [0, *range(2, input.ndim)]
    variance, mean = rl.var_mean(input.detach(), dims, correction=0)
    root = (variance + eps).rsqrt() if eps else norms.inverse_root(variance)
    return y, mean, root


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """`dropout` and where it kept: input * mask / (1 - p).

    >>> import rushlight as torch
    >>> torch.native_dropout(torch.ones(2), 0.5, False)
    (tensor([1., 1.]), tensor([True, True]))
    """
    if not input.numel() or train is False:
        return input.clone(), rl.ones_like(input, dtype=rl.bool)
    kept = rl.empty_like(input, dtype=rl.float32).bernoulli_(1 - p)
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * kept.to(input.dtype) * scale, kept.to(rl.bool)
