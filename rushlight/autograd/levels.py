"""Levels of transforms: each has its values, and every op goes to the highest level among them.

A level strips its own values off the operands, calls the ordinary op on what is inside (where the
next level, or the tape, takes over) and wraps the results. So transforms nest in any order.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.overrides import OPS
from ..core.primitive import Primitive
from ..core.state import STATE
from ..core.tensor import Tensor, wrap
from ..core.values import TWINS, Value
from ..ops.elementwise import ceil, floor, neg, where
from ..ops.structure import cast, expand

TWINS.update(
    {
        "cast": cast,
        np.isnan: lambda x: OPS["isnan"](x), np.isfinite: lambda x: OPS["isfinite"](x),
        np.rint: lambda x: OPS["round"](x, 0), np.negative: neg, np.floor: floor, np.ceil: ceil,
        np.where: where, np.broadcast_to: expand,
        np.shape: lambda x: x._array.shape, np.ndim: lambda x: x._array.ndim,
        np.shares_memory: lambda a, b: np.asarray(a is b),
    }
)  # fmt: skip


class Level:
    """One transform at work: how deep it lies, and for a batch its size and treatment of draws."""

    __slots__ = ("alive", "depth", "kept", "kind", "outer", "randomness", "size")

    def __init__(self, kind: str, outer: tuple[Level, ...], size: int, randomness: str) -> None:
        self.kind, self.outer, self.size, self.randomness = kind, outer, size, randomness
        self.depth, self.alive = len(outer) + 1, True
        self.kept: Any = None  # what a level of dual numbers does with each op


class _Stack(threading.local):
    levels: tuple[Level, ...] = ()


STACK = _Stack()


def push(kind: str, size: int = 0, randomness: str = "error") -> Level:
    """Begin a level above all others of this thread."""
    outer = STACK.levels
    level = Level(kind, outer, size, randomness)
    STACK.levels = (*outer, level)
    return level


def pop(level: Level) -> None:
    """End a level (and, after an error, whatever was begun inside it)."""
    level.alive = False
    STACK.levels = level.outer


def begin(kind: str, size: int = 0, randomness: str = "error") -> Level:
    """A level at work, until `end`."""
    outer = STACK.levels  # as `push`, without a call
    level = Level(kind, outer, size, randomness)
    STACK.levels = (*outer, level)
    STATE.transforms += 1
    return level


def end(level: Level) -> None:
    """The end of what `begin` began."""
    STATE.transforms -= 1
    level.alive = False
    STACK.levels = level.outer


@contextlib.contextmanager
def entered(kind: str, size: int = 0, randomness: str = "error") -> Iterator[Level]:
    """A level for the length of a block."""
    level = begin(kind, size, randomness)
    try:
        yield level
    finally:
        end(level)


def route(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """Hand an op to the highest level among its operands and its params."""
    top: Any = None
    if any(type(x) is np.ndarray for x in inputs) and any(isinstance(x, Tensor) for x in inputs):
        inputs = tuple(wrap(x) if type(x) is np.ndarray else x for x in inputs)
    for x in inputs:
        value = x._array if isinstance(x, Tensor) else x
        if isinstance(value, Value) and (top is None or value.level.depth > top.level.depth):
            top = value
    for value in values_in(params) if params else ():
        if top is None or value.level.depth > top.level.depth:
            top = value
    return type(top).apply(top.level, prim, inputs, params)


def values_in(params: tuple[Any, ...]) -> list[Value]:
    """The values among index arrays and the like, also those inside a tuple (a key)."""
    found = []
    for param in params:
        if type(param) is tuple:
            found += values_in(param)
        elif isinstance(param, Value):
            found.append(param)
    return found


def call(prim: Primitive, inputs: Any, params: tuple[Any, ...]) -> Any:
    """An op on other operands."""
    op = OPS[prim.name]
    return op(tuple(inputs), *params) if prim.arity is None else op(*inputs, *params)


def unwrapped(x: Tensor) -> Tensor:
    """The Tensor inside the outermost value; the tensor itself if it has none."""
    return x._array.core() if isinstance(x._array, Value) else x
