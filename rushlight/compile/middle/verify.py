"""Checks that a graph is one: order, arity, shapes, types, known ops; cheap enough for always."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.primitive import REGISTRY
from .graph import CORE, MOVES, POINTWISE, REDUCTIONS, Graph, Node

_KINDS = {  # of results, where they differ from those of operands
    **dict.fromkeys("eq ne lt le gt ge isnan isinf isfinite".split(), np.dtype(bool)),
    "pair": np.dtype(np.int32),
}
_COUNTS = {"where": 3, **dict.fromkeys(
    "add sub mul div max min fmod floor_div pow atan2 eq ne lt le gt ge and or xor shift_left"
    " shift_right copysign pair".split(), 2)}  # fmt: skip


class InvalidGraph(AssertionError):
    """A graph that breaks a rule of graphs: a mistake in the compiler, never in user code."""


def verify(graph: Graph, core: bool = False) -> None:
    """Raise InvalidGraph with the node and the rule it breaks; `core` demands core ops only."""
    seen: set[Node] = set()
    inputs = set(graph.inputs)
    checks = _CHECKS if core else {}
    for node in graph.nodes:
        if not seen.issuperset(node.inputs):
            early = next(x for x in node.inputs if x not in seen)
            raise _fault(node, f"reads v{early.index} before it is computed")
        seen.add(node)
        check = checks.get(node.op)
        if check is not None:
            check(node)
        elif node.op == "input":
            _demand(node in inputs, node, "is an input that the graph does not list")
        elif node.op not in CORE and node.op not in REGISTRY and "." not in node.op:
            raise _fault(node, "is not an op")
    for node in (*graph.outputs, *graph.effects):
        _demand(node in seen, node, "is given back but not computed")


def _fault(node: Node, fault: str) -> InvalidGraph:
    return InvalidGraph(f"{node!r}: {fault}")


def _demand(holds: bool, node: Node, fault: str) -> None:
    if not holds:
        raise _fault(node, fault)


def _pointwise(node: Node) -> None:
    inputs, own = node.inputs, node.shape
    if len(inputs) != _COUNTS.get(node.op, 1):
        raise _fault(node, "has the wrong number of inputs")
    first, last = inputs[0], inputs[-1]
    if first.shape != own or last.shape != own or node.op == "where":
        shape = np.broadcast_shapes(*[x.shape for x in inputs])
        if own != shape:
            raise _fault(node, f"should have shape {list(shape)}")
    if node.op == "cast":
        return
    given = inputs[1] if node.op == "where" else first
    if given.dtype is not last.dtype and given.dtype != last.dtype:
        raise _fault(node, "mixes types")
    wanted = _KINDS.get(node.op) or last.dtype
    if node.dtype is not wanted and node.dtype != wanted:
        raise _fault(node, f"should have type {wanted}")


def _reduction(node: Node) -> None:
    (x,) = node.inputs
    dims = node.params[0] if isinstance(node.params[0], tuple) else (node.params[0],)
    _demand(all(0 <= dim < x.ndim for dim in dims), node, "reduces a dimension that is not there")
    keep = node.params[1]
    shape = tuple(
        1 if dim in dims else n for dim, n in enumerate(x.shape) if keep or dim not in dims
    )
    if node.shape != shape:
        raise _fault(node, f"should have shape {list(shape)}")


def _dot(node: Node) -> None:
    a, b = node.inputs
    fault = _misfit(node.params[0], a.shape, b.shape, node.shape)
    if fault:
        raise _fault(node, fault)


@functools.lru_cache(256)
def _misfit(spec: str, *shapes: tuple[int, ...]) -> str:
    """What is wrong with the shapes of a product and its factors; "" for nothing."""
    left, _, out = spec.partition("->")
    first, _, second = left.partition(",")
    sizes: dict[str, int] = {}
    for letters, given in zip((first, second), shapes):
        if len(letters) != len(given):
            return "names another number of dimensions than there are"
        for letter, n in zip(letters, given):
            if sizes.setdefault(letter, n) != n:
                return f"has two sizes for {letter}"
    shape = tuple(sizes[letter] for letter in out)
    return "" if shapes[-1] == shape else f"should have shape {list(shape)}"


def _conv(node: Node) -> None:
    spec, *rest = node.params
    operands, result = spec.split("->")
    sizes: dict[str, int] = {}
    for letters, x in zip((*operands.split(","), result), (*node.inputs, node)):
        _demand(len(letters) == x.ndim, node, "names another number of dimensions than there are")
        for letter, n in zip(letters, x.shape):
            _demand(sizes.setdefault(letter, n) == n, node, f"has two sizes for {letter}")
    for size, kernel, out, step, pad, gap in zip("hw", "ij", "ab", *rest):
        reach = sizes[size] + 2 * pad - gap * (sizes[kernel] - 1) - 1
        fits = sizes[out] <= reach // step + 1
        _demand(fits, node, f"has more places along {out} than the kernel fits")


def _move(node: Node) -> None:
    _demand(all(x.dtype == node.dtype for x in node.inputs), node, "changes the type")
    if node.op == "reshape":
        _demand(node.inputs[0].size == node.size, node, "changes the number of elements")
    elif node.op == "permute":
        x, dims = node.inputs[0], node.params[0]
        _demand(sorted(dims) == list(range(x.ndim)), node, "is no permutation")
        _demand(node.shape == tuple(x.shape[dim] for dim in dims), node, "has the wrong shape")


_CHECKS: dict[str, Callable[[Node], Any]] = {
    **dict.fromkeys(POINTWISE, _pointwise),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(MOVES, _move),
    "dot": _dot,
    "conv": _conv,
}
