"""Names that load on first use, and what a module says when asked for a name that it has not.

Importing `rushlight` runs what every program needs. The rest is listed by name: the first look at
a name imports its module, and from then on it is an attribute like any other.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

Lazy = dict[str, tuple[str, str | None]]

# Where a name is looked for that the module asked for has not.
_HOMES = (
    "rushlight", "rushlight.nn", "rushlight.nn.functional", "rushlight.nn.init", "rushlight.optim",
    "rushlight.optim.lr_scheduler", "rushlight.autograd", "rushlight.utils", "rushlight.random",
    "rushlight.cuda", "rushlight.backends", "rushlight.jit",
)  # fmt: skip
PATIENCE = 5.0  # seconds that a fork waits for imports; none of ours takes one
_lazy: dict[str, Lazy] = {}
_LOADING = threading.local()
LOADED: dict[str, dict[str, Any]] = {}  # by module or class: what came there on first use
RENAMED: dict[type, str] = {}  # our module of each class that says torch's under the alias


def home(kind: Any) -> str:
    """A class's module; ours for a class of ours, whatever it says under the alias."""
    return RENAMED.get(kind) or kind.__module__


def class_path(kind: Any) -> str:
    """Module and name of a class; those of ours under whatever name the package goes."""
    return f"{home(kind)}.{kind.__qualname__}"


def lazy_names(package: str, families: Mapping[str, str]) -> Lazy:
    """The table of `explain_missing` for modules of a package and the names in each."""
    return {
        name: (f"{package}.{home}", name)
        for home, names in families.items()
        for name in names.split()
    }


def explain_missing(
    home: str, lazy: Lazy | None = None, found: Callable[[str, Any], Any] | None = None
) -> None:
    """Load the names of `lazy` when asked for, and explain the AttributeError of any other.

    `home` is a module being imported. `lazy` maps names to (module, attribute); attribute None is
    the module itself. `found` makes of each name that was loaded, and its value, what is kept.
    """
    module, table = sys.modules[home], lazy or {}
    _lazy[home] = table
    module.__getattr__ = _getattr_for(module, table, found)  # type: ignore[method-assign]  # a module's hook
    if table:
        module.__dir__ = lambda: sorted({*vars(module), *table})


def _getattr_for(
    module: ModuleType, lazy: Lazy, keep: Callable[[str, Any], Any] | None
) -> Callable[[str], Any]:
    def __getattr__(name: str) -> Any:
        if name in lazy:
            home, attribute = lazy[name]
            found: Any = patiently(functools.partial(_loaded, home, attribute))
            if attribute is None and home not in _lazy and "__getattr__" not in vars(found):
                explain_missing(home)
            if keep is not None:
                found = keep(name, found)
            setattr(module, name, found)
            LOADED.setdefault(own_name(module), {})[name] = found
            return found
        if getattr(vars(module).get("__spec__"), "_initializing", False):
            half = f"partially initialized module {module.__name__!r} has no attribute {name!r}"
            raise AttributeError(f"{half} (most likely due to a circular import)", name=name)
        kind = AttributeError if name.startswith("_") else _Missing
        # The argument keeps Python from printing a suggestion of its own beside our hints.
        error = kind(f"module {module.__name__!r} has no attribute {name!r}", name=name)
        if isinstance(error, _Missing):
            error.asked = own_name(module), name
        raise error

    return __getattr__


def patiently(load: Callable[[], Any]) -> Any:
    """`load()`, again where another thread was importing the same modules from the other end.

    Of two threads that wait for each other's modules Python refuses one, or gives it a module that
    the other is still running. It then holds nothing, if nothing around it is being imported, and
    what it had begun is forgotten: once the other is done the modules are there.
    """
    if getattr(_LOADING, "outer", False):
        return load()
    _LOADING.outer = True
    try:
        for wait in (0.0, 0.01, 0.1, 1.0):
            try:
                return load()
            except (RuntimeError, ImportError, AttributeError) as error:
                unfinished = "partially initialized module" in str(error)
                if type(error).__name__ != "_DeadlockError" and not unfinished:
                    raise
                time.sleep(wait)
        return load()
    finally:
        _LOADING.outer = False


def _loaded(home: str, attribute: str | None) -> Any:
    module = _outside_in(home)
    return module if attribute is None else getattr(module, attribute)


