"""Guards as words of memory: what must still stand at an address.

CPython gives every dictionary a version that changes with its content, keeps a list's length and
items at fixed places, and a cell's content in one word. Guards over such objects become loads and
comparisons, a nanosecond each. Whether the running interpreter lays things out so is tried once on
objects of our own; where it does not, guards are asked in Python.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ...core.tape import LEAF
from .guards import Place, Standing, look
from .layout import ITEMS, LENGTH, slot_of, tensors_known, word

VERSION, _CONTENT, _CLASS, _USED = 24, 16, 8, 24
_DIRECT = -1
OFTEN = 3  # changes after which an object is asked about in Python


@functools.cache
def known() -> bool:
    """Whether objects lie in memory as assumed here."""
    return tensors_known() and _dictionaries() and _cells()


class _Probe:
    def __init__(self) -> None:
        self.a = 1


def _dictionaries() -> bool:
    """Every way to change a dictionary changes its version; reading does not."""
    probe = _Probe()
    table = vars(probe)
    plain = {"a": 1, "b": 2}
    seen = [(word(id(table) + VERSION), word(id(plain) + VERSION))]
    if (word(id(table) + VERSION), word(id(plain) + VERSION)) != seen[0] or plain["a"] != 1:
        return False
    for change in (
        lambda: (setattr(probe, "a", 2), plain.__setitem__("a", 3)),
        lambda: (setattr(probe, "c", 2), plain.update(c=4)),
        lambda: (delattr(probe, "c"), plain.pop("c")),
        lambda: (table.__setitem__("a", 7), plain.clear()),
    ):
        change()
        now = (word(id(table) + VERSION), word(id(plain) + VERSION))
        if now[0] == seen[-1][0] or now[1] == seen[-1][1]:
            return False
        seen.append(now)
    for _ in range(100):  # the interpreter may specialise a store that is often run
        probe.a = _
        now = (word(id(table) + VERSION), 0)
        if now[0] == seen[-1][0]:
            return False
        seen.append(now)
    return True


def _cells() -> bool:
    content = object()

    def inner() -> Any:
        return content

    cell = inner.__closure__[0]  # type: ignore[index]  # it reads `content`
    return word(id(cell) + _CONTENT) == id(content)


@functools.cache
def _sets() -> bool:
    """Whether a set's word tells how many there are in it."""
    probe, seen = set(), []
    for change in (probe.clear, lambda: probe.update("ab"), lambda: probe.discard("a"), probe.pop):
        change()
        seen.append(word(id(probe) + _USED))
    return seen == [0, 2, 1, 0]


@functools.cache
def _version_offset() -> int | None:
    """Where a class keeps its version, which it loses when it or a base changes; None: unknown."""

    class Base:
        mark = 0

    class Kind(Base):
        pass

    def words() -> list[int]:
        return [word(id(Kind) + 8 * place) for place in range(2, 55)]

    found = set(range(2, 55))
    for change in range(4):
        for kind in (Base, Kind):
            getattr(Kind, "mark", None)
            before = words()
            kind.mark = change
            lost = words()
            getattr(Kind, "mark", None)
            after = words()
            new = {k + 2 for k, (x, y, z) in enumerate(zip(before, lost, after))
                   if x > 0 and y == 0 and z > x}  # fmt: skip
            found &= new
    return 8 * found.pop() if len(found) == 1 else None


@functools.cache
def _slot(kind: type, name: str) -> int | None:
    """Where an object keeps its class, or a function what may be exchanged; None: unknown."""
    if name == "__class__":
        return _CLASS
    return _in_functions(name) if kind is FunctionType else None


@functools.cache
def _in_functions(name: str) -> int | None:
    """Where functions keep their code or defaults: found by an exchange."""

    def probe(x: int = 0, *, y: int = 0) -> None:
        pass

    def other(x: int = 1, *, y: int = 1) -> None:
        pass

    before, after = getattr(probe, name), getattr(other, name)
    found = [k for k in range(16, 128, 8) if word(id(probe) + k) == id(before)]
    setattr(probe, name, after)
    found = [k for k in found if word(id(probe) + k) == id(after)]
    return found[0] if len(found) == 1 else None


