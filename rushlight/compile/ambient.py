"""How the package itself stands: its functions where they were written, its switches as they are.

A kept call (`standing.py`) takes for granted that the package does what it did when the call was
traced. Somebody may have put another function in the place of one, registered a hook for all
layers, or set a flag. So all that the package's modules hold is read: of functions where their code
stands, of classes their functions, of switches and small containers what they hold. What is only
remembered from one call to the next (`_REMEMBERED`) is left out; anything unknown that differs
costs a trace, and never a wrong number.
"""

from __future__ import annotations

import marshal
import sys
import threading
import types
from collections.abc import Container, Mapping
from hashlib import sha256
from typing import Any

from ..core.names import LOADED, RENAMED

_PACKAGE = __name__.split(".")[0]
_PLAIN = frozenset((bool, int, float, str, type(None)))
_CONTAINERS = frozenset((list, set, dict))
_FUNCTION = types.FunctionType
_HOLDERS = {property: "fget", staticmethod: "__func__", classmethod: "__func__"}
_QUIET = frozenset(
    (types.ModuleType, types.BuiltinFunctionType, frozenset, tuple,
     types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)
)  # fmt: skip
_SMALL = 64
_NOTHING = object()
_LEFT_OUT = (f"{_PACKAGE}.compile", f"{_PACKAGE}.contents")
_REMEMBERED = frozenset(
    "__module__ __qualname__ __name__ __firstlineno__ __static_attributes__ __slots__ __builtins__"
    " __path__ __file__ __cached__ __doc__ __all__ __annotations__ __conditional_annotations__"
    " _writes last_write _zeros FORMS _variants _types _made _lazy _plans _seen MAKERS PIECES"
    " ARRAYS FAMILIES LOADED HIDDEN CODES GATES __slotnames__".split()
)


def ambient(known: Container[str] = ()) -> dict[str, bytes]:
    """A number for each module that is loaded, without those that are known already."""
    found = {}
    for place, module in [*sys.modules.items()]:
        if place.startswith(_PACKAGE) and not place.startswith(_LEFT_OUT) and place not in known:
            table = vars(module)
            if place == table["__name__"]:  # not the same under another name
                found[place] = sha256(marshal.dumps(facts(table, place), 0)).digest()
    return found


def facts(table: Mapping[str, Any], place: str) -> list[Any]:
    """What is to be the same of a module."""
    said: list[Any] = []
    files: set[str] = set()
    _others(table, place, said, files)
    return [*said, *sorted(files)]


def _others(
    table: Any, place: str, said: list[Any], files: set[str], owner: Any = None
) -> None:  # fmt: skip
    """By name: where functions begin, what switches say, and what small containers hold."""
    for name, value in [*table.items()]:
        kind = type(value)
        if kind in _HOLDERS:
            value = getattr(value, _HOLDERS[kind])
            kind = type(value)
        if kind is _FUNCTION:
            if LOADED.get((owner or place, name)) is not value:
                code = value.__code__
                said += name, code.co_firstlineno
                files.add(code.co_filename)
        elif kind in _QUIET or name in _REMEMBERED:
            continue
        elif kind in _PLAIN:
            said += name, value
        elif kind in _CONTAINERS:
            said += name, _content(value)
        elif isinstance(value, type):
            home = RENAMED.get(value, value.__module__)
            if home == place and LOADED.get((place, name)) is not value:
                said.append(name)
                _others(vars(value), "", said, files, value.__qualname__)
        elif kind is types.SimpleNamespace:
            said += name, _content(vars(value))
        elif isinstance(value, threading.local):
            said += name, _content(_set_anew(value))


def _set_anew(x: Any) -> dict[str, Any]:
    """What a thread's own values are, where they are no longer as in every new thread."""
    return {
        name: value
        for name, value in sorted(vars(x).items())
        if getattr(type(x), name, _NOTHING) is not value
    }


def _content(value: Any) -> Any:
    """How much a container holds, and what of it is plain."""
    if len(value) > _SMALL:
        return len(value)
    if type(value) is dict:
        return [_content_of(x) for pair in value.items() for x in pair]
    found = [_content_of(x) for x in value]
    return sorted(map(repr, found)) if type(value) is set else found


def _content_of(x: Any) -> Any:
    kind = type(x)
    if kind in _PLAIN:
        return x
    if RENAMED.get(kind, kind.__module__) == _PACKAGE:  # a device, a data type
        return str(x)
    return [kind.__name__, len(x)] if kind in _CONTAINERS or kind is tuple else kind.__name__
