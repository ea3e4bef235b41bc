"""Which nodes a kernel must produce, and what each of them reads.

A *root* is a node that some kernel computes element by element: outputs, reductions, products,
writes, and values that several kernels use and that cost more to repeat than to keep. All other
nodes are *virtual*: they live in registers, wherever a root's expression passes through them.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from ..middle.graph import POINTWISE, REDUCTIONS, Node
from ..records import field, record
from .affine import (
    ZERO,
    Coordinates,
    Space,
    broadcast,
    contiguous,
    flat,
    identity,
    in_memory,
    through,
    variable,
)  # fmt: skip
from .normal import IDLE, SOURCES, VIEWS, WRITES, Normal, base, hosted
from .recompute import Recomputation

COSTLY = {
    **dict.fromkeys(("div", "sqrt", "floor_div", "fmod"), 4),
    **dict.fromkeys(
        "exp expm1 exp2 log log1p log2 log10 rsqrt sin cos tan asin acos atan atan2 sinh cosh tanh"
        " asinh acosh atanh sigmoid erf erfc normal_cdf pow".split(),
        12,
    ),
}
CHEAP = 3  # an expression of at most this cost over one array is repeated rather than stored
LONGEST = 48  # virtual nodes on top of each other
WIDEST = 160  # cost of one virtual expression

Read = tuple[Node, Coordinates]
# What it takes to have a value: the cost and the depth of its expression, and what is read for it.
# Where it stands in memory, (0, 0) and itself.
_Effort = tuple[int, int, frozenset[Node]]


@record(eq=False)
class Root:
    """A node with its loop space: `extents` of its variables, those that are summed, its reads."""

    node: Node
    extents: list[int]
    reduced: tuple[int, ...] = ()
    own: Coordinates = ()
    sinks: list[Read] = field(default_factory=list)  # operands, in the root's variables
    reads: dict[Read, None] = field(default_factory=dict)  # what must be in memory (or a register)

    @property
    def kept(self) -> list[int]:
        return [v for v in range(len(self.extents)) if v not in self.reduced]


_NOBODY: frozenset[Node] = frozenset()
# about how many simple vector instructions one element takes; of other ops none
_COSTS = {**dict.fromkeys(POINTWISE, 1), **COSTLY, "take": 4}


class _Facts:
    """What is asked of every node, by several: its size, and whether it stands in memory anyway."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.size = {node: node.size for node in nodes}
        self.always = {node for node in nodes if _always(node)}
        self.kept = {*self.always, *(node for node in nodes if node.op in SOURCES)}

    def alone(self, node: Node) -> frozenset[Node]:
        """The array behind a node that stands in memory; none behind a number."""
        return frozenset((node,)) if self.size[node] > 1 else _NOBODY


def choose(normal: Normal, gemm: frozenset[Node]) -> dict[Node, Root]:
    """Every root in executable order; `gemm` are the products that the matrix kernels do."""
    picked = _picked(normal, gemm)
    while True:
        roots = {n: describe(n) for n in normal.nodes if n in picked}
        broken = [x for root in roots.values() for x in _collect(root, picked)]
        if not broken:
            normal.again = [node for node in normal.again if node not in roots]
            return roots
        picked.update(dict.fromkeys(broken))


def _picked(normal: Normal, gemm: frozenset[Node]) -> dict[Node, None]:
    picked = dict.fromkeys(normal.outputs)
    facts = _Facts(normal.nodes)
    users: dict[Node, list[Node]] = {n: [] for n in normal.nodes}
    for node in normal.nodes:
        for x in node.inputs:
            users[x].append(node)
    efforts, forced = _burdens(facts)
    spread = _spread(facts, users)
    elected: dict[Node, frozenset[Node]] = {}
    reached: dict[Node, frozenset[Node]] = {}
    for node in reversed(normal.nodes):
        if node in facts.always:
            picked[node] = None
        elif node in facts.kept:
            continue
        elif node not in picked:
            asked = reached[node] = _asked(users[node], picked, reached)
            worth = node.op in POINTWISE and _worth(efforts[node], asked, node in spread)
            if worth or node in forced:
                picked[node] = None
                if node.op in POINTWISE and node not in spread:
                    elected[node] = asked
        if node in picked:
            picked.update(dict.fromkeys(_stored_operands(node, gemm)))
    spared: set[Node] = set()
    if elected:
        again = Recomputation(
            facts.size, picked.keys() | facts.kept,
            lambda n: elected.get(n) or _asked(users[n], picked, reached),
            lambda n: n in facts.kept or (n in picked and n not in spared),
        )  # fmt: skip
        _spare(facts, picked, elected, again, spared)
        normal.again = again.found
    return {n: None for n in picked if n.op not in SOURCES and n not in spared}


