"""How an op runs on tensors in parts: a way is chosen, operands are moved, parts are computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np

from ...autograd.engine import RUNNING
from ...core import meta
from ...core.dispatch import ARRAYS, WRAPPERS, evaluate, promote, record, result_entry
from ...core.operands import refuse_numbers
from ...core.primitive import Primitive
from ...core.tensor import Tensor, wrap
from ...core.values import Value, raw
from . import rules_views
from .laid import Laid, mixed, whole, wrapped
from .moving import local_shape, redistributed
from .placements import Partial, Placement, Replicate, Shard
from .rules import Operand, ways

ndarray = np.ndarray
LOCAL = rules_views.LOCAL
IMPLICIT = [False]  # whether plain tensors count as the same on all processes
SPECIAL: dict[str, Any] = {}  # ops that look at values' places: carried out in a way of their own
_chosen: dict[Any, Any] = {}
_MOST = 1 << 12


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What an op gives on operands of which some are in parts."""
    if prim.arity == 2:
        refuse_numbers(prim, inputs)
    inputs = promote(prim, inputs)
    if IMPLICIT[0] and prim.name == "cross_entropy":
        inputs = (_classes_together(inputs[0]), *inputs[1:])
    arrays = tuple([x._array if isinstance(x, Tensor) else x for x in inputs])
    first = next(a for a in arrays if type(a) is Laid)
    arrays = tuple([_laid(prim, a, first) for a in arrays])
    special = SPECIAL.get(prim.name)
    y = None if special is None else special(arrays, params)
    if y is None:
        y = _carried_out(prim, arrays, params, first)
    return _recorded(prim, inputs, arrays, y, params)


def _classes_together(scores: Any) -> Any:
    """Scores that `loss_parallel` takes, their classes on each process: the gradient is cut again.

    It is a step on the tape of its own, as what an op brings together by itself stays so.
    """
    if not isinstance(scores, Tensor) or type(scores._array) is not Laid:
        return scores
    now = scores._array.placements
    classes = Shard(min(1, scores.ndim - 1))
    wanted = tuple(Replicate() if p == classes else p for p in now)
    return scores if wanted == now else scores.redistribute(None, wanted)  # type: ignore[attr-defined]  # a DTensor


def _laid(prim: Primitive, array: Any, like: Laid) -> Any:
    """An operand as a tensor in parts; a single number is the same everywhere."""
    if type(array) is not ndarray:
        return array
    if array.size > 1 and not (RUNNING.depth or IMPLICIT[0]):
        raise mixed(_torch_name(prim.name))
    return Laid(array, like.mesh, (Replicate(),) * len(like.placements), array.shape)


_SUFFIX = {"add": "Tensor", "sub": "Tensor", "mul": "Tensor", "div": "Tensor"}
_OTHER = {"matmul": "mm", "linear": "mm", "linear_bias": "addmm"}


def _torch_name(name: str) -> str:
    return f"aten.{_OTHER.get(name, name)}.{_SUFFIX.get(name, 'default')}"


def _carried_out(prim: Primitive, arrays: Sequence[Any], params: Any, first: Laid) -> Any:
    targets, outs = _plan(prim, arrays, params, first)
    moved = [a if t is None else redistributed(a, t) for a, t in zip(arrays, targets)]
    if all(type(out) is Replicate for out in outs) or prim.name not in LOCAL:
        local_params = tuple([_whole(one) for one in params])
    else:
        local_params = _local_params(prim, moved, params, outs)
    forms = tuple([a.local if type(a) is Laid else a for a in moved])
    with (
        np.errstate(all="ignore")
        if not all(a.size for a in forms if type(a) is ndarray)
        else (_NOTHING)
    ):
        found = evaluate(prim, forms, local_params)
    if prim.outputs != 1:
        shapes = _shapes(prim, arrays, params, found, outs)
        each = outs if type(outs[0]) is tuple else [outs] * len(found)
        return tuple(
            Laid(np.asarray(one), first.mesh, where, shape)
            for one, where, shape in zip(found, each, shapes)
        )
    (shape,) = _shapes(prim, arrays, params, (found,), outs)
    return Laid(np.asarray(found), first.mesh, outs, shape)


class _Nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


_NOTHING = _Nothing()


def _whole(param: Any) -> Any:
    """A parameter that is a tensor in parts, or holds one: all of it."""
    if type(param) is Laid:
        return whole(param).local
    return tuple(map(_whole, param)) if type(param) is tuple else param


def _local_params(prim: Primitive, moved: Any, params: Any, outs: Any) -> tuple[Any, ...]:
    laid = next(a for a in moved if type(a) is Laid)
    shape = _whole_shapes(prim, moved, params)[0]
    out = local_shape(shape, laid.mesh, outs)
    given = [a.local.shape for a in moved if type(a) is Laid]
    wholes = [a.shape for a in moved if type(a) is Laid]
    return LOCAL[prim.name](given, out, *params, wholes=wholes)


def _shapes(prim: Primitive, arrays: Any, params: Any, found: Any, outs: Any) -> list[Any]:
    """The shapes of the whole results: those of the parts where nothing is cut."""
    flat = [p for one in outs for p in (one if type(one) is tuple else (one,))]
    if not any(isinstance(p, Shard) for p in flat):
        return [np.shape(one) for one in found]
    return _whole_shapes(prim, arrays, params)


