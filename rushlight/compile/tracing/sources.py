"""Inputs of programs: where they come from, and what the trace saw of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...core.tensor import Tensor
from ..middle.graph import Node

NUMBERS = frozenset(("number", "spot", "text"))  # kinds of inputs that are numbers of Python's


class Like(NamedTuple):
    """What is left of an array that need not be kept."""

    shape: tuple[int, ...]
    dtype: np.dtype
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The bytes that its elements took."""
        return prod(self.shape) * self.dtype.itemsize


class Source:
    """Where an input comes from: how to fetch it, its node, and what the trace saw of it."""

    __slots__ = ("array", "cell", "entry", "key", "kind", "node", "owner", "tensor")

    def __init__(self, kind: str, owner: Any, key: Any, array: np.ndarray, node: Node) -> None:
        self.kind, self.owner, self.key, self.node = kind, owner, key, node
        self.array: Any = array
        self.cell: Any = None
        self.tensor: Tensor | None = None
        self.entry: Any = None  # the tensor's history before the call

    def let_go(self) -> None:
        """Remember only what the tensor of the traced call looked like."""
        self.tensor = self.entry = self.cell = None
        if self.kind not in NUMBERS:
            self.array = Like(self.array.shape, self.array.dtype, self.array.strides)

    @property
    def path(self) -> tuple[Any, ...]:
        """Of a number: where it stands in its owner."""
        return self.key if type(self.key) is tuple else (self.key,)


class Variable:
    """A variable of an enclosing function, as something that has an item."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def __getitem__(self, key: None) -> Any:
        return self.cell.cell_contents


class Inside:
    """The container that stands at a place when a call begins, whichever it is."""

    __slots__ = ("holder", "keys")

    def __init__(self, holder: Any, keys: Sequence[Any]) -> None:
        self.holder, self.keys = holder, keys

    def __getitem__(self, key: Any) -> Any:
        found = self.holder
        for one in self.keys:
            found = found[one]
        return found[key]


class Held:
    """The tensor that stands at a place when a call begins, and makes way for another in it."""

    __slots__ = ("key", "table")

    def __init__(self, table: Any, key: Any) -> None:
        self.table, self.key = table, key


Owner = Tensor | int | Held


def owner_in(x: Owner, leaves: Sequence[Tensor]) -> Tensor:
    """The tensor that an owner is in a call with these tensors among its arguments."""
    if isinstance(x, Held):
        return x.table[x.key]
    return leaves[x] if isinstance(x, int) else x


def example(source: Source) -> np.ndarray:
    """An array of an input's form, to time a program with; of zeros, if they may be places."""
    array = source.array
    if source.kind == "tensor":
        array = source.owner._array
    if isinstance(array, np.ndarray):
        return array
    size, steps = array.dtype.itemsize, [abs(step) for step in array.strides]
    count = 1 + sum((n - 1) * step // size for n, step in zip(array.shape, steps) if n)
    make = np.zeros if array.dtype.kind in "iub" else np.ones
    whole = np.lib.stride_tricks.as_strided(make(count, array.dtype), array.shape, steps)
    return whole[tuple([slice(None, None, -1 if step < 0 else 1) for step in array.strides])]
