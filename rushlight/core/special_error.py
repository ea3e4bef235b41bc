"""The error function, its complements, inverses and the normal distribution."""

from __future__ import annotations

import math

import numpy as np

from . import special_coefficients as table
from .special_kernel import FLOAT32, Fit, Kernel, branch, by_scalar, pointwise, settle, widened

SMALL = 256  # numbers up to which the standard library is asked for one by one
ERFC_ONE = math.erfc(1.0)
SQRT_HALF = math.sqrt(0.5)
LOG_2 = math.log(2.0)

_small, _tail, _scaled = Fit(table.ERF_SMALL), Fit(table.ERF_TAIL), Fit(table.ERFCX)
_small32, _tail32 = Fit(table.ERF_SMALL_32, FLOAT32), Fit(table.ERF_TAIL_32, FLOAT32)
_scaled32 = Fit(table.ERFCX_32)

# Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988): the normal quantile,
# q times a quotient in 0.180625 - q**2 at the centre, quotients in sqrt(-log p) in the tails.
_centre = Fit(
    (
        (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853,
         45921.953931549871457, 13731.693765509461125, 1971.5909503065514427,
         133.14166789178437745, 3.387132872796366608),
        (5226.495278852854561, 28729.085735721942674, 39307.895800092710610,
         21213.794301586595867, 5394.1960214247511077, 687.1870074920579083,
         42.313330701600911252, 1.0),
    )
)  # fmt: skip
_middle = Fit(
    (
        (7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1,
         1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055,
         4.6303378461565452959, 1.42343711074968357734),
        (1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2,
         1.4810397642748007459e-1, 6.8976733498510000455e-1, 1.6763848301838038494,
         2.05319162663775882187, 1.0),
    )
)  # fmt: skip
_far = Fit(
    (
        (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3,
         2.6532189526576123093e-2, 2.9656057182850489123e-1, 1.7848265399172913358,
         5.4637849111641143699, 6.6579046435011037772),
        (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
         7.868691311456132591e-4, 1.48753612908506148525e-2, 1.3692988092273580531e-1,
         5.9983220655588793769e-1, 1.0),
    )
)  # fmt: skip


def _erf_of(small: Fit, tail: Fit, limit: float):
    """erf without branches: the part up to |x| = 1 plus the part beyond it."""

    def kernel(x: np.ndarray) -> np.ndarray:
        size = np.abs(x)
        inner = np.minimum(size, 1)
        outer = np.minimum(size, limit)
        outer -= inner
        near = small(inner * inner)
        near *= inner
        near += inner
        far = tail(outer)
        far *= outer
        np.exp(far, out=far)
        np.subtract(1, far, out=far)
        far *= ERFC_ONE
        near += far
        return np.copysign(near, x, out=near)

    return kernel


erf_kernel = _erf_of(_small, _tail, 6.0)
_erf32 = _erf_of(_small32, _tail32, 4.0)


def _exp_square(x: np.ndarray, scale: float) -> np.ndarray:
    """exp(scale * x**2): the square is exact for the leading half of x's digits."""
    leading = x.astype(FLOAT32).astype(x.dtype)
    return np.exp(scale * leading * leading) * np.exp(scale * (x - leading) * (x + leading))


def _scaled_tail(x: np.ndarray, fit: Fit = _scaled) -> np.ndarray:
    """erfcx for x >= 0, over the whole half line (Shepherd & Laframboise 1981)."""
    y = fit(1 - 7.5 / (x + 3.75))
    y /= 1 + 2 * x
    return y


def erfc_kernel(x: np.ndarray) -> np.ndarray:
    def tail(x):
        x = np.minimum(x, 40)
        return _exp_square(x, -1.0) * _scaled_tail(x)

    return branch(x < 0.5, lambda x: 1 - erf_kernel(x), tail, x)


def _erfc_short(x: np.ndarray) -> np.ndarray:
    """erfc for every x without branches, in float64 but to float32's accuracy."""
    size = np.abs(x)
    y = _scaled_tail(size, _scaled32)
    y *= np.exp(-size * size)
    # E for x >= 0 and 2 - E below, without a branch: sign * E + (1 - sign).
    sign = np.copysign(1, x)
    y *= sign
    y += 1 - sign
    return y


def _erfcx_of(fit: Fit) -> Kernel:
    def left(x):
        return 2 * _exp_square(np.maximum(x, -30), 1.0) - _scaled_tail(-x, fit)

    return lambda x: branch(x < 0, left, lambda x: _scaled_tail(x, fit), x)


_erfcx64 = _erfcx_of(_scaled)


