"""Results that look at the same memory: one output of the program, of which each has a part.

As an eager call leaves them: `h` and `h.view(-1)`, the chunks of a tensor, `h.detach()`. The output
is all of the memory, in the order in which it lies there, and a result is a window of it. Whose
view a result is counts too, for writes through one are seen through the other, by gradients too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

from ...core.inference import InferenceTensor
from ...core.tensor import Tensor, link_view
from ..middle.graph import Node
from .changes import window
from .later import Left
from .results import Result
from .traced import Cell, Traced, covers, overlap

FEW = 32  # results of which each is compared with each


class Part(NamedTuple):
    """Where a result lies in an output of the program, and which of the bases it is a view of."""

    where: Any  # see `window`; None: the whole
    base: int | None = None  # of a view of an input: that input's number
    follows: bool = False  # whether it takes the history of what is written there

    def of(self, whole: np.ndarray) -> np.ndarray:
        """The part of an output, which lies in C order."""
        if self.where is None:
            return whole
        shape, _, strides, offset = self.where  # of the same type, which may be read from a file
        return np.ndarray(shape, whole.dtype, whole, offset, strides)

    def link(self, x: Tensor, base: Tensor) -> None:
        """Make a result a view of its base."""
        if self.follows:
            link_view(x, base)
        else:
            x._base = base if base._base is None else base._base


class Shared:
    """The memory that several results look at, and the tensors over it."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.tensors = cell, list[Tensor]()
        self.output: int | None = None
        base = cell.base
        steps = [abs(step) for step in base.strides]
        self.turn = tuple(sorted(range(base.ndim), key=lambda dim: (-steps[dim], dim)))
        self.memory: np.ndarray = base.transpose(self.turn)

    def useful(self) -> bool:
        """Whether it makes a difference that all lie in one memory, and that has no gaps."""
        if not self.memory.flags.c_contiguous or self.cell.torn:
            return False
        kinds = {x._array.dtype for x in self.tensors} | {self.memory.dtype}
        if len(kinds) > 1:
            return False
        if len(self.tensors) > 1:
            return True
        held = _memory(self.tensors[0])
        if held.size >= self.memory.size:
            return not held.flags.c_contiguous
        return _repeats(held)

    def apart(self) -> bool:
        """Whether no two elements of the results are one place."""
        arrays = [_memory(x) for x in self.tensors]
        if any(map(_repeats, arrays)):
            return False
        bounds = sorted(map(np.lib.array_utils.byte_bounds, arrays))
        if all(stop <= start for (_, stop), (start, _) in pairwise(bounds)):
            return True
        return len(arrays) <= FEW and not any(overlap(a, b) for a, b in combinations(arrays, 2))

    def node(self) -> Node:
        """The content, as it lies in memory."""
        node = self.cell.node
        if self.turn == tuple(range(len(self.turn))):
            return node
        shape = self.memory.shape
        return Node("permute", (node,), (self.turn,), shape, node.dtype, node.line)


class Parts:
    """The results of a call that lie in one memory with others."""

    def __init__(self, tracer: Any, results: Iterable[Any]) -> None:
        self._tracer = tracer
        self._shared: dict[int, Shared] = {}  # by tensor
        self._numbers: dict[int, int] = {}  # of bases, by tensor
        self.bases: list[Tensor] = []
        self._gradients = {id(owner._grad) for owner, *_ in tracer.gradients.values()}
        found: dict[int, Shared] = {}
        for x in {id(x): x for x in results if _plain(x)}.values():
            if tracer.stood(x):
                continue
            cell = tracer.lift(x).cell
            if cell.source is None and cell.base is not None:
                found.setdefault(id(cell), Shared(cell)).tensors.append(x)
        for one in found.values():
            if one.useful() and self._linked(one):
                self._shared.update((id(x), one) for x in one.tensors)

    def _linked(self, one: Shared) -> bool:
        """Number the tensors that results are views of, if each lies in the same memory."""
        given = {id(x) for x in one.tensors}
        if not given.isdisjoint(self._gradients):
            return False
        bases = {id(x._base): x._base for x in one.tensors if x._base is not None}
        if not bases:
            return True
        wanted = not self._tracer.swept and all(type(x._entry) is list for x in one.tensors)
        if wanted and given.isdisjoint(bases) and one.apart():
            return True  # nobody can tell, and their gradients need no base
        for x in bases.values():
            if not _plain(x) or self._tracer.stood(x) or id(x) in self._gradients:
                return False
            if self._tracer.lift(x).cell is not one.cell or x._array.dtype != one.memory.dtype:
                return False
        for x in bases.values():
            self._numbers[id(x)] = len(self.bases)
            self._shared[id(x)] = one
            self.bases.append(x)
        return True

    @property
    def outputs(self) -> list[int]:
        """The numbers of the outputs of which results are parts."""
        return sorted({one.output for one in self._shared.values() if one.output is not None})

    def result(self, x: Tensor, give: Any, stub: Any, inferred: bool) -> Result | None:
        """What stands for a result that lies in one memory with others."""
        one = self._shared.get(id(x))
        if one is None:
            return None
        if one.output is None:
            one.output = len(give.outputs)
            if one.cell.waits:
                give.left.append(Left(one.output, None, one.memory, one.cell))
            give.add(one.node())
        if one.cell.waits:
            give.known[id(x)] = x
        held = _memory(x)
        where = None if covers(held, one.memory) else window(held, one.memory)
        base = x._base
        part = Part(where)
        if base is not None and id(base) in self._numbers:
            follows = any(ref() is x for ref in base._views or ())
            part = Part(where, self._numbers[id(base)], follows)
        return Result("part", one.output, part, stub, inferred)


def of_input(x: Tensor, place: int, source: Any, where: Any) -> Part:
    """Where a result lies in an input's memory, and whether it is a view of that tensor."""
    known, base = source.tensor, x._base
    if base is None or known is None or source.kind not in ("argument", "tensor"):
        return Part(where)
    if base is not known and base is not known._base:
        return Part(where)
    return Part(where, place, any(ref() is x for ref in base._views or ()))


def own(parts: Iterable[int], arrays: Sequence[np.ndarray], outputs: list, orders: dict) -> None:
    """Have outputs of which results get parts lie in C order, in memory of their own.

    `orders` names gradients that lie as their leaves, with their axes turned.
    """
    for place, order in orders.items():
        outputs[place] = outputs[place].transpose(order).copy(order="K")
    for place in parts:
        y = outputs[place]
        alone = y.base is None and y.flags.c_contiguous and y.flags.writeable
        if not alone or sum(x is y or x.base is y for x in (*arrays, *outputs)) > 1:
            outputs[place] = np.array(y, order="C")


def _repeats(held: np.ndarray) -> bool:
    """Whether several elements are one place, which may not be written."""
    return any(step == 0 and n > 1 for n, step in zip(held.shape, held.strides))


def _plain(x: Any) -> bool:
    return type(x) is Tensor or type(x) is InferenceTensor


def _memory(x: Tensor) -> np.ndarray:
    held: Any = x._array
    return held.memory if type(held) is Traced else held
