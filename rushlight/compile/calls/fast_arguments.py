"""The short way's questions about the arguments of a call: `bound.fits` written out, without loops.

Tuples, lists and dictionaries are taken apart on the way, so that the rest of the text knows each
tensor in them by a name.
"""

from __future__ import annotations

from typing import Any

from ..tracing.results import parts_of
from .bound import Argument
from .guards import same

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
        elif parts_of(wanted) is not None:
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
        if wanted:
            heads = "".join(f"{name}_{k}, " for k in range(len(wanted)))
            self.lines.append(f"{heads}= {content}")
        for k, part in enumerate(parts_of(wanted) or ()):
            self._ask(f"{name}_{k}", part)
