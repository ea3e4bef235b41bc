"""Exponentials, logarithms, trigonometry and the smooth activations made of them."""

from __future__ import annotations

from math import log as log_of
from math import pi
from typing import Any

import numpy as np

from ..core.dtypes import COMPLEX_CODES
from ..core.families import elementwise
from ..core.heavy import fitted, heavy
from ..core.primitive import bake_elementwise, scaled
from ..core.tape import INPUTS, OUTPUT
from .fused.kernels import half, widened
from .fused.rounds import PIECE, rectified

PRINTED = 1000  # elements that `repr` shows in full
_SINGLE, _DOUBLE = np.dtype("f"), np.dtype("d")  # a letter NumPy looks up at each call
_ONE = np.ones((), _DOUBLE)  # as an array, which operations take sooner than a Python number


def in_float32(evaluate: Any) -> Any:
    """A function of several passes, whose result is rounded once if x has 16 bits."""

    def widely(x: Any) -> Any:
        return fitted(evaluate(widened(x)), x.dtype) if half(x) else evaluate(x)

    return widely


def rounded(ufunc: Any, name: str | None = None) -> Any:
    """A float32 function that rounds correctly for arrays small enough to be read.

    NumPy's float32 kernels are off by up to 3 ulp, which shows in print; float64 and one rounding
    agrees with torch's in 99 of 100 values. It costs 3-5 times as much, so large arrays, whose
    every digit nobody reads, keep the fast kernels: native ones where `name` is given.
    """
    large = ufunc if name is None else heavy(name, ufunc, light=True)

    def evaluate(x: Any) -> Any:
        if x.size <= PRINTED:
            # conversions apart: inside the call NumPy makes them by a buffer, which takes longer
            return ufunc(x.astype(_DOUBLE)).astype(_SINGLE) if x.dtype.char == "f" else ufunc(x)
        return large(x)

    return evaluate


def heavy_pull(name: str, partial: Any) -> Any:
    """The pull `g * partial(y)`, with a program in its place for large arrays."""
    derived = bake_elementwise([partial], "y")

    def back(g: Any, y: Any) -> Any:
        return scaled(g, partial(y, None))

    def once(g: np.ndarray, y: np.ndarray) -> np.ndarray:
        return fitted(back(widened(g), widened(y)), g.dtype) if half(g) else back(g, y)

    large = heavy(f"{name}_back", once, back, light=True, once=True)

    def pull(g: Any, entry: Any) -> Any:
        y = entry[OUTPUT]
        if type(g) is not np.ndarray or g.dtype is not y.dtype:
            return derived(g, entry)
        if half(g):  # one kernel in torch, which rounds once
            return (large(g, y) if g.size > PRINTED else once(g, y),)
        alike = g.size > PRINTED and g.dtype.char in "fd"
        return (large(g, y),) if alike else derived(g, entry)

    return pull


def stepwise(partial: Any, reads: str, steps: Any) -> Any:
    """The pull of one operand; of 16 bits by `steps(r, g, v)`, in float32, v what is read.

    They are torch's, each of which r rounds; the last is rounded here.
    """
    derived = bake_elementwise([partial], reads)

    def pull(g: Any, entry: Any) -> Any:
        v = entry[INPUTS][0] if reads == "x" else entry[OUTPUT]
        if type(g) is not np.ndarray or type(v) is not np.ndarray or not half(g):
            return derived(g, entry)
        kind = g.dtype
        r = lambda a: fitted(fitted(a, kind), _SINGLE)
        return (fitted(steps(r, widened(g), widened(v)), kind),)

    return pull


def _by_root(over: Any) -> Any:
    """A gradient times the inverse root of `over(r, x)`."""
    return lambda r, g, x: g * r(1 / np.sqrt(r(over(r, x))))


def smooth(name: str, eval: Any, partial: Any, reads: str, lower: Any = None, doc: str = "",
           node: str | None = None, pull: Any = None, real: str = "",
           steps: Any = None) -> Any:  # fmt: skip
    """An elementwise function of one real (or complex) variable; integers become floats.

    `steps` are those of its gradient in 16 bits (`stepwise`).
    """
    pull = stepwise(partial, reads, steps) if steps else pull
    return elementwise(
        name, eval=eval, dtype="float", partials=[partial], reads=reads,
        lower=lower or (lambda s, x: getattr(s, name)(x)), doc=doc, node=node, pull=pull,
        real=real,
    )  # fmt: skip


