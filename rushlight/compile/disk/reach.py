"""Everything a function can see, walked once, and how it stood."""

from __future__ import annotations

import functools
import os
import random
import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...core.handles import EVERY_MODULE, OF_LEAVES, acting
from ...core.names import home, own_name
from ...core.tape import LEAF
from ...core.tensor import Tensor
from ..calls.guards import SCALARS, Place, look, set_on
from ..tracing.chances import UNSEEN, engine_of, is_engine
from ..tracing.sinks import STREAMS, asks_level, is_file, level_of, tells
from ..tracing.spots import Logs
from ..tracing.stores import SKIPPED, Tables
from .kinds import (
    Kinds,
    behind,
    content_of,
    functions_in,
    has_own_items,
    hooks_of,
    replaces_method,
    sequence_with_places,
)  # fmt: skip
from .names import (
    ADDED,
    ANY,
    FILE,
    GROW,
    ITEM,
    OUTSIDE,
    Chain,
    asked_in,
    chains_in,
    imports_in,
    loaded_in,
    names_in,
    stores_in,
)  # fmt: skip
from .owned import FOLDER, own_code, own_file, own_module

_PACKAGE = __name__.split(".")[0]
_LIMIT = 50_000
_CHANCE = "numpy.random"  # its functions cannot be watched, but noted (`tracing/chances.py`)
_MOVED = frozenset(("lr", "momentum", "betas"))  # by schedules
_OF_FUNCTIONS = ("__code__", "__defaults__", "__kwdefaults__")  # that may be exchanged
_LEAVES = frozenset((bool, int, float, str, type(None)))  # that lead nowhere
# What asks numbers by Python's protocols, and keeps none.
_KNOWN = frozenset((_PACKAGE, "builtins", "math", "operator", "_operator", "functools", "itertools",
                    "collections", "contextlib", "typing", "types", "numpy", "abc", "enum",
                    "dataclasses", "random", "copy", "__future__"))  # fmt: skip
_KEEPERS = (f"{_PACKAGE}.utils.tensorboard.", f"{_PACKAGE}.distributed.", f"{_PACKAGE}.compat.")
_FLAT = frozenset(("_parameters", "_modules", "_buffers"))


