"""What a call stores in objects that stood before it: attributes and items that programs set again.

A layer that keeps its attention weights, or replaces its moving mean, gives an attribute a new
tensor at every call; a hook that taps features gives one to a dict. Such a store is an effect of
the program; where the call read the tensor that stood there, the program reads whatever stands
there then. Everything else that a call changes in Python objects is state that a program cannot
repeat.
"""

from __future__ import annotations

import operator
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ...core.tape import LEAF
from ...core.tensor import Tensor
from ..calls.guards import SCALARS, Place, forms, same
from .numbers import Number
from .said import Fixed
from .sources import Held, Inside, Variable
from .written import Text

SKIPPED = frozenset("_plans _usual_call _unseen_containers _compiled_call_impl _call".split())
_NONE: Any = object()
_CONTAINERS = (list, tuple, dict, OrderedDict)
_MOST = 4  # objects that change places: a program is made for each arrangement
_ASKED = frozenset(("item", "attribute", "cell"))  # kinds of places whose content is compared
_FLAGS = (bool, str, type(None))  # what a constant may be that makes way for another


class Store:
    """A place that holds another object than before the call, and what stood there.

    An attribute, an item of a dict or of a list, or with no key the variable of an enclosing
    function.
    """

    __slots__ = ("exchanges", "key", "old", "path", "table", "takes")

    def __init__(self, table: Any, key: str | int | None, old: Any, path: str) -> None:
        self.table, self.key, self.old, self.path = table, key, old, path
        self.exchanges = False  # whether what it gets stood in another one's place
        self.takes: Held | None = None  # where that stood, if others will stand there

    @property
    def holder(self) -> Any:
        """What has the place as an item."""
        return Variable(self.table) if self.key is None else self.table

    @property
    def value(self) -> Any:
        """What stands there now."""
        if type(self.key) is int:
            return self.table[self.key]
        return _content(self.table) if self.key is None else self.table.get(self.key, _NONE)

    @property
    def given(self) -> Any:
        """What the program puts there: what was made, or the object that stood somewhere."""
        if self.exchanges:
            return Fixed(self.value)
        return self.value if self.takes is None else self.takes

    @property
    def writes(self) -> bool:
        """Whether it gets a text into which numbers of later are written."""
        return type(self.value) is Text and (self.old is _NONE or isinstance(self.old, SCALARS))

    @property
    def replaces(self) -> bool:
        """Whether a tensor, or a container, makes way: nobody tells those apart."""
        return not self.exchanges and type(self.old) in (Tensor, *_CONTAINERS)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _NONE


class Tables:
    """Tables of attributes, and dicts, as they stood before the call."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[dict[str, Any], dict[str, Any], str, bool]] = {}
        self._tensors: list[tuple[dict[str, Any], dict[str, Any], str]] = []
        self._names: list[Store] = []
        self._lists: dict[int, tuple[list[Any], list[Any], str]] = {}

    def note(self, table: Any, path: str, items: bool = False) -> None:
        """All of a table counts from now on; of a dict, what has a name."""
        if type(table) is dict and id(table) not in self._known:
            self._known[id(table)] = table, dict(table), path, items

    def knows(self, owner: Any) -> bool:
        """Whether all attributes of an object count."""
        return id(getattr(owner, "__dict__", None)) in self._known

    def sequence(self, items: Any, path: str) -> None:
        """The items of a list count from now on."""
        if type(items) is list:
            self._lists.setdefault(id(items), (items, list(items), path))

    def of_tensor(self, table: dict[str, Any], path: str) -> None:
        """What somebody has set on a tensor; names that begin with _ are the package's own."""
        self._tensors.append((table, {k: x for k, x in table.items() if k[0] != "_"}, path))

    def name(self, space: dict[str, Any], name: str) -> None:
        """One name of a module."""
        self._names.append(Store(space, name, space.get(name, _NONE), name))

    def variable(self, cell: Any, name: str) -> None:
        """One variable of an enclosing function."""
        self._names.append(Store(cell, None, _content(cell), name))

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
        for now, stood, path in self._lists.values():
            if len(now) == len(stood) and any(map(operator.is_not, now, stood)):
                found += [
                    Store(now, k, old, f"{path}[{k}]")
                    for k, old in enumerate(stood) if not _alike(now[k], old)
                ]  # fmt: skip
        return found


