"""All objects of some classes that live now.

`gc.get_objects()` holds a reference to everything for as long as its list lives. Were another
thread to run meanwhile, it could find a tuple that it is just filling shared, which the interpreter
takes for an error. So the list is made, looked through and given up within one call of C code,
while other threads do not ask for their turn.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Container
from itertools import chain, zip_longest
from operator import itemgetter
from typing import Any

_LOCK = threading.Lock()


def alive(classes: Container[type]) -> list[Any]:
    """The objects whose class is one of these, and that the garbage collector watches."""
    with _LOCK:
        interval = sys.getswitchinterval()
        sys.setswitchinterval(5)  # seconds
        try:
            return _filtered(classes)
        finally:
            sys.setswitchinterval(interval)


def _filtered(classes: Container[type]) -> list[Any]:
    # The list must not outlive the call, and it holds every iterator made before it. So two walks
    # over it go to their ends, where they let go of it, and between them it stands in a dictionary,
    # which the collector begins to watch, and the list to hold, only when something is put in.
    held: dict[int, Any] = {}
    first = chain.from_iterable(map(held.setdefault, (0,), map(gc.get_objects, (None,))))
    second = chain.from_iterable(map(held.pop, (0,)))
    pairs = zip_longest(map(classes.__contains__, map(type, first)), second)
    del first, second
    return list(map(itemgetter(1), filter(itemgetter(0), pairs)))


def kinds(root: type) -> set[type]:
    """A class and everything derived from it."""
    found, stack = {root}, [root]
    while stack:
        for kind in type.__subclasses__(stack.pop()):
            if kind not in found:
                found.add(kind)
                stack.append(kind)
    return found
