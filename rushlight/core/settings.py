"""Modules of settings: names with values that may be set, patched for a block, and listed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Settings(ModuleType):
    """A module whose attributes are settings: only those that it was made with can be set.

    Sections, as in `config.triton.cudagraphs`, are settings too; `effects` holds what is done when
    a setting gets a value. The others are kept and change nothing: they name parts of a compiler
    that are not here.
    """

    def __init__(
        self,
        name: str,
        values: dict[str, Any],
        effects: dict[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        super().__init__(name)
        sections: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            section, _, rest = key.partition(".")
            if rest:
                sections.setdefault(section, {})[rest] = value
        found = {key: value for key, value in values.items() if "." not in key}
        found |= {key: Settings(f"{name}.{key}", held) for key, held in sections.items()}
        self.__dict__.update(_values=found, _effects=effects or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._values[self._known(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):  # what the import system notes about a module
            super().__setattr__(name, value)
            return
        self._values[self._known(name)] = value
        if name in self._effects:
            self._effects[name](value)

    def __dir__(self) -> list[str]:
        return sorted([*self._values, "patch"])

    def _known(self, name: str) -> str:
        if name not in self._values:
            raise AttributeError(f"{_as_torch(self.__name__)}.{name} does not exist")
        return name

    def _place(self, path: str) -> tuple[Settings, str]:
        """The section and the name in it of `a.b`."""
        section, _, rest = path.partition(".")
        inner = self._values.get(section)
        return inner._place(rest) if rest and isinstance(inner, Settings) else (self, path)

    def patch(self, arg1: Any = None, arg2: Any = None, **kwargs: Any) -> Patch:
        """Other values for a `with` block or a function, by a name and a value, a dict or names.

        Raises: AttributeError for names that are no settings.
        """
        if isinstance(arg1, str):
            return Patch(self, {arg1: arg2})
        return Patch(self, {**(arg1 or {}), **kwargs})


class Patch:
    """Values for a block, or for the calls of a function."""

    def __init__(self, settings: Settings, values: dict[str, Any]) -> None:
        self._new = [(*settings._place(path), value) for path, value in values.items()]
        self._before: list[list[Any]] = []

    def __enter__(self) -> None:
        self._before.append([getattr(home, name) for home, name, _ in self._new])
        for home, name, value in self._new:
            setattr(home, name, value)

    def __exit__(self, *_: Any) -> None:
        for (home, name, _value), before in zip(self._new, self._before.pop(), strict=True):
            setattr(home, name, before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def patched(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return patched


def _as_torch(name: str) -> str:
    return f"torch{name[name.index('.') :]}" if "." in name else name
