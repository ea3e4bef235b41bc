"""What one kernel computes, as a small acyclic graph of terms over its loop variables.

A term is one value at one place: a load, a number, an index, an operation, the result of a
reduction. Two uses of a node at the same place share a term. Stores and sums ask for terms; the
phase says before which loops they are due.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..middle.graph import Node
from ..records import field, record
from .affine import ZERO, Coordinates, Index, Space, broadcast, contiguous, flat
from .normal import SOURCES, VIEWS, shift, storage
from .roots import Root, operands, through_memory
from .schedule import Group

INT64 = np.dtype(np.int64)
STATUS = Node("empty", (), ("status",), (1,), INT64)  # set to 1 by an index out of range


class Term:
    """One value of a kernel; `looked` are the terms behind negative variables of `index`."""

    __slots__ = (
        "args", "depth", "dtype", "index", "kind", "looked", "number", "op", "slot", "splat",
        "vector",
    )  # fmt: skip

    def __init__(
        self, kind: str, dtype: np.dtype[Any], number: int, op: Any = None,
        args: tuple[Term, ...] = (), index: Index = ZERO, slot: int = -1,
        looked: tuple[Term, ...] = (),
    ) -> None:  # fmt: skip
        self.kind, self.dtype, self.number, self.op = kind, dtype, number, op
        self.args, self.index, self.slot, self.looked = args, index, slot, looked
        self.depth = 0
        self.vector = False
        self.splat = False  # whether a vector operation wants it in every lane

    def __repr__(self) -> str:
        reads = ", ".join(f"t{x.number}" for x in (*self.args, *self.looked))
        what = self.op if self.kind == "op" else self.kind
        return f"t{self.number} = {what}({reads}) {self.index} depth {self.depth}"


@record(eq=False)
class Store:
    """A value that goes to memory: at `index` of `slot`; `adds` where it is added to what is."""

    value: Term
    slot: int
    index: Index
    whole: bool  # inside of the loops over reduced variables
    looked: tuple[Term, ...] = ()
    adds: bool = False


@record(eq=False)
class Sum:
    """A reduction: `value` is folded by `op` over the reduced variables; `result` is its term."""

    op: str
    value: Term
    result: Term
    place: Term | None = None  # the index that argmax and argmin look for


@record
class Phase:
    """What happens before (`stores` that are not `whole`) and in one round over the loops."""

    stores: list[Store] = field(default_factory=list)
    sums: list[Sum] = field(default_factory=list)


class Layout:
    """Where values stand: the node that owns the memory, strides in elements, an offset."""

    def __init__(self, strides: Mapping[Node, tuple[int, ...]]) -> None:
        self.strides = strides

    def place(self, node: Node, at: Coordinates) -> Index:
        if not at:
            return ZERO
        return flat(at, self.strides.get(node) or contiguous(node.shape), shift(node))


class Expression:
    """The terms, phases and operands (`slots`: nodes that own memory) of one group."""

    def __init__(self, group: Group, roots: Mapping[Node, Root], layout: Layout) -> None:
        self.group, self.roots, self.layout = group, roots, layout
        self.space = Space(group.extents)
        self.members = {root.node: root for root in group.place}
        self.terms: list[Term] = []
        self.slots: dict[Node, int] = {}
        self.offsets: dict[int, int] = {}
        self.results: dict[Node, Term] = {}
        self._memo: dict[Any, Term] = {}
        self._signature: str | None = None
        count = 1 + max(group.phase.values(), default=0)
        self.phases = [Phase() for _ in range(count)]

    def build(self) -> Expression:
        """Fill the phases from the group's roots."""
        for root in self.group.place:
            self.add(root)
        while len(self.phases) > 1 and not (self.phases[-1].stores or self.phases[-1].sums):
            self.phases.pop()
        return self.rebase()

    def add(self, root: Root) -> None:
        phase = self.phases[self.group.phase[root]]
        if root.node.op == "scatter":
            phase.stores.append(self._scattered(root))
            return
        if root.reduced:
            found = self._sum(root)
            phase.sums.append(found)
            self.results[root.node] = found.result
            if root in self.group.stored:
                after = self.group.phase[root] + 1
                if after == len(self.phases):
                    self.phases.append(Phase())
                self.phases[after].stores.append(self._store(root, found.result))
            return
        value = self.value(root.node, self.group.at(root, self._target(root)))
        if root in self.group.stored:
            phase.stores.append(self._store(root, value))

    def _target(self, root: Root) -> Coordinates:
        return root.own

    def _store(self, root: Root, value: Term) -> Store:
        node = root.node
        at = self.group.at(root, root.own)
        if node.op == "put":
            _, strides, offset = node.params
            index = flat(at, strides, offset + shift(node))
        else:
            index = self.layout.place(node, at)
        whole = self.group.whole(root)
        return Store(value, self.slot(node), index, whole)

    def _scattered(self, root: Root) -> Store:
        node = root.node
        _, indices, source = node.inputs
        at = self.group.at(root, root.own)
        (dim,) = node.params
        end = dim + indices.ndim
        row = self.space.lookup(indices, at[dim:end], node.shape[dim])
        looked = self._looked((0, row[1]))
        strides = contiguous(node.shape)
        index = flat((*at[:dim], row, *at[end:]), strides, shift(node))
        whole = bool(root.reduced)
        return Store(self.value(source, at), self.slot(node), index, whole, looked, adds=True)

    def _sum(self, root: Root) -> Sum:
        node = root.node
        sinks = [self.value(x, self.group.at(root, at)) for x, at in root.sinks]
        if node.op == "dot":
            value, op = self.op("mul", node.dtype, *sinks), "sum"
            if node.dtype == bool:
                value = self.op("and", node.dtype, *sinks)
        else:
            value, op = sinks[0], node.op.removeprefix("reduce_")
        result = self._new("result", node.dtype)
        place = None
        if op in ("argmax", "argmin"):
            ((_, at),) = root.sinks
            dim = node.params[0] % len(at)
            place = self._iota(self.group.at(root, at)[dim])
        return Sum(op, value, result, place)

    def rebase(self) -> Expression:
        """Move constant offsets into the operands, so that kernels at other offsets are equal."""
        found = [t for t in self.terms if t.kind == "load"]
        places: list[Term | Store] = [*found, *stores(self)]
        for place in places:
            low = self.offsets.get(place.slot, place.index[0])
            self.offsets[place.slot] = min(low, place.index[0])
        for place in places:
            place.index = (place.index[0] - self.offsets[place.slot], place.index[1])
        return self

    def operands(self) -> list[tuple[Node, int]]:
        """Per slot the owner of the memory, and how many bytes into it the kernel's view begins."""
        return [
            (node, self.offsets.get(slot, 0) * node.dtype.itemsize)
            for node, slot in self.slots.items()
        ]

    def given(self, root: Root) -> Term:
        """The term of a root that is computed elsewhere, with a store as its last."""
        result = self.results[root.node] = self._new("result", root.node.dtype)
        self.phases[0].stores.append(self._store(root, result))
        return result

    def signature(self) -> str:
        """A text that equal kernels have in common: of what stands when it is first asked for."""
        if self._signature is None:
            self._signature = self._told()
        return self._signature

    def _told(self) -> str:
        lines = [f"{dict(self.space)} {self.group.reduced} {self.group.pieces}"]
        for t in self.terms:
            label = t.op[0] if t.kind == "constant" else t.op
            args = [x.number for x in (*t.args, *t.looked)]
            lines.append(f"{t.kind} {label} {t.dtype.str} {args} {t.index} {t.slot}")
        for phase in self.phases:
            lines.append("phase")
            for store in phase.stores:
                looked = [x.number for x in store.looked]
                lines.append(
                    f"{store.value.number} {store.slot} {store.index} {store.whole} {store.adds}"
                    f" {looked}"
                )
            for s in phase.sums:
                place = s.place and s.place.number
                lines.append(f"{s.op} {s.value.number} {s.result.number} {place}")
        return "\n".join(lines)

    def form(self) -> Any:
        """All of it but the operands, to be compared while no loops are merged yet."""
        terms = [
            (t.kind, t.op[0] if t.kind == "constant" else t.op, t.dtype,
             *[x.number for x in t.args], t.index, t.slot, *[x.number for x in t.looked])
            for t in self.terms
        ]  # fmt: skip
        phases = [
            (len(phase.stores), *[
                (store.value.number, store.slot, store.index, store.whole, store.adds,
                 *[x.number for x in store.looked])
                for store in phase.stores
            ], *[(s.op, s.value.number, s.result.number, s.place and s.place.number)
                 for s in phase.sums])
            for phase in self.phases
        ]  # fmt: skip
        group = self.group
        return tuple(self.space.items()), group.reduced, group.pieces, *terms, *phases

    def taken_from(self, other: Expression) -> Expression:
        """What was made of an expression of the same form, for this one's operands."""
        self.terms, self.phases = other.terms, other.phases
        self._signature = other.signature()
        return self

    def with_operands(self, group: Group, slots: dict[Node, int]) -> Expression:
        """The same for a group that does the same to other memory."""
        made = object.__new__(Expression)
        made.__dict__.update(self.__dict__)
        made.group, made.slots = group, slots
        made._signature = self.signature()
        return made

    def slot(self, node: Node) -> int:
        """The operand's number of a node's memory."""
        return self.slots.setdefault(storage(node), len(self.slots))

    def value(self, node: Node, at: Coordinates) -> Term:
        """The term of a node's element at `at`."""
        key = (node, at)
        found = self._memo.get(key)
        if found is None:
            found = self._memo[key] = self._make(node, at)
        return found

    def _make(self, node: Node, at: Coordinates) -> Term:
        if node in self.results:
            return self.results[node]
        if node.op == "constant" and node.params[0].size == 1:
            return self.constant(node.params[0].reshape(()).item(), node.dtype)
        if (node in self.roots and node not in self.members) or node.op in SOURCES:
            index = self.layout.place(node, at)
            return self._load(node, index)
        if node.op == "put" or node.op == "copy":
            source = node.inputs[-1]
            return self.value(source, broadcast(at, source.shape))
        if node in self.members and node.op in ("dot", *_DEGENERATE):
            return self._degenerate(self.members[node])
        if node.op == "iota":
            return self._iota(at[node.params[0]])
        found = operands(node, at, self.space)
        if found is None:
            home, place = through_memory(node, at)
            return self._load(home, self.layout.place(home, place))
        if node.op in VIEWS or node.op == "take":
            return self.value(*found[0])
        args = [self.value(*one) for one in found]
        return self.op(node.op, node.dtype, *args)

    def _degenerate(self, root: Root) -> Term:
        """A reduction or product over dimensions of one: no loop is needed."""
        node = root.node
        sinks = [self.value(x, self.group.at(root, at)) for x, at in root.sinks]
        if node.op == "dot":
            return self.op("and" if node.dtype == bool else "mul", node.dtype, *sinks)
        if node.op in ("argmax", "argmin"):
            return self.constant(0, node.dtype)
        return sinks[0]

    def _load(self, node: Node, index: Index) -> Term:
        return self._new("load", node.dtype, index=index, slot=self.slot(node))

    def _iota(self, index: Index) -> Term:
        return self._new("iota", INT64, index=index)

    def _looked(self, index: Index) -> tuple[Term, ...]:
        self.slot(STATUS)
        return tuple(
            self.value(*self.space.looked[v]) for v, _ in index[1] if v < 0
        )  # fmt: skip

    def constant(self, number: Any, dtype: np.dtype[Any]) -> Term:
        # the sign is part of the key: 0.0 == -0.0, and nan is no key
        return self._new("constant", dtype, op=(repr(number), number))

    def op(self, name: str, dtype: np.dtype[Any], *args: Term) -> Term:
        return self._new("op", dtype, op=name, args=args)

    def _new(
        self, kind: str, dtype: np.dtype[Any], op: Any = None, args: tuple[Term, ...] = (),
        index: Index = ZERO, slot: int = -1,
    ) -> Term:  # fmt: skip
        label = op[0] if kind == "constant" else op
        key = (kind, dtype, label, args, index, slot)
        found = self._memo.get(key) if kind != "result" else None
        if found is None:
            looked = self._looked(index) if index[1] and index[1][0][0] < 0 else ()
            found = Term(kind, dtype, len(self.terms), op, args, index, slot, looked)
            self.terms.append(found)
            self._memo[key] = found
        return found


def stores(expression: Expression) -> Iterator[Store]:
    """Every store of every phase."""
    for phase in expression.phases:
        yield from phase.stores


_DEGENERATE = (
    "reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin",
)  # fmt: skip
