"""Tensors of before a call that lie elsewhere after it (`p.data = ...`), or want gradients then.

A program puts them there again: into memory that it made in this run, or that of another input.
Whoever looks at that memory too, be it another tensor or a result, looks at it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.memory import outward, packed
from ...core.tape import LEAF
from ...core.tensor import Tensor
from ..calls.guards import modes
from ..middle.graph import Node
from .changes import Uncompilable, through, window
from .later import Left
from .lent import Lent
from .sources import NUMBERS, Held, Owner, Source, owner_in
from .telling import ALL, tells
from .trace import Tracer
from .traced import TORN, Cell, Traced, covers

# Ops that NumPy need not give memory of its own.
_VIEWS = frozenset(
    "part view reshape unsafe_view unsqueeze squeeze squeeze_all squeeze_many expand transpose t"
    " permute flip contiguous contiguous_copy strided_view select narrow slice diagonal unbind"
    " split split_with_sizes unfold output_of cast view_as_real view_as_complex real imag"
    " method.reshape method.ravel method.transpose method.swapaxes method.squeeze method.diagonal"
    " method.astype method.conj method.view method.__getitem__ method.__getattribute__"
    " numpy.transpose numpy.reshape numpy.ravel numpy.moveaxis numpy.swapaxes numpy.squeeze"
    " numpy.broadcast_to numpy.expand_dims numpy.flip".split()
)

_HISTORY = "a tensor made before the call gets a history in it"


class Spread(NamedTuple):
    """Where a tensor lies: in an output of the program or an input, all of it or a part."""

    made: bool  # an output
    place: int
    steps: tuple[int, ...] = ()  # the strides of that output
    part: Any = None  # see `window`; None: the whole

    def of(self, arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> np.ndarray:
        """The array there in a run."""
        whole = outputs[self.place] if self.made else arrays[self.place]
        return whole if self.part is None else through(whole, *self.part)

    def own(self, arrays: Sequence[np.ndarray], outputs: list[np.ndarray]) -> None:
        """Have an output lie in memory of its own, as the eager call's would."""
        y = outputs[self.place]
        shared = sum(y is other for other in (*arrays, *outputs)) > 1 or y.base is not None
        if shared or y.strides != self.steps or not y.flags.writeable:
            outputs[self.place] = np.empty_like(_laid(y.shape, self.steps, y.dtype))
            np.copyto(outputs[self.place], y)


class Moves:
    """What the tensors of before have become: where they lie, and whether they want gradients."""

    def __init__(self) -> None:
        self.data: list[tuple[Owner, Spread]] = []
        self.leaves: list[tuple[Owner, bool]] = []  # which have become leaves, or none
        self._outputs: dict[int, tuple[Cell, int]] = {}  # of memory that tensors of before got

    def __bool__(self) -> bool:
        return bool(self.data or self.leaves)

    def simple(self, outputs: Sequence[Node]) -> bool:
        """Whether each tensor gets all of an input, or of an output in C order."""
        return all(
            spread.part is None
            and (not spread.made or spread.steps == _in_order(outputs[spread.place]))
            and not isinstance(owner, Held)
            for owner, spread in self.data
        )

    def note(self, tracer: Tracer, give: Any) -> Moves:
        """Find them at the end of a trace; `give` takes what the program has to make."""
        for source in tracer.sources:
            x = source.tensor
            if x is not None and x._entry is not source.entry:
                self.leaves.append((source.owner, x._entry is LEAF))
        for x, _ in moved(tracer):
            give.known[id(x)] = x
            self.data.append((tracer.places.get(id(x), x), self._spread(tracer, x._array, give)))
        return self

    def _spread(self, tracer: Tracer, held: Traced, give: Any) -> Spread:
        cell, source = held.cell, held.cell.source
        if isinstance(source, Source):
            if source.kind in NUMBERS:
                raise Uncompilable("a tensor gets the memory of a number")
            if cell.torn:
                raise Uncompilable(TORN)
            part = _part(held, source.array)
            return Spread(False, tracer.sources.index(source), (), part)
        if id(cell) not in self._outputs:
            base = cell.base
            if np.empty_like(_laid(base.shape, base.strides, base.dtype)).strides != base.strides:
                raise Uncompilable("a tensor made before the call gets memory with gaps")
            self._outputs[id(cell)] = cell, give.memory(cell)
        return self._made(held)

    def _made(self, held: Traced) -> Spread:
        base = held.cell.base
        return Spread(True, self._outputs[id(held.cell)][1], base.strides, _part(held, base))

    def beside(self, held: Traced) -> Spread | None:
        """Where a result lies that looks at memory which a tensor of before got."""
        return self._made(held) if id(held.cell) in self._outputs else None

    def repeat(self, leaves: Sequence[Tensor], arrays: Any, outputs: list[np.ndarray]) -> None:
        """Make it so after a run."""
        for owner, wants in self.leaves:
            owner_in(owner, leaves)._entry = LEAF if wants else None
        for spread in {spread.place: spread for _, spread in self.data if spread.made}.values():
            spread.own(arrays, outputs)
        found = [spread.of(arrays, outputs) for _, spread in self.data]
        for (owner, _), array in zip(self.data, found):
            owner_in(owner, leaves)._array = array


