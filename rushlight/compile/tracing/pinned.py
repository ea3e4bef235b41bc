"""Values that a call goes by: masks that choose elements, conditions, lengths.

Where Python goes on by a tensor's value, the program is right for calls in which it is the same:
it asks (`required.py`), and a call in which it is another gets a program of its own, up to `MOST`
of them. Whether something is true may be asked of any computation; other values must be quick to
compute again from the call's inputs. Masks that stand outside the call hardly ever change; of all
else a program is made once a value has come twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..middle.graph import Node, order
from .numpy_calls import line, masks
from .required import BOOL, can_be_early
from .traced import Traced, constant, traced_in

MOST = 4  # values of one place that programs are made for
PLACES = 32  # values that one call may go by
ROOM = 1 << 16  # elements of a mask
WHOLE = 1 << 10  # whole numbers
DRAWN = 4  # numbers that are drawn in the call
DIFFERS = "is another from call to call"
NEW = "a call that goes by a value which has not come before"


class Pins:
    """The part of a tracer that values are asked of."""

    closed: bool
    place: str
    sources: list[Any]
    here: Any
    require: Any
    stop: Any
    changing: Any

    def begin_pins(self) -> None:
        """Nothing has gone by a value yet."""
        self.pinned, self.unsure = 0, ""  # where it goes by a new one

    def pin(self, x: Traced, how: str) -> bool:
        """Whether the call may go by a value, as its program asks for it at every run."""
        if self.closed or self.changing is None or self.pinned == PLACES:
            return False
        node, truth = x.read(), how == "bool()"
        kinds, room = ("b", ROOM) if node.dtype == BOOL else ("iu", WHOLE)
        if not truth and (node.dtype.kind not in kinds or node.size > room):
            return False
        alone = (node.size == 1 and (truth or node.dtype == BOOL)) or _drawn(node)
        if not alone and not can_be_early(node):
            return False
        value = x.value != 0 if truth else x.value.copy()
        if not self._has_come(node, value, how):
            return True  # the trace has ended
        self.pinned += 1
        said = value.tolist() if value.size == 1 else f"this {how}"
        self.here.gone_by.append(f"{how} gives {said} ({self.place or line()})")
        self.require((x != 0) == value if truth else x == value)
        return True

    def pin_all(self, given: Any) -> bool:
        """Whether all arrays among a function's arguments may be taken as they are."""
        found = [x for x in traced_in(given) if not constant(x.read())]
        return all(x.memory.dtype.kind in "biu" and self.pin(x, "its shape") for x in found)

    def unmasked(self, params: tuple[Any, ...]) -> tuple[Any, ...]:
        """The parameters of an index, places for its masks where those may be taken."""
        key, *rest = params
        parts: list[Any] = []
        for part in key if isinstance(key, tuple) else (key,):
            if not masks(part):
                parts.append(part)
            elif type(part) is not Traced or constant(part.read()) or self.pin(part, "a mask"):
                parts += np.nonzero(part.value if type(part) is Traced else part)
            else:
                return params
        return (tuple(parts), *rest)

    def _has_come(self, node: Node, value: np.ndarray, how: str) -> bool:
        """Whether a program may go by this value; the trace ends where there have been many."""
        if node.dtype == BOOL and self._stands(node):
            return True
        return self.comes(value.tobytes(), self.pinned, f"{how} needs the value of a tensor")

    def comes(self, said: bytes, mark: Any, needs: str) -> bool:
        """The same of a value in bytes, which has this mark at its line."""
        known = self.changing.gone_by.setdefault((self.place or line(), mark), [])
        if said not in known and len(known) == MOST:
            self.stop(f"{needs}, which {DIFFERS}")
            return False
        if said not in known:
            known.append(said)
            self.unsure = self.unsure or self.place or line()
        return True

    def _stands(self, node: Node) -> bool:
        """Whether a value comes from tensors alone that are not handed to the call."""
        found = set(order([node]))
        return all(
            source.kind == "tensor" and source.tensor is not None and source.tensor._entry is None
            and not source.cell.version
            for source in self.sources if source.node in found
        )  # fmt: skip


def _drawn(node: Node) -> bool:
    """Whether a few numbers are made of draws and little else, so that they can come again."""
    found = order([node]) if node.size <= DRAWN else []
    return any(x.op == "draw" for x in found) and all(x.op != "input" for x in found)
