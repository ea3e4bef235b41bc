"""Where chains of recorded operations were cut: for errors and explanations, per thread.

A cut notes the line of the program that made it and (weakly) the memory of what came out, so that
an operand met later can be traced back to it.
"""

from __future__ import annotations

import sys
import threading
import weakref
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from .errors import is_ours

KEPT = 256


class Cut(NamedTuple):
    """One cut: what made it, where, and the memory of its result."""

    what: str
    code: CodeType
    number: int
    memory: Any  # a weak reference to the array that owns it, or None

    @property
    def line(self) -> str:
        """`file:line in function`."""
        return f"{self.code.co_filename}:{self.number} in {self.code.co_name}"


class _Log(threading.local):
    cuts: dict[Any, Cut] | None = None  # by identity of the memory, oldest first


_log = _Log()


def _owner(array: Any) -> Any:
    while type(array) is np.ndarray and type(array.base) is np.ndarray:
        array = array.base
    return array


def note_cut(what: str, array: Any = None) -> None:
    """Keep that the running line of the program cut a chain; `array` is what came out."""
    frame = sys._getframe(1)
    while is_ours(frame) and frame.f_back is not None:
        frame = frame.f_back
    _keep(what, frame.f_code, frame.f_lineno, array)


def _keep(what: str, code: CodeType, number: int, array: Any) -> None:
    key: Any = (code, number)
    memory = None
    if type(array) is np.ndarray:
        owner = _owner(array)
        memory, key = weakref.ref(owner), id(owner)
    if _log.cuts is None:
        _log.cuts = {}
    log = _log.cuts
    log.pop(key, None)
    log[key] = Cut(what, code, number, memory)
    if len(log) > KEPT:
        del log[next(iter(log))]


def pass_on(array: Any, result: Any) -> None:
    """If `array` came out of a cut, say the same of `result`, which was made of it."""
    cut = cut_of(array)
    if cut is not None:
        _keep(cut.what, cut.code, cut.number, result)


def cuts() -> list[Cut]:
    """The last cuts of this thread, newest first."""
    return [] if _log.cuts is None else list(reversed(_log.cuts.values()))


def cut_of(array: Any) -> Cut | None:
    """The newest cut whose result lies in the memory of `array`."""
    if not _log.cuts:
        return None
    owner = _owner(array)
    cut = _log.cuts.get(id(owner))
    return cut if cut is not None and cut.memory is not None and cut.memory() is owner else None
