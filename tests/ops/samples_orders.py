"""Samples of the ops that scan, sort and take moments."""

import numpy as np
from sampling import Sample, uniform

u = uniform
X = u(3, 4)
P = u(3, 4, low=0.5, high=2.0)
WITH_ZERO = np.array([[1.5, 0.0, -0.7, 2.0], [0.4, 1.2, 0.9, -1.1], [0.0, 0.3, 0.0, 0.8]])
NANS = np.where(np.eye(3, 4) > 0, np.nan, X)


def each_dim(x, *params, smooth=True):
    return [Sample((x,), (dim, *params), smooth) for dim in (0, 1)]


def reduced(*params, x=X):
    return [Sample((x,), (None, *params, False)), Sample((x,), ((0,), *params, False)),
            Sample((x,), ((0, 1), *params, True))]  # fmt: skip


SAMPLES = {
    "scaled": [Sample((X,), (0.5,))], "halved": [Sample((X,))],
    "cumsum": each_dim(X), "cumprod": [*each_dim(P), *each_dim(WITH_ZERO)],
    "prod": [*each_dim(P, False), *each_dim(WITH_ZERO, True), Sample((P,), (None, False)),
             Sample((WITH_ZERO,), (None, False))],
    "cummax": each_dim(X), "cummin": each_dim(X), "logcumsumexp": each_dim(X),
    "sort": [*each_dim(X, False, None), *each_dim(X, True, True)],
    "argsort": each_dim(X, False),
    "topk": [*each_dim(X, 2, True), *each_dim(X, 1, False)],
    "kthvalue": [*each_dim(X, False, 2), *each_dim(X, True, 1)],
    "median_along": [*each_dim(X, False), *each_dim(X, True)],
    "nanmedian_along": each_dim(X, False), "median_all": [Sample((X,))],
    "nanmedian_all": [Sample((X,))], "mode": each_dim(X, False),
    "aminmax": [Sample((X,), (None, False)), Sample((X,), ((1,), True))],
    "var": reduced(1) + reduced(0), "std": reduced(1) + reduced(0.5),
    "var_mean": reduced(1), "std_mean": reduced(1), "logsumexp": reduced(),
    "nansum": [Sample((NANS,), (dims, False, ~np.isnan(NANS))) for dims in (None, (0,))],
    "dist": [Sample((X, u(3, 4, seed=1)), (p,)) for p in (1.0, 2.0, 3.0)],
    "renorm": [Sample((X,), (2.0, (1,), 1.0)), Sample((X,), (1.0, (0,), 0.7))],
}  # fmt: skip
