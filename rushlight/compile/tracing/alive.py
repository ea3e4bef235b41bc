"""All objects of some classes that live now, and which of them are new.

`gc.get_objects()` holds a reference to everything for as long as its list lives. Were another
thread to run meanwhile, it could find a tuple that it is just filling shared, which the interpreter
takes for an error. So the list is made, looked through and given up within one call of C code,
while other threads do not ask for their turn.

The collector can set aside all that it watches (`gc.freeze`), in no time. What it lists afterwards
was made afterwards: so a trace need not look through everything to tell old tensors from new.
"""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import chain, zip_longest
from operator import itemgetter
from sys import getrefcount
from typing import Any

from ...core.references import LISTED

_LOCK = threading.RLock()
_OF_TAPES = frozenset((tuple, list))
_LOOKS = 8  # at what is new; then as many as cost no more than to look through everything, once
_FEW = 1000  # objects: who sets any aside sets all there are
_RARELY = 16  # times fewer collections during a trace: its notes stay, and tensors make no cycles
_HARDLY = 1000  # the same while a program is made, which is half a million objects at most
_thresholds: list[int] = []  # as they were before the first that wants few collections
_wishes: list[int] = []  # how many times fewer, of each that does
_MOST = (1 << 31) - 1  # of a threshold
_marking: list[Age] = []  # who has set aside what there was: one at a time


@contextmanager
def rarely(times: int = _HARDLY) -> Iterator[None]:
    """Collect garbage so many times fewer meanwhile: what is made is kept, and makes no cycles."""
    with _LOCK:
        if not _wishes:
            _thresholds[:] = gc.get_threshold()
        _wishes.append(times)
        _heed()
    try:
        yield
    finally:
        with _LOCK:
            _wishes.remove(times)
            if not _wishes and times == _HARDLY:
                _settle()
            _heed()


def _heed() -> None:
    """Have the collector begin as late as somebody wants."""
    times = max(_wishes, default=1)
    gc.set_threshold(*(min(times * n, _MOST) for n in _thresholds))


def _settle() -> None:
    """Count what was made as old: it stays, and would be looked through at the next object.

    Where the user has set objects aside, they would come back with it: nothing is done then.
    """
    if gc.isenabled() and not _marking and not _set_aside():
        gc.freeze()
        gc.unfreeze()


def _set_aside() -> bool:
    """Whether the user has set objects aside; Python 3.12 itself begins with some hundreds."""
    return gc.get_freeze_count() > _FEW


@contextmanager
def nothing_aside() -> Iterator[None]:
    """The collector lists all objects meanwhile, also those that somebody has set aside."""
    with _LOCK:
        if _marking:  # another thread's trace
            aside = _marking[0].over()
        else:
            aside = _set_aside()
            if aside:
                gc.unfreeze()
        try:
            yield
        finally:
            if aside:
                gc.freeze()


@contextmanager
def _alone() -> Iterator[None]:
    """Other threads do not ask for their turn."""
    with _LOCK:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(5)  # seconds
        try:
            yield
        finally:
            sys.setswitchinterval(interval)


def alive(classes: Container[type]) -> list[Any]:
    """The objects whose class is one of these, and that the garbage collector lists."""
    with _alone():
        return list(_listed(classes))


def others_hold(found: list[Any]) -> bool:
    """Whether others than the listed tuples and lists, a tape's say, refer to some of these."""
    ids = {id(x) for x in found}
    with _alone():
        held = chain.from_iterable(map(gc.get_referents, _listed(_OF_TAPES)))
        known = Counter(list(filter(ids.__contains__, map(id, held))))
    counts = [getrefcount(x) - LISTED for x in found]
    return any(n > known[id(x)] - 1 for n, x in zip(counts, found))  # one holder is `found`


