"""Nodes that NumPy runs: ops without a native form, draws of random numbers, NumPy's own calls.

A call of NumPy that a rule made is kept with its arguments as a template: a `Hole` stands where a
node's value goes. `run` fills the holes and calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.holes import Hole, fill, has_hole, parts
from ...core.primitive import REGISTRY
from .graph import Node


def with_item(x: np.ndarray, key: Any, value: Any) -> np.ndarray:
    """A copy of `x` in which `x[key] = value` was done."""
    y = x.copy()
    y[key] = value
    return y


def written(x: np.ndarray, value: Any) -> np.ndarray:
    """`value` in the shape and type of `x`, as an in-place write leaves it there."""
    y = np.empty(x.shape, x.dtype)
    np.copyto(y, value, casting="unsafe")
    return y


def called(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """A Python function that runs in the middle of a program."""
    return function(*arrays)


OWN = {"called": called, "with_item": with_item, "written": written}


def resolve(op: str) -> Callable[..., Any]:
    """The function behind "numpy.<name>" or "method.<name>"."""
    space, _, name = op.partition(".")
    if space == "method":
        return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)
    if name in OWN:
        return OWN[name]
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part)
    return found


def run(node: Node, arrays: Sequence[np.ndarray]) -> Any:
    """The value (or the tuple of values) of a foreign node."""
    if node.op == "draw":
        engine, method, args, kwargs = node.params
        out = kwargs.get("out")
        if isinstance(out, Layout):
            kwargs = {**kwargs, "out": out.empty()}
        return getattr(engine, method)(*fill(args, arrays), **fill(kwargs, arrays))
    if node.op == "extern" or node.op in REGISTRY:
        name, params = node.params if node.op == "extern" else (node.op, node.params)
        return _registered(REGISTRY[name], arrays, params)
    args, kwargs = node.params
    return resolve(node.op)(*fill(args, arrays), **fill(kwargs, arrays))


def _registered(prim: Any, arrays: Sequence[np.ndarray], params: tuple[Any, ...]) -> Any:
    """An op's own evaluation; inputs beyond its operands fill the holes of its params."""
    if has_hole(params):
        filled = fill(params, arrays)
        arrays = arrays[: operand_count(params, len(arrays))]
    else:
        filled = params
    if prim.arity is None:
        return prim.eval(arrays, *filled)
    return prim.eval(*restored(prim, arrays), *filled)


def restored(prim: Any, operands: Sequence[Any]) -> list[Any]:
    """Operands with those that were None back in their places: the last, or an LSTM's biases."""
    missing = [None] * (prim.arity - len(operands))
    place = {"lstm_layer": 5, "lstm_layer_back": 11}.get(prim.name)
    if place and len(missing) == 2:
        return [*operands[:place], *missing, *operands[place:]]
    return [*operands, *missing]


def operand_count(params: Any, inputs: int) -> int:
    """How many of a node's inputs are operands; the others fill the holes of its params."""
    return min(_places(params), default=inputs)


def _places(template: Any) -> list[int]:
    if type(template) is Hole:
        return [template.index]
    return [place for part in parts(template) for place in _places(part)]


class Layout:
    """Memory to be made anew at each run: shape, strides and type."""

    __slots__ = ("dtype", "order", "shape")

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        steps = [(-abs(step), place) for place, step in enumerate(array.strides)]
        self.order = [place for _, place in sorted(steps)]

    def empty(self) -> np.ndarray:
        """Uninitialised memory in this layout."""
        outer = np.empty([self.shape[place] for place in self.order], self.dtype)
        return outer.transpose(np.argsort(self.order))
