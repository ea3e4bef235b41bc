"""Logistic, entropy and log-sum-exp functions, written so that nothing overflows or cancels."""

from __future__ import annotations

import numpy as np

from .special_kernel import FLOAT64, branch, pairwise, pointwise, result_dtype, settle

LOG_2 = float(np.log(2.0))


def _expit(x: np.ndarray) -> np.ndarray:
    # One exponential of a number <= 0; its numerator is 1 on the right and e on the left.
    e = np.exp(-np.abs(x))
    y = np.exp(np.minimum(x, 0))
    e += 1
    y /= e
    return y


def _logit(x: np.ndarray) -> np.ndarray:
    # Near 1/2 the quotient is close to one: take the logarithm of one plus the exact rest.
    def middle(x):
        return np.log1p((2 * x - 1) / (1 - x))

    return branch(np.abs(x - 0.5) < 0.25, middle, lambda x: np.log(x / (1 - x)), x)


def _entr(x: np.ndarray) -> np.ndarray:
    y = -x * np.log(x)
    settle(y, x == 0, 0)
    settle(y, x < 0, -np.inf)
    return y


def _sinc(x: np.ndarray) -> np.ndarray:
    angle = np.pi * x
    y = np.sin(angle) / angle
    settle(y, x == 0, 1)
    return y


def _log1mexp(x: np.ndarray) -> np.ndarray:
    # Maechler, "Accurately computing log(1 - exp(-|a|))" (2012): switch at log 2.
    return branch(
        x < LOG_2,
        lambda x: np.log(-np.expm1(-x)),
        lambda x: np.log1p(-np.exp(-x)),
        x,
    )


def _xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = x * np.log(y)
    settle(out, (x == 0) & ~np.isnan(y), 0)
    return out


def _xlog1py(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    out = x * np.log1p(y)
    settle(out, (x == 0) & ~np.isnan(y), 0)
    return out


def expit(x: np.ndarray) -> np.ndarray:
    """The logistic function 1 / (1 + exp(-x)), also called sigmoid.

    >>> import numpy as np
    >>> expit(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return pointwise(x, _expit, _expit)


def logit(x: np.ndarray, eps: float | None = None) -> np.ndarray:
    """log(x / (1 - x)), the inverse of `expit`; with `eps`, x is first clamped to [eps, 1-eps].

    >>> import numpy as np
    >>> logit(np.array([0.5, 1.0])).tolist(), logit(np.array([1.0]), 0.1).round(6).tolist()
    ([0.0, inf], [2.197225])
    """
    x = np.asarray(x)
    if eps is not None:
        low = np.asarray(eps, result_dtype(x))
        high = np.asarray(1, low.dtype) - low
        x = np.where(x < low, low, np.where(x > high, high, x))
    return pointwise(x, _logit)


def entr(x: np.ndarray) -> np.ndarray:
    """The entropy term -x log(x): 0 at 0, minus infinity below.

    >>> import numpy as np
    >>> entr(np.array([-1.0, 0.0, 0.5])).round(6).tolist()
    [-inf, 0.0, 0.346574]
    """
    return pointwise(x, _entr)


def sinc(x: np.ndarray) -> np.ndarray:
    """sin(pi x) / (pi x), 1 at 0.

    >>> import numpy as np
    >>> sinc(np.array([0.0, 0.5])).round(6).tolist()
    [1.0, 0.63662]
    """
    return pointwise(x, _sinc)


def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x log(y), 0 where x is 0 unless y is nan.

    >>> import numpy as np
    >>> xlogy(np.array([0.0, 2.0]), np.array([0.0, np.e])).tolist()
    [0.0, 2.0]
    """
    return pairwise(x, y, _xlogy)


def xlog1py(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x log(1 + y), 0 where x is 0 unless y is nan.

    >>> import numpy as np
    >>> xlog1py(np.array([0.0, 2.0]), np.array([-1.0, 1e-20])).tolist()
    [0.0, 2e-20]
    """
    return pairwise(x, y, _xlog1py)


def log1mexp(x: np.ndarray) -> np.ndarray:
    """log(1 - exp(-x)) for x > 0, accurate at both ends.

    >>> import numpy as np
    >>> log1mexp(np.array([1e-20, 50.0])).round(6).tolist()
    [-46.051702, -0.0]
    """
    return pointwise(x, _log1mexp)


def log1pexp(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)) without overflow: softplus with beta 1 and no threshold.

    >>> import numpy as np
    >>> log1pexp(np.array([-1000.0, 0.0, 1000.0])).round(6).tolist()
    [0.0, 0.693147, 1000.0]
    """
    return pointwise(x, _log1pexp, _log1pexp)


def _log1pexp(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def log_expit(x: np.ndarray) -> np.ndarray:
    """log(expit(x)) without underflow: logsigmoid.

    >>> import numpy as np
    >>> log_expit(np.array([-1000.0, 0.0])).round(6).tolist()
    [-1000.0, -0.693147]
    """
    return pointwise(x, lambda x: -_log1pexp(-x), lambda x: -_log1pexp(-x))


def logsumexp(
    x: np.ndarray, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> np.ndarray:
    """log(sum(exp(x))) over `axis`, shifted by the largest element where that is finite.

    An empty axis gives minus infinity, the logarithm of an empty sum.

    >>> import numpy as np
    >>> float(logsumexp(np.array([1000.0, 1000.0])).round(6))
    1000.693147
    """
    x = np.asarray(x)
    dtype = x.dtype
    if dtype.kind in "biu" or dtype.itemsize < 4:
        x = x.astype(np.float32)
        dtype = x.dtype if dtype.kind in "biu" else dtype
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    if not keepdims:
        y = y.reshape(np.add.reduce(np.empty(x.shape, bool), axis=axis).shape)
    return y.astype(dtype, copy=False)


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """x - logsumexp(x) along `axis`, from the shifted values so that nothing cancels.

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, 0.0])).round(6).tolist()
    [-0.693147, -0.693147]
    """
    x = np.asarray(x)
    wide = x if x.dtype == FLOAT64 else x.astype(np.float32, copy=False)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shifted = wide - np.maximum.reduce(wide, axis=axis, keepdims=True)
        y = shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))
    return y.astype(x.dtype if x.dtype.kind not in "biu" else np.float32, copy=False)
