"""Functions of this package that somebody has exchanged: `F.gelu = mine`.

What the user's own code names is guarded where it stands. Layers call the package's functions by
their public names too; those who put others in their places do so by setting an attribute of a
module. From the first trace on the modules note it.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import Any

from ...core.tensor import Tensor
from ..calls.guards import Place
from ..disk.owned import own_code

_PACKAGE = __name__.split(".")[0]
_MODULES = (_PACKAGE, f"{_PACKAGE}.nn.functional")
_REPLACED: dict[tuple[str, str], Any] = {}  # what now stands under a name
_ORIGINAL: dict[tuple[str, str], Any] = {}
_EARLY: list[FunctionType] = []  # the user's, which stood there before the first trace


class Noting(ModuleType):
    """A module that notes what stands under its names instead of what stood there first."""

    def __setattr__(self, name: str, value: Any) -> None:
        key = self.__name__, name
        if name in vars(self):
            first = _ORIGINAL.setdefault(key, vars(self)[name])
            if first is value:
                _REPLACED.pop(key, None)
            else:
                _REPLACED[key] = value
        super().__setattr__(name, value)


def _standing(replaced: dict[tuple[str, str], Any]) -> tuple[Any, ...]:
    return tuple([(*key, id(value)) for key, value in sorted(replaced.items(), key=_key)])


def _key(item: Any) -> Any:
    return item[0]


def look_around(reach: Any, leaves: list[Tensor]) -> None:
    """Guard the package's functions, and look at what the user's in their places look at.

    And at what is set on tensors among the arguments.
    """
    reach.given(leaves)
    for name in _MODULES:
        module = sys.modules.get(name)
        if type(module) is ModuleType:
            found = [x for x in vars(module).values() if isinstance(x, FunctionType)]
            _EARLY.extend([x for x in found if own_code(x)])
            module.__class__ = Noting
    now, kept = _standing(_REPLACED), list(_REPLACED.values())
    place = Place("content", _REPLACED, lambda table, _=kept: _standing(table), now, "functions")
    reach.places.append(place)
    for value in (*_EARLY, *kept):
        reach.walk(value, "a function of the package")
