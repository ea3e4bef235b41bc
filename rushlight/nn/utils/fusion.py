"""Folding a batch norm in evaluation mode into the layer before it."""

from __future__ import annotations

import copy
from typing import Any

import rushlight as rl

from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights",
]  # fmt: skip


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the one convolution that does both.

    Arguments: weight and bias of the convolution; mean, variance and eps of the norm, its weight
    and bias (None: 1 and 0); `transpose`, for transposed convolutions. The formula is that of
    `fuse_conv_bn_eval`.

    >>> import rushlight as torch
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> w, b = torch.nn.utils.fuse_conv_bn_weights(
    ...     torch.full((1, 1, 1, 1), 3.0), None, 2 * one, 4 * one, 0.0, one, zero
    ... )
    >>> w.flatten().detach(), b.detach()
    (tensor([1.5000]), tensor([-1.]))
    """
    bias = rl.zeros_like(bn_rm) if conv_b is None else conv_b
    scale = rl.rsqrt(bn_rv + bn_eps)
    if bn_w is not None:
        scale = scale * bn_w
    shift = 0 if bn_b is None else bn_b
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    weight = conv_w * scale.reshape(shape)
    return (
        Parameter(weight, conv_w.requires_grad),
        Parameter((bias - bn_rm) * scale + shift, bias.requires_grad),
    )


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of `conv` that includes `bn`; both must be in evaluation mode.

    w' = w * g / sqrt(var + eps) and b' = (b - mean) * g / sqrt(var + eps) + beta, for each channel
    of the result. Raises: AssertionError in training mode.

    >>> import rushlight as torch
    >>> conv, norm = torch.nn.Conv2d(1, 2, 3).eval(), torch.nn.BatchNorm2d(2).eval()
    >>> x = torch.rand(1, 1, 5, 5)
    >>> both = torch.nn.utils.fuse_conv_bn_eval(conv, norm)
    >>> torch.allclose(both(x), norm(conv(x)), atol=1e-6)
    True
    """
    if conv.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the one linear layer that does both.

    Arguments are those of `fuse_conv_bn_weights`.

    >>> import rushlight as torch
    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> w, b = torch.nn.utils.fuse_linear_bn_weights(
    ...     torch.tensor([[3.0]]), None, 2 * one, 4 * one, 0.0, one, zero
    ... )
    >>> w.detach(), b.detach()
    (tensor([[1.5000]]), tensor([-1.]))
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of `linear` that includes `bn`; both must be in evaluation mode.

    Raises: AssertionError in training mode, or where `bn` is of another number of features.

    >>> import rushlight as torch
    >>> linear, norm = torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval()
    >>> x = torch.rand(4, 2)
    >>> both = torch.nn.utils.fuse_linear_bn_eval(linear, norm)
    >>> torch.allclose(both(x), norm(linear(x)), atol=1e-6)
    True
    """
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    return fuse_conv_bn_eval(linear, bn)
