"""Stand-ins for tensors that a call can reach, before anybody has looked at them.

Whoever reads a number straight out of a tensor's array (`item()`, a copy by pickle) must meet a
stand-in, or the number would be taken for a constant of the call. So all tensors within reach get
one when a trace begins. An input is made of it only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from sys import getrefcount
from typing import Any

import numpy as np

from ...core.references import ARGUMENT
from ...core.tape import ORDER, PARENTS, owner_of
from ...core.tensor import Tensor
from .traced import Cell, Traced, covers

_NONE: Any = None  # in the place of a node that nobody has asked for
_ALONE = ARGUMENT + 1  # references to an array that a tensor and a variable hold, as an argument


class Lent(Cell):
    """The memory of a tensor that stood before the call: its input is made when it is used."""

    __slots__ = ("_make", "_node", "_source")

    def __init__(self, base: np.ndarray, make: Callable[[Cell], Any]) -> None:
        self._make, self._source = make, None
        super().__init__(base, _NONE, self)  # a source, so that the memory is held

    @property
    def node(self) -> Any:
        """What the memory holds now."""
        self.source  # noqa: B018  # it makes the input
        return self._node

    @node.setter
    def node(self, node: Any) -> None:
        if node is not None:
            self.source  # noqa: B018  # what is written is an input too
        self._node = node

    @property
    def used(self) -> bool:
        """Whether the input has been made."""
        return self._source is not None

    @property
    def source(self) -> Any:
        """The input."""
        if self._source is None:
            self._source = self._make(self)
            self._node = self._source.node
        return self._source

    @source.setter
    def source(self, source: Any) -> None:
        pass


def _leads_behind(
    roots: Iterable[Any], needed: Container[int] | None, leaves: Container[int], began: int
) -> bool:
    """Whether a pass from entries on goes through one of before: a program would not know it."""
    seen: set[int] = set()
    stack = [entry for entry in roots if type(entry) is list]
    while stack:
        entry = stack.pop()
        if entry[ORDER] in seen:
            continue
        seen.add(entry[ORDER])
        for parent in entry[PARENTS]:
            if type(parent) is list:
                wanted = needed is None or parent[ORDER] in needed
            else:
                wanted = parent is not None and (needed is None or id(parent) in leaves)
            if wanted and entry[ORDER] < began:
                return True
            if wanted and type(parent) is list:
                stack.append(parent)
    return False


class Lending:
    """The part of a tracer that knows tensors of before the call by their memory."""

    closed: bool
    swept: bool
    began: int  # the clock's reading
    stop: Callable[[str], None]
    places: dict[int, int]
    reach: Any
    age: Any
    cells: dict[int, list[Cell]]
    lifted: list[tuple[Tensor, np.ndarray]]
    beside: list[tuple[Tensor, Any]]  # that lie in others' memory, and their entries before
    find: Callable[[np.ndarray], Traced | None]
    lift: Callable[[Tensor], Traced]
    input_of: Callable[[Tensor, np.ndarray, Any, Cell], Any]
    exchanged: dict[int, Tensor]  # tensors that got other memory: `x.data = ...`
    _holders: dict[int, list[Tensor]] | None

    def lend(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors stand-ins of which inputs are made when they are used."""
        for x in tensors:
            array = array_of(x)
            if type(array) is not np.ndarray:
                continue
            if not array.size:
                self.beside.append((x, x._entry))
                continue
            cells = self.cells.setdefault(id(owner_of(array)), [])
            if not cells:
                entry = x._entry

                def make(cell: Cell, x: Any = x, array: Any = array, entry: Any = entry) -> Any:
                    return self.input_of(x, array, entry, cell)

                cells.append(Lent(array, make))
            else:
                self.beside.append((x, x._entry))
                if len(cells) > 1 or not covers(array, cells[0].base):
                    continue  # it shares memory with others: it is lifted when an op meets it
            x._array = Traced(self, array, _NONE, cells[0])
            x._array.version = -1
            self.lifted.append((x, array))

    def sweeps(
        self, keep: bool, roots: Iterable[Any], needed: Container[int] | None,
        leaves: Container[int],
    ) -> None:  # fmt: skip
        """A backward pass begins at entries; without `keep` it uses up the graph it walks."""
        self.swept = self.swept or not keep
        if not self.closed and _leads_behind(roots, needed, leaves, self.began):
            self.stop("a gradient goes on through what was computed before the call")

    def exchange(self, x: Tensor, value: Tensor) -> None:
        """The memory of a tensor is about to become that of another one's."""
        if not self.closed:
            self.lift(value)
            self.lift(x)  # a tensor of before is known, and what it held too
            self.exchanged[id(x)] = x

    def beneath(self, array: np.ndarray) -> Traced | None:
        """The traced array of memory that a new tensor has from one of before, by detach() say."""
        if array.base is None and getrefcount(array) <= _ALONE:
            return None
        return self.known(array)

    def known(self, array: np.ndarray) -> Traced | None:
        """The traced array of memory that an op is given bare, of a tensor not met before too."""
        found = self.find(array)
        if found is not None or self.closed:
            return found
        if self._holders is None:
            self._holders = {}
            for x in self.age.old():
                if type(array_of(x)) is np.ndarray:
                    self._holders.setdefault(id(owner_of(x._array)), []).append(x)
        holders = self._holders.get(id(owner_of(array)), ())
        for x in sorted(holders, key=self.named, reverse=True):
            if type(x._array) is np.ndarray and np.may_share_memory(x._array, array):
                self.lift(x)
                if (found := self.find(array)) is not None:
                    return found
        return None

    def named(self, x: Tensor) -> bool:
        """Whether a tensor is an argument, or reachable by name."""
        return id(x) in self.places or (self.reach is not None and id(x) in self.reach.tensors)


def array_of(x: Tensor) -> Any:
    """A tensor's array; None in one that another thread makes, or whose shape is not known yet."""
    try:
        return getattr(x, "_array", None)
    except ValueError:
        return None
