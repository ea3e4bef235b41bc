"""Sums, products and reductions of sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import named, result_type
from ..core.errors import fail
from ..core.overrides import OPS
from ..core.sparse import COO, Sparse, refusal, sparse
from ..core.tensor import Tensor
from . import elementwise as e
from .placing import index_select
from .reduce import sum as sum_of
from .sparse_places import chosen, flipped
from .sparse_products import coo_product
from .sparse_rules import as_layout, coalesced, in_a_row, in_coo, is_sparse, masked, rule, to_dense
from .structure import cast, reshape


def _same_shape(name: str, a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise fail(
            RuntimeError,
            f"{name}: expected sizes of 'self' and 'other' to match, but {list(a.shape)} !="
            f" {list(b.shape)}",
            "sparse tensors are not broadcast",
        )


def _united(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two sparse tensors."""
    _same_shape("add", a, b)
    x, y = a._array, b._array
    if x.places is y.places or np.array_equal(x.places, y.places):
        return sparse(x.over(x.entries + y.entries))
    kind = result_type(x.entries, y.entries)
    both = (cast(x.entries, kind), cast(y.entries, kind))
    places = np.concatenate((x.places, y.places), 1)
    total = coalesced(sparse(Sparse(places, in_a_row(both), x.shape)))
    return total if x.layout is COO else as_layout(total, x.layout, x.blocks)


@rule("add")
def _add(a: Any, b: Any) -> Tensor:
    if is_sparse(a) and is_sparse(b):
        return _united(a, b)
    if is_sparse(a):
        raise fail(
            RuntimeError, "add(sparse, dense) is not supported. Use add(dense, sparse) instead."
        )
    if not isinstance(a, Tensor):
        raise refusal("add.Scalar", b._array.layout)
    return e.add(a, to_dense(b))


@rule("sub")
def _sub(a: Any, b: Any) -> Tensor:
    return _add(a, sparse(b._array.over(-b._array.entries)) if is_sparse(b) else b)


@rule("mul")
def _mul(a: Any, b: Any) -> Tensor:
    if is_sparse(a) and is_sparse(b):
        return _common(a, b)
    x, other = (a, b) if is_sparse(a) else (b, a)
    array = x._array
    if not isinstance(other, Tensor) or not other.ndim:
        return sparse(array.over(e.mul(array.entries, other)))
    if other.shape != x.shape:
        other = other.expand(x.shape)
    return sparse(array.over(e.mul(array.entries, masked(other, array)._array.entries)))


def _common(a: Tensor, b: Tensor) -> Tensor:
    """The product of two sparse tensors: of the values that stand at the same places."""
    _same_shape("mul", a, b)
    layout, blocks = a._array.layout, a._array.blocks
    a, b = coalesced(a), coalesced(b)
    _, mine, others = np.intersect1d(a._array.flat(), b._array.flat(), True, True)
    x, y = (index_select(one._array.entries, 0, at) for one, at in ((a, mine), (b, others)))
    both = sparse(Sparse(a._array.places[:, mine], x * y, a.shape, COO, True))
    return both if layout is COO else as_layout(both, layout, blocks)


@rule("div")
def _div(a: Any, b: Any) -> Tensor:
    if not is_sparse(a) or is_sparse(b) or (isinstance(b, Tensor) and b.ndim):
        raise fail(
            RuntimeError,
            "Sparse division requires a scalar or zero-dim dense tensor divisor"
            f" (got shape {list(b.shape)} for divisor)",
        )
    return sparse(a._array.over(e.div(a._array.entries, b)))


@rule("pow")
def _pow(a: Any, b: Any) -> Tensor:
    if not is_sparse(a) or isinstance(b, Tensor):
        raise refusal("pow.Tensor_Tensor", COO)
    if b == 0:
        raise fail(RuntimeError, "pow: exponent 0 makes ones of all zeros", "use x.to_dense() ** 0")
    x = coalesced(a)
    return sparse(x._array.over(e.pow(x._array.entries, b)))


