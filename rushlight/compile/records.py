"""Classes of fields that cost nothing until they are used.

`dataclasses` writes and compiles the methods of every class at import, a millisecond each; the
first compiled step of a process would pay for forty, most of which it never makes. A `record` gets
its constructor when the first one is made. To type checkers it is a dataclass.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from dataclasses import field, replace
    from functools import cached_property as once
else:

    class once:
        """A property that is computed at its first use."""

        def __init__(self, function: Any) -> None:
            self.function, self.name, self.__doc__ = function, function.__name__, function.__doc__

        def __get__(self, one: Any, of: Any = None) -> Any:
            if one is None:
                return self
            value = one.__dict__[self.name] = self.function(one)
            return value

    class field:
        """A default to be made anew for each record, or a field that comparisons pass over."""

        __slots__ = ("compare", "default", "factory")

        def __init__(
            self, default: Any = ..., default_factory: Any = None, compare: bool = True
        ) -> None:
            self.default, self.factory, self.compare = default, default_factory, compare

    def record(cls: Any = None, /, *, frozen: bool = False, eq: bool = True) -> Any:
        """The class with a constructor of its annotated fields; `frozen` ones can be keys."""
        if cls is None:
            return lambda cls: record(cls, frozen=frozen, eq=eq)
        fields = {name: vars(cls).get(name, ...) for name in cls.__annotations__}
        for name, default in fields.items():
            if isinstance(default, field):
                delattr(cls, name)
        compared = [n for n, one in fields.items() if not isinstance(one, field) or one.compare]
        cls._fields, cls._values = tuple(fields), staticmethod(attrgetter(*compared))
        cls.__init__, cls.__repr__ = _first(cls, fields, frozen), _shown
        if eq:
            cls.__eq__, cls.__hash__ = _equal, _hashed if frozen else None
        if frozen:
            cls.__setattr__ = cls.__delattr__ = _refused
        return cls

    def replace(one: Any, /, **changes: Any) -> Any:
        """A copy of a record with other values in some fields."""
        made = object.__new__(type(one))
        values, old = made.__dict__, one.__dict__
        for name in one._fields:
            values[name] = old[name]
        values.update(changes)
        if len(values) != len(one._fields):
            raise TypeError(f"{type(one).__name__} has no field {set(values) - set(one._fields)}")
        return made


def _first(cls: Any, fields: dict[str, Any], frozen: bool) -> Any:
    """A constructor that writes the real one and takes its turn once."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if cls.__init__ is __init__:
            cls.__init__ = _constructor(cls.__qualname__, fields, frozen)
        cls.__init__(self, *args, **kwargs)

    return __init__


def _constructor(name: str, fields: dict[str, Any], frozen: bool) -> Any:
    known: dict[str, Any] = {"_absent": ...}
    arguments, lines = ["self"], ["_d = self.__dict__"] * frozen
    for k, (field, default) in enumerate(fields.items()):
        factory = getattr(default, "factory", None)
        plain = getattr(default, "default", default) if factory is None else ...
        known[f"_{k}"] = plain if factory is None else factory
        value = f"_{k}() if {field} is _absent else {field}" if factory else field
        preset = "=_absent" if factory else "" if plain is ... else f"=_{k}"
        arguments.append(field + preset)
        # a dictionary that was asked for makes every later look at a field slower
        lines.append(f"_d[{field!r}] = {value}" if frozen else f"self.{field} = {value}")
    inside = "\n    ".join(lines)
    exec(f"def __init__({', '.join(arguments)}):\n    {inside}\n", known)
    known["__init__"].__qualname__ = f"{name}.__init__"
    return known["__init__"]


def _shown(self: Any) -> str:
    inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"{type(self).__qualname__}({inside})"


def _equal(self: Any, other: Any) -> Any:
    if other is self:
        return True
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._values(self) == self._values(other)


def _hashed(self: Any) -> int:
    known = self.__dict__
    found = known.get("_hash")
    if found is None:
        found = known["_hash"] = hash(self._values(self))
    return found


def _refused(self: Any, name: str, *value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} cannot be changed: {name}")