class Reach:
    """The places that a call may look at: those its code names, and all behind what it uses whole.

    `numbers` are the learning rates, which become inputs; `opaque` names what cannot be guarded.
    """

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.tensors: dict[int, tuple[Tensor, str]] = {}
        self.numbers: set[tuple[int, str]] = set()
        self.rates: list[Place] = []  # those of `numbers`
        self.reads_rates = False  # whether the user's code reads learning rates itself
        self.words: set[str] = set()  # names that the user's code uses
        self.named: set[str] = set()  # names and strings in it, also in functions inside of it
        self.asked: set[str] = set()  # attributes that it may find missing
        self.schedules: list[Any] = []  # of learning rates
        self.optimizers: list[Any] = []
        self.told: set[int] = set()  # objects that it tells something (`sinks.py`)
        self.looked: set[int] = set()  # objects that it asks for something
        self.tables = Tables()
        self.logs = Logs()
        self.arguments: list[tuple[Tensor, dict[str, Any]]] = []  # and what is set on them
        self.shells: dict[int, Any] = {}  # containers among the arguments
        self.passing: list[Place] = []  # those of such containers
        self.unnamed: set[int] = set()  # tensors that only arguments lead to
        self.functions: list[types.FunctionType] = []  # those of the user's
        self.ours: set[int] = set()  # attributes of objects whose class is this package's
        self.opaque: list[str] = []
        self.engines: list[Any] = []  # that numbers may be drawn from, which a trace sees
        self.loose: Counter[int] = Counter()  # objects met at no place, by address: how often
        self.loaded: set[str] = set()  # names that its code may read, of variables or attributes
        self.strange = ""  # of another library, called by the user's code
        self.arrays = False  # whether it may look at a NumPy array
        self._seen: dict[int, Any] = {}
        self._noted: set[tuple[int, Any]] = set()
        self._bound: set[tuple[int, int]] = set()
        self._near: set[int] = set()  # what objects of the user's or this package's hold
        self._kinds = Kinds(own_module)
        self._hooked: list[Tensor] = []  # the tensors, for a question about their hooks
        self._hooks: Place | None = None
        self.stack: list[tuple[Any, str]] = []

    def walk(self, value: Any, path: str) -> None:
        """Visit a value and whatever it leads to."""
        self.stack.append((value, path))
        while self.stack and len(self._seen) < _LIMIT:
            while self.stack and len(self._seen) < _LIMIT:
                value, path = self.stack.pop()
                if type(value) not in _LEAVES:
                    self._visit(value, path)
            self._kinds.note(self)
        if self._hooks is not None:
            self._hooks.expected = look(self._hooks)

    def given(self, tensors: Iterable[Tensor]) -> None:
        """Visit what is set on the tensors among the arguments."""
        for x in tensors:
            found = set_on(x)
            self.arguments.append((x, found))
            for name, part in found.items():
                self.walk(part, f"argument.{name}")

    def forget(self, x: Tensor) -> None:
        """A tensor in whose place others stand at later calls: nothing of it is kept."""
        self._hooked[:] = [one for one in self._hooked if one is not x]

    def reads(self, name: str) -> bool:
        """Whether the code may read something of this name."""
        return name in self.loaded or ANY in self.loaded

    def by_name(self, x: Tensor) -> bool:
        """Whether the code finds a tensor without an argument's help."""
        return id(x) in self.tensors and id(x) not in self.unnamed

    def knows(self, value: Any) -> bool:
        """Whether an object was met on the way."""
        return id(value) in self._seen

    def _visit(self, value: Any, path: str) -> None:
        if isinstance(value, types.MethodType):
            self._method(value.__self__, value.__func__, path)
            return
        if isinstance(value, (*SCALARS, types.ModuleType)) or id(value) in self._seen:
            return
        if isinstance(value, type):
            self._class(value, path)
            return
        self._seen[id(value)] = value
        if isinstance(value, Tensor):
            self._tensor(value, path)
        elif isinstance(value, types.FunctionType):
            self._function(value, {})
        elif isinstance(value, dict):
            self._dict(value, path)
        elif isinstance(value, tuple) or sequence_with_places(value):
            self._sequence(value, path)
        elif home(type(value)).startswith(f"{_PACKAGE}.compile"):
            self.stack.append((getattr(value, "function", None), path))  # a compiled callable
        elif isinstance(value, np.ndarray):
            self.arrays = True
        elif (content := content_of(value)) is not None or behind(value) is not None:
            if content is not None:
                self.note("content", value, *content, path)
            self._loosely(behind(value) or (), path)
        elif isinstance(value, Iterator):
            self.opaque.append(f"{path} is an iterator, which a program cannot advance")
        elif type(value).__module__.startswith(_CHANCE):
            self.opaque.append(f"{path} {UNSEEN}")
        else:
            self._object(value, path)

    def note(self, kind: str, container: Any, key: Any, expected: Any, path: str) -> bool:
        """One more place, and whether it is new."""
        mark = (id(container), key if isinstance(key, SCALARS) else id(key))
        if mark in self._noted:
            return False
        self._noted.add(mark)
        self.places.append(Place(kind, container, key, expected, path))
        return True

    def _follow(self, kind: str, container: Any, key: Any, expected: Any, path: str) -> None:
        self.note(kind, container, key, expected, path)
        self.stack.append((expected, path))

    def _tensor(self, value: Tensor, path: str) -> None:
        self.tensors[id(value)] = (value, path)
        if self._hooks is None:
            key = functools.partial(hooks_of, self._hooked)
            self._hooks = Place("content", OF_LEAVES, key, (), "hooks of tensors")
            self.places.append(self._hooks)
        self._hooked.append(value)
        self.tables.of_tensor(vars(value), path)
        self._kinds.has(vars(value), Tensor, path)
        for name in ("_hooks", "_post_accumulate_hooks"):
            self.stack.append((vars(value).get(name), f"{path}.{name}"))
        wants = value._entry is LEAF
        self.places.append(Place("leaf", value, None, wants, path + ".requires_grad"))

    def _dict(self, value: dict[Any, Any], path: str) -> None:
        self.places.append(Place("length", value, None, len(value), path))
        self.tables.note(value, path, items=True)
        if "lr" in value and "params" in value and type(value["lr"]) is float:
            self._rates(value, path)
        kind = "stored" if has_own_items(type(value)) else "item"
        for key, part in list(dict.items(value)):
            name = f"[{key!r}]" if isinstance(key, SCALARS) else f"[<{type(key).__name__}>]"
            if (id(value), key if type(key) is str else "") not in self.numbers:
                self._follow(kind, value, key, part, path + name)

    def _rates(self, group: dict[Any, Any], path: str) -> None:
        """What schedules move in a parameter group: the rate, and some the momentum."""
        keys = _MOVED.intersection(group) if "max_momentum" in group else ("lr",)
        for key in sorted(keys):
            self.numbers.add((id(group), key))
            self.rates.append(Place("item", group, key, group[key], f"{path}[{key!r}]"))

    def _sequence(self, value: Any, path: str) -> None:
        may_change = not isinstance(value, tuple)
        if may_change:
            self.places.append(Place("length", value, None, len(value), path))
            self.tables.sequence(value, path)
        for place, part in enumerate(value):
            if may_change:
                self._follow("item", value, place, part, f"{path}[{place}]")
            else:
                self._loosely((part,), f"{path}[{place}]")

    def _loosely(self, parts: Iterable[Any], path: str) -> None:
        """Objects at places that nobody asks about again, as they cannot get other content."""
        for part in parts:
            self.loose[id(part)] += 1
            self.stack.append((part, path))

    # --- code

    def _method(self, owner: Any, function: Any, path: str) -> None:
        """A method: what its code looks at on its object, if it is the user's; else all of it."""
        if not isinstance(function, types.FunctionType) or not own_code(function):
            names = getattr(function, "looks_at", None)
            for name in names or ():
                self._attributes(owner, (name,), path, None)
            if names is None:
                self.stack.append((owner, path))
            return
        mark = (id(owner), id(function.__code__))
        self.tables.note(getattr(owner, "__dict__", None), path or "self")
        if mark not in self._bound:
            self._bound.add(mark)
            names = function.__code__.co_varnames[:1]
            self._function(function, dict.fromkeys(names, owner))

    def _function(self, value: types.FunctionType, known: dict[str, Any]) -> None:
        if not own_code(value):  # perhaps a transform of the user's: vmap(f)
            self._meet_stranger(value.__module__)
            self.stack.append((getattr(value, "__wrapped__", None), "the function"))
            return
        code = value.__code__
        self.functions.append(value)
        self.reads_rates = self.reads_rates or not _MOVED.isdisjoint(names_in(code))
        self.words.update(code.co_names)
        for module in imports_in(code):
            self._meet_stranger(module)
        self.named |= names_in(code)
        self.asked |= asked_in(code)
        self.loaded |= loaded_in(code)
        cells = dict(zip(code.co_freevars, value.__closure__ or ()))
        names, enclosing = stores_in(code)
        for name in names:
            self.tables.name(value.__globals__, name)
        for name in enclosing.intersection(cells):
            self._variable(cells[name], name)
        for name in _OF_FUNCTIONS:
            part = getattr(value, name)
            self.note("slot", value, name, part, f"{value.__name__}.{name}")
        self._loosely(value.__defaults__ or (), "a default")
        self._loosely((value.__kwdefaults__ or {}).values(), "a default")
        for chain in chains_in(code):
            self._chain(chain, known, cells, value.__globals__)

    def _variable(self, cell: Any, name: str) -> None:
        """A variable of an enclosing function that the code gives new values."""
        self.tables.variable(cell, name)
        try:
            self.note("cell", cell, None, cell.cell_contents, name)
        except ValueError:  # there is nothing in it yet
            pass

    def _chain(
        self, chain: Chain, known: dict[str, Any], cells: dict[str, Any], space: dict[str, Any]
    ) -> None:
        name = chain[0].removeprefix(OUTSIDE)
        chain = chain[:-1] if chain[-1] == FILE and "print" in space else chain
        place: tuple[Any, Any] | None = None
        if chain[0] in known:
            found = known[name]
        elif chain[0] in cells:
            try:
                found = cells[name].cell_contents
            except ValueError:
                return
            self.note("cell", cells[name], None, found, name)
            place = cells[name], None
        elif chain[0] != name and name in space:
            found = space[name]
            if not isinstance(found, types.ModuleType):
                self.note("item", space, name, found, name)
                place = space, name
            if is_engine(found) or engine_of(found) is not None:  # a trace sees what it draws
                self.engines.append(found if is_engine(found) else engine_of(found))
                return
        else:
            return
        self._attributes(found, chain[1:], name, place)

    def _attributes(
        self, found: Any, names: Chain, path: str, place: tuple[Any, Any] | None
    ) -> None:
        """Go along a chain from a value; what stands at its end is used as a whole.

        `place` is where the value was found, if it may be another one there.
        """
        for name in names:
            table = getattr(found, "__dict__", None)
            if self._told(found, name, path, place):
                return
            if name in (ADDED, FILE):
                break
            place = None
            if name.startswith(ITEM):
                key = name.removeprefix(ITEM)
                if not isinstance(found, dict) or key not in found or has_own_items(type(found)):
                    break
                self.tables.note(found, path, items=True)
                self.note("item", found, key, found[key], f"{path}[{key!r}]")
                found, place, path = found[key], (found, key), f"{path}[{key!r}]"
                continue
            if isinstance(found, types.ModuleType):
                self._beside(found, name)
                if not own_module(found) or name not in vars(found):
                    self._meet_stranger(own_name(found), vars(found).get(name, found))
                    return
                self.note("item", vars(found), name, vars(found)[name], f"{path}.{name}")
                found, place = vars(found)[name], (vars(found), name)
            elif type(table) is dict and name in table and not isinstance(found, type):
                self.tables.note(table, path)
                self.note("attribute", table, name, table[name], f"{path}.{name}")
                if replaces_method(found, name, table[name]):
                    self.stack.append((found, path))
                found, place = table[name], (table, name)
            elif (part := self._registered(found, name)) is not None:
                found = part
            elif isinstance(found, type) and self._kinds.meet(found):
                self._class(found, path)
                return
            else:
                if type(table) is dict and not isinstance(found, Tensor):
                    self.note("absent", table, name, True, f"{path}.{name}")
                self._of_class(found, name, path)
                return
            path = f"{path}.{name}"
        self.stack.append((found, path))

    def _told(self, found: Any, name: str, path: str, place: tuple[Any, Any] | None) -> bool:
        """Whether a list grows, or something is told (to an object, or by a module's function)."""
        if (name in GROW or name == ADDED) and type(found) is list and place is not None:
            self.logs.note(found, *place, path)
            return True
        if found is sys and name in STREAMS:
            self.told.add(id(STREAMS))
            return True
        if name == FILE and is_file(found):
            self.told.add(id(found))
            return True
        if asks_level(found, name):
            self.note("content", found, level_of, level_of(found), path)
            return True
        if not tells(found, name):
            self.looked.add(id(found))
            return False
        if isinstance(found, types.ModuleType):
            table, path = vars(found), f"{path}.{name}"
            self.note("item", table, name, table.get(name), path)
            found = getattr(table.get(name), "__self__", table.get(name))
        self.told.add(id(found))
        return True

    def _beside(self, module: types.ModuleType, name: str) -> None:
        """What a name of a module leads to that does not stand there: chance, the environment."""
        if f"{module.__name__}.{name}".startswith(_CHANCE):
            self.engines.append(np.random.rand.__self__)
        if module is random or module.__name__ == _CHANCE:
            self.note(
                "item", vars(module), name, vars(module).get(name), f"{module.__name__}.{name}"
            )
        if module is os and name in ("environ", "getenv"):
            self.stack.append((vars(os.environ)["_data"], "os.environ"))

    def _registered(self, owner: Any, name: str) -> Any:
        """A parameter, buffer or layer of a module by its name; its table is noted."""
        for kind in ("_parameters", "_buffers", "_modules"):
            table = getattr(owner, "__dict__", {}).get(kind)
            if type(table) is dict and name in table and table[name] is not None:
                self.tables.note(table, "")
                self.note("item", table, name, table[name], name)
                return table[name]
        return None

    def _of_class(self, owner: Any, name: str, path: str) -> None:
        """A method or property of a value's class: follow the user's, else take the value whole."""
        self._kinds.meet(type(owner))
        self._class_of(owner, path)
        self._meet_stranger(home(type(owner)))
        for base in type(owner).__mro__:
            part = vars(base).get(name)
            if part is None:
                continue
            if isinstance(part, property):
                part = part.fget
            if isinstance(part, types.FunctionType):
                self._method(owner, part, path)
                return
            if isinstance(part, (staticmethod, classmethod)):
                self.stack.append((part.__func__, path))
                return
            break
        self.stack.append((owner, path))

    def _object(self, value: Any, path: str) -> None:
        kind = type(value)
        self._class(kind, path)
        self._class_of(value, path)
        if hasattr(kind, "forward"):
            now = acting(EVERY_MODULE)
            self.note("content", EVERY_MODULE, acting, now, "hooks of all modules")
        if getattr(kind, "_moves_rates", False):
            self.schedules.append(value)
        if getattr(kind, "_keeps_rates", False):
            self.optimizers.append(value)
        table = getattr(value, "__dict__", None)
        if _foreign(kind) and id(value) not in self._near:
            self._meet_stranger(home(kind))
            self.stack.append((getattr(value, "__wrapped__", None), path))
            return
        for key, part in self._kinds.slots(value):
            self._follow("slot", value, key, part, f"{path}.{key}")
        if type(table) is not dict:
            return
        self._kinds.has(table, kind, path)
        if home(kind).split(".")[0] == _PACKAGE:
            self.ours.add(id(table))
        derived = id(value) in self._near or not _foreign(kind)
        self.tables.note(table, path)
        self.tables.note(table.get("_buffers"), path)
        for key, part in list(table.items()):
            if key not in SKIPPED:
                if derived:  # a model's settings are objects of the library that it comes from
                    self._near.add(id(part))
                inner = path if key in _FLAT else f"{path}.{key}"
                self._follow("attribute", table, key, part, inner)

    def _class_of(self, value: Any, path: str) -> None:
        """An object with attributes of its own may be given another class."""
        if isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, Tensor):
            self.note("slot", value, "__class__", type(value), f"{path}.__class__")

    def _meet_stranger(self, module: str | None, part: Any = ...) -> None:
        """Something of a module is called: whether it may look at what it is given otherwise."""
        if type(part) in _LEAVES:
            return
        first = (module or "?").split(".")[0]
        file = getattr(sys.modules.get(first), "__file__", None) or "?"
        own = first in _KNOWN or first == "__main__" or own_file(file) or file.startswith(FOLDER)
        if not own or f"{module}.".startswith(_KEEPERS):
            self.strange = self.strange or str(module)

    def _class(self, kind: type, path: str) -> None:
        """The functions of a class, of which any may be called."""
        self._kinds.meet(kind)
        for base in () if id(kind) in self._seen else kind.__mro__:
            if id(base) not in self._seen:
                self._seen[id(base)] = base
                for part in vars(base).values():
                    self.stack += [(function, path) for function in functions_in(part)]


def _foreign(kind: type) -> bool:
    """Whether a class comes from neither the user nor this package."""
    if kind.__module__ in ("collections", "types"):  # containers written in Python, namespaces
        return False
    if any(home(base).split(".")[0] == _PACKAGE for base in kind.__mro__):
        return False  # an installed library's model too
    module = sys.modules.get(kind.__module__)
    return module is not None and not own_module(module)
