"""Classes that the user declares safe to rebuild from a file.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#torch.serialization.add_safe_globals
"""

from __future__ import annotations

import sys
from typing import Any

from ..core.names import class_path

_REGISTERED: dict[str, Any] = {}
# Holders of values, whose making does nothing else: scripts keep their options in these.
PLAIN = frozenset({
    "argparse.Namespace", "types.SimpleNamespace", "pathlib.PosixPath", "pathlib.WindowsPath",
    "pathlib.PurePosixPath", "pathlib.PureWindowsPath", "datetime.datetime", "datetime.date",
    "datetime.timedelta",
    # what 3.13 says for them
    "pathlib._local.PosixPath", "pathlib._local.WindowsPath", "pathlib._local.PurePosixPath",
    "pathlib._local.PureWindowsPath",
})  # fmt: skip


def _entry(item: Any) -> tuple[str, Any]:
    name = ""
    if isinstance(item, tuple):
        if len(item) != 2 or not isinstance(item[1], str):
            raise ValueError("a safe global is a class, or a pair (class, its full path as text)")
        item, name = item[0], item[1]
    if not callable(item):
        raise TypeError(f"only classes and functions can be safe globals (got {item!r})")
    return name or class_path(item), item


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Allow `load` to rebuild objects of these classes.

    Arguments: `safe_globals`, classes, or pairs (class, full path written in the file). `save`
    stores an object as its class's name and its attributes. A function that is given may be called
    by a file with what arguments it likes. Raises TypeError for anything else.

    >>> import rushlight as torch
    >>> class Config:
    ...     def __init__(self, width):
    ...         self.width = width
    >>> with torch.serialization.safe_globals([Config]):
    ...     print(Config in torch.serialization.get_safe_globals())
    True
    """
    _REGISTERED.update(dict(map(_entry, safe_globals)))


def clear_safe_globals() -> None:
    """Forget all classes added by `add_safe_globals`.

    >>> import rushlight as torch
    >>> torch.serialization.clear_safe_globals()
    >>> torch.serialization.get_safe_globals()
    []
    """
    _REGISTERED.clear()


def get_safe_globals() -> list[Any]:
    """The classes (or pairs) that were added.

    >>> import rushlight as torch
    >>> import fractions
    >>> with torch.serialization.safe_globals([fractions.Fraction]):
    ...     torch.serialization.get_safe_globals()
    [<class 'fractions.Fraction'>]
    """
    named = _REGISTERED.items()
    return [kind if _entry(kind)[0] == name else (kind, name) for name, kind in named]


class safe_globals:
    """Within `with safe_globals([cls]):` these classes are safe; afterwards as before.

    >>> import rushlight as torch
    >>> import collections
    >>> with torch.serialization.safe_globals([collections.ChainMap]):
    ...     collections.ChainMap in torch.serialization.get_safe_globals()
    True
    """

    def __init__(self, safe_globals: list[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self.before = dict(_REGISTERED)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: object) -> None:
        _REGISTERED.clear()
        _REGISTERED.update(self.before)


def safe_name(kind: type) -> str | None:
    """The path under which the class was declared safe, None if it was not."""
    for name, found in _REGISTERED.items():
        if found is kind:
            return name
    return None


def safe_class(name: str, trusted: bool = False) -> type | None:
    """The class of that path: declared safe, or (`trusted`) plain, or of the running script.

    Only what exists already is found: nothing is imported.
    """
    found = _REGISTERED.get(name)
    if found is None and trusted and name.startswith("__main__."):
        found = vars(sys.modules["__main__"]).get(name.removeprefix("__main__."))
        found = found if isinstance(found, type) and found.__module__ == "__main__" else None
    elif found is None and trusted and name in PLAIN:
        found = loaded_class(name.replace("pathlib._local.", "pathlib."))
    return found


def loaded_class(name: str) -> Any:
    """The object of that path in modules that are imported already, else None."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:cut]))
        if found is None:
            continue
        for part in parts[cut:]:
            found = getattr(found, "__dict__", {}).get(part)
        return found
    return None
