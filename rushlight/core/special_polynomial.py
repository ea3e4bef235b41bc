"""Classical orthogonal polynomials, by their three-term recurrences.

The degree n is an array too (truncated to an integer); below zero the answer is 0, as in torch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .special_kernel import Kernel, pairwise, settle

Closed = Callable[..., tuple[np.ndarray, np.ndarray]]

# Beyond these degrees torch answers nan for Hermite's polynomials.
HERMITE_LIMIT = {np.dtype(np.float32): 128, np.dtype(np.float64): 512}


def _recurrence(first: Kernel, step: Kernel, closed: Closed | None = None) -> Kernel:
    """Evaluate p_1 = first(x), p_(k+1) = step(k, x, p_k, p_(k-1)) at each element's own degree.

    `closed(x, n)` gives a mask of elements known in closed form, and their values.
    """

    def kernel(x, n):
        n = np.nan_to_num(np.trunc(n), nan=-1.0, posinf=-1.0, neginf=-1.0)
        out = np.zeros_like(x)
        settle(out, n == 0, 1)
        left = n >= 1
        if closed is not None:
            known, values = closed(x, n)
            known &= left
            out[known] = values[known]
            left &= ~known
        where = left.nonzero()[0]
        if where.size:
            out[where] = walk(x[where], n[where])
        return out

    def walk(x, n):
        out = np.empty_like(x)
        previous, current = np.ones_like(x), first(x)
        last = int(n.max())
        for k in range(1, last + 1):
            done = n == k
            out[done] = current[done]
            if k < last:
                previous, current = current, step(k, x, current, previous)
        return out

    return kernel


def _chebyshev(first: Kernel, inside: Kernel, right: Kernel, left: Kernel, degree: int) -> Kernel:
    """A Chebyshev family: by angle inside (-1, 1) above `degree`, in closed form at the ends."""

    def closed(x, n):
        angle = np.arccos(np.clip(x, -1, 1))
        sign = np.where(n % 2 == 0, 1.0, -1.0)
        known = ((np.abs(x) < 1) & (n > degree)) | (np.abs(x) == 1)
        ends = np.where(x == 1, right(n), sign * left(n))
        return known, np.where(np.abs(x) == 1, ends, inside(angle, n))

    return _recurrence(first, lambda k, x, p, q: (x + x) * p - q, closed)


def _legendre_ends(x, n):
    sign = np.where((x == 1) | (n % 2 == 0), 1.0, -1.0)
    return np.abs(x) == 1, sign


_CHEBYSHEV = {
    "t": _chebyshev(
        lambda x: x, lambda a, n: np.cos(n * a), lambda n: 1 + 0 * n, lambda n: 1 + 0 * n, 6
    ),
    "u": _chebyshev(
        lambda x: x + x,
        lambda a, n: np.sin((n + 1) * a) / np.sin(a),
        lambda n: n + 1,
        lambda n: n + 1,
        8,
    ),
    "v": _chebyshev(
        lambda x: x + x - 1,
        lambda a, n: np.cos((n + 0.5) * a) / np.cos(0.5 * a),
        lambda n: 1 + 0 * n,
        lambda n: 2 * n + 1,
        8,
    ),
    "w": _chebyshev(
        lambda x: x + x + 1,
        lambda a, n: np.sin((n + 0.5) * a) / np.sin(0.5 * a),
        lambda n: 2 * n + 1,
        lambda n: 1 + 0 * n,
        8,
    ),
}
_hermite_h = _recurrence(lambda x: x + x, lambda k, x, p, q: (x + x) * p - 2 * k * q)
_hermite_he = _recurrence(lambda x: x, lambda k, x, p, q: x * p - k * q)
_laguerre = _recurrence(
    lambda x: 1 - x,
    lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1),
    lambda x, n: (x == 0, np.ones_like(x)),
)
_legendre = _recurrence(
    lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1), _legendre_ends
)


def _limited(kernel: Kernel, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Hermite's polynomials, nan beyond the degree where torch gives up."""
    x, n = np.asarray(x), np.asarray(n)
    limit = HERMITE_LIMIT.get(np.result_type(x, n), 128)
    y = pairwise(x, np.where(n > limit, 0, n), kernel)
    return np.where(n > limit, y.dtype.type(np.nan), y)


