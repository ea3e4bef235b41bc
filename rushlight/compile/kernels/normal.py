"""A core graph in the shape that kernels are made from.

Ops that assemble a value out of parts (cat, pad, replace, scatter_add) become writes into memory
that a first node provides: `empty` or `copy`, then `put` and `scatter`, all on one storage. Every
output gets a node of its own to be stored. What no kernel can do is left to the host (NumPy).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np

from ..middle.foreign import Hole
from ..middle.graph import MOVES, POINTWISE, REDUCTIONS, Graph, Node, native
from ..records import field, record
from .affine import contiguous
from .orders import ordered
from .places import places, together

# ops whose value stands in the memory of their first input; the last two do no work
WRITES = frozenset(["put", "scatter", "part", "joined"])
IDLE = frozenset(["empty", "part", "joined"])
VIEWS = frozenset("reshape permute expand slice flip strided".split())
SOURCES = frozenset(["input", "constant"])
LONG, FEW, PARTS = 1 << 19, 1 << 12, 64  # elements and results of a reduction done in parts
WIDE = 1 << 14  # elements that are not written twice to set what lies around them
COLUMNS, DEEP = 1 << 17, 1 << 8  # elements, and elements per result, where there are several
_NATIVE_OPS = (
    POINTWISE | REDUCTIONS | MOVES
    | frozenset("dot conv take scatter_add iota strided replace".split())
)  # fmt: skip


_LAID_OUT = SOURCES | WRITES | {"copy", "empty"}


@record
class Normal:
    """Nodes in executable order; `outputs[k]` is the node that output k's memory holds."""

    nodes: list[Node]
    inputs: list[Node]
    outputs: list[Node]
    again: list[Node] = field(default_factory=list)  # what late kernels make again (`recompute.py`)


def normalise(graph: Graph, loose: Container[Node] = ()) -> Normal:
    """Rewrite assembling ops to writes, and give every output a storage of its own.

    `loose` are inputs that do not lie in C order: what must see memory reads a copy of them.
    """
    graph = ordered(graph)
    made: dict[Node, Node] = {}
    tight: dict[Node, Node] = {}
    nodes: list[Node] = []
    joins = _Joins(graph, nodes)
    rules = {**_REWRITE, "cat": joins.make}
    for node in graph.nodes:
        fresh = [joins.read(x, node) or made[x] for x in node.inputs]
        if node.op in ("reshape", "strided"):
            for k, x in enumerate(fresh):
                if x in loose:
                    tight[x] = tight.get(x) or _new(nodes, x, "copy", (x,))
                    fresh[k] = tight[x]
        rewrite = rules.get(node.op) if not hosted(node) else None
        found = rewrite(node, fresh, nodes) if rewrite else None
        if found is None:
            same = all(a is b for a, b in zip(fresh, node.inputs))
            found = node if same else node.over(fresh)
            nodes.append(found)
        made[node] = found
        joins.place(node, found)
    outputs = _own([made[node] for node in graph.outputs], nodes)
    return Normal(_needed(nodes, graph.inputs, outputs), list(graph.inputs), outputs)


def hosted(node: Node) -> bool:
    """Whether NumPy computes this node, between native segments."""
    if node.op not in _NATIVE_OPS:
        return node.op not in _LAID_OUT
    if not native(node.dtype):
        return True
    for x in node.inputs:  # noqa: SIM110 (asked of every node by many)
        if not native(x.dtype):
            return True
    return False


def base(node: Node) -> Node:
    """The node whose memory holds this one's elements in the same order."""
    while node.op == "reshape" and not hosted(node):
        node = node.inputs[0]
    return node


def _new(nodes: list[Node], like: Node, op: str, inputs: Sequence[Node], params: Any = ()) -> Node:
    node = Node(op, inputs, params, like.shape, like.dtype, like.line, like.module)
    nodes.append(node)
    return node


