"""What a call gives and is given, taken apart: templates with marks in the places of tensors."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from types import FunctionType
from typing import Any

import numpy as np

from ...core import trees
from ...core.dtypes import contiguous_format, dtype
from ...core.tape import FREED, LEAF, PARAMS, PARENTS, PRIM, Entry, tick
from ...core.tensor import Tensor, wrap
from ..calls.guards import ABSENT, COMPARED
from ..calls.opened import Opened, met, plain_parts

_GONE = wrap(np.empty(0))  # in the place of the operands of a node whose graph is used up
_GONE._entry = LEAF


def form_of_entry(entry: Entry) -> tuple[Any, tuple[bool, ...], tuple[Any, ...]]:
    """What names a node: its op, which operands wanted a gradient, the parameters."""
    return entry[PRIM], tuple(x is not None for x in entry[PARENTS]), entry[PARAMS]


def spent(prim: Any, taped: Collection[bool], params: Any, shape: tuple[int, ...]) -> Entry:
    """The history of a result whose graph is used up: it has a name, and no way back."""
    parents = tuple(_GONE if one else None for one in taped)
    return [prim, parents, FREED, FREED, params, shape, tick(), None]


class Result:
    """What stands at one place of the returned structure."""

    __slots__ = ("entry", "index", "inferred", "kind", "value")

    def __init__(
        self, kind: str, index: int = -1, value: Any = None, entry: Any = None,
        inferred: bool = False,
    ) -> None:  # fmt: skip
        self.kind, self.index, self.value, self.entry = kind, index, value, entry
        self.inferred = inferred  # a tensor of inference mode


class Container:
    """A returned container of a class registered with `torch.utils._pytree`, taken apart."""

    __slots__ = ("context", "kind", "parts")

    def __init__(self, kind: type, parts: list[Any], context: Any) -> None:
        self.kind, self.parts, self.context = kind, parts, context

    def built(self, parts: list[Any]) -> Any:
        """Such a container of other parts."""
        return trees.rebuilt(self.kind, parts, self.context)


class Fields(Container):
    """A returned instance of a dataclass, taken apart; `context` has the names of its fields."""

    __slots__ = ()

    def built(self, parts: list[Any]) -> Any:
        """Such an instance with other values, made as a copy is: nothing of the class runs."""
        made = object.__new__(self.kind)
        for name, part in zip(self.context, parts):
            object.__setattr__(made, name, part)
        return made


class Made(Container):
    """A returned object that has all in sight, taken apart; `context`: its layout, its keys."""

    __slots__ = ()

    def built(self, parts: list[Any]) -> Any:
        """Such an object that holds other parts."""
        how, keys = self.context
        return how.made(self.kind, keys, parts)


def is_constant(value: Any) -> bool:
    """Whether it is the same at every call: what no one changes, or what its module calls so."""
    if isinstance(value, (dtype, *COMPARED)) or value is ABSENT:
        return True
    if not isinstance(value, (type, FunctionType)):
        return False
    home = sys.modules.get(value.__module__)
    return home is not None and vars(home).get(value.__name__) is value


def parts_of(value: Any) -> Collection[Any] | None:
    """What a container of Python's own holds, or the form of an object taken apart."""
    return value.parts if type(value) is Opened else plain_parts(value)


def flatten(value: Any, leaves: list[Tensor]) -> Any:
    """Nested arguments with each tensor replaced by its number in `leaves`.

    Those in objects that are taken apart are counted, and stay where they are.
    """
    if isinstance(value, Tensor):
        leaves.append(value)
        return Leaf(len(leaves) - 1)
    parts = plain_parts(value)
    if parts is None:
        leaves += [x for x, _ in met(value) if isinstance(x, Tensor)]
        return value
    return alike(value, [flatten(part, leaves) for part in parts])


def alike(value: Any, parts: Iterable[Any]) -> Any:
    """A list, tuple, named tuple or dictionary as `value` is, with other parts."""
    kind = type(value)
    if issubclass(kind, dict):
        return kind(zip(value, parts))
    return tuple.__new__(kind, parts) if hasattr(kind, "_fields") else kind(parts)


class Leaf:
    """The place of a tensor among a call's arguments: its number in their order."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def called_apart(function: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call gives, each tensor in rows of its own, also where it is a view of others.

    Captured instead of the call, every result is an output of the graph.
    """
    return _apart(function(*args, **kwargs))


def _apart(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone(memory_format=contiguous_format)
    if isinstance(value, (tuple, list)):
        return alike(value, [_apart(part) for part in value])
    if isinstance(value, dict):
        return {key: _apart(part) for key, part in value.items()}
    return value
