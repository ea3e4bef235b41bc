"""What a call sees without a name of its own for it: classes, slots, and unusual containers.

`Config.rate`, or `self.rate` where only the class has a rate, is found in a class; an attribute
that the object gets later would come first. A set, a deque or the environment has no items that
can be noted one by one like those of a list.
"""

from __future__ import annotations

import array
import collections
import enum
import functools
import gc
import sys
import types
import weakref
from typing import Any

from ...core.handles import Changes
from ...core.tensor import Tensor
from ..calls.guards import ABSENT, of_class
from .owned import own_code

_FUNCTIONS = (types.FunctionType, property, staticmethod, classmethod, functools.cached_property)
_DYNAMIC = frozenset(("getattr", "vars", "__dict__", "dir"))


def names_of(kind: type) -> frozenset[str]:
    """What a class has names for."""
    return frozenset(kind.__dict__)


def functions_in(part: Any) -> list[Any]:
    """The functions behind a part of a class."""
    if isinstance(part, property):
        return [x for x in (part.fget, part.fset) if x is not None]
    if isinstance(part, (staticmethod, classmethod)):
        return [part.__func__]
    if isinstance(part, functools.cached_property):
        return [part.func]
    return [part] if isinstance(part, types.FunctionType) else []


class Kinds:
    """The user's classes that a call can see, and the objects with attributes that it can see.

    `note` adds their places to what is reached, once it is known which names the code speaks of.
    """

    def __init__(self, own: Any) -> None:
        self._own = own  # whether a module is the user's
        self._bases: dict[type, list[type]] = {}  # the user's among a class and its bases
        self._slots: dict[type, list[str]] = {}
        self._met: dict[type, None] = {}
        self._tables: dict[int, tuple[dict[str, Any], type, str]] = {}

    def meet(self, kind: type) -> bool:
        """A class that is looked at; whether it is the user's, and new."""
        if kind in self._bases:
            return False
        bases = self._bases[kind] = [base for base in kind.__mro__ if self._users(base)]
        if bases:
            self._met[kind] = None
        return bool(bases)

    def _users(self, kind: type) -> bool:
        module = sys.modules.get(kind.__module__)
        return module is None or self._own(module)

    def slots(self, value: Any) -> list[tuple[str, Any]]:
        """What stands in the slots that the user's classes give an object."""
        kind = type(value)
        if kind not in self._slots:
            self._slots[kind] = [
                name
                for base in self._bases.get(kind, ())
                for name, part in vars(base).items()
                if isinstance(part, types.MemberDescriptorType)
            ]
        return [(name, getattr(value, name, ABSENT)) for name in self._slots[kind]]

    def has(self, table: dict[str, Any], kind: type, path: str) -> None:
        """An object that is looked at whole."""
        self._tables.setdefault(id(table), (table, kind, path))

    def note(self, reach: Any) -> None:
        """Places of classes, and of what their objects do not have, into `reach`."""
        parts = {kind: self._parts(kind, reach.named) for kind in self._met}
        for kind in parts:
            for name, part in parts[kind]:
                path = f"{kind.__name__}.{name}"
                if reach.note("class", kind, name, part, path) and not functions_in(part):
                    reach.stack.append((part, path))
            if not issubclass(kind, enum.Enum):
                reach.note("content", kind, names_of, names_of(kind), kind.__name__)
        for table, kind, path in self._tables.values():
            names = reach.asked.union(name for name, _ in parts.get(kind, ()))
            if kind not in parts and hasattr(kind, "forward"):
                names.add("forward")
            for name in names:
                if name not in table:
                    reach.note("absent", table, name, True, f"{path}.{name}")

    def _parts(self, kind: type, named: set[str]) -> list[tuple[str, Any]]:
        """The user's functions in a class, and the values that code may read."""
        every = not _DYNAMIC.isdisjoint(named)
        found: dict[str, Any] = {}
        for base in self._bases[kind]:
            for name, part in list(vars(base).items()):
                if isinstance(part, _FUNCTIONS) or (name[:2] != "__" and (every or name in named)):
                    found.setdefault(name, part)
        return [(name, part) for name, part in found.items() if of_class(kind, name) is part]


def content_of(value: Any) -> tuple[Any, Any] | None:
    """(What copies a container's content, that copy), where it has no places."""
    if isinstance(value, set):
        return frozenset, frozenset(value)
    if isinstance(value, (bytearray, array.array)):
        return bytes, bytes(value)
    return None


def behind(value: Any) -> list[Any] | None:
    """What an object that is no plain container leads to; None for others."""
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, weakref.ref):
        return [value()]
    if isinstance(value, types.MappingProxyType):
        return gc.get_referents(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, types.BuiltinFunctionType):
        owner = value.__self__
        return [] if owner is None or isinstance(owner, types.ModuleType) else [owner]
    return None


def sequence_with_places(value: Any) -> bool:
    """Whether a sequence may get other items."""
    return isinstance(value, (list, collections.deque))


def hooks_of(tensors: list[Tensor], changes: Changes) -> tuple[int, ...]:
    """The ids of the hooks on the gradients of these tensors."""
    if not changes:  # no tensor ever had one
        return ()
    tables = [table for x in tensors for table in (x._hooks, x._post_accumulate_hooks) if table]
    return tuple(number for table in tables for number in table)


def has_own_items(kind: type) -> bool:
    """Whether a class of dictionaries gives something else for a key than it keeps."""
    return kind.__getitem__ is not dict.__getitem__


def replaces_method(owner: Any, name: str, value: Any) -> bool:
    """Whether a library's function stands in a method's place, as a schedule's does in `step`'s."""
    library = isinstance(value, types.FunctionType) and not own_code(value)
    return library and any(name in vars(kind) for kind in type(owner).__mro__)
