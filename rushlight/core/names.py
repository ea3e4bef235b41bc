"""What a module says when asked for a name that it does not have."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

Lazy = dict[str, tuple[str, str | None]]

_explaining: dict[str, Lazy] = {}


def explain_missing(module: ModuleType, lazy: Lazy | None = None) -> None:
    """Let an unknown name in `module` raise an AttributeError that points to the nearest one.

    `lazy` maps names that load on use to (module, attribute); attribute None is the module itself.
    """
    _explaining[module.__name__] = lazy or {}
    module.__getattr__ = _getattr_for(module, lazy or {})  # type: ignore[method-assign]


def _getattr_for(module: ModuleType, lazy: Lazy) -> Callable[[str], Any]:
    def __getattr__(name: str) -> Any:
        if name in lazy:
            home, attribute = lazy[name]
            found: Any = importlib.import_module(home)
            if attribute is not None:
                found = getattr(found, attribute)
            elif home not in _explaining:
                explain_missing(found)
            setattr(module, name, found)
            return found
        # The argument keeps Python from printing a suggestion of its own beside ours.
        error = AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name)
        if not name.startswith("_"):
            for note in _hints(module.__name__, name):
                error.add_note(note)
        raise error

    return __getattr__


@functools.lru_cache(maxsize=256)
def _hints(home: str, name: str) -> tuple[str, ...]:
    """Where the name does exist, and what is spelt like it."""
    hints = []
    elsewhere = [
        f"{other}.{name}"
        for other in _explaining
        if other != home and name in vars(sys.modules[other])
    ]
    if elsewhere:
        hints.append(f"there is {' and '.join(elsewhere[:3])}")
    public = {found for found in vars(sys.modules[home]) if not found.startswith("_")}
    near = nearest(name, public | set(_explaining[home]))
    if near and not elsewhere:
        verb = "name is" if len(near) == 1 else "names are"
        hints.append(f"the nearest {verb} {', '.join(near)}")
    return tuple(hints)


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
