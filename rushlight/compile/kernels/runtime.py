"""What compiled code meets at run time: aligned memory, pointer tables, the way in."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import mmap
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core import threads
from ..code import helpers, llvm

PARALLEL = "rushlight_parallel"  # what a kernel that is shared between threads calls
ALIGNMENT = 64  # a cache line, and the widest vector register
_LARGE_PAGE = 1 << 21
_SLOW = 0.002  # seconds of a large page that comes slowly: less than a gigabyte a second


def aligned(nbytes: int) -> np.ndarray[Any, Any]:
    """Return `nbytes` fresh bytes that begin on a cache line; NumPy itself promises 16."""
    whole = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + nbytes]


def arena(nbytes: int) -> np.ndarray[Any, Any]:
    """As `aligned`, of bytes that will be used from end to end, and soon: large ones are fetched.

    Large pages come in a fifth of the time of small ones; but a host that lends a virtual machine
    its memory may have to find each of them first, and then they take five times as long as small
    pages that it lent before. So they are asked for as long as they come quickly.
    """
    if nbytes < 2 * _LARGE_PAGE or not hasattr(mmap, "MADV_NOHUGEPAGE"):
        return aligned(nbytes)
    whole = mmap.mmap(-1, nbytes + _LARGE_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(whole, np.uint8)
    start = -array.ctypes.data % _LARGE_PAGE
    if os.environ.get("NUMPY_MADVISE_HUGEPAGE") != "0":
        with contextlib.suppress(OSError):  # a kernel without large pages
            _fetch(whole, start, nbytes // _LARGE_PAGE * _LARGE_PAGE)
    return array[start : start + nbytes]


def _fetch(memory: mmap.mmap, start: int, nbytes: int) -> None:
    """Have large pages brought, until one comes slowly."""
    memory.madvise(mmap.MADV_HUGEPAGE, start, nbytes)
    for place in range(start, start + nbytes, _LARGE_PAGE):
        begun = time.thread_time()
        memory[place] = 0
        if time.thread_time() - begun > _SLOW:
            memory.madvise(mmap.MADV_NOHUGEPAGE, place, start + nbytes - place)
            return


class Table:
    """`n` addresses in a row: all that a program is told. `slots[i] = array.ctypes.data`."""

    __slots__ = ("address", "slots")

    def __init__(self, n: int, before: int = 0) -> None:
        """With the address `before` it, where a program looks for one."""
        whole = aligned(8 * n + ALIGNMENT).view(np.int64)
        whole[:] = 0
        start = ALIGNMENT // 8
        whole[start - 1] = before
        self.slots = whole[start:]
        self.address: int = self.slots.ctypes.data


def entry(code: llvm.Code, name: str, release_gil: bool) -> Callable[[int], None]:
    """Make `void name(ptr table)` callable with a table's address; it keeps `code` alive.

    With `release_gil` other Python threads run meanwhile.
    """
    kind = ctypes.CFUNCTYPE if release_gil else ctypes.PYFUNCTYPE
    function = kind(None, ctypes.c_size_t)(code.address(name))
    function.code = code  # type: ignore[attr-defined]  # kept alive with it
    return function


def _share(number: int) -> None:
    """From the first moment that there are threads to share with, kernels lead to their pool."""
    if number > 1:
        made = importlib.import_module(".thread_pool", __package__).pool()
        tell = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(helpers.address("rushlight_share"))
        tell(made.parallel)


@functools.cache
def parallel() -> int:
    """What a kernel calls that is shared between threads."""
    found = helpers.address(PARALLEL)
    threads.follow(_share)
    return found


llvm.symbol(PARALLEL, parallel)
