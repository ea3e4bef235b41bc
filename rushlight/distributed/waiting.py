"""Waiting for a word of shared memory to change: spin for a moment, then sleep in the kernel."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time

FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}.get(platform.machine(), 0)
WAIT, WAKE = 0, 1
ORDERED = platform.machine() == "x86_64"  # stores are seen in the order in which they were made
SUPPORTED = sys.platform == "linux" and FUTEX > 0 and sys.byteorder == "little"


class Timespec(ctypes.Structure):
    """Seconds and nanoseconds, as the kernel takes them."""

    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def _syscall() -> ctypes._NamedFuncPointer | None:
    if not SUPPORTED:
        return None
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = [
        ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_uint32,
    ]  # fmt: skip
    return call


_CALL = _syscall()


def sleep_on(address: int, seen: int, seconds: float) -> None:
    """Sleep until the word at `address` is no longer `seen`, or somebody wakes, or time is up."""
    assert _CALL is not None
    limit = Timespec(int(seconds), int(seconds % 1 * 1e9))
    _CALL(FUTEX, address, WAIT, seen, ctypes.byref(limit), None, 0)


def wake(address: int) -> None:
    """Wake all who sleep on the word at `address`."""
    assert _CALL is not None
    _CALL(FUTEX, address, WAKE, 0x7FFFFFFF, None, None, 0)


def fence(address: int) -> None:
    """Have earlier stores seen before later ones (a call to the kernel, where it is needed)."""
    if not ORDERED:
        wake(address)


def spin_budget(ranks: int) -> float:
    """Seconds to look before sleeping: none where ranks must share cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 50e-6 if ranks <= (cores or 1) else 0.0


def process_has_ended(descriptor: int) -> bool:
    """Whether the process behind a pidfd is no more (or only its entry is left)."""
    import select

    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def now() -> float:
    """The clock of all time limits."""
    return time.monotonic()
