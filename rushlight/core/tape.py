"""The tape: what one recorded operation is, the clock that orders them, and who wrote where.

An entry is a plain list with the fixed layout below: it holds raw arrays and its parents' entries,
never the tensors in between, so there are no cycles and a graph dies with its last reference. A
parent is another entry, a leaf Tensor that wants its gradient, or None.

Versions need no counter at record time. Entries and in-place writes draw from one clock, so "was
this array written after the entry kept it?" is a comparison of two integers at backward.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections import deque
from typing import Any

import numpy as np

PRIM, PARENTS, INPUTS, OUTPUT, PARAMS, SHAPE, ORDER, HOOKS = range(8)

Entry = list[Any]
tick = itertools.count(1).__next__


class _Mark:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


LEAF: Any = _Mark("LEAF")  # stands in Tensor._entry of a leaf that requires grad
FREED: Any = _Mark("FREED")  # stands in an entry whose saved arrays were given back


class EntryHooks:
    """What hangs on one entry: tensor hooks, retained gradients, node hooks, the Python node."""

    __slots__ = ("line", "metadata", "module", "node", "packed", "post", "pre", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, dict[int, Any]] = {}
        self.retain: dict[int, Any] = {}
        self.pre: dict[int, Any] = {}
        self.post: dict[int, Any] = {}
        self.node: Any = None  # a weak reference, so that asking for the node closes no cycle
        self.metadata: dict[Any, Any] = {}
        self.line: str | None = None
        self.module: str | None = None  # the path of the layer that made the entry
        self.packed = False  # whether saved arrays went through the user's hooks

    def used(self) -> bool:
        """Whether somebody hung something on the entry, or looked at it."""
        found = self.retain or self.pre or self.post or self.metadata or self.line or self.node
        return bool(self.tensor or found)


def hooks_of(entry: Entry) -> EntryHooks:
    """The entry's hooks, made on first use."""
    if entry[HOOKS] is None:
        entry[HOOKS] = EntryHooks()
    return entry[HOOKS]


class Clock:
    """Counts the runs of a program that writes several memories each time."""

    __slots__ = ("runs", "stamps")

    def __init__(self) -> None:
        self.runs = 0
        self.stamps: deque[int] = deque(maxlen=2 * _KEPT_STAMPS)

    LINE = "last_write[0] = at = tick(); stamp(at); clock.runs += 1"

    def names(self) -> dict[str, Any]:
        """What `LINE` calls by name: in generated code it is one more write to these memories."""
        return {"tick": tick, "last_write": last_write, "clock": self, "stamp": self.stamps.append}


class _Writes:
    __slots__ = ("clocks", "count", "lines", "owner", "quiet", "shared", "stamps", "writer")

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.count = self.quiet = 0  # writes, those that are no versions apart
        self.shared = False  # whether others may write without anybody noticing
        self.clocks: list[tuple[Clock, int]] = []
        self.stamps: list[int] = []
        self.lines: list[str] = []
        self.writer = ""


_KEPT_STAMPS = 64
FOLLOWED = 1 << 6  # bytes from which it is known whether others may write to some memory
_BETWEEN: Any = type(np.lib.stride_tricks.as_strided(np.empty(1)).base)  # it and its source
_writes: dict[int, _Writes] = {}
last_write = [0]


def owner_of(array: np.ndarray) -> Any:
    """The object that owns the memory (NumPy collapses chains of views to it)."""
    base: Any = array.base
    while (type(base) is np.ndarray and base.base is not None) or type(base) in _LINKS:
        base = base.base
    return array if base is None else base


class Lent:
    """Stands between a view that came from outside and the tensor over it."""

    def __init__(self, view: np.ndarray) -> None:
        self.base, self.__array_interface__ = view, view.__array_interface__


def lent(array: np.ndarray) -> np.ndarray:
    """The array as a tensor's storage, which begins and ends where the array does."""
    if array.base is None:
        return array
    owner = owner_of(array)
    if type(owner) is np.ndarray and owner.nbytes == array.nbytes:
        return array
    return np.asarray(Lent(array)).view(array.dtype)


def storage_of(array: np.ndarray) -> np.ndarray:
    """The array whose memory counts as the storage of a tensor over `array`."""
    base: Any = array
    while type(base.base) is np.ndarray or type(base.base) in _LINKS:
        base = base.base
        if type(base) is Lent:
            return base.base
    return base if type(base) is np.ndarray else array


