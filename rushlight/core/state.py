"""What the running thread has switched on: gradient mode, inference, anomaly; and global defaults."""

from __future__ import annotations

import threading

from . import dtypes


class ThreadState(threading.local):
    """Modes that torch keeps per thread; the class attributes are each new thread's defaults."""

    grad = True
    inference = False
    anomaly = False
    anomaly_check_nan = True
    autocast = False
    tracer = None


class Defaults:
    """Process-wide settings."""

    __slots__ = ("device", "dtype")

    def __init__(self) -> None:
        self.dtype = dtypes.float32
        self.device = "cpu"


STATE = ThreadState()
DEFAULTS = Defaults()
