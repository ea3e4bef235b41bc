"""What the running thread has switched on (gradients, inference, anomaly), and global defaults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from . import dtypes
from .errors import fail

PAUSED: list[None] = []  # an item for each thread that records nothing; asked before STATE
WATCHED = [0]  # how many watchers all threads have; cheaper to ask than STATE
DUE = [20_000]  # the reading of the tape's clock from which native operators are worth their price
CLOSED = [0]  # how many modes there are that native operators know nothing of, in all threads
_store, _lock = threading.local.__setattr__, threading.Lock()


class ThreadState(threading.local):
    """Modes that torch keeps per thread; the class attributes are each new thread's defaults."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "grad" and bool(value) is not bool(self.grad):
            if value:
                PAUSED.pop()
            else:
                PAUSED.append(None)
        _store(self, name, value)

    grad = True
    inference = False
    grad_asked = False  # the grad modes' setting inside inference mode, where nothing is recorded
    anomaly = False
    anomaly_check_nan = True
    threads = True  # kept for those who ask: backward runs in the thread that calls it
    # called with (entry, value, operands) for every entry that is recorded
    watchers: tuple[Callable[[Any, Any, Any], None], ...] = ()
    autocast: Any = False  # the data type of the fast ops inside autocast
    transforms = 0  # how many functions are being transformed (grad, vmap, ...) around this line
    duals = 0  # how many levels of forward mode are open by hand
    tracer: Any = None  # the trace that this thread is in
    follower: Any = None  # what puts graphs together for a backend that is a function
    exporting = False  # a model is being traced for export
    devices: tuple[Any, ...] = ()  # of `with device:`, innermost last
    device: Any = None  # of set_default_device


STATE = ThreadState()


def pause() -> bool:
    """Record nothing in this thread until `resume`, which is to be called if the answer is yes.

    The same as a `STATE.grad = False`, for whoever is called often.
    """
    own = STATE.__dict__
    if not own.get("grad", True):
        return False
    own["grad"] = False
    PAUSED.append(None)
    return True


def resume() -> None:
    """End what `pause` began."""
    STATE.__dict__["grad"] = True
    PAUSED.pop()


class Small:
    """Native functions for few numbers, once there are any (`swift.py`); None until then.

    `walk` goes along the tape from one entry on; `descend(x, g, rate)` takes g * rate from x, and
    says whether it did. `duals` are array classes of forward mode and the ways of ops on them.
    """

    __slots__ = ("again", "descend", "duals", "walk")

    def __init__(self) -> None:
        self.walk: Callable[..., Any] | None = None
        self.descend: Callable[..., bool] | None = None
        self.duals: list[tuple[type, dict[Any, Any]]] = []
        self.again: Callable[[], Any] = lambda: None  # looks for what is there by now

    def add(self, kind: type, ways: dict[Any, Any]) -> None:
        """Let an array class of forward mode be known, with the ways of ops on it."""
        self.duals.append((kind, ways))
        self.again()


SMALL = Small()


class Defaults:
    """Process-wide settings."""

    __slots__ = ("dtype",)

    def __init__(self) -> None:
        self.dtype = dtypes.float32


DEFAULTS = Defaults()


def watch(watcher: Callable[[Any, Any, Any], None]) -> None:
    """Show every entry that this thread records to `watcher`, until `unwatch`."""
    with _lock:
        WATCHED[0] += 1
    STATE.watchers = (*STATE.watchers, watcher)


def unwatch(watcher: Callable[[Any, Any, Any], None]) -> None:
    """Take the watcher that was added last among equals away again."""
    found = list(STATE.watchers)
    if watcher not in found:
        return
    found.reverse()
    found.remove(watcher)
    STATE.watchers = tuple(reversed(found))
    with _lock:
        WATCHED[0] -= 1


def get_default_dtype() -> dtypes.dtype:
    """The type that Python floats become.

    >>> import rushlight as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return DEFAULTS.dtype


def set_default_dtype(d: dtypes.dtype) -> None:
    """Choose the type that Python floats become; TypeError unless it is a floating-point type.

    >>> import rushlight as torch
    >>> torch.set_default_dtype(torch.float64)
    >>> torch.tensor(1.0).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    if not isinstance(d, dtypes.dtype):
        said = "invalid dtype object: only floating-point types are supported as the default type"
        raise fail(TypeError, said, f"got {d!r}")
    if d.category != dtypes.FLOAT:
        said = "only floating-point types are supported as the default type"
        raise fail(TypeError, said, f"got {d!r}")
    if not d.rank:
        raise TypeError(f"couldn't find storage object {dtypes.scalar_type_name(d)}Storage")
    DEFAULTS.dtype = d