def _hidden(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key[0] == "_"}


def _alike(value: Any, old: Any) -> bool:
    return value is old or same(value, old)


def repeatable(tracer: Any, stores: list[Store], reach: Any) -> str | None:
    """Make the stores effects of the program; the path of one that cannot be."""
    stores = _made_anew(tracer, stores, reach)
    whole = Counter([id(store.old) for store in stores if store.replaces])
    parts = [part for store in stores if store.replaces for part in _parts(store)]
    held = Counter([id(part.value) for part in parts])
    for store in stores:
        if store.writes and not _may_read(store, reach):
            continue
        elsewhere = whole[id(store.old)] > 1 and not _is_unread(tracer, store.old)
        elsewhere = elsewhere or id(store.old) in tracer.exchanges
        if elsewhere or not _new(tracer, store) or id(store.table) in held:
            return store.path
        if store.replaces and not _reads(tracer, store, reach, held):
            return store.path
        if store.replaces and _is_private(store.value) and _may_read(store, reach):
            return store.path
    tracer.replaced.update(held)
    return None


def _is_unread(tracer: Any, old: Any) -> bool:
    """Whether a tensor makes way of which the call took nothing, so that its places do not count.

    Two layers that keep one activation, the outer one as what the last of its parts gave.
    """
    if type(old) is not Tensor:
        return False
    read = any(x.kind == "tensor" and x.tensor is old for x in tracer.sources)
    return not read and all(x[0] is not old for x in tracer.gradients.values())


def _made_anew(tracer: Any, stores: list[Store], reach: Any) -> list[Store]:
    """The stores but for exchanges, told which of them get what another one takes away."""
    for store in _exchanges(stores, reach):
        store.exchanges = True
        tracer.exchanges.update((id(store.old), id(store.value)))
    stores = [store for store in stores if not store.exchanges]
    leaving = {id(x.old): Held(x.holder, x.key) for x in stores if type(x.old) is Tensor}
    for store in stores:
        store.takes = leaving.get(id(store.value)) if type(store.value) is Tensor else None
    return stores


def _exchanges(stores: list[Store], reach: Any) -> list[Store]:
    """The stores that give each other what stood in their places: `a, b = b, a`.

    Programs are for the objects that stood there, of which each call finds the next arrangement.
    """
    found = [x for x in stores if not isinstance(x.old, SCALARS) and x.old is not _NONE]
    while True:  # until what stood in these places is what stands there now
        old = Counter([id(x.old) for x in found])
        new = Counter([id(x.value) for x in found])
        rest = [x for x in found if new[id(x.old)] == 1 == old[id(x.value)]]
        if len(rest) == len(found):
            break
        found = rest
    places = {(id(x.container), x.key): x for x in reach.places if x.kind in _ASKED}
    known = [places.get((id(x.table), x.key)) for x in found]
    sure = all(place is not None and place.expected is x.old for place, x in zip(known, found))
    return found if sure and len(found) <= _MOST else []


def _new(tracer: Any, store: Store) -> bool:
    """Whether the value is of the kind that the next call makes too."""
    value = store.value
    if store.takes is not None:  # a state makes way, and is kept as the last one
        return True
    if isinstance(value, SCALARS):
        flag = type(value) in _FLAGS and isinstance(store.old, (*_FLAGS, Tensor))
        return store.old is _NONE or flag
    parts = list(_leaves(value))
    made = [x for x in parts if _is_noted(x) or (type(x) is Tensor and not tracer.stood(x))]
    return bool(made) and all(isinstance(x, (Tensor, *SCALARS)) for x in parts)