def _listed(classes: Container[type]) -> Iterator[Any]:
    # The list must not outlive the call, and it holds every iterator made before it. So two walks
    # over it go to their ends, where they let go of it, and between them it stands in a dictionary,
    # which the collector begins to watch, and the list to hold, only when something is put in.
    held: dict[int, Any] = {}
    first = chain.from_iterable(map(held.setdefault, (0,), map(gc.get_objects, (None,))))
    second = chain.from_iterable(map(held.pop, (0,)))
    pairs = zip_longest(map(classes.__contains__, map(type, first)), second)
    del first, second
    return map(itemgetter(1), filter(itemgetter(0), pairs))


def kinds(root: type) -> set[type]:
    """A class and everything derived from it."""
    found, stack = {root}, [root]
    while stack:
        for kind in type.__subclasses__(stack.pop()):
            if kind not in found:
                found.add(kind)
                stack.append(kind)
    return found


class Age:
    """Which objects of some classes stood when this was made, and which are new."""

    def __init__(self, classes: Container[type]) -> None:
        self.classes = classes
        self._known: dict[int, Any] | None = None  # what stood, once all had to be looked through
        self._new: dict[int, weakref.ref[Any]] = {}
        self._stood: dict[int, Any] = {}
        self._early: list[weakref.ref[Any]] = []  # what was new when all was looked through
        self._looks = self._seen = 0  # looks at what is new, and what those after `_LOOKS` saw
        self._stood_then = 0  # how many objects stood, once that was asked
        with _LOCK:
            self._marks = not _marking
            self._aside = self._marks and _set_aside()
            if self._marks:
                _marking.append(self)
                gc.freeze()
                self._rarely = rarely(_RARELY)
                self._rarely.__enter__()
            else:  # in another thread
                self._aside = _marking[0].over()
                self._known = {id(x): x for x in alive(classes)}

    def young(self) -> list[Any] | None:
        """What was made since; None where all is to be looked through."""
        with _LOCK:
            if not self._marks:
                return None
            return [*alive(self.classes), *(x for one in self._early if (x := one()) is not None)]

    def new(self, x: Any) -> bool:
        """Whether an object was made since."""
        with _LOCK:
            if self._known is None and id(x) not in self._stood and not self._noted(x):
                self._looks += 1
                if self._looks > _LOOKS and self._dear():
                    self.old()
                else:
                    self._new = {id(one): weakref.ref(one) for one in alive(self.classes)}
                    if not self._noted(x):
                        self._stood[id(x)] = x
            return self._noted(x) if self._known is None else id(x) not in self._known

    def _dear(self) -> bool:
        """Whether one more look at what is new costs more than to look through everything."""
        self._stood_then = self._stood_then or gc.get_freeze_count()
        self._seen += sum(map(len, map(gc.get_objects, (None,))))  # no list outlives the call
        return self._seen > self._stood_then

    def _noted(self, x: Any) -> bool:
        found = self._new.get(id(x))
        return found is not None and found() is x

    def old(self) -> list[Any]:
        """All that stood; from now on they are known one by one."""
        with _LOCK:
            if self._known is None:
                new = {id(x): x for x in alive(self.classes)}
                gc.unfreeze()
                self._known = {id(x): x for x in alive(self.classes) if id(x) not in new}
                gc.freeze()
                self._early = [weakref.ref(x) for x in new.values()]
            return list(self._known.values())

    def over(self) -> bool:
        """Set nothing aside any more; whether the user had, which is then the caller's to mind."""
        with _LOCK:
            self.old()
            aside, self._aside = self._aside, False
            self.end()
            return aside

    def end(self) -> None:
        """Let the collector watch everything again, but for what the user has set aside.

        Which objects those were cannot be told afterwards: all that live now go with them.
        """
        with _LOCK:
            if self._marks:
                self._marks = False
                _marking.clear()
                gc.unfreeze()
                self._rarely.__exit__(None, None, None)
            if self._aside:
                self._aside = False
                gc.collect()  # what is garbage would stay for good
                gc.freeze()
