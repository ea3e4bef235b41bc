"""Limiting the size of gradients: by their total norm or element by element."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_"]


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, rl.Tensor) else list(tensors)


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The norm of all elements of all tensors as one vector: (sum |x|^p)^(1/p), a 0-d tensor.

    Args: tensors, several or one; norm_type, the p; error_if_nonfinite, whether nan and inf are
    refused; foreach is taken without effect.
    Raises: RuntimeError for a norm that is not finite, if asked.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.get_total_norm.html

    >>> import rushlight as torch
    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    tensors = _as_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return rl.tensor(0.0)
    norms = [rl.linalg.vector_norm(tensor, norm_type) for tensor in tensors]
    total = rl.linalg.vector_norm(rl.stack(norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        bad = [place for place, norm in enumerate(norms) if not bool(norm.isfinite())]
        raise fail(
            RuntimeError,
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`",
            f"not finite: tensors {bad[:10]}",
        )
    return total


def _limit(bound: Any) -> float:
    """A bound as a number; one that a trace follows is one already."""
    return bound if isinstance(bound, float) and type(bound) is not np.float64 else float(bound)


def _gradients(parameters: Any) -> list[Any]:
    return [p.grad for p in _as_list(parameters) if p.grad is not None]


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale the gradients in place by min(1, max_norm / total_norm).

    Args: parameters, several or one, of which those without a gradient are passed over; max_norm;
    total_norm, a tensor, as `get_total_norm` gives it; foreach is taken without effect.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grads_with_norm_.html

    >>> import rushlight as torch
    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grads_with_norm_(w, 1.0, torch.tensor(5.0))
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    with rl.no_grad():
        scale = (_limit(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in _gradients(parameters):
            grad.mul_(scale)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients in place so that their total norm is at most max_norm; the old norm.

    Args: parameters, several or one, of which those without a gradient are passed over; max_norm;
    norm_type, the p of the norm (inf: the largest element); error_if_nonfinite, whether a norm of
    nan or inf is refused; foreach is taken without effect.
    Raises: RuntimeError for a norm that is not finite, if asked.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html

    >>> import rushlight as torch
    >>> weight = torch.ones(2, requires_grad=True)
    >>> (weight * torch.tensor([3.0, 4.0])).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([weight], max_norm=1.0)
    tensor(5.)
    """
    if isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                stacklevel=3,
            )
    parameters = _as_list(parameters)
    with rl.no_grad():
        total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The old name of clip_grad_norm_: warns so.

    >>> import rushlight as torch, warnings
    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.nn.utils.clip_grad_norm([w], 1.0)
    tensor(5.)
    """
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Iterable[Any] | Any, clip_value: float, foreach: bool | None = None
) -> None:
    """Hold every element of the gradients between -clip_value and clip_value, in place.

    >>> import rushlight as torch
    >>> weight = torch.ones(2, requires_grad=True)
    >>> (weight * torch.tensor([3.0, -4.0])).sum().backward()
    >>> torch.nn.utils.clip_grad_value_([weight], 1.0)
    >>> weight.grad
    tensor([ 1., -1.])
    """
    clip_value = _limit(clip_value)
    gradients = _gradients(parameters)
    if not gradients:
        raise fail(
            RuntimeError,
            "Expected !nested_tensorlist[0].empty() to be true, but got false.  (Could this error"
            " message be improved?  If so, please report an enhancement request to PyTorch.)",
            "none of the parameters has a gradient: call backward() before, and clip after it",
        )
    with rl.no_grad():
        for grad in gradients:
            grad.clamp_(min=-clip_value, max=clip_value)