def _asked(
    users: Sequence[Node], picked: Container[Node], reached: Mapping[Node, frozenset[Node]]
) -> frozenset[Node]:
    """The roots whose expressions pass through a value with these users."""
    if len(users) == 1:
        (user,) = users
        return frozenset(users) if user in picked else reached.get(user, _NOBODY)
    return _NOBODY.union(*[(u,) if u in picked else reached.get(u, _NOBODY) for u in users])


def _spare(
    facts: _Facts, picked: Container[Node], elected: Mapping[Node, frozenset[Node]],
    again: Recomputation, spared: set[Node],
) -> None:  # fmt: skip
    """Find elected values that are cheap to make from a single one that is kept in any case.

    So are those that are better made again late (`recompute.py`). Those that a single root asks for
    were elected only to end a long expression, which what has been kept since may have ended.
    """
    efforts: dict[Node, _Effort] = {}
    for node in facts.nodes:
        kept = node in picked or node in facts.kept
        if not kept or node in elected:
            cost, depth, sources = effort = _effort(node, efforts, facts.size)
            if kept and len(elected[node]) < 2:
                kept = cost >= WIDEST or depth >= LONGEST
            elif kept:
                kept = cost > CHEAP or len(sources) > 1
                kept = kept and not again.pays(node, elected[node], sources)
            if not kept:
                efforts[node] = effort
                spared.add(node)
                continue
        efforts[node] = 0, 0, facts.alone(node)


def _effort(node: Node, efforts: Mapping[Node, _Effort], size: Mapping[Node, int]) -> _Effort:
    """What it takes to compute a node of its operands; small operands are no source to speak of."""
    cost, depth, big, least = _COSTS.get(node.op, 0), 0, [], size[node] // 8
    for x in node.inputs:
        more, deep, sources = efforts[x]
        cost += more
        depth = max(depth, deep)
        if size[x] > least:
            big.append(sources)
    return cost, 1 + depth, big[0] if len(big) == 1 else _NOBODY.union(*big)


def _burdens(facts: _Facts) -> tuple[dict[Node, _Effort], set[Node]]:
    """What it would take to compute each node anew, and those where expressions must end."""
    efforts: dict[Node, _Effort] = {}
    forced: set[Node] = set()
    for node in facts.nodes:
        if node in facts.kept:
            efforts[node] = 0, 0, facts.alone(node)
            continue
        cost, depth, _ = efforts[node] = _effort(node, efforts, facts.size)
        if cost >= WIDEST or depth >= LONGEST:
            forced.add(node)
            efforts[node] = 0, 0, frozenset((node,))
    return efforts, forced


def _always(node: Node) -> bool:
    return (
        node.op in REDUCTIONS or node.op in WRITES or node.op in ("dot", "conv", "copy", "empty")
        or hosted(node)
    )  # fmt: skip


def _worth(effort: _Effort, asked: frozenset[Node], spread: bool) -> bool:
    """Whether a value is to be kept, rather than made anew in each expression that reads it."""
    cost, _, sources = effort
    if cost > 1 and spread:
        return True  # it would be repeated along the new dimensions
    if len(asked) < 2:
        return False
    return cost > CHEAP or len(sources) > 1


def _spread(facts: _Facts, users: Mapping[Node, list[Node]]) -> set[Node]:
    """Values that are broadcast to larger ones, as they are or reshaped."""
    found: set[Node] = set()
    size = facts.size
    for node in reversed(facts.nodes):
        own = size[node]
        for u in users[node]:
            if u.op != "slice" and (size[u] > own or (u in found and u.op == "reshape")):
                found.add(node)
                break
    return found


def _stored_operands(node: Node, gemm: frozenset[Node]) -> Iterator[Node]:
    """Operands that must stand in memory: of host calls, matrix kernels, gathers."""
    if hosted(node):
        yield from (base(x) for x in node.inputs)
    elif node.op in WRITES:
        yield node.inputs[0]
    elif node in gemm:
        yield from (below(x) for x in node.inputs)


def below(node: Node) -> Node:
    """The value that a chain of moves looks at."""
    while node.op in VIEWS and not hosted(node):
        node = node.inputs[0]
    return node


def describe(node: Node) -> Root:
    """The loop space of a root."""
    if hosted(node) or node.op in IDLE:
        return Root(node, [], sinks=[(base(x), ()) for x in node.inputs])
    return _SPACES.get(node.op, _mapped)(node)


_identity = functools.lru_cache(256)(identity)


def _mapped(node: Node) -> Root:
    own, extents = _identity(node.shape)
    if node.op in VIEWS or node.op == "take":
        sinks = [(node, own)]
    else:
        sinks = _beneath(node, own)
    return Root(node, list(extents), own=own, sinks=sinks)


