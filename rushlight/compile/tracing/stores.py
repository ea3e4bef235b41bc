"""What a call stores in objects that stood before it: attributes and items that programs set again.

A layer that keeps its attention weights, or replaces its moving mean, gives an attribute a new
tensor at every call; a hook that taps features gives one to a dict. Such a store is an effect of
the program; where the call read the tensor that stood there, the program reads whatever stands
there then. Everything else that a call changes in Python objects is state that a program cannot
repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.tape import LEAF
from ...core.tensor import Tensor
from ..calls.guards import SCALARS, Place, form, same
from .sources import Held

SKIPPED = frozenset("_plans _usual_call _unseen_containers _compiled_call_impl _call".split())
_NONE: Any = object()


class Store:
    """An attribute, or item, that is another object than before the call, and what stood there."""

    __slots__ = ("key", "old", "path", "table")

    def __init__(self, table: dict[str, Any], key: str, old: Any, path: str) -> None:
        self.table, self.key, self.old, self.path = table, key, old, path

    @property
    def value(self) -> Any:
        """What stands there now."""
        return self.table.get(self.key, _NONE)

    @property
    def replaces(self) -> bool:
        """Whether a tensor, or a container, makes way: nobody tells those apart."""
        return type(self.old) in (Tensor, list, tuple, dict)


class Tables:
    """Tables of attributes, and dicts, as they stood before the call."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[dict[str, Any], dict[str, Any], str, bool]] = {}
        self._tensors: list[tuple[dict[str, Any], dict[str, Any], str]] = []
        self._names: list[Store] = []

    def note(self, table: Any, path: str, items: bool = False) -> None:
        """All of a table counts from now on; of a dict, what has a name."""
        if type(table) is dict and id(table) not in self._known:
            self._known[id(table)] = table, dict(table), path, items

    def of_tensor(self, table: dict[str, Any], path: str) -> None:
        """What somebody has set on a tensor; names that begin with _ are the package's own."""
        self._tensors.append((table, {k: x for k, x in table.items() if k[0] != "_"}, path))

    def name(self, space: dict[str, Any], name: str) -> None:
        """One name of a module."""
        self._names.append(Store(space, name, space.get(name, _NONE), name))

    def changed(self) -> list[Store]:
        """The stores of the call."""
        found = [store for store in self._names if not _alike(store.value, store.old)]
        tensors = [(table, {**_hidden(table), **seen}, path, False)
                   for table, seen, path in self._tensors]  # fmt: skip
        for table, before, path, items in (*self._known.values(), *tensors):
            names = [key for key in {**table, **before} if type(key) is str and key not in SKIPPED]
            for key in names:
                old = before.get(key, _NONE)
                if not _alike(table.get(key, _NONE), old):
                    attribute = f"{path}.{key}" if path else key
                    found.append(Store(table, key, old, f"{path}[{key!r}]" if items else attribute))
        return found


def _hidden(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key[0] == "_"}


def _alike(value: Any, old: Any) -> bool:
    return value is old or same(value, old)


def repeatable(tracer: Any, stores: list[Store], places: list[Place]) -> str | None:
    """Make the stores effects of the program; the path of one that cannot be."""
    held = [id(store.old) for store in stores if store.replaces]
    for store in stores:
        if not _new(tracer, store) or held.count(id(store.old)) > 1:
            return store.path
        if store.replaces and not _reads(tracer, store, places):
            return store.path
    tracer.replaced.update(held)
    return None


def _new(tracer: Any, store: Store) -> bool:
    """Whether the value is of the kind that the next call makes too."""
    value = store.value
    if isinstance(value, SCALARS):
        return store.old is _NONE
    parts = list(_leaves(value))
    tensors = [x for x in parts if type(x) is Tensor and not tracer.stood(x)]
    return bool(tensors) and all(isinstance(x, (Tensor, *SCALARS)) for x in parts)


def _leaves(value: Any) -> Iterator[Any]:
    if type(value) in (list, tuple, dict):
        for part in value.values() if type(value) is dict else value:
            yield from _leaves(part)
    else:
        yield value


def _reads(tracer: Any, store: Store, places: Iterable[Place]) -> bool:
    """Let what was read of the old tensor be read of whatever stands there at the next call."""
    old = {id(x) for x in _leaves(store.old) if isinstance(x, Tensor)}
    sources = [x for x in tracer.sources if x.kind == "tensor" and id(x.tensor) in old]
    counts = [x for x in tracer.gradients.values() if id(x[0]) in old]
    if not sources and not counts:
        return True
    if type(store.old) is not Tensor or not _is_simple(store.old):
        return False
    here = id(store.table), store.key
    if any(x.expected is store.old and (id(x.container), x.key) != here for x in places):
        return False  # it may have been read elsewhere
    for source in sources:
        source.kind, source.owner, source.key = "item", store.table, store.key
    held = tracer.held[id(store.old)] = Held(store.table, store.key)
    for source in tracer.sources:
        if source.kind == "gradient" and source.owner is store.old:
            source.owner = held
    return True


def _is_simple(x: Tensor) -> bool:
    """Whether a tensor is no result of ops, and nobody looks on as it gets a gradient."""
    return x._entry is None or (x._entry is LEAF and not (x._hooks or x._post_accumulate_hooks))


def guarded(places: list[Place], stores: list[Store]) -> list[Place]:
    """The guards: of tensors that make way only the form is taken for granted."""
    gone = {(id(store.table), store.key) for store in stores if store.replaces}
    old = {id(store.old) for store in stores if type(store.old) is Tensor}
    places = [x for x in places if id(x.container) not in old]
    forms = [
        Place("like", store.table, store.key, form(store.old), store.path)
        for store in stores
        if type(store.old) is Tensor
    ]
    return [x for x in places if (id(x.container), x.key) not in gone] + forms