def _outside_in(home: str) -> ModuleType:
    """A module, its packages first: Python holds a module while it imports the package, and a
    thread that is importing the package may be waiting for the module."""
    last = home.find(".")
    while last > 0:
        importlib.import_module(home[:last])
        last = home.find(".", last + 1)
    return importlib.import_module(home)


class _Missing(AttributeError):
    """Its hints are looked for when they are read: most of these errors answer a `hasattr`."""

    asked: tuple[str, str]

    @functools.cached_property
    def __notes__(self) -> list[str]:
        return _hints(*self.asked)

    def __reduce__(self) -> Any:
        return AttributeError, self.args


_Missing.__name__ = _Missing.__qualname__ = "AttributeError"
_Missing.__module__ = "builtins"


class Later:
    """A method that is made when it is first looked at, and then stands in its own place."""

    __slots__ = ("make", "name", "owner")

    def __init__(self, owner: type, name: str, make: Callable[[], Any]) -> None:
        self.owner, self.name, self.make = owner, name, make

    def __get__(self, instance: Any, kind: type | None = None) -> Any:
        method = patiently(self.make)
        setattr(self.owner, self.name, method)
        LOADED.setdefault(self.owner.__qualname__, {})[self.name] = method
        return method.__get__(instance, kind)

    def __set__(self, instance: Any, value: Any) -> None:
        setattr(self.owner, self.name, patiently(self.make))  # a property may take it, or refuse
        setattr(instance, self.name, value)


def looks_at(*names: str) -> Callable[[Any], Any]:
    """Mark a method that looks at these attributes of its object, and at nothing else of it."""

    def mark(method: Any) -> Any:
        method.looks_at = names
        return method

    return mark


def own_name(module: ModuleType) -> str:
    """The name under which it was loaded: under the alias `__name__` says torch's."""
    spec = vars(module).get("__spec__")
    return module.__name__ if spec is None else spec.name


def submodules(module: ModuleType) -> list[str]:
    """The modules among a module's names, loaded or not."""
    loaded = [name for name, value in vars(module).items() if isinstance(value, ModuleType)]
    listed = _lazy.get(own_name(module), {})
    return [*loaded, *(name for name, (_, attribute) in listed.items() if attribute is None)]


def _names(home: str) -> set[str]:
    return {*vars(sys.modules[home]), *_lazy.get(home, ())}


def _hints(home: str, name: str) -> list[str]:
    """Where the name does exist, and what is spelt like it."""
    hints = []
    others: Iterable[str] = (other for other in _HOMES if other != home)
    elsewhere = [
        f"{other}.{name}"
        for other in others
        if importlib.import_module(other) and name in _names(other)
    ]
    if elsewhere:
        hints.append(f"there is {' and '.join(elsewhere[:3])}")
    public = {found for found in _names(home) if not found.startswith("_")}
    near = nearest(name, public)
    if near and not elsewhere:
        verb = "name is" if len(near) == 1 else "names are"
        hints.append(f"the nearest {verb} {', '.join(near)}")
    return hints


def nearest(name: str, known: Any, count: int = 3) -> list[str]:
    """Up to `count` of the `known` names that are spelt much like `name`, the likeliest first.

    >>> nearest("Relu", ["ReLU", "Linear", "relu6"])
    ['ReLU', 'relu6']
    """
    import difflib  # only a mistake needs it

    by_lower: dict[str, list[str]] = {}
    for candidate in sorted(known):
        by_lower.setdefault(candidate.lower(), []).append(candidate)
    close = difflib.get_close_matches(name.lower(), by_lower, count, 0.7)
    return [candidate for lower in close for candidate in by_lower[lower]][:count]


def _others_import() -> bool:
    """Whether another thread is importing a module of ours, as far as Python tells."""
    locks = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
    me, package = threading.get_ident(), __name__.partition(".")[0]
    for name, lock in list(locks.items()):
        if name.partition(".")[0] == package and getattr(lock(), "owner", me) not in (me, None):
            return True
    return False


def _await_imports() -> None:
    """Let imports of other threads end: in a forked child nobody ends them, and all would wait.

    Any op of any thread may be importing, for modules load on first use.
    """
    end = time.monotonic() + PATIENCE
    while _others_import() and time.monotonic() < end:
        time.sleep(0.001)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_await_imports)