def _whole_shapes(prim: Primitive, arrays: Any, params: Any) -> list[Any]:
    """The same, found out from the op's declaration on zeros that take no memory."""
    forms = tuple([
        meta.laid_out(a.shape, a.dtype) if type(a) is Laid else a for a in arrays
    ])  # fmt: skip
    found = meta.remembered(prim, forms, params)
    return [one.shape for one in (found if prim.outputs != 1 else (found,))]


def _plan(prim: Primitive, arrays: Any, params: Any, first: Laid) -> Any:
    """How each operand is to lie, and how the result then does: remembered by what was asked."""
    try:
        key = (prim.name, params, first.mesh, *[
            (a.shape, a.placements, a.dtype.char) if type(a) is Laid else None for a in arrays
        ])  # fmt: skip
        known = _chosen.get(key)
    except TypeError:  # arrays among the parameters
        key = known = None
    if known is None:
        known = _choose(prim, arrays, params, first)
        if key is not None:
            if len(_chosen) >= _MOST:
                _chosen.clear()
            _chosen[key] = known
    return known


def _choose(prim: Primitive, arrays: Any, params: Any, first: Laid) -> Any:
    """The cheapest way along each dimension of the mesh."""
    targets: list[list[Placement]] = [[] for _ in arrays]
    outs: list[Any] = []
    for dim in range(len(first.placements)):
        operands = [
            Operand(a.shape, a.placements[dim], a.mesh.size(dim)) if type(a) is Laid else None
            for a in arrays
        ]
        wanted, out = min(ways(prim, operands, params), key=lambda way: _cost(way[0], operands))
        for place, target in enumerate(wanted):
            targets[place].append(target)
        outs.append(out)
    laid = [tuple(t) if type(a) is Laid else None for t, a in zip(targets, arrays)]
    if prim.outputs == 1 or all(isinstance(out, Placement) for out in outs):
        return laid, tuple(outs)
    count = next(len(out) for out in outs if type(out) is tuple)
    each = [out if type(out) is tuple else (out,) * count for out in outs]
    return laid, tuple(zip(*each))  # by output


def _cost(targets: Any, operands: Any) -> tuple[float, float]:
    """How many bytes move, and how many operands change: those that stay are best.

    Something must lie as it is to lie already, or all must become whole.
    """
    total, changed = 0.0, 0
    pairs = [(target, x) for target, x in zip(targets, operands) if x is not None]
    if all(target != x.now or isinstance(x.now, Replicate) for target, x in pairs) and not all(
        isinstance(target, Replicate) for target, _ in pairs
    ):
        return inf, inf
    for target, x in pairs:
        if x.now == target:
            continue
        changed += 1
        size = prod(x.shape) + 1
        if isinstance(target, Partial):
            if isinstance(x.now, Replicate):  # all of it on one process: a bias beside partial sums
                continue
            return inf, inf
        if isinstance(x.now, Replicate):
            continue
        if isinstance(x.now, Shard):
            total += size / 2 if isinstance(target, Shard) else size
        else:
            total += size if isinstance(target, Shard) else 2 * size
    return total, changed


def _recorded(prim: Primitive, inputs: Any, arrays: Any, y: Any, params: Any) -> Any:
    """The results as DTensors, with the op on the tape."""
    entry = record(prim, inputs, arrays, y, params)
    if prim.outputs == 1:
        return wrapped(y, entry if y.dtype.kind in "fcV" else None)
    results = []
    for place, one in enumerate(y):
        own = None
        if entry is not None and one.dtype.kind in "fcV":
            own = result_entry(entry, place, one.shape)
        results.append(wrapped(one, own))
    return tuple(results)


def _on_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """The same for arrays as rules meet them, outside of a Tensor."""
    wraps = tuple([wrap(x) if isinstance(x, Value) or type(x) is ndarray else x for x in inputs])
    RUNNING.depth += 1  # rules may bring arrays that are the same everywhere
    try:
        y = apply(prim, wraps, params)
    finally:
        RUNNING.depth -= 1
    return tuple(map(raw, y)) if type(y) is tuple else raw(y)


def _rows_of_parts(arrays: Any, params: Any) -> Any:
    """`embedding` from a table cut by rows: what is not here comes as zeros, to be added up."""
    table, places = arrays
    rows = [i for i, p in enumerate(table.placements) if p == Shard(0)]
    if len(rows) != 1 or type(places) is not Laid:
        return None
    dim = rows[0]
    if any(p != Replicate() for i, p in enumerate(places.placements) if i == dim):
        return None
    others = [p for i, p in enumerate((*table.placements, *places.placements))
              if i % len(table.placements) != dim]  # fmt: skip
    if any(p != Replicate() for p in others):
        return None
    from_, _ = rules_views.begin_of(table, dim)
    here = places.local - from_
    mine = (here >= 0) & (here < len(table.local))
    found = np.zeros((*places.local.shape, *table.local.shape[1:]), table.dtype)
    found[mine] = table.local[here[mine]]
    outs = tuple(Partial() if i == dim else Replicate() for i in range(len(table.placements)))
    return Laid(found, table.mesh, outs, found.shape)


SPECIAL["embedding"] = _rows_of_parts
ARRAYS[Laid] = apply
WRAPPERS[Laid] = _on_raw
