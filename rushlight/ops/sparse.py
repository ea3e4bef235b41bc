"""What the ops do to sparse tensors: to their values, to their places, or to both.

A rule gets the op's operands as Tensors, of which at least one is sparse, and its parameters. It is
made of ops on the dense tensor of values, so derivatives of any kind follow from theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..core.dispatch import ARRAYS, WRAPPERS, named, result_type
from ..core.errors import fail
from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..core.sparse import COO, CSC, CSR, Sparse, refusal, sparse, wrapped
from ..core.state import STATE
from ..core.tensor import Tensor, wrap
from ..core.values import raw
from . import elementwise as e
from .indexing import index
from .placing import index_select, spread_rows
from .reduce import sum as sum_of
from .sparse_products import coo_product
from .structure import cast, clone, join, reshape

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}
# ops that are zero where their operand is; the linear ones work on places that stand twice
KEEP_ZERO = """abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor frac isinf isnan
    isneginf isposinf log1p rad2deg relu round sgn sign signbit sin sinh sqrt square tan tanh
    trunc threshold""".split()
LINEAR = (
    "contiguous_copy neg cast cast_to_integer clone conj real imag positive kept_gradient".split()
)
FLIPPED = {COO: COO, CSR: CSC, CSC: CSR}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare what the ops of these names do."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def is_sparse(x: Any) -> bool:
    """Whether something is a sparse tensor of any layout."""
    return isinstance(x, Tensor) and type(x._array) is Sparse


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What an op gives on operands of which some are sparse."""
    if STATE.tracer is not None:
        STATE.tracer.stop("sparse tensors are computed eagerly")
    inputs = tuple([wrapped(x) if type(x) is Sparse else x for x in inputs])
    name = prim.name
    if name in RULES:
        return RULES[name](*((inputs,) if prim.arity is None else inputs), *params)
    x = inputs[0]
    if name in KEEP_ZERO:
        x = coalesced(x)
    elif name not in LINEAR:
        raise refusal(name, next(one._array.layout for one in inputs if is_sparse(one)))
    return sparse(x._array.over(OPS[name](x._array.entries, *params)))


def _on_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    inputs = tuple([wrap(x) if isinstance(x, np.ndarray) else x for x in inputs])
    return raw(apply(prim, inputs, params))


def coalesced(x: Tensor) -> Tensor:
    """Each place once, in order; values of the same place are added.

    Compressed tensors have each place once, in an order of their own.
    """
    array: Sparse = x._array
    if array.ordered or array.layout is not COO:
        return x
    flat = array.flat()
    order = np.argsort(flat, kind="stable")
    flat = flat[order]
    first = np.concatenate(([True], flat[1:] != flat[:-1]))
    entries = index_select(array.entries, 0, order)
    if not first.all():
        shape = (int(first.sum()), *array.entries.shape[1:])
        entries = spread_rows(entries, shape, 0, np.cumsum(first) - 1)
    places = array.places[:, order[first]]
    return sparse(Sparse(places, entries, array.shape, COO, True))


def to_dense(x: Tensor) -> Tensor:
    """All elements, zeros too."""
    array: Sparse = x._array
    kept = len(array.places)
    sizes, rest = array.shape[:kept], array.shape[kept:]
    y = spread_rows(array.entries, (prod(sizes), *rest), 0, array.flat())
    return named(reshape(y, (*sizes, *rest)), "ToDenseBackward0")


def masked(dense: Tensor, like: Sparse) -> Tensor:
    """The elements of a dense tensor at the places of a sparse one."""
    entries = index(dense, tuple(like.places))
    return sparse(like.over(entries))


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
    total = coalesced(sparse(Sparse(places, _cat(both, 0), x.shape)))
    return total if x.layout is COO else as_layout(total, x.layout)


def _cat(parts: Sequence[Tensor], dim: int) -> Tensor:
    return join(tuple(parts), dim, tuple(one.shape[dim] for one in parts))


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
    layout, a, b = a._array.layout, coalesced(a), coalesced(b)
    _, mine, others = np.intersect1d(a._array.flat(), b._array.flat(), True, True)
    x, y = (index_select(one._array.entries, 0, at) for one, at in ((a, mine), (b, others)))
    both = sparse(Sparse(a._array.places[:, mine], x * y, a.shape, COO, True))
    return both if layout is COO else as_layout(both, layout)


