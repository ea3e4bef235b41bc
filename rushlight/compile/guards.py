"""What a compiled program takes for granted about the world outside its arguments.

`Reach` walks what a function can see (closure, globals it names, modules, optimisers, containers,
its own objects), and notes for every place how it stood before the trace. `Guards` asks again: a
program runs only where every answer is still the same.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.tape import LEAF
from ..core.tensor import Tensor

SCALARS = (bool, int, float, complex, str, bytes, type(None))
_PACKAGE = __name__.split(".")[0]
_LIMIT = 50_000
_SKIPPED = frozenset("_plans _usual_call _unseen_containers _compiled_call_impl _call".split())


class Place:
    """One thing that was looked at: `container[key]` (or its length), and what stood there."""

    __slots__ = ("container", "expected", "key", "kind", "path")

    def __init__(self, kind: str, container: Any, key: Any, expected: Any, path: str) -> None:
        self.kind, self.container, self.key = kind, container, key
        self.expected, self.path = expected, path

    def holds(self) -> bool:
        """Whether it still stands there."""
        try:
            found = look(self)
        except (KeyError, IndexError, AttributeError, ValueError):
            return False
        return same(found, self.expected)

    def __str__(self) -> str:
        if self.kind == "length":
            return f"len({self.path}) == {self.expected}"
        if isinstance(self.expected, SCALARS):
            return f"{self.path} == {self.expected!r}"
        return f"{self.path} is the same {type(self.expected).__name__}"


_LOOK: dict[str, Callable[[Any, Any], Any]] = {
    "item": lambda container, key: container[key],
    "attribute": lambda container, key: container[key],
    "length": lambda container, key: len(container),
    "cell": lambda container, key: container.cell_contents,
    "leaf": lambda container, key: container._entry is LEAF,
}


def look(place: Place) -> Any:
    """What stands at a place now."""
    return _LOOK[place.kind](place.container, place.key)


def same(found: Any, expected: Any) -> bool:
    """Identity for objects, equality with type for numbers and strings (NaN equals itself)."""
    if found is expected:
        return True
    if type(found) is not type(expected) or not isinstance(found, SCALARS):
        return False
    return found == expected or (found != found and expected != expected)


class Reach:
    """Everything a function can see, walked once."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.tensors: dict[int, tuple[Tensor, str]] = {}
        self.numbers: set[tuple[int, str]] = set()  # learning rates: inputs, not constants
        self.opaque: list[str] = []
        self._seen: dict[int, Any] = {}
        self._stack: list[tuple[Any, str]] = []

    def walk(self, value: Any, path: str) -> None:
        """Visit a value and whatever it leads to."""
        self._stack.append((value, path))
        while self._stack and len(self._seen) < _LIMIT:
            self._visit(*self._stack.pop())

    def _visit(self, value: Any, path: str) -> None:
        if isinstance(value, (*SCALARS, type, types.ModuleType)) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self._tensor(value, path)
        elif isinstance(value, types.FunctionType):
            self._function(value, path)
        elif isinstance(value, types.MethodType):
            self._stack += [(value.__self__, path), (value.__func__, path)]
        elif isinstance(value, dict):
            self._dict(value, path)
        elif isinstance(value, (list, tuple)):
            self._sequence(value, path)
        elif type(value).__module__.startswith(__package__ or ""):
            self._stack.append((getattr(value, "function", None), path))  # a compiled callable
        elif isinstance(value, (set, frozenset, types.BuiltinFunctionType, np.ndarray)):
            return
        elif isinstance(value, Iterator):
            self.opaque.append(path)
        else:
            self._object(value, path)

    def _note(self, kind: str, container: Any, key: Any, expected: Any, path: str) -> None:
        self.places.append(Place(kind, container, key, expected, path))
        self._stack.append((expected, path))

    def _tensor(self, value: Tensor, path: str) -> None:
        self.tensors[id(value)] = (value, path)
        self.places.append(Place("leaf", value, None, value._entry is LEAF, path + ".requires_grad"))

    def _dict(self, value: dict[Any, Any], path: str) -> None:
        self.places.append(Place("length", value, None, len(value), path))
        if "lr" in value and "params" in value:  # a parameter group
            if type(value["lr"]) is float:
                self.numbers.add((id(value), "lr"))
        for key, part in list(value.items()):
            name = f"[{key!r}]" if isinstance(key, SCALARS) else f"[<{type(key).__name__}>]"
            if (id(value), key if type(key) is str else "") not in self.numbers:
                self._note("item", value, key, part, path + name)

    def _sequence(self, value: Any, path: str) -> None:
        if type(value) is list:
            self.places.append(Place("length", value, None, len(value), path))
        for place, part in enumerate(value):
            if type(value) is list:
                self._note("item", value, place, part, f"{path}[{place}]")
            else:
                self._stack.append((part, f"{path}[{place}]"))

    def _function(self, value: types.FunctionType, path: str) -> None:
        if not own_code(value):
            return
        for cell, name in zip(value.__closure__ or (), value.__code__.co_freevars):
            try:
                self._note("cell", cell, None, cell.cell_contents, name)
            except ValueError:
                continue
        self._stack += [(part, path) for part in value.__defaults__ or ()]
        self._stack += [(part, path) for part in (value.__kwdefaults__ or {}).values()]
        self._names(value.__globals__, names_in(value.__code__))

    def _names(self, space: dict[str, Any], names: set[str]) -> None:
        for name in names & space.keys():
            found = space[name]
            if isinstance(found, types.ModuleType):
                if own_module(found):
                    self._names(vars(found), names)
            else:
                self._note("item", space, name, found, name)

    def _object(self, value: Any, path: str) -> None:
        kind = type(value)
        if id(kind) not in self._seen:
            self._seen[id(kind)] = kind
            for base in kind.__mro__:
                for part in vars(base).values():
                    if isinstance(part, types.FunctionType):
                        self._stack.append((part, path))
        table = getattr(value, "__dict__", None)
        if table is None or _foreign(kind):
            return
        for key, part in list(table.items()):
            if key not in _SKIPPED:
                inner = path if key in ("_parameters", "_modules", "_buffers") else f"{path}.{key}"
                self._note("attribute", table, key, part, inner)


