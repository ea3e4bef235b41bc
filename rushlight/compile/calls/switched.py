"""What the running thread has switched on, as words that native code compares.

The modes of a thread (`STATE`) stand in a dictionary of its own, whose version changes whenever one
of them does. As long as the same thread calls and the version is what it was, the modes are what
they were: two comparisons instead of a look-up for each mode. Where modes change from call to call
(a `no_grad` in a loop) they are asked one by one.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.state import STATE
from .words import OFTEN, VERSION, known


@functools.cache
def _asking() -> Callable[[], int]:
    """What gives the number of the running thread among all that there ever were."""
    state = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", ctypes.pythonapi))
    kind = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    number = kind(("PyThreadState_GetID", ctypes.pythonapi))
    return lambda: number(state())


def _transformed() -> bool:
    """Whether a transform (`vmap`, `jvp`, `grad` ...) or a level of forward mode is around a call.

    What it calls is made of its numbers, and may be transformed in turn: no program is for that.
    """
    return bool(STATE.transforms or STATE.duals)


class Switched:
    """What one program takes for granted of the modes; `wanted` are grad, inference, autocast.

    `memory`: a thread's number (0: nothing is compared), the address of a version, the version.
    While `asked[0]`, the caller asks of each mode by itself.
    """

    def __init__(self, wanted: tuple[Any, Any, Any]) -> None:
        self._wanted = wanted
        self.memory = np.zeros(3, np.int64)
        self.address: int = self.memory.ctypes.data
        self.asked = [not known()]
        self._changes = 0
        if known():
            self._note()

    def _note(self) -> None:
        version = id(vars(STATE)) + VERSION
        self.memory[:] = _asking()(), version, ctypes.c_int64.from_address(version).value

    def again(self) -> bool | None:
        """Whether only this had changed, so that the call can be tried again; None: it is wrong."""
        if (STATE.grad, STATE.inference, STATE.autocast) != self._wanted or _transformed():
            return None
        before = self.memory.tolist()
        if self.asked[0]:
            return False
        self._note()
        if self.memory.tolist() == before:
            return False
        self._changes += 1
        if self._changes == OFTEN:
            self.asked[0], self.memory[0] = True, 0
        return True
