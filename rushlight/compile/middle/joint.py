"""Results that still want a gradient: the backward pass traced too, and cut off as its own graph.

While the forward trace is open, the ordinary sweep runs from the results with inputs ("seeds") as
their gradients. What depends on a seed is the backward graph; the forward values it reads are kept
between the two, unless they are cheap to compute again from what is kept anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...core.dispatch import LATE
from ...core.tape import FREED, HOOKS, INPUTS, LEAF, ORDER, PARENTS, PRIM
from ...core.tensor import Tensor, wrap
from ..tracing.changes import Uncompilable
from ..tracing.trace import Tracer
from .graph import Graph, Node

CHEAP = frozenset(
    "add sub mul div neg relu gt ge lt le eq ne cast where sigmoid_back transpose t permute reshape"
    " view expand unsqueeze squeeze method.swapaxes method.conj method.astype square".split()
)


class Joint:
    """The backward half: its graph, what it reads of the forward half, whose gradients it gives.

    `kept` says where its inputs after the seeds come from: (True, number of an input of the forward
    half) or (False, number of an output); `targets` are the inputs that get gradients; `shapes`
    those of the results.
    """

    def __init__(
        self, graph: Graph, kept: list[tuple[bool, int]], targets: list[int], shapes: list[Any]
    ) -> None:
        self.graph, self.kept, self.targets, self.shapes = graph, kept, targets, shapes


def wanting(tracer: Tracer) -> list[int]:
    """The inputs that require a gradient, by number."""
    found = []
    for place, source in enumerate(tracer.sources):
        owner = source.tensor
        if owner is not None and owner._entry is not None:
            found.append(place)
    return found


def differentiate(
    tracer: Tracer, results: Sequence[Tensor]
) -> tuple[list[Node], list[Node], list[int]]:
    """Run the backward pass of live results: (seeds, gradients, numbers of the inputs)."""
    places = wanting(tracer)
    targets = [tracer.sources[place].tensor for place in places]
    seeds = []
    for x in results:
        value = np.ones(x._array.shape, x._array.dtype)
        seed = tracer.fresh(value, Node("input", (), ("seed",), value.shape, value.dtype))
        seeds.append((seed, wrap(seed)))
    with _ended_at(targets):
        found = LATE.gradients(
            list(results), targets, [seed for _, seed in seeds], retain_graph=True,
            allow_unused=True,
        )  # fmt: skip
    if tracer.broken is not None:  # the pass went on behind an argument that shares memory
        raise Uncompilable(*tracer.broken)
    pairs = [(place, g) for place, g in zip(places, found) if g is not None]
    nodes = [tracer.lift(g).read() for _, g in pairs]
    return [seed.node for seed, _ in seeds], nodes, [place for place, _ in pairs]


@contextmanager
def _ended_at(inputs: Sequence[Any]) -> Iterator[None]:
    """Let gradients end at inputs: where one was made of another, its own tape leads on to that."""
    entries = [x._entry for x in inputs if type(x._entry) is list]
    behind = [(entry, entry[PARENTS]) for entry in {id(entry): entry for entry in entries}.values()]
    try:
        for entry, _ in behind:
            entry[PARENTS] = ()
        yield
    finally:
        for entry, parents in behind:
            entry[PARENTS] = parents


def used_up(x: Tensor, began: int) -> bool:
    """Whether a backward pass in the call has given back what a result's gradient needs."""
    seen: set[int] = set()
    waiting: list[Any] = [x._entry]
    while waiting:
        entry = waiting.pop()
        if type(entry) is not list or entry[ORDER] in seen or entry[ORDER] < began:
            continue
        if entry[INPUTS] is FREED:
            return True
        seen.add(entry[ORDER])
        waiting += entry[PARENTS]
    return False


