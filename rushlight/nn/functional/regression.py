"""Losses for regression: distances between numbers, and likelihoods of distributions."""

from __future__ import annotations

from math import pi
from typing import Any

import rushlight as rl

from ...functions import neural as n
from .reduction import checked_reduction, reduced, warn_sizes

__all__ = [
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "l1_loss", "mse_loss",
    "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip

Tensor = rl.Tensor


def _difference(input: Tensor, target: Tensor, kernel: str, wide: Any = None) -> Tensor:
    """input - target, refused for data types that torch has no kernel for.

    What is of the type `wide` is subtracted in float32, where torch's kernel rounds but once.
    """
    common = n.result_type(input, target)
    if not common.is_floating_point:
        raise n.not_implemented(kernel, common)
    if common is wide:
        return input.float() - target.float()
    return (input if input.dtype is common else input.to(common)) - (
        target if target.dtype is not rl.bool else target.to(common)
    )


def mse_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Any = None,
) -> Tensor:  # fmt: skip
    """(x - y)^2. Warns when the shapes differ, since broadcasting is seldom meant.

    Shapes: input and target are alike. reduction: "mean", "sum" or "none"; weight: a factor of each
    element's term, by whose sum the mean divides.
    Raises: ValueError for another reduction, RuntimeError for shapes that do not broadcast.

    >>> import rushlight as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    warn_sizes(input, target)
    if size_average is not None or reduce is not None:
        reduction = checked_reduction(reduction, size_average, reduce)
    if reduction == "mean" and weight is None and input.is_floating_point():
        return n.mean_squared_error(input, target)
    squares = _difference(input, target, "mse_cpu").square()
    if weight is not None:
        return _weighted(squares, weight, checked_reduction(reduction))
    return n.named(reduced(squares, reduction), "MseLossBackward0")


def _weighted(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    loss = loss * weight
    if reduction == "mean":
        return loss.sum() / weight.expand(loss.shape).sum()
    return reduced(loss, reduction)


def l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", weight: Any = None,
) -> Tensor:  # fmt: skip
    """|x - y|.

    Shapes: input and target are alike; warns if not. reduction: "mean", "sum" or "none".
    Raises: ValueError for another reduction, RuntimeError for shapes that do not broadcast.

    >>> import rushlight as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    warn_sizes(input, target)
    reduction = checked_reduction(reduction, size_average, reduce)
    loss = (input - target).abs()
    return reduced(loss, reduction) if weight is None else _weighted(loss, weight, reduction)


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """(x - y)^2 / (2 beta) where |x - y| < beta, else |x - y| - beta / 2.

    Args: beta, 0 for |x - y|; reduction, "mean" over all elements, "sum", or "none".
    Raises: RuntimeError for a negative `beta`, ValueError for another reduction.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(1.5000)
    """
    warn_sizes(input, target)
    reduction = checked_reduction(reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    d = _difference(input, target, "smooth_l1_cpu", rl.bfloat16)
    loss = n.smooth_l1(d, float(beta)) if beta else d.abs()
    loss = loss.to(n.result_type(input, target))
    found = reduced(loss, reduction)
    return n.named(found, "SmoothL1LossBackward0") if beta else found


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Tensor:
    """(x - y)^2 / 2 where |x - y| <= delta, else delta (|x - y| - delta / 2).

    Args: weight, multiplies each loss; reduction, "mean" over all elements, "sum", or "none".
    Raises: RuntimeError for a `delta` that is not positive, ValueError for another reduction.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(1.5000)
    """
    warn_sizes(input, target)
    reduction = checked_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    loss = n.huber(_difference(input, target, "huber_cpu", rl.float16), float(delta))
    loss = loss.to(n.result_type(input, target))
    if weight is not None:
        return _weighted(loss, weight, reduction)
    return n.named(reduced(loss, reduction), "HuberLossBackward0")


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: bool | None = None, eps: float = 1e-8, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """e^x - y x for a Poisson rate given by its logarithm, x - y log(x + eps) for the rate itself.

    `full` adds Stirling's approximation of log(y!) where y > 1.

    >>> import rushlight as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.zeros(1), torch.ones(1))
    tensor(1.)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if log_input:
        loss = input.exp() - target * input
    else:
        loss = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """(log var + (x - y)^2 / var) / 2, with var held at or above `eps` (its gradient is not).

    Args: var, a tensor as the input, or one without its last dimension or with size 1 there, or a
        number; full: with the constant log(2 pi) / 2; reduction, "mean", "sum" or "none".
    Raises: ValueError for a negative variance, other sizes of `var`, and another reduction.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.gaussian_nll_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.gaussian_nll_loss(torch.ones(1), torch.zeros(1), torch.ones(1))
    tensor(0.5000)
    """
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * rl.ones_like(input)
    elif n.refuses(var < 0):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or var.shape != (*input.shape[:-1], 1):
            broadcastable = var.ndim == input.ndim and all(
                m in (n_, 1) for m, n_ in zip(var.shape, input.shape)
            )
            if not broadcastable:
                raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # the bound moves the value alone: the gradient goes to var as it came
    var = var + (var.detach().clamp(min=eps) - var.detach())
    loss = 0.5 * (var.log() + (input - target).square() / var)
    if full:
        loss = loss + 0.9189385332046727
    return reduced(loss, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """x where y is 1, max(0, margin - x) where y is -1.

    Args: reduction, "mean" over all elements, "sum", or "none". Shapes: both operands of any,
        broadcast.
    Raises: ValueError for another reduction.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.5]), -torch.ones(1))
    tensor(0.5000)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    n.broadcast(target.shape, input.shape)  # torch's error where they do not fit
    apart = (margin - input).clamp(min=0)
    zero = rl.zeros_like(input)
    loss = rl.where(target != 1, apart, zero) + rl.where(target != -1, input, zero)
    return reduced(loss, reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + e^(-y x)) for labels y of 1 and -1.

    Args: reduction, "mean" over all elements, "sum", or "none". Raises: ValueError for another.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html

    >>> import rushlight as torch
    >>> torch.nn.functional.soft_margin_loss(torch.zeros(1), torch.ones(1))
    tensor(0.6931)
    """
    reduction = checked_reduction(reduction, size_average, reduce)
    if target.requires_grad:
        raise RuntimeError(
            "The function 'soft_margin_loss' is not differentiable with respect to argument"
            " 'target'. This input cannot have requires_grad True."
        )
    loss = -input * target
    if not (input.is_floating_point() or input.is_complex()):
        # torch writes the loss into a tensor of the input's type
        raise RuntimeError("result type Float can't be cast to the desired output type"
                           f" {n.type_name(input)}")  # fmt: skip
    loss = reduced(loss.exp().log1p(), reduction)
    return n.named(loss, "SoftMarginLossBackward0")