class Words:
    """The words that places become, one per object looked into.

    Where an object changes often in ways that do not matter (a scheduler sets the learning rate in
    a dictionary of other options), its places become questions in Python: `soft[0]()`.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.rows: dict[tuple[int, int], list[Place]] = {}
        self._asked: list[Place] = []
        for place in places:
            where = _where(place)
            (self._asked if where is None else self.rows.setdefault(where, [])).append(place)
        self.memory = np.zeros(1 + 3 * len(self.rows), np.int64)
        self.memory[0] = len(self.rows)
        for index, (where, asked) in enumerate(self.rows.items()):
            self._set(index, where, _expected(asked[0], where))
        self.address: int = self.memory.ctypes.data
        self.soft: list[Any] = [self._questions() if self._asked else None]
        self._often: dict[int, int] = {}

    def _set(self, index: int, where: tuple[int, int], expected: int) -> None:
        self.memory[1 + 3 * index : 4 + 3 * index] = *where, expected

    def forget(self, table: object) -> None:
        """Ask in full about an object at the next call: it is not as it stood when places were."""
        for index, (where, asked) in enumerate(self.rows.items()):
            if asked[0].container is table:
                self._set(index, where, -1)

    def renew(self) -> None:
        """Take the present state for granted: called when all places have been asked and hold."""
        for index, (where, asked) in enumerate(self.rows.items()):
            expected = _expected(asked[0], where)
            if self.memory[3 + 3 * index] == expected or self.memory[1 + 3 * index] != where[0]:
                continue
            for place in asked:
                if place.kind == "cell" or type(place.container) is list:
                    place.expected = look(place)  # equal, perhaps another object: keep it alive
            self._set(index, where, expected)
            self._often[index] = self._often.get(index, 0) + 1
            if self._often[index] == OFTEN:
                self._soften(index, asked)

    def _soften(self, index: int, asked: list[Place]) -> None:
        self._set(index, (self.memory.ctypes.data, _DIRECT), int(self.memory[0]))
        self._asked += asked
        self.soft[0] = self._questions()

    def _questions(self) -> Any:
        return Standing(self._asked, 0).holds


def _where(place: Place) -> tuple[int, int] | None:
    """The address of a place's word, and the offset behind the pointer there (or none).

    None for a place that has no word, and is asked about in Python.
    """
    if place.kind == "slot":
        offset = _slot(type(place.container), place.key)
        return None if offset is None else (id(place.container) + offset, _DIRECT)
    address = id(place.container)
    kind = type(place.container)
    if kind is list and place.kind == "like":  # nobody keeps what stood there alive
        return None
    if isinstance(place.container, dict):
        return address + VERSION, _DIRECT
    if kind is list and place.kind == "length":
        return address + LENGTH, _DIRECT
    if kind is list:
        return address + ITEMS, 8 * place.key
    if place.kind == "cell":
        return address + _CONTENT, _DIRECT
    if _was_empty(place) and _sets():
        return address + _USED, _DIRECT
    if place.kind == "leaf":
        return address + (slot_of("_entry") or 0), _DIRECT
    offset = _version_offset()
    if isinstance(place.container, type) and offset is not None:
        return address + offset, _DIRECT
    return None


def _was_empty(place: Place) -> bool:
    """Whether it is a set in which nothing was."""
    return place.kind == "content" and place.key is frozenset and not place.expected


def _expected(place: Place, where: tuple[int, int]) -> int:
    if place.kind == "leaf" and place.expected:
        return id(LEAF)
    if _was_empty(place):
        return 0
    base, offset = where
    if isinstance(place.container, type):
        getattr(place.container, "__doc__", None)  # who is asked gets a version
        return word(base) or -1
    return word(base) if offset == _DIRECT else word(word(base) + offset)