class Given:
    """The outputs of a graph, and the tensors that will hold them."""

    def __init__(self, same: dict[int, Any]) -> None:
        self.outputs: list[Node] = []
        self.left: list[Left] = []
        self.orders: dict[int, tuple[int, ...]] = {}  # how outputs are turned to be gradients
        self.known: dict[int, Tensor] = {}  # who looks at memory that others look at too
        self.moves = Moves()
        self.parts: Any = None  # which results lie in one memory
        self.results: dict[int, Any] = {}  # what stands for a tensor that is given, by its id
        self.same = same  # lists and dictionaries that must be one object, by ids
        self.objects: dict[int, Any] = {}  # objects that are given, by their ids
        self._roots: set[Node] = set()  # whose memory somebody gets

    def memory(self, cell: Cell) -> int:
        """The number of an output for all of a cell's memory."""
        if cell.waits:
            self.left.append(Left(len(self.outputs), None, cell.base, cell))
        return self.add(cell.node)

    def add(self, node: Node) -> int:
        """The number of an output of which somebody gets hold: in memory of its own."""
        root = node
        while root.op in _VIEWS and root.inputs:
            root = root.inputs[0]
        if root.op in ("input", "constant") or root in self._roots:
            node = Node("clone", (node,), (), node.shape, node.dtype, node.line)
        self._roots.add(root)
        self.outputs.append(node)
        return len(self.outputs) - 1

    def gradient(self, held: Traced, x: Tensor) -> int:
        """The number of an output that is a gradient, which lies in memory as its leaf does."""
        node, order = held.read(), outward(held.memory)
        if order == sorted(order) or not packed(held.memory, order):
            return self(node, x)
        memory = held.memory.transpose(order)
        self.orders[len(self.outputs)] = tuple(order.index(dim) for dim in range(len(order)))
        if held.cell.waits:
            self.left.append(Left(len(self.outputs), None, memory, held.cell))
            self.known[id(x)] = x
        dims, shape = tuple(order), memory.shape
        return self.add(Node("permute", (node,), (dims,), shape, node.dtype, node.line))

    def __call__(self, node: Node, x: Tensor | None = None) -> int:
        """The number of a node among the outputs."""
        if x is not None and type(x._array) is not Traced:
            raise Uncompilable("a result's history leaves the trace (a hook on gradients, say)")
        if x is not None and x._array.cell.waits:
            self.left.append(Left(len(self.outputs), x, x._array.memory, x._array.cell))
            self.known[id(x)] = x
        if x is not None:
            return self.add(node)
        self.outputs.append(node)
        return len(self.outputs) - 1


def _laid(shape: Sequence[int], steps: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An array without gaps whose dimensions follow one another as those of one with strides."""
    order = sorted(range(len(shape)), key=lambda dim: -steps[dim])
    return np.empty([shape[dim] for dim in order], dtype).transpose(np.argsort(order))


def _in_order(node: Node) -> tuple[int, ...]:
    """The strides of an array in C order, of a node's form."""
    steps, step = [], node.dtype.itemsize
    for size in reversed(node.shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))


def _part(held: Traced, base: np.ndarray) -> Any:
    return None if covers(held.memory, base) else window(held.memory, base)


def moved(tracer: Tracer) -> Iterator[tuple[Tensor, np.ndarray]]:
    """The tensors of before that got other memory, and the arrays that they had."""
    for x, array in tracer.lifted:
        held: Any = x._array
        now = held.memory if type(held) is Traced else held
        if now is not array and not covers(now, array) and tracer.stood(x):
            yield x, array


def check_old(tracer: Tracer) -> None:
    """What stood before the call may get new content, other memory or its first history in it."""
    if modes() != tracer.modes:
        raise Uncompilable("it leaves a mode other than it found it (gradients, the default type)")
    for source in tracer.sources:
        x = source.tensor
        if x is not None and x._entry is not source.entry:
            leaf = {id(x._entry), id(source.entry)} == {id(None), id(LEAF)}
            if not leaf or source.kind != "argument":
                raise Uncompilable(_HISTORY)
    if any(x._entry is not entry and tracer.stood(x) for x, entry in tracer.beside):
        raise Uncompilable(_HISTORY)
    for x, _ in moved(tracer):
        if id(x) not in tracer.exchanged or type(x._array) is not Traced:
            raise Uncompilable(
                "a tensor made before the call gets another shape or other memory in it"
            )


def shared_memory(tracer: Tracer, leaves: list[Tensor], live: bool) -> list[tuple[Any, int, Any]]:
    """Tensors over another input's memory: (tensor or its place, that input, where it lies).

    None in the last place: the same tensor as that argument; `ALL` in the first place: as many
    tensors among the arguments as then, and none of them known by a name, where code may tell.
    """
    found: list[tuple[Any, int, Any]] = []
    for place, leaf in enumerate(leaves):  # the same tensor twice: again so at the next call
        if tracer.places[id(leaf)] != place:
            found.append((place, tracer.places[id(leaf)], None))
        if tracer.reach.by_name(leaf):  # known by another name too: again so
            found.append((leaf, place, None))
    if leaves and tells(tracer.reach.functions):
        found.append((ALL, len({id(x) for x in leaves}), None))
    gone = {id(x) for x, _ in moved(tracer)}
    for x, array in tracer.lifted:
        if id(x) not in gone and type(x._array) is Traced and x._array.version < 0:
            continue  # nobody has looked
        source = _source(tracer, tracer.find(array) if id(x) in gone else x._array, x)
        if source is None or source.tensor is x:
            continue
        if live and x._entry is not None:
            raise Uncompilable("two tensors share memory, and one of them wants a gradient")
        if id(x) not in tracer.places and id(x) not in tracer.reach.tensors:
            raise Uncompilable("a gradient shares another tensor's memory")
        place = tracer.sources.index(source)
        found.append((tracer.places.get(id(x), x), place, window(array, source.array)))
    return found


def _source(tracer: Tracer, held: Any, x: Tensor) -> Source | None:
    """The input that a tensor of before lies, or lay, in; None where nobody has looked there."""
    if type(held) is not Traced or not tracer.stood(x):
        return None
    cell = held.cell
    if isinstance(cell, Lent) and not cell.used:
        return None
    return cell.source if isinstance(cell.source, Source) else None
