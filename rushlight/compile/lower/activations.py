"""Activation functions, and softmax, which shifts by the largest so that nothing overflows."""

from __future__ import annotations

from math import inf, pi, sqrt
from typing import Any

from .value import NotNative

_SCALE, _CUBE = sqrt(2 / pi), 0.044715


def _leaky_relu(s: Any, x: Any, slope: float) -> Any:
    return (s.max if slope <= 1 else s.min)(x, x * slope)


def _slope_at(s: Any, x: Any, slope: float) -> Any:
    return s.where(x > 0, s.constant(1, x.dtype), s.constant(slope, x.dtype))


def _elu(s: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    low = s.expm1(s.min(x, 0) * inner) * (alpha * scale)
    return low + s.max(x, 0) * scale


def _gelu_tanh(s: Any, x: Any) -> Any:
    t = s.tanh((x * x * (_SCALE * _CUBE) + _SCALE) * x)
    return (t + 1) * x * 0.5


def softplus(s: Any, x: Any, beta: float = 1.0, threshold: float = inf) -> Any:
    """log(1 + e^(beta x)) / beta, by an exponential that is never above 1."""
    scaled = x if beta == 1 else x * beta
    y = s.max(scaled, 0) + s.log1p(s.exp(-s.abs(scaled)))
    y = y if beta == 1 else y / beta
    return s.where(scaled > threshold, x, y) if threshold < 37 else y


def _mish(s: Any, x: Any) -> Any:
    """x n / (n + 2) with n = e^x (e^x + 2), the tanh of softplus."""
    e = s.exp(s.min(x, 20.0 if x.dtype.itemsize == 4 else 40.0))
    n = e * (e + 2)
    return x * (n / (n + 2))


def _inside(x: Any, bound: float) -> Any:
    return (x >= -bound) & (x <= bound)


def _softshrink(s: Any, x: Any, bound: float) -> Any:
    return s.where(x > bound, x - bound, s.where(x < -bound, x + bound, x * 0))


def _hardsigmoid(s: Any, x: Any) -> Any:
    return s.clamp(x + 3, 0, 6) / 6


def _prelu(s: Any, x: Any, w: Any) -> Any:
    return s.where(x > 0, x, x * w)


def shifted(s: Any, x: Any, dim: int) -> tuple[Any, Any]:
    """x less its largest along dim, and the sum of the exponentials of that."""
    if x.dtype.kind != "f":
        raise NotNative("softmax of integers")
    low = x - s.amax(x, dim, True)
    return low, s.sum(s.exp(low), dim, True)


def softmax(s: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return s.constant(1, x.dtype)
    low, total = shifted(s, x, dim)
    return s.exp(low) / total


def log_softmax(s: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return s.zeros((), x.dtype)
    low, total = shifted(s, x, dim)
    return low - s.log(total)


def _on_floats(rule: Any) -> Any:
    """Integers are refused by the op itself."""

    def checked(s: Any, x: Any, *params: Any) -> Any:
        if x.dtype.kind != "f":
            raise NotNative("an activation of integers")
        return rule(s, x, *params)

    return checked


_RULES: dict[str, Any] = {
    "hardtanh": lambda s, x, low, high: s.clamp(x, low, high),
    "leaky_relu": _leaky_relu, "elu": _elu, "normal_cdf": lambda s, x: s.normal_cdf(x),
    "gelu": lambda s, x: x * s.normal_cdf(x), "gelu_tanh": _gelu_tanh,
    "silu": lambda s, x: x * s.sigmoid(x), "softplus": softplus, "mish": _mish,
    "log_sigmoid": lambda s, x: -softplus(s, -x),
    "hardshrink": lambda s, x, bound: s.where(_inside(x, bound), 0.0, x),
    "softshrink": _softshrink,
    "threshold": lambda s, x, bound, value: s.where(x <= bound, s.constant(value, x.dtype), x),
    "hardsigmoid": _hardsigmoid, "hardswish": lambda s, x: x * s.clamp(x + 3, 0, 6) / 6,
    "prelu": _prelu, "slope_at": _slope_at, "softmax": softmax, "log_softmax": log_softmax,
}  # fmt: skip
TABLE: dict[str, Any] = {name: _on_floats(rule) for name, rule in _RULES.items()}
