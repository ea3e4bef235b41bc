"""Activation functions in one evaluation each, with rules that can be differentiated again."""

from __future__ import annotations

from functools import partial
from math import pi, sqrt
from typing import Any

import numpy as np

from ...core.families import general, plain
from ...core.heavy import fitted, heavy
from ...core.numbers import number
from ...core.primitive import held
from ..elementwise import clamp, where
from ..transcendental import PRINTED, exp, sigmoid, tanh
from . import smooth_kernels as kernels
from .kernels import half, need_float, raw, widened
from .rounds import in_rounds

_SINGLE, _DOUBLE = np.dtype("f"), np.dtype("d")  # a letter NumPy looks up at each call


def _smooth(name: str, kernel: str, eval: Any, vjp: Any, doc: str, flat: str = "") -> Any:
    """One operand; 16-bit types are computed in float32, integers refused as torch does."""

    def evaluate(x: np.ndarray, *params: Any) -> np.ndarray:
        if x.dtype.char in "fd":
            return large(x, *params)
        need_float(x, kernel)
        return fitted(np.asarray(eval(widened(x), *params)), x.dtype)

    def pull(g: Any, y: Any, x: Any, *params: Any) -> Any:
        if raw(g, x) and g.dtype == x.dtype and x.dtype.char in "fd":
            return large_back(g, x, *params)
        return vjp(g, y, x, *params)

    def back(g: Any, x: Any, *params: Any) -> Any:
        return vjp(g, None, x, *params)

    large = heavy(name, eval, light=True)
    large_back = heavy(f"{name}_back", back, back, light=True)
    return general(name, eval=evaluate, vjp=pull, reads="x", doc=doc, flat=flat)


def _hardtanh_back(g: Any, x: Any, low: float, high: float) -> Any:
    return held(g, ~((x <= low) | (x >= high)))


def _hardtanh_vjp(g: Any, y: Any, x: Any, low: float, high: float) -> Any:
    return (_large_hardtanh_back if raw(g, x) else _hardtanh_back)(g, x, low, high)


_large_hardtanh_back = heavy("hardtanh_back", _hardtanh_back, _hardtanh_back, light=True)


def _below_zero(x: Any, low: float = 0.0, *_: Any) -> str:
    return "cannot do hardtanh on an unsigned type with negative limits" if int(low) < 0 else ""


hardtanh = general(
    "hardtanh", reads="x", vjp=_hardtanh_vjp,
    refuses={"complex": "NotImplementedError: clamp is not supported for complex types",
             "bool": "Bool inputs not supported for hardtanh", "uint8": _below_zero},
    eval=heavy("hardtanh", lambda x, low, high: np.clip(x, low, high).astype(x.dtype), light=True),
    flat="HardtanhBackwardBackward0",
    doc="x held between two bounds; the gradient passes strictly inside.",
)  # fmt: skip


def _slope_at(x: np.ndarray, slope: float) -> np.ndarray:
    # arithmetic on the mask: choosing by a mask of random signs costs five times as much
    y = np.asarray(x > 0).astype(x.dtype)
    y *= x.dtype.type(1 - slope)
    y += x.dtype.type(slope)
    return y


slope_at = plain("slope_at", eval=_slope_at, doc="1 where x is positive, else the slope.")


def _leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    small = x * x.dtype.type(slope)
    return (np.maximum if slope <= 1 else np.minimum)(x, small)


def _leaky_back(g: Any, x: Any, slope: float) -> Any:
    if raw(g, x) and half(x):  # the slope itself is not rounded
        return fitted(widened(g) * slope_at(widened(x), slope), g.dtype)
    return g * slope_at(x, slope)


leaky_relu = _smooth(
    "leaky_relu", "leaky_relu_cpu", _leaky_relu,
    lambda g, y, x, slope: _leaky_back(g, x, slope),
    "x where positive, else slope * x.", flat="LeakyReluBackwardBackward0",
)  # fmt: skip


def _elu(x: np.ndarray, alpha: float, scale: float, inner: float) -> np.ndarray:
    y = np.expm1(np.minimum(x, 0) * x.dtype.type(inner))
    y *= alpha * scale
    y += np.maximum(x, 0) * x.dtype.type(scale)
    return y


