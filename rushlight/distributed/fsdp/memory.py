"""Memory whose pages can be given back and filled again while arrays over it live on.

The tape holds the arrays that the backward pass reads, and among them gathered parameters. Between
forward and backward only their addresses are needed: the system gets the pages back, and the next
gathering fills new ones. So no array has to be found and exchanged.
"""

from __future__ import annotations

import ctypes
import mmap
from math import prod
from typing import Any

import numpy as np

_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)
_DROP = getattr(mmap, "MADV_DONTNEED", None)  # of private pages: they are zeros afterwards


class Pages:
    """Room for an array of a shape and type."""

    def __init__(self, shape: Any, kind: np.dtype) -> None:
        self.shape, self.kind = tuple(shape), kind
        self.nbytes = prod(self.shape) * kind.itemsize
        room = max(self.nbytes, 1)
        self.map: Any = mmap.mmap(-1, room, _PRIVATE) if _PRIVATE else mmap.mmap(-1, room)

    def array(self) -> Any:
        """An array over the pages; a new one, so that writes to it are nobody's in-place writes."""
        view: Any = (ctypes.c_char * max(self.nbytes, 1)).from_buffer(self.map)
        return np.ndarray(self.shape, self.kind, view)

    def release(self) -> None:
        """Give the pages back; what was in them is gone."""
        if _DROP is not None:
            self.map.madvise(_DROP)
