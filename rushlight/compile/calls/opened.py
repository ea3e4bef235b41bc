"""Batches that are objects: which of a call's arguments are taken apart, and how.

A dataclass, a `UserDict`, a subclass of dict or list, any object of a class written in Python
keeps what it has in items, attributes and slots. If those are tensors and plain values, it is a
batch: the next call may bring another one. What holds parameters, layers or optimizers is state,
the same object at every call. So is an object that a call changes, or whose numbers are changed
between calls: it is taken for a batch until then. An object without tensors is a batch's only
where another one of its class has stood in its place.
"""

from __future__ import annotations

import enum
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core.inference import InferenceTensor
from ...core.names import home
from ...core.tape import LEAF
from ...core.tensor import Tensor
from .guards import ABSENT, of_class, same

_PACKAGE = __name__.split(".")[0]
_WORD = 8  # bytes that a slot takes
_MADE = 1 << 9  # a flag of classes that are made at run time
_ACTS = frozenset(("__next__", "__getattribute__", "forward"))  # not of batches
_PLAIN = (dict, list, OrderedDict)  # taken apart whatever they hold
_ITEMS = (OrderedDict, defaultdict, dict, list)
_ROOTS = frozenset((*_ITEMS, types.SimpleNamespace, object))
_TABLES = (types.GetSetDescriptorType, types.MemberDescriptorType)
_MOST = 8  # objects that are remembered without weak references


class Layout(NamedTuple):
    """Where the objects of a class keep what they have."""

    base: type  # what keeps their items; object: they have none
    table: bool  # whether they have attributes
    slots: tuple[Any, ...]  # the descriptors

    def keys(self, x: Any) -> Any:
        """What tells two contents apart: keys and names in order, or a length."""
        base: Any = self.base
        items = None
        if base is list:
            items = list.__len__(x)
        elif base is not object:
            items = [*base.keys(x)]
        return items, [*x.__dict__] if self.table else None

    def parts(self, x: Any) -> list[Any]:
        """What an object holds, in the order of its keys."""
        base: Any = self.base
        found: list[Any] = []
        if base is list:
            found += list.__iter__(x)
        elif base is not object:
            found += base.values(x)
        if base is defaultdict:
            found.append(x.default_factory)
        if self.table:
            found += x.__dict__.values()
        return found + [in_slot(member, x) for member in self.slots]

    def made(self, kind: type, keys: Any, parts: list[Any]) -> Any:
        """An object of a class with these keys and parts, made as a copy is: no code of it runs."""
        base: Any = self.base
        root = types.SimpleNamespace if issubclass(kind, types.SimpleNamespace) else base
        made, (items, names), rest = root.__new__(kind), keys, iter(parts)
        if isinstance(made, list):
            list.extend(made, [next(rest) for _ in range(items)])
        elif items is not None:
            for key in items:
                base.__setitem__(made, key, next(rest))
        if isinstance(made, defaultdict):
            made.default_factory = next(rest)
        if self.table:
            made.__dict__.update([(name, next(rest)) for name in names])
        for member, part in zip(self.slots, rest):
            if part is not ABSENT:
                member.__set__(made, part)
        return made


def in_slot(member: Any, x: Any) -> Any:
    """What stands in an object's slot."""
    try:
        return member.__get__(x)
    except AttributeError:
        return ABSENT


_LAYOUTS: weakref.WeakKeyDictionary[type, Layout | None] = weakref.WeakKeyDictionary()


def layout(kind: type) -> Layout | None:
    """The layout of a class whose objects keep in sight all they have; None for others."""
    try:
        return _LAYOUTS[kind]
    except KeyError:
        found = _LAYOUTS[kind] = _layout(kind)
        return found


def _layout(kind: type) -> Layout | None:
    if kind in _PLAIN or kind is object or issubclass(kind, (enum.Enum, type)):
        return None
    if not all(one in _ROOTS or _is_open(one) for one in kind.__mro__):
        return None
    if of_class(kind, "__call__") is not ABSENT and of_class(kind, "__iter__") is ABSENT:
        return None  # a function, with what it goes by
    table = kind.__dictoffset__ != 0
    if table and type(of_class(kind, "__dict__")) not in _TABLES:
        return None
    slots = [
        part for one in kind.__mro__ if one not in _ROOTS
        for part in vars(one).values() if type(part) is types.MemberDescriptorType
    ]  # fmt: skip
    base = next((one for one in _ITEMS if issubclass(kind, one)), object)
    return Layout(base, table, tuple(slots))


def _is_open(kind: type) -> bool:
    """Whether a class, apart from its bases, was written in Python and keeps no secrets."""
    held, above = vars(kind), kind.__base__
    if above is None or not kind.__flags__ & _MADE:
        return False
    if home(kind).split(".")[0] == _PACKAGE or not _ACTS.isdisjoint(held):
        return False
    slots = sum(type(part) is types.MemberDescriptorType for part in held.values())
    slots += ("__dict__" in held) + ("__weakref__" in held)
    return kind.__basicsize__ - above.__basicsize__ <= _WORD * slots


class _States:
    """Objects that could be batches and are the state of some call."""

    def __init__(self) -> None:
        self._weakly: dict[int, weakref.ref[Any]] = {}
        self._others: deque[Any] = deque(maxlen=_MOST)
        self._seen = threading.local()
        self.anew: weakref.WeakSet[type] = weakref.WeakSet()  # whose objects are others each time

    def __contains__(self, x: Any) -> bool:
        ref = self._weakly.get(id(x))
        return (ref is not None and ref() is x) or any(x is one for one in self._others)

    def add(self, x: Any, lasting: bool = True) -> None:
        """From now on an object is state; if not `lasting`, only where nobody keeps it for that."""
        key = id(x)
        try:
            self._weakly[key] = weakref.ref(x, lambda _: self._weakly.pop(key, None))
        except TypeError:
            if lasting and x not in self:
                self._others.append(x)

    def notice(self, x: Any) -> None:
        """An object is to be state, or a class to be of batches (see `settle`)."""
        self._seen.__dict__.setdefault("found", []).append(x)

    def settle(self) -> None:
        """Take what this thread noticed for granted: called by one at a time, before a trace."""
        for x in self._seen.__dict__.pop("found", ()):
            if isinstance(x, type):
                self.anew.add(x)
            else:
                self.add(x)


