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
from functools import lru_cache, partial
from hashlib import sha256
from itertools import chain
from operator import attrgetter
from typing import Any

from ...core.names import LOADED, RENAMED, own_name
from .digest import of_code
from .owned import own_file, own_module
from .world import HOME, Unclear

_PACKAGE = __name__.split(".")[0]
_PLAIN = frozenset((bool, int, float, str, type(None)))
_CONTAINERS = frozenset((list, set, dict))
_FUNCTION = types.FunctionType
_LINE, _FILE = attrgetter("co_firstlineno"), attrgetter("co_filename")
_HOLDERS = {property: "fget", staticmethod: "__func__", classmethod: "__func__"}
_QUIET = frozenset(
    (_FUNCTION, types.ModuleType, types.BuiltinFunctionType, frozenset, tuple,
     types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)
)  # fmt: skip
_SMALL, _MADE_UP = 64, "<string>"  # the file of what `dataclass` and the like write
_NOTHING = object()
_LEFT_OUT = (f"{_PACKAGE}.compile", f"{_PACKAGE}.contents")
_REMEMBERED = frozenset(
    "__module__ __qualname__ __name__ __firstlineno__ __static_attributes__ __slots__ __builtins__"
    " __path__ __file__ __cached__ __doc__ __all__ __annotations__ __conditional_annotations__"
    " _writes last_write _zeros FORMS _variants _types _made _lazy _plans _seen MAKERS PIECES"
    " ARRAYS FAMILIES LOADED HIDDEN CODES ASKING GATES RUNNING _followers __slotnames__".split()
)


def ambient() -> dict[str, bytes]:
    """A number for each module that is loaded; Unclear where they hold code of the user's."""
    found = {}
    for place, module in [*sys.modules.items()]:
        if place.startswith(_PACKAGE) and not place.startswith(_LEFT_OUT):
            table = vars(module)
            if place == own_name(module):  # not the same under another name
                found[place] = sha256(marshal.dumps(facts(table, place), 0)).digest()
    return found


def facts(table: dict[str, Any], place: str) -> list[Any]:
    """What is to be the same of a module."""
    said: list[Any] = []
    files: set[str] = set()
    _others(table, place, said, files, place)
    if any(own_file(file) for file in files):
        raise Unclear("a function that is not ours in the package")
    return [*said, *sorted(files)]


def _others(
    table: Any, place: str, said: list[Any], files: set[str], owner: str
) -> None:  # fmt: skip
    """By name: where functions begin, what switches say, and what small containers hold."""
    late = LOADED.get(owner)
    items: Any = table.copy().items()
    if late is not None:
        items = [pair for pair in items if late.get(pair[0], table) is not pair[1]]
    codes = []
    for name, value in items:
        kind = type(value)
        if kind is _FUNCTION:
            said.append(name)
            codes.append(value.__code__)
            continue
        way = _WAYS[kind]
        if way is None or name in _REMEMBERED:
            continue
        if way is _class:
            home = RENAMED.get(value, value.__module__)
            if home == place:
                said.append(name)
                _others(vars(value), "", said, files, value.__qualname__)
            elif _is_strange(home):
                raise Unclear("a class that is not ours in the package")
        elif way is _held:
            inner = getattr(value, _HOLDERS[kind])
            if type(inner) is _FUNCTION:
                said.append(name)
                codes.append(inner.__code__)
        else:
            said += name, value if way is _plain else way(value)
    said += map(_LINE, codes)
    said += [of_code(code) for code in codes if code.co_filename == _MADE_UP]
    files.update(file for file in map(_FILE, codes) if file != _MADE_UP)


@lru_cache(4096)
def _is_strange(home: str | None) -> bool:
    """Whether what has this home is the user's."""
    module = sys.modules.get(home or "")
    return module is not None and own_module(module)


def _set_anew(x: Any) -> dict[str, Any]:
    """What a thread's own values are, where they are no longer as in every new thread."""
    return {
        name: value
        for name, value in sorted(vars(x).items())
        if getattr(type(x), name, _NOTHING) is not value
    }


def _content(value: Any, depth: int = 2) -> Any:
    """How much a container holds, and what of it is plain."""
    if type(value) is dict:
        value = [x for pair in value.items() for x in pair]
    if len(value) > _SMALL and _words_alone(value):
        return len(value)
    found = [_content_of(x, depth) for x in value]
    if len(value) > _SMALL:
        return len(value)
    return sorted(map(repr, found)) if type(value) is set else found


def _words_alone(value: Any) -> bool:
    """Whether a container holds but numbers, words, and tuples of them."""
    kinds = set(map(type, value))
    if tuple in kinds:
        inside = chain.from_iterable([x for x in value if type(x) is tuple])
        kinds = {*kinds, *map(type, inside)} - {tuple}
    return kinds <= _PLAIN


def _content_of(x: Any, depth: int) -> Any:
    kind = type(x)
    if kind in _PLAIN:
        return x
    if RENAMED.get(kind, kind.__module__) == _PACKAGE:  # a device, a data type
        return str(x)
    if kind in _CONTAINERS or kind is tuple:
        return _content(x, depth - 1) if depth else len(x)
    if kind is partial:
        return _content((x.func, *x.args, x.keywords), depth)
    code = getattr(x, "__code__", None)
    kind = x if isinstance(x, type) else kind
    home = RENAMED.get(kind, kind.__module__)
    if code is None and home.split(".")[0] != _PACKAGE:
        module = sys.modules.get(home)
        strange = module is None or own_module(module) or (kind is not x and _may_call(x, home))
    else:
        strange = code is not None and not code.co_filename.startswith(HOME)
    if strange:
        raise Unclear("code that is not ours in the package's tables")
    return kind.__name__


def _may_call(x: Any, home: str) -> bool:
    """Whether an object of a library may be there to be called."""
    return callable(x) and home.split(".")[0] not in ("builtins", "numpy", "functools", "weakref")


# --- what is read of which values


def _plain(x: Any) -> Any:
    return x


def _class(x: Any) -> Any:
    return x


def _apart(x: Any) -> Any:
    return _content_of(x, 2)


def _strange(x: Any) -> Any:
    raise Unclear("an object that is not ours in the package")


def _held(x: Any) -> Any:
    return x


def _space(x: Any) -> Any:
    return _content(vars(x))


def _thread(x: Any) -> Any:
    return _content(_set_anew(x))


class _Ways(dict[type, Any]):
    """By type how a value is read; None: not at all."""

    def __missing__(self, kind: type) -> Any:
        way: Any = None
        if kind in _QUIET:
            way = None
        elif kind in _HOLDERS:
            way = _held
        elif kind in _PLAIN:
            way = _plain
        elif kind in _CONTAINERS:
            way = _content
        elif issubclass(kind, type):
            way = _class
        elif kind is types.SimpleNamespace:
            way = _space
        elif issubclass(kind, threading.local):
            way = _thread
        elif kind is partial:
            way = _apart
        elif _is_strange(kind.__module__):
            way = _strange
        self[kind] = way
        return way


_WAYS = _Ways()