def _beneath(node: Node, at: Coordinates) -> list[Read]:
    """The operands of an op on each element, at the place of one of them."""
    shape = node.shape
    if 1 in shape:
        return [(x, broadcast(at, x.shape)) for x in node.inputs]
    return [(x, at if x.shape == shape else broadcast(at, x.shape)) for x in node.inputs]


def _reduced(node: Node) -> Root:
    (x,) = node.inputs
    whole, extents = identity(x.shape)
    dims = node.params[0] if isinstance(node.params[0], tuple) else (node.params[0],)
    gone = {dim % max(x.ndim, 1) for dim in dims}
    own = tuple(c for dim, c in enumerate(whole) if dim not in gone)
    if node.params[1]:
        own = tuple(ZERO if dim in gone else c for dim, c in enumerate(whole))
    reduced = tuple(whole[dim][1][0][0] for dim in sorted(gone) if dim < x.ndim and whole[dim][1])
    return Root(node, extents, reduced, own, [(x, whole)])


def _product(node: Node) -> Root:
    shapes = (*[x.shape for x in node.inputs], node.shape)
    extents, reduced, own, places = _axes(node.params[0], shapes)
    return Root(node, list(extents), reduced, own, list(zip(node.inputs, places)))


@functools.lru_cache(256)
def _axes(spec: str, shapes: tuple[tuple[int, ...], ...]) -> Any:
    """The loop space of a product: extents, what is summed, and where its values lie in it."""
    operands, result = spec.split("->")
    parts = operands.split(",")
    sizes = {c: n for part, shape in zip((*parts, result), shapes) for c, n in zip(part, shape)}
    letters = list(result) + [c for c in sizes if c not in result]
    places = {c: k for k, c in enumerate(c for c in letters if sizes[c] != 1)}
    at = {c: variable(places[c]) if c in places else ZERO for c in letters}
    reduced = tuple(k for c, k in places.items() if c not in result)
    extents = [sizes[c] for c in places]
    own, *sinks = (tuple(at[c] for c in part) for part in (result, *parts))
    return extents, reduced, own, sinks


def _put(node: Node) -> Root:
    own, extents = identity(node.params[0])
    value = node.inputs[1]
    return Root(node, extents, own=own, sinks=[(value, broadcast(own, value.shape))])


def _scatter(node: Node) -> Root:
    _, indices, source = node.inputs
    own, extents = identity(source.shape)
    (dim,) = node.params
    inner = own[dim : dim + indices.ndim]
    reduced = tuple(c[1][0][0] for c in inner if c[1])
    return Root(node, extents, reduced, own, [(indices, inner), (source, own)])


_SPACES = {
    **dict.fromkeys(REDUCTIONS, _reduced), "dot": _product, "conv": _product, "put": _put,
    "scatter": _scatter,
}  # fmt: skip


def _collect(root: Root, picked: Mapping[Node, object]) -> list[Node]:
    """Fill the root's reads; give the nodes that must be stored for it to be affine."""
    space = Space(root.extents)
    broken: list[Node] = []
    seen: set[Read] = set()
    stack = list(reversed(root.sinks))
    first = root.node if root.node.op in VIEWS or root.node.op == "take" else None
    while stack:
        node, at = stack.pop()
        if (node, at) in seen:
            continue
        seen.add((node, at))
        if node is not first and (node in picked or node.op in SOURCES):
            root.reads[node, at] = None
            continue
        found = operands(node, at, space)
        if found is None:
            home, index = through_memory(node, at)
            if home in picked or home.op in SOURCES:
                root.reads[home, index] = None
            else:
                broken.append(home)
            continue
        stack.extend(reversed(found))
    if root.node.op in WRITES:
        root.reads[root.node.inputs[0], ()] = None
    return [x for x in broken if x not in picked]


def through_memory(node: Node, at: Coordinates) -> Read:
    """Where a reshape or strided view lies in the memory of the value below it."""
    home = base(node.inputs[0])
    if node.op == "reshape":
        return home, in_memory(flat(at, contiguous(node.shape)))
    _, strides, offset = node.params
    return home, in_memory(flat(at, strides, offset))


def operands(node: Node, at: Coordinates, space: Space) -> list[Read] | None:
    """What a virtual node reads to give its element at `at`; None where that is not affine."""
    if node.op in VIEWS:
        below = through(node, at, space)
        return None if below is None else [(node.inputs[0], below)]
    if node.op == "take":
        x, indices = node.inputs
        (dim,) = node.params
        end = dim + indices.ndim
        place = (indices, at[dim:end])
        index = space.lookup(*place, x.shape[dim]) if x.shape[dim] > 1 else ZERO
        return [(x, (*at[:dim], index, *at[end:])), place]
    if node.op == "iota":
        return []
    return _beneath(node, at)
