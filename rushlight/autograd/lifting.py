"""Entries whose rule is to run on Tensors: for a recorded backward pass, or over other arrays."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..core.dispatch import result_entry
from ..core.primitive import Primitive
from ..core.tape import INPUTS, OUTPUT, PARENTS, PRIM, Entry, tick
from ..core.tensor import Tensor, wrap
from ..core.values import Value, raw
from .saved import with_history

ndarray = np.ndarray


def lift(entry: Entry, origin: Entry, create: bool) -> Entry:
    """The entry with Tensors in the place of its saved arrays, with `create` each with its history.

    Without, what a nested level kept stands for itself: Tensors of the levels below. `origin` is
    the entry as recorded, where the history goes on.
    """
    lifted = entry[:]
    if entry[INPUTS] is not None:
        lifted[INPUTS] = tuple(
            _input(x, parent) if create else below(x)
            for x, parent in zip(entry[INPUTS], entry[PARENTS])
        )
    y = entry[OUTPUT]
    if y is None:
        return lifted
    if not create:
        lifted[OUTPUT] = tuple(map(below, y)) if type(y) is tuple else below(y)
    elif type(y) is tuple:
        lifted[OUTPUT] = tuple(
            None if one is None
            else wrap(one, result_entry(origin, place, one.shape))
            if one.dtype.kind in "fcV" else wrap(one)
            for place, one in enumerate(y)
        )  # fmt: skip
    else:
        lifted[OUTPUT] = wrap(y, origin)
    return lifted


def _input(x: Any, parent: Any) -> Any:
    held: Any = x
    return with_history(held, parent) if isinstance(x, (ndarray, Value)) else x


def held(grads: Any, entry: Entry) -> list[Any]:
    """Gradients that do not move with the operands, knowing these: theirs is zero, not nothing."""
    prim = _held(entry[PRIM].flat)
    return [
        g if g is None or parent is None
        else wrap(g._array, [prim, (g._entry, parent), None, None, (), g.shape, tick(), None])
        for g, parent in zip(grads, entry[PARENTS])
    ]  # fmt: skip


@cache
def _held(node: str) -> Primitive:
    def pull(g: Any, entry: Entry) -> Any:
        nothing = np.zeros(g.shape, raw(g).dtype)
        return g, wrap(nothing) if isinstance(g, Tensor) else nothing

    return Primitive("held", eval=None, rule=None, pull=pull, node=node, listed=False)


def below(x: Any) -> Any:
    """What a pass that is not recorded computes with, in the place of an array."""
    if isinstance(x, Value):
        return x.below()
    return wrap(x) if isinstance(x, ndarray) else x


def values_of(roots: Any) -> list[Value]:
    """The values among the arrays of (tensor, gradient) pairs: NumPy cannot run on them."""
    return [
        x._array for pair in roots for x in pair
        if isinstance(x, Tensor) and type(x._array) is not ndarray and isinstance(x._array, Value)
    ]  # fmt: skip


def seed(tensor: Tensor, g: Any, create: bool, values: list[Value]) -> Any:
    """The gradient that a pass begins with at `tensor`, in the form that its rules run on."""
    if create:
        return g
    if not values:
        return g._array
    root, given = tensor._array, g._array
    if isinstance(root, Value) and root.nested:
        # the tapes below know the gradient, unless it is of the same level
        same = isinstance(given, Value) and given.nested and given.level is root.level
        return below(given) if same else g
    return below(given)