@rule("matmul", "bmm")
def _matmul(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim == b.ndim == 3:
        return _batches(a, b)
    if a.ndim > 2 or b.ndim > 2 or a.ndim < 1 or b.ndim < 1:
        raise refusal("matmul", COO)
    if not is_sparse(a):
        vector = a.ndim == 1
        left = reshape(a, (1, a.shape[0])) if vector else a
        y = _matmul(flipped(b), left.t()).t()
        return reshape(y, y.shape[1:]) if vector else y
    if b.ndim == 1:
        if is_sparse(b):
            raise refusal("mv", COO)
        return reshape(_product(a, reshape(b, (b.shape[0], 1))), (a.shape[0],))
    return _both_sparse(a, b) if is_sparse(b) else _product(a, b)


def _product(a: Tensor, b: Tensor) -> Tensor:
    array: Sparse = a._array
    if a.shape[1] != b.shape[0]:
        raise fail(
            RuntimeError,
            f"addmm: Argument #3 (dense): Expected dim 0 size {a.shape[1]}, got {b.shape[0]}",
            f"the shapes are {tuple(a.shape)} and {tuple(b.shape)}",
        )
    if array.dtype != b._array.dtype:
        raise fail(
            RuntimeError,
            f"addmm: expected both matrices to have the same dtype, got {a.dtype} and {b.dtype}",
        )
    rows, columns = array.places
    return named(coo_product(array.entries, b, rows, columns, a.shape[0]), "MmBackward0")


def _both_sparse(a: Tensor, b: Tensor) -> Tensor:
    """A product of two sparse matrices: a term for each pair (i, k), (k, j), added up."""
    if a.shape[1] != b.shape[0]:
        raise fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and"
            f" {b.shape[0]}x{b.shape[1]})",
        )
    layout, blocks = a._array.layout, a._array.blocks
    x, y = coalesced(a)._array, coalesced(in_coo(b))._array
    counts = np.bincount(y.places[0], minlength=b.shape[0])
    begins = np.concatenate(([0], np.cumsum(counts)))[:-1]
    times = counts[x.places[1]]
    mine = np.repeat(np.arange(times.size), times)
    ends = np.cumsum(times)
    within = np.arange(mine.size) - np.repeat(ends - times, times)
    others = begins[x.places[1][mine]] + within
    terms = index_select(x.entries, 0, mine) * index_select(y.entries, 0, others)
    places = np.stack((x.places[0][mine], y.places[1][others]))
    found = coalesced(sparse(Sparse(places, terms, (a.shape[0], b.shape[1]))))
    return found if layout is COO else as_layout(found, layout, blocks)


def _batches(a: Tensor, b: Tensor) -> Tensor:
    if not is_sparse(a) or is_sparse(b):
        raise refusal("bmm", COO)
    parts = [_matmul(chosen(a, 0, i), b[i]) for i in range(a.shape[0])]
    return OPS["stack"](tuple(parts), 0)


@rule("sum")
def _sum(x: Tensor, dims: Any = None, keepdims: bool = False) -> Tensor:
    array: Sparse = x._array
    kept = len(array.places)
    every = range(x.ndim) if dims is None or dims == () else sorted(d % x.ndim for d in dims)
    inner = tuple(d - kept + 1 for d in every if d >= kept)
    entries = sum_of(array.entries, inner, False) if inner else array.entries
    left = [d for d in range(kept) if d not in every]
    if not left:
        y = sum_of(entries, (0,), False)
        shape = tuple(1 if d in every else n for d, n in enumerate(x.shape))
        return reshape(y, shape) if keepdims else y
    shape = (*(x.shape[d] for d in left), *entries.shape[1:])
    found = coalesced(sparse(Sparse(array.places[left], entries, shape)))
    if keepdims:
        raise refusal("sum.dim_IntList with keepdim", array.layout)
    return found


@rule("linalg_vector_norm")
def _norm(x: Tensor, order: float = 2.0, dims: Any = None, keepdims: bool = False) -> Tensor:
    if dims is not None or keepdims:
        raise refusal("linalg_vector_norm", x._array.layout)
    return OPS["linalg_vector_norm"](coalesced(x)._array.entries, order, None, False)


@rule("any")
def _any(x: Tensor, dims: Any = None, keepdims: bool = False) -> Tensor:
    if dims is not None:
        raise refusal("any.dim", x._array.layout)
    return OPS["any"](x._array.entries, None, False)


@rule("linear", "linear_bias")
def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    y = _matmul(x, weight.t())
    return y if bias is None else y + bias
