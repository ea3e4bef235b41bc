"""Bessel functions of orders 0 and 1, plain, modified and spherical, and Airy's Ai.

Each is a fit near the origin and its asymptotic form with fitted corrections beyond
(Abramowitz & Stegun, chapters 9 and 10).
"""

from __future__ import annotations

import math

import numpy as np

from . import special_coefficients as table
from .special_kernel import FLOAT32, Fit, Kernel, branch, pointwise, settle

TWO_OVER_PI = 2 / math.pi
SQRT_HALF = math.sqrt(0.5)
SQRT_PI = math.sqrt(math.pi)
# The modified functions change form at 8, the oscillating ones at 4, both K at 1, Ai at -2 and 1.
MODIFIED_SWITCH, WAVE_SWITCH = 8.0, 4.0

_i_small = (Fit(table.I0_SMALL), Fit(table.I1_SMALL))
_i_tail = (Fit(table.I0_TAIL), Fit(table.I1_TAIL))
_k_small = (Fit(table.K0_SMALL), Fit(table.K1_SMALL))
_k_tail = (Fit(table.K0_TAIL), Fit(table.K1_TAIL))
_j_small = (Fit(table.J0_SMALL), Fit(table.J1_SMALL))
_y_small = (Fit(table.Y0_SMALL), Fit(table.Y1_SMALL))
_cosine_part = (Fit(table.J0_P), Fit(table.J1_P))
_sine_part = (Fit(table.J0_Q), Fit(table.J1_Q))
_j_zero = (table.J0_ZERO, table.J1_ZERO)
_airy_middle, _airy_decay = Fit(table.AIRY_MIDDLE), Fit(table.AIRY_DECAY)
_airy_sine, _airy_cosine = Fit(table.AIRY_P), Fit(table.AIRY_Q)


def _modified_first(order: int, scaled: bool) -> Kernel:
    """I_order(x), or exp(-|x|) I_order(x)."""

    def small(x):
        y = _i_small[order](x * x)
        if order:
            y = y * x
        return y * np.exp(-x) if scaled else y

    def large(x):
        y = _i_tail[order](2 * MODIFIED_SWITCH / x - 1) / np.sqrt(x)
        if scaled:
            return y
        # In two halves: exp(x) alone overflows before I does.  Infinity gives nan, as in torch.
        half = np.exp(0.5 * x)
        y = y * half * half
        settle(y, x == np.inf, np.nan)
        return y

    def kernel(x):
        size = np.abs(x)
        y = branch(size <= MODIFIED_SWITCH, small, large, size)
        if order:
            np.negative(y, out=y, where=x < 0)
        return y

    return kernel


def _modified_second(order: int, scaled: bool) -> Kernel:
    """K_order(x), or exp(x) K_order(x); infinite at zero, nan below."""

    def small(x):
        square = x * x
        if order:
            y = np.log(x) * (x * _i_small[1](square)) + _k_small[1](square) / x
        else:
            y = _k_small[0](square) - np.log(x) * _i_small[0](square)
        return y * np.exp(x) if scaled else y

    def large(x):
        y = _k_tail[order](1 / x) / np.sqrt(x)
        if scaled:
            return y
        half = np.exp(-0.5 * x)
        return y * half * half

    def kernel(x):
        y = branch(x <= 1, small, large, x)
        settle(y, x == 0, np.inf)
        return y

    return kernel


def _wave(order: int, second: bool) -> Kernel:
    """J or Y beyond the switch: sqrt(2/(pi x)) (P cos - Q sin, or P sin + Q cos) of x - phase."""

    def kernel(x):
        inverse = 1 / x
        square = inverse * inverse
        p = _cosine_part[order](square)
        q = _sine_part[order](square) * inverse
        sine, cosine = np.sin(x), np.cos(x)
        # x - pi/4 and x - 3 pi/4, by the addition theorem: no digits of x are lost.
        along, across = (sine - cosine, -sine - cosine) if order else (cosine + sine, sine - cosine)
        y = (p * across + q * along) if second else (p * along - q * across)
        return y * (SQRT_HALF * np.sqrt(TWO_OVER_PI / x))

    return kernel