def _hooked(live: list[Tensor], made: set[int]) -> bool:
    """Whether somebody looks on as gradients go back: hooks of tensors, nodes or modules.

    Uncompilable where they go to a leaf among those made, by id: it would get none.
    """
    seen: set[int] = set()
    waiting: list[Any] = [x._entry for x in live]
    while waiting:
        entry = waiting.pop()
        if id(entry) in made:
            raise Uncompilable("a result wants the gradient of another one")
        if type(entry) is not list or id(entry) in seen:
            continue
        seen.add(id(entry))
        if entry[HOOKS] is not None or entry[PRIM].name == "BackwardHookFunction":
            return True
        waiting += entry[PARENTS]
    return False


def backwards(tracer: Tracer, live: list[Tensor], results: Sequence[Any]) -> Any:
    """The backward pass of the live ones among results, traced."""
    tracer.live = {id(x): place for place, x in enumerate(live)}
    if any(source.tensor is not None and source.tensor._hooks for source in tracer.sources):
        raise Uncompilable("a parameter has gradient hooks")
    leaves = [x for x in results if isinstance(x, Tensor) and x._entry is LEAF]
    if _hooked(live, {id(x) for x in leaves if not tracer.stood(x)}):
        raise Uncompilable("hooks on gradients must be called in every backward pass")
    try:
        return differentiate(tracer, live)
    except (RuntimeError, ValueError) as error:
        reason = f"its result wants a gradient that cannot be computed: {error}"
        raise Uncompilable(reason) from error


def split(seeds: Sequence[Node], gradients: Sequence[Node]) -> tuple[Graph, list[Node]]:
    """The backward graph and the forward nodes that it reads, in the order of its inputs."""
    whole = Graph(list(seeds), list(gradients))
    late = set(seeds)
    for node in whole.nodes:
        if any(x in late for x in node.inputs):
            late.add(node)
    wanted = [x for node in whole.nodes if node in late for x in node.inputs if x not in late]
    wanted += [node for node in gradients if node not in late]
    again = _again(list(dict.fromkeys(wanted)))
    kept = [node for node in dict.fromkeys(wanted) if node not in again]
    kept += [x for node in again for x in node.inputs if x not in again and x not in kept]
    kept = [node for node in dict.fromkeys(kept) if node.op != "constant"]
    copies: dict[Node, Node] = {}
    for node in kept:
        copies[node] = Node("input", (), ("kept",), node.shape, node.dtype, node.line)
    return _rebuilt(seeds, gradients, copies, kept), kept


def _again(wanted: list[Node]) -> dict[Node, None]:
    """Wanted nodes to be computed again: cheap, from values that are kept in any case."""
    have = set(wanted)
    again: dict[Node, None] = {}
    for node in sorted(wanted, key=lambda node: -node.index):
        sources = [x for x in node.inputs if x.op != "constant"]
        if node.op in CHEAP and sources and all(
            (x in have and x not in again) or x.op == "input" for x in sources
        ):  # fmt: skip
            again[node] = None
    return again


def _rebuilt(
    seeds: Sequence[Node], gradients: Sequence[Node], copies: dict[Node, Node], kept: list[Node]
) -> Graph:
    def copy(node: Node) -> Node:
        return node.over([copies[x] for x in node.inputs])

    order: list[Node] = []
    _walk(list(gradients), set(kept), order)
    for node in order:
        if node not in copies:
            copies[node] = node if node in seeds or node.op == "constant" else copy(node)
    inputs = [*seeds, *(copies[node] for node in kept)]
    return Graph(inputs, [copies[node] for node in gradients])


def _walk(roots: list[Node], stop: set[Node], found: list[Node]) -> None:
    """Every node that the roots need, each after what it reads, not looking behind `stop`."""
    done: set[Node] = set()
    stack = [(node, False) for node in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            found.append(node)
            continue
        if node in done:
            continue
        done.add(node)
        stack.append((node, True))
        if node not in stop:
            stack.extend((x, False) for x in reversed(node.inputs))