def _foreign(kind: type) -> bool:
    """Whether a class comes from neither the user nor this package."""
    module = sys.modules.get(kind.__module__)
    if kind.__module__.split(".")[0] == _PACKAGE:
        return False
    return module is not None and not own_module(module)


def own_module(module: types.ModuleType) -> bool:
    """Whether a module is the user's: not this package, not installed, not Python's."""
    file = getattr(module, "__file__", None)
    return file is None or own_file(file)


_OUTSIDE = (f"{sys.prefix}/lib", f"{sys.base_prefix}/lib", "<frozen", __file__.rsplit("/", 2)[0])


def own_file(file: str) -> bool:
    """Whether code in this file is the user's."""
    return not file.startswith(_OUTSIDE) and "site-packages" not in file


def own_code(function: types.FunctionType) -> bool:
    """Whether a function is the user's."""
    return own_file(function.__code__.co_filename)


def names_in(code: types.CodeType) -> set[str]:
    """Every global or attribute name that a code object and those inside it mention."""
    found = set(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found |= names_in(part)
    return found


def lines_of(places: list[Place]) -> tuple[list[str], dict[str, Any]]:
    """The tests of all places as Python expressions, and the objects they name."""
    lines: list[str] = []
    names: dict[str, Any] = {"same": same, "LEAF": LEAF}
    for index, place in enumerate(places):
        names[f"gc{index}"], names[f"ge{index}"] = place.container, place.expected
        if place.kind not in ("length", "leaf", "cell"):
            names[f"gk{index}"] = place.key
        lines.append(_TESTS[_kind(place)].format(i=index))
    return lines, names


def checker(places: list[Place]) -> Callable[[], bool]:
    """One function that asks all places at once, written out as source for speed."""
    lines, names = lines_of(places)
    body = " and ".join(lines) or "True"
    source = f"def check():\n    try:\n        return {body}\n    except Exception:\n        return False"
    exec(source, names)
    return names["check"]


def _kind(place: Place) -> str:
    if place.kind in ("item", "attribute"):
        return "scalar" if isinstance(place.expected, (int, float, complex, str, bytes)) and type(
            place.expected) is not bool else "item"  # fmt: skip
    if place.kind == "length" and place.expected == 0:
        return "empty"
    return place.kind


_TESTS = {
    "item": "gc{i}[gk{i}] is ge{i}",
    "scalar": "(gc{i}[gk{i}] is ge{i} or same(gc{i}[gk{i}], ge{i}))",
    "length": "len(gc{i}) == ge{i}",
    "empty": "not gc{i}",
    "cell": "(gc{i}.cell_contents is ge{i} or same(gc{i}.cell_contents, ge{i}))",
    "leaf": "(gc{i}._entry is LEAF) is ge{i}",
}