def _elu_vjp(g: Any, y: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    low = exp(clamp(x, None, 0.0) * inner) * (alpha * scale * inner)
    step = scale - alpha * scale * inner  # what is missing where x is positive
    return g * low if step == 0 else g * low + held(g, x > 0) * step


elu = _smooth("elu", "elu_cpu", _elu, _elu_vjp,
              "scale * x where positive, else scale * alpha * (e^(inner x) - 1).")  # fmt: skip


def _by_rounds(name: str, kernel: str, forward: Any, backward: Any, vjp: Any, doc: str,
               exact: bool = True, node: str | None = None) -> Any:  # fmt: skip
    """A smooth activation by two kernels of `smooth_kernels`; `vjp` serves tensors.

    Short float32 arrays, which are read in print, are computed in float64 where that is `exact`.
    """

    def evaluate(x: np.ndarray, *params: Any) -> np.ndarray:
        if exact and x.size <= PRINTED and x.dtype.char == "f":
            if not x.flags.c_contiguous:
                return in_rounds(forward, x.astype(_DOUBLE), params=params).astype(_SINGLE)
            y = np.empty(x.size, _DOUBLE)
            forward(y, x.ravel().astype(_DOUBLE), *params)
            return y.astype(_SINGLE).reshape(x.shape)
        need_float(x, kernel)
        return large(x, *params)

    def pull(g: Any, y: Any, x: Any, *params: Any) -> Any:
        if raw(g, x) and g.dtype == x.dtype:
            return large_back(g, x, *params)
        return vjp(g, y, x, *params)

    large = heavy(name, lambda x, *params: in_rounds(forward, x, params=params), light=True,
                  once=True)  # fmt: skip
    large_back = heavy(
        f"{name}_back", lambda g, x, *params: in_rounds(backward, g, x, params=params),
        lambda g, x, *params: vjp(g, None, x, *params), light=True, once=True,
    )  # fmt: skip

    return general(name, eval=evaluate, vjp=pull, reads="x", doc=doc, node=node)


normal_cdf = _smooth(
    "normal_cdf", "normal_cdf_cpu", lambda x: in_rounds(kernels.normal_cdf, x),
    lambda g, y, x: g * (exp(x * x * -0.5) * kernels.DENSITY),
    "The normal distribution function.",
)  # fmt: skip
gelu = _by_rounds(
    "gelu", "GeluKernelImpl", kernels.gelu, kernels.gelu_back,
    lambda g, y, x: g * (normal_cdf(x) + x * (exp(x * x * -0.5) * kernels.DENSITY)),
    "x times the normal distribution function of x.", exact=False,
)  # fmt: skip

_SCALE, _CUBE = sqrt(2 / pi), 0.044715


def _gelu_tanh_vjp(g: Any, y: Any, x: Any) -> Any:
    square = x * x
    t = tanh(x * (square * (_SCALE * _CUBE) + _SCALE))
    slope = square * (3 * _SCALE * _CUBE) + _SCALE
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


gelu_tanh = _by_rounds(
    "gelu_tanh", "GeluKernelImpl", partial(kernels.gelu_tanh, scale=_SCALE, cube=_CUBE),
    partial(kernels.gelu_tanh_back, scale=_SCALE, cube=_CUBE), _gelu_tanh_vjp,
    "gelu through its usual approximation by tanh.", exact=False, node="GeluBackward0",
)  # fmt: skip


def _silu_vjp(g: Any, y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


silu = _by_rounds("silu", "silu_cpu", kernels.silu, kernels.silu_back, _silu_vjp, "x sigmoid(x).")


def _log1p_exp(x: np.ndarray) -> np.ndarray:
    """log(1 + e^x) without overflow."""
    return in_rounds(kernels.softplus, x, params=(1.0,))


_SEEN = {"f": 17.0, "d": 37.0}  # above, log(1 + e^x) is x in the type's precision


def _softplus(x: np.ndarray, beta: float, threshold: float) -> np.ndarray:
    if x.size <= PRINTED and x.dtype.char in "fd":
        y = _softplus_of_few(x, beta)
    else:
        y = in_rounds(kernels.softplus, x, params=(beta,))
    if threshold < _SEEN.get(x.dtype.char, 17.0):
        y = np.where(x * x.dtype.type(beta) > threshold, x, y)
    return y


def _softplus_of_few(x: np.ndarray, beta: float) -> np.ndarray:
    """In one call, which rounds better (0.30 last digits where the kernel's steps have 0.38)."""
    zero = number(0, x.dtype)
    if beta == 1:
        return np.asarray(np.logaddexp(x, zero))
    scale = x.dtype.type(beta)
    return np.asarray(np.logaddexp(x * scale, zero) / scale)


def _softplus_vjp(g: Any, y: Any, x: Any, beta: float, threshold: float) -> Any:
    if raw(g, x) and g.dtype == x.dtype and threshold >= _SEEN.get(x.dtype.char, 17.0):
        return in_rounds(kernels.logistic_back, g, x, params=(beta,))
    return where(x * beta > threshold, g, g * sigmoid(x * beta))


softplus = _smooth("softplus", "softplus_cpu", _softplus, _softplus_vjp,
                   "log(1 + e^(beta x)) / beta.")  # fmt: skip


def _mish_vjp(g: Any, y: Any, x: Any) -> Any:
    t = tanh(softplus(x, 1.0, float("inf")))
    return g * (t + x * sigmoid(x) * (1 - t * t))


mish = _by_rounds("mish", "mish_cpu", kernels.mish, kernels.mish_back, _mish_vjp,
                  "x tanh(log(1 + e^x)).")  # fmt: skip


def _log_sigmoid_back(g: Any, x: Any) -> Any:
    if not (raw(g, x) and half(x)):
        return g * sigmoid(-x)
    kind, wide = g.dtype, widened(x)
    far = widened(fitted(np.exp(-np.abs(wide)), kind))  # which torch keeps
    below, share = wide < 0, far / (1 + far)
    return fitted(widened(g) * np.where(below, 1 - share, share), kind)


log_sigmoid = _smooth(
    "log_sigmoid", "log_sigmoid_cpu", lambda x: -_log1p_exp(-x),
    lambda g, y, x: _log_sigmoid_back(g, x), "log(sigmoid(x)).",
)  # fmt: skip


def _hardshrink(x: np.ndarray, bound: float) -> np.ndarray:
    y = x * (np.abs(x) > bound) if np.isfinite(x).all() else _kept_outside(x, bound)
    return y + x.dtype.type(0)  # no -0


def _kept_outside(x: np.ndarray, bound: float) -> np.ndarray:
    return np.where((x >= -bound) & (x <= bound), 0, x)


hardshrink = _smooth(
    "hardshrink", "hardshrink_cpu", _hardshrink,
    lambda g, y, x, bound: held(g, ~((x >= -bound) & (x <= bound))),
    "x outside of -bound..bound, else 0.", flat="HardshrinkBackwardBackward0",
)  # fmt: skip


def _softshrink(x: np.ndarray, bound: float) -> np.ndarray:
    bound = x.dtype.type(bound)
    return np.copysign(x - np.minimum(np.maximum(x, -bound), bound), x)  # of zeros too


softshrink = _smooth(
    "softshrink", "softshrink_cpu",
    _softshrink,
    lambda g, y, x, bound: held(g, ~((x >= -bound) & (x <= bound))),
    "x moved by `bound` towards 0, where it stays.", flat="SoftshrinkBackwardBackward0",
)  # fmt: skip


def _threshold_back(g: Any, x: Any, bound: float, value: float) -> Any:
    return held(g, ~(x <= bound))


def _threshold_vjp(g: Any, y: Any, x: Any, bound: float, value: float) -> Any:
    return (_large_threshold_back if raw(g, x) else _threshold_back)(g, x, bound, value)


_large_threshold_back = heavy("threshold_back", _threshold_back, _threshold_back, light=True)
threshold = general(
    "threshold", reads="x", vjp=_threshold_vjp, real="threshold_cpu",
    flat="ThresholdBackwardBackward0",
    eval=heavy("threshold", lambda x, bound, value: np.where(x <= bound, x.dtype.type(value), x),
               light=True),
    doc="x where above the bound, else the value.",
)  # fmt: skip


def _sixth(x: np.ndarray) -> np.ndarray:
    """(x + 3) / 6 held between 0 and 1."""
    return np.clip(x + 3, 0, 6) / x.dtype.type(6)


hardsigmoid = _smooth(
    "hardsigmoid", "hardsigmoid_cpu", _sixth,
    lambda g, y, x: held(g, (x > -3) & (x < 3)) * (1 / 6), "(x + 3) / 6 held between 0 and 1.",
)  # fmt: skip
hardswish = _by_rounds(
    "hardswish", "hardswish_cpu", kernels.hardswish, kernels.hardswish_back,
    lambda g, y, x: where(x <= -3, 0.0, where(x >= 3, g, g * (x * (1 / 3) + 0.5))),
    "x hardsigmoid(x).", exact=False,
)  # fmt: skip


def _prelu(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    if not np.isfinite(w).all():
        return np.where(x > 0, x, x * w)
    y = np.minimum(x, 0) * w  # choosing by a mask of random signs costs five times as much
    y += np.maximum(x, 0)
    return y.astype(x.dtype, copy=False)


def _prelu_back(g: Any, x: Any, w: Any) -> tuple[Any, Any]:
    return where(x > 0, g, g * w), where(x > 0, 0.0, g * x)


def _prelu_vjp(g: Any, y: Any, x: Any, w: Any) -> tuple[Any, Any]:
    if raw(g, x) and raw(w, x) and g.dtype == x.dtype == w.dtype and x.dtype.char in "fd":
        return _large_prelu_back(g, x, w)
    return _prelu_back(g, x, w)


_large_prelu_back = heavy("prelu_back", _prelu_back, _prelu_back, light=True)
prelu = general(
    "prelu", arity=2, reads="x", node="PreluKernelBackward0",
    eval=heavy("prelu", _prelu, light=True), vjp=_prelu_vjp,
    refuses={"bool int complex": "prelu_cpu"},
    flat="PreluKernelBackwardBackward0",
    doc="x where positive, else w x; w already of x's number of dimensions.",
)  # fmt: skip
