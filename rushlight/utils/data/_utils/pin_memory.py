"""Pinning the memory of batches, whatever containers they are in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

__all__ = ["pin_memory"]


def pin_memory(data: Any, device: Any = None) -> Any:
    """The same containers around `x.pin_memory()` of whatever in them can be asked for it.

    `device` has no meaning without an accelerator.

    >>> from rushlight.utils.data._utils.pin_memory import pin_memory
    >>> class Batch:
    ...     def pin_memory(self):
    ...         return "pinned"
    >>> pin_memory({"x": [Batch(), 3], "name": "first"})
    {'x': ['pinned', 3], 'name': 'first'}
    """
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        return _refilled(data, {key: pin_memory(one, device) for key, one in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(one, device) for one in data))
    if isinstance(data, Sequence):
        return _refilled(data, [pin_memory(one, device) for one in data])
    return data


def _refilled(container: Any, values: Any) -> Any:
    """A container of the same type with the values; a plain one where its type refuses."""
    try:
        if isinstance(container, MutableMapping):
            made: Any = copy.copy(container)
            made.update(values)
            return made
        if isinstance(container, MutableSequence):
            made = copy.copy(container)
            for place, value in enumerate(values):
                made[place] = value
            return made
        return type(container)(values)
    except TypeError:
        return values