def _is_private(value: Any) -> bool:
    """Whether no guard could say what is to be found there."""
    return type(value) is OrderedDict or any(map(_is_noted, _leaves(value)))


def _is_noted(x: Any) -> bool:
    return type(x) is Number or type(x) is Text


def _leaves(value: Any) -> Iterator[Any]:
    if type(value) in _CONTAINERS:
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)
    else:
        yield value


class _Part(NamedTuple):
    """A tensor, or a container, of what stood at a place: where it is to be found there."""

    value: Any
    holder: Any
    key: Any
    loose: int  # in how many tuples it stands there


def _parts(store: Store) -> list[_Part]:
    found: list[_Part] = []

    def visit(value: Any, keys: Sequence[Any], loose: int) -> None:
        if not isinstance(value, Tensor) and type(value) not in _CONTAINERS:
            return
        holder = Inside(store.holder, keys[:-1]) if len(keys) > 1 else store.holder
        found.append(_Part(value, holder, keys[-1], loose))
        if not isinstance(value, Tensor):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, part in list(items):
                visit(part, (*keys, key), int(type(value) is tuple))

    visit(store.old, (store.key,), 0)
    return found


def _reads(tracer: Any, store: Store, reach: Any, held: Counter[int]) -> bool:
    """Let what was read of the old tensors be read of whatever stands there at the next call."""
    parts = {id(part.value): part for part in _parts(store)}
    old = {at: part for at, part in parts.items() if isinstance(part.value, Tensor)}
    sources = [x for x in tracer.sources if x.kind == "tensor" and id(x.tensor) in old]
    counts = [x for x in tracer.gradients.values() if id(x[0]) in old]
    known = all(isinstance(x, (Tensor, *SCALARS)) for x in _leaves(store.old))
    if not sources and not counts:
        return known or not _may_read(store, reach)
    if not all(type(part.value) is Tensor and _is_simple(part.value) for part in old.values()):
        return False
    if not known or _elsewhere(store, parts, reach) or any(held[at] > 1 for at in parts):
        return False
    for source in sources:
        part = old[id(source.tensor)]
        source.kind, source.owner, source.key = "item", part.holder, part.key
    for at, part in old.items():
        tracer.held[at] = Held(part.holder, part.key)
    for source in tracer.sources:
        if source.kind == "gradient" and id(source.owner) in old:
            source.owner = tracer.held[id(source.owner)]
    return True


def _elsewhere(store: Store, parts: dict[int, _Part], reach: Any) -> bool:
    """Whether the code may have come to some part on another way."""
    here = id(store.table), store.key
    if any(reach.loose[at] != part.loose for at, part in parts.items()):
        return True
    return any(
        id(x.expected) in parts and id(x.container) not in parts
        and (id(x.container), x.key) != here for x in reach.places
    )  # fmt: skip


def _is_simple(x: Tensor) -> bool:
    """Whether a tensor is no result of ops, and nobody looks on as it gets a gradient."""
    return x._entry is None or (x._entry is LEAF and not (x._hooks or x._post_accumulate_hooks))


def guarded(places: list[Place], stores: list[Store], reach: Any) -> list[Place]:
    """The guards: of tensors that make way only the form is taken for granted.

    So it is of the containers that they stand in, if the code may read these.
    """
    gone = {(id(x.table), x.key) for x in stores if x.replaces or x.writes}
    asked = [x for x in stores if x.replaces and (type(x.old) is Tensor or _may_read(x, reach))]
    old = {id(part.value) for store in asked for part in _parts(store)}
    places = [x for x in places if id(x.container) not in old]
    made = [Place("like", x.holder, x.key, forms(x.old), x.path) for x in asked]
    return [x for x in places if (id(x.container), x.key) not in gone] + made


def _may_read(store: Store, reach: Any) -> bool:
    """Whether the code may read what stands there; of items nobody knows."""
    return type(store.key) is int or reach.reads(store.path if store.key is None else store.key)
