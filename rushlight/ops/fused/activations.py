"""Activation functions in one evaluation each, with rules that can be differentiated again."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from ...core import special
from ...core.families import general, plain
from ..elementwise import clamp, where
from ..transcendental import exp, sigmoid, tanh
from .kernels import need_float, widened


def _smooth(name: str, kernel: str, eval: Any, vjp: Any, doc: str, node: str | None = None) -> Any:
    """One operand; 16-bit types are computed in float32, integers refused as torch does."""

    def evaluate(x: np.ndarray, *params: Any) -> np.ndarray:
        need_float(x, kernel)
        return np.asarray(eval(widened(x), *params)).astype(x.dtype, copy=False)

    return general(name, eval=evaluate, vjp=vjp, reads="x", doc=doc, node=node)


hardtanh = general(
    "hardtanh", reads="x", eval=lambda x, low, high: np.clip(x, low, high).astype(x.dtype),
    vjp=lambda g, y, x, low, high: g * ((x > low) & (x < high)),
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


leaky_relu = _smooth(
    "leaky_relu", "leaky_relu_cpu", _leaky_relu,
    lambda g, y, x, slope: g * slope_at(x, slope),
    "x where positive, else slope * x.",
)  # fmt: skip


def _elu(x: np.ndarray, alpha: float, scale: float, inner: float) -> np.ndarray:
    y = np.expm1(np.minimum(x, 0) * x.dtype.type(inner))
    y *= alpha * scale
    y += np.maximum(x, 0) * x.dtype.type(scale)
    return y


def _elu_vjp(g: Any, y: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    low = exp(clamp(x, None, 0.0) * inner) * (alpha * scale * inner)
    step = scale - alpha * scale * inner  # what is missing where x is positive
    return g * low if step == 0 else g * low + (g * (x > 0)) * step


elu = _smooth("elu", "elu_cpu", _elu, _elu_vjp,
              "scale * x where positive, else scale * alpha * (e^(inner x) - 1).")  # fmt: skip

_ROOT_HALF, _DENSITY = sqrt(0.5), 1 / sqrt(2 * pi)

# erfc(z) = 2 e^(-z^2) t P(t) with t = 1 / (1 + 0.3 z): coefficients of P fitted to 2e-8 relative.
_STEP = 0.3
_TAIL = (
    0.08459569357089475, 0.0853331930290547, 0.0743195382788421, 0.1069510462106107,
    -0.046260791542165836, 0.2724775459894899, -0.2550424382121437, 0.24229509814778563,
    -0.06466889509592978,
)  # fmt: skip
_BLOCK = 1 << 14  # elements per round: what a round touches stays in the cache


def _single_cdf(x: np.ndarray, out: np.ndarray) -> None:
    z = np.abs(x)
    z *= _ROOT_HALF
    t = 1 / (z * _STEP + 1)
    tail = t * _TAIL[-1]
    for factor in _TAIL[-2:0:-1]:
        tail += factor
        tail *= t
    tail += _TAIL[0]
    tail *= t
    z *= -z
    tail *= np.exp(z, z)
    np.multiply(1 - 2 * tail, x > 0, out=out)
    out += tail


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float32:
        return special.erfc(x * x.dtype.type(-_ROOT_HALF)) * x.dtype.type(0.5)
    flat = np.ascontiguousarray(x).reshape(-1)
    y = np.empty(flat.shape, np.float32)
    for start in range(0, flat.size, _BLOCK):
        _single_cdf(flat[start : start + _BLOCK], y[start : start + _BLOCK])
    return y.reshape(x.shape)


normal_cdf = _smooth(
    "normal_cdf", "normal_cdf_cpu", _normal_cdf,
    lambda g, y, x: g * (exp(x * x * -0.5) * _DENSITY),
    "The normal distribution function.",
)  # fmt: skip


gelu = _smooth(
    "gelu", "GeluKernelImpl", lambda x: x * _normal_cdf(x),
    lambda g, y, x: g * (normal_cdf(x) + x * (exp(x * x * -0.5) * _DENSITY)),
    "x times the normal distribution function of x.",
)  # fmt: skip

_GELU_SCALE, _GELU_CUBE = sqrt(2 / pi), 0.044715


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    y = x * x
    y *= _GELU_CUBE * _GELU_SCALE
    y += _GELU_SCALE
    y *= x
    y = np.tanh(y)
    y += 1
    y *= x
    y *= 0.5
    return y


def _gelu_tanh_vjp(g: Any, y: Any, x: Any) -> Any:
    square = x * x
    t = tanh(x * (square * (_GELU_SCALE * _GELU_CUBE) + _GELU_SCALE))
    slope = square * (3 * _GELU_SCALE * _GELU_CUBE) + _GELU_SCALE
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


gelu_tanh = _smooth("gelu_tanh", "GeluKernelImpl", _gelu_tanh, _gelu_tanh_vjp,
                    "gelu through its usual approximation by tanh.", "GeluBackward0")  # fmt: skip


def _silu_vjp(g: Any, y: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


_sigmoid = sigmoid.primitive.eval
silu = _smooth("silu", "silu_cpu", lambda x: x * _sigmoid(x), _silu_vjp, "x sigmoid(x).")


def _log1p_exp(x: np.ndarray) -> np.ndarray:
    """log(1 + e^x) without overflow."""
    return np.logaddexp(x, x.dtype.type(0))


def _softplus(x: np.ndarray, beta: float, threshold: float) -> np.ndarray:
    scaled = x * x.dtype.type(beta)
    return np.where(scaled > threshold, x, _log1p_exp(scaled) / x.dtype.type(beta))


softplus = _smooth(
    "softplus", "softplus_cpu", _softplus,
    lambda g, y, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)),
    "log(1 + e^(beta x)) / beta.",
)  # fmt: skip


def _mish_vjp(g: Any, y: Any, x: Any) -> Any:
    t = tanh(softplus(x, 1.0, float("inf")))
    return g * (t + x * sigmoid(x) * (1 - t * t))


mish = _smooth("mish", "mish_cpu", lambda x: x * np.tanh(_log1p_exp(x)), _mish_vjp,
               "x tanh(log(1 + e^x)).")  # fmt: skip
log_sigmoid = _smooth(
    "log_sigmoid", "log_sigmoid_cpu", lambda x: -_log1p_exp(-x),
    lambda g, y, x: g * sigmoid(-x), "log(sigmoid(x)).",
)  # fmt: skip


def _hardshrink(x: np.ndarray, bound: float) -> np.ndarray:
    return np.where((x >= -bound) & (x <= bound), 0, x)


hardshrink = _smooth(
    "hardshrink", "hardshrink_cpu", _hardshrink,
    lambda g, y, x, bound: g * ~((x >= -bound) & (x <= bound)),
    "x outside of -bound..bound, else 0.",
)  # fmt: skip
softshrink = _smooth(
    "softshrink", "softshrink_cpu",
    lambda x, bound: np.where(x > bound, x - x.dtype.type(bound),
                              np.where(x < -bound, x + x.dtype.type(bound), x * 0)),
    lambda g, y, x, bound: g * ~((x >= -bound) & (x <= bound)),
    "x moved by `bound` towards 0, where it stays.",
)  # fmt: skip
threshold = general(
    "threshold", reads="x",
    eval=lambda x, bound, value: np.where(x <= bound, x.dtype.type(value), x),
    vjp=lambda g, y, x, bound, value: g * ~(x <= bound),
    doc="x where above the bound, else the value.",
)  # fmt: skip


def _sixth(x: np.ndarray) -> np.ndarray:
    """(x + 3) / 6 held between 0 and 1."""
    return np.clip(x + 3, 0, 6) / x.dtype.type(6)


hardsigmoid = _smooth(
    "hardsigmoid", "hardsigmoid_cpu", _sixth,
    lambda g, y, x: g * ((x > -3) & (x < 3)) * (1 / 6), "(x + 3) / 6 held between 0 and 1.",
)  # fmt: skip
hardswish = _smooth(
    "hardswish", "hardswish_cpu", lambda x: x * np.clip(x + 3, 0, 6) / x.dtype.type(6),
    lambda g, y, x: where(x <= -3, 0.0, where(x >= 3, g, g * (x * (1 / 3) + 0.5))),
    "x hardsigmoid(x).",
)  # fmt: skip

prelu = general(
    "prelu", arity=2, reads="x", node="PreluKernelBackward0",
    eval=lambda x, w: np.where(x > 0, x, x * w),
    vjp=lambda g, y, x, w: (where(x > 0, g, g * w), where(x > 0, 0.0, g * x)),
    doc="x where positive, else w x; w already of x's number of dimensions.",
)  # fmt: skip
