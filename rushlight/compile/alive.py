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
from itertools import chain, compress, tee
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
    twice = list(tee(map(gc.get_objects, (None,))))  # one list, made when it is first asked for
    return list(compress(
        chain.from_iterable(twice.pop()),
        map(classes.__contains__, map(type, chain.from_iterable(twice.pop()))),
    ))  # fmt: skip


def kinds(root: type) -> set[type]:
    """A class and everything derived from it."""
    found, stack = {root}, [root]
    while stack:
        for kind in type.__subclasses__(stack.pop()):
            if kind not in found:
                found.add(kind)
                stack.append(kind)
    return found
