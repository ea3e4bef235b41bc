"""Side effects of the user's own code during a trace: seen through the interpreter's profile hook.

A program repeats what tensors do, not what `print` or `list.append` do. The hook is called for
every call, most of them inside this package and NumPy, where nothing is looked for. So it is native
code that knows by their addresses the code objects that are of no interest, and asks Python about
others. Where no native code can be made, Python is asked each time.
"""

from __future__ import annotations

import collections
import ctypes
import functools
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

import numpy as np

from ...core.errors import is_ours
from ...core.state import STATE
from ..code import helpers, llvm
from ..disk.owned import own_file
from .chances import DRAW_OUTSIDE

_EFFECTS = frozenset("print input open next exec eval __import__ setattr delattr".split())
_READ_OUTSIDE = (
    ", and the call also reads it or uses it otherwise: keep it outside, or the numbers in a tensor"
)
_CHANCE = frozenset("random _random time _time datetime secrets uuid numpy.random".split())
_CHANGES = frozenset("append extend insert pop remove clear update setdefault popitem add discard "
                     "sort reverse appendleft popleft write writelines".split())  # fmt: skip
# functions in Python that start other work, keep records or look at files, by their names
_OUTSIDE = {
    "threading": {"start"}, "concurrent.futures.thread": {"submit"},
    "concurrent.futures.process": {"submit"}, "concurrent.futures._base": {"map"},
    "multiprocessing.process": {"start"}, "multiprocessing.pool": {"map", "apply", "apply_async"},
    "logging": {"_log"}, "queue": {"put"},  # a record that is to be shown, an event to be written
    "subprocess": {"run", "__init__", "check_output", "call"}, "asyncio.runners": {"run"},
    "genericpath": {"exists", "isfile", "isdir", "getsize", "getmtime"},
    **dict.fromkeys(("pathlib", "pathlib._abc", "pathlib._local"), frozenset(  # 3.13: parts of it
        "read_text read_bytes open exists stat write_text write_bytes".split())),
}  # fmt: skip
_STORES = frozenset(("setdefault", "update"))  # of dictionaries
_CONTAINERS = (list, dict, set, collections.deque, bytearray)
_FAR = ("_io", "io", "posix", "nt", "_warnings")  # where files and records are
# From 3.12 on a hook is written into the code that it watches: to put it there anew costs more.
_LOOKS_AWAY = sys.version_info < (3, 12)


class Watch:
    """Sees the calls that the user's own code makes during a trace, and ends it at side effects."""

    def __init__(self, tracer: Any) -> None:
        self.tracer = tracer
        self.looks = self.away = False  # away: ours runs, and nothing is looked for

    def __enter__(self) -> None:
        self.before = sys.getprofile()
        if self.before is None:
            self._look = _hooked(self.see)
            self._look()
            self.looks = _LOOKS_AWAY
            self.tracer.watch = self

    def __exit__(self, *error: Any) -> None:
        if self.before is None:
            self.looks = False
            sys.setprofile(None)

    def unseen(self, function: Any, *args: Any) -> Any:
        """Call a function of ours in which nothing of the user's runs: without the hook.

        Under a hook the interpreter does without its own short ways, and takes half as long again.
        """
        if not self.looks or STATE.tracer is not self.tracer:
            return function(*args)
        self.looks, self.away = False, True
        sys.setprofile(None)
        try:
            return function(*args)
        finally:
            self.away = False
            if not self.tracer.closed:
                self.looks = True
                self._look()

    def seen(self, function: Any, *args: Any) -> Any:
        """Call a function of the user's in the middle of ours, with the hook again."""
        if not self.away or self.looks or self.tracer.closed or STATE.tracer is not self.tracer:
            return function(*args)
        self.looks, self.away = True, False
        self._look()
        try:
            return function(*args)
        finally:
            self.looks, self.away = False, True
            sys.setprofile(None)

    def see(self, frame: Any, event: str, called: Any) -> None:
        """One call event of the interpreter."""
        if self.tracer.closed or event not in helpers.EVENTS:
            return
        if event == "call":
            module = frame.f_globals.get("__name__")
            if module in _CHANCE or frame.f_code.co_name in _OUTSIDE.get(module, ()):
                self._stop_for(frame, module in _OUTSIDE, _advice(module))
            return
        if is_ours(frame) or not own_file(frame.f_code.co_filename):
            return
        name, owner = called.__name__, getattr(called, "__self__", None)
        module = getattr(called, "__module__", None) or type(owner).__module__
        chance = module in _CHANCE or module.startswith("numpy.random")
        if (module == "builtins" and name in _EFFECTS) or chance:
            self._stop(f"{name}()", frame, _advice(module))
        elif isinstance(owner, dict) and name in _STORES:
            return  # what it leaves is found as any item is
        elif name in _CHANGES and isinstance(owner, _CONTAINERS) and self._known(owner):
            self._stop(f".{name}() on something made before the call", frame, _READ_OUTSIDE)
        elif module in _FAR:
            self._stop(f"{name}()", frame)

    def _stop_for(self, frame: Any, far: bool, instead: str) -> None:
        """End the trace for a call by the user's code; with `far`, through libraries as well."""
        back = frame.f_back
        while far and back is not None and not is_ours(back):
            if own_file(back.f_code.co_filename):
                break
            frame, back = back, back.f_back
        if back is not None and not is_ours(back) and own_file(back.f_code.co_filename):
            self._stop(f"{frame.f_code.co_name}()", back, instead)

    def _known(self, owner: Any) -> bool:
        reach = self.tracer.reach
        return reach.knows(owner) or id(owner) in reach.told

    def _stop(self, what: str, frame: Any, instead: str = "") -> None:
        where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        self.tracer.stop(f"{what} must happen at every call{instead}", where)