def _centred(x: np.ndarray) -> np.ndarray:
    """x**2 mapped from [0, WAVE_SWITCH**2] to [-1, 1]."""
    return x * x * (2 / WAVE_SWITCH**2) - 1


def _first_small(order: int) -> Kernel:
    high, low = _j_zero[order]

    def kernel(x):
        # The first zero as a factor keeps the relative accuracy there.
        y = _j_small[order](_centred(x)) * (((x - high) - low) * (x + high))
        return y * x if order else y

    return kernel


def _second_small(order: int) -> Kernel:
    first = _first_small(order)

    def kernel(x):
        y = _y_small[order](_centred(x))
        if order:
            return x * y + TWO_OVER_PI * (np.log(x) * first(x) - 1 / x)
        return y + TWO_OVER_PI * np.log(x) * first(x)

    return kernel


def _first(order: int) -> Kernel:
    """J_order(x) for every x."""
    small, large = _first_small(order), _wave(order, second=False)

    def kernel(x):
        size = np.abs(x)
        y = branch(size <= WAVE_SWITCH, small, large, size)
        if order:
            np.negative(y, out=y, where=np.signbit(x))
        return y

    return kernel


def _second(order: int) -> Kernel:
    """Y_order(x): minus infinity at zero, nan below."""
    small, large = _second_small(order), _wave(order, second=True)

    def kernel(x):
        y = branch(x <= WAVE_SWITCH, small, large, x)
        settle(y, x == 0, -np.inf)
        return y

    return kernel


def _spherical(x: np.ndarray) -> np.ndarray:
    y = np.sin(x) / x
    settle(y, x == 0, 1)
    settle(y, np.isinf(x), 0)
    return y


