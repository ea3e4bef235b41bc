"""Products that sum over a shared dimension, as two-operand contractions."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .value import NotNative, broadcast

_LETTERS = "abcdefgh"


def matmul(s: Any, a: Any, b: Any) -> Any:
    """The matrix product; leading dimensions broadcast, those of size 1 drop out."""
    if not a.ndim or not b.ndim:
        raise NotNative("a matrix product of numbers")
    if b.ndim <= 2 < a.ndim:  # many rows against one matrix
        rows = s.reshape(a, (prod(a.shape[:-1]), a.shape[-1]))
        return s.reshape(matmul(s, rows, b), (*a.shape[:-1], *b.shape[1:]))
    left = "k" if a.ndim == 1 else "ik"
    right = "k" if b.ndim == 1 else "kj"
    batch = broadcast([a.shape[:-2], b.shape[:-2]])
    if len(batch) > len(_LETTERS):
        raise NotNative("too many dimensions")
    a, of_a = _unstretched(s, a, batch, min(a.ndim, 2))
    b, of_b = _unstretched(s, b, batch, min(b.ndim, 2))
    kept = "".join(name for name in _LETTERS if name in of_a + of_b)
    result = kept + (left + right).replace("k", "")
    y = s.dot(f"{of_a}{left},{of_b}{right}->{result}", a, b)
    return s.reshape(y, (*batch, *y.shape[len(kept) :]))


def _unstretched(s: Any, x: Any, batch: tuple[int, ...], own: int) -> tuple[Any, str]:
    """x without batch dimensions of size 1, and the letters of those that stay."""
    lead = x.shape[: x.ndim - own]
    names = _LETTERS[len(batch) - len(lead) : len(batch)]
    sizes = batch[len(batch) - len(lead) :]
    kept = [i for i, n in enumerate(lead) if n != 1 or sizes[i] == 1 != n]
    shape = (*(lead[i] for i in kept), *x.shape[x.ndim - own :])
    return s.reshape(x, shape), "".join(names[i] for i in kept)


def _linear(s: Any, x: Any, w: Any, bias: Any = None) -> Any:
    if x.dtype != w.dtype or w.ndim != 2:
        raise NotNative("a layer of another type")
    if x.ndim == 1:
        y = s.dot("k,jk->j", x, w)
    else:
        rows = s.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))
        y = s.dot("ik,jk->ij", rows, w)
        y = y if bias is None else y + bias
        return s.reshape(y, (*x.shape[:-1], w.shape[0]))
    return y if bias is None else y + bias


def _map_dim(s: Any, x: Any, dim: int, matrix: Any) -> Any:
    if isinstance(matrix, np.ndarray):
        taken = (matrix != 0) | np.signbit(matrix)
        if not taken.all():
            return _of_taps(s, x, dim, matrix, taken)
    matrix = s.cast(s.wrap(matrix), x.dtype)
    if dim == x.ndim - 1:
        return _linear(s, x, matrix)
    lead, tail = x.shape[:dim], x.shape[dim + 1 :]
    wide = s.reshape(x, (prod(lead), x.shape[dim], prod(tail)))
    y = s.dot("mk,akj->amj", matrix, wide)
    return s.reshape(y, (*lead, matrix.shape[0], *tail))


def _of_taps(s: Any, x: Any, dim: int, matrix: Any, taken: Any) -> Any:
    """`_map_dim` of a matrix with zeros: what has no part in a sum is not multiplied by them.

    An infinity times 0 would be a nan in every row.
    """
    order = np.argsort(~taken, 1, kind="stable")[:, : max(1, int(taken.sum(1).max()))]
    weights, used = (np.take_along_axis(a, order, 1) for a in (matrix, taken))
    places, count = np.where(used, order, order[:, :1]), order.shape[1]

    def part(of: Any) -> Any:
        shape = (*places[:, of].shape, *(1,) * (x.ndim - dim - 1))
        found = s.take(x, s.constant(places[:, of]), dim)
        if not used[:, of].all():
            kept = s.constant(used[:, of].reshape(shape))
            found = s.where(kept, found, s.constant(0, x.dtype))
        return found * s.cast(s.constant(weights[:, of].reshape(shape)), x.dtype)

    if count > 2:
        return s.sum(part(slice(None)), dim + 1)
    return part(0) + part(1) if count == 2 else part(0)


def _checked(rule: Any) -> Any:
    """Operands of two types are the op's own to refuse."""

    def checked(s: Any, a: Any, b: Any, *rest: Any) -> Any:
        if a.dtype != b.dtype:
            raise NotNative("a product of two types")
        return rule(s, a, b, *rest)

    return checked


def outer(s: Any, x: Any, y: Any) -> Any:
    """Every product of an element of x and one of y."""
    x, y = s.wrap(x), s.wrap(y)
    return s.reshape(x, (x.size, 1)) * s.reshape(y, (1, y.size))


def vector_dot(s: Any, x: Any, y: Any) -> Any:
    """`np.vecdot`: sums of products along the last dimension."""
    if np.result_type(x.dtype, y.dtype).kind != "f":
        raise NotNative("products of integers")
    return s.sum(x * y, -1)


TABLE: dict[str, Any] = {
    "matmul": _checked(matmul), "bmm": _checked(matmul), "linear": _linear,
    "linear_bias": _linear, "map_dim": _map_dim,
}  # fmt: skip
