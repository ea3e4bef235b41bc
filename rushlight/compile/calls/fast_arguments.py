"""The short way's questions about the arguments of a call: `bound.fits` written out, without loops.

Containers, and batches that are objects, are taken apart on the way, so that the rest of the text
knows each tensor in them by a name.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import Any

from .bound import Argument
from .guards import same
from .opened import Above, Opened, in_slot, plain_parts

_HISTORIES = (  # what a tensor argument must not be
    "{x}._entry is not None",
    "{x}._entry is not LEAF or {x}._hooks or {x}._post_accumulate_hooks",
    "{x}._entry is None",
    "True",
)


class Asked:
    """Lines that go to `miss` where arguments are not of the form `wanted`.

    `names` are what the lines refer to, `leaves` what they call the tensors, in the order of
    `bound.fits`.
    """

    def __init__(self, wanted: tuple[Any, dict[str, Any]], miss: str) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"same": same}
        self.leaves: list[str] = []
        self._miss = miss
        self._above: list[str] = []  # what the lines call the objects that hold a value
        for i, one in enumerate(wanted[0]):
            self._ask(f"x{i}", one)
        if wanted[1]:
            self._ask("kwargs", wanted[1])

    def _refuse(self, test: str) -> None:
        self.lines.append(f"if {test}: {self._miss}")

    def _ask(self, name: str, wanted: Any) -> None:
        """Whether what goes by this name is as it was."""
        if type(wanted) is Argument:
            self._tensor(name, wanted)
        elif type(wanted) is Opened:
            self._object(name, wanted)
        elif type(wanted) is Above:
            self.names["ref"] = weakref.ref
            self._refuse(f"type({name}) is not ref or {name}() is not {self._above[wanted.place]}")
        elif plain_parts(wanted) is not None:
            self._container(name, wanted)
        else:
            self.names[f"E{name}"] = wanted
            self._refuse(f"not same({name}, E{name})")

    def _tensor(self, name: str, wanted: Argument) -> None:
        """Its elements are looked at later, with those of all inputs."""
        self.leaves.append(name)
        self.names[f"K{name}"] = wanted.kind
        state = _HISTORIES[wanted.history].format(x=name)
        if wanted.expecting:
            self.names[f"F{name}"], state = wanted.as_set, f"{state} or not F{name}({name})"
        self._refuse(f"type({name}) is not K{name} or {state}")

    def _container(self, name: str, wanted: Any) -> None:
        """The same kind with as many parts, or the same keys in order; then each part."""
        differs, content = f"len({name}) != {len(wanted)}", name
        self.names[f"C{name}"] = type(wanted)
        if isinstance(wanted, dict):
            self.names[f"K{name}"] = list(wanted)
            differs, content = f"[*{name}] != K{name}", f"{name}.values()"
        self._refuse(f"type({name}) is not C{name} or {differs}")
        self._parts(content, [f"{name}_{k}" for k in range(len(wanted))], plain_parts(wanted))

    def _parts(self, content: str, names: list[str], parts: Any) -> None:
        """Give the parts of a container their names, and ask for each."""
        if names:
            self.lines.append(f"{''.join(f'{one}, ' for one in names)}= {content}")
        for one, part in zip(names, parts):
            self._ask(one, part)

    def _object(self, name: str, wanted: Opened) -> None:
        """The same class with the same keys and attributes in order; then what they hold."""
        how, (items, attributes) = wanted.how, wanted.keys
        base: Any = how.base
        self.names.update({f"C{name}": wanted.kind, f"K{name}": items, f"A{name}": attributes})
        self._refuse(f"type({name}) is not C{name}")
        names = [f"{name}_{k}" for k in range(len(wanted.parts))]
        groups: list[tuple[str, int]] = []  # how the text says parts, and how many those are
        if base is list:
            self.names.update(list_len=list.__len__, list_iter=list.__iter__)
            self._refuse(f"list_len({name}) != K{name}")
            groups.append((f"list_iter({name})", items))
        elif base is not object:
            self.names.update({f"D{name}": base.keys, f"V{name}": base.values})
            self._refuse(f"[*D{name}({name})] != K{name}")
            groups.append((f"V{name}({name})", len(items)))
        if base is defaultdict:
            groups.append((f"({name}.default_factory,)", 1))
        if how.table:
            self.lines.append(f"{name}_t = {name}.__dict__")
            self._refuse(f"[*{name}_t] != A{name}")
            groups.append((f"{name}_t.values()", len(attributes)))
        for k, member in enumerate(how.slots):
            self.names.update({f"M{name}_{k}": member, "in_slot": in_slot})
            groups.append((f"(in_slot(M{name}_{k}, {name}),)", 1))
        self._above.append(name)
        first = 0
        for content, count in groups:
            end = first + count
            self._parts(content, names[first:end], wanted.parts[first:end])
            first = end
        self._above.pop()
