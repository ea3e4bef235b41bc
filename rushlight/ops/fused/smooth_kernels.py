"""The arithmetic of the smooth activations and of their gradients, for `rounds.in_rounds`.

Each kernel writes to `out` (flat, contiguous) and allocates no more scratch than it must. What a
branch would decide is decided by arithmetic: NumPy chooses by a mask 30 times slower than it
multiplies.
"""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from ...core import special
from ...core.numbers import number
from .rounds import level

Array = np.ndarray
ROOT_HALF, DENSITY = sqrt(0.5), 1 / sqrt(2 * pi)

# The normal distribution function is (1 + tanh(x P(x^2))) / 2, where x P(x^2) is half its logit;
# coefficients of P fitted on |x| < 5.7 so that the function is exact to 3e-8.
_LOGIT = (
    0.7978849411010742, 0.03633308410644531, -3.259497316321358e-05, -5.530619455385022e-05,
    3.964744792028796e-06, -1.3226335227045638e-07, 1.7561712084557257e-09,
)  # fmt: skip
_FAR = 5.7**2  # from there on the function is 0 or 1


def normal_cdf(out: Array, x: Array) -> None:
    """The normal distribution function."""
    if x.dtype != np.float32:
        np.multiply(special.erfc(x * -ROOT_HALF), 0.5, out=out)
        return
    square = x * x
    np.minimum(square, level(_FAR, square), out=square)
    np.multiply(square, _LOGIT[-1], out)
    for factor in _LOGIT[-2:0:-1]:
        out += factor
        out *= square
    out += _LOGIT[0]
    out *= x
    np.tanh(out, out)
    out += 1
    out *= 0.5


def _density(x: Array) -> Array:
    """x times the normal density at x."""
    y = x * x
    y *= -0.5
    np.exp(y, out=y)
    y *= x
    y *= DENSITY
    return y


def gelu(out: Array, x: Array) -> None:
    """x times the normal distribution function."""
    normal_cdf(out, x)
    out *= x


def gelu_back(out: Array, g: Array, x: Array) -> None:
    normal_cdf(out, x)
    out += _density(x)
    out *= g


def _logistic(out: Array, x: Array) -> None:
    np.negative(x, out)
    np.exp(out, out)
    out += 1
    np.divide(1, out, out)


def silu(out: Array, x: Array) -> None:
    """x / (1 + e^-x)."""
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, number(1, out.dtype), out=out)
    np.divide(x, out, out)


def silu_back(out: Array, g: Array, x: Array) -> None:
    s = np.empty_like(x)
    _logistic(s, x)
    np.subtract(1, s, out)
    out *= x
    out += 1
    out *= s
    out *= g


def logistic_back(out: Array, g: Array, x: Array, scale: float) -> None:
    """g times the logistic function of scale x."""
    np.multiply(x, -scale, out)
    np.exp(out, out)
    out += 1
    np.divide(g, out, out)


def softplus(out: Array, x: Array, beta: float) -> None:
    """log(1 + e^(beta x)) / beta."""
    top = x if beta == 1 else np.multiply(x, beta)
    np.abs(top, out)
    np.negative(out, out)
    np.exp(out, out)
    np.log1p(out, out)
    out += np.maximum(top, level(0.0, top))
    if beta != 1:
        out /= beta


_STEEP = {"f": 20.0, "d": 40.0}  # beyond, the tanh of softplus is 1


def _exponential(x: Array) -> Array:
    e = np.minimum(x, level(_STEEP[x.dtype.char], x))
    return np.exp(e, e)


def mish(out: Array, x: Array) -> None:
    """x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2)."""
    e = _exponential(x)
    np.add(e, 2, out)
    e *= out
    np.add(e, 2, out)
    np.divide(e, out, out)
    out *= x


def mish_back(out: Array, g: Array, x: Array) -> None:
    e = _exponential(x)
    s = e + 1
    np.divide(e, s, s)  # the logistic function
    np.add(e, 2, out)
    e *= out
    np.add(e, 2, out)
    e /= out  # the tanh
    np.multiply(e, e, out)
    np.subtract(1, out, out)
    out *= s
    out *= x
    out += e
    out *= g


def hardswish(out: Array, x: Array) -> None:
    """x times (x + 3) / 6 held between 0 and 1."""
    np.add(x, 3, out)
    np.clip(out, 0, 6, out=out)
    out *= x
    out /= 6


def hardswish_back(out: Array, g: Array, x: Array) -> None:
    np.clip(x, -3, 3, out=out)
    out *= 1 / 3
    out += 0.5
    out *= (x > -3).astype(out.dtype)
    below = (x < 3).astype(out.dtype)
    out *= below
    out += 1
    out -= below
    out *= g


def gelu_tanh(out: Array, x: Array, scale: float, cube: float) -> None:
    """x (1 + tanh(scale (x + cube x^3))) / 2."""
    np.multiply(x, x, out)
    out *= cube * scale
    out += scale
    out *= x
    np.tanh(out, out)
    out += 1
    out *= x
    out *= 0.5


def gelu_tanh_back(out: Array, g: Array, x: Array, scale: float, cube: float) -> None:
    square = x * x
    t = square * (cube * scale)
    t += scale
    t *= x
    np.tanh(t, out=t)
    square *= 3 * cube * scale
    square += scale
    square *= x
    np.multiply(t, t, out)
    np.subtract(1, out, out)
    out *= square
    out += t
    out += 1
    out *= 0.5
    out *= g