def _quantile(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The normal quantile of 1/2 + q, where p = 1/2 - |q| is known without cancellation."""

    def tails(q, p):
        r = np.sqrt(-np.log(p))
        y = branch(r <= 5, lambda r: _middle(r - 1.6), lambda r: _far(r - 5), r)
        settle(y, p == 0, np.inf)
        return np.copysign(y, q)

    def centre(q, p):
        return q * _centre(0.180625 - q * q)

    return branch(np.abs(q) <= 0.425, centre, tails, q, p)


def _erfinv64(x: np.ndarray) -> np.ndarray:
    return SQRT_HALF * _quantile(0.5 * x, 0.5 * (1 - np.abs(x)))


def _ndtri64(p: np.ndarray) -> np.ndarray:
    return _quantile(p - 0.5, np.minimum(p, 1 - p))


def _normal_tail(x: np.ndarray) -> np.ndarray:
    """P(X < x) for x <= -1, to full relative accuracy."""
    x = np.maximum(x, -40)
    return 0.5 * _exp_square(x, -0.5) * _scaled_tail(-x * SQRT_HALF)


def _ndtr64(x: np.ndarray) -> np.ndarray:
    return branch(x < -1, _normal_tail, lambda x: 0.5 + 0.5 * erf_kernel(x * SQRT_HALF), x)


def _log_ndtr64(x: np.ndarray) -> np.ndarray:
    def low(x):
        return np.log(_scaled_tail(-x * SQRT_HALF)) - LOG_2 - 0.5 * x * x

    def high(x):
        return np.log1p(-branch(x > 1, lambda x: _normal_tail(-x), upper, x))

    def upper(x):
        return 0.5 - 0.5 * erf_kernel(x * SQRT_HALF)

    def left(x):
        return np.log(0.5 + 0.5 * erf_kernel(x * SQRT_HALF))

    def middle(x):
        return branch(x < 0, left, high, x)

    return branch(x < -1, low, middle, x)


_erfc32, _erfcx32 = widened(_erfc_short), widened(_erfcx_of(_scaled32))
_log_ndtr32 = widened(
    lambda x: branch(
        x < -1,
        lambda x: np.log(_scaled_tail(-x * SQRT_HALF, _scaled32)) - LOG_2 - 0.5 * x * x,
        lambda x: np.log1p(-0.5 * _erfc_short(x * SQRT_HALF)),
        x,
    )
)
_ndtr32 = widened(lambda x: 0.5 * _erfc_short(-x * SQRT_HALF))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    >>> import numpy as np
    >>> erf(np.array([0.0, 0.5, -np.inf])).round(6).tolist()
    [0.0, 0.5205, -1.0]
    """
    x = np.asarray(x)
    return by_scalar(x, math.erf) if x.size <= SMALL else pointwise(x, erf_kernel, _erf32)


def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x), without cancellation for large x.

    >>> import numpy as np
    >>> float(erfc(np.array(10.0)))
    2.088487583762545e-45
    """
    x = np.asarray(x)
    return by_scalar(x, math.erfc) if x.size <= SMALL else pointwise(x, erfc_kernel, _erfc32)


def erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x**2) erfc(x), which does not underflow.

    >>> import numpy as np
    >>> float(erfcx(np.array(100.0)).round(12))
    0.005641613783
    """
    return pointwise(x, _erfcx64, _erfcx32)


def erfinv(x: np.ndarray) -> np.ndarray:
    """The inverse of erf on [-1, 1]; infinite at the ends, nan beyond.

    >>> import numpy as np
    >>> erfinv(np.array([0.5, 1.0, 2.0])).round(6).tolist()
    [0.476936, inf, nan]
    """
    return pointwise(x, _erfinv64)


def ndtr(x: np.ndarray) -> np.ndarray:
    """The standard normal distribution function.

    >>> import numpy as np
    >>> ndtr(np.array([-40.0, 0.0, 1.0])).round(6).tolist()
    [0.0, 0.5, 0.841345]
    """
    return pointwise(x, _ndtr64, _ndtr32)


def ndtri(p: np.ndarray) -> np.ndarray:
    """The standard normal quantile: the inverse of `ndtr`.

    >>> import numpy as np
    >>> ndtri(np.array([0.0, 0.5, 0.975])).round(6).tolist()
    [-inf, 0.0, 1.959964]
    """
    return pointwise(p, _ndtri64)


def log_ndtr(x: np.ndarray) -> np.ndarray:
    """The logarithm of `ndtr`, exact far into the left tail.

    >>> import numpy as np
    >>> float(log_ndtr(np.array(-50.0)).round(6))
    -1254.831361
    """
    return pointwise(x, _log_ndtr64, _log_ndtr32)
