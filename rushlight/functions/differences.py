"""Derivatives of sampled functions by differences: torch.gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import refuse, wrap_array
from ..core.shapes import dimensions
from ..core.tensor import Tensor
from ..ops import structure as s
from .arguments import combination
from .joining import cat

__all__ = ["gradient"]

_UNSPECIFIED = "torch.gradient expected spacing to be unspecified, a scalar"


def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, axis: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivative along each dimension: central differences, one-sided ones at the edges.

    `spacing` is a step, a step per dimension, or coordinates per dimension (tensors).
    Raises RuntimeError for spacings that do not match the dimensions.
    Source: https://pytorch.org/docs/stable/generated/torch.gradient.html

    >>> import rushlight as torch
    >>> torch.gradient(torch.tensor([0.0, 1.0, 4.0, 9.0]))
    (tensor([1., 2., 4., 5.]),)
    """
    refuse(input, "uint8", "torch.gradient does not support uint8 input.")
    dim = dim if axis is None else axis
    if isinstance(spacing, Tensor) and spacing._array.ndim:
        raise combination("gradient", (input,), {"spacing": spacing})
    dims = dimensions(dim, input._array.ndim)
    steps = _spacings(input, spacing, dim, len(dims))
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    for place in dims:
        if input._array.shape[place] < edge_order + 1:
            raise RuntimeError(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
    if isinstance(spacing, (list, tuple)):
        _check_coordinates(input, steps)
    return tuple(_along(input, place, step, edge_order) for place, step in zip(dims, steps))


def _spacings(input: Tensor, spacing: Any, dim: Any, count: int) -> list[Any]:
    if spacing is None:
        return [1] * count
    if not isinstance(spacing, (list, tuple)):
        return [spacing.item() if isinstance(spacing, Tensor) else spacing] * count
    if dim is None and len(spacing) != input._array.ndim:
        raise RuntimeError(
            f"{_UNSPECIFIED}, or a list of length equal to 'self.dim() = {input._array.ndim}',"
            f" since dim argument was not given, but got a list of length {len(spacing)}"
        )
    if any(isinstance(step, Tensor) for step in spacing):
        place, other = next(
            ((i, step) for i, step in enumerate(spacing) if not isinstance(step, Tensor)), (0, None)
        )
        if other is not None:
            raise TypeError(
                f"expected Tensor as element {place} in argument 1, but got {type(other).__name__}"
            )
    if len(spacing) != count:
        raise RuntimeError(
            f"{_UNSPECIFIED} or it's spacing and dim arguments to have the same length, but got a"
            f" spacing argument of length {len(spacing)} and a dim argument of length {count}."
        )
    return list(spacing)


def _check_coordinates(input: Tensor, steps: list[Any]) -> None:
    """torch's errors for coordinates that are no rows of numbers beside the input."""
    given = [step for step in steps if isinstance(step, Tensor)]
    if any(step.device != input.device for step in given):
        device = next(step.device for step in given if step.device != input.device)
        raise RuntimeError(
            "torch.gradient expected each tensor to be on the same device, but got devices"
            f" {input.device} and {device}!"
        )
    for step in given:
        if step._array.ndim != 1:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have one dimension, but got an"
                f" element with {step._array.ndim} dimensions!"
            )


def _along(x: Tensor, place: int, spacing: Any, order: int) -> Tensor:
    size = x._array.shape[place]
    part = lambda y, start, length: s.narrow(y, place, start, length)
    steps = _steps(x, place, spacing)
    slopes = (part(x, 1, size - 1) - part(x, 0, size - 1)) / steps
    if isinstance(steps, Tensor):
        before, after = part(steps, 0, size - 2), part(steps, 1, size - 2)
        middle = (part(slopes, 0, size - 2) * after + part(slopes, 1, size - 2) * before) / (
            before + after
        )
    else:
        middle = (part(x, 2, size - 2) - part(x, 0, size - 2)) / (2 * steps)
    first, last = part(slopes, 0, 1), part(slopes, size - 2, 1)
    if order == 2:
        ratio = lambda one, two: (
            one / (one + two) if isinstance(steps, Tensor) else 0.5  # of the last two steps
        )
        ends = [part(steps, i, 1) if isinstance(steps, Tensor) else steps
                for i in (0, 1, size - 2, size - 3)]  # fmt: skip
        first = first + (first - part(slopes, 1, 1)) * ratio(*ends[:2])
        last = last + (last - part(slopes, size - 3, 1)) * ratio(*ends[2:])
    return cat([first, middle, last], place)


def _steps(x: Tensor, place: int, spacing: Any) -> Any:
    """The step as a number, or as a tensor where coordinates were given."""
    if not isinstance(spacing, Tensor):
        return spacing
    if not spacing._array.ndim:
        return spacing.item()
    shape = [1] * x._array.ndim
    shape[place] = spacing._array.shape[0] - 1
    return wrap_array(np.diff(spacing._array).reshape(shape))