def _airy_phase(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """2/3 x**1.5 as a double and what its rounding left over."""
    root = np.sqrt(x)
    product = x * root
    phase = product / 1.5
    # Halves of x and root with 24 digits multiply exactly.
    root_high, x_high = (v.astype(FLOAT32).astype(v.dtype) for v in (root, x))
    root_low, x_low = root - root_high, x - x_high
    square_error = ((x - root_high * root_high) - 2 * root_high * root_low) - root_low * root_low
    error = (x_high * root_high - product) + x_high * root_low + x_low * root_high
    error += x_low * root_low + 0.5 * root * square_error
    error += (product - phase) - 0.5 * phase
    return phase, error / 1.5


def _airy64(x: np.ndarray) -> np.ndarray:
    def decay(x):
        x = np.minimum(x, 200)
        zeta, rest = _airy_phase(x)
        y = _airy_decay(1 / zeta) / (2 * SQRT_PI * np.sqrt(np.sqrt(x)))
        return y * np.exp(-zeta) * (1 - rest)

    def wave(x):
        x = -x
        zeta, rest = _airy_phase(x)
        inverse = 1 / zeta
        square = inverse * inverse
        p, q = _airy_sine(square), _airy_cosine(square) * inverse
        sine, cosine = np.sin(zeta), np.cos(zeta)
        small, near = np.sin(rest), np.cos(rest)
        sine, cosine = sine * near + cosine * small, cosine * near - sine * small
        y = p * (sine + cosine) - q * (cosine - sine)
        return y * SQRT_HALF / (SQRT_PI * np.sqrt(np.sqrt(x)))

    def middle(x):
        return _airy_middle((x + 0.5) / 1.5)

    y = branch(x > 1, decay, lambda x: branch(x < -2, wave, middle, x), x)
    settle(y, np.isinf(x), np.nan)
    return y


_KERNELS = {
    (name, order): make(order, flag)
    for order in (0, 1)
    for name, make, flag in (
        ("i", _modified_first, False),
        ("ie", _modified_first, True),
        ("k", _modified_second, False),
        ("ke", _modified_second, True),
    )
}
_j0, _j1, _y0, _y1 = _first(0), _first(1), _second(0), _second(1)


def i0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the first kind, of order 0.

    >>> import numpy as np
    >>> i0(np.array([0.0, 1.0])).round(6).tolist()
    [1.0, 1.266066]
    """
    return pointwise(x, _KERNELS["i", 0])


def i0e(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) i0(x), which does not overflow.

    >>> import numpy as np
    >>> float(i0e(np.array(1000.0)).round(6))
    0.012617
    """
    return pointwise(x, _KERNELS["ie", 0])


def i1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the first kind, of order 1.

    >>> import numpy as np
    >>> i1(np.array([-1.0, 0.0, 1.0])).round(6).tolist()
    [-0.565159, 0.0, 0.565159]
    """
    return pointwise(x, _KERNELS["i", 1])


def i1e(x: np.ndarray) -> np.ndarray:
    """exp(-|x|) i1(x), which does not overflow.

    >>> import numpy as np
    >>> float(i1e(np.array(1000.0)).round(6))
    0.012611
    """
    return pointwise(x, _KERNELS["ie", 1])


def modified_bessel_k0(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the second kind, of order 0; nan below zero.

    >>> import numpy as np
    >>> modified_bessel_k0(np.array([0.0, 1.0])).round(6).tolist()
    [inf, 0.421024]
    """
    return pointwise(x, _KERNELS["k", 0])


def modified_bessel_k1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of the second kind, of order 1; nan below zero.

    >>> import numpy as np
    >>> modified_bessel_k1(np.array([0.0, 1.0])).round(6).tolist()
    [inf, 0.601907]
    """
    return pointwise(x, _KERNELS["k", 1])


def scaled_modified_bessel_k0(x: np.ndarray) -> np.ndarray:
    """exp(x) modified_bessel_k0(x).

    >>> import numpy as np
    >>> float(scaled_modified_bessel_k0(np.array(1.0)).round(6))
    1.144463
    """
    return pointwise(x, _KERNELS["ke", 0])


def scaled_modified_bessel_k1(x: np.ndarray) -> np.ndarray:
    """exp(x) modified_bessel_k1(x).

    >>> import numpy as np
    >>> float(scaled_modified_bessel_k1(np.array(1.0)).round(6))
    1.636153
    """
    return pointwise(x, _KERNELS["ke", 1])


def bessel_j0(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the first kind, of order 0.

    >>> import numpy as np
    >>> bessel_j0(np.array([0.0, 1.0])).round(6).tolist()
    [1.0, 0.765198]
    """
    return pointwise(x, _j0)


def bessel_j1(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the first kind, of order 1.

    >>> import numpy as np
    >>> bessel_j1(np.array([0.0, 1.0])).round(6).tolist()
    [0.0, 0.440051]
    """
    return pointwise(x, _j1)


def bessel_y0(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the second kind, of order 0; nan below zero.

    >>> import numpy as np
    >>> bessel_y0(np.array([0.0, 1.0])).round(6).tolist()
    [-inf, 0.088257]
    """
    return pointwise(x, _y0)


def bessel_y1(x: np.ndarray) -> np.ndarray:
    """The Bessel function of the second kind, of order 1; nan below zero.

    >>> import numpy as np
    >>> bessel_y1(np.array([0.0, 1.0])).round(6).tolist()
    [-inf, -0.781213]
    """
    return pointwise(x, _y1)


def spherical_bessel_j0(x: np.ndarray) -> np.ndarray:
    """sin(x)/x, 1 at zero and 0 at infinity.

    >>> import numpy as np
    >>> spherical_bessel_j0(np.array([0.0, 1.0])).round(6).tolist()
    [1.0, 0.841471]
    """
    return pointwise(x, _spherical)


def airy_ai(x: np.ndarray) -> np.ndarray:
    """Airy's function Ai, the bounded solution of y'' = x y.

    >>> import numpy as np
    >>> airy_ai(np.array([-1.0, 0.0, 1.0])).round(6).tolist()
    [0.535561, 0.355028, 0.135292]
    """
    return pointwise(x, _airy64)