@rule("div")
def _div(a: Any, b: Any) -> Tensor:
    if not is_sparse(a) or is_sparse(b) or (isinstance(b, Tensor) and b.ndim):
        raise fail(
            RuntimeError, "Sparse division requires a scalar or zero-dim dense tensor divisor"
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
    layout, x, y = a._array.layout, coalesced(a)._array, coalesced(_in_coo(b))._array
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
    return found if layout is COO else as_layout(found, layout)


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


def flipped(x: Tensor, first: int = 0, second: int = 1) -> Tensor:
    """Two kept dimensions exchanged."""
    array: Sparse = x._array
    order = list(range(x.ndim))
    order[first], order[second] = order[second], order[first]
    return _permuted(x, order, FLIPPED[array.layout])


@rule("t")
def _t(x: Tensor) -> Tensor:
    return flipped(x) if x.ndim == 2 else x


@rule("transpose", "transpose_")
def _transpose(x: Tensor, first: int, second: int) -> Tensor:
    return flipped(x, first % x.ndim, second % x.ndim)


@rule("permute")
def _permute(x: Tensor, order: Sequence[int]) -> Tensor:
    order = [d % x.ndim for d in order]
    same = order == list(range(x.ndim))
    return _permuted(x, order, x._array.layout if same else FLIPPED[x._array.layout])


def _permuted(x: Tensor, order: Sequence[int], layout: Any) -> Tensor:
    array: Sparse = x._array
    kept = len(array.places)
    if sorted(order[:kept]) != list(range(kept)):
        raise fail(
            RuntimeError, "sparse and dense dimensions of a sparse tensor cannot be exchanged"
        )
    entries = array.entries
    if list(order[kept:]) != list(range(kept, x.ndim)):
        entries = OPS["permute"](entries, (0, *(d - kept + 1 for d in order[kept:])))
    shape = tuple(x.shape[d] for d in order)
    same = list(order[:kept]) == list(range(kept))
    ordered = array.ordered and (same or layout is not COO)
    return sparse(Sparse(array.places[list(order[:kept])], entries, shape, layout, ordered))


def chosen(x: Tensor, dim: int, i: int) -> Tensor:
    """One entry of a kept dimension."""
    array: Sparse = _in_coo(x)._array
    i = i + x.shape[dim] if i < 0 else i
    if len(array.places) <= dim:
        entries = OPS["select"](array.entries, dim - len(array.places) + 1, i)
        rest = (*x.shape[:dim], *x.shape[dim + 1 :])
        return sparse(Sparse(array.places, entries, rest, COO, array.ordered))
    here = np.flatnonzero(array.places[dim] == i)
    entries = index_select(array.entries, 0, here)
    places = np.delete(array.places[:, here], dim, 0)
    shape = (*x.shape[:dim], *x.shape[dim + 1 :])
    if not len(places):
        return sum_of(entries, (0,), False)
    return sparse(Sparse(places, entries, shape, COO, array.ordered))


@rule("select")
def _select(x: Tensor, dim: int, i: int) -> Tensor:
    return chosen(x, dim, i)


@rule("unbind")
def _unbind(x: Tensor, dim: int) -> tuple[Tensor, ...]:
    return tuple(chosen(x, dim, i) for i in range(x.shape[dim]))


@rule("slice", "narrow")
def _slice(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    array: Sparse = _in_coo(x)._array
    if dim >= len(array.places):
        raise refusal("slice of a dense dimension", COO)
    here = np.flatnonzero((array.places[dim] >= start) & (array.places[dim] < start + length))
    places = array.places[:, here]
    places[dim] -= start
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    return sparse(Sparse(places, index_select(array.entries, 0, here), shape, COO, array.ordered))


@rule("part")
def _part(x: Tensor, key: tuple[Any, ...]) -> Tensor:
    dim = 0
    for one in key:
        if one is Ellipsis:
            continue
        if one is None:
            x, dim = _unsqueeze(x, dim), dim + 1
        elif isinstance(one, slice):
            start, stop, step = one.indices(x.shape[dim])
            if step != 1:
                raise refusal("slice with a step", COO)
            if (start, stop) != (0, x.shape[dim]):
                x = _slice(x, dim, start, max(0, stop - start))
            dim += 1
        else:
            x = chosen(x, dim, int(one))
    return x


@rule("index_select")
def _index_select(x: Tensor, dim: int, wanted: np.ndarray) -> Tensor:
    array: Sparse = coalesced(_in_coo(x))._array
    if dim >= len(array.places):
        entries = index_select(array.entries, dim - len(array.places) + 1, wanted)
        shape = (*x.shape[:dim], wanted.size, *x.shape[dim + 1 :])
        return sparse(Sparse(array.places, entries, shape, COO, True))
    by_place = np.argsort(array.places[dim], kind="stable")
    counts = np.bincount(array.places[dim], minlength=x.shape[dim])
    begins = np.concatenate(([0], np.cumsum(counts)))[:-1]
    times = counts[wanted]
    new = np.repeat(np.arange(wanted.size), times)
    within = np.arange(new.size) - np.repeat(np.cumsum(times) - times, times)
    at = by_place[np.repeat(begins[wanted], times) + within]
    places = array.places[:, at]
    places[dim] = new
    shape = (*x.shape[:dim], wanted.size, *x.shape[dim + 1 :])
    return coalesced(sparse(Sparse(places, index_select(array.entries, 0, at), shape)))


@rule("cat")
def _join(xs: Sequence[Tensor], dim: int, widths: Any) -> Tensor:
    arrays = [_in_coo(x)._array for x in xs]
    kept = len(arrays[0].places)
    if dim >= kept:
        raise refusal("cat of a dense dimension", COO)
    places, begin = [], 0
    for array in arrays:
        moved = array.places.copy()
        moved[dim] += begin
        begin += array.shape[dim]
        places.append(moved)
    first = arrays[0].shape
    shape = (*first[:dim], begin, *first[dim + 1 :])
    entries = _cat([array.entries for array in arrays], 0)
    return sparse(Sparse(np.concatenate(places, 1), entries, shape))


@rule("stack")
def _stack(xs: Sequence[Tensor], dim: int) -> Tensor:
    return _join([_unsqueeze(x, dim) for x in xs], dim, None)


@rule("unsqueeze")
def _unsqueeze(x: Tensor, dim: int) -> Tensor:
    array: Sparse = _in_coo(x)._array
    dim = dim + x.ndim + 1 if dim < 0 else dim
    shape = (*x.shape[:dim], 1, *x.shape[dim:])
    if dim > len(array.places):
        entries = OPS["unsqueeze"](array.entries, dim - len(array.places) + 1)
        return sparse(Sparse(array.places, entries, shape, COO, array.ordered))
    places = np.insert(array.places, dim, 0, 0)
    return sparse(Sparse(places, array.entries, shape, COO, array.ordered))


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
    y = _matmul(x, _t(weight) if is_sparse(weight) else weight.t())
    return y if bias is None else y + bias


def _in_coo(x: Tensor) -> Tensor:
    return x if x._array.layout is COO else as_layout(x, COO)


def as_layout(x: Tensor, layout: Any) -> Tensor:
    """The same elements in another layout; compressed ones keep rows or columns in order."""
    array: Sparse = x._array
    if array.layout is layout:
        return x
    if layout is COO:
        again = sparse(Sparse(array.places, array.entries, array.shape, COO, False))
        return coalesced(again) if array.layout is CSC else _known_order(again)
    found = coalesced(_in_coo(x))._array
    if layout is CSC:
        order = np.lexsort((found.places[0], found.places[1]))
        entries = index_select(found.entries, 0, order)
        return sparse(Sparse(found.places[:, order], entries, array.shape, CSC, True))
    return sparse(Sparse(found.places, found.entries, array.shape, CSR, True))


def _known_order(x: Tensor) -> Tensor:
    """Note that places stand in order, where they do."""
    flat = x._array.flat()
    x._array.ordered = bool((flat[1:] > flat[:-1]).all())
    return x


def copied(x: Tensor) -> Tensor:
    """The same places and values, in memory of their own."""
    return sparse(x._array.over(clone(x._array.entries)))


ARRAYS[Sparse] = apply
WRAPPERS[Sparse] = _on_raw