def chebyshev_polynomial_t(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Chebyshev's polynomial of the first kind: T_n(cos a) = cos(n a).

    >>> import numpy as np
    >>> chebyshev_polynomial_t(np.array([0.5, 2.0]), np.array(2)).tolist()
    [-0.5, 7.0]
    """
    return pairwise(x, n, _CHEBYSHEV["t"])


def chebyshev_polynomial_u(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Chebyshev's polynomial of the second kind: U_n(cos a) = sin((n+1) a) / sin(a).

    >>> import numpy as np
    >>> chebyshev_polynomial_u(np.array([0.5, 2.0]), np.array(2)).tolist()
    [0.0, 15.0]
    """
    return pairwise(x, n, _CHEBYSHEV["u"])


def chebyshev_polynomial_v(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Chebyshev's polynomial of the third kind: V_n(cos a) = cos((n+1/2) a) / cos(a/2).

    >>> import numpy as np
    >>> chebyshev_polynomial_v(np.array([0.5, 2.0]), np.array(2)).tolist()
    [-1.0, 11.0]
    """
    return pairwise(x, n, _CHEBYSHEV["v"])


def chebyshev_polynomial_w(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Chebyshev's polynomial of the fourth kind: W_n(cos a) = sin((n+1/2) a) / sin(a/2).

    >>> import numpy as np
    >>> chebyshev_polynomial_w(np.array([0.5, 2.0]), np.array(2)).tolist()
    [1.0, 19.0]
    """
    return pairwise(x, n, _CHEBYSHEV["w"])


def _shifted(family: str, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    return pairwise(x, n, lambda x, n: _CHEBYSHEV[family](2 * x - 1, n))


def shifted_chebyshev_polynomial_t(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """T_n(2x - 1).

    >>> import numpy as np
    >>> shifted_chebyshev_polynomial_t(np.array([0.75]), np.array(2)).tolist()
    [-0.5]
    """
    return _shifted("t", x, n)


def shifted_chebyshev_polynomial_u(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """U_n(2x - 1).

    >>> import numpy as np
    >>> shifted_chebyshev_polynomial_u(np.array([1.5]), np.array(2)).tolist()
    [15.0]
    """
    return _shifted("u", x, n)


def shifted_chebyshev_polynomial_v(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """V_n(2x - 1).

    >>> import numpy as np
    >>> shifted_chebyshev_polynomial_v(np.array([1.5]), np.array(2)).tolist()
    [11.0]
    """
    return _shifted("v", x, n)


def shifted_chebyshev_polynomial_w(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """W_n(2x - 1).

    >>> import numpy as np
    >>> shifted_chebyshev_polynomial_w(np.array([1.5]), np.array(2)).tolist()
    [19.0]
    """
    return _shifted("w", x, n)


def hermite_polynomial_h(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The physicist's Hermite polynomial: H_(k+1) = 2x H_k - 2k H_(k-1).

    >>> import numpy as np
    >>> hermite_polynomial_h(np.array([0.5, 2.0]), np.array(2)).tolist()
    [-1.0, 14.0]
    """
    return _limited(_hermite_h, x, n)


def hermite_polynomial_he(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The probabilist's Hermite polynomial: He_(k+1) = x He_k - k He_(k-1).

    >>> import numpy as np
    >>> hermite_polynomial_he(np.array([0.5, 2.0]), np.array(2)).tolist()
    [-0.75, 3.0]
    """
    return _limited(_hermite_he, x, n)


def laguerre_polynomial_l(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Laguerre's polynomial: (k+1) L_(k+1) = (2k+1-x) L_k - k L_(k-1).

    >>> import numpy as np
    >>> laguerre_polynomial_l(np.array([0.5, 2.0]), np.array(2)).tolist()
    [0.125, -1.0]
    """
    return pairwise(x, n, _laguerre)


def legendre_polynomial_p(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Legendre's polynomial: (k+1) P_(k+1) = (2k+1) x P_k - k P_(k-1).

    >>> import numpy as np
    >>> legendre_polynomial_p(np.array([0.5, 2.0]), np.array(2)).tolist()
    [-0.125, 5.5]
    """
    return pairwise(x, n, _legendre)
