"""What a compiled program takes for granted about the world outside its arguments.

`reach.py` notes places: what a function can see, and how it stood before the trace. Here they are
asked again: a program runs only where every answer is still the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.dtypes import device
from ...core.shapes import Size
from ...core.state import DEFAULTS, STATE
from ...core.tape import LEAF

SCALARS = (bool, int, float, complex, str, bytes, type(None))
COMPARED = (Size, slice, range, np.dtype, np.generic, device)  # by value too
SOUGHT = 4  # times that the place which does not hold is looked for among all
ASKED = 100  # times that places are gone through, before a text is written: that takes so long


ABSENT = object()


def modes() -> tuple[Any, ...]:
    """What the thread and the process have switched on: part of what a program is made for."""
    return STATE.grad, STATE.inference, STATE.autocast, STATE.anomaly, DEFAULTS.dtype


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
        if self.kind in ("like", "content"):
            return bool(found == self.expected)
        return same(found, self.expected)

    def __str__(self) -> str:
        if self.kind == "length":
            return f"len({self.path}) == {self.expected}"
        if isinstance(self.expected, SCALARS):
            return f"{self.path} == {self.expected!r}"
        if self.kind == "like":
            several = self.expected[0] in (list, tuple, dict)
            return f"{self.path} " + (
                "holds tensors as before" if several else f"is a tensor {list(self.expected[1])}"
            )
        if self.kind == "absent":
            return f"{self.path} is not there"
        if self.kind == "content":
            return f"{self.path} holds the same"
        return f"{self.path} is the same {type(self.expected).__name__}"


_LOOK: dict[str, Callable[[Any, Any], Any]] = {
    "item": lambda container, key: container[key],
    "attribute": lambda container, key: container[key],
    "stored": dict.__getitem__,  # of a class that makes something else of what it keeps
    "length": lambda container, key: len(container),
    "cell": lambda container, key: container.cell_contents,
    "leaf": lambda container, key: container._entry is LEAF,
    "like": lambda container, key: forms(container[key]),
    "absent": lambda container, key: key not in container,
    "class": lambda container, key: of_class(container, key),
    "slot": lambda container, key: getattr(container, key, ABSENT),
    "content": lambda container, key: key(container),
}


def of_class(kind: type, name: str) -> Any:
    """What a class, or the first of its bases that has it, holds under a name."""
    for base in kind.__mro__:
        table = base.__dict__
        if name in table:
            return table[name]
    return ABSENT


def set_on(x: Any) -> dict[str, Any]:
    """What somebody has set on a tensor: names that begin with _ are the package's own."""
    return {name: value for name, value in vars(x).items() if name[0] != "_"}


def form(x: Any) -> Any:
    """What programs take for granted of a tensor that is another one at every call."""
    array = getattr(x, "_array", None)
    if array is None:
        return None
    entry = x._entry
    hooked = entry is LEAF and bool(x._hooks or x._post_accumulate_hooks)
    wants = "hooked" if hooked else "leaf" if entry is LEAF else entry is not None
    return type(x), array.shape, array.dtype, array.strides, wants


def forms(x: Any) -> Any:
    """The form of a tensor, or of a container: those of its tensors, and all else as it is."""
    if type(x) in (list, tuple):
        return type(x), list(map(forms, x))
    if type(x) is dict:
        return dict, [(key, forms(part)) for key, part in x.items()]
    return repr(x) if isinstance(x, SCALARS) else form(x)


def look(place: Place) -> Any:
    """What stands at a place now."""
    return _LOOK[place.kind](place.container, place.key)


def same(found: Any, expected: Any) -> bool:
    """Identity for objects, equality with type for numbers and strings (NaN equals itself)."""
    if found is expected:
        return True
    if type(found) is not type(expected) or not isinstance(found, (*SCALARS, *COMPARED)):
        return False
    if found == expected:
        return bool(found) or repr(found) == repr(expected)  # zeros have signs
    return bool(found != found and expected != expected)


def lines_of(places: list[Place]) -> tuple[list[str], dict[str, Any]]:
    """The tests of all places as Python expressions, and the objects they name."""
    lines: list[str] = []
    names: dict[str, Any] = {
        "same": same, "LEAF": LEAF, "forms": forms, "of_class": of_class, "ABSENT": ABSENT,
    }  # fmt: skip
    for index, place in enumerate(places):
        names[f"gc{index}"], names[f"ge{index}"] = place.container, place.expected
        if place.kind not in ("length", "leaf", "cell"):
            names[f"gk{index}"] = place.key
        lines.append(_TESTS[_kind(place)].format(i=index))
    return lines, names


class Standing:
    """Places that are asked all at once; what did not hold before is asked first.

    A flag or a counter in a module keeps its program from most calls, and stands behind thousands
    of places.
    """

    def __init__(self, places: list[Place], patience: int = ASKED) -> None:
        self._places, self._patience = places, patience
        self._check: Callable[[], bool] | None = None
        self._broken: list[Place] = []

    def likely(self) -> bool:
        """Whether all holds that did not hold at an earlier call."""
        return all(map(still, self._broken))

    def holds(self) -> bool:
        """Whether all places hold."""
        for place in self._broken:
            if not still(place):
                return False
        if self._check is None and self._patience > 0:
            self._patience -= 1
        elif self._check is None:
            self._check = _written(self._places)
        if self._check is not None and self._check():
            return True
        if self._check is not None and len(self._broken) == SOUGHT:
            return False
        found = next((place for place in self._places if not still(place)), None)
        if found is not None and len(self._broken) < SOUGHT:
            self._broken.append(found)
        return found is None


def still(place: Place) -> bool:
    """Whether it holds; not if it cannot be asked."""
    try:
        return place.holds()
    except Exception:  # the user's own comparison may fail with anything
        return False


def _written(places: list[Place]) -> Callable[[], bool]:
    """That function, written out as source for speed."""
    lines, names = lines_of(places)
    body = " and ".join(lines) or "True"
    lines = ["try:", f"    return {body}", "except Exception:", "    return False"]
    source = "def check():\n    " + "\n    ".join(lines)
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
    "stored": "same(dict.__getitem__(gc{i}, gk{i}), ge{i})",
    "scalar": "(gc{i}[gk{i}] is ge{i} or same(gc{i}[gk{i}], ge{i}))",
    "length": "len(gc{i}) == ge{i}",
    "empty": "not gc{i}",
    "cell": "(gc{i}.cell_contents is ge{i} or same(gc{i}.cell_contents, ge{i}))",
    "leaf": "(gc{i}._entry is LEAF) is ge{i}",
    "like": "forms(gc{i}[gk{i}]) == ge{i}",
    "absent": "gk{i} not in gc{i}",
    "class": "same(of_class(gc{i}, gk{i}), ge{i})",
    "slot": "same(getattr(gc{i}, gk{i}, ABSENT), ge{i})",
    "content": "gk{i}(gc{i}) == ge{i}",
}
