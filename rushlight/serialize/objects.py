"""What an object of any class is made of: names and data, in the parts that pickle asks it for.

Source: https://docs.python.org/3/library/pickle.html#object.__reduce__
"""

from __future__ import annotations

import copyreg
from typing import Any

from ..core.names import class_path
from .safe import loaded_class

_NEW = getattr(copyreg, "__newobj__")  # noqa: B009  # what pickle calls `cls.__new__(cls, ...)`


def reduced(value: Any) -> tuple[tuple[str, str], tuple, bool, Any] | None:
    """The path of its class, the arguments, whether `__new__` takes them, and its attributes.

    None for what a file cannot say without code or without a name: functions, classes, what
    another function makes, containers of other kinds, classes inside functions, and rushlight's
    own classes, which no other program would find.
    """
    try:
        parts = value.__reduce_ex__(2)
    except Exception:  # locks, streams, generators: each has its own way to say no
        return None
    if not isinstance(parts, tuple) or any(list(each or ()) for each in parts[3:]):
        return None
    maker, arguments, state = parts[0], parts[1], parts[2] if len(parts) > 2 else None
    new = maker is _NEW
    if new:
        maker, arguments = arguments[0], arguments[1:]
    path = _path(maker)
    return None if path is None else (path, tuple(arguments), new, state)


def _path(kind: Any) -> tuple[str, str] | None:
    """(module, name) of a class that is found there, None for anything else."""
    if not isinstance(kind, type) or "." in kind.__qualname__:
        return None
    full = class_path(kind)
    if full.startswith("rushlight.") or loaded_class(full) is not kind:
        return None
    return kind.__module__, kind.__qualname__
