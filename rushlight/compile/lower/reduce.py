"""Reductions: sums, extrema, moments, norms and distances."""

from __future__ import annotations

from math import inf, prod
from typing import Any

from .contract import matmul
from .value import BOOL, INT64, NotNative


def _summable(s: Any, x: Any) -> Any:
    """Integers and bools sum and multiply as int64."""
    return x if x.dtype.kind == "f" else s.cast(x, INT64)


def _sum(s: Any, x: Any, dims: Any, keep: bool) -> Any:
    return s.sum(_summable(s, x), dims, keep)


def _prod(s: Any, x: Any, dim: Any, keep: bool) -> Any:
    return s.prod(_summable(s, x), dim, keep)


def _truth(reduce: str) -> Any:
    return lambda s, x, dims, keep: getattr(s, reduce)(s.cast(x, BOOL), dims, keep)


def _place(op: str) -> Any:
    """Where an extremum stands; over all elements by their flat index."""

    def rule(s: Any, x: Any, dim: int | None, keep: bool) -> Any:
        if dim is not None:
            return getattr(s, op)(x, dim, keep)
        shape = (1,) * x.ndim if keep else ()
        return s.reshape(getattr(s, op)(s.reshape(x, (x.size,)), 0, False), shape)

    return rule


def _extremum_along(s: Any, x: Any, dim: int | None, keep: bool, name: str) -> Any:
    if dim is None:
        return x, s.zeros((), INT64)
    best, place = (s.amax, s.argmax) if name == "max" else (s.amin, s.argmin)
    return best(x, dim, keep), place(x, dim, keep)


def _count(s: Any, x: Any, dims: Any) -> int:
    return prod(x.shape[i] for i in s.dims(x, dims))


def spread_about_mean(s: Any, x: Any, dims: Any) -> tuple[Any, Any]:
    """The mean (dimensions kept) and what each element differs from it: two passes."""
    center = s.mean(x, dims, True)
    return center, x - center


def _variance(s: Any, x: Any, dims: Any, correction: float, keep: bool) -> Any:
    _, gap = spread_about_mean(s, x, dims)
    total = s.sum(gap * gap, dims, keep)
    return total / max(_count(s, x, dims) - correction, 0)


def _deviation(s: Any, *how: Any) -> Any:
    return s.sqrt(_variance(s, *how))


def _with_mean(rule: Any) -> Any:
    return lambda s, x, dims, correction, keep: (
        rule(s, x, dims, correction, keep), s.mean(x, dims, keep))  # fmt: skip


def _logsumexp(s: Any, x: Any, dims: Any, keep: bool) -> Any:
    if x.dtype.kind != "f":
        raise NotNative("exponentials of integers")
    top = s.amax(x, dims, True)
    top = s.where(s.isfinite(top), top, 0.0)
    total = s.sum(s.exp(x - top), dims, keep)
    return s.log(total) + s.reshape(top, total.shape)


def _nansum(s: Any, x: Any, dims: Any, keep: bool, present: Any) -> Any:
    return _sum(s, s.where(s.wrap(present), x, s.constant(0, x.dtype)), dims, keep)


def norm(s: Any, x: Any, order: float, dims: Any, keep: bool) -> Any:
    """(sum |x|^p)^(1/p), and its limits at 0 and at infinity."""
    if x.dtype.kind != "f":
        raise NotNative("a norm of integers")
    if order == 2:
        return s.sqrt(s.sum(x * x, dims, keep))
    size = s.abs(x)
    if order in (inf, -inf):
        return (s.amax if order > 0 else s.amin)(size, dims, keep)
    if order == 0:
        return s.sum(s.cast(s.ne(x, 0), x.dtype), dims, keep)
    if order == 1:
        return s.sum(size, dims, keep)
    return s.pow(s.sum(s.pow(size, float(order)), dims, keep), 1.0 / order)


def _renorm(s: Any, x: Any, p: float, dims: Any, limit: float) -> Any:
    size = norm(s, x, p, dims, True)
    return x * s.where(size > limit, limit / (size + 1e-7), 1.0)


def _distances(s: Any, a: Any, b: Any, by_product: bool) -> Any:
    """Between all rows of a and all rows of b."""
    if by_product:
        squares = s.sum(a * a, -1), s.sum(b * b, -1)
        rows, columns = (
            s.reshape(one, (*one.shape[:-1], *tail))
            for one, tail in zip(squares, ((a.shape[-2], 1), (1, b.shape[-2])))
        )
        inner = matmul(s, a, s.transpose(b, -1, -2))
        return s.sqrt(s.max(rows + columns - inner * 2, 0))
    rows = s.reshape(a, (*a.shape[:-1], 1, a.shape[-1]))
    columns = s.reshape(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    gap = rows - columns
    return s.sqrt(s.sum(gap * gap, -1))


def _mean_squared_error(s: Any, x: Any, t: Any) -> Any:
    d = s.sub(x, t)
    return s.mean(d * d)


def _mean(s: Any, x: Any, dims: Any, keep: bool) -> Any:
    return s.mean(x, dims, keep)


TABLE: dict[str, Any] = {
    "sum": _sum, "mean": _mean, "prod": _prod,
    "amax": lambda s, x, dims, keep: s.amax(x, dims, keep),
    "amin": lambda s, x, dims, keep: s.amin(x, dims, keep),
    "max_all": lambda s, x: s.amax(x), "min_all": lambda s, x: s.amin(x),
    "argmax": _place("argmax"), "argmin": _place("argmin"),
    "all": _truth("amin"), "any": _truth("amax"), "extremum_along": _extremum_along,
    "aminmax": lambda s, x, dims, keep: (s.amin(x, dims, keep), s.amax(x, dims, keep)),
    "var": _variance, "std": _deviation, "var_mean": _with_mean(_variance),
    "std_mean": _with_mean(_deviation), "logsumexp": _logsumexp, "nansum": _nansum,
    "linalg_vector_norm": norm, "dist": lambda s, a, b, p: norm(s, s.sub(a, b), p, None, False),
    "renorm": _renorm, "cdist": _distances, "mean_squared_error": _mean_squared_error,
}  # fmt: skip