STATES = _States()


def opened(x: Any, above: tuple[Any, ...]) -> Layout | None:
    """The layout of an object that is taken apart.

    `above` are the objects that hold it, of which the first was found to be a batch.
    """
    found = layout(type(x))
    return found if found is not None and (above or _is_batch(x)) else None


def plain_parts(x: Any) -> Any:
    """What a container of Python's own holds; None for others."""
    kind = type(x)
    if kind is dict or kind is OrderedDict:
        return x.values()
    if kind is tuple or kind is list or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return x
    return None


def _is_batch(x: Any) -> bool:
    """Whether an object holds tensors, and nothing that is state, however deep."""
    stack, met, found = [x], set[int](), type(x) in STATES.anew
    while stack:
        part = stack.pop()
        if isinstance(part, Tensor):
            if type(part) not in (Tensor, InferenceTensor) or part._entry is LEAF:
                return False
            found = True
            continue
        parts, how = plain_parts(part), layout(type(part))
        if how is not None:
            if part in STATES:
                return False
            parts = how.parts(part)
        if parts is None:
            if _is_state(part):
                return False
            continue
        if how is not None or type(part) in _PLAIN:
            if id(part) in met:  # in two places: which of them it is would count
                return False
            met.add(id(part))
        stack += parts
    return found


def _is_state(x: Any) -> bool:
    """Whether it is a layer, an optimizer or the like."""
    kind = type(x)
    return hasattr(kind, "forward") or (
        isinstance(getattr(x, "__dict__", None), dict)
        and not isinstance(x, (type, types.ModuleType, types.FunctionType, enum.Enum))
        and any(home(one).split(".")[0] == _PACKAGE for one in kind.__mro__)
    )


def met(x: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Tensors and containers among arguments, those that hold others first.

    Each with the objects taken apart that it stands in.
    """
    if isinstance(x, Tensor):
        yield x, above
        return
    parts = plain_parts(x)
    inside = above
    if parts is None:
        how = opened(x, above)
        if how is None:
            return
        parts, inside = how.parts(x), (*above, x)
    yield x, above
    for part in parts:
        yield from met(part, inside)


def outline(x: Any) -> str:
    """Which of the arguments are taken apart, as a text."""
    return " ".join(f"{len(above)}{type(one).__qualname__}" for one, above in met(x))


class Above(NamedTuple):
    """A weak reference to one of the objects that hold it."""

    place: int  # among those


class Opened:
    """The form of an object that is taken apart: its class, its keys, the forms of its parts."""

    __slots__ = ("first", "how", "keys", "kind", "parts")

    def __init__(self, x: Any, how: Layout, parts: list[Any]) -> None:
        self.kind, self.how, self.keys, self.parts = type(x), how, how.keys(x), parts
        self.first: Any = None
        if self.kind.__weakrefoffset__:
            self.first = weakref.ref(x)

    def has_form(self, x: Any) -> bool:
        """Whether an object is of the class and has the same keys."""
        return type(x) is self.kind and self.how.keys(x) == self.keys and x not in STATES

    def counts(self, x: Any) -> bool:
        """Whether it is the very object, with other numbers: state, then."""
        return (
            self.first is not None and self.first() is x
            and any(
                type(part) is type(old) and type(old) in (int, float) and not same(part, old)
                for part, old in zip(self.how.parts(x), self.parts)
            )
        )  # fmt: skip

    def __repr__(self) -> str:
        (items, names), rest = self.keys, [member.__name__ for member in self.how.slots]
        if self.how.base is defaultdict:
            names = ["default_factory", *(names or ())]
        items = [""] * items if isinstance(items, int) else items or []
        heads = [*(f"{key!r}: " if key != "" else "" for key in items)]
        heads += [f"{name}=" for name in (*(names or ()), *rest)]
        pairs = [pair for pair in zip(heads, self.parts) if pair[1] is not ABSENT]
        inside = ", ".join(f"{head}{part!r}" for head, part in pairs)
        return f"{self.kind.__name__}({inside})"


class Before:
    """What an object among the arguments, or a container in it, held before a call."""

    def __init__(self, x: Any, above: tuple[Any, ...]) -> None:
        self._whole = above[0] if above else x
        self._held = content(x)

    def __call__(self, x: Any) -> bool:
        """Whether it holds the same; what a call changes is state at the next one."""
        (keys, parts), (now, found) = self._held, content(x)
        alike = keys == now and len(parts) == len(found) and all(map(same, found, parts))
        if not alike or any(map(_is_written, parts)):
            STATES.add(self._whole, lasting=not alike)
        return alike


def content(x: Any) -> tuple[Any, list[Any]]:
    """The keys and the parts of a container, or of an object that can be taken apart."""
    parts = plain_parts(x)
    if parts is not None:
        return [*x] if isinstance(x, dict) else None, [*parts]
    how = layout(type(x))
    return (None, []) if how is None else (how.keys(x), how.parts(x))


def _is_written(x: Any) -> bool:
    """Whether the trace that is ending has written a tensor."""
    cell = getattr(x._array, "cell", None) if isinstance(x, Tensor) else None
    return cell is not None and cell.version > 0