class _Joins:
    """The memory of joined values: which parts are made there, before the join comes."""

    def __init__(self, graph: Graph, nodes: list[Node]) -> None:
        self.nodes, self.places = nodes, places(graph)
        self.homes: dict[Node, Node] = {}
        self.there: dict[Node, Node] = {}  # the values that were made in a join
        self.lies: dict[Node, tuple[Node, int]] = {}  # and in which, and where

    def read(self, x: Node, reader: Node) -> Node | None:
        """What a node reads in a join instead of the value itself."""
        found = self.there.get(x)
        return found if found is not None and self.places[x].serves(reader) else None

    def place(self, node: Node, made: Node) -> None:
        """Write a value that was just made to its place."""
        at = self.places.get(node)
        if at is None or hosted(at.whole) or hosted(node):
            return
        home = _new(self.nodes, node, "part", (self._home(at.whole),), (at.offset,))
        where = node.shape, contiguous(node.shape), 0
        self.there[node] = _new(self.nodes, node, "put", (home, made), where)
        self.lies[self.there[node]] = at.whole, at.offset

    def _home(self, node: Node) -> Node:
        if node not in self.homes:
            self.homes[node] = Node("empty", (), (), node.shape, node.dtype)
            self.nodes.insert(0, self.homes[node])
        return self.homes[node]

    def make(self, node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node:
        """A join: parts that are not there yet are written to their places."""
        (dim,) = node.params
        strides, found = contiguous(node.shape), self._home(node)
        whole = _first(found)
        sizes = [part.shape[dim] for part in inputs]
        starts = [end - size for end, size in zip(itertools.accumulate(sizes), sizes)]
        # in the order in which they are made, so that who makes a part can write it
        for part, start in sorted(zip(inputs, starts), key=lambda pair: pair[0].index):
            inner = _first(base(part))
            own = inner.op == "empty" and inner.size == part.size and inner is not whole
            if self.lies.get(part) == (node, start * strides[dim]):
                found = _new(nodes, node, "joined", (found, part))
            elif own and part.size and together(part, strides):
                inner.op, inner.inputs, inner.params = "part", (found,), (start * strides[dim],)
                found = _new(nodes, node, "joined", (found, part))
            elif part.size:
                place = (part.shape, strides, start * strides[dim])
                found = _new(nodes, node, "put", (found, part), place)
        return found


def _pad(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node:
    lows, _, value = node.params
    (x,) = inputs
    number = np.asarray(value).astype(node.dtype)
    fill = Node("constant", (), (number,), (), node.dtype)
    nodes.append(fill)
    strides = contiguous(node.shape)
    if x.size >= WIDE and 2 * x.size > node.size:
        found = Node("empty", (), (), node.shape, node.dtype)
        nodes.insert(0, found)
        for place in _edges(node, x.shape, strides):
            found = _new(nodes, node, "put", (found, fill), place)
    else:
        found = _new(nodes, node, "copy", (fill,))
    if not x.size:
        return found
    offset = sum(low * stride for low, stride in zip(lows, strides))
    return _new(nodes, node, "put", (found, x), (x.shape, strides, offset))


def _edges(node: Node, inner: Sequence[int], strides: Sequence[int]) -> Iterator[Any]:
    """What a pad adds, dimension by dimension, as regions (shape, strides, offset) apart."""
    lows, highs, _ = node.params
    shape, offset = list(node.shape), 0
    for dim, (low, high) in enumerate(zip(lows, highs)):
        far = (low + inner[dim]) * strides[dim]
        both = [(2, low, 0)] if low == high else [(1, low, 0), (1, high, far)]
        for times, size, start in both:
            if size:
                region = (*shape[:dim], times, size, *shape[dim + 1 :])
                steps = (*strides[:dim], far, *strides[dim:])
                yield region, steps, offset + start
        shape[dim] = inner[dim]
        offset += low * strides[dim]


def _replace(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node:
    whole, value = inputs
    found = _new(nodes, node, "copy", (whole,))
    return _new(nodes, node, "put", (found, value), node.params) if value.size else found


def _scatter_add(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node:
    whole, indices, source = inputs
    found = _new(nodes, node, "copy", (whole,))
    if not source.size:
        return found
    return _new(nodes, node, "scatter", (found, indices, source), node.params)


def _parts(shape: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """Into how many parts a reduction's first dimension is cut; 0 where that does not pay."""
    kept = math.prod(n for d, n in enumerate(shape) if d not in dims)
    least = max(COLUMNS, DEEP * kept) if kept >= 16 else LONG
    if not dims or math.prod(shape) < least or kept > FEW:
        return 0
    first = min(dims)
    if any(n != 1 for n in shape[:first]):
        return 0  # rows are parts enough
    size = shape[first]
    return next((n for n in range(min(PARTS, size // 2), 3, -1) if size % n == 0), 0)


def _in_parts(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node | None:
    """A long reduction with few results by parts, which threads share, and then over the parts."""
    (x,) = inputs
    dims, keep = node.params
    parts = _parts(x.shape, dims)
    if not parts:
        return None
    first = min(dims)
    shape = (*x.shape[:first], parts, x.shape[first] // parts, *x.shape[first + 1 :])
    cut = Node("reshape", (x,), (shape,), shape, x.dtype, node.line, node.module)
    inside = tuple(d + 1 for d in dims)
    left = tuple(1 if d in inside else n for d, n in enumerate(shape) if keep or d not in inside)
    part = Node(node.op, (cut,), (inside, keep), left, x.dtype, node.line, node.module)
    nodes.extend((cut, part))
    place = first - sum(1 for d in inside if d < first and not keep)
    rest = tuple(n for d, n in enumerate(left) if d != place)
    whole = Node(node.op, (part,), ((place,), False), rest, x.dtype, node.line, node.module)
    nodes.append(whole)
    if rest == node.shape:
        return whole
    return _new(nodes, node, "reshape", (whole,), (node.shape,))


def _conv(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node | None:
    """Kernels of convolutions read memory: one number that is spread out becomes an array."""
    found = []
    for x in inputs:
        under = x
        while under.op in VIEWS and not hosted(under):
            under = under.inputs[0]
        single = under.op == "constant" and under.size == 1
        found.append(_new(nodes, x, "copy", (x,)) if single else x)
    return _new(nodes, node, "conv", found, node.params)


def _dot(node: Node, inputs: Sequence[Node], nodes: list[Node]) -> Node | None:
    """Every other line and column of images, which are no rows that a product could walk."""
    found = [_new(nodes, x, "copy", (x,)) if _spread(x) and x.op != "copy" else x for x in inputs]
    return _new(nodes, node, "dot", found, node.params) if found != list(inputs) else None


def _spread(node: Node) -> bool:
    """Whether a value takes steps along several dimensions of what it looks at."""
    while node.op in VIEWS and not hosted(node):
        if node.op == "slice" and sum(step > 1 for step in node.params[2]) > 1:
            return True
        node = node.inputs[0]
    return False


_REWRITE = {
    "pad": _pad, "replace": _replace, "scatter_add": _scatter_add,
    "conv": _conv, "dot": _dot,
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"), _in_parts),
}  # fmt: skip


def _own(outputs: Sequence[Node], nodes: list[Node]) -> list[Node]:
    """Per output the node whose storage is that output's memory, none of them shared."""
    taken: set[Node] = set()
    found = []
    for node in outputs:
        home = base(node)
        root = storage(home)
        if home.op in SOURCES or root in taken or root.shape != home.shape:
            home = root = _new(nodes, node, "copy", (node,)) if native(node.dtype) else _new(
                nodes, node, "numpy.copy", (node,), ((Hole(0),), {}))  # fmt: skip
        taken.add(root)
        found.append(home)
    return found


def _first(node: Node) -> Node:
    """What `storage` says, while chains still grow."""
    while node.op in WRITES:
        node = node.inputs[0]
    return node


def storage(node: Node) -> Node:
    """The first node of a chain of writes: the owner of the memory."""
    return _home(node)[0] if node.op in WRITES else node


def shift(node: Node) -> int:
    """Elements from the beginning of its owner's memory to a node's first."""
    return _home(node)[1] if node.op in WRITES else 0


def _home(node: Node) -> tuple[Node, int]:
    """A write's owner and shift, kept in every node of its chain: loops make chains of thousands.

    A chain is final once its graph is normalised, and nobody asks before.
    """
    chain: list[Node] = []
    while node.op in WRITES and node.home is None:
        chain.append(node)
        node = node.inputs[0]
    home = node.home or (node, 0)
    for one in reversed(chain):
        home = one.home = home[0], home[1] + (one.params[0] if one.op == "part" else 0)
    return home


def _needed(nodes: list[Node], inputs: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """The nodes the outputs need; externs, draws and their order stay."""
    live = set(outputs)
    for node in reversed(nodes):
        if node.op in ("extern", "numpy_call", "draw"):
            live.add(node)
        if node in live:
            live.update(node.inputs)
    live.update(inputs)
    return [node for node in nodes if node in live]
