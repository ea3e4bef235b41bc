"""Normalisation: to mean 0 and variance 1 over some dimensions, in two passes."""

from __future__ import annotations

from typing import Any

from .reduce import spread_about_mean
from .value import NotNative


def _standardise(s: Any, x: Any, weight: Any, bias: Any, dims: Any, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, the mean and the variance."""
    if x.dtype.kind != "f" or any(one is not None and one.dtype != x.dtype
                                  for one in (weight, bias)):  # fmt: skip
        raise NotNative("a norm of several types")
    center, gap = spread_about_mean(s, x, dims)
    variance = s.mean(gap * gap, dims, True)
    y = gap * s.rsqrt(variance + eps)
    y = y if weight is None else y * weight
    return (y if bias is None else y + bias), center, variance


def _root_mean_square(s: Any, x: Any, dims: Any, eps: float) -> Any:
    return x * s.rsqrt(s.mean(x * x, dims, True) + eps)


TABLE: dict[str, Any] = {
    "standardise": _standardise, "root_mean_square": _root_mean_square,
    "affine": lambda s, x, scale, shift: x * scale + shift,
}  # fmt: skip
