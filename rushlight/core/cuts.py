"""Where chains of recorded operations were cut: for errors and explanations, per thread.

A cut notes the line of the program that made it and (weakly) the memory of what came out, so that
an operand met later can be traced back to it.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from .errors import is_ours

KEPT = 128


class Cut(NamedTuple):
    """One cut: what made it, where, and its result."""

    what: str
    code: CodeType
    number: int
    result: Any  # a weak reference to the array that came out, or None

    @property
    def line(self) -> str:
        """`file:line in function`."""
        return f"{self.code.co_filename}:{self.number} in {self.code.co_name}"


class _Log(threading.local):
    def __init__(self) -> None:
        self.cuts: deque[tuple[Any, ...]] = deque(maxlen=KEPT)


_log = _Log()
_reference = weakref.ref


def _owner(array: Any) -> Any:
    while type(array) is np.ndarray and type(array.base) is np.ndarray:
        array = array.base
    return array


def note_cut(what: str, array: Any = None) -> None:
    """Keep that the running line of the program cut a chain; `array` is what came out."""
    frame: Any = sys._getframe(2)  # this is called by the package, so one frame is skipped unseen
    while is_ours(frame) and frame.f_back is not None:
        frame = frame.f_back
    result = _reference(array) if type(array) is np.ndarray else None
    _log.cuts.append((what, frame.f_code, frame.f_lineno, result))


def pass_on(array: Any, result: np.ndarray) -> None:
    """If `array` came out of a cut, say the same of `result`, which was made of it."""
    cut = cut_of(array)
    if cut is not None:
        _log.cuts.append((*cut[:3], _reference(result)))


def cuts() -> list[Cut]:
    """The last cuts of this thread, newest first."""
    return [Cut(*cut) for cut in reversed(_log.cuts)]


def cut_of(array: Any) -> Cut | None:
    """The newest cut whose result lies in the memory of `array`."""
    if type(array) is not np.ndarray:
        return None
    owner = _owner(array)
    for cut in reversed(_log.cuts):
        if cut[3] is not None and _owner(cut[3]()) is owner:
            return Cut(*cut)
    return None