_LINKS = (_BETWEEN, Lent)


def mark_written(array: Any, line: str | None = None, writer: str = "") -> None:
    """Record that memory of `array` was overwritten; every view of it counts as written."""
    if type(array) is not np.ndarray:  # another array class: over memory of its own, or over none
        array = getattr(array, "memory", None)
        if type(array) is not np.ndarray:
            return
    owner = array if array.base is None else owner_of(array)
    found = _writes.get(id(owner)) or _noted(owner)
    now = tick()
    found.count += 1
    if writer:
        found.writer = writer
    found.stamps.append(now)
    if len(found.stamps) > 2 * _KEPT_STAMPS:
        del found.stamps[:_KEPT_STAMPS]
    if line is not None:
        found.lines = [*found.lines[-3:], line]
    last_write[0] = now


def _noted(owner: Any) -> _Writes:
    """What is known of the writes to some memory."""
    key = id(owner)
    found = _writes.get(key)
    if found is None:
        try:
            keep: Any = weakref.ref(owner, lambda _, key=key: _writes.pop(key, None))
        except TypeError:
            keep = owner
        found = _writes[key] = _Writes(keep)
    return found


def mark_quietly(array: Any) -> None:
    """Record a write that counts as no version, as torch has it for those through `.data`."""
    if type(array) is np.ndarray:
        _noted(owner_of(array)).quiet += 1
        last_write[0] = tick()


def hand_out(array: Any) -> Any:
    """Give memory away, or take it in: from now on others may write to it."""
    if type(array) is np.ndarray:
        owner = array if array.base is None else owner_of(array)
        if type(owner) is np.ndarray and owner.nbytes >= FOLLOWED:
            found = _writes.get(id(owner)) or _noted(owner)
            if not found.shared:
                found.shared = True
                last_write[0] = tick()
    return array


def writes(array: np.ndarray) -> int | None:
    """How often the memory of an array was written; None where nobody can know."""
    owner = owner_of(array)
    if type(owner) is not np.ndarray or not owner.flags.owndata or owner.nbytes < FOLLOWED:
        return None
    found = _writes.get(id(owner))
    if found is None:
        return 0
    return None if found.shared else _count(found) + found.quiet


def follow(array: np.ndarray, clock: Clock) -> None:
    """Let each run of a program count as a write to the memory of `array`."""
    mark_written(array)
    found = _writes[id(owner_of(array))]
    if all(one is not clock for one, _ in found.clocks):
        found.clocks.append((clock, clock.runs))


def version(array: np.ndarray) -> int:
    """How often the memory behind `array` has been written in place."""
    found = _writes.get(id(owner_of(array)))
    return 0 if found is None else _count(found)


def _count(found: _Writes) -> int:
    return found.count + sum(clock.runs - start for clock, start in found.clocks)


def written_since(array: np.ndarray, order: int) -> tuple[int, int, list[str], str] | None:
    """(version now, version then, lines that wrote, last op) if written after clock `order`."""
    found = _writes.get(id(owner_of(array)))
    if found is None or not (found.clocks or (found.stamps and found.stamps[-1] > order)):
        return None
    stamps = list(found.stamps)
    for clock, _ in found.clocks:
        stamps += clock.stamps
    later = sum(stamp > order for stamp in stamps)
    if not later:
        return None
    count = _count(found)
    return count, max(count - later, 0), found.lines, found.writer


def shape_of(parent: Any) -> tuple[int, ...]:
    """The shape of the value that a parent stands for."""
    return parent[SHAPE] if type(parent) is list else parent._array.shape


_ZERO = bytes(16)


@functools.lru_cache(256)
def nothing(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros that take no memory, and so cannot be written: of an output that nobody used."""
    return np.ndarray(shape, dtype, _ZERO, 0, (0,) * len(shape))


def no_gradient(g: np.ndarray) -> bool:
    """Whether a gradient is `nothing`, so that a rule may leave out what it would add."""
    return g.base is _ZERO


class Ghost:
    """Stands in a rule for an input it may ask only the shape of."""

    __slots__ = ("shape",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    @property
    def ndim(self) -> int:
        return len(self.shape)


def ghosts(entry: Entry) -> tuple[Ghost | None, ...]:
    """A shape-only stand-in for every input of the entry that has a parent."""
    return tuple(None if p is None else Ghost(shape_of(p)) for p in entry[PARENTS])