exp = smooth("exp", rounded(np.exp, "exp"), lambda y, x: y, "y", doc="e^x.  dy/dx = y.")
exp2 = smooth(
    "exp2", rounded(np.exp2), lambda y, x: y * log_of(2), "y", doc="2^x.",
    steps=lambda r, g, y: r(g * y) * log_of(2),
)  # fmt: skip
expm1 = smooth("expm1", rounded(np.expm1), lambda y, x: y + 1, "y", doc="e^x - 1, exact near 0.")
log = smooth(
    "log",
    rounded(np.log, "log"),
    lambda y, x: 1 / x,
    "x",
    steps=lambda r, g, x: g / x,
    doc="The natural logarithm.  dy/dx = 1/x.",
)
log2 = smooth(
    "log2", rounded(np.log2), lambda y, x: 1 / (x * log_of(2)), "x", doc="Logarithm to base 2.",
    steps=lambda r, g, x: g / r(x * log_of(2)),
)  # fmt: skip
log10 = smooth(
    "log10", rounded(np.log10), lambda y, x: 1 / (x * log_of(10)), "x",
    doc="Logarithm to base 10.",
    steps=lambda r, g, x: g / r(x * log_of(10)),
)  # fmt: skip
log1p = smooth("log1p", np.log1p, lambda y, x: 1 / (x + 1), "x", doc="log(1 + x), exact near 0.",
               node="Log1PBackward0",
               steps=lambda r, g, x: g / r(x + 1),
)  # fmt: skip
sqrt = smooth("sqrt", np.sqrt, lambda y, x: 0.5 / y, "y", doc="The square root.  dy/dx = 1/(2y).")
rsqrt = smooth(
    "rsqrt", heavy("rsqrt", in_float32(lambda x: np.reciprocal(np.sqrt(x))), light=True, once=True),
    lambda y, x: -0.5 * y * y * y, "y",
    steps=lambda r, g, y: r(-0.5 * g) * r(r(y * y) * y),
    doc="1 / sqrt(x).",
)  # fmt: skip
sin = smooth(
    "sin", rounded(np.sin), lambda y, x: cos(x), "x", doc="The sine of radians.  dy/dx = cos x."
)
cos = smooth(
    "cos", rounded(np.cos), lambda y, x: -sin(x), "x", doc="The cosine of radians.  dy/dx = -sin x."
)
tan = smooth("tan", rounded(np.tan), lambda y, x: 1 + y * y, "y", doc="The tangent of radians.")
_under_circle = _by_root(lambda r, x: 1 - r(x * x))
asin = smooth(
    "asin", rounded(np.arcsin), lambda y, x: 1 / sqrt(1 - x * x), "x", doc="The inverse sine.",
    steps=_under_circle,
)  # fmt: skip
acos = smooth(
    "acos", rounded(np.arccos), lambda y, x: -1 / sqrt(1 - x * x), "x", doc="The inverse cosine.",
    steps=lambda r, g, x: -_under_circle(r, g, x),
)  # fmt: skip
atan = smooth(
    "atan", rounded(np.arctan), lambda y, x: 1 / (x * x + 1), "x", doc="The inverse tangent.",
    steps=lambda r, g, x: g / r(r(x * x) + 1),
)  # fmt: skip
sinh = smooth("sinh", rounded(np.sinh), lambda y, x: cosh(x), "x", doc="The hyperbolic sine.")
cosh = smooth("cosh", rounded(np.cosh), lambda y, x: sinh(x), "x", doc="The hyperbolic cosine.")
tanh = smooth(
    "tanh",
    rounded(np.tanh),
    lambda y, x: 1 - y * y,
    "y",
    pull=heavy_pull("tanh", lambda y, x: 1 - y * y),
    doc="The hyperbolic tangent.  dy/dx = 1 - y^2.",
)
asinh = smooth(
    "asinh", rounded(np.arcsinh), lambda y, x: 1 / sqrt(x * x + 1), "x", doc="Inverse of sinh.",
    steps=_by_root(lambda r, x: r(x * x) + 1),
)  # fmt: skip
acosh = smooth(
    "acosh", rounded(np.arccosh), lambda y, x: 1 / sqrt(x * x - 1), "x", doc="Inverse of cosh.",
    steps=_by_root(lambda r, x: r(x * x) - 1),
)  # fmt: skip
atanh = smooth(
    "atanh", rounded(np.arctanh), lambda y, x: 1 / (1 - x * x), "x", doc="Inverse of tanh.",
    steps=lambda r, g, x: g / r(1 - r(x * x)),
)  # fmt: skip


def _sigmoid(x: Any) -> Any:
    # by tanh: no overflow on either side, and one pass
    if x.dtype.kind == "c":
        return 1 / (1 + np.exp(-x))
    if x.dtype.char == "f" and x.size <= PRINTED:
        return (_ONE / (_ONE + np.exp(-x.astype(_DOUBLE)))).astype(_SINGLE)
    return _large_sigmoid(x)


def _sigmoid_by_tanh(x: np.ndarray) -> np.ndarray:
    y = np.tanh(x * x.dtype.type(0.5))
    y = y * x.dtype.type(0.5) + x.dtype.type(0.5)
    if x.size and x.min() < -8:  # there 1 + tanh has few digits left
        small = np.exp(np.minimum(x, 0))
        y = np.where(x < -2, small / (1 + small), y).astype(x.dtype, copy=False)
    return y


