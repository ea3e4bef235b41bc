"""The push-forward of an op from its pull: a pull is linear in g, so its transpose is the push.

vjp(g) = J^T g,   <vjp(g), t> = <g, J t>,   so   J t = d<vjp(g), t> / dg  at any g.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import FLOATS, promote
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tape import LEAF, Entry, tick
from ..core.tensor import Tensor, wrap
from ..ops.structure import cast, expand
from .engine import sweep
from .levels import Level, entered
from .nested import Nested

ndarray = np.ndarray


def push_by_pull(prim: Primitive, primals: Any, tangents: Any, y: Any, params: Any) -> Any:
    """The tangent of the result, or of each result; None for zero."""
    several = prim.outputs != 1
    ys = y if several else (y,)
    primals = promote(prim, tuple(primals))
    if all(_plain(x) for x in (*primals, *tangents, *ys)):
        create = STATE.grad and any(
            isinstance(x, Tensor) and x._entry is not None for x in (*primals, *tangents)
        )
        found = _transposed(prim, primals, tangents, ys, params, None, create)
    else:
        with entered("transpose") as level:
            found = _transposed(prim, primals, tangents, ys, params, level, False)
    return found if several else found[0]


def _plain(x: Any) -> bool:
    return not isinstance(x, Tensor) or type(x._array) is ndarray


def _probe(y: Tensor, level: Level | None) -> Tensor:
    """A gradient to differentiate by: its value does not matter."""
    made = wrap(np.ones(y._array.shape, y._array.dtype))
    if level is not None:
        made = wrap(Nested(level, made))
    made._entry = LEAF
    return made


def _transposed(
    prim: Primitive, primals: Any, tangents: Any, ys: Any, params: Any, level: Level | None,
    create: bool,
) -> tuple[Any, ...]:  # fmt: skip
    probes = [_probe(y, level) if y._array.dtype.char in FLOATS else None for y in ys]
    before, STATE.grad = STATE.grad, True
    try:
        grads = prim.pull(_gradient(prim, probes, ys), _entry(prim, primals, tangents, ys, params))  # type: ignore[misc]  # it has one
        roots = [
            (g, _like(t, g)) for g, t in zip(grads, tangents)
            if t is not None and isinstance(g, Tensor) and type(g._entry) in (list, type(LEAF))
        ]  # fmt: skip
    finally:
        STATE.grad = before
    if not roots:
        return (None,) * len(ys)
    wanted = [probe for probe in probes if probe is not None]
    leaves = sweep(roots, wanted, create, create).leaves
    found = []
    for probe in probes:
        got = leaves.get(id(probe)) if probe is not None else None
        g = None if got is None else got[1]
        found.append(wrap(g) if g is not None and not isinstance(g, Tensor) else g)
    return tuple(found)


def _gradient(prim: Primitive, probes: list[Any], ys: Any) -> Any:
    if prim.outputs == 1:
        return probes[0]
    like = next(one for one in ys if one._array.dtype.char in FLOATS)._array.dtype
    return tuple(
        wrap(np.zeros(y._array.shape, like)) if probe is None else probe
        for probe, y in zip(probes, ys)
    )


def _entry(prim: Primitive, primals: Any, tangents: Any, ys: Any, params: Any) -> Entry:
    """What the tape would have kept, with Tensors in the place of arrays."""
    parents = tuple(None if t is None else x for x, t in zip(primals, tangents))
    reads = prim.reads
    if prim.outputs == 1:
        kept = ys[0] if "y" in reads else None
        shape = ys[0]._array.shape
    else:
        kept = ys if "y" in reads else (None, *ys[1:]) if "z" in reads else None
        shape = tuple(y._array.shape for y in ys)
    return [
        prim, parents, primals if "x" in reads else None, kept, params, shape, tick(), None,
    ]  # fmt: skip


def _like(t: Tensor, g: Tensor) -> Tensor:
    """A tangent broadcast and cast to the gradient that it meets."""
    if t.dtype is not g.dtype:
        t = cast(t, g.dtype)
    return t if t._array.shape == g._array.shape else expand(t, g._array.shape)
