"""What must be true of values for a program to be right: indices in range, above all.

An eager op that meets a bad index raises. A program asks first, by a small program of its own that
runs before anything is written or drawn; where the answer is no the call runs eagerly, and raises
there as it always did, with the user's line. A question that cannot be asked so early (about
numbers drawn in the call, or results of long computations) is an output of the program itself,
which ends where the answer is no before it writes over anything (`kernels/asked.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from ..middle.graph import Graph, Node, order
from .traced import Traced, constant

BOOL = np.dtype(bool)
ROOM = 1 << 14  # elements that may be computed so that a question can be asked early
SOON = 1 << 10  # elements that are computed twice rather than asked about on the way
_LATE = frozenset(("draw", "numpy.called"))


class Refused(Exception):
    """A program met values that it is not right for; nothing has been written."""


# --- what ops ask of their indices


def _traced(x: Any) -> bool:
    return type(x) is Traced


def ask(tracer: Any, places: Any, low: int, high: int) -> None:
    """Have whole numbers found in low..high-1 at every run, unless they cannot be elsewhere."""
    if type(places) is np.ndarray:  # of a tensor that the trace has not met yet, perhaps
        places = tracer.known(places)
    if _traced(places) and places.dtype != BOOL and not _within(places.read(), low, high):
        tracer.require((places >= low) & (places < high))


def asked_of_key(tracer: Any, shape: Sequence[int], key: Any) -> None:
    """The arrays of an index: in range of their dimensions, from either end."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [part for part in parts if not isinstance(part, np.ndarray)]:
        place = next(i for i, part in enumerate(parts) if part is Ellipsis)
        used = sum(_width(part) for part in parts) - _width(Ellipsis)
        parts[place : place + 1] = [slice(None)] * (len(shape) - used)
    dim = 0
    for part in parts:
        if isinstance(part, np.ndarray):
            ask(tracer, part, -shape[dim], shape[dim])
        dim += _width(part)


def _width(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == BOOL else 1


def _labels(tracer: Any, operands: Any, params: Any) -> None:
    scores, labels = operands[:2]
    ignore, classes = params[0], scores.shape[1 if scores.ndim > 1 else 0]
    if _traced(labels) and not _within(labels.read(), 0, classes):
        tracer.require((labels == ignore) | ((labels >= 0) & (labels < classes)))


ASKS: dict[str, Callable[[Any, Any, Any], None]] = {
    "index": lambda t, xs, params: asked_of_key(t, xs[0].shape, params[0]),
    "index_put": lambda t, xs, params: asked_of_key(t, xs[0].shape, params[0]),
    "embedding": lambda t, xs, params: ask(t, xs[1], 0, xs[0].shape[0]),
    "nll_loss": _labels, "cross_entropy": _labels,
    "numpy.with_item": lambda t, xs, params: asked_of_key(t, xs[0].shape, xs[1]),
    "method.__getitem__": lambda t, xs, params: asked_of_key(t, xs[0].shape, xs[1]),
}  # fmt: skip

# --- what is known of numbers without looking

_SAME = frozenset(
    "part view reshape unsqueeze squeeze expand transpose t permute clone flip contiguous cast"
    " strided_view select narrow method.reshape method.ravel method.copy".split()
)
_PLACES = frozenset(("argmax", "argmin", "argsort"))
_SORTS = frozenset(("sort", "topk", "extremum_along", "kthvalue", "mode"))


def _within(node: Node, low: int, high: int) -> bool:
    """Whether whole numbers are known to be in low..high-1."""
    found = _bounds(node)
    return found is not None and low <= found[0] and found[1] < high


def _bounds(node: Node) -> tuple[int, int] | None:
    """The least and the largest number that a node can hold, where that is known."""
    if node.op == "constant" and node.params[0] is not None and node.size:
        return int(node.params[0].min()), int(node.params[0].max())
    if node.op in _SAME and node.dtype.kind in "iu":
        return _bounds(node.inputs[0]) if node.inputs[0].dtype.kind in "iu" else None
    if node.op in _PLACES:
        return _along(node)
    if node.op == "output_of" and node.params[0] == 1 and node.inputs[0].op in _SORTS:
        return _along(node.inputs[0])
    return _drawn(node) if node.op == "draw" else None


def _along(node: Node) -> tuple[int, int]:
    shape, dim = node.inputs[0].shape, node.params[0]
    return 0, (prod(shape) if dim is None or not shape else shape[dim]) - 1


def _drawn(node: Node) -> tuple[int, int] | None:
    _, method, args, _ = node.params
    if method == "integers" and len(args) == 4:
        return args[2], args[3] - 1
    if method == "randperm":
        return 0, args[0] - 1
    return (0, node.inputs[0].shape[-1] - 1) if method == "multinomial" and node.inputs else None


# --- the questions of a whole call


class Required:
    """The question asked first, with the numbers of the inputs it reads; and the late one."""

    def __init__(self, nodes: Sequence[Node], inputs: Sequence[Node]) -> None:
        early: list[Node] = []
        late: list[Node] = []
        for node in dict.fromkeys(nodes):
            if constant(node):  # the traced call has asked it
                continue
            (early if can_be_early(node, SOON) else late).append(node)
        self.late = _all(late) if late else None
        self.reads: list[int] = []
        self.graph: Graph | None = None
        if early:
            whole = _all(early)
            needed = set(order([whole]))
            self.reads = [place for place, node in enumerate(inputs) if node in needed]
            self.graph = Graph([inputs[place] for place in self.reads], [whole])


def can_be_early(node: Node, room: int = ROOM) -> bool:
    """Whether a question can be asked before the program runs: from its inputs, and soon done."""
    found = order([node])
    if any(x.op in _LATE for x in found):
        return False
    work = sum(x.size for x in found if x.op not in ("input", "constant", *_SAME))
    return work <= max(room, 8 * node.size)


def _all(nodes: Sequence[Node]) -> Node:
    """One truth value: whether all nodes are true everywhere."""
    found: Node | None = None
    for node in nodes:
        dims = tuple(range(node.ndim))
        one = Node("all", (node,), (dims, False), (), BOOL, node.line) if dims else node
        found = one if found is None else Node("logical_and", (found, one), (), (), BOOL, node.line)
    assert found is not None
    return found