_large_sigmoid = heavy("sigmoid", in_float32(_sigmoid_by_tanh), light=True, once=True)
sigmoid = smooth(
    "sigmoid", _sigmoid, lambda y, x: y * (1 - y), "y", doc="1 / (1 + e^-x).  dy/dx = y (1 - y).",
    pull=heavy_pull("sigmoid", lambda y, x: y * (1 - y)),
)  # fmt: skip


def _square(a: Any, b: Any) -> Any:
    """The squared distance from 0; 1 there, where torch's gradient of an angle is 0."""
    square = a * a + b * b
    return square + (square == 0)


_BY_ANGLE = [lambda y, a, b: b / _square(a, b), lambda y, a, b: -a / _square(a, b)]
_derived_angle = bake_elementwise(_BY_ANGLE, "x")


def _pull_angle(g: Any, entry: Any) -> Any:
    a, b = entry[INPUTS]
    if not type(g) is type(a) is type(b) is np.ndarray or not g.dtype is a.dtype is b.dtype:
        return _derived_angle(g, entry)
    if not half(g) or a.shape != b.shape:
        return _derived_angle(g, entry)
    over = fitted(1 / widened(_square(a, b)), g.dtype)  # each op rounds, as torch's
    return (g * b) * over, (g * -a) * over


atan2 = elementwise(
    "atan2", eval=np.arctan2, dtype="float", real="atan2_cpu", reads="x", numbers="none",
    partials=_BY_ANGLE, pull=_pull_angle,
    lower=lambda s, x, y: s.atan2(x, y), doc="The angle of the point (y, x), in radians.",
)  # fmt: skip


def _logaddexp2_left(y: Any, a: Any, b: Any) -> Any:
    return exp2(a - y)


def _logaddexp(a: Any, b: Any) -> Any:
    if np.result_type(a, b).kind != "c":
        return np.logaddexp(a, b)
    larger = np.where(a.real >= b.real, a, b)
    shift = np.where(np.isfinite(larger), larger, 0)
    return np.where(np.isinf(larger) & (larger.real < 0), larger,
                    np.log(np.exp(a - shift) + np.exp(b - shift)) + shift)  # fmt: skip


logaddexp = elementwise(
    "logaddexp", eval=heavy("logaddexp", _logaddexp), dtype="float", reads="xy", numbers="none",
    refuses={"bool int": "logaddexp_cpu"},
    partials=[lambda y, a, b: exp(a - y), lambda y, a, b: exp(b - y)], doc="log(e^x + e^y).",
)  # fmt: skip
logaddexp2 = elementwise(
    "logaddexp2", eval=heavy("logaddexp2", np.logaddexp2), dtype="float", reads="xy",
    numbers="none",
    refuses={"bool int complex": "logaddexp2_cpu"},
    partials=[_logaddexp2_left, lambda y, a, b: exp2(b - y)], doc="log2(2^x + 2^y).",
)  # fmt: skip
deg2rad = smooth("deg2rad", heavy("deg2rad", np.deg2rad, light=True), lambda y, x: pi / 180, "",
                 lambda s, x: s.mul(x, pi / 180), "x pi / 180.", "Deg2RadBackward0",
                 real="deg2rad is not supported for complex tensors.")  # fmt: skip
rad2deg = smooth("rad2deg", heavy("rad2deg", np.rad2deg, light=True), lambda y, x: 180 / pi, "",
                 lambda s, x: s.mul(x, 180 / pi), "x 180 / pi.", "Rad2DegBackward0",
                 real="rad2deg is not supported for complex tensors.")  # fmt: skip


_ZEROS = np.zeros(PIECE, np.float32)


def _relu(x: Any) -> Any:
    # NumPy's maximum has vectors only for two arrays, and is four times faster with them
    if x.dtype.char == "f" and x.flags.c_contiguous:
        if x.size <= PIECE:
            return np.maximum(x, _ZEROS[: x.size].reshape(x.shape))
        return _large_relu(x)
    return np.maximum(x, x.dtype.type(0))  # NumPy 2.1 takes bfloat16 and 0 as float32


_large_relu = heavy("relu", rectified, light=True)


relu = elementwise(
    "relu", eval=_relu, dtype="promote", reads="y",
    refuses={"bool": "Boolean inputs not supported for relu"},
    real="NotImplementedError: clamp is not supported for complex types",
    partials=[lambda y, x: y > 0],
    lower=lambda s, x: s.max(x, 0), doc="max(x, 0).  dy/dx = [y > 0].",
    pull=heavy_pull("relu", lambda y, x: y > 0), flat="ThresholdBackwardBackward0",
)  # fmt: skip

_conj = elementwise("conj", eval=np.conjugate, partials=[None], pull=lambda g, e: (conj(g),),
                    doc="The complex conjugate.")  # fmt: skip


def conj(input: Any) -> Any:
    """The complex conjugate; a real tensor is its own.

    >>> import rushlight as torch
    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    array = input if isinstance(input, (np.ndarray, np.generic)) else input._array
    return _conj(input) if array.dtype.char in COMPLEX_CODES else input