def _advice(module: Any) -> str:
    """What to do instead of calling something of a module."""
    draws = module in ("random", "_random") or str(module).startswith("numpy.random")
    return DRAW_OUTSIDE if draws else ""


# --- the hook in native code


class _Hook:
    """The native hook, and the code objects that it need not ask about."""

    def __init__(self) -> None:
        api = ctypes.pythonapi
        self.address = helpers.address("see")
        self.table = np.zeros(1 << helpers.BITS, np.int64)
        self.kept: list[CodeType] = []  # an address in the table must stay this object's
        self.events = list(helpers.EVENTS)
        kind = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.py_object)
        self._set: Any = kind(("PyEval_SetProfile", api))

    def of(self, see: Any) -> Callable[[], None]:
        """What hooks into this thread; `see` is asked about the code that is of interest."""

        def asked(frame: Any, event: str, called: Any) -> None:
            self._note(frame)
            see(frame, event, called)

        words = [id(asked), *map(id, self.events), self.table.ctypes.data]
        spec = np.array(words, np.int64)
        return functools.partial(self._set, self.address, _Spec.of(spec, asked))

    def _note(self, frame: Any) -> None:
        """Ask no more about code in which no side effect is looked for."""
        code = frame.f_code
        module = frame.f_globals.get("__name__")
        if module in _CHANCE or module in _OUTSIDE or len(self.kept) * 2 >= len(self.table):
            return
        if is_ours(frame) or not own_file(code.co_filename):
            place = (id(code) * helpers.SPREAD & (1 << 64) - 1) >> 64 - helpers.BITS
            while self.table[place] not in (0, id(code)):
                place = (place + 1) % len(self.table)
            if not self.table[place]:
                self.kept.append(code)
                self.table[place] = id(code)


class _Spec(int):
    """The address of what the hook needs, which lives as long as the number does."""

    spec: Any
    function: Any

    @classmethod
    def of(cls, spec: np.ndarray, function: Any) -> _Spec:
        made = cls(spec.ctypes.data)
        made.spec, made.function = spec, function
        return made


@functools.cache
def _hook() -> _Hook | None:
    """The hook, once it has been seen to work; None on other interpreters."""
    if sys.implementation.name != "cpython" or not llvm.available():
        return None
    if not helpers.possible() or not hasattr(ctypes.pythonapi, "PyEval_SetProfile"):
        return None
    hook = _Hook()
    seen: list[tuple[str, str]] = []
    begin = hook.of(lambda frame, event, called: seen.append((event, frame.f_code.co_name)))
    begin()
    try:
        _probe()
    finally:
        sys.setprofile(None)
    return hook if ("call", "_probe") in seen else None


def _probe() -> int:
    return len("")


def _hooked(see: Any) -> Callable[[], None]:
    """What has the hook call `see` in this thread: the native hook where it can be made."""
    try:
        hook = _hook()
    except RuntimeError:  # no native code can be made after all
        hook = None
    return functools.partial(sys.setprofile, see) if hook is None else hook.of(see)
