"""What `item()` gives during a trace: numbers that are known when the program has run.

A training step that ends in `return loss.item()`, or keeps the losses in a list, only hands such a
number on. So the trace goes on with a stand-in (`numbers.py`), the tensor becomes an output of the
program, and what follows from the number is computed in Python after every run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.holes import holds, replaced
from ...core.tensor import Tensor, wrap
from ..disk.reach import Reach
from ..middle.graph import BFLOAT16, Node, order
from .answers import EXACT, VAGUE
from .called import Called, promises, says, writes
from .chances import Chances
from .numbers import NAMES, Key, Number
from .numpy_calls import value_of
from .said import say, streams
from .spots import Changing, Here, Spot
from .traced import Traced

_KINDS = {"f": float, "i": int, "u": int}
_ITEM = re.compile(r"items\[(\d+)\]")
_ASKING = frozenset(("item", "tolist"))
_MOST, _FEW = 256, 4  # numbers of a list, and of one that the call may go by


class Items:
    """The tensors whose numbers were asked for; as texts see it, a list of those numbers."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.pinned: set[int] = set()  # those that the call goes by
        self._nodes: list[Node] = []

    def __getitem__(self, k: int) -> Any:
        return value_of(self.tensors[k]._array).tolist()

    def of(self, x: Traced) -> int:
        """The place of an array, as it is now."""
        node = x.read()
        if node not in self._nodes:
            if x.memory.dtype.char == BFLOAT16:
                x = x.astype("f")
            whole = x.copy()
            self.tensors.append(wrap(whole.reshape(()) if x.memory.size == 1 else whole))
            self._nodes.append(node)
        return self._nodes.index(node)


class Promises:
    """The part of a tracer that numbers of later are asked of."""

    closed: bool
    sources: list[Any]
    external: Any
    afterwards: Any
    pin: Any

    def begin_promises(self) -> None:
        """No numbers stand for others yet."""
        self.items, self.here, self.called = Items(), Here(), Called()
        self.chances = Chances()
        self.given: dict[str, Any] = {  # what texts name
            **NAMES, "items": self.items, "drawn": self.chances.values,
        }  # fmt: skip
        self.keyed: dict[Key, Tensor] = {}  # which arguments stand for numbers, by place
        self.changing: Changing | None = None  # what is lent, and what shall be
        self.promising = False  # whether items are numbers of later
        self.said: list[list[Any]] = []  # what the call has told the world, or will
        self.grown: list[tuple[Spot, Any]] = []  # what deques got
        self.streams = streams()

    def promise(self, reach: Reach, changing: Changing) -> bool:
        """Whether numbers stand for others: if no code in reach would tell them apart."""
        self.changing = changing
        self.chances.begin(reach.named, reach.engines)
        if "type" in reach.words or reach.strange or not reach.told.isdisjoint(reach.looked):
            return False
        telling = bool(reach.told) or says(reach.functions) or writes(reach.functions)
        self.promising = not _ASKING.isdisjoint(reach.words) or promises(reach.functions) or telling
        self.here.lend(self, changing)
        self.called.exchange(reach.functions, telling)
        return self.promising or bool(self.here.spots) or self.chances.possible

    def conclude(self) -> None:
        """What was to be done at the end: the call's trace has ended before."""
        self.afterwards.run()
        say(self.said)

    def foretold(self, text: str, value: Any) -> Tensor:
        """A number that Python computes before each run, as a 0-d tensor."""
        for source in self.sources:
            if source.kind == "text" and source.owner == text:
                return wrap(Traced(self, source.array, source.node, source.cell))
        return wrap(self.external("text", text, None, np.array(value)))

    def pin_number(self, number: Number) -> bool:
        """Whether the call may go by a number of later, or by all that it is computed from."""
        if number.tensor is not None and number.rough != VAGUE:
            return self.pin(number.tensor._array, ".item()")
        if any(f"{place}[" in number.text for place in ("args", "here", "drawn")):
            return False
        return all(map(self._pin_item, items_in([number.text])))

    def _pin_item(self, k: int) -> bool:
        tensors, known = self.items.tensors, self.items.pinned
        if k not in known and self.pin(tensors[k]._array, ".item()"):
            known.add(k)
        return k in known

    def item(self, x: Traced) -> Number | None:
        """A late number for an array's only one; None where its value is needed at once."""
        char = x.memory.dtype.char
        kind = float if char == BFLOAT16 else _KINDS.get(x.memory.dtype.kind)
        if not self.promising or self.closed or kind is None:
            return None
        place = self.items.of(x)
        return Number(f"items[{place}]", self.items.tensors[place], kind)

    def item_list(self, x: Traced) -> Any:
        """Late numbers for an array's, in lists as `tolist` gives; None where it needs values.

        Of whole numbers that come from whole numbers alone, as lengths do, code makes shapes.
        Questions about each of many have ever new answers: they are not asked.
        """
        size, kind = x.memory.size, _KINDS.get(x.memory.dtype.kind)
        if not self.promising or self.closed or kind is None or size > _MOST:
            return None
        if not x.memory.ndim:
            return self.item(x)
        if not size or not any(one.dtype.kind in "fV" for one in order([x.read()])):
            return None
        place = self.items.of(x)
        tensor = self.items.tensors[place]

        def number(at: tuple[int, ...]) -> Number:
            if size == 1:
                return Number(f"items[{place}]", tensor, kind)
            text = f"items[{place}]{''.join(f'[{k}]' for k in at)}"
            found = Number(text, lambda: wrap(tensor._array[at]), kind)
            found.rough = EXACT if size <= _FEW else VAGUE
            return found

        return _nested(x.memory.shape, (), number)


def _nested(shape: Sequence[int], at: tuple[int, ...], number: Callable[..., Number]) -> Any:
    if len(at) == len(shape):
        return number(at)
    return [_nested(shape, (*at, k), number) for k in range(shape[len(at)])]


def numbers_in(params: Any) -> list[Number]:
    """The numbers among an op's parameters."""
    found: list[Number] = []
    if holds(params, Number):
        replaced(params, Number, found.append)
    return found


def items_in(texts: Sequence[str]) -> list[int]:
    """The places that texts speak of."""
    return sorted({int(found) for text in texts for found in _ITEM.findall(text)})
